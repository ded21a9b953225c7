# SPDX-License-Identifier: BSD-3-Clause
"""Workers as processes of their own: the same environment for all, ended with their children."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from safeserial_benchmarks.formats import forking

# One thread for BLAS and OpenMP: what a format costs, not what a pool of threads can hide.
THREADS: Final = dict.fromkeys(
    (
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
        "NUMEXPR_NUM_THREADS",
    ),
    "1",
)
_WORKER: Final = "safeserial_benchmarks.formats.worker"


def ask(role: str, folder: Path, limit: float, /, **order: Any) -> dict[str, Any]:
    """Run one order in a fresh process.

    Parameters
    ----------
    role : str
        See :mod:`.worker`.
    folder : Path
        The model's folder.
    limit : float
        Seconds until the process and its children are killed.
    **order
        What else the role needs.

    Returns
    -------
    dict
        The worker's answer, or how it ended.
    """
    out, paper = folder / "answer.json", folder / "order.json"
    out.unlink(missing_ok=True)
    spawned = time.time()
    order |= {"role": role, "folder": str(folder), "out": str(out), "spawned": spawned}
    paper.write_text(json.dumps({**order, "path": [one for one in sys.path if one]}), "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", _WORKER, str(paper)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=_environment(),
        start_new_session=True,
    )
    try:
        code = process.wait(limit)
    except subprocess.TimeoutExpired:
        return forking.timed_out(limit)
    finally:
        _end(process)
    with contextlib.suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads(out.read_text("utf-8"))
        return found
    return forking.died(code)


def _environment() -> dict[str, str]:
    environment = {**os.environ, **THREADS}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its bytecode
    return environment


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker with its forks; those that have ended are none the worse for it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
