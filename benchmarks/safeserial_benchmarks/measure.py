# SPDX-License-Identifier: BSD-3-Clause
"""Timing of contenders side by side, and the rows that results are made of.

Times on a shared machine drift by more than the contenders differ.  So every round runs each of
them once, and a ratio is taken within its round; what is reported is the median of those ratios and
the quartiles around it, never a ratio of two best times.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Note = Callable[[str], None]
MAX_ERROR: Final = 400


@dataclass(frozen=True)
class Spread:
    """Median and quartiles.

    Parameters
    ----------
    q1, median, q3 : float
        A quarter, half and three quarters of the values are below.
    """

    q1: float
    median: float
    q3: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Summarize at least one value."""
        listed = list(values)
        if len(listed) == 1:
            return cls(listed[0], listed[0], listed[0])
        q1, median, q3 = statistics.quantiles(listed, n=4, method="inclusive")
        return cls(q1, median, q3)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One contender at one task.

    Parameters
    ----------
    group : {"load", "dump", "memory", "startup", "limits", "sharing"}
        The table that it belongs to.
    subject : str
        Model, or kind of process, that was measured.
    contender : str
        What was run.
    unit : {"s", "bytes", "count"}
        Of `value`.
    value : Spread, optional
        What was measured; None if it failed.
    rounds : int
        Number of measurements.
    ratios : mapping of str to Spread
        This contender's value over another's of the same round, by the other's name.
    facts : mapping
        What else is worth knowing: size of the file, durability of the write.
    error : str, optional
        Why there is no value.
    """

    group: str
    subject: str
    contender: str
    unit: str = "s"
    value: Spread | None = None
    rounds: int = 0
    ratios: Mapping[str, Spread] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True)
class Contender:
    """One way to do a task.

    Parameters
    ----------
    name : str
        As it stands in the table.
    run : callable
        Does the task once; its result is dropped outside the measured time.
    clean : callable, optional
        Undoes it, outside the measured time.
    facts : mapping
        For the row.
    """

    name: str
    run: Callable[[], object]
    clean: Callable[[], None] = lambda: None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Parameters
    ----------
    seconds : float
        Stop after the round in which this is reached.
    at_least, at_most : int
        Rounds in any case, and at the most.
    """

    seconds: float
    at_least: int
    at_most: int


def said(error: BaseException) -> str:
    """Return an error as text for a row."""
    return f"{type(error).__name__}: {error}"[:MAX_ERROR]


def compare(
    group: str,
    subject: str,
    contenders: Iterable[Contender],
    references: Iterable[str],
    effort: Effort,
) -> list[Row]:
    """Run contenders in interleaved rounds.

    Parameters
    ----------
    group, subject : str
        For the rows.
    contenders : iterable of Contender
        Each runs once untimed, then once a round.
    references : iterable of str
        Contenders that the others' ratios are taken to.
    effort : Effort
        When to stop.

    Returns
    -------
    list of Row
        One a contender, in their order; one that fails in its untimed run is a row with an error.
    """
    listed = list(contenders)
    errors = {one.name: error for one in listed if (error := _rehearse(one)) is not None}
    running = [one for one in listed if one.name not in errors]
    times: dict[str, list[float]] = {one.name: [] for one in running}
    begun = time.perf_counter()
    for done in range(effort.at_most):
        if done >= effort.at_least and time.perf_counter() - begun > effort.seconds:
            break
        gc.collect()
        for one in running:
            times[one.name].append(_time(one))
    wanted = [name for name in references if name in times]
    return [
        Row(
            group=group,
            subject=subject,
            contender=one.name,
            value=Spread.of(times[one.name]) if one.name in times else None,
            rounds=len(times.get(one.name, ())),
            ratios={
                name: _ratio(times[one.name], times[name])
                for name in wanted
                if one.name in times and name != one.name
            },
            facts=dict(one.facts),
            error=errors.get(one.name),
        )
        for one in listed
    ]


def _ratio(mine: list[float], others: list[float]) -> Spread:
    return Spread.of(a / b for a, b in zip(mine, others, strict=True))


def _rehearse(one: Contender) -> str | None:
    """Run once untimed: imports, caches and page cache are warm afterwards."""
    try:
        one.run()
        one.clean()
    except Exception as error:  # noqa: BLE001 - a contender that fails is a row, not the end
        return said(error)
    return None


def _time(one: Contender) -> float:
    gc.collect(1)  # a whole collection is for the round: it takes longer than small loads do
    start = time.perf_counter()
    result = one.run()
    elapsed = time.perf_counter() - start
    del result
    one.clean()
    return elapsed
