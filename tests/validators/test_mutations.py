# SPDX-License-Identifier: BSD-3-Clause
"""A model that validates may be wrong, but using it never ends the process.

`make fuzz` tries many times as many damaged copies.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.world import EFFORT

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each copy is used in a fork")

HERE = Path(__file__).parent
COUNT = 600 * EFFORT
SEED = int(os.environ.get("SAFESERIAL_SEED", "1"))


def test_damaged_models_are_refused_or_harmless() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, str(HERE / "mutate.py"), str(SEED), str(COUNT)],
        capture_output=True,
        check=True,
        env=environment,
    )
    tally = json.loads(run.stdout)
    assert sum(tally["stages"].values()) == COUNT
    assert tally["stages"].get("LVU", 0) > COUNT // 10  # enough of them were used
    # What dies before "L" dies in plain pickle, before which the opcode verifier stands.
    assert [one for one in tally["died"] if one[2]] == []
