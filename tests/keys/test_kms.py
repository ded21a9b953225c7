# SPDX-License-Identifier: BSD-3-Clause
"""Keys in a token: a real one behind PKCS#11 signs, and its work is checked before it counts."""

from __future__ import annotations

import copy
import importlib.util
import os
import pickle
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import safeserial as ss
from safeserial.errors import KeyringError, MissingExtraError
from safeserial.keys import KmsKey, key_from_text
from safeserial.signing import signer, verifier
from tests.keys.conftest import PIN, RSA
from tests.keys.pairs import PAIRS
from tests.world import CALM, EFFORT, MODEL, same

HALF = PAIRS["p256"].public
ADDRESSES = (
    "hsm:", "hsm:2", "hsm:2?label=team", "awskms:alias/models",
    "awskms:arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
    "azurekms://team.vault.azure.net/keys/models/0123abcd", "hv:models/3",
)  # fmt: skip


@pytest.mark.parametrize("number", [2, 3])
def test_a_token_signs_and_the_public_half_verifies(token, number):
    key = KmsKey.connect(token.uri(number))
    assert key.algorithm == {2: "ecdsa-p256-sha256", 3: "ecdsa-p384-sha384"}[number]
    assert key.can_sign
    assert key.key_id == key.public.key_id
    signature = signer(key, "p").sign(b"message")
    verifier(key, "p").verify(b"message", signature)
    verifier(key.public, "p").verify(b"message", signature)
    with pytest.raises(ss.errors.BadSignatureError):
        verifier(key.public, "p").verify(b"Message", signature)


def test_an_artifact_signed_in_a_token_loads_with_the_public_half(token, tmp_path):
    key = KmsKey.connect(token.uri(2))
    path = tmp_path / "team.keys"
    ss.Keyring([key]).save(path)
    ring = ss.Keyring.load(path)
    assert ring.active.key == key
    ss.dump(MODEL, tmp_path / "model.safeserial", keyring=ring)
    elsewhere = ss.Keyring([ss.PublicKey.from_pem(key.public.to_pem())])
    found = ss.load(tmp_path / "model.safeserial", keyring=elsewhere, policy=CALM)
    assert same(found, MODEL)
    (signed,) = ss.verify(tmp_path / "model.safeserial", keyring=elsewhere).signers
    assert signed.key_id == key.key_id
    assert PIN.encode() not in path.read_bytes()


def test_one_text_for_a_key_and_no_secret_in_it():
    for uri in ADDRESSES:
        key = KmsKey(uri, HALF)
        text = key.to_text()
        assert key_from_text(text) == key
        assert "\n" not in text
        assert repr(key).count(key.key_id) == 1
        for other in (text.replace("p256", "p384"), text.replace(":p256:", ":rsa:"), text + " x",
                      text.replace(uri, "file:/etc/passwd"), text.replace("=:", ":")):  # fmt: skip
            with pytest.raises(KeyringError):
                key_from_text(other)
    for action in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            action(key)


@pytest.mark.parametrize(
    "uri",
    ["", "hsm", "file:key.pem?encrypted=false", "file:/etc/shadow", "gnupg:", "tkey:", "sigstore:",
     "hsm:-1", "hsm:2?label=", "hsm:2?label=a&pin-value=1234", "hsm:2?lib=/tmp/evil.so", "hsm:2 ",
     "hsm:2\n", "hsm:99999999999999999999", "HSM:2", "awskms:", "awskms:a b",
     "awskms:https://x.example/",
     "gcpkms:key", "azurekms://evil.example/keys/k/1",
     "azurekms://team.vault.azure.net.evil.example/keys/k/1",
     "azurekms://user@team.vault.azure.net/keys/k", "azurekms://team.vault.azure.net/keys/../k",
     "hv:",
     "hv:a/b", "hv:../../sys/seal", "hv:k/1/2", "awskms:" + "a" * 500, "http://169.254.169.254/"],
)  # fmt: skip
def test_addresses_of_other_forms_are_refused(uri):
    for action in (lambda: KmsKey(uri, HALF), lambda: KmsKey.connect(uri)):
        with pytest.raises(KeyringError) as caught:
            action()
        assert "hsm:ID" in caught.value.hint


@settings(max_examples=200 * EFFORT, deadline=None)
@given(st.data())
def test_damaged_texts_are_refused_or_are_the_key_that_they_say(data):
    good = KmsKey(data.draw(st.sampled_from(ADDRESSES)), HALF).to_text()
    at = data.draw(st.integers(0, len(good)))
    text = good[:at] + data.draw(st.text(max_size=3)) + good[at + data.draw(st.integers(0, 3)) :]
    try:
        key = key_from_text(text)
    except KeyringError as error:
        assert error.hint
    else:
        assert key.to_text() == text.strip()


@pytest.mark.parametrize(
    "half", [PAIRS["ml-dsa-65"].public, PAIRS["p256"], None, b"x" * 32, "p256"]
)
def test_halves_that_a_service_cannot_sign_for_are_refused(half):
    with pytest.raises(KeyringError):
        KmsKey("hsm:2", half)


def test_keys_of_other_kinds_in_the_token_are_refused(token):
    for number in (4, RSA, 9):
        with pytest.raises(KeyringError) as caught:
            KmsKey.connect(token.uri(number))
        assert caught.value.hint


def test_a_key_that_was_replaced_signs_nothing(token):
    real = KmsKey.connect(token.uri(2))
    stale = KmsKey(real.uri, HALF)
    with pytest.raises(KeyringError) as caught:
        signer(stale, "p").sign(b"message")
    assert "does not fit the public half" in str(caught.value)
    with pytest.raises(KeyringError):
        ss.dumps(MODEL, keyring=ss.Keyring([stale]))


def test_a_wrong_pin_is_told_and_not_remembered(token, monkeypatch):
    key = KmsKey.connect(token.uri(2))
    monkeypatch.delenv("SAFESERIAL_PIN_FILE")
    monkeypatch.setenv("SAFESERIAL_PIN", "0000-wrong")
    with pytest.raises(KeyringError) as caught:
        signer(key, "p").sign(b"message")
    assert "PinIncorrect" in str(caught.value)
    assert "0000-wrong" not in str(caught.value) + caught.value.hint
    monkeypatch.setenv("SAFESERIAL_PIN", PIN)
    assert signer(key, "p").sign(b"message")
    monkeypatch.delenv("SAFESERIAL_PIN")
    assert signer(key, "p").sign(b"message")  # the right one is


def test_without_a_pin_the_error_says_where_to_put_it(token, monkeypatch):
    key = KmsKey.connect(token.uri(2))
    monkeypatch.delenv("SAFESERIAL_PIN_FILE")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(KeyringError) as caught:
        signer(key, "p").sign(b"message")
    assert "SAFESERIAL_PIN_FILE" in caught.value.hint


def test_a_pin_that_is_no_text_is_told(token, monkeypatch):
    key = KmsKey.connect(token.uri(2))
    monkeypatch.setenv("SAFESERIAL_PIN", "27\udcff")
    with pytest.raises(KeyringError) as caught:
        signer(key, "p").sign(b"message")
    assert "not text" in str(caught.value)


def test_a_pin_file_that_others_can_read_is_refused(token, monkeypatch, tmp_path):
    path = tmp_path / "pin"
    path.write_text(PIN)
    path.chmod(0o644)
    monkeypatch.setenv("SAFESERIAL_PIN_FILE", str(path))
    key = KmsKey.connect(token.uri(2))
    with pytest.raises(ss.errors.UnreadableFileError):
        signer(key, "p").sign(b"message")


def test_a_missing_token_or_library_is_told(token, monkeypatch):
    with pytest.raises(KeyringError) as caught:
        KmsKey.connect("hsm:2?label=nobody")
    assert "nobody" in str(caught.value)
    for library in ("", "/nowhere/pkcs11.so"):
        monkeypatch.setenv("PYKCS11LIB", library)
        with pytest.raises(KeyringError) as caught:
            KmsKey.connect(token.uri(2))
        assert "PYKCS11LIB" in caught.value.hint


def test_without_the_extra_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "securesystemslib", None)
    monkeypatch.setitem(sys.modules, "securesystemslib.signer", None)
    for action in (
        lambda: KmsKey.connect("hsm:2"),
        lambda: signer(KmsKey("hsm:2", HALF), "p").sign(b"message"),
    ):
        with pytest.raises(MissingExtraError) as caught:
            action()
        assert "[kms]" in caught.value.hint


@pytest.mark.parametrize(
    ("uri", "library", "extra"),
    [
        ("awskms:alias/models", "boto3", "awskms"),
        ("gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
         "google.cloud.kms", "gcpkms"),
        ("azurekms://team.vault.azure.net/keys/models/1", "azure.keyvault.keys", "azurekms"),
        ("hv:models/1", "hvac", "vault"),
    ],
)  # fmt: skip
def test_without_the_library_of_a_cloud_the_error_says_which(uri, library, extra):
    pytest.importorskip("securesystemslib", reason="the extra [kms] is not installed")
    try:
        there = importlib.util.find_spec(library) is not None
    except ModuleNotFoundError:
        there = False
    if there:
        pytest.skip(f"{library} is installed")
    for action in (
        lambda: KmsKey.connect(uri),
        lambda: signer(KmsKey(uri, HALF), "p").sign(b"message"),
    ):
        with pytest.raises(KeyringError) as caught:
            action()
        assert caught.value.hint == f"pip install 'securesystemslib[{extra}]'"


def test_the_command_line_signs_with_a_token(token, tmp_path):
    environment = {**os.environ, **token.environment, "SAFESERIAL_KEYRING": "team.keys"}

    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "safeserial", *arguments]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, check=False, timeout=120
        )

    connected = run("keys", "connect", token.uri(2), "--principal", "alice@example.org")
    assert connected.returncode == 0, connected.stderr
    assert connected.stdout.startswith(b"p256-")
    assert connected.stderr == b"active in team.keys; 1 key\n"
    again = run("keys", "connect", token.uri(2))
    assert again.returncode == 2
    assert b"has this key already" in again.stderr
    (tmp_path / "legacy.pkl").write_bytes(b"(dp0\nVweights\np1\n(lp2\nI1\naI2\nas.")
    packed = run("pack", "legacy.pkl", "-o", "model.safeserial")
    assert packed.returncode == 0, packed.stderr
    secret = run("keys", "export", "p256-", "-o", "key.pem", "--pem")
    assert secret.returncode == 2
    assert b"never leaves" in secret.stderr
    exported = run("keys", "export", "p256-", "-o", "half.pem", "--public", "--pem")
    assert exported.returncode == 0, exported.stderr
    assert run("keys", "import", "half.pem", "--keyring", "b.keys").returncode == 0
    verified = run("verify", "model.safeserial", "--keyring", "b.keys")
    assert verified.returncode == 0, verified.stderr
    for done in (connected, packed, exported, verified):
        assert PIN.encode() not in done.stdout + done.stderr
