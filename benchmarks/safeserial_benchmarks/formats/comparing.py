# SPDX-License-Identifier: BSD-3-Clause
"""``compare_formats``: a model of the caller's in every format, measured and judged."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safeserial.errors import FormatError, MissingExtraError
from safeserial.files import StrPath, atomic_write
from safeserial.transfer import write_all
from safeserial_benchmarks.formats import (
    advice,
    catalogue,
    figures,
    preparing,
    running,
    terminal,
)
from safeserial_benchmarks.formats.advice import Advice
from safeserial_benchmarks.formats.preparing import Subject
from safeserial_benchmarks.formats.results import Comparison, Row

_NEEDED: Final = ("psutil", "pyperf")
_WIDTH: Final = 200


@dataclass(frozen=True)
class FormatComparison:
    """What :func:`compare_formats` returns.

    Parameters
    ----------
    results : Comparison
        Machine, settings and rows.
    """

    results: Comparison

    @property
    def rows(self) -> list[Row]:
        """One row a format; one that could not be measured says why."""
        return self.results.rows

    @property
    def recommendations(self) -> list[Advice]:
        """Which format to take for which purpose, with reasons."""
        return [one for name in self.results.models for one in advice.advise(self.results, name)]

    def to_json(self, path: StrPath) -> None:
        """Write the results as JSON, to be compared with a later run."""
        self.results.save(Path(path))

    def to_csv(self, path: StrPath) -> None:
        """Write a line a row: median and quartiles of each measure."""
        _write(path, figures.as_csv(self.results))

    def to_html(self, path: StrPath) -> None:
        """Write the report: one page that needs nothing else."""
        from safeserial_benchmarks.formats import html

        _write(path, html.render(self.results))

    def display(self, *, kind: str = "pareto", ax: Any = None) -> Any:
        """Plot the results; see :class:`.FormatComparisonDisplay`."""
        from safeserial_benchmarks.formats.display import FormatComparisonDisplay

        return FormatComparisonDisplay.from_results(self.results, kind=kind, ax=ax)

    def __str__(self) -> str:
        from rich.console import Console

        stream = io.StringIO()
        console = Console(width=_WIDTH, no_color=True, file=stream)
        for name in self.results.models:
            console.print(*terminal.tables(self.results, name, _WIDTH), sep="\n")
        return stream.getvalue()

    def _repr_html_(self) -> str:
        from safeserial_benchmarks.formats.display import as_html

        return "".join(as_html(self.results, name) for name in self.results.models)


def require_extra(what: str) -> None:
    """Say what to install where measuring is not possible.

    Raises
    ------
    MissingExtraError
        If psutil or pyperf is not installed.
    """
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        raise MissingExtraError("bench", what)


def compare_formats(
    model: Any,
    sample: Any = None,
    *,
    formats: Sequence[str] | None = None,
    rounds: int | None = None,
    quick: bool = False,
    folder: StrPath | None = None,
    name: str | None = None,
) -> FormatComparison:
    """Measure a model in every format that people keep models in.

    Each format is saved and loaded in processes of its own: time, size, memory, cold start,
    prediction, and whether the loaded model answers as the original does.  A whole comparison takes
    some minutes, a quick one about one.

    Parameters
    ----------
    model : estimator, or dict of arrays
        Fitted.  It is handed to other processes, so its classes have to be in a module.
    sample : rows, optional
        As the model takes them, best some hundred.  Without, nothing is predicted.
    formats : sequence of str, optional
        Keys or families of formats, such as ``"pickle-5"`` or ``"joblib"``; default: all.
    rounds : int, optional
        Processes a format; default: 5, or 2 if quick.
    quick : bool
        Less time for each figure.
    folder : path, optional
        Where to put the files; its disk is what is measured.
    name : str, optional
        Of the model in the results; default: its class.

    Returns
    -------
    FormatComparison
        Rows, recommendations, and ways to write and plot them.  An interrupt ends the measuring;
        what is done by then is returned.

    Raises
    ------
    MissingExtraError
        If the extra ``[bench]`` is not installed.
    FormatError
        If there is no such format.
    UnsupportedModelError
        If the model cannot be handed to another process.

    Examples
    --------
    >>> import safeserial as ss
    >>> comparison = ss.compare_formats(model, X)  # doctest: +SKIP
    >>> comparison.to_html("formats.html")  # doctest: +SKIP
    """
    require_extra("compare_formats")
    forms = chosen(formats)
    effort = preparing.QUICK if quick else preparing.FULL
    if rounds is not None:
        from dataclasses import replace

        effort = replace(effort, rounds=max(1, rounds))
    title = type(model).__name__ if name is None else name
    place = None if folder is None else Path(folder)
    results = running.begin(forms, effort, place)
    subject = Subject(title, title, lambda: (model, sample))
    running.run([subject], forms, effort, results, folder=place, strict=True)
    return FormatComparison(results)


def chosen(formats: Sequence[str] | None) -> tuple[catalogue.Format, ...]:
    """Return formats by key or family; all of them for None.

    Raises
    ------
    FormatError
        If there is no such format.
    """
    if not formats:
        return catalogue.FORMATS
    try:
        return catalogue.choose(formats)
    except KeyError as error:
        keys = ", ".join(catalogue.BY_KEY)
        raise FormatError(f"there is no format {error}", hint=f"there are: {keys}") from None


def _write(path: StrPath, text: str) -> None:
    with atomic_write(path) as stream:
        write_all(stream, text.encode("utf-8"))
