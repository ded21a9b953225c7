# SPDX-License-Identifier: BSD-3-Clause
"""Which format for which purpose, with the reasons, computed from the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from safeserial_benchmarks.formats import figures
from safeserial_benchmarks.formats.results import Comparison, Row

_CLOSE: Final = 0.02  # a relative difference that nobody notices
_EXACT: Final = 1e-6


@dataclass(frozen=True)
class Advice:
    """A recommendation for one purpose.

    Parameters
    ----------
    purpose : str
        What somebody wants to do.
    format : str
        Key of the format to take; empty if none can be recommended.
    label : str
        Its name for people.
    reasons : tuple of str
        Sentences with figures of the rows.
    """

    purpose: str
    format: str
    label: str
    reasons: tuple[str, ...]


def advise(results: Comparison, model: str) -> list[Advice]:
    """Return recommendations for a model.

    Parameters
    ----------
    results : Comparison
        Rows of any number of models.
    model : str
        The one asked about.

    Returns
    -------
    list of Advice
        One for each purpose that the rows can say something of.
    """
    view = _View(results, model)
    found = (purpose(view) for purpose in (_exchange, _abroad, _no_pickle, _cold, _small, _own))
    return [one for one in found if one is not None]


class _View:
    """The rows of a model that have figures and answer as the original does."""

    def __init__(self, results: Comparison, model: str) -> None:
        self.results = results
        self.all = results.of(model)
        self.rows = [row for row in self.all if row.ok and _faithful(row)]

    def form(self, row: Row) -> dict[str, object]:
        return self.results.formats[row.format]

    def label(self, row: Row) -> str:
        return str(self.form(row)["label"])

    def where(self, **wanted: object) -> list[Row]:
        return [
            row
            for row in self.rows
            if all(self.form(row).get(name) == value for name, value in wanted.items())
        ]

    def named(self, key: str) -> Row | None:
        return next((row for row in self.rows if row.format == key), None)

    def advice(self, purpose: str, row: Row, *reasons: str) -> Advice:
        return Advice(purpose, row.format, self.label(row), tuple(filter(None, reasons)))

    def beside(self, row: Row, key: str, measure: str, verb: str) -> str:
        """Return how a row compares with another format, as a sentence."""
        other = self.named(key)
        if other is None or other is row:
            return ""
        ratio = row.ratio(measure, other)
        if ratio is None:
            return ""
        return f"it {verb} in {figures.times(ratio.median)} the time of {self.label(other)}"


def _faithful(row: Row) -> bool:
    found = row.parity
    exact = found.get("max_relative", 1.0) <= _EXACT and not found.get("labels_differ", 1)
    return bool(found.get("identical") or exact)


def _least(rows: Sequence[Row], measure: str) -> Row | None:
    """Return the best row; of those whose quartiles reach the best one's, the first."""
    measured = [(found, row) for row in rows if (found := row.spread(measure)) is not None]
    if not measured:
        return None
    best = min((found for found, _ in measured), key=lambda found: found.median)
    return next(row for found, row in measured if found.q1 <= best.q3 * (1 + _CLOSE))


def _exchange(view: _View) -> Advice | None:
    signed = [row for row in view.where(family="safeserial") if view.form(row)["reads"] == "Python"]
    row = _least(signed, "load")
    if row is None:
        return None
    return view.advice(
        "Hand a model to another Python service or team, so that they know it is yours",
        row,
        f"signed, verified before anything is read, and loaded in {figures.of(row, 'load')}",
        view.beside(row, "joblib", "load", "loads"),
        view.beside(row, "pickle-5", "load", "loads"),
        ""
        if row.format.endswith("ed25519")
        else "for people who must not be able to sign themselves take the Ed25519 variant",
    )


def _abroad(view: _View) -> Advice | None:
    graphs = view.where(reads="any language")
    row = next((one for one in graphs if one.format == "onnx-exact"), None)
    if row is None:
        refused = next((r for r in view.all if r.format == "onnx-exact" and not r.ok), None)
        if refused is None:
            return None
        return Advice(
            "Use the model outside of Python", "", "none of these", (f"ONNX: {refused.error}",)
        )
    base = view.named("pickle-5")
    faster = row.ratio("predict_one", base) if base is not None else None
    cold = row.ratio("cold_total", base) if base is not None else None
    return view.advice(
        "Use the model outside of Python",
        row,
        f"its answers are those of the original ({figures.parity(row)})",
        f"a single row takes {figures.times(faster.median)} the time of the original"
        if faster
        else "",
        f"its cold start takes {figures.times(cold.median)} the time of a pickle's" if cold else "",
        "signed it is an artifact that every language can check: safeserial (onnx)",
    )


def _no_pickle(view: _View) -> Advice | None:
    names = ("skops", "safeserial-skops-hmac")
    row = next((one for one in map(view.named, reversed(names)) if one is not None), None)
    if row is None:
        return None
    return view.advice(
        "Share with Python users who accept no pickle at all",
        row,
        f"the file holds data and type names only; it is {figures.of(row, 'bytes')} large",
        view.beside(row, "pickle-5", "load", "loads"),
    )


def _cold(view: _View) -> Advice | None:
    safe = [row for row in view.rows if view.form(row)["runs_code"] != "yes"]
    row = _least(safe, "cold_total")
    if row is None:
        return None
    imports = row.median("cold_import") or 0.0
    total = row.median("cold_total") or 1.0
    return view.advice(
        "Start fast: functions on demand, short-lived processes",
        row,
        f"first answer after {figures.of(row, 'cold_total')}, of which "
        f"{100 * imports / total:.0f} % are imports",
        f"the process needs {figures.of(row, 'peak_process')} of memory",
    )


def _small(view: _View) -> Advice | None:
    row = _least([one for one in view.rows if view.form(one)["runs_code"] != "yes"], "bytes")
    smallest = _least(view.rows, "bytes")
    if row is None or smallest is None:
        return None
    less = (
        ""
        if smallest is row
        else (
            f"{view.label(smallest)} is smaller ({figures.of(smallest, 'bytes')}), "
            "but loading it can run code"
        )
    )
    return view.advice(
        "Keep files small",
        row,
        f"{figures.of(row, 'bytes')}; saving takes {figures.of(row, 'save')}, "
        f"loading {figures.of(row, 'load')}",
        less,
    )


def _own(view: _View) -> Advice | None:
    row = _least(view.where(runs_code="yes"), "load")
    safe = _least(view.where(family="safeserial"), "load")
    if row is None or safe is None:
        return None
    ratio = row.ratio("load", safe)
    saved = f"{figures.times(ratio.median)} the time of {view.label(safe)}" if ratio else "–"
    return view.advice(
        "Files that never leave your own process and folder",
        row,
        f"the fastest of those that promise nothing: it loads in {saved}",
        "whoever can change the file can run code as you: do not load one that came from elsewhere",
    )
