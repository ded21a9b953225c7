# SPDX-License-Identifier: BSD-3-Clause
"""Published rings: what their owner writes, a receiver who pinned the first can follow."""

from __future__ import annotations

import json
import stat

import pytest

import safeserial as ss
from safeserial import errors
from safeserial.keyring import KeyEntry, chain, published
from tests import world
from tests.rings import bench
from tests.rings.bench import ALICE, ALICE_2, ALICE_3, BOB, DAY, NOW

CALM = world.CALM


@pytest.fixture
def file(tmp_path):
    return tmp_path / "acme.ring"


def test_three_generations_are_followed_by_who_pinned_the_first(file):
    ring, pins, _ = bench.three(file)
    theirs = ss.Keyring.load(file, pinned=pins[0])
    assert {one.key_id: one.state for one in theirs.entries} == {
        ALICE_3.key_id: "active",
        ALICE_2.key_id: "retired",
        ALICE.key_id: "retired",
        BOB.key_id: "accepted",
    }
    assert theirs.mark == ring.mark
    assert theirs.serial == ring.serial
    assert theirs.entries == ring.public.entries
    made = ss.dumps(world.MODEL, keyring=ring)
    assert ss.loads(made, keyring=theirs, policy=CALM) == world.MODEL
    old = ss.dumps(world.MODEL, keyring=ss.Keyring([ALICE]))
    with pytest.raises(errors.RetiredKeyError, match="replaced"):
        ss.loads(old, keyring=theirs, policy=CALM)


def test_any_state_can_be_pinned_and_no_other(file):
    _, pins, _ = bench.three(file)
    for pin in pins:
        for text in (pin, f"sha256:{pin}"):
            assert ss.Keyring.load(file, pinned=text).entries[0].key_id == ALICE_3.key_id
    with pytest.raises(errors.UntrustedRingError, match="pinned"):
        ss.Keyring.load(file, pinned="0" * 64)
    for text in ("", "x", pins[0][:-1], pins[0].upper(), f"blake3:{pins[0]}", pins[0] + "\n"):
        with pytest.raises(errors.KeyringError):
            ss.Keyring.load(file, pinned=text)


def test_without_a_pin_nobody_is_believed(file):
    bench.three(file)
    for load in (ss.Keyring.load, ss.Keyring.open):
        with pytest.raises(errors.UntrustedRingError) as caught:
            load(str(file))
        assert "fingerprint" in caught.value.hint


def test_each_step_is_followed_from_the_one_before_and_none_goes_back(file):
    _, pins, files = bench.three(file)
    file.write_bytes(files[0])
    seen = ss.Keyring.load(file, pinned=pins[0])
    rings = [seen]
    for data in files[1:]:
        file.write_bytes(data)
        seen = ss.Keyring.load(file, previous=seen)
        rings.append(seen)
    for newer in range(1, len(files)):
        for older in range(newer):
            file.write_bytes(files[older])
            with pytest.raises(errors.RolledBackRingError):
                ss.Keyring.load(file, previous=rings[newer])


def test_a_receiver_keeps_a_ring_in_a_file_of_his_own(file, tmp_path):
    _, pins, files = bench.three(file)
    file.write_bytes(files[1])
    ss.Keyring.load(file, pinned=pins[0]).save(tmp_path / "acme.keys")
    kept = ss.Keyring.load(tmp_path / "acme.keys")
    file.write_bytes(files[-1])
    newest = ss.Keyring.load(file, previous=kept)
    newest.save(tmp_path / "acme.keys")
    again = ss.Keyring.load(tmp_path / "acme.keys")
    assert again.mark == newest.mark
    file.write_bytes(files[2])
    with pytest.raises(errors.RolledBackRingError):
        ss.Keyring.load(file, previous=again)


def test_a_receiver_verifies_and_cannot_sign(file):
    _, pins, _ = bench.three(file)
    theirs = ss.Keyring.load(file, pinned=pins[0])
    with pytest.raises(errors.KeyNotFoundError, match="public half"):
        ss.dumps(1, keyring=theirs)
    with pytest.raises(errors.KeyringError):
        theirs.promote(BOB.key_id)


def test_no_secret_is_published(file):
    bench.first(file, ALICE, world.KEY, BOB)
    text = file.read_bytes()
    (only,) = bench.read(text)
    assert [one.key_id for one in only.entries] == [ALICE.key_id, BOB.key_id]
    assert all(not one.key.can_sign for one in only.entries)
    for key in (ALICE, world.KEY, BOB):
        assert key.to_text().partition(":")[2].encode() not in only.body
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    with pytest.raises(errors.KeyringError, match="shared secret"):
        ss.Keyring([world.KEY]).distribute(file.with_name("other"))
    assert not file.with_name("other").exists()


def test_what_has_not_changed_is_not_published_again(file):
    ring = bench.first(file)
    before = file.read_bytes()
    assert ring.distribute(file) is ring
    assert file.read_bytes() == before


def test_a_ring_that_was_not_saved_after_publishing_goes_on_all_the_same(file):
    unsaved = ss.Keyring(bench.TEAM)
    published = unsaved.distribute(file)
    again = unsaved.distribute(file)
    assert again.mark == published.mark
    assert again.add(bench.CAROL).distribute(file).mark.serial > published.mark.serial
    assert len(bench.read(file.read_bytes())) == 2


def test_the_owner_does_not_fork_his_own_ring(file, tmp_path):
    ring = bench.first(file)
    longer = ring.add(ALICE_2).distribute(file)
    with pytest.raises(errors.KeyringError, match="is not there"):
        longer.add(bench.CAROL).distribute(tmp_path / "elsewhere.ring")
    with pytest.raises(errors.KeyringError, match="exists"):
        ring.distribute(file, afresh=True)
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:1]))
    with pytest.raises(errors.RolledBackRingError):
        longer.add(bench.CAROL).distribute(file)
    new = longer.distribute(tmp_path / "new.ring", afresh=True)
    assert len(bench.read((tmp_path / "new.ring").read_bytes())) == 1
    assert new.mark != longer.mark


def test_a_stranger_cannot_go_on_with_a_ring(file):
    bench.first(file)
    before = file.read_bytes()
    for ring in (
        ss.Keyring([bench.THIEF]),
        ss.Keyring([bench.THIEF, ALICE.public]),
        ss.Keyring([BOB, ALICE.public]),
    ):
        with pytest.raises(errors.KeyringError, match="private half"):
            ring.distribute(file)
    assert file.read_bytes() == before


def test_a_new_key_is_published_before_it_is_promoted(file):
    ring = bench.first(file)
    added = ring.add(ALICE_2)
    for early in (lambda: added.promote(ALICE_2.key_id), lambda: ring.rotate(ALICE_2)):
        with pytest.raises(errors.KeyringError, match="do not know key") as caught:
            early()
        assert "distribute" in caught.value.hint
    assert added.distribute(file).promote(ALICE_2.key_id).active.key == ALICE_2


def test_a_stolen_key_is_revoked_by_the_ring_that_it_signs(file):
    ring = bench.first(file)
    seen = ss.Keyring.load(file, pinned=ring.mark.digest)
    ring = ring.revoke(ALICE.key_id, reason="laptop stolen").add(ALICE_2).distribute(file)
    assert ring.active.key == ALICE_2
    theirs = ss.Keyring.load(file, previous=seen)
    stolen = ss.dumps(world.MODEL, keyring=ss.Keyring([ALICE]))
    with pytest.raises(errors.RevokedKeyError, match="laptop stolen"):
        ss.loads(stolen, keyring=theirs, policy=CALM)
    new = ss.dumps(world.MODEL, keyring=ring)
    assert ss.loads(new, keyring=theirs, policy=CALM) == world.MODEL


def test_a_ring_without_an_active_key_is_the_last(file):
    ring = bench.first(file)
    ended = ring.demote(ALICE.key_id).distribute(file)
    assert ss.Keyring.load(file, pinned=ring.mark.digest).find(ALICE.key_id).state == "accepted"
    with pytest.raises(errors.KeyringError, match="has ended"):
        ended.promote(ALICE.key_id).distribute(file)
    with pytest.raises(errors.KeyringError, match="without an active key"):
        ss.Keyring([ALICE.public]).distribute(file.with_name("none.ring"))


def test_what_was_published_of_a_key_stays(file):
    ring = bench.first(file)
    for change in ({"principal": "mallory@example.org"}, {"roles": ["trainer", "approver"]}):
        with pytest.raises(errors.KeyringError, match="was published"):
            ring.assign(BOB.key_id, **change)
    named = ring.add(bench.CAROL).assign(bench.CAROL.key_id, roles=["approver"])
    assert named.distribute(file).find(bench.CAROL.key_id).roles == ("approver",)


def test_dates_and_names_arrive(file):
    entry = KeyEntry(
        key=ALICE, state="active", not_before=NOW - DAY, not_after=NOW + DAY,
        principal="alice@example.org", roles=("trainer", "approver", "trainer"),
    )  # fmt: skip
    ring = bench.first(file, entry)
    (theirs,) = ss.Keyring.load(file, pinned=ring.mark.digest).entries
    assert theirs.not_before == NOW - DAY
    assert theirs.not_after == NOW + DAY
    assert theirs.principal == "alice@example.org"
    assert theirs.roles == ("approver", "trainer")


def test_a_key_whose_time_is_over_or_not_come_signs_no_ring(file):
    for dates in ({"not_after": NOW - DAY}, {"not_before": NOW + DAY}):
        with pytest.raises(errors.KeyringError, match="cannot be published") as caught:
            bench.first(file, KeyEntry(key=ALICE, state="active", **dates))
        assert "--afresh" in caught.value.hint
    assert not file.exists()


def test_a_clock_that_was_put_back_by_a_minute_stops_nobody(file):
    ring = bench.first(file)
    (start,) = bench.read(file.read_bytes())
    after = chain.extended(
        (start,), ring.add(ALICE_2).entries, serial=9, now=start.issued - DAY / 1000
    )
    assert after[-1].issued == start.issued


def test_a_published_ring_has_an_end(file, monkeypatch):
    monkeypatch.setattr(published, "MAX_GENERATIONS", 1)
    ring = bench.first(file)
    with pytest.raises(errors.KeyringError, match="no room") as caught:
        ring.add(ALICE_2).distribute(file)
    assert "--afresh" in caught.value.hint


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521", "ml-dsa"])
def test_every_kind_of_pair_signs_rings(file, curve):
    try:
        kind = ss.MlDsaKey if curve == "ml-dsa" else ss.EcdsaKey
        keys = [kind.generate(*([] if curve == "ml-dsa" else [curve])) for _ in range(2)]
    except errors.KeyringError:
        pytest.skip("the installed cryptography has no ML-DSA")
    ring = bench.first(file, keys[0])
    pin = ring.mark.digest
    ring = ring.add(keys[1]).distribute(file).promote(keys[1].key_id).distribute(file)
    assert ss.Keyring.load(file, pinned=pin).entries[0].key_id == keys[1].key_id


def test_a_published_file_is_a_dsse_envelope_a_line(file):
    bench.three(file)
    for text in file.read_bytes().splitlines():
        envelope = json.loads(text)
        assert set(envelope) == {"payload", "payloadType", "signatures"}
        assert 1 <= len(envelope["signatures"]) <= 2


# A ring of one's own ---------------------------------------------------------------------------


def test_old_files_without_the_new_fields_load(tmp_path):
    path = tmp_path / "team.keys"
    text = {"schema": "safeserial/keyring/v1", "serial": 3,
            "keys": [{"key": world.KEY.to_text(), "state": "active"}]}  # fmt: skip
    path.write_text(json.dumps(text))
    path.chmod(0o600)
    ring = ss.Keyring.load(path)
    assert ring.serial == 3
    assert ring.mark is None
    assert ring.active.principal is None
    assert ring.active.roles == ()


def test_a_ring_that_needs_no_new_field_is_written_as_before():
    text = json.loads(ss.Keyring([world.KEY])._to_text())
    assert text == {
        "schema": "safeserial/keyring/v1",
        "serial": 0,
        "keys": [{"key": world.KEY.to_text(), "state": "active"}],
    }


def test_new_fields_round_trip(file, tmp_path):
    ring, _, _ = bench.three(file)
    ring.save(tmp_path / "own.keys")
    again = ss.Keyring.load(tmp_path / "own.keys")
    assert again.entries == ring.entries
    assert again.mark == ring.mark
    assert again.serial == ring.serial


@pytest.mark.parametrize(
    "fields",
    [
        {"principal": "Alice@example.org"}, {"principal": ""}, {"principal": "alice bob"},
        {"principal": "аlice@example.org"}, {"principal": "alice@example.org\n"},  # noqa: RUF001
        {"principal": "a" * 200}, {"roles": ["Trainer"]}, {"roles": [""]}, {"roles": ["a b"]},
        {"roles": "trainer"}, {"roles": ["r"] * 33}, {"roles": [5]}, {"principal": 5},
        {"reason": "\ud800"},
    ],
)  # fmt: skip
def test_names_have_one_spelling(fields):
    with pytest.raises(errors.KeyringError) as caught:
        KeyEntry(key=ALICE, state="active", **fields)
    assert caught.value.hint


def test_a_shared_secret_has_no_role():
    with pytest.raises(errors.KeyringError, match="shared secret"):
        KeyEntry(key=world.KEY, state="active", roles=("trainer",))
    with pytest.raises(errors.KeyringError, match="shared secret"):
        ss.Keyring([world.KEY]).assign(world.KEY.key_id, roles=["approver"])
    named = ss.Keyring([world.KEY]).assign(world.KEY.key_id, principal="batch-service")
    assert named.active.principal == "batch-service"


def test_both_halves_of_a_pair_are_one_key():
    for keys in ([ALICE, ALICE.public], [ALICE.public, ALICE], [ALICE.public, ALICE.public]):
        with pytest.raises(errors.KeyringError, match="twice"):
            ss.Keyring(keys)


def test_a_public_half_never_becomes_active_by_itself():
    assert [one.state for one in ss.Keyring([ALICE.public, BOB.public]).entries] == ["accepted"] * 2
    ring = ss.Keyring().add(ALICE.public)
    assert ring.find(ALICE.key_id).state == "accepted"
    assert ring.add(BOB).active.key == BOB


def test_demoting_and_promoting():
    ring = ss.Keyring([ALICE, BOB])
    with pytest.raises(errors.KeyringError, match="not active"):
        ring.demote(BOB.key_id)
    none = ring.demote(ALICE.key_id)
    with pytest.raises(errors.KeyNotFoundError):
        _ = none.active
    assert none.promote(BOB.key_id).active.key == BOB


def test_rotating_at_once_keeps_whose_key_it_is():
    ring = ss.Keyring(bench.TEAM).rotate(ALICE_2)
    assert ring.active.principal == "alice@example.org"
    assert ring.active.roles == ("trainer",)
    assert ring.serial == 1


def test_a_ring_is_saved_over_one_that_it_goes_on_from(file, tmp_path):
    """A longer life elsewhere is no reason to lose the keys that stand here."""
    own = tmp_path / "own.keys"
    ring = ss.Keyring([ALICE]).add(BOB)
    ring.save(own)
    before = own.read_bytes()
    theirs = ss.Keyring([bench.CAROL], serial=50)
    for other in (
        theirs,
        ss.Keyring(ring.public.entries, serial=50),
        ss.Keyring([ALICE], serial=9),
    ):
        with pytest.raises(errors.KeyringError, match="another ring"):
            other.save(own)
    assert own.read_bytes() == before
    (ring | theirs).save(own)
    ring.public.save(tmp_path / "public.keys")
    ss.Keyring(ring.entries, serial=9).save(tmp_path / "public.keys")


def test_two_rings_together_take_the_stricter_state():
    mine = ss.Keyring([BOB, ALICE.public])
    theirs = ss.Keyring([ALICE, ALICE_2]).revoke(ALICE.key_id, reason="stolen")
    both = mine | theirs
    assert both.active.key == BOB
    assert both.find(ALICE.key_id).state == "revoked"
    assert both.find(ALICE.key_id).reason == "stolen"
    assert both.find(ALICE_2.key_id).state == "accepted"
    assert (theirs | mine).find(ALICE.key_id).state == "revoked"
    assert both.mark is None
    with pytest.raises(errors.KeyringError, match="differ"):
        mine | ss.Keyring(bench.TEAM)
    with pytest.raises(TypeError):
        mine | [ALICE]
