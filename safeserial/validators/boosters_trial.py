# SPDX-License-Identifier: BSD-3-Clause
"""A trial: native bytes are read and used once in a process that can be lost.

Floor 5.  Range checks hold for what they know of; a parser that crashes on something else does so
here, in a child without environment, files or much memory, and not in the process that asked.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from safeserial.errors import InvalidStateError
from safeserial.validators.boosters_catboost import OWNER

# Seconds until the child must have said that it is ready, and for the models after that.
_TO_START: Final = 60
_TO_TRY: Final = 20
_BYTES_A_SECOND: Final = 2**20
# The loader's own search paths; nothing else of the environment is of use to the child.
_PASSED_ON: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
# One thread, one arena: address space is what the child has little of.
_ONE: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MALLOC_ARENA_MAX")


def try_out(models: Sequence[bytes]) -> None:
    """Let CatBoost load models in a child process and predict with each.

    Parameters
    ----------
    models : sequence of bytes
        Serialized models whose numbers have been checked.

    Raises
    ------
    InvalidStateError
        If the child crashes, takes too long or too much memory, or CatBoost refuses a model.
    """
    size = sum(map(len, models))
    seconds = _TO_TRY + size // _BYTES_A_SECOND
    head = json.dumps({"sizes": [len(one) for one in models], "seconds": seconds})
    script = str(pathlib.Path(__file__).with_name("boosters_child.py"))
    paths = json.dumps([path for path in sys.path if os.path.isabs(path)])  # noqa: PTH117 - as text
    environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
    environment |= dict.fromkeys(_ONE, "1")
    if not sys.executable:
        raise InvalidStateError(
            f"{OWNER}: there is no Python to try the model out in", hint="sign the model"
        )
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, this package's file
            [sys.executable, "-I", "-B", script, paths],
            input=b"".join([head.encode(), b"\n", *models]),
            capture_output=True,
            timeout=_TO_START + seconds,
            env=environment,
            cwd=os.sep,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InvalidStateError(f"{OWNER}: its model took too long in a child process") from None
    except OSError as error:
        raise InvalidStateError(
            f"{OWNER}: no child process to try the model out in ({error})"[:300],
            hint="let the process start others, or sign the model",
        ) from None
    if done.returncode or done.stdout != b"fine\n":
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        how = f"signal {-done.returncode}" if done.returncode < 0 else said or "no answer"
        raise InvalidStateError(
            f"{OWNER}: its model failed when it was tried out in a child process ({how})"[:400],
            hint="the model is damaged, hostile, or of another version of CatBoost",
        )
