# SPDX-License-Identifier: BSD-3-Clause
"""Whatever is admitted, CPython's C unpickler loads: the verifier is held against the original.

Streams come from a grammar over all opcodes and from mutated honest pickles.  Of each one that is
admitted the C unpickler may ask for no other name, and may fail only in ways that are listed here.
Of each one that the C unpickler loads and the verifier refuses nothing is asked.
"""

from __future__ import annotations

import io
import pickle
import random
import struct
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from safeserial.errors import SafeSerialError
from safeserial.policy import Policy
from safeserial.verifier import admit, survey
from tests.verifier.streams import Reference, dtype, integer, name, payload, short
from tests.world import EFFORT

# A constructor may refuse its arguments or an object its state: an ordinary exception of Python.
ORDINARY = (TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError)
POLICY = Policy.default()
# Mutated models warn of versions, mutated arrays of dtypes.
pytestmark = pytest.mark.filterwarnings("ignore")


def check(data: bytes, format: str = "pickle") -> bool:
    """Hold the verifier against the C unpickler; return whether the stream was admitted."""
    try:
        admitted = admit(payload(data, format), POLICY)
    except SafeSerialError:
        survey(payload(data, format), POLICY)
        return False
    if admitted.outdated:  # no codec builds it
        return True
    reference = Reference(admitted, admitted.stream)
    try:
        reference.load()
    except ORDINARY:
        pass
    except pickle.PickleError as error:
        # About a class or a state; never about the stream itself.
        assert any(word in str(error) for word in ("NEWOBJ", "state", "checksums")), error
    assert set(reference.asked) <= set(admitted.names)
    return True


SMALL = st.sampled_from(
    [
        *(b"N", b"\x88", b"\x89", b"K\x01", b"M\x01\x02", b"J\xff\xff\xff\xff", b"I1\n", b"L-2L\n"),
        *(b"F1.5\n", b"G?\xf0\0\0\0\0\0\0", short("a"), short("é"), short(b"x"), b"Vabc\n"),
        *(b"S'a\\n'\n", b"U\x01a", b"X\x01\0\0\0b", b"\x8a\x01\x05", b"\x8b\x01\0\0\0\x05"),
        *(b")", b"]", b"}", b"\x8f", b"\x96\x01\0\0\0\0\0\0\0z", b"(", b"(", b"(", b"\x94"),
        *(b"0", b"1", b"t", b"l", b"d", b"e", b"u", b"a", b"s", b"\x90", b"\x91", b"\x85"),
        *(b"\x86", b"\x87", b"q\x00", b"q\x01", b"h\x00", b"h\x01", b"p0\n", b"g1\n", b"r\2\0\0\0"),
        *(b"j\1\0\0\0", b"R", b"\x81", b"\x92", b"b", b"2", b"\x97", b"\x98", b"Q", b"\x93"),
        dtype("f8"),
        integer(2**61 - 1),
        name("builtins", "set"),
        name("builtins", "tuple"),
        name("builtins", "bytearray"),
        name("collections", "OrderedDict"),
        name("collections", "deque"),
        name("collections", "defaultdict"),
        name("functools", "partial"),
        name("numpy", "ndarray"),
        name("numpy", "exp"),
        name("numpy._core.multiarray", "_reconstruct"),
        name("numpy._core.numeric", "_frombuffer"),
        name("numpy._core.multiarray", "scalar"),
        name("sklearn.linear_model._logistic", "LogisticRegression"),
        b"c__builtin__\nset\n",
        b"ccopy_reg\n_reconstructor\n",
        b"c_codecs\nencode\n",
    ]
)


@settings(max_examples=1500 * EFFORT, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 5), st.lists(SMALL, max_size=24))
@example(4, [b"]", b"\x94", b"h\x00", b"a"])
def test_grammar(protocol: int, parts: list[bytes]) -> None:
    head = bytes([0x80, protocol]) if protocol >= 2 else b""
    check(head + b"".join(parts) + b".")


class Builder:
    """Writes streams that stay balanced, so that most of them reach deep into the rules."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.memo = 0

    def value(self, depth: int) -> bytes:
        pick = self.random.randrange(14 if depth else 6)
        small = [b"N", b"K\x07", integer(self.random.randrange(2**40)), short("k"), b")", b"G" * 9]
        if pick < 6:
            return small[pick]
        if pick == 6 and self.memo:
            return b"h" + bytes([self.random.randrange(self.memo)])
        inner = [self.value(depth - 1) for _ in range(self.random.randrange(4))]
        made = self.composite(pick, inner, depth)
        if self.memo < 200 and self.random.random() < 0.6:
            self.memo += 1
            made += b"\x94"
        return made

    def composite(self, pick: int, inner: list[bytes], depth: int) -> bytes:
        joined = b"".join(inner)
        if pick in (6, 7):
            return b"(" + joined + b"t"
        if pick == 8:
            return b"](" + joined + b"e"
        if pick == 9:
            return b"}(" + b"".join(short(f"k{n}") + one for n, one in enumerate(inner)) + b"u"
        if pick == 10:
            return b"\x8f(" + joined + b"\x90"
        if pick == 11:
            return b"(" + joined + b"\x91"
        if pick == 12:
            known = [("builtins", "set"), ("collections", "OrderedDict"), ("builtins", "slice")]
            return name(*self.random.choice(known)) + b"(" + joined + b"tR"
        cls = name("sklearn.linear_model._logistic", "LogisticRegression")
        return cls + b")\x81" + self.value(depth - 1) + b"b"


@pytest.mark.parametrize("block", range(4))
def test_balanced_streams(block: int) -> None:
    admitted = 0
    for seed in range(block * 500, block * 500 + 500):
        admitted += check(b"\x80\x04" + Builder(seed).value(4) + b".")
    assert admitted > 100


def honest() -> list[tuple[bytes, str]]:
    x = np.random.RandomState(0).rand(12, 3)
    y = np.arange(12) % 2
    values: list[Any] = [
        LogisticRegression(),
        DecisionTreeClassifier(max_depth=2).fit(x, y).classes_,
        [np.arange(4.0), np.array(["a", None], dtype=object), np.float32(1), {1.5: (2, 3)}],
        np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
        np.random.default_rng(0),
        {"set": {1, 2}, "frozen": frozenset("ab"), "bytes": bytearray(b"abc"), "long": 2**80},
    ]
    found = [(pickle.dumps(value, protocol), "pickle") for value in values for protocol in range(6)]
    for value in values:
        file = io.BytesIO()
        joblib.dump(value, file)
        found.append((file.getvalue(), "joblib"))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_mutations(seed: int) -> None:
    rng = random.Random(seed)
    for data, format in honest():
        assert check(data, format)
        for _ in range(40):
            mutant = bytearray(data)
            for _ in range(rng.randrange(1, 4)):
                mutate(mutant, rng)
            check(bytes(mutant), format)


def mutate(data: bytearray, rng: random.Random) -> None:
    here = rng.randrange(len(data))
    match rng.randrange(5):
        case 0:
            data[here] = rng.randrange(256)
        case 1:
            del data[here : here + rng.randrange(1, 4)]
        case 2:
            data[here:here] = rng.choice([b"0", b"b", b"(", b"R", b"\x94", b"N", b"}", b"h\x00"])
        case 3:
            there = rng.randrange(len(data))
            data[here : here + 8] = data[there : there + 8]
        case _:
            data[here : here + 4] = struct.pack("<i", rng.choice([-1, 0, 1, 2**31 - 1, 2**20]))
    if not data:
        data += b"."
