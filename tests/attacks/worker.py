# SPDX-License-Identifier: BSD-3-Clause
"""The process that opens hostile files, one after the other, and says what came of each.

Run as a program with a mode and a list of files: ``load`` and ``inspect`` print a line of JSON a
file; ``native`` opens one with an unrestricted loader, and its exit status tells.
"""

from __future__ import annotations

import contextlib
import copyreg
import importlib
import json
import os
import resource
import sys
import time
import warnings
from pathlib import Path
from typing import Any

MEMORY = 3 * 2**30
EXTENSION = 0x7F
# Imported before anything is measured; also what a process has that serves models.
SERVED = (
    "pandas",
    "joblib",
    "scipy.stats",
    "scipy.interpolate",
    "sklearn.ensemble",
    "sklearn.cluster",
    "sklearn.neighbors",
    "sklearn.pipeline",
    "sklearn.svm",
    "sklearn.gaussian_process",
    "sklearn.kernel_approximation",
    "sklearn.feature_extraction.text",
    "sklearn.preprocessing",
    "sklearn.utils._testing",
    "uuid",
    "fractions",
    "tests.world",
)
WATCHED = (
    "sklearn.linear_model._logistic:LogisticRegression",
    "sklearn.utils.validation:",
    "sklearn.preprocessing._function_transformer:_identity",
    "scipy.sparse._csr:csr_matrix",
    "numpy:",
    "numpy:mean",
    "numpy._core.numeric:_frombuffer",
    "builtins:",
    "sklearn:",
)


def state() -> dict[str, Any]:
    """Return what a hostile file may try to change in a process."""
    found: dict[str, Any] = {}
    for entry in WATCHED:
        module, _, qualname = entry.partition(":")
        target = importlib.import_module(module)
        target = getattr(target, qualname) if qualname else target
        found[entry] = {key: id(value) for key, value in vars(target).items()}
        found[entry + " defaults"] = repr(getattr(target, "__defaults__", None))
    found["environment"] = dict(os.environ)
    found["path"] = list(sys.path)
    found["configuration"] = repr(importlib.import_module("sklearn").get_config())
    found["limit"] = sys.getrecursionlimit()
    found["files"] = sorted(one.name for one in Path().iterdir())
    return found


def memory(field: str) -> int:
    """Return a figure of this process in bytes, 0 where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
        return next(int(one.split()[1]) * 1024 for one in lines if one.startswith(field))
    except (OSError, StopIteration):
        return 0


def forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", "ascii")


def warm() -> None:
    """Make extension codes known, with their cache filled."""
    copyreg.add_extension("os", "system", EXTENSION)
    copyreg._extension_cache[EXTENSION] = os.system
    # A module of the allowlist that a file is the first to name is imported, as it should be.
    importlib.import_module("sklearn.naive_bayes")


def judged(action: Any) -> dict[str, Any]:
    """Run an action; return its outcome, seconds, and memory beyond what was in use."""
    from safeserial.errors import SafeSerialError

    before = memory("VmRSS")
    forget_peak()
    start = time.process_time()
    kind, hint, said, project = "", "", "", True
    try:
        action()
    except SafeSerialError as error:
        kind, hint, said = type(error).__name__, error.hint, str(error)
    except BaseException as error:  # noqa: BLE001 - this is what is looked for
        kind, said, project = type(error).__name__, str(error)[:300], False
    seconds = time.process_time() - start
    return {
        "kind": kind,
        "hint": hint,
        "said": said[:300],
        "project": project,
        "seconds": seconds,
        "memory": max(0, memory("VmHWM") - before),
    }


def main(mode: str, names: list[str]) -> None:
    """Open the files."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warm()
    if mode == "native":
        import joblib

        with contextlib.suppress(BaseException):  # malice often ends in an exception, too
            joblib.load(names[0])
        if len(names) > 1:
            sys.exit(3 if eval(names[1]) else 0)
        return
    import safeserial as ss

    ring: Any = None
    if mode == "load":
        for module in SERVED:
            importlib.import_module(module)
        from tests import world

        ring = world.RING
    else:
        ss.inspect(names[0])
    watched = state() if mode == "load" else {}
    for name in names:
        modules = set(sys.modules)
        if mode == "load":
            opened = (
                (lambda name=name: ss.load(name, keyring=ring, policy=world.CALM))
                if name.endswith(".ssr")
                else (lambda name=name: ss.load_unsigned(name))
            )
            result = judged(opened)
            now = state()
            result["changed"] = sorted(key for key in now if now[key] != watched[key])
            watched = now
        else:
            result = judged(lambda name=name: ss.inspect(name))
            result["types"] = judged(lambda name=name: ss.get_untrusted_types(name))
            result["changed"] = sorted(
                one
                for one in set(sys.modules) - modules
                if not one.startswith(
                    ("safeserial", "encodings.", "blake3", "traceback", "lz4", "zstandard")
                )
            )
        print(json.dumps({"name": name, **result}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], [*sys.argv[2:]] if sys.argv[1] == "native" else json.load(sys.stdin))
