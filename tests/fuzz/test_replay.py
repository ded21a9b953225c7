# SPDX-License-Identifier: BSD-3-Clause
"""What fuzzing found worth keeping is tried again, and each seed with some damage."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz import mutator, targets
from tests.fuzz.seeds import seeds
from tests.world import EFFORT

pytestmark = pytest.mark.filterwarnings("ignore")
CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("target", targets.TARGETS)
def test_corpus(target: str) -> None:
    for path in sorted((CORPUS / target).glob("*")):
        targets.run(target, path.read_bytes())


@pytest.mark.parametrize("target", targets.TARGETS)
def test_damaged_seeds(target: str) -> None:
    def plainly(data: bytes, most: int) -> bytes:
        at = dice.randrange(len(data) + 1)
        return (data[:at] + dice.randbytes(dice.randrange(3)) + data[at + 1 :])[:most]

    dice = random.Random(1)
    accepted = 0
    for number, data in enumerate(seeds(target)):
        accepted += targets.run(target, data)
        for turn in range(EFFORT):
            seed = number * EFFORT + turn
            targets.run(target, mutator.mutate(target, data, 4096, seed, plainly))
    assert accepted > 0
