# SPDX-License-Identifier: BSD-3-Clause
"""Keys: what is too weak, what an id tells, and that the secret comes out only when asked for."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import pickle
import traceback

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import safeserial as ss
from safeserial.errors import KeyringError, SafeSerialError, UnreadableFileError, WeakKeyError
from safeserial.keyring import KeyEntry
from tests.world import KEY, OTHER

SECRET = b"do-not-print-this-secret-0123456"
PRINTABLE = (SECRET.decode(), SECRET.hex(), base64.urlsafe_b64encode(SECRET).decode().rstrip("="))


def leaks(text: str) -> bool:
    return any(one in text for one in PRINTABLE) or SECRET[:20].decode() in text


@pytest.mark.parametrize(
    "secret",
    [b"", b"password", b"x" * 31, bytes(32), b"ab" * 16, b"1234567" * 10, bytes(range(31)),
     bytes(range(256)) * 5, "x" * 32, bytearray(range(32)), None, 5],
)  # fmt: skip
def test_weak_keys_are_refused(secret):
    with pytest.raises(WeakKeyError) as caught:
        ss.HmacKey(secret)
    assert caught.value.hint


def test_bounds_of_a_key():
    assert ss.HmacKey(bytes(range(8)) * 4)
    assert ss.HmacKey(bytes(range(256)) * 4)
    with pytest.raises(WeakKeyError):
        ss.HmacKey(bytes(range(7)) * 5)


def test_generated_keys_differ():
    assert len({ss.HmacKey.generate().key_id for _ in range(50)}) == 50


def test_text_round_trips():
    text = KEY.to_text()
    assert ss.HmacKey.from_text(f"  {text}\n") == KEY
    assert ss.HmacKey.from_text(text) != OTHER
    assert text != KEY
    assert hash(ss.HmacKey.from_text(text)) == hash(KEY)


@pytest.mark.parametrize(
    "text",
    ["", "hello", "safeserial-hmac-sha256-v1:", "safeserial-hmac-sha256-v1:%%%", "\x00",
     "safeserial-hmac-sha256-v2:" + "A" * 43 + "=", "safeserial-hmac-sha256-v1:" + "ä" * 44,
     "safeserial-hmac-sha256-v1:QUJD", "-----BEGIN PRIVATE KEY-----"],
)  # fmt: skip
def test_other_text_is_no_key(text):
    with pytest.raises(KeyringError) as caught:
        ss.HmacKey.from_text(text)
    assert caught.value.hint


def test_a_key_file(tmp_path):
    path = tmp_path / "key"
    path.write_text(KEY.to_text())
    path.chmod(0o600)
    assert ss.HmacKey.from_file(path) == KEY
    path.chmod(0o644)
    with pytest.raises(UnreadableFileError):
        ss.HmacKey.from_file(path)
    path.write_bytes(b"\xff\xfe")
    path.chmod(0o600)
    with pytest.raises(KeyringError):
        ss.HmacKey.from_file(path)
    path.write_bytes(b"")
    with pytest.raises(KeyringError):
        ss.HmacKey.from_file(path)
    path.write_bytes(b"x" * 5000)
    with pytest.raises(SafeSerialError):
        ss.HmacKey.from_file(path)


def test_the_id_is_derived_and_tells_nothing():
    info = b"safeserial/v1/key-id"
    derived = HKDF(SHA256(), length=32, salt=None, info=info).derive(bytes(range(32)))
    assert KEY.key_id == f"hmac-{derived[:16].hex()}"
    assert bytes(range(16)).hex() not in KEY.key_id


def test_each_purpose_has_a_key_of_its_own():
    subkeys = {KEY.subkey(purpose) for purpose in ("artifact-signature", "key-id", "x", "x/y", "")}
    assert len(subkeys) == 5
    assert bytes(range(32)) not in subkeys
    assert KEY.subkey("x") == KEY.subkey("x")
    assert KEY.subkey("x") != OTHER.subkey("x")


def test_the_secret_is_in_no_text_about_the_key():
    key = ss.HmacKey(SECRET)
    entry = KeyEntry(key=key, state="active")
    ring = ss.Keyring([entry])
    for thing in (key, entry, ring, ring.entries, {"k": key}):
        assert not leaks(repr(thing))
        assert not leaks(str(thing))
        assert not leaks(f"{thing!s} {thing!r} {thing!a}")
    assert key.key_id in repr(key)


def test_keys_are_neither_pickled_nor_copied_nor_dumped():
    key = ss.HmacKey(SECRET)
    ring = ss.Keyring([key])
    for action in (
        *(lambda p=p: pickle.dumps(key, p) for p in range(6)),
        lambda: pickle.dumps(ring),
        lambda: copy.copy(key),
        lambda: copy.deepcopy(ring),
        lambda: dataclasses.asdict(ring.entries[0]),
        lambda: json.dumps(key),
        lambda: vars(key),
    ):
        with pytest.raises(TypeError) as caught:
            action()
        assert not leaks("".join(traceback.format_exception(caught.value)))
    with pytest.raises(ss.errors.UnsupportedModelError) as caught:
        ss.dumps({"key": key}, keyring=ss.Keyring([KEY]))
    assert not leaks("".join(traceback.format_exception(caught.value)))


def test_tracebacks_of_refused_keys_do_not_repeat_them(tmp_path):
    path = tmp_path / "ring"

    def load_ring(text: bytes) -> None:
        path.write_bytes(text)
        path.chmod(0o600)
        ss.Keyring.load(path)

    line = ss.HmacKey(SECRET).to_text()
    for action in (
        lambda: ss.HmacKey(SECRET * 100),
        lambda: ss.HmacKey.from_text(line + "%"),
        lambda: ss.HmacKey.from_text(line[1:]),
        lambda: load_ring(line.encode()),
        lambda: load_ring(json.dumps({"keys": [line]}).encode()),
        lambda: load_ring(json.dumps({"schema": "safeserial/keyring/v1", "serial": 0, "keys": [
            {"key": line + "%", "state": "active"}]}).encode()),
        lambda: load_ring(json.dumps({"schema": line, "serial": 0, "keys": []}).encode()),
        lambda: ss.Keyring([ss.HmacKey(SECRET), ss.HmacKey(SECRET)]),
    ):  # fmt: skip
        with pytest.raises(KeyringError) as caught:
            action()
        assert not leaks("".join(traceback.format_exception(caught.value)))
        assert not leaks(repr(caught.value.args) + caught.value.hint)
