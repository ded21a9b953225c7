# SPDX-License-Identifier: BSD-3-Clause
"""The rows of a model as tables for a terminal: one where it is wide, else two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from safeserial_benchmarks.formats import figures
from safeserial_benchmarks.formats.results import Comparison, Row

BEST: Final = "★"
_WIDE: Final = 180  # columns that a single table with all figures takes
_SPREADS: Final = 110  # and the first of two, if quartiles are to be in it
_PREDICTING: Final = ("predict_one", "predict_many")
_PROMISES: Final = ("answers", "runs code", "signed")


def tables(results: Comparison, model: str, width: int) -> list[Table]:
    """Return the rows of a model; what is best in its column bears a star.

    Parameters
    ----------
    results : Comparison
        Rows of any number of models.
    model : str
        The one that is shown.
    width : int
        Columns of the terminal.
    """
    measures = [name for name in figures.COLUMNS if results.measured(model, name)]
    if width >= _WIDE:
        whole = _table(results, model, measures, promises=True, spreads=True)
        whole.caption = _caption(results, model, spreads=True)
        return [whole]
    first = [name for name in measures if name not in _PREDICTING]
    second = [name for name in measures if name in _PREDICTING]
    spreads = width >= _SPREADS
    pair = [
        _table(results, model, first, promises=False, spreads=spreads),
        _table(results, model, second, promises=True, spreads=False),
    ]
    pair[1].title = None
    pair[1].caption = _caption(results, model, spreads=spreads)
    return pair


def _table(
    results: Comparison, model: str, measures: Sequence[str], *, promises: bool, spreads: bool
) -> Table:
    title = f"{model}: {results.models.get(model, {}).get('title', '')}".rstrip(": ")
    grid = Table(title=title, title_justify="left", caption_justify="left")
    grid.add_column("format", no_wrap=True)
    for name in measures:
        grid.add_column(figures.COLUMNS[name], justify="right", no_wrap=True)
    for heading in _PROMISES if promises else ():
        grid.add_column(heading)
    best = {name: results.leaders(model, name) for name in measures}
    for row in results.of(model):
        if not (row.ok or promises):
            continue  # why there are no figures stands where there is room for it
        form = results.formats[row.format]
        label = Text(form["label"], style="bold" if form["signed"] else "")
        cells = [_cell(row, name, best[name], spreads=spreads) for name in measures]
        said = Text(figures.parity(row))
        if not row.ok:
            said = Text(f"{row.status}: {row.error}", style="dim", overflow="ellipsis")
        promised = [said, Text(figures.code(form)), Text(form["signed"] or "–")]
        grid.add_row(label, *cells, *(promised if promises else ()))
    return grid


def _cell(row: Row, measure: str, best: set[str], *, spreads: bool) -> Text:
    if not row.ok:
        return Text("–", style="dim")
    found = figures.with_spread(row, measure) if spreads else figures.of(row, measure)
    leads = row.format in best
    return Text(f"{BEST} {found}" if leads else found, style="bold green" if leads else "")


def _caption(results: Comparison, model: str, *, spreads: bool) -> str:
    many = results.models.get(model, {}).get("many_rows", 0)
    rounds = results.settings.get("rounds", "?")
    said = [f"medians of {rounds} round{'' if rounds == 1 else 's'}, each in a fresh process"]
    if many > 1:
        said.append(f"many rows: {many:,}")
    if spreads:
        said.append("± is half the range between the quartiles")
    return "; ".join([*said, f"{BEST} best of its column"])
