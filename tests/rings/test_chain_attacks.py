# SPDX-License-Identifier: BSD-3-Clause
"""Attacks on published rings: whoever can write the file cannot make a receiver believe it."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import json

import pytest

import safeserial as ss
from safeserial import errors
from safeserial.keyring import KeyEntry, chain, published
from tests import world
from tests.rings import bench
from tests.rings.bench import ALICE, ALICE_2, BOB, DAY, NOW, TEAM, THIEF, forged

SECOND = datetime.timedelta(seconds=1)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "acme.ring"


@pytest.fixture
def base(file):
    """The one true first generation."""
    bench.first(file)
    return bench.read(file.read_bytes())[0]


def refused(base, *more, mark=None):
    """Return why a chain is refused by who pinned its first generation."""
    data = published.write((base, *more))
    with pytest.raises(errors.SafeSerialError) as caught:
        chain.trusted(published.read(data, where="here"), pin=base.digest, mark=mark)
    assert caught.value.hint
    assert isinstance(caught.value, errors.KeyringError)
    return caught.value


def accepted(base, *more):
    data = published.write((base, *more))
    return chain.trusted(published.read(data, where="here"), pin=base.digest)


def entries(**states):
    """The team's entries with other states, and those of more keys."""
    return [
        dataclasses.replace(one, state=states.get(name, one.state))
        for name, one in zip(("alice", "bob"), TEAM, strict=True)
    ]


def active(key):
    return KeyEntry(key=key, state="active", principal="alice@example.org", roles=("trainer",))


ROTATED = [active(ALICE_2), *entries(alice="accepted")]


def test_the_bench_can_make_what_is_accepted(base):
    """Else the refusals below would prove nothing."""
    assert accepted(base, forged(base, ROTATED, ALICE, ALICE_2)).entries[0].key_id == ALICE_2.key_id
    assert accepted(base, forged(base, entries(bob="retired"), ALICE))


def test_a_key_is_not_promoted_by_its_own_signature(base):
    for keys in ((ALICE_2,), (ALICE_2, ALICE_2), (ALICE_2, ALICE), (BOB, ALICE_2)):
        assert type(refused(base, forged(base, ROTATED, *keys))) is errors.UntrustedRingError


def test_a_key_is_not_promoted_without_its_own_signature(base):
    error = refused(base, forged(base, ROTATED, ALICE))
    assert ALICE_2.key_id in str(error)


def test_an_accepted_key_does_not_sign_the_ring(base):
    for listed in (entries(bob="retired"), entries(alice="accepted", bob="active")):
        assert "not signed by" in str(refused(base, forged(base, listed, BOB)))
        assert "not signed by" in str(refused(base, forged(base, listed, BOB, ALICE)))


def test_stripped_signatures(base):
    good = forged(base, ROTATED, ALICE, ALICE_2)
    one, two = good.signatures
    for left in ((), (one,), (two,), (two, one), (one, one), (one, two, two), (one, two, one)):
        stripped = dataclasses.replace(good, signatures=left)
        assert type(refused(base, stripped)) is errors.UntrustedRingError
    for left in ((), base.signatures * 2):
        bare = dataclasses.replace(base, signatures=left)
        with pytest.raises(errors.UntrustedRingError):
            chain.trusted((bare,), pin=base.digest)


def test_signatures_of_another_generation(base):
    one = forged(base, entries(bob="retired"), ALICE)
    other = forged(base, entries(bob="revoked"), ALICE)
    assert "does not fit" in str(
        refused(base, dataclasses.replace(one, signatures=other.signatures))
    )
    relabelled = tuple(dataclasses.replace(s, key_id=BOB.key_id) for s in one.signatures)
    assert "not signed by" in str(refused(base, dataclasses.replace(one, signatures=relabelled)))


def test_a_signature_for_something_else_is_none_for_a_ring(base):
    """The thief of a signing service that signs manifests gets no ring signed by it."""
    body = forged(base, ROTATED, ALICE, ALICE_2).body
    artifact = world.signature(ALICE, body)
    value = base64.b64decode(artifact["sig"])
    fake = published.Signature(ALICE.key_id, value)
    own = forged(base, ROTATED, ALICE, ALICE_2).signatures[1]
    good = forged(base, ROTATED, ALICE, ALICE_2)
    assert "does not fit" in str(refused(base, dataclasses.replace(good, signatures=(fake, own))))


def test_a_fork_is_seen_by_who_saw_the_other_branch(base):
    one = forged(base, entries(bob="retired"), ALICE)
    other = forged(base, ROTATED, ALICE, ALICE_2)
    assert accepted(base, one)
    assert accepted(base, other)
    for seen, shown in ((one, other), (other, one)):
        assert type(refused(base, shown, mark=seen.mark)) is errors.ForkedRingError
    longer = forged(other, [active(ALICE_2), *entries(alice="retired")], ALICE_2)
    assert type(refused(base, other, longer, mark=one.mark)) is errors.ForkedRingError


def test_a_generation_that_follows_another_one(base):
    for previous in (None, "0" * 64, forged(base, ROTATED, ALICE, ALICE_2).digest):
        line = forged(base, entries(bob="retired"), ALICE, previous=previous)
        assert type(refused(base, line)) is errors.ForkedRingError


def test_a_serial_that_does_not_grow(base):
    for serial in (base.serial, base.serial - 1):
        line = forged(base, entries(bob="retired"), ALICE, serial=serial)
        assert type(refused(base, line)) is errors.RolledBackRingError


def test_generations_left_out_or_in_another_order(file):
    _, pins, files = bench.three(file)
    lines = bench.read(files[-1])
    for i in range(1, len(lines) - 1):
        with pytest.raises(errors.UntrustedRingError):
            chain.trusted(tuple(lines[:i] + lines[i + 1 :]), pin=pins[0])
        swapped = [*lines[:i], lines[i + 1], lines[i], *lines[i + 2 :]]
        with pytest.raises(errors.UntrustedRingError):
            chain.trusted(tuple(swapped), pin=pins[0])
    for start in range(1, len(lines)):  # a file has all its generations: none is taken on trust
        with pytest.raises(errors.UntrustedRingError, match="does not begin"):
            chain.trusted(tuple(lines[start:]), pin=pins[-1])
    with pytest.raises(errors.UntrustedRingError):
        chain.trusted((*lines, lines[-1]), pin=pins[0])


def test_a_ring_of_the_thiefs_own(base):
    own = forged(None, [active(THIEF)], THIEF)
    with pytest.raises(errors.UntrustedRingError, match="pinned"):
        chain.trusted((own,), pin=base.digest)
    with pytest.raises(errors.UntrustedRingError):
        chain.trusted((own, base), pin=base.digest)
    for serial, fork in ((0, False), (base.serial, True), (base.serial + 100, True)):
        with pytest.raises(errors.UntrustedRingError) as caught:
            chain.trusted((forged(None, [active(THIEF)], THIEF, serial=serial),), mark=base.mark)
        assert isinstance(caught.value, errors.ForkedRingError) is fork


@pytest.mark.parametrize(
    "change",
    [
        {"roles": ("approver", "trainer")},
        {"roles": ()},
        {"principal": "alice@example.org"},
        {"principal": None},
        {"not_after": NOW + 900 * DAY},
        {"not_before": NOW - DAY},
    ],
    ids=["more", "none", "same", "nobody", "longer", "earlier"],
)
def test_what_a_ring_said_of_a_key_is_not_rewritten(base, change):
    """Role escalation, and two people made of one, even if the active key signs it."""
    listed = [TEAM[0], dataclasses.replace(TEAM[1], **change)]
    assert "changes whose key" in str(refused(base, forged(base, listed, ALICE)))


@pytest.mark.parametrize(
    ("before", "after"),
    [("revoked", "retired"), ("revoked", "accepted"), ("retired", "accepted"),
     ("revoked", None), ("retired", None), ("accepted", None)],
)  # fmt: skip
def test_no_key_comes_back_and_none_is_forgotten(file, before, after):
    bench.first(file, *entries(bob=before))
    (start,) = bench.read(file.read_bytes())
    listed = entries(bob=after) if after else entries()[:1]
    why = str(refused(start, forged(start, listed, ALICE)))
    assert "forgotten" in why or f"it was {before}" in why


def test_a_revoked_key_does_not_sign_the_next_ring(base):
    second = forged(base, [active(ALICE_2), *entries(alice="revoked")], ALICE, ALICE_2)
    assert accepted(base, second)
    for keys in ((ALICE,), (ALICE, ALICE_2), (ALICE_2, ALICE)):
        third = forged(second, [active(ALICE_2), *entries(alice="revoked", bob="retired")], *keys)
        assert type(refused(base, second, third)) is errors.UntrustedRingError


def test_nothing_follows_a_ring_without_an_active_key(base):
    last = forged(base, entries(alice="accepted"), ALICE)
    assert accepted(base, last)
    assert "was the last" in str(refused(base, last, forged(last, entries(), ALICE)))


def test_two_active_keys_or_a_key_twice(base):
    for listed in ([active(ALICE_2), *entries()], [*entries(), TEAM[1]]):
        with pytest.raises(errors.KeyringError):
            forged(base, listed, ALICE, ALICE_2)


# Clocks --------------------------------------------------------------------------------------


def test_a_ring_from_the_future(base):
    skew = chain.CLOCK_SKEW
    now = NOW + 10 * DAY
    edge = (base, forged(base, entries(bob="retired"), ALICE, issued=now + skew))
    chain.require_sound(edge, now=now)
    late = (base, forged(base, entries(bob="retired"), ALICE, issued=now + skew + SECOND))
    with pytest.raises(errors.UntrustedRingError, match="says that it was made"):
        chain.require_sound(late, now=now)


def test_time_does_not_run_backwards(base):
    same = forged(base, entries(bob="retired"), ALICE, issued=base.issued)
    assert accepted(base, same)
    line = forged(base, entries(bob="retired"), ALICE, issued=base.issued - SECOND)
    assert "older than the one before" in str(refused(base, line))


def test_the_first_and_the_last_second_of_a_key(file):
    first, last = NOW - DAY, NOW
    dated = dataclasses.replace(TEAM[0], not_before=first, not_after=last)
    start = forged(None, [dated], ALICE, issued=first)
    chain.require_sound((start,))
    early = forged(None, [dated], ALICE, issued=first - SECOND)
    with pytest.raises(errors.UntrustedRingError, match="valid from"):
        chain.require_sound((early,))
    grown = [dated, KeyEntry(key=BOB, state="accepted")]
    chain.require_sound((start, forged(start, grown, ALICE, issued=last)))
    with pytest.raises(errors.UntrustedRingError, match="expired"):
        chain.require_sound((start, forged(start, grown, ALICE, issued=last + SECOND)))


# Bytes ---------------------------------------------------------------------------------------


def body(**fields):
    return {
        "schema": published.SCHEMA, "serial": 1, "previous": None,
        "issued": "2026-01-01T00:00:00Z", "keys": [key()], **fields,
    }  # fmt: skip


def key(**fields):
    return {
        "key": ALICE.public.to_text(), "state": "active", "principal": None, "roles": [],
        "not_before": None, "not_after": None, "reason": "", **fields,
    }  # fmt: skip


def test_the_body_of_the_bench_is_well_formed():
    assert published.read(bench.line(body()), where="here")[0].serial == 1


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", b"{}\n", b"[]\n", b"null\n", b"\xff\n", b"[" * 100_000 + b"\n",
        b'{"payload":5}\n', bench.line(body())[:-1], bench.line(body()) + b"\n",
        bench.line(body()) + b" \n", b" " + bench.line(body()),
        bench.line(body()).replace(b":[]", b": []"), bench.line(body(), extra=1),
        bench.line(body()).replace(b'{"payload"', b'{"payload":"","payload"'),
        bench.line(body(), payloadType="application/vnd.safeserial.manifest.v1+json"),
        bench.line(body(), [{"keyid": "x"}]), bench.line(body(), [{"keyid": 5, "sig": "AAAA"}]),
        bench.line(body(), [{"keyid": "x", "sig": "AAAB=="}]), bench.line(body(), ["x"]),
        bench.line(body(), [{"keyid": "x", "sig": "AAAA", "more": 1}]),
        bench.line(b"not json"), bench.line([]), bench.line(b'{"a":1,"a":2}'),
        bench.line(body(schema="safeserial/published-keyring/v2")), bench.line(body(more=1)),
        bench.line(body(serial=-1)), bench.line(body(serial="1")), bench.line(body(serial=2**53)),
        bench.line(body(serial=True)), bench.line(body(previous="00")),
        bench.line(body(previous=5)),
        bench.line(body(issued="2026-01-01")), bench.line(body(issued="2026-02-30T00:00:00Z")),
        bench.line(body(issued="2026-01-01T00:00:00+00:00")), bench.line(body(keys=None)),
        bench.line(body(issued="٢٠٢٦-01-01T00:00:00Z")),
        bench.line(body(keys=[key(), key()])), bench.line(body(keys=[key(more=1)])),
        bench.line(body(keys=[key(state="trusted")])), bench.line(body(keys=[key(roles="x")])),
        bench.line(body(keys=[key(roles=["b", "a"])])),
        bench.line(body(keys=[key(roles=["a", "a"])])),
        bench.line(body(keys=[key(principal="A")])), bench.line(body(keys=[key(principal="")])),
        bench.line(body(keys=[key(key=ALICE.to_text())])),
        bench.line(body(keys=[key(key=world.KEY.to_text())])),
        bench.line(body(keys=[key(key="safeserial-ed25519-public-v1:" + "A" * 43 + "=")])),
        bench.line(body(keys=[key(key=ALICE.public.to_text() + "\n")])),
        bench.line(body(keys=[key(key=" " + ALICE.public.to_text())])),
        bench.line(body(keys=[key(reason="x" * 1001)])), bench.line(body(keys=[key(reason=None)])),
        bench.line(body(keys=[key(not_after="soon")])), bench.line(body(keys=[5])),
        bench.line(body(keys=[key(not_after="2026-13-01T00:00:00Z")])),
        bench.line(body()) * 1001, bench.line(b" " * 2**20),
    ],
)  # fmt: skip
def test_other_content_is_refused(file, data):
    file.write_bytes(data)
    file.chmod(0o600)
    with pytest.raises((errors.KeyringError, errors.LimitExceededError)) as caught:
        ss.Keyring.load(file, pinned="0" * 64)
    assert caught.value.hint
    assert "safeserial-ed25519-private" not in str(caught.value)


def test_a_huge_file_is_refused(file):
    with file.open("wb") as stream:
        stream.write(b'{"payload":"')
        stream.truncate(2**40)
    with pytest.raises(errors.LimitExceededError):
        ss.Keyring.load(file, pinned="0" * 64)


def test_a_ring_of_thousands_of_keys_is_refused_early(monkeypatch):
    """Each key costs some arithmetic: a file cannot ask for more than a ring can hold."""
    monkeypatch.setattr(published, "MAX_KEYS", 3)
    keys = [key(key=bench.pair(i).public.to_text(), state="accepted") for i in range(4)]
    assert published.read(bench.line(body(keys=keys[:3])), where="here")
    with pytest.raises(errors.KeyringError):
        published.read(bench.line(body(keys=keys)), where="here")
    two = bench.line(body(keys=keys[:3])) + bench.line(body(keys=keys[1:]))
    with pytest.raises(errors.KeyringError):
        published.read(two, where="here")


def test_a_pin_makes_no_private_ring_public(tmp_path):
    path = tmp_path / "team.keys"
    ring = ss.Keyring([ALICE])
    ring.save(path)
    with pytest.raises(errors.KeyringError, match="not a published"):
        ss.Keyring.load(path, pinned="0" * 64)
    with pytest.raises(errors.KeyringError, match="not a published"):
        ss.Keyring.load(path, previous=ring)
    path.chmod(0o644)
    with pytest.raises(errors.UnreadableFileError):
        ss.Keyring.load(path)
    with pytest.raises(errors.KeyringError, match="does not come from"):
        ring.distribute(tmp_path / "r")
        ss.Keyring.load(tmp_path / "r", previous=ring)


def test_no_byte_of_a_published_ring_can_be_flipped(file):
    _, pins, files = bench.three(file)
    data = b"".join(files[-1].splitlines(keepends=True)[:2])
    last = bench.read(data)[-1]
    trusted = chain.trusted(tuple(bench.read(data)), pin=pins[0])
    assert trusted == last
    out = bytearray(data)
    seen = set()
    for at, byte in enumerate(data):
        out[at] = byte ^ (1 << at % 7)
        try:
            chain.trusted(published.read(bytes(out), where="here"), pin=pins[0])
        except errors.KeyringError as error:
            seen.add(type(error).__name__)
        else:
            raise AssertionError(f"accepted with byte {at} changed")
        out[at] = byte
    assert seen >= {"KeyringError", "UntrustedRingError", "ForkedRingError"}


def test_a_ring_cut_off_anywhere_is_refused_or_is_an_older_one(file):
    _, pins, files = bench.three(file)
    data = files[-1]
    newest = bench.read(data)[-1].mark
    ends = {i + 1 for i, byte in enumerate(data) if byte == 10}
    for cut in range(0, len(data), 7):
        with pytest.raises(errors.SafeSerialError):
            chain.trusted(published.read(data[:cut], where="here"), pin=pins[0], mark=newest)
    for cut in ends - {len(data)}:
        with pytest.raises(errors.RolledBackRingError):
            chain.trusted(published.read(data[:cut], where="here"), pin=pins[0], mark=newest)


def test_a_key_under_a_second_id(base):
    """An id is computed from the key; what a file calls it counts for nothing."""
    good = forged(base, ROTATED, ALICE, ALICE_2)
    other = ALICE.key_id[:-1] + ("0" if ALICE.key_id[-1] != "0" else "1")
    renamed = (dataclasses.replace(good.signatures[0], key_id=other), good.signatures[1])
    assert type(refused(base, dataclasses.replace(good, signatures=renamed))) is (
        errors.UntrustedRingError
    )
    document = json.loads(base.body)
    assert all(set(one) == set(key()) for one in document["keys"]), "no id is stored"
