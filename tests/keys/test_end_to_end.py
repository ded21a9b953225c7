# SPDX-License-Identifier: BSD-3-Clause
"""Artifacts signed by each kind of key, and the confusions that kinds of keys invite."""

from __future__ import annotations

import base64
import itertools
import os
import subprocess
import sys

import pytest

import safeserial as ss
from safeserial import envelope
from safeserial.errors import (
    BadSignatureError,
    CorruptArtifactError,
    KeyNotFoundError,
    KeyringError,
    LimitExceededError,
    UnknownKeyError,
)
from tests import world
from tests.keys.pairs import LABELS, OTHERS, PAIRS
from tests.world import CALM, KEY, MODEL, Parts, refusal, same, signature

every_kind = pytest.mark.parametrize("label", LABELS)


def parts(key) -> Parts:
    return Parts.of(ss.dumps(MODEL, keyring=ss.Keyring([key])))


def loads(data: bytes, *halves) -> object:
    return ss.loads(data, keyring=ss.Keyring(halves), policy=CALM)


@every_kind
def test_the_public_half_loads_what_the_private_half_signed(label, tmp_path):
    key = PAIRS[label]
    path = tmp_path / "model.safeserial"
    ss.dump(MODEL, path, keyring=ss.Keyring([key]))
    for half in (key, key.public):
        assert same(ss.load(path, keyring=ss.Keyring([half]), policy=CALM), MODEL)
    (signed,) = ss.verify(path, keyring=ss.Keyring([key.public])).signers
    assert (signed.key_id, signed.algorithm) == (key.key_id, key.algorithm)


@every_kind
def test_rings_keep_both_halves(label, tmp_path):
    key = PAIRS[label]
    for half in (key, key.public):
        path = tmp_path / type(half).__name__
        ss.Keyring([half]).save(path)
        (entry,) = ss.Keyring.load(path).entries
        assert entry.key == half
        assert entry.key.can_sign is half.can_sign


@every_kind
def test_whatever_is_changed_is_refused(label):
    key = PAIRS[label]
    data = ss.dumps(MODEL, keyring=ss.Keyring([key]))
    made = Parts.of(data)
    relabelled = made.changed(name="another").unsigned()
    assert isinstance(refusal(lambda: loads(relabelled, key.public)), BadSignatureError)
    value = base64.b64decode(made.signatures[0]["sig"])
    for at in (0, 1, len(value) // 2, len(value) - 1):
        flipped = value[:at] + bytes((value[at] ^ 4,)) + value[at + 1 :]
        made.signatures[0]["sig"] = base64.b64encode(flipped).decode()
        assert isinstance(refusal(lambda: loads(made.unsigned(), key.public)), BadSignatureError)
    payload = bytearray(data)
    payload[-200] ^= 1
    assert refusal(lambda: loads(bytes(payload), key.public))


@every_kind
def test_another_key_of_the_same_kind_does_not_open_it(label):
    data = ss.dumps(MODEL, keyring=ss.Keyring([PAIRS[label]]))
    assert isinstance(refusal(lambda: loads(data, OTHERS[label].public)), UnknownKeyError)


@every_kind
def test_a_ring_of_public_halves_cannot_sign(label, tmp_path):
    ring = ss.Keyring([PAIRS[label].public])
    error = refusal(lambda: ss.dump(MODEL, tmp_path / "m", keyring=ring))
    assert isinstance(error, KeyNotFoundError)
    assert not (tmp_path / "m").exists()


def test_both_halves_in_one_ring_are_one_key_twice():
    with pytest.raises(KeyringError):
        ss.Keyring([PAIRS["p256"], PAIRS["p256"].public])


# Algorithms are not the file's to choose -----------------------------------------------------


def public_texts(half: ss.PublicKey) -> list[bytes]:
    """Return what an attacker knows of a key and might call a secret."""
    spki = half.spki
    known = [spki, spki[-half._kind.public_size :], half.to_pem(), half.to_pem().strip()]
    known += [half.to_text().encode(), half.key_id.encode(), spki.hex().encode()]
    return [text for text in known if len(text) <= 1024 and len(text) >= 32]


@every_kind
def test_a_public_key_used_as_an_hmac_secret_signs_nothing(label):
    half = PAIRS[label].public
    made = parts(PAIRS[label])
    tried = 0
    for secret in public_texts(half):
        forger = ss.HmacKey(secret)
        for subkey_of in ("artifact-signature", None):
            message = envelope.pre_authentication_encoding(envelope.PAYLOAD_TYPE, made.body)
            tag = world._tag(forger.subkey(subkey_of) if subkey_of else secret, message)
            for name, error in ((half.key_id, BadSignatureError), (forger.key_id, UnknownKeyError)):
                forged = [{"keyid": name, "sig": base64.b64encode(tag).decode()}]
                data = made.zipped(made.body, forged)
                assert isinstance(refusal(lambda d=data: loads(d, half)), error)
                tried += 1
    assert tried or label == "ml-dsa-65"


def test_a_signature_under_the_name_of_another_key_is_refused():
    halves = [key.public for key in PAIRS.values()]
    made = parts(PAIRS["p256"])
    for one, other in itertools.permutations([*PAIRS.values(), KEY], 2):
        named = [{**signature(one, made.body), "keyid": other.key_id}]
        data = made.zipped(made.body, named)
        error = refusal(lambda d=data: loads(d, *halves, KEY))
        assert isinstance(error, BadSignatureError)


def test_one_bad_signature_spoils_the_good_ones():
    made = parts(PAIRS["p256"])
    good = [signature(PAIRS[one], made.body) for one in ("p256", "ed25519")]
    bad = {**signature(OTHERS["p384"], made.body), "keyid": PAIRS["p384"].key_id}
    halves = [PAIRS[one].public for one in ("p256", "ed25519", "p384")]
    assert same(loads(made.zipped(made.body, good), *halves), MODEL)
    data = made.zipped(made.body, [*good, bad])
    assert isinstance(refusal(lambda: loads(data, *halves)), BadSignatureError)


@pytest.mark.parametrize(
    "name",
    ["", "*", "P256-00", "p256-*", "p256-00 or 1=1", "../p256", "ed25519", "none", "p256-00\n",
     "p256/00", "p256-ä", "a" * 200],
)  # fmt: skip
def test_key_ids_that_are_no_names_find_no_key(name):
    made = parts(PAIRS["p256"])
    data = made.zipped(made.body, [{**made.signatures[0], "keyid": name}])
    error = refusal(lambda: loads(data, PAIRS["p256"].public))
    assert isinstance(error, CorruptArtifactError | UnknownKeyError)


def test_a_beginning_of_a_key_id_finds_no_key():
    made = parts(PAIRS["p256"])
    for name in (PAIRS["p256"].key_id[:-1], PAIRS["p256"].key_id[:10], "p256-"):
        data = made.zipped(made.body, [{**made.signatures[0], "keyid": name}])
        assert isinstance(refusal(lambda d=data: loads(d, PAIRS["p256"].public)), UnknownKeyError)


def test_three_signatures_of_ml_dsa_fit_and_a_fourth_is_told():
    keys = [PAIRS["ml-dsa-65"], OTHERS["ml-dsa-65"], ss.MlDsaKey.generate(), ss.MlDsaKey.generate()]
    made = parts(keys[0])
    data = made.signed(*keys[:3])
    assert same(loads(data, *(key.public for key in keys)), MODEL)
    message = envelope.pre_authentication_encoding(envelope.PAYLOAD_TYPE, made.body)
    four = tuple(envelope.Signature(key.key_id, key.handle.sign(message)) for key in keys)
    with pytest.raises(LimitExceededError):
        envelope.pack_signatures(len(made.body), four)


def test_importing_keys_imports_no_cryptography():
    code = (
        "import sys, safeserial as ss, safeserial.signing; ss.HmacKey; ss.PublicKey; ss.Keyring\n"
        "heavy = {'cryptography', 'securesystemslib'} & {n.split('.')[0] for n in sys.modules}\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr.decode()
