# SPDX-License-Identifier: BSD-3-Clause
"""Where the reports of an inspection go: the terminal, JSON, a page, SARIF; one or several at once.

Floor 8.  Each writer takes reports as they come and is told at the end whether they are all.
"""

from __future__ import annotations

import contextlib
import io
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Protocol

import click

from safeserial import __version__
from safeserial.cli import options, outcome, render, report_tree
from safeserial.files import atomic_write

if TYPE_CHECKING:
    from safeserial.inspection.report import Report


class Writer(Protocol):
    """What takes reports."""

    def add(self, report: Report) -> None:
        """Take one report."""

    def finish(self, *, complete: bool = True) -> None:
        """Write the end."""


class Terminal:
    """Trees for people: of one file all there is, of several what is not safe.

    Parameters
    ----------
    single : bool
        Whether it is all about one file.
    whole : bool
        Whether to leave nothing out.
    """

    def __init__(self, *, single: bool, whole: bool) -> None:
        self._single = single
        self._whole = whole
        self._counts: Counter[str] = Counter()

    def add(self, report: Report) -> None:
        """Print one report, and what to do about it."""
        self._counts[report.verdict] += 1
        plain = report.verdict in ("safe", "not a model") and not report.findings
        if not (self._single or self._whole) and plain:
            report_tree.tell_shortly(report)
            return
        hint = _hint(report)
        if self._single:
            report_tree.tell(report, whole=self._whole)
            if hint:
                render.talk(f"hint: {render.printable(hint)}")
        else:
            report_tree.tell(report, whole=self._whole, hint=hint)

    def finish(self, *, complete: bool = True) -> None:
        """Print the numbers."""
        if self._single:
            return
        total = sum(self._counts.values())
        told = [
            f"{self._counts[word]} {render.paint(word, report_tree.style(word))}"
            for word in report_tree.MEANING
            if self._counts[word]
        ]
        unfinished = "" if complete else "; not all files were looked at"
        files = "1 file" if total == 1 else f"{total} files"
        click.echo(f"{files}: {', '.join(told)}{unfinished}" if total else f"no model{unfinished}")


def _hint(report: Report) -> str:
    if report.untrusted and report.verdict in ("needs trust", "dangerous"):
        return options.trust_hint(report.untrusted)
    return outcome.hint_of(report.problem) if report.problem is not None else ""


class Json:
    """One report as one object, or several as a list and their number by verdict.

    Parameters
    ----------
    single : bool
        Whether it is all about one file.
    """

    def __init__(self, *, single: bool) -> None:
        self._single = single
        self._counts: Counter[str] = Counter()
        self._begun = False

    def add(self, report: Report) -> None:
        """Print one report."""
        if self._single:
            render.document(report.to_dict())
            return
        self._counts[report.verdict] += 1
        click.echo(",\n" if self._begun else '{\n  "reports": [\n', nl=False)
        click.echo(textwrap.indent(render.json_text(report.to_dict()), "    "), nl=False)
        self._begun = True

    def finish(self, *, complete: bool = True) -> None:
        """Print the summary."""
        if self._single:
            return
        counts = {word: self._counts[word] for word in report_tree.MEANING}
        numbers = {"files": sum(counts.values()), "complete": complete, "verdicts": counts}
        summary = textwrap.indent(render.json_text(numbers), "  ").lstrip()
        begin = "\n  ]" if self._begun else '{\n  "reports": []'
        click.echo(f'{begin},\n  "summary": {summary}\n}}')


@contextlib.contextmanager
def page(target: str, paths: Sequence[str]) -> Iterator[Writer]:
    """Give a writer of an HTML page."""
    from safeserial.inspection.html import HtmlWriter

    created = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    title = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")  # noqa: PLR2004
    with _binary(target) as stream:
        yield HtmlWriter(stream, version=__version__, created=created, title=title)


@contextlib.contextmanager
def sarif(target: str) -> Iterator[Writer]:
    """Give a writer of a SARIF document."""
    from safeserial.inspection.sarif import SarifWriter

    with _binary(target) as stream:
        yield SarifWriter(stream, version=__version__)


@contextlib.contextmanager
def _binary(target: str) -> Iterator[BinaryIO]:
    """Open stdout or a file, which has its old content or all of the new."""
    if target == "-":
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with atomic_write(target) as raw:
        buffered = io.BufferedWriter(raw)
        yield buffered
        buffered.flush()
        buffered.detach()
