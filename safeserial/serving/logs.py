# SPDX-License-Identifier: BSD-3-Clause
"""The server's log: a line of JSON an event on stderr, and never a value of anybody's data.

Floor 7.  What libraries would print there becomes lines as well: the class of an error and where it
arose, not its text, which may quote what a client sent.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final

import msgspec

Log = Callable[..., None]
_LOGGERS: Final = ("uvicorn", "asyncio")
_ENCODE: Final = msgspec.json.Encoder().encode


def write_log(event: str, **fields: Any) -> None:
    """Write one line of JSON to stderr."""
    line = _ENCODE({"time": round(time.time(), 3), "event": event, **fields})
    # A full disk or a closed pipe is no reason to fail a request.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(line.decode() + "\n")
        sys.stderr.flush()


def place_of(trace: TracebackType | None) -> str:
    """Return where an error arose: function and line, without any text of it."""
    frames = traceback.extract_tb(trace, limit=-1)
    return f"{frames[0].name}:{frames[0].lineno}" if frames else ""


class _Handler(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"level": record.levelname.lower(), "source": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            fields["error"] = record.exc_info[0].__name__
            fields["place"] = place_of(record.exc_info[2])
        else:  # what is filled into the text stays out
            fields["message"] = str(record.msg)[:200]
        self._log("server", **fields)


@contextlib.contextmanager
def captured(log: Log = write_log) -> Iterator[None]:
    """Make lines of what libraries log and warn of, for the time of a context."""
    handler = _Handler(log)

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        del message, rest, more
        log("warning", category=category.__name__)

    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(one.handlers, one.propagate) for one in loggers]
    with warnings.catch_warnings():
        warnings.showwarning = show
        for one in loggers:
            one.handlers, one.propagate = [handler], False
        try:
            yield
        finally:
            for one, (handlers, propagate) in zip(loggers, before, strict=True):
                one.handlers, one.propagate = handlers, propagate
