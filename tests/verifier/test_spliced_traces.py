# SPDX-License-Identifier: BSD-3-Clause
"""However like objects are altered, traces change no verdict.

Streams of forests, boosted trees and nested pipelines are taken apart opcode by opcode and put
together otherwise, also with limits about as large as what they use; each is judged in both ways.
"""

from __future__ import annotations

import functools
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from safeserial.errors import SafeSerialError
from safeserial.policy import Policy
from tests.verifier import splices
from tests.verifier.test_traces import HOSTILE, write
from tests.verifier.twice import machine_of, same
from tests.world import EFFORT

pytestmark = pytest.mark.filterwarnings("ignore")
POLICY = Policy.default()
HOWS = ("3", "4", "5", "joblib", "joblib", "artifact", "artifact", "joblib artifact")
SEEDS = st.integers(0, 2**64)
FEW = settings(
    max_examples=60 * EFFORT, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def _models() -> list[Any]:
    x = np.arange(80.0).reshape(20, 4) % 17
    y = np.arange(20) % 2
    return [
        [LogisticRegression(C=number) for number in range(1, 8)],
        [StandardScaler().fit(x + number) for number in range(6)],
        [make_pipeline(StandardScaler(), LogisticRegression(C=n)).fit(x, y) for n in range(1, 6)],
        RandomForestClassifier(6, max_depth=2, random_state=0).fit(x, y),
        HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=3, min_samples_leaf=2).fit(x, y),
        GradientBoostingClassifier(n_estimators=5, max_depth=1).fit(x, y),
    ]


@functools.cache
def honest() -> list[tuple[str, dict[str, bytes]]]:
    """Return payloads to begin with."""
    found = [write(model, how) for model in _models() for how in HOWS]
    return found + [("joblib", {"payload/model.joblib": stream()}) for stream in HOSTILE]


def altered(dice: random.Random) -> tuple[str, dict[str, bytes]]:
    """Return a payload whose stream is changed."""
    format, members = dice.choice(honest())
    _, others = dice.choice(honest())
    name, other = (
        max((one for one in each if "index" not in one and "buffers" not in one), key=len)
        for each in (members, others)
    )
    return format, {**members, name: splices.splice(members[name], others[other], dice, format)}


@given(SEEDS)
@FEW
def test_spliced_streams_are_judged_the_same(seed: int) -> None:
    same(*altered(random.Random(seed)))


@given(SEEDS)
@FEW
def test_limits_stop_spliced_streams_in_both_ways(seed: int) -> None:
    dice = random.Random(seed)
    payload = altered(dice) if dice.random() < 0.5 else dice.choice(honest())
    try:
        machine = machine_of(*payload)
        machine.run()
    except SafeSerialError:
        pass
    context = machine.context
    limit, used = dice.choice(
        (
            ("opcodes", context.opcodes),
            ("memo_entries", len(machine.memo)),
            ("stack_depth", dice.choice((10, 30, 100))),
            ("nesting", dice.choice((1, 2, 3, 4, 5))),
            ("hard_keys", dice.choice((1, 2))),
            ("inflation", context._allocated),
        )
    )
    share = dice.choice((0.5, 0.8, 0.89, 0.91, 1, 1, 1.05, 1.11, 1.2, 2))
    most = max(1, int(used * share) + dice.choice((-1, 0, 0, 1)))
    same(*payload, POLICY.with_limits(**{limit: most}))


@given(SEEDS)
@settings(FEW, max_examples=6 * EFFORT)
def test_frames_of_a_long_stream_are_made_anew_in_both_ways(seed: int) -> None:
    """Where frames end within opcodes, in a stream so long that the machine pauses in it."""
    dice = random.Random(seed)
    format, members = write([LogisticRegression(C=float(n)) for n in range(700)], "5")
    (name,) = members
    codes = splices.split(members[name], format)
    for _ in range(dice.choice((1, 3, 20))):
        at = dice.randrange(1, len(codes))
        size = sum(map(len, codes[at : at + dice.choice((0, 1, 3, 20, 1000, 20_000))]))
        codes.insert(at, b"\x95" + (size + dice.choice((0, 0, 1))).to_bytes(8, "little"))
    same(format, {name: b"".join(codes)})
