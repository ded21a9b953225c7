# SPDX-License-Identifier: BSD-3-Clause
"""Properties: any life of a ring can be followed, no file makes a reader do anything but refuse."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import safeserial as ss
from safeserial import errors
from safeserial.errors import SafeSerialError
from safeserial.keyring import KeyEntry, chain, published
from tests import world
from tests.rings import bench
from tests.rings.bench import ALICE, ALICE_2, ALICE_3, BOB, CAROL

relaxed = settings(
    max_examples=60 * world.EFFORT, deadline=None, suppress_health_check=list(HealthCheck)
)
PAIRS = [ALICE, ALICE_2, ALICE_3, BOB, CAROL]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "promote", "demote", "retire", "revoke", "distribute"]),
        st.sampled_from(PAIRS),
    ),
    max_size=14,
)


@relaxed
@given(STEPS)
def test_whatever_an_owner_does_a_receiver_can_follow(steps):
    """Every state that is published is taken by who saw any state before it, and none goes back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "acme.ring"
        ring = ss.Keyring([ALICE]).distribute(path)
        states = [(path.read_bytes(), ss.Keyring.load(path, pinned=ring.mark.digest))]
        for verb, key in steps:
            try:
                argument = {"add": key, "distribute": path}.get(verb, key.key_id)
                changed = getattr(ring, verb)(argument)
            except SafeSerialError:
                continue
            assert changed.serial > ring.serial or changed is ring
            ring = changed
            if verb == "distribute" and path.read_bytes() != states[-1][0]:
                newest = ss.Keyring.load(path, previous=states[0][1])
                assert newest.entries == ring.public.entries
                for _, seen in states:
                    assert ss.Keyring.load(path, previous=seen).mark == newest.mark
                states.append((path.read_bytes(), newest))
        for i, (data, _) in enumerate(states):
            for _, later in states[i + 1 :]:
                path.write_bytes(data)
                try:
                    ss.Keyring.load(path, previous=later)
                except errors.RolledBackRingError:
                    continue
                raise AssertionError("an older ring was taken")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
WORDS = st.sampled_from(
    ["active", "accepted", "revoked", "", "2026-01-01T00:00:00Z", ALICE.public.to_text()]
)
KEYS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("key", "state", "principal", "roles", "not_before", "not_after", "reason"), WORDS | JSON
    ),
)
OWN = st.fixed_dictionaries(
    {"schema": st.just("safeserial/keyring/v1") | JSON, "serial": st.integers() | JSON},
    optional={"keys": st.lists(KEYS, max_size=3) | JSON, "published": JSON, "more": JSON},
)
PUBLISHED = st.fixed_dictionaries(
    {
        "schema": st.just(published.SCHEMA) | JSON,
        "serial": st.integers() | JSON,
        "previous": st.none() | JSON,
        "issued": WORDS | JSON,
        "keys": st.lists(KEYS, max_size=3) | JSON,
    }
)
SIGNATURES = st.lists(
    st.fixed_dictionaries({"keyid": st.just(ALICE.key_id) | JSON, "sig": st.just("AAAA") | JSON}),
    max_size=3,
)


def refused(path, data):
    """Read a file in every way there is: each ends in one of the project's errors."""
    path.write_bytes(data)
    path.chmod(0o600)
    for arguments in ({}, {"pinned": "0" * 64}):
        try:
            ring = ss.Keyring.load(path, **arguments)
        except SafeSerialError as error:
            assert error.hint
            assert "Traceback" not in str(error)
        else:
            assert not arguments
            assert isinstance(ring.entries, tuple)


@relaxed
@given(OWN | JSON)
def test_no_ring_of_ones_own_crashes_the_reader(document):
    with tempfile.TemporaryDirectory() as folder:
        refused(Path(folder) / "ring", json.dumps(document).encode("utf-8", "surrogatepass"))


@relaxed
@given(PUBLISHED | JSON, SIGNATURES | JSON)
def test_no_published_ring_crashes_the_reader(document, signatures):
    with tempfile.TemporaryDirectory() as folder:
        refused(Path(folder) / "ring", bench.line(document))
        envelope = json.loads(bench.line(document)) | {"signatures": signatures}
        refused(Path(folder) / "ring", bench.dumped(envelope) + b"\n")


@relaxed
@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(data):
    with tempfile.TemporaryDirectory() as folder:
        refused(Path(folder) / "ring", data)
        refused(Path(folder) / "ring", b'{"payload":' + data)


LINES: list[bytes] = []


def lines() -> list[bytes]:
    """Return the lines of one published ring, made once."""
    if not LINES:
        with tempfile.TemporaryDirectory() as folder:
            bench.three(Path(folder) / "acme.ring")
            LINES.extend((Path(folder) / "acme.ring").read_bytes().splitlines(keepends=True))
    return LINES


@relaxed
@given(st.data())
def test_no_arrangement_of_true_lines_is_another_ring(data):
    """Dropped, doubled or moved: only the beginning of the true sequence is taken."""
    true = lines()
    pin = bench.read(true[0])[0].digest
    chosen = data.draw(st.lists(st.sampled_from(true), min_size=1, max_size=len(true)))
    assume(chosen != true[: len(chosen)])
    try:
        chain.trusted(published.read(b"".join(chosen), where="here"), pin=pin)
    except errors.UntrustedRingError:
        return
    raise AssertionError("taken")


NAMES = st.none() | st.from_regex(r"[a-z][a-z0-9@._-]{0,12}", fullmatch=True)
ROLES = st.lists(st.from_regex(r"[a-z][a-z0-9_-]{0,12}", fullmatch=True), max_size=4)


@relaxed
@given(st.lists(st.tuples(NAMES, ROLES, st.text(max_size=20)), min_size=1, max_size=5))
def test_names_roles_and_reasons_round_trip(listed):
    entries = []
    for key, (principal, roles, reason) in zip(PAIRS, listed, strict=False):
        try:
            entry = KeyEntry(
                key=key, state="accepted", principal=principal, roles=roles, reason=reason
            )
        except errors.KeyringError:
            assume(False)
        entries.append(entry)
    ring = ss.Keyring(entries)
    assert ss.Keyring._from_text(ring._to_text(), where="here").entries == ring.entries
    first = ss.Keyring([bench.THIEF, *entries])
    with tempfile.TemporaryDirectory() as folder:
        done = first.distribute(Path(folder) / "r")
        theirs = ss.Keyring.load(Path(folder) / "r", pinned=done.mark.digest)
    assert theirs.entries == first.public.entries
