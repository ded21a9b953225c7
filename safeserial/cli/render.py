# SPDX-License-Identifier: BSD-3-Clause
"""What reaches the terminal: text made harmless, tables, JSON documents, progress.

Floor 8.  Names, metadata and paths come from strangers: nothing is printed that a terminal would
obey, and nothing that looks like a secret.  rich is imported when there is a terminal to please.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal

import click

from safeserial.inspection.neutral import printable as printable
from safeserial.inspection.neutral import without_secrets

Style = Literal["good", "bad", "doubt", "strong", "faint"]
LARGE: Final = 64 * 2**20
_STYLES: Final[dict[Style, dict[str, Any]]] = {
    "good": {"fg": "green", "bold": True},
    "bad": {"fg": "red", "bold": True},
    "doubt": {"fg": "yellow", "bold": True},
    "strong": {"bold": True},
    "faint": {"dim": True},
}


def talk(*lines: str) -> None:
    """Print lines for the person at the terminal; a reader who has gone is no error."""
    with contextlib.suppress(BrokenPipeError):
        for line in lines:
            click.echo(line, err=True)


def paint(text: str, style: Style) -> str:
    """Return `text` in colour where stdout is a terminal that wants it."""
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return click.style(text, **_STYLES[style])


def document(value: object) -> None:
    """Print one JSON document, keys sorted, ASCII only."""
    click.echo(json_text(value))


def json_text(value: object) -> str:
    """Return `value` as JSON, keys sorted, ASCII only."""
    return without_secrets(json.dumps(value, sort_keys=True, indent=2, ensure_ascii=True))


def pairs(rows: Sequence[tuple[str, str]], *, indent: str = "  ") -> None:
    """Print labels and values in two columns."""
    width = max((len(label) for label, _ in rows), default=0)
    for label, value in rows:
        click.echo(f"{indent}{label:<{width}}  {value}".rstrip())


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: for a terminal, folded to its width; for a pipe, whole."""
    clean = [[printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _rich_table(header, clean)
        return
    widths = [max(map(len, column)) for column in zip(header, *clean, strict=True)]
    for row in (header, *clean):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _rich_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for position, title in enumerate(header):
        grid.add_column(Text(title), overflow="fold", no_wrap=position == 0)
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))  # Text: brackets in a name are no markup
    Console(file=sys.stdout, highlight=False, markup=False, emoji=False).print(grid)


@contextlib.contextmanager
def progress(label: str, size: int) -> Iterator[Callable[[int, int], None] | None]:
    """Give a callable that shows how far a large file is, or None where nobody watches."""
    if size < LARGE or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(printable(label), total=size)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def bytes_text(count: int) -> str:
    """Return a size for people: ``812 B``, ``1.4 kB``, ``37.0 MB``."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
