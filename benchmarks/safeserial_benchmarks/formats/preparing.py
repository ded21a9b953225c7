# SPDX-License-Identifier: BSD-3-Clause
"""What is measured: a model with rows for it, laid out in a folder for the workers."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import safeserial as ss
from safeserial.errors import SafeSerialError, UnsupportedModelError
from safeserial_benchmarks.formats.place import make_keys

ROWS: Final = 200  # of a sample: enough to compare answers, few enough for slow models
_LARGEST_ANSWER: Final = 2**28


@dataclass(frozen=True)
class Subject:
    """A model to be measured.

    Parameters
    ----------
    name : str
        Its key in results.
    title : str
        One line for people.
    make : callable
        Returns the fitted model and rows for it, None if it is asked nothing.
    """

    name: str
    title: str
    make: Callable[[], tuple[Any, Any]]


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long to measure.

    Parameters
    ----------
    rounds : int
        Processes a format, beside the rehearsal.
    seconds : float
        Budget of each warm measure in each process.
    limit : float
        Seconds after which one save, or one process that loads, is given up.
    many : int
        Rows of the large prediction.
    many_seconds : float
        It has fewer where the original model would take longer than this.
    """

    rounds: int = 5
    seconds: float = 0.5
    limit: float = 120.0
    many: int = 10_000
    many_seconds: float = 4.0


FULL: Final = Effort()
QUICK: Final = Effort(rounds=2, seconds=0.1, limit=60.0, many_seconds=1.0)


def lay_out(subject: Subject, folder: Path) -> dict[str, Any]:
    """Write a model, its rows and keys into an empty folder.

    Returns
    -------
    dict
        Facts of the model, for the results.

    Raises
    ------
    UnsupportedModelError
        If it does not pickle, so that no process of its own can get it.
    """
    model, rows = subject.make()
    reference = folder / "reference.pkl"
    try:
        with reference.open("wb") as stream:
            pickle.dump(model, stream, 5)
    except Exception as error:
        raise UnsupportedModelError(
            f"the model cannot be handed to another process: {error}",
            hint="define its classes and functions in a module, not in a script or a notebook",
        ) from error
    (folder / "sample.pkl").write_bytes(pickle.dumps(_few(rows), 5))
    make_keys(folder)
    facts = {"trusted": _untrusted(reference), "methods": [], "many_rows": 1}
    (folder / "facts.json").write_text(json.dumps(facts), "utf-8")
    return {
        "title": subject.title,
        "class": f"{type(model).__module__}.{type(model).__qualname__}",
        "pickled_bytes": reference.stat().st_size,
        "trusted": facts["trusted"],
    }


def order_of(effort: Effort) -> dict[str, Any]:
    """Return what the worker that asks the reference model needs to know."""
    return {
        "many": effort.many,
        "many_seconds": effort.many_seconds,
        "many_bytes": _LARGEST_ANSWER,
    }


def _few(rows: Any) -> Any:
    if rows is None:
        return None
    return rows.head(ROWS) if hasattr(rows, "head") else rows[:ROWS]


def _untrusted(path: Path) -> list[str]:
    """Return what a receiver would have to trust; the user's own model is trusted here."""
    try:
        return list(ss.get_untrusted_types(path))
    except SafeSerialError:
        return []
