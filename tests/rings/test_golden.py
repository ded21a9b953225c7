# SPDX-License-Identifier: BSD-3-Clause
"""The test vector of docs/spec/keyring-v1.md: written as it stands, and read alike by two readers.

``python -m tests.rings.test_golden`` writes it anew; a change of it breaks what people have pinned.
"""

from __future__ import annotations

import datetime
import importlib.util
import json
from pathlib import Path

import pytest

import safeserial as ss
from safeserial import errors
from safeserial.keyring import KeyEntry, chain, published

ROOT = Path(__file__).parents[2]
FILE = ROOT / "tests" / "golden" / "rings_v1" / "acme.ring"
PAGE = ROOT / "docs" / "spec" / "keyring-v1.md"
ONE, TWO, THREE = (ss.Ed25519Key(bytes(range(i, i + 32))) for i in (0, 32, 64))


def made() -> bytes:
    """Return the file of the test vector."""
    first = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    alice = {"principal": "alice@example.org", "roles": ("trainer",)}
    bob = {"principal": "bob@example.org", "roles": ("approver", "auditor")}
    dates = {"not_before": first, "not_after": first.replace(year=2126)}
    steps = [
        [(ONE, "active", {**alice, **dates})],
        [(ONE, "active", {**alice, **dates}), (TWO, "accepted", alice)],
        [(TWO, "active", alice), (ONE, "accepted", {**alice, **dates}), (THREE, "accepted", bob)],
        [(TWO, "active", alice), (ONE, "retired", {**alice, **dates, "reason": "replaced"}),
         (THREE, "accepted", bob)],
        [(TWO, "revoked", {**alice, "reason": 'stolen: "in the train", Zürich'}),
         (ONE, "retired", {**alice, **dates, "reason": "replaced"}), (THREE, "active", bob)],
    ]  # fmt: skip
    generations: published.Chain = ()
    for number, step in enumerate(steps):
        entries = tuple(KeyEntry(key=key, state=state, **more) for key, state, more in step)
        now = first + datetime.timedelta(days=30 * number)
        generations = chain.extended(generations, entries, serial=10 * number, now=now)
    return published.write(generations)


def other_reader():
    spec = importlib.util.spec_from_file_location("rings_reader", FILE.with_name("reader.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins():
    generations = published.read(FILE.read_bytes(), where="golden")
    return [one.digest for one in generations]


def test_the_file_is_written_as_it_stands():
    assert made() == FILE.read_bytes()


def test_the_page_gives_its_fingerprints():
    text = PAGE.read_text("utf-8")
    assert f"first     sha256:{pins()[0]}\n" in text
    assert f"newest    sha256:{pins()[-1]}\n" in text


def test_it_opens_for_ever():
    for pin in pins():
        ring = ss.Keyring.load(FILE, pinned=pin)
        assert {one.key_id: one.state for one in ring.entries} == {
            ONE.key_id: "retired", TWO.key_id: "revoked", THREE.key_id: "active",
        }  # fmt: skip


def test_two_readers_agree():
    """A reader made from the page alone takes and refuses what this one does."""
    other, data, pin = other_reader(), FILE.read_bytes(), pins()[0]
    assert other.read(data, pin) == {
        one.key_id: one.state for one in ss.Keyring.load(FILE, pinned=pin).entries
    }
    lines = data.splitlines(keepends=True)
    tried = [b"".join(lines[:i]) for i in range(6)] + [b"".join(lines[i:]) for i in range(6)]
    tried += [data[:-1], data + b"\n", b"".join(reversed(lines)), data + lines[-1]]
    tried += [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in range(0, len(data), 61)]
    for line in range(5):
        envelope = json.loads(lines[line])
        for left in (envelope["signatures"][1:], envelope["signatures"] * 2):
            text = json.dumps(
                {**envelope, "signatures": left}, sort_keys=True, separators=(",", ":")
            )
            tried.append(b"".join([*lines[:line], text.encode() + b"\n", *lines[line + 1 :]]))
    outcomes = set()
    for one in tried:
        try:
            mine = chain.trusted(published.read(one, where="here"), pin=pin)
        except errors.KeyringError:
            with pytest.raises(other.RefusedError):
                other.read(one, pin)
            outcomes.add("refused")
        else:
            assert other.read(one, pin) == {e.key_id: e.state for e in mine.entries}
            outcomes.add("taken")
    assert outcomes == {"refused", "taken"}


if __name__ == "__main__":
    FILE.write_bytes(made())
    print(*pins(), sep="\n")
