# SPDX-License-Identifier: BSD-3-Clause
"""Idioms are taken in one step, and change nothing that the verifier says.

A stream that is verified without traces is verified without idioms: each is judged in both ways.
"""

from __future__ import annotations

import functools
import pickle
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from safeserial.policy import Policy
from safeserial.verifier import idioms
from tests.verifier import splices
from tests.verifier.twice import same
from tests.world import EFFORT

MEMBER = "payload/model.joblib"
X = np.arange(24.0).reshape(6, 4) % 7
MANY = settings(
    max_examples=100 * EFFORT, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def _models() -> list[Any]:
    fortran = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    kinds = ("f8", "<f4", ">f8", ">i4", "i8", "u1", "b1", "c16", "U3", "M8[ns]", "O", "i4,f8")
    dtyped = [np.zeros(3, kind) for kind in kinds]
    shapes = [np.ones(shape) for shape in ((), 0, 3, (2, 3), (2, 0, 3), (1, 2, 3, 4), (300,))]
    return [
        dtyped,
        [*shapes, fortran, np.zeros(70_000), np.ma.ones(3)],
        [np.float64(1.5), np.int64(3), X, X, X[0], np.random.RandomState(0)],
        [list(range(400)), X, [str(number) for number in range(300)], X, X[1]],
        StandardScaler().fit(X),
        LogisticRegression().fit(X, np.arange(6) % 2),
    ]


@functools.cache
def honest() -> list[bytes]:
    """Return streams to begin with."""
    return [pickle.dumps(model, protocol) for model in _models() for protocol in (3, 4, 5)]


@pytest.fixture
def taken(monkeypatch) -> list[int]:
    """Tell how many opcodes were taken at a time."""
    found: list[int] = []
    original = idioms._taken

    def taken(machine: Any, opcodes: int, *rest: int) -> int:
        found.append(opcodes)
        return original(machine, opcodes, *rest)

    monkeypatch.setattr(idioms, "_taken", taken)
    return found


def test_most_arrays_are_taken_at_once(taken):
    stream = pickle.dumps([np.arange(4.0) + number for number in range(5)], 4)
    found = same("joblib", {MEMBER: stream})
    assert isinstance(found[0][0], bytes), "it is admitted"
    # Admitted and surveyed: four calls each (the first has new names), and five states.
    assert taken.count(10) == 2 * 4
    assert taken.count(12) == 2 * 4, "the first state has a new dtype in it"


def test_a_dtype_that_comes_again_is_taken_at_once(taken):
    arrays = [np.arange(4.0), np.arange(4, dtype="f4"), np.arange(4, dtype="i8")]
    same("joblib", {MEMBER: pickle.dumps(arrays, 4)})
    assert taken.count(21) == 2 * 2, "a new code each, and the order of the first"


@pytest.mark.parametrize("stream", honest())
def test_honest_streams_are_judged_the_same(stream):
    same("joblib", {MEMBER: stream})


@given(st.integers(0, 2**64))
@MANY
def test_altered_streams_are_judged_the_same(seed):
    dice = random.Random(seed)
    stream = splices.splice(dice.choice(honest()), dice.choice(honest()), dice)
    same("joblib", {MEMBER: stream})


@given(st.integers(0, 2**64))
@MANY
def test_altered_bytes_are_judged_the_same(seed):
    dice = random.Random(seed)
    stream = bytearray(dice.choice(honest()))
    for _ in range(dice.choice((1, 1, 2, 4))):
        stream[dice.randrange(len(stream))] = dice.choice(
            (dice.randrange(256), *b"hjKMJ(t\x94b\x85\x86C\x89\x88<>|")
        )
    same("joblib", {MEMBER: bytes(stream)})


@given(st.integers(0, 2**64))
@MANY
def test_limits_are_kept_the_same(seed):
    dice = random.Random(seed)
    stream = dice.choice(honest())
    limits: dict[str, int] = dice.choice(
        [
            {"nesting": dice.randrange(1, 6)},
            {"opcodes": dice.randrange(20, 400)},
            {"memo_entries": dice.randrange(1, 80)},
            {"inflation": 1},
        ]
    )
    same("joblib", {MEMBER: stream}, Policy.default().with_limits(**limits))


BEGIN = pickle.dumps([np.arange(4.0), np.arange(4.0) + 1], 4)
SECOND = BEGIN.rindex(b"(K\x01K\x04\x85")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"(K\x01K\x04\x85", b"(K\x01K\x05\x85"),  # more elements than there are bytes
        (b"(K\x01K\x04\x85", b"(K\x07K\x04\x85"),  # another version of the state
        (b"(K\x01K\x04\x85", b"(K\x01K\x04\x86"),  # a tuple of more than stands there
        (b"\x89C\x20", b"\x89C\x1f"),
        (b"\x94t\x94b", b"\x94t\x94R"),  # called instead of built
        (b"K\x00\x85", b"K\x01\x85"),  # an array that is not made empty
    ],
)
def test_a_wrong_array_is_refused_where_the_machine_refuses_it(old, new):
    whole = BEGIN[: SECOND - 20] + BEGIN[SECOND - 20 :].replace(old, new, 1)
    assert whole != BEGIN
    found = same("joblib", {MEMBER: whole})
    assert not isinstance(found[0][0], bytes), "it is refused"
