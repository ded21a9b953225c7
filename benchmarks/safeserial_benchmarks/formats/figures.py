# SPDX-License-Identifier: BSD-3-Clause
"""Figures and parity in words, and the rows as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
from typing import Any, Final

from safeserial_benchmarks.formats.results import MEASURES, Comparison, Row

SPREAD: Final = ("save", "load")  # whose spread stands beside the median
# Measure to heading of the table.
COLUMNS: Final = {
    "bytes": "size",
    "save": "save",
    "load": "load",
    "peak_load": "memory",
    "cold_total": "cold start",
    "predict_one": "1 row",
    "predict_many": "many rows",
}
CODE: Final = {"yes": "yes", "allowlist": "no: allowlist", "no": "no"}
_THOUSAND: Final = 1000
_MILLI: Final = 1e-3
_DIGITS: Final = ((100, 0), (10, 1), (0, 2))


def text(value: float | None, unit: str) -> str:
    """Return a figure with a unit that suits it, three digits: ``31.0 ms``, ``4.12 MB``."""
    if value is None:
        return "–"
    if unit == "bytes":
        return _scaled(value, ("B", "kB", "MB", "GB", "TB"))
    if value >= 1:
        return f"{_three(value)} s"
    if value >= _MILLI:
        return f"{_three(value * 1e3)} ms"
    return f"{_three(value * 1e6)} µs"


def times(ratio: float) -> str:
    """Return a ratio with two or three digits: ``0.53 ×``, ``48 ×``."""
    digits = f"{ratio:.2g}" if ratio < 1 else f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"  # noqa: PLR2004
    return f"{digits} ×"


def _scaled(value: float, units: tuple[str, ...]) -> str:
    for unit in units[:-1]:
        if value < _THOUSAND:
            return f"{value:.0f} {unit}" if unit == units[0] else f"{_three(value)} {unit}"
        value /= _THOUSAND
    return f"{_three(value)} {units[-1]}"


def _three(value: float) -> str:
    digits = next(digits for least, digits in _DIGITS if value >= least)
    return f"{value:,.{digits}f}"


def of(row: Row, measure: str) -> str:
    """Return the median of a row's measure in words."""
    return text(row.median(measure), MEASURES[measure][1])


def with_spread(row: Row, measure: str) -> str:
    """Return a median with half of the range between the quartiles, in per cent of it."""
    spread = row.spread(measure)
    if measure not in SPREAD or spread is None or spread.q1 == spread.q3 or not spread.median:
        return of(row, measure)
    half = 50 * (spread.q3 - spread.q1) / spread.median
    return f"{of(row, measure)} ±{half:.0f}%"


def parity(row: Row) -> str:
    """Return in words how a loaded model's answers compare with the original's."""
    found = row.parity
    if not found:
        return "–"
    if found.get("identical"):
        return "identical"
    if found.get("shape_differs"):
        return f"{found['shape_differs']}: other shape"
    if not found.get("compared"):
        return "nothing to compare"
    wrong = found.get("labels_differ", 0)
    labels = f"{wrong} labels differ, " if wrong else ""
    gap = found.get("max_relative", 0.0)
    return f"{labels}±{gap:.0e}" if gap else f"{labels}equal numbers"


def code(form: dict[str, Any]) -> str:
    """Return in words whether loading a format can run code."""
    return CODE[form["runs_code"]]


def as_csv(results: Comparison) -> str:
    """Return all rows as CSV: a line a row, median and quartiles of each measure."""
    stream = io.StringIO()
    head = ["model", "format", "label", "status", "error", "runs_code", "signed", "answers"]
    heads = [f"{name}_{part}" for name in MEASURES for part in ("q1", "median", "q3")]
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*head, *heads])
    for row in results.rows:
        form = results.formats[row.format]
        cells = [row.model, row.format, form["label"], row.status, row.error]
        cells += [form["runs_code"], form["signed"] or "", parity(row) if row.ok else ""]
        for name in MEASURES:
            spread = row.spread(name) if row.ok else None
            cells += ["", "", ""] if spread is None else [spread.q1, spread.median, spread.q3]
        writer.writerow([_harmless(cell) for cell in cells])
    return stream.getvalue()


def _harmless(cell: Any) -> Any:
    """Keep a spreadsheet from taking text for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@") else cell


def markdown(results: Comparison, model: str) -> str:
    """Return the rows of a model as a table of Markdown."""
    measures = [name for name in COLUMNS if results.measured(model, name)]
    head = ["format", *(COLUMNS[name] for name in measures), "answers", "runs code", "signed"]
    lines = [head, ["---", *["--:"] * len(measures), "---", "---", "---"]]
    for row in results.of(model):
        form = results.formats[row.format]
        promise = [code(form), form["signed"] or "–"]
        if row.ok:
            cells = [_starred(results, row, name) for name in measures]
            lines.append([form["label"], *cells, parity(row), *promise])
        else:
            why = f"{row.status}: {row.error}".replace("|", "\\|").replace("<", "&lt;")
            lines.append([form["label"], *["–"] * len(measures), why, *promise])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _starred(results: Comparison, row: Row, measure: str) -> str:
    found = with_spread(row, measure)
    return f"**{found}**" if row.format in results.leaders(row.model, measure) else found


def growth_lines(results: Comparison) -> list[str]:
    """Return the fitted exponents, a line a curve."""
    return [
        f"{one['axis']}: {one['label']}, {COLUMNS[one['measure']]}: exponent {_exponent(one)}"
        for one in results.growth
    ]


def _exponent(curve: dict[str, Any]) -> str:
    if curve["exponent"] is None:
        return "unknown: too few sizes"
    return f"{curve['exponent']:.2f} (R² {curve['r2']:.3f})"
