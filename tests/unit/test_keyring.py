# SPDX-License-Identifier: BSD-3-Clause
"""The keyring: states, dates, files, the environment and the operating system's keyring."""

from __future__ import annotations

import datetime
import json
import os
import stat
import subprocess
import sys

import pytest

import safeserial as ss
from safeserial import errors
from safeserial.keyring import KeyEntry
from tests import world
from tests.world import DAY, KEY, NOW, OTHER, THIRD

UTC = datetime.UTC


@pytest.fixture(scope="module")
def signed() -> bytes:
    return world.artifact()


# States ------------------------------------------------------------------------------------


def test_the_first_key_is_active_and_the_others_accepted():
    ring = ss.Keyring([KEY, OTHER, THIRD])
    assert [entry.state for entry in ring.entries] == ["active", "accepted", "accepted"]
    assert ring.active.key is KEY
    assert ring.find(OTHER.key_id).key is OTHER
    assert ring.find("hmac-") is None


def test_a_ring_has_each_key_once_and_one_active_key():
    with pytest.raises(errors.KeyringError):
        ss.Keyring([KEY, KEY])
    with pytest.raises(errors.KeyringError):
        ss.Keyring([KeyEntry(key=KEY, state="active"), KeyEntry(key=OTHER, state="active")])
    with pytest.raises(errors.KeyringError):
        KeyEntry(key=KEY, state="trusted")
    with pytest.raises(errors.KeyNotFoundError):
        _ = ss.Keyring().active


def test_rotating_keeps_what_was_signed_before(signed):
    ring = ss.Keyring([KEY]).rotate(OTHER)
    assert ring.active.key is OTHER
    assert world.loads(signed, ring) == world.MODEL
    again = ss.dumps(world.MODEL, keyring=ring)
    assert world.loads(again, ring) == world.MODEL
    with pytest.raises(errors.UnknownKeyError):
        world.loads(again)
    assert ring.serial == 1
    assert ring.promote(KEY.key_id).active.key is KEY


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("active", None),
        ("accepted", None),
        ("retired", errors.RetiredKeyError),
        ("revoked", errors.RevokedKeyError),
    ],
)
def test_what_each_state_says_to_a_signature(signed, state, error):
    if error is None:
        assert world.loads(signed, world.ring(state)) == world.MODEL
        return
    caught = world.refusal(lambda: world.loads(signed, world.ring(state)))
    assert type(caught) is error
    assert caught.key_id == KEY.key_id


def test_a_reason_is_told(signed):
    ring = ss.Keyring([KEY]).revoke(KEY.key_id, reason="laptop stolen")
    assert "laptop stolen" in str(world.refusal(lambda: world.loads(signed, ring)))


def test_changes_make_new_rings():
    ring = ss.Keyring([KEY])
    retired = ring.retire(KEY.key_id)
    assert ring.active.key is KEY
    with pytest.raises(errors.KeyNotFoundError):
        _ = retired.active
    with pytest.raises(errors.KeyringError):
        retired.promote(KEY.key_id)
    revoked = retired.revoke(KEY.key_id)
    for change in (revoked.retire, revoked.promote):
        with pytest.raises(errors.KeyringError):
            change(KEY.key_id)
    assert revoked.add(OTHER).active.key is OTHER
    assert ring.add(OTHER).active.key is KEY


def test_an_accepted_key_does_not_sign():
    for state in ("accepted", "retired", "revoked"):
        with pytest.raises(errors.KeyNotFoundError):
            ss.dumps(1, keyring=world.ring(state))


@pytest.mark.parametrize("start", ["", "hmac-", "nothing", "hmac-\x00", "%", "*"])
def test_a_key_is_selected_by_an_unambiguous_start(start):
    ring = ss.Keyring([KEY, OTHER])
    with pytest.raises(errors.KeyNotFoundError):
        ring.select(start)
    assert ring.select(KEY.key_id[:12]).key is KEY


# Dates -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dates", "error"),
    [
        ({"not_before": NOW - DAY, "not_after": NOW + DAY}, None),
        ({"not_after": NOW - DAY}, errors.ExpiredKeyError),
        ({"not_before": NOW + DAY}, errors.KeyNotYetValidError),
    ],
)
def test_dates_hold_for_signing_and_verifying(signed, dates, error):
    ring = world.ring("active", **dates)
    if error is None:
        assert world.loads(ss.dumps(world.MODEL, keyring=ring), ring) == world.MODEL
        return
    for action in (lambda: world.loads(signed, ring), lambda: ss.dumps(1, keyring=ring)):
        assert type(world.refusal(action)) is error


def test_an_artifact_made_before_its_key_was_valid_is_refused():
    old = world.Parts.of(world.artifact()).changed(created="2020-01-01T00:00:00Z").signed()
    assert world.loads(old) == world.MODEL
    ring = world.ring("active", not_before=NOW - 30 * DAY)
    assert type(world.refusal(lambda: world.loads(old, ring))) is errors.KeyNotYetValidError


def test_other_time_zones_are_the_same_moments(signed):
    for hours in (-11, 0, 14):
        zone = datetime.timezone(datetime.timedelta(hours=hours))
        soon = (NOW + DAY).astimezone(zone)
        assert world.loads(signed, world.ring("active", not_after=soon)) == world.MODEL


def test_dates_without_a_time_zone_are_refused():
    naive = datetime.datetime(2030, 1, 1)  # noqa: DTZ001 - that is the point
    edge = datetime.datetime(1, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=23)))
    for moment in (naive, edge):
        for field in ("not_before", "not_after"):
            with pytest.raises(errors.KeyringError):
                ss.Keyring().add(KEY, **{field: moment})


# Files -------------------------------------------------------------------------------------


def full_ring() -> ss.Keyring:
    return ss.Keyring(
        [
            KeyEntry(key=KEY, state="active", not_after=NOW + DAY),
            KeyEntry(key=OTHER, state="revoked", reason="lost"),
            KeyEntry(key=THIRD, state="accepted", not_before=NOW - DAY),
        ],
        serial=7,
    )


def test_a_file_round_trips(tmp_path):
    path = tmp_path / "team.keys"
    full_ring().save(path)
    again = ss.Keyring.load(path)
    assert again.entries == full_ring().entries
    assert again.serial == 7
    again.save(path)
    assert ss.Keyring.load(path).entries == again.entries


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_is_for_its_owner_alone(tmp_path):
    path = tmp_path / "team.keys"
    path.write_bytes(b"")
    path.chmod(0o644)
    mask = os.umask(0)
    try:
        full_ring().save(path)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    with pytest.raises(errors.UnreadableFileError):
        ss.Keyring.load(path)


def entry(**fields):
    return {"key": KEY.to_text(), "state": "active", **fields}


def document(*keys, **fields):
    return {"schema": "safeserial/keyring/v1", "serial": 0, "keys": list(keys), **fields}


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b"\x80\x04.", b'{"schema":"x"}',
        document(schema="safeserial/keyring/v2"), document(more=1), document(serial="1"),
        document(entry(state="trusted")), document(entry(more=1)), document({"key": KEY.to_text()}),
        document(entry(not_after="2030-01-01T00:00:00")), document(entry(not_after="soon")),
        document(entry(not_after="0001-01-01T00:00:00+23:00")), document(entry(not_after=5)),
        document(entry(key="x")), document(entry(), entry()), document(entry(reason=None)),
        document(entry(key="safeserial-hmac-sha256-v1:QUJD")), document(serial=1.5),
    ],
)  # fmt: skip
def test_other_content_is_refused(tmp_path, content):
    path = tmp_path / "team.keys"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    path.chmod(0o600)
    with pytest.raises(errors.KeyringError) as caught:
        ss.Keyring.load(path)
    assert caught.value.hint


def test_a_huge_file_is_refused(tmp_path):
    path = tmp_path / "team.keys"
    path.touch(mode=0o600)
    os.truncate(path, 2**40)
    with pytest.raises(errors.LimitExceededError):
        ss.Keyring.load(path)


# The environment ---------------------------------------------------------------------------


def test_the_environment_names_a_ring_or_a_key(tmp_path):
    ring, key = tmp_path / "team.keys", tmp_path / "key"
    full_ring().save(ring)
    key.write_text(OTHER.to_text())
    key.chmod(0o600)
    assert ss.Keyring.from_env({"SAFESERIAL_KEYRING": str(ring)}).serial == 7
    assert ss.Keyring.from_env({"SAFESERIAL_KEY_FILE": str(key)}).active.key == OTHER
    locked = tmp_path / "locked.pem"
    locked.write_bytes(ss.Ed25519Key.generate().to_pem(passphrase=b"open sesame"))
    locked.chmod(0o600)
    named = {"SAFESERIAL_KEY_FILE": str(locked), "SAFESERIAL_PASSPHRASE": "open sesame"}
    assert ss.Keyring.from_env(named).active.key.algorithm == "ed25519"
    with pytest.raises(ss.errors.KeyringError):
        ss.Keyring.from_env({**named, "SAFESERIAL_PASSPHRASE": "wrong"})
    both = {"SAFESERIAL_KEYRING": str(ring), "SAFESERIAL_KEY_FILE": str(key)}
    assert ss.Keyring.from_env(both).active.key == KEY
    for empty in ({}, {"SAFESERIAL_KEYRING": ""}):
        with pytest.raises(errors.KeyNotFoundError):
            ss.Keyring.from_env(empty)
    with pytest.raises(errors.MissingFileError):
        ss.Keyring.from_env({"SAFESERIAL_KEYRING": str(tmp_path / "no")})


def test_saving_and_loading_take_the_ring_of_the_environment(tmp_path, monkeypatch):
    full_ring().save(tmp_path / "team.keys")
    monkeypatch.setenv("SAFESERIAL_KEYRING", str(tmp_path / "team.keys"))
    assert ss.loads(ss.dumps(world.MODEL), policy=world.CALM) == world.MODEL
    monkeypatch.delenv("SAFESERIAL_KEYRING")
    monkeypatch.delenv("SAFESERIAL_KEY_FILE", raising=False)
    with pytest.raises(errors.KeyNotFoundError):
        ss.dumps(world.MODEL)


@pytest.mark.parametrize("thing", [KEY, [KEY], b"secret", "team.keys", {}, True])
def test_only_a_keyring_is_a_keyring(thing, signed):
    for action in (lambda: ss.loads(signed, keyring=thing), lambda: ss.dumps(1, keyring=thing)):
        with pytest.raises(errors.KeyringError):
            action()


# The operating system's keyring --------------------------------------------------------------


@pytest.fixture
def os_keyring(tmp_path, monkeypatch):
    """A real backend of the keyring package that keeps its secrets in a file."""
    keyring = pytest.importorskip("keyring")
    alternatives = pytest.importorskip("keyrings.alt.file", reason="keyrings.alt is not installed")
    backend = alternatives.PlaintextKeyring()
    backend.file_path = str(tmp_path / "os.cfg")
    before = keyring.get_keyring()
    keyring.set_keyring(backend)
    yield keyring
    keyring.set_keyring(before)


def test_a_ring_lives_in_the_os_keyring(os_keyring):
    with pytest.raises(errors.KeyNotFoundError):
        ss.Keyring.from_os_keyring("team")
    full_ring().to_os_keyring("team")
    assert ss.Keyring.from_os_keyring("team").entries == full_ring().entries
    assert ss.Keyring.from_env({"SAFESERIAL_KEYRING": "os:team"}).serial == 7
    ss.Keyring([OTHER]).store("os:other")
    assert ss.Keyring.open("os:other").active.key == OTHER
    os_keyring.set_password("safeserial", "broken", "not a ring")
    with pytest.raises(errors.KeyringError):
        ss.Keyring.from_os_keyring("broken")


def test_a_failing_os_keyring_is_one_of_our_errors():
    pytest.importorskip("keyring")
    script = (
        "import keyring, keyring.backends.fail as f; keyring.set_keyring(f.Keyring())\n"
        "import safeserial as ss\n"
        "for act in (ss.Keyring.from_os_keyring, ss.Keyring([]).to_os_keyring):\n"
        "    try: act('x')\n"
        "    except ss.errors.KeyringError as error: print(bool(error.hint))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "True"]


def test_a_missing_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(errors.MissingExtraError) as caught:
        ss.Keyring.from_os_keyring()
    assert "[keyring]" in caught.value.hint


def test_a_ring_is_not_written_over_another(tmp_path):
    path = tmp_path / "team.keys"
    ring = ss.Keyring([ss.HmacKey.generate()])
    ring.save(path)
    ring.save(path)  # the same once more
    with pytest.raises(ss.errors.KeyringError, match="another ring"):
        ss.Keyring([ss.HmacKey.generate()]).save(path)
    assert ss.Keyring.load(path).active == ring.active


def test_of_two_changes_at_once_the_second_is_told(tmp_path):
    path = tmp_path / "team.keys"
    ring = ss.Keyring([ss.HmacKey.generate()])
    ring.save(path)
    mine, theirs = ss.Keyring.load(path), ss.Keyring.load(path)
    mine.revoke(ring.active.key_id, reason="stolen").save(path)
    with pytest.raises(ss.errors.KeyringError, match="changed meanwhile"):
        theirs.rotate(ss.HmacKey.generate()).save(path)
    assert ss.Keyring.load(path).entries[0].state == "revoked"
    ss.Keyring.load(path).add(ss.HmacKey.generate()).save(path)
