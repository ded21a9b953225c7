# SPDX-License-Identifier: BSD-3-Clause
"""How far the inspection of many files is, shown where somebody watches.

Floor 8.  The bar is on stderr; it makes way for each report that is printed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Final

from safeserial.cli import render

_PERIOD: Final = 0.1
_PATH: Final = 60


class Meter:
    """A progress bar, or nothing where stderr is no terminal.

    Parameters
    ----------
    count : callable
        Tells how many files there are; asked only if there is a terminal.
    """

    def __init__(self, count: Callable[[], int]) -> None:
        self._bar: Any = None
        self._shown = False
        self._next = 0.0
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}", markup=False),
        )
        self._bar = Progress(
            *columns,
            console=Console(stderr=True),
            transient=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("", total=count())

    def __call__(self, done: int, path: str) -> None:
        """Show that `done` files have been looked at, the last of them being `path`."""
        if self._bar is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _PERIOD
        text = render.printable(path)
        short = text if len(text) <= _PATH else f"…{text[-_PATH:]}"
        self._bar.update(self._task, completed=done, description=short)
        if not self._shown:
            self._bar.start()
            self._shown = True
        self._bar.refresh()

    def hide(self) -> None:
        """Take the bar from the screen, until it is next called."""
        if self._shown:
            self._bar.stop()
            self._shown = False
