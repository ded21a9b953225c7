# SPDX-License-Identifier: BSD-3-Clause
"""Damaged files of every format are refused or load, and what loads may be used: no crash, no hang.

Bytes are damaged, and parts of models exchanged.  A sample of each format here, ten thousand in the
slow run, and many more with `make fuzz`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.validators.mutate import EVERYTHING, FORMATS
from tests.world import EFFORT

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="copies are used in forks")

ROOT = Path(__file__).parents[2]
SEED = os.environ.get("SAFESERIAL_SEED", "1")
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
PROFILE_SIGNAL = 27  # busy for longer than a copy may be


def tallies(count: int, *forms: str) -> list[dict[str, Any]]:
    """Damage so many copies in each format; return what became of them."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.validators.mutate", SEED, str(count), *forms],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env=ENVIRONMENT,
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def hold(tally: dict[str, Any], count: int) -> None:
    """Assert that none did harm, and that enough were used for that to mean something."""
    assert sum(tally["stages"].values()) == count
    assert tally["stages"].get("LU", 0) > count // 20
    assert tally["odd"] == []
    # Plain pickle, without the opcode verifier, may crash before the validators are asked.
    plain = tally["format"] == "validators alone"
    assert [one for one in tally["died"] if one[1] == "L" or not plain] == []


def test_damaged_files_do_no_harm() -> None:
    quick = [form for form in FORMATS if form != EVERYTHING]
    found = tallies(60 * EFFORT, *quick)
    assert [one["format"] for one in found] == quick
    for tally in found:
        hold(tally, 60 * EFFORT)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_ten_thousand(form: str) -> None:
    (tally,) = tallies(10_000, form)
    hold(tally, 10_000)
