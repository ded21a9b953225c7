# SPDX-License-Identifier: BSD-3-Clause
"""Signatures by pairs of keys, as published: what was right stays right, and what was not, not."""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
from pathlib import Path

import pytest

import safeserial as ss
from safeserial import keys
from safeserial.envelope import PAYLOAD_TYPE, pre_authentication_encoding
from safeserial.errors import KeyringError, SafeSerialError
from safeserial.signing import verifier
from tests import world
from tests.golden import make_v1, reader_v1
from tests.golden.test_golden import git

FOLDER = Path(__file__).parent / "pairs_v1"
EXPECT = tomllib.loads((FOLDER / "expect.toml").read_text("utf-8"))
MESSAGE = EXPECT["message"].encode()
KEYS = {one["label"]: one for one in EXPECT["key"]}
HALVES = {one["key_id"]: bytes.fromhex(one["spki"]) for one in EXPECT["key"]}
SPEC = Path(__file__).parents[2] / "docs/spec/format-v1.md"


def outcome(action) -> str:
    try:
        action()
    except SafeSerialError as error:
        assert error.hint
        return type(error).__name__
    return "ok"


@pytest.mark.parametrize("one", KEYS.values(), ids=KEYS)
def test_keys_have_the_texts_and_ids_they_always_had(one):
    key = keys.key_from_text(one["private"])
    assert key.key_id == one["key_id"]
    assert key.algorithm == one["algorithm"]
    assert key.public == keys.key_from_text(one["public"])
    assert key.public.spki.hex() == one["spki"]
    assert (key.to_text(), key.public.to_text()) == (one["private"], one["public"])
    named = hashlib.sha256(bytes.fromhex(one["spki"])).hexdigest()[:32]
    assert one["key_id"] == f"{one['label']}-{named}"


@pytest.mark.parametrize("one", EXPECT["refused_key"], ids=lambda one: one["about"])
def test_weak_keys_stay_refused(one):
    with pytest.raises(KeyringError):
        keys.key_from_text(one["public"])


@pytest.mark.parametrize(
    "one", EXPECT["signature"], ids=lambda one: f"{one['label']} {one['about']}"
)
def test_each_signature_ends_as_it_always_did(one):
    half = keys.key_from_text(KEYS[one["label"]]["public"])
    value = base64.b64decode(one["sig"])
    check = verifier(half, "artifact-signature")
    assert outcome(lambda: check.verify(MESSAGE, value)) == one["outcome"]


@pytest.mark.parametrize("one", EXPECT["file"], ids=lambda one: one["name"])
def test_each_file_ends_as_it_always_did(one):
    data = (FOLDER / one["name"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == one["sha256"]
    ring = ss.Keyring([ss.PublicKey.from_spki(spki) for spki in HALVES.values()])
    assert outcome(lambda: ss.loads(data, keyring=ring, policy=world.CALM)) == one["outcome"]
    if one["outcome"] != "ok":
        with pytest.raises(reader_v1.Refused):
            reader_v1.read(data, bytes(32), HALVES)
        return
    assert world.same(ss.loads(data, keyring=ring, policy=world.CALM), make_v1.PLAIN)
    _, members = reader_v1.read(data, bytes(32), HALVES)
    assert members == world.Parts.of(data).members


def test_the_vectors_are_complete():
    assert tuple(KEYS) == tuple(keys.BY_LABEL)
    assert {path.name for path in FOLDER.iterdir()} == {
        "expect.toml",
        *(one["name"] for one in EXPECT["file"]),
    }
    assert pre_authentication_encoding(PAYLOAD_TYPE, b"{}") == MESSAGE


def test_what_was_released_is_as_it_was():
    tags = (git("tag", "--merged", "HEAD") or "").split()
    if not tags:
        pytest.skip("no release to compare with")
    now = (FOLDER / "expect.toml").read_text("utf-8")
    for tag in tags:
        before = git("show", f"{tag}:tests/golden/pairs_v1/expect.toml")
        assert before in (None, now), tag


def test_the_specification_prints_the_beginnings_and_the_ids():
    text = SPEC.read_text("utf-8")
    for kind in keys.KINDS:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{kind.label}`"))
        assert kind.algorithm in row
        assert str(kind.secret_size) in row
        assert str(kind.public_size) in row
        assert kind.spki_start.hex() in re.sub(r"[` ]", "", row)
        assert KEYS[kind.label]["key_id"] in text
