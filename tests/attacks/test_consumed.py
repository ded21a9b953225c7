# SPDX-License-Identifier: BSD-3-Clause
"""Objects that are wrong inside are refused before anything in the same file uses them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.attacks import consumed
from tests.attacks.test_corpus import ENVIRONMENT


def test_they_are_refused(tmp_path: Path) -> None:
    said: list[str] = []
    while len(said) < len(consumed.CASES):
        run = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-m", consumed.__name__, str(len(said))],
            capture_output=True,
            check=False,
            cwd=tmp_path,
            env={**ENVIRONMENT, "OMP_NUM_THREADS": "1"},
            text=True,
        )
        assert run.stdout, run.stderr
        said += run.stdout.splitlines()
        if run.returncode:
            said[-1] += f"status {run.returncode} {run.stderr[:200]}"
    refusals = ("InvalidStateError", "ForbiddenOperationError", "LimitExceededError")
    assert [one for one in said if not any(f": {kind} " in one for kind in refusals)] == []
