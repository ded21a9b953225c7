# SPDX-License-Identifier: BSD-3-Clause
"""Pairs of keys: one id for both halves, one text for one key, and no secret where none belongs."""

from __future__ import annotations

import base64
import copy
import hashlib
import pickle
import re
import sys
import traceback

import pytest
from cryptography.hazmat.primitives import asymmetric

import safeserial as ss
from safeserial import envelope, keys
from safeserial.errors import KeyringError, UnreadableFileError, WeakKeyError
from safeserial.signing import signer
from tests.keys.pairs import CURVES, LABELS, OTHERS, PAIRS, SEED, SIZES

every_kind = pytest.mark.parametrize("label", LABELS)


@every_kind
def test_both_halves_have_the_id_that_the_specification_gives(label):
    key = PAIRS[label]
    expected = f"{label}-{hashlib.sha256(key.public.spki).hexdigest()[:32]}"
    assert key.key_id == key.public.key_id == expected
    assert envelope._KEY_ID.match(expected)
    assert key.algorithm == key.public.algorithm
    assert (key.can_sign, key.public.can_sign) == (True, False)
    assert key.public.public is key.public


def test_the_ids_never_change():
    assert {label: key.key_id for label, key in PAIRS.items()} == {
        "ed25519": "ed25519-a050837d85070582ccf7394b0988847c",
        "p256": "p256-a8f0cb0e6d98a8d9b3dad3ad6699408d",
        "p384": "p384-d35b6850700084b725fb1aff051c977a",
        "p521": "p521-80362f41c8c4965c195e8b06bde63795",
        "ml-dsa-65": "ml-dsa-65-b8b62131bfbe84433efb2273d7f5b87f",
    }


@every_kind
def test_text_round_trips_and_there_is_one_text_for_a_key(label):
    key = PAIRS[label]
    for one in (key, key.public):
        text = one.to_text()
        assert "\n" not in text
        assert keys.key_from_text(f" {text}\n") == one
        assert type(one).from_text(text) == one
        assert keys.key_from_text(text) != OTHERS[label]
        coded = text.rpartition(":")[2]
        for other in (text + "=", text + "A", text[:-1], text.rstrip("=") + "\0", text.upper(),
                      text.replace(coded, coded[:-1]), text.replace("-v1:", "-v2:")):  # fmt: skip
            with pytest.raises(KeyringError):
                keys.key_from_text(other)
    with pytest.raises(KeyringError):
        ss.PublicKey.from_text(key.to_text())
    with pytest.raises(KeyringError):
        type(key).from_text(key.public.to_text())


def test_spare_bits_of_base64_make_no_second_text():
    text = PAIRS["ed25519"].public.to_text()
    last = text[-2]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    near = alphabet[alphabet.index(last) ^ 1]
    with pytest.raises(KeyringError) as caught:
        keys.key_from_text(f"{text[:-2]}{near}=")
    assert "canonical" in str(caught.value)


def test_a_key_of_one_kind_is_not_read_as_another():
    for label, key in PAIRS.items():
        for other in LABELS:
            text = key.public.to_text().replace(f"-{label}-", f"-{other}-", 1)
            if other != label:
                with pytest.raises(KeyringError):
                    keys.key_from_text(text)
    with pytest.raises(KeyringError):
        ss.EcdsaKey.from_text(PAIRS["ed25519"].to_text())
    with pytest.raises(KeyringError):
        ss.Ed25519Key.from_pem(PAIRS["p256"].to_pem())


@every_kind
def test_generated_keys_differ_and_are_of_the_kind_that_was_asked_for(label):
    made = {keys.generate_key(label).key_id for _ in range(5)}
    assert len(made) == 5
    assert all(one.startswith(f"{label}-") for one in made)


def test_other_kinds_and_curves_are_refused():
    for action in (
        lambda: keys.generate_key("rsa"),
        lambda: ss.EcdsaKey.generate("secp256k1"),
        lambda: ss.EcdsaKey(SEED, curve="P-224"),
        lambda: ss.PublicKey("x25519", SEED),
    ):
        with pytest.raises(KeyringError) as caught:
            action()
        assert caught.value.hint


@pytest.mark.parametrize("curve", CURVES)
def test_secrets_out_of_range_are_refused(curve):
    size = SIZES[curve]
    end = {
        "P-256": "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        "P-384": "c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        "P-521": "fa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    }[curve]
    order = int(end.rjust({"P-256": 64, "P-384": 96, "P-521": 131}[curve], "f"), 16)
    order -= 0xE << 520 if curve == "P-521" else 0
    assert ss.EcdsaKey((order - 1).to_bytes(size, "big"), curve=curve)
    for number in (0, 1, order, order + 12345678901234567890, 2 ** (8 * size) - 1):
        with pytest.raises(WeakKeyError):
            ss.EcdsaKey(number.to_bytes(size, "big"), curve=curve)
    with pytest.raises(KeyringError):
        ss.EcdsaKey(bytes(range(size - 1)), curve=curve)


@pytest.mark.parametrize("secret", [b"", bytes(32), b"x" * 32, bytes(range(31)), "a" * 32, None])
def test_weak_seeds_are_refused(secret):
    for make in (ss.Ed25519Key, ss.MlDsaKey):
        with pytest.raises(KeyringError):
            make(secret)


@every_kind
def test_the_secret_is_in_no_text_about_the_key(label):
    key = PAIRS[label]
    raw = base64.urlsafe_b64decode(key.to_text().rpartition(":")[2])
    printable = (raw.hex(), key.to_text().rpartition(":")[2].rstrip("="))
    ring = ss.Keyring([key])
    for thing in (key, ring, ring.entries, key.public, {"k": key}):
        text = f"{thing!r} {thing!s}"
        assert not any(one in text for one in printable)
    for action in (
        lambda: pickle.dumps(key),
        lambda: pickle.dumps(key.public),
        lambda: copy.copy(key),
        lambda: copy.deepcopy(ring),
        lambda: vars(key),
    ):
        with pytest.raises(TypeError) as caught:
            action()
        assert not any(
            one in "".join(traceback.format_exception(caught.value)) for one in printable
        )
    assert not any(one in key.public.to_text() for one in printable)
    assert not any(one.encode() in key.public.to_pem() for one in printable)


@every_kind
def test_key_files(tmp_path, label):
    key = PAIRS[label]
    path = tmp_path / "key"
    for text in (key.to_text().encode(), key.to_pem()):
        path.write_bytes(text)
        path.chmod(0o600)
        assert type(key).from_file(path) == key
        path.chmod(0o640)
        with pytest.raises(UnreadableFileError):
            keys.key_from_file(path)
    for text in (key.public.to_text().encode(), key.public.to_pem()):
        path.write_bytes(text)
        path.chmod(0o644)
        assert ss.PublicKey.from_file(path) == key.public
        with pytest.raises(KeyringError) as caught:
            type(key).from_file(path)
        assert "PublicKey" in str(caught.value)
    path.write_bytes(b"-" * 20_000)
    with pytest.raises(KeyringError):
        keys.key_from_file(path)


@every_kind
def test_a_public_half_cannot_sign(label):
    with pytest.raises(KeyringError) as caught:
        signer(PAIRS[label].public, "p")
    assert "public key" in str(caught.value)
    assert caught.value.hint


def test_a_public_key_is_never_an_hmac_secret():
    for key in PAIRS.values():
        with pytest.raises(WeakKeyError):
            ss.HmacKey(key.public)
        with pytest.raises(KeyringError):
            ss.HmacKey.from_text(key.public.to_text())
        with pytest.raises(KeyringError):
            ss.HmacKey.from_text(key.public.to_pem().decode())


def test_without_ml_dsa_the_error_says_what_to_install(monkeypatch):
    monkeypatch.delattr(asymmetric, "mldsa")
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mldsa", None)
    for action in (
        ss.MlDsaKey.generate,
        lambda: keys.key_from_text(PAIRS["ml-dsa-65"].public.to_text()),
    ):
        with pytest.raises(KeyringError) as caught:
            action()
        assert re.search("pip install -U cryptography", caught.value.hint)
