# SPDX-License-Identifier: BSD-3-Clause
"""Timing inside a worker: repeated calls within a budget, and the peak of resident memory.

The clock is ``time.perf_counter``, which is pyperf's too; pyperf itself is not imported here, since
what a worker imports is part of what is measured.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_STATUS: Final = Path("/proc/self/status")
_RESET: Final = Path("/proc/self/clear_refs")
_KERNEL_TELLS: Final = sys.platform == "linux" and _RESET.exists()
_PERIOD: Final = 0.002


def repeat(
    call: Callable[[], object],
    seconds: float,
    *,
    after: Callable[[], object] = lambda: None,
    at_most: int = 15,
) -> list[float]:
    """Time calls until a budget is used up, at least once.

    Parameters
    ----------
    call : callable
        What is timed; what it returns is dropped outside the time.
    seconds : float
        No call is begun after this time.
    after : callable
        Undoes each call, outside the time.
    at_most : int
        Number of calls.

    Returns
    -------
    list of float
        Seconds of each call.
    """
    times: list[float] = []
    begun = time.perf_counter()
    while not times or (len(times) < at_most and time.perf_counter() - begun < seconds):
        gc.collect(1)
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
        del result
        after()
    return times


class Peak:
    """Growth of resident memory during a call.

    Where the kernel keeps a high-water mark that can be reset (Linux, proc_pid_clear_refs(5)) it is
    asked; elsewhere psutil is asked every two milliseconds, which can miss a short peak.
    """

    def __init__(self) -> None:
        self._done = threading.Event()
        self._highest = 0

    def of(self, call: Callable[[], Any]) -> tuple[Any, int]:
        """Return what a call returns, and by how many bytes memory grew at its peak."""
        if _KERNEL_TELLS:
            before = _status("VmRSS")
            _RESET.write_text("5")
            result = call()
            return result, max(0, _status("VmHWM") - before)
        return self._sampled(call)

    def _sampled(self, call: Callable[[], Any]) -> tuple[Any, int]:
        import psutil

        process = psutil.Process()
        before = self._highest = process.memory_info().rss

        def watch() -> None:
            while not self._done.wait(_PERIOD):
                self._highest = max(self._highest, process.memory_info().rss)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            result = call()
        finally:
            self._done.set()
            watcher.join()
        return result, max(0, max(self._highest, process.memory_info().rss) - before)


def high_water() -> int:
    """Return the highest resident memory since :class:`Peak` was last used, in bytes."""
    if _KERNEL_TELLS:
        return _status("VmHWM")
    import psutil

    return int(psutil.Process().memory_info().rss)


def _status(field: str) -> int:
    for line in _STATUS.read_text("utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"this kernel does not tell {field}")
