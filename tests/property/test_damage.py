# SPDX-License-Identifier: BSD-3-Clause
"""Damage: no byte of an artifact can be another one, be missing or be added.  All are tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import safeserial as ss
from safeserial import container, envelope
from safeserial.artifact import loading
from safeserial.errors import SafeSerialError
from safeserial.files import BytesSource
from tests import world

ORDERS: dict[str, dict[str, Any]] = {
    "pickle": {"format": "pickle"},
    "pickle zlib": {"format": "pickle", "compression": "zlib", "digest": "sha256"},
    "joblib": {"format": "joblib", "digest": "sha256"},
    "joblib gzip": {"format": "joblib", "compression": "gzip"},
}
SMALL = {"a": [1, 2.5, "x", None], "b": b"bytes"}
ring_policy = (world.RING, world.CALM)


def attempt(data: bytes) -> str:
    """Load bytes; return the class of the refusal, or ``accepted``.  Other exceptions come out."""
    try:
        ss.loads(data, keyring=world.RING, policy=world.CALM)
    except SafeSerialError as error:
        assert error.hint, error
        return type(error).__name__
    return "accepted"


def verified(data: bytes) -> str:
    """Verify bytes as :func:`safeserial.verify` does a file."""
    try:
        loading._read(BytesSource(data), *ring_policy, None, keep=False)
    except SafeSerialError as error:
        return type(error).__name__
    return "accepted"


def tally(files: Iterable[bytes]) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for data in files:
        said = attempt(data)
        assert verified(data) != "accepted"
        outcomes[said] += 1
    return outcomes


def flipped(data: bytes) -> Iterable[bytes]:
    """Change each byte once, by another difference each time; eight ways outside the filling."""
    out = bytearray(data)
    filling = range(data.index(b" ", world.FRONT), world.FRONT + world.ROOM)
    for at, byte in enumerate(data):
        ways = [1 + at % 255] if at in filling else [1 << bit for bit in range(8)]
        for way in ways:
            out[at] = byte ^ way
            yield bytes(out)
        out[at] = byte


@pytest.mark.parametrize("name", ORDERS)
def test_no_byte_can_be_flipped(name):
    data = world.artifact(SMALL, **ORDERS[name])
    assert attempt(data) == verified(data) == "accepted"
    outcomes = tally(flipped(data))
    print(f"{name}: {len(data)} bytes, {outcomes.total()} flips, {outcomes}")
    assert outcomes["accepted"] == 0
    assert outcomes.total() >= len(data)
    assert outcomes["DigestMismatchError"] >= 8 * len(
        next(iter(world.Parts.of(data).members.values()))
    )


@pytest.mark.parametrize("name", ["pickle", "joblib"])
def test_no_end_can_be_cut_off(name):
    data = world.artifact(SMALL, **ORDERS[name])
    outcomes = tally(data[:cut] for cut in range(len(data)))
    print(f"{name}: {outcomes.total()} truncations, {outcomes}")
    assert outcomes["accepted"] == 0
    assert set(outcomes) <= {"CorruptArtifactError", "NotAnArtifactError"}


@pytest.mark.parametrize("name", ["pickle", "joblib"])
def test_random_edits_are_refused(name):
    data = world.artifact(world.arrays(), **ORDERS[name])
    outcomes: Counter[str] = Counter()
    for what, edited in world.edits(data, 2000, seed=len(name)):
        said = attempt(edited)
        assert said != "accepted", what
        outcomes[said] += 1
    print(f"{name}: {outcomes.total()} edits, {outcomes}")
    assert outcomes.total() == 2000


@pytest.mark.parametrize("name", ["pickle", "joblib"])
def test_edits_that_mend_the_structure_are_refused(name):
    """Sizes, checksums and digests put right: only the signature is left to say no."""
    data = world.artifact(SMALL, **ORDERS[name])
    parts = world.Parts.of(data)
    path, member = next(iter(parts.members.items()))
    outcomes: Counter[str] = Counter()
    for _, edited in world.edits(member, 300, seed=3):
        changed = world.Parts(parts.signatures, parts.manifest, {**parts.members, path: edited})
        outcomes[attempt(changed.described().unsigned())] += 1
        outcomes[attempt(changed.unsigned())] += 1
    assert set(outcomes) <= {"BadSignatureError", "DigestMismatchError", "CorruptArtifactError"}
    assert outcomes["BadSignatureError"] == 300


@pytest.mark.parametrize("name", ["pickle", "joblib"])
def test_signed_nonsense_ends_in_our_errors(name):
    """The worst case: a trusted key has signed a damaged payload."""
    data = world.artifact({"a": SMALL, "b": world.arrays()["floats"]}, **ORDERS[name])
    parts = world.Parts.of(data)
    outcomes: Counter[str] = Counter()
    for path, member in parts.members.items():
        if not member:
            continue
        for _, edited in world.edits(member, 250, seed=len(path)):
            changed = world.Parts([], parts.manifest, {**parts.members, path: edited})
            outcomes[attempt(changed.described().signed())] += 1
    print(f"{name}: {outcomes}")
    assert len(outcomes) > 1


def test_every_byte_of_the_front_is_compared(tmp_path: Path):
    """The front is what is read before anything is trusted: each byte of it, each bit."""
    data = world.artifact(SMALL)
    blob = data[64 : 64 + world.ROOM]
    size = envelope.unpack_signatures(blob)[0]
    for at in (*range(64), *range(16_384, 16_448)):
        for bit in range(8):
            out = bytearray(data)
            out[at] ^= 1 << bit
            source = BytesSource(bytes(out))
            with pytest.raises(SafeSerialError):
                container.read_manifest(source, container.read_signatures(source), size)
