# SPDX-License-Identifier: BSD-3-Clause
"""A bound in time for code that is not ours: an exception raised in its thread when time is up.

Floor 7, beside the command line.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

from safeserial.errors import ConversionError

T = TypeVar("T")


class _TimeUp(BaseException):
    """Raised inside; not an Exception, so that no handler on the way takes it for its own."""


def within(seconds: float, function: Callable[[], T], what: str) -> T:
    """Call a function of pure Python that may not end.

    Parameters
    ----------
    seconds : float
        The bound.
    function : callable
        Interrupted between two steps of the interpreter; a single long call into C is not.
    what : str
        For the message.

    Raises
    ------
    ConversionError
        If time was up.
    """
    lock = threading.Lock()
    thread = threading.get_ident()
    done = False

    def ring() -> None:
        with lock:
            if not done:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread), ctypes.py_object(_TimeUp)
                )

    timer = threading.Timer(max(seconds, 0.0), ring)
    timer.daemon = True
    timer.start()
    try:
        result = function()
        with lock:
            done = True
    except _TimeUp:
        raise ConversionError(
            f"{what} did not end within {seconds:.0f} s", hint="pass a larger time_limit"
        ) from None
    finally:
        done = True
        timer.cancel()
    return result
