# SPDX-License-Identifier: BSD-3-Clause
"""Open a file in a fork, and see what it does there; runs in the environment of a peer.

The fork has an empty folder, no network where the system permits, and limits on memory and time:
harm is observed, never suffered.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Open = Callable[[str], object]
SECONDS = 10.0
SPACE = 3 * 2**30  # address space beyond what the process has when a file is opened
MEMORY = 512 * 2**20
FRESH_NETWORK = 0x50000000  # CLONE_NEWUSER | CLONE_NEWNET
WATCHED = (
    *("builtins:", "numpy:", "numpy._core.numeric:_frombuffer", "sklearn:"),
    *("sklearn.linear_model._logistic:LogisticRegression", "sklearn.utils.validation:"),
    *("sklearn.preprocessing._function_transformer:_identity", "scipy.sparse._csr:csr_matrix"),
    "torch:",
)


def watched() -> dict[str, Any]:
    """Return what a file may try to change in a process."""
    found: dict[str, Any] = {
        "environment": dict(os.environ),
        "path": list(sys.path),
        "limit": sys.getrecursionlimit(),
    }
    for entry in WATCHED:
        module, _, name = entry.partition(":")
        target = sys.modules.get(module)
        target = getattr(target, name, None) if name and target else target
        if target is not None:
            # Modules appear in their packages when they are first imported.
            plain = {k: id(v) for k, v in vars(target).items() if not hasattr(v, "__path__")}
            found[entry] = {k: v for k, v in plain.items() if f"{module}.{k}" not in sys.modules}
            found[entry + " defaults"] = repr(getattr(target, "__defaults__", None))
    return found


def memory(field: str) -> int:
    """Return a figure of this process in bytes."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next((int(one.split()[1]) * 1024 for one in lines if one.startswith(field)), 0)


def child(opened: Open, path: str, folder: str, report: int) -> None:
    """Open the file and report; does not return."""
    os.setsid()
    os.chdir(folder)
    os.environ.update(TMPDIR=folder, HOME=folder, BROWSER="true")
    # No network, where the system lets a process give it up.
    ctypes.CDLL(None).unshare(FRESH_NETWORK)
    limit = memory("VmSize") + SPACE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**26, 2**26))
    before, used = watched(), memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    start, outcome, said = time.process_time(), "passed", ""
    try:
        value = opened(path)
    except (SystemExit, KeyboardInterrupt) as error:
        outcome, said = "acted", f"{type(error).__name__}"
    except MemoryError:
        outcome, said = "memory", "MemoryError"
    except BaseException as error:  # noqa: BLE001 - a refusal may be of any kind
        outcome, said = "stopped", f"{type(error).__name__}: {error}"[:200]
    else:
        said = type(value).__name__
    cpu = time.process_time() - start
    grown = max(0, memory("VmHWM") - used)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
        time.sleep(0.2)  # there are children: give them time to leave a trace
    if before != (after := watched()):
        outcome, said = "acted", ", ".join(k for k in after if after[k] != before.get(k))[:200]
    elif grown > MEMORY and outcome != "acted":
        outcome, said = "memory", f"{grown >> 20} MiB"
    answer = {"outcome": outcome, "said": said, "cpu": cpu, "memory": grown}
    os.write(report, json.dumps(answer).encode())


def open_in_fork(opened: Open, path: str) -> dict[str, Any]:
    """Open one file in a process of its own; return what came of it."""
    folder = tempfile.mkdtemp()
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            child(opened, path, folder, writing)
        finally:
            os._exit(0)
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], SECONDS)
    data = os.read(reading, 65536) if ready else b""
    os.close(reading)
    if data or not ready:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    answer: dict[str, Any] = {"outcome": "hung", "said": f"more than {SECONDS:g} s"}
    if data:
        answer = json.loads(data)
    elif ready and os.WIFSIGNALED(status):
        answer = {"outcome": "crashed", "said": signal.Signals(os.WTERMSIG(status)).name}
    elif ready:
        answer = {"outcome": "acted", "said": "left the interpreter"}
    if left := os.listdir(folder):  # noqa: PTH208 - names are all that is wanted
        answer |= {"outcome": "acted", "said": f"left {', '.join(left)[:80]}"}
    shutil.rmtree(folder, ignore_errors=True)
    return answer
