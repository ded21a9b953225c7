# SPDX-License-Identifier: BSD-3-Clause
"""Plots of a comparison with matplotlib, in the style of scikit-learn's ``Display`` objects."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, Final

from safeserial.errors import FormatError, MissingExtraError
from safeserial_benchmarks.formats import charts, figures, front, results
from safeserial_benchmarks.formats.results import PHASES, Comparison, Row

KINDS: Final = ("pareto", "cold_start", "memory")
_COLOURS: Final = {"yes": "#d9480f", "allowlist": "#1c7ed6", "no": "#2b8a3e"}
_PHASES: Final = ("#adb5bd", "#f0a04b", "#0b7285", "#7048e8")
_INCHES: Final = 0.27


class FormatComparisonDisplay:
    """Plot of one model in many formats.

    Make it with :meth:`from_estimator`, :meth:`from_results` or :meth:`from_file`.

    Parameters
    ----------
    comparison : Comparison
        Results.
    model : str
        Which model of them.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Of the last :meth:`plot`.
    figure_ : matplotlib Figure
        The figure that it is in.

    Examples
    --------
    >>> display = FormatComparisonDisplay.from_file("results.json")  # doctest: +SKIP
    >>> display.plot(kind="cold_start")  # doctest: +SKIP
    """

    def __init__(self, comparison: Comparison, *, model: str) -> None:
        self.comparison = comparison
        self.model = model

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        kind: str = "pareto",
        ax: Any = None,
        **options: Any,
    ) -> FormatComparisonDisplay:
        """Measure a fitted estimator and plot the result.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        X : rows
            As it takes them.
        kind : {"pareto", "cold_start", "memory"}
            What to plot.
        ax : matplotlib Axes, optional
            Where to plot; default: a new figure.
        **options
            For :func:`compare_formats`.
        """
        from safeserial_benchmarks.formats.comparing import compare_formats

        return cls.from_results(compare_formats(estimator, X, **options), kind=kind, ax=ax)

    @classmethod
    def from_file(
        cls, path: str | Path, *, model: str | None = None, kind: str = "pareto", ax: Any = None
    ) -> FormatComparisonDisplay:
        """Plot results that were written as JSON; otherwise as :meth:`from_results`."""
        return cls.from_results(results.read(path), model=model, kind=kind, ax=ax)

    @classmethod
    def from_results(
        cls, comparison: Any, *, model: str | None = None, kind: str = "pareto", ax: Any = None
    ) -> FormatComparisonDisplay:
        """Plot results.

        Parameters
        ----------
        comparison : FormatComparison or Comparison
            What :func:`compare_formats` returned.
        model : str, optional
            Which model of it; default: the first.
        kind, ax
            As in :meth:`plot`.

        Raises
        ------
        FormatError
            If there is no such model.
        """
        found: Comparison = getattr(comparison, "results", comparison)
        name = next(iter(found.models), None) if model is None else model
        if name is None or name not in found.models:
            raise FormatError(
                f"there is no model {name!r}", hint=f"there is: {', '.join(found.models)}"
            )
        return cls(found, model=name).plot(kind=kind, ax=ax)

    def plot(self, *, kind: str = "pareto", ax: Any = None) -> FormatComparisonDisplay:
        """Plot again.

        Parameters
        ----------
        kind : {"pareto", "cold_start", "memory"}
            File size against load time; phases of a cold start; memory.
        ax : matplotlib Axes, optional
            Where to plot; default: a new figure.

        Returns
        -------
        FormatComparisonDisplay
            Itself.

        Raises
        ------
        FormatError
            If `kind` is another word.
        MissingExtraError
            If matplotlib is not installed.
        """
        if kind not in KINDS:
            raise FormatError(
                f"{kind!r} is no kind of plot", hint=f"choose one of {', '.join(KINDS)}"
            )
        try:
            from matplotlib import pyplot as plt
        except ImportError:
            raise MissingExtraError("bench", "plotting a comparison") from None
        rows = [row for row in self.comparison.of(self.model) if row.ok]
        if ax is None:
            high = 4.5 if kind == "pareto" else 1.5 + _INCHES * len(rows)
            _, ax = plt.subplots(figsize=(8, high), layout="constrained")
        {"pareto": self._pareto, "cold_start": self._cold_start, "memory": self._memory}[kind](
            ax, rows
        )
        ax.set_title(self.model)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _form(self, row: Row) -> dict[str, Any]:
        return self.comparison.formats[row.format]

    def _pareto(self, ax: Any, rows: list[Row]) -> None:
        for code, colour in _COLOURS.items():
            for signed, marker in ((True, "D"), (False, "o")):
                some = [
                    r
                    for r in rows
                    if self._form(r)["runs_code"] == code
                    and bool(self._form(r)["signed"]) == signed
                ]
                if some:
                    x = [1e3 * (row.median("load") or 0) for row in some]
                    label = f"{charts.CODE[code]}{', signed' if signed else ''}"
                    ax.scatter(
                        x, [r.bytes for r in some], c=colour, marker=marker, label=label, alpha=0.8
                    )
        best = front.front(rows)
        x, y = [1e3 * (row.median("load") or 0) for row in best], [row.bytes for row in best]
        ax.step(x, y, where="post", color="gray", linestyle="--", linewidth=1, zorder=0)
        for row in best:
            place = (1e3 * (row.median("load") or 0), row.bytes)
            ax.annotate(
                self._form(row)["label"], place, (6, 4), textcoords="offset points", fontsize=8
            )
        ax.set(xscale="log", yscale="log", xlabel="load (ms)", ylabel="file size (bytes)")
        ax.legend(fontsize=8)

    def _cold_start(self, ax: Any, rows: list[Row]) -> None:
        ordered = sorted(rows, key=lambda row: -(row.median("cold_total") or 0))
        names = [self._form(row)["label"] for row in ordered]
        left = [0.0] * len(ordered)
        for phase, colour in zip(PHASES, _PHASES, strict=True):
            widths = [row.median(phase) or 0.0 for row in ordered]
            ax.barh(names, widths, left=left, color=colour, label=charts.PHASE_NAMES[phase])
            left = [a + b for a, b in zip(left, widths, strict=True)]
        ax.set_xlabel("seconds from a fresh process to the first answer")
        ax.legend(fontsize=8)

    def _memory(self, ax: Any, rows: list[Row]) -> None:
        ordered = sorted(rows, key=lambda row: -(row.median("peak_process") or 0))
        names = [self._form(row)["label"] for row in ordered]
        colours = [_COLOURS[self._form(row)["runs_code"]] for row in ordered]
        whole = [(row.median("peak_process") or 0) / 1e6 for row in ordered]
        ax.barh(names, whole, color=colours, alpha=0.4, label="process")
        ax.barh(
            names,
            [(row.median("peak_load") or 0) / 1e6 for row in ordered],
            color=colours,
            label="loading",
        )
        ax.set_xlabel("MB at the first prediction; full colour: what loading took")

    def _repr_html_(self) -> str:
        """Return the figures as a table, for notebooks."""
        return as_html(self.comparison, self.model)


def as_html(comparison: Comparison, model: str) -> str:
    """Return the rows of a model as a plain table of HTML."""
    measures = [name for name in figures.COLUMNS if comparison.measured(model, name)]
    head = ["format", *(figures.COLUMNS[name] for name in measures), "answers", "loading", "signed"]
    lines = ["".join(f"<th>{escape(one)}</th>" for one in head)]
    for row in comparison.of(model):
        form = comparison.formats[row.format]
        promise = [charts.CODE[form["runs_code"]], form["signed"] or "–"]
        if row.ok:
            cells = [_cell(comparison, row, name) for name in measures]
            cells.append(f"<td>{escape(figures.parity(row))}</td>")
        else:
            why = escape(f"{row.status}: {row.error}")
            cells = [f'<td colspan="{len(measures) + 1}"><i>{why}</i></td>']
        cells += [f"<td>{escape(one)}</td>" for one in promise]
        lines.append(f"<th>{escape(form['label'])}</th>{''.join(cells)}")
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><caption>{escape(model)}</caption>{body}</table>"


def _cell(comparison: Comparison, row: Row, measure: str) -> str:
    found = escape(figures.of(row, measure))
    best = row.format in comparison.leaders(row.model, measure)
    return f"<td><b>{found}</b></td>" if best else f"<td>{found}</td>"
