# SPDX-License-Identifier: BSD-3-Clause
"""No state and no arguments that a stream can give to what is listed end the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.attacks import misuse
from tests.attacks.test_corpus import ENVIRONMENT

FEW = 5
PATIENCE = 300


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_no_process_ends(step: int, tmp_path: Path) -> None:
    ended: list[str] = []
    start = 0
    while len(ended) < FEW:
        run = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-m", misuse.__name__, str(start), str(step)],
            capture_output=True,
            check=False,
            cwd=tmp_path,
            env={**ENVIRONMENT, "OMP_NUM_THREADS": "1"},
            text=True,
            timeout=PATIENCE,
        )
        *_, last = run.stdout.splitlines()
        if last == "done":
            break
        ended.append(f"{last}: status {run.returncode} {run.stderr[:300]}")
        start = int(last.split()[0]) + step
    assert ended == []


def test_it_tries_what_it_should() -> None:
    with_state = misuse.with_compiled("__setstate__", "build")
    assert ("sklearn.neighbors._kd_tree", "KDTree") in with_state
    assert len(with_state) > 60
    assert len(misuse.with_compiled("__new__", "new")) > 40
