# SPDX-License-Identifier: BSD-3-Clause
"""Results of a comparison: one row a model and format, every value kept, as JSON in and out.

docs/reference/benchmark-results.md describes the file.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NotRequired, TypedDict

import msgspec

from safeserial.errors import FormatError
from safeserial.files import atomic_write, display, read_small
from safeserial.transfer import write_all
from safeserial_benchmarks.measure import Spread

SCHEMA: Final = "safeserial/format-comparison/v1"
MAX_BYTES: Final = 2**27
Status = Literal["ok", "not installed", "cannot hold", "failed", "too slow", "not measured"]

# Measure: (title, unit).  Where less is better, which is everywhere.
MEASURES: Final[dict[str, tuple[str, str]]] = {
    "save": ("save, on disk when it returns", "s"),
    "load": ("load, everything imported", "s"),
    "bytes": ("file size", "bytes"),
    "peak_load": ("memory that loading takes at its peak", "bytes"),
    "peak_save": ("memory that saving takes at its peak", "bytes"),
    "peak_process": ("memory of the process at its first prediction", "bytes"),
    "cold_total": ("fresh process to first prediction", "s"),
    "cold_start": ("of that: interpreter", "s"),
    "cold_import": ("of that: imports", "s"),
    "cold_load": ("of that: load", "s"),
    "cold_predict": ("of that: first prediction", "s"),
    "predict_one": ("prediction of one row", "s"),
    "predict_many": ("prediction of many rows", "s"),
}
PHASES: Final = ("cold_start", "cold_import", "cold_load", "cold_predict")


@dataclass(kw_only=True)
class Row:
    """One model in one format.

    Parameters
    ----------
    model, format : str
        Keys of the document's ``models`` and ``formats``.
    status : str
        ``ok``, or why there are no figures.
    error : str
        What happened, where it is not ``ok``.
    bytes : int, optional
        Size of the file, or of the files of a folder.
    parity : mapping
        How the loaded model's answers compare with the original's.
    values : dict
        Measure to a list of values a round.
    """

    model: str
    format: str
    status: Status = "not measured"
    error: str = ""
    bytes: int | None = None
    parity: Mapping[str, Any] = field(default_factory=dict)
    values: dict[str, list[list[float]]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether there are figures."""
        return self.status == "ok"

    @property
    def rounds(self) -> int:
        """Number of rounds that are done."""
        return min((len(self.values.get(name, ())) for name in ("save", "load")), default=0)

    def spread(self, measure: str) -> Spread | None:
        """Return median and quartiles of all values of a measure, or None."""
        if measure == "bytes":
            return None if self.bytes is None else Spread.of([float(self.bytes)])
        values = [one for each in self.values.get(measure, ()) for one in each]
        return Spread.of(values) if values else None

    def median(self, measure: str) -> float | None:
        """Return the median of all values of a measure, or None."""
        spread = self.spread(measure)
        return None if spread is None else spread.median

    def ratio(self, measure: str, other: Row) -> Spread | None:
        """Return this row's value over another's, taken within each round; None without rounds."""
        mine, others = self.values.get(measure, ()), other.values.get(measure, ())
        pairs = [
            (statistics.median(a), statistics.median(b)) for a, b in zip(mine, others, strict=False)
        ]
        ratios = [a / b for a, b in pairs if b]
        return Spread.of(ratios) if ratios else None


@dataclass(kw_only=True)
class Comparison:
    """All rows of a run, with what they depend on.

    Parameters
    ----------
    machine : mapping
        Facts of the machine, and of what is installed.
    settings : mapping
        Rounds and budgets.
    models : dict
        Key to facts of the model.
    formats : dict
        Key to facts of the format.
    rows : list of Row
        In the order of models and formats.
    complete : bool
        Whether the run came to its end.
    created : str
        When it began.
    growth : list
        Fitted curves, where this was a run of ``--growth``.
    """

    machine: dict[str, Any]
    settings: dict[str, Any]
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    formats: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    complete: bool = False
    created: str = field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes")
    )
    growth: list[dict[str, Any]] = field(default_factory=list)

    def row(self, model: str, form: str) -> Row | None:
        """Return one row, or None."""
        return next((r for r in self.rows if (r.model, r.format) == (model, form)), None)

    def of(self, model: str) -> list[Row]:
        """Return the rows of a model."""
        return [row for row in self.rows if row.model == model]

    def measured(self, model: str, measure: str) -> bool:
        """Tell whether any row of a model has a figure for a measure."""
        return any(row.ok and row.spread(measure) for row in self.of(model))

    def leaders(self, model: str, measure: str) -> set[str]:
        """Return the formats that are best at a measure, or whose quartiles reach the best one's.

        None where that would be more than half of them: then there is nothing to choose.
        """
        found = [(row.format, row.spread(measure)) for row in self.of(model) if row.ok]
        known = [(form, spread) for form, spread in found if spread is not None]
        if not known:
            return set()
        best = min((spread for _, spread in known), key=lambda spread: spread.median)
        tied = {form for form, spread in known if spread.q1 <= best.q3}
        return tied if 2 * len(tied) <= max(len(known), 2) else set()

    def to_dict(self) -> dict[str, Any]:
        """Return the document as plain data."""
        document = {"schema": SCHEMA, **dataclasses.asdict(self)}
        for row in document["rows"]:
            row["values"] = {name: _rounded(found) for name, found in row["values"].items()}
        return document

    def save(self, path: str | Path) -> None:
        """Write the document as JSON, whole or not at all."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=None, separators=(",", ":"))
        text = text.replace('},{"model"', '},\n{"model"').replace(',"rows":', ',\n"rows":')
        with atomic_write(path) as stream:
            write_all(stream, (text + "\n").encode("utf-8"))


def _rounded(rounds: Iterable[Iterable[float]]) -> list[list[float]]:
    """Keep four digits: the rest is noise."""
    return [[float(f"{one:.4g}") for one in values] for values in rounds]


def read(path: str | Path) -> Comparison:
    """Read a document that :meth:`Comparison.save` wrote.

    Raises
    ------
    FormatError
        If it is none.
    UnreadableFileError
        If it cannot be read.
    """
    hint = "such a file is written by: safeserial bench -o FILE"
    try:
        document = msgspec.json.decode(read_small(path, limit=MAX_BYTES))
        if document["schema"] != SCHEMA:
            raise FormatError(f"{display(path)} is of another kind or version", hint=hint)
        found = msgspec.convert(document, Comparison)
        _check(found)
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise FormatError(
            f"{display(path)} holds no results of a comparison: {str(error)[:200]}", hint=hint
        ) from error
    return found


class _Format(TypedDict):
    label: str
    family: str
    runs_code: Literal["yes", "allowlist", "no"]
    why: str
    signed: str | None
    reads: str


class _Model(TypedDict):
    title: str
    pickled_bytes: int | None
    many_rows: NotRequired[int]
    trusted: NotRequired[list[str]]


class _Parity(TypedDict, total=False):
    identical: bool
    labels_differ: int
    max_relative: float
    compared: list[str]
    shape_differs: str


class _Curve(TypedDict):
    axis: str
    format: str
    label: str
    measure: Literal["load", "save", "bytes", "peak_load"]
    x: list[float]
    y: list[float]
    exponent: float | None
    r2: float | None


def _check(found: Comparison) -> None:
    """Raise an error where a document is not what is shown of it."""
    msgspec.convert([*found.formats.values()], list[_Format])
    msgspec.convert([*found.models.values()], list[_Model])
    msgspec.convert([dict(row.parity) for row in found.rows], list[_Parity])
    curves = msgspec.convert(found.growth, list[_Curve])
    if not isinstance(found.settings["rounds"], int):
        raise TypeError("the number of rounds is missing")
    for row in found.rows:
        if row.format not in found.formats or not set(row.values) <= set(MEASURES):
            raise ValueError("a row of an unknown format or measure")
    if any(len(one["x"]) != len(one["y"]) or not one["x"] for one in curves):
        raise ValueError("a curve without its points")
