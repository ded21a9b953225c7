# SPDX-License-Identifier: BSD-3-Clause
"""One task in a fork of this process under a time limit; without fork, in this process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

LONGEST: Final = 300
_PERIOD: Final = 0.002
_PATIENCE: Final = 0.05


def told(error: BaseException) -> dict[str, Any]:
    """Return an error as an answer."""
    kind = type(error).__name__
    status = "cannot hold" if kind in ("CannotHoldError", "UnsupportedModelError") else "failed"
    text = " ".join(str(error).split())
    if kind != "CannotHoldError":
        text = f"{kind}: {text}" if text else kind
    return {"status": status, "error": text if len(text) <= LONGEST else f"{text[:LONGEST]}…"}


def answer(path: Path, found: dict[str, Any]) -> None:
    """Write an answer, whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(found), "utf-8")
    part.replace(path)


def run(task: Callable[[], dict[str, Any]], out: Path, limit: float) -> dict[str, Any]:
    """Return what a task returns, or how it ended.

    Parameters
    ----------
    task : callable
        Its answer has to be JSON.
    out : Path
        File for the answer.
    limit : float
        Seconds after which the fork is killed.
    """
    if not hasattr(os, "fork"):
        return _guarded(task)
    out.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        try:
            answer(out, _guarded(task))
        finally:
            os._exit(0)
    code = _wait(child, limit)
    if code is None:
        return timed_out(limit)
    with contextlib.suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads(out.read_text("utf-8"))
        return found
    return died(code)


def timed_out(limit: float) -> dict[str, Any]:
    """Return the answer of a process that took too long."""
    return {"status": "too slow", "error": f"took more than {limit:.0f} s"}


def died(code: int) -> dict[str, Any]:
    """Return the answer of a process that left none."""
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return {"status": "failed", "error": f"the process ended with {how}"}


def _guarded(task: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return task()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is this format's row
        return told(error)


def _wait(child: int, limit: float) -> int | None:
    """Return the exit code of a child, or None after it was killed for its slowness."""
    end, pause = time.monotonic() + limit, _PERIOD
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(pause)
        pause = min(_PATIENCE, pause * 2)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None
