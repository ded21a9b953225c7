# SPDX-License-Identifier: BSD-3-Clause
"""One peer, asked about one file after the other: paths come in as lines, answers go out as JSON.

This file runs by itself in the environment of the peer, with its two neighbours and nothing else of
this project's benchmarks.  Scanners answer in this process; loaders open each file in a fork of it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))
judges: Any = importlib.import_module("judges")
forks: Any = importlib.import_module("forks")
SCANNER_SPACE = 6 * 2**30
EXTENSION = 0x7F
SERVED = (
    *("joblib", "pandas", "scipy.stats", "scipy.interpolate", "sklearn.ensemble"),
    *("sklearn.cluster", "sklearn.neighbors", "sklearn.pipeline", "sklearn.svm"),
    *("sklearn.gaussian_process", "sklearn.feature_extraction.text", "sklearn.preprocessing"),
)


def ready_loader(key: str, honest: list[str]) -> Callable[[str], dict[str, Any]]:
    """Return what opens a file in a fork; what honest files need is imported before."""
    copyreg: Any = importlib.import_module("copyreg")
    copyreg.add_extension("os", "system", EXTENSION)  # as a library of the process might have
    copyreg._extension_cache[EXTENSION] = os.system  # noqa: SLF001 - it has been used before
    for module in SERVED:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    opened = judges.LOADERS[key]()
    if hasattr(opened, "learn"):
        opened.learn(honest)
    for path in honest:
        with contextlib.suppress(Exception):
            opened(path)
    return lambda path: forks.open_in_fork(opened, path)


def ready_scanner(key: str) -> Callable[[str], dict[str, Any]]:
    """Return what judges a file in this process."""
    judge = judges.SCANNERS[key]()
    size = forks.memory("VmSize") + SCANNER_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (size, size))

    def judged(path: str) -> dict[str, Any]:
        start = time.process_time()
        try:
            outcome, said = judge(path)
        except BaseException as error:  # noqa: BLE001 - an exception is an answer, too
            outcome, said = "gave up", f"{type(error).__name__}: {error}"[:200]
        return {"outcome": outcome, "said": said, "cpu": time.process_time() - start}

    return judged


def main(key: str) -> None:
    """Answer until there are no more questions; the first line names the honest files."""
    warnings.simplefilter("ignore")
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with Path(os.devnull).open("r+b", buffering=0) as nowhere:
        for descriptor in (1, 2):
            os.dup2(nowhere.fileno(), descriptor)
    # Questions come through a copy, so that no file can read them.
    questions = os.fdopen(os.dup(0), encoding="utf-8")
    with Path(os.devnull).open("rb", buffering=0) as nothing:
        os.dup2(nothing.fileno(), 0)
    honest = json.loads(questions.readline())
    try:
        ask = ready_scanner(key) if key in judges.SCANNERS else ready_loader(key, honest)
        out.write(json.dumps({"ready": True}) + "\n")
    except Exception as error:  # noqa: BLE001 - whatever a peer's import may raise
        out.write(json.dumps({"ready": False, "said": f"{type(error).__name__}: {error}"}) + "\n")
        return
    out.flush()
    for line in questions:
        out.write(json.dumps(ask(line.rstrip("\n"))) + "\n")
        out.flush()


if __name__ == "__main__":
    main(sys.argv[1])
