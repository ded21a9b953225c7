# SPDX-License-Identifier: BSD-3-Clause
"""Who unpickles: the line of code outside of the libraries, and whether it is a pool's own traffic.

Floor 7.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final

# Parts of a door, not its callers.
_TRANSPARENT: Final = (
    "safeserial",
    "pickle",
    "contextlib",
    "joblib.numpy_pickle",
    "joblib.numpy_pickle_compat",
    "joblib.numpy_pickle_utils",
    "numpy.lib",
    "pandas.io",
    "pandas.compat",
)
# Whoever of these unpickles reads what a process of the same program wrote a moment before: tasks
# and results of the caller's own classes.  Verifying them would break every pool and protect from
# nobody, for a process that can write there runs the caller's code already.
OWN_TRAFFIC: Final = {
    "multiprocessing": "pipes, queues, managers and the start of children",
    "concurrent.futures.process": "tasks and results of ProcessPoolExecutor",
    "joblib.externals.loky": "tasks and results of joblib.Parallel",
    "joblib._memmapping_reducer": "arrays that joblib.Parallel hands over, also as files",
    "joblib.pool": "tasks and results of joblib's older pool",
}


@dataclass(frozen=True)
class Caller:
    """A line of code.

    Parameters
    ----------
    module : str
        Name of its module.
    filename : str
        Its file.
    line : int
        The line.
    """

    module: str
    filename: str
    line: int

    def __str__(self) -> str:
        """Return ``file:line``."""
        return f"{self.filename}:{self.line}"

    @property
    def own_traffic(self) -> bool:
        """Whether it is a process pool reading what its own processes wrote."""
        return _within(self.module, tuple(OWN_TRAFFIC))


def outside() -> Caller:
    """Return the innermost caller that is no part of a door."""
    frame = sys._getframe(1)  # noqa: SLF001 - the inspect module takes a thousand times as long
    while True:
        module = str(frame.f_globals.get("__name__", ""))
        if frame.f_back is None or not _within(module, _TRANSPARENT):
            return Caller(module, frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back


def _within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == one or module.startswith(f"{one}.") for one in packages)
