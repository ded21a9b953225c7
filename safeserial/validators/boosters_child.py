# SPDX-License-Identifier: BSD-3-Clause
"""The child process of a trial: reads models from its input, loads them, predicts, says "fine".

Floor 5.  Run as a script by :mod:`safeserial.validators.boosters_trial`, never imported; it imports
nothing of safeserial, so that it starts quickly.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any, Final

_MEMORY: Final = 2**30  # beside what the interpreter and the library take
_MEMORY_A_BYTE: Final = 64
_FILES: Final = 64
_VALUES: Final = (0.0, float("nan"), float("inf"), -float("inf"), 3.4e38, -3.4e38, 1.5)


def _limit(seconds: int, size: int) -> None:
    """Limit what is left of this process, where the system can."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    done = int(used.ru_utime + used.ru_stime) + 1
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/self/statm", encoding="ascii") as table:  # noqa: PTH123 - quick
            pages = int(table.read().split()[0])
        held = pages * os.sysconf("SC_PAGE_SIZE") + _MEMORY + _MEMORY_A_BYTE * size
        resource.setrlimit(resource.RLIMIT_AS, (held, held))
    for what, limit in (
        (resource.RLIMIT_CPU, done + seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _FILES),
    ):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(what, (limit, limit))


def _try(catboost: Any, data: bytes) -> None:
    model = catboost.CatBoost()
    model.load_model(blob=data)
    categories = set(model.get_cat_feature_indices())
    names = model.feature_names_
    rows = [
        [str(value) if column in categories else value for column in range(len(names))]
        for value in _VALUES
    ]
    pool = catboost.Pool(rows, cat_features=sorted(categories), feature_names=names, thread_count=1)
    model.predict(pool, prediction_type="RawFormulaVal", thread_count=1)
    model.calc_leaf_indexes(pool, thread_count=1)


def main() -> None:
    """Read models, try each, and say so."""
    # Without a core from here on, even while the library is imported.
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.path[:] = json.loads(sys.argv[1])
    head = json.loads(sys.stdin.buffer.readline())
    models = [sys.stdin.buffer.read(size) for size in head["sizes"]]
    import catboost

    _limit(head["seconds"], sum(map(len, models)))
    for data in models:
        _try(catboost, data)
    sys.stdout.write("fine\n")
    sys.stdout.flush()
    os._exit(0)  # nothing of the library runs once more


if __name__ == "__main__":
    main()
