# SPDX-License-Identifier: BSD-3-Clause
"""Two runs side by side: what became faster, slower, larger, or came and went."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from rich.table import Table
from rich.text import Text

from safeserial_benchmarks.formats import figures
from safeserial_benchmarks.formats.results import MEASURES, Comparison, Row

WATCHED: Final = ("bytes", "save", "load", "peak_load", "cold_total", "predict_one", "predict_many")
_NOTICED: Final = 0.05  # a smaller relative change of the medians is none
_STYLES: Final = {"less": "green", "more": "red", "same": "dim", "status": "yellow"}
Verdict = Literal["less", "more", "same", "status"]


@dataclass(frozen=True)
class Change:
    """One figure in two runs.

    Parameters
    ----------
    model, format, measure : str
        What is compared; `measure` is ``"status"`` where one of the runs has no figures.
    old, new : str
        In words.
    ratio : float, optional
        New over old.
    verdict : {"less", "more", "same", "status"}
        ``same`` where the quartiles overlap or the medians differ by less than 5 %.
    """

    model: str
    format: str
    measure: str
    old: str
    new: str
    ratio: float | None
    verdict: Verdict


def changes(old: Comparison, new: Comparison) -> Iterator[Change]:
    """Yield how the rows that both runs have differ.

    Parameters
    ----------
    old, new : Comparison
        Best of the same machine: :func:`different_machines` tells.
    """
    for row in new.rows:
        before = old.row(row.model, row.format)
        if before is None:
            continue
        if not (row.ok and before.ok):
            if row.status != before.status:
                pair = (before.status, row.status)
                yield Change(row.model, row.format, "status", *pair, None, "status")
            continue
        for measure in WATCHED:
            change = _change(before, row, measure)
            if change is not None:
                yield change


def _change(before: Row, row: Row, measure: str) -> Change | None:
    first, second = before.spread(measure), row.spread(measure)
    if first is None or second is None or not first.median:
        return None
    ratio = second.median / first.median
    apart = second.q1 > first.q3 or second.q3 < first.q1
    moved = apart and abs(ratio - 1) >= _NOTICED
    verdict: Verdict = "same" if not moved else "more" if ratio > 1 else "less"
    pair = (figures.of(before, measure), figures.of(row, measure))
    return Change(row.model, row.format, measure, *pair, ratio, verdict)


def different_machines(old: Comparison, new: Comparison) -> list[str]:
    """Return the facts of the machine and the libraries in which two runs differ."""
    watched = ("cpu", "cores", "memory_bytes", "kernel", "file_system", "python")
    found = [name for name in watched if old.machine.get(name) != new.machine.get(name)]
    libraries: list[dict[str, Any]] = [one.machine.get("libraries", {}) for one in (old, new)]
    names = sorted({*libraries[0], *libraries[1]})
    return found + [name for name in names if libraries[0].get(name) != libraries[1].get(name)]


def table(old: Comparison, new: Comparison) -> Table:
    """Return the changes as a table; what stayed the same is counted, not listed."""
    found = list(changes(old, new))
    same = sum(one.verdict == "same" for one in found)
    grid = Table(
        title=f"against the run of {old.created}",
        title_justify="left",
        caption=f"{same} figures are the same: quartiles overlap, or less than 5 % apart",
    )
    for heading in ("model", "format", "measure"):
        grid.add_column(heading)
    for heading in ("before", "now", "now / before"):
        grid.add_column(heading, justify="right")
    for one in found:
        if one.verdict != "same":
            title = MEASURES.get(one.measure, ("status", ""))[0]
            ratio = "" if one.ratio is None else figures.times(one.ratio)
            cells = (one.model, new.formats[one.format]["label"], title, one.old, one.new)
            grid.add_row(*map(Text, cells), Text(ratio, style=_STYLES[one.verdict]))
    return grid
