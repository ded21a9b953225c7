# SPDX-License-Identifier: BSD-3-Clause
"""PEM: what OpenSSL writes is read and the other way round; everything else is refused, cheaply."""

from __future__ import annotations

import base64
import shutil
import subprocess
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa, x25519
from hypothesis import given, settings
from hypothesis import strategies as st

import safeserial as ss
from safeserial import keys
from safeserial.errors import KeyringError, LimitExceededError, SafeSerialError, WeakKeyError
from safeserial.keys import der, pem, pkcs8
from tests.keys.pairs import LABELS, PAIRS
from tests.world import EFFORT

PASSPHRASE = b"correct horse battery staple"
every_kind = pytest.mark.parametrize("label", LABELS)
openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


@every_kind
def test_pem_round_trips(label):
    key = PAIRS[label]
    assert keys.key_from_pem(key.to_pem()) == key
    assert keys.key_from_pem(key.to_pem().decode()) == key
    assert keys.key_from_pem(b"\n" + key.to_pem().replace(b"\n", b"\r\n") + b"\n \n") == key
    assert ss.PublicKey.from_pem(key.public.to_pem()) == key.public
    assert keys.key_from_bytes(key.public.to_pem()) == key.public
    assert ss.PublicKey.from_spki(key.public.spki) == key.public


@every_kind
def test_encrypted_pem_opens_with_its_passphrase(label):
    key = PAIRS[label]
    text = key.to_pem(passphrase=PASSPHRASE)
    assert b"ENCRYPTED" in text
    assert type(key).from_pem(text, passphrase=lambda: PASSPHRASE) == key


def test_encrypted_pem_opens_with_no_other_passphrase():
    text = PAIRS["p256"].to_pem(passphrase=PASSPHRASE)
    with pytest.raises(KeyringError) as caught:
        keys.key_from_pem(text, passphrase=PASSPHRASE + b" ")
    assert "another passphrase" in str(caught.value)
    assert PASSPHRASE.decode() not in str(caught.value) + caught.value.hint
    for none in (None, b"", lambda: b""):
        with pytest.raises(KeyringError) as caught:
            keys.key_from_pem(text, passphrase=none)
        assert "no passphrase" in str(caught.value)


def test_a_passphrase_is_asked_for_only_where_one_is_needed():
    def never() -> bytes:
        raise AssertionError("asked")

    key = PAIRS["p256"]
    assert keys.key_from_pem(key.to_pem(), passphrase=never) == key
    assert keys.key_from_pem(key.public.to_pem(), passphrase=never) == key.public


def test_short_passphrases_are_refused():
    with pytest.raises(WeakKeyError):
        PAIRS["p256"].to_pem(passphrase=b"1234567")


@openssl
@pytest.mark.parametrize("label", [one for one in LABELS if one != "ml-dsa-65"])
def test_openssl_reads_what_is_written_here(tmp_path, label):
    key = PAIRS[label]
    path = tmp_path / "key.pem"
    texts = [key.to_pem()]
    if label == "p384":
        texts.append(key.to_pem(passphrase=PASSPHRASE))
    for text in texts:
        path.write_bytes(text)
        command = ["openssl", "pkey", "-in", path, "-passin", f"pass:{PASSPHRASE.decode()}"]
        done = subprocess.run([*command, "-pubout"], capture_output=True, check=True)
        assert done.stdout == key.public.to_pem()


@openssl
@pytest.mark.parametrize(
    ("name", "label"),
    [("ED25519", "ed25519"), ("P-256", "p256"), ("P-384", "p384"), ("P-521", "p521")],
)
@pytest.mark.parametrize("how", [[], ["-scrypt"], ["-v2", "aes-128-cbc"], ["-iter", "50000"]])
def test_what_openssl_writes_is_read_here(tmp_path, name, label, how):
    path, new = tmp_path / "key.pem", tmp_path / "new.pem"
    kind = ["ED25519"] if label == "ed25519" else ["EC", "-pkeyopt", f"ec_paramgen_curve:{name}"]
    subprocess.run(["openssl", "genpkey", "-algorithm", *kind, "-out", path],
                   capture_output=True, check=True)  # fmt: skip
    key = keys.key_from_file(path) if path.chmod(0o600) is None else None
    assert key.label == label
    convert = ["openssl", "pkcs8", "-topk8", "-in", path, "-out", new, *how]
    subprocess.run([*convert, "-passout", "pass:12345678"], capture_output=True, check=True)
    assert keys.key_from_pem(new.read_bytes(), passphrase=b"12345678") == key


def foreign() -> dict[str, tuple[bytes, bytes]]:
    made = {
        "RSA": rsa.generate_private_key(65537, 2048),
        "DSA": dsa.generate_private_key(1024),
        "secp256k1": ec.generate_private_key(ec.SECP256K1()),
        "P-224": ec.generate_private_key(ec.SECP224R1()),
        "brainpool": ec.generate_private_key(ec.BrainpoolP256R1()),
        "Ed448": ed448.Ed448PrivateKey.generate(),
        "X25519": x25519.X25519PrivateKey.generate(),
    }
    return {
        name: (
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
        )
        for name, key in made.items()
    }


def test_keys_of_other_kinds_are_refused_by_name():
    for name, halves in foreign().items():
        for text in halves:
            with pytest.raises(KeyringError) as caught:
                keys.key_from_pem(text)
            assert "Ed25519, ECDSA" in caught.value.hint
            if name != "brainpool":
                assert name in str(caught.value)


def test_old_forms_are_refused_with_the_command_that_converts_them():
    handle = PAIRS["p256"].handle
    for form in (
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.PrivateFormat.OpenSSH,
    ):
        text = handle.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        with pytest.raises(KeyringError) as caught:
            keys.key_from_pem(text)
        assert "openssl pkcs8" in caught.value.hint
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    with pytest.raises(KeyringError) as caught:
        keys.key_from_pem(parameters + text)
    assert "openssl pkcs8" in caught.value.hint


def spki_of_points() -> dict[str, bytes]:
    key = PAIRS["p256"].public
    start, point = key.spki[:-65], key.spki[-65:]
    compressed = bytes((2 + point[-1] % 2,)) + point[1:33]
    head = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
    return {
        "off the curve": start + point[:-1] + bytes((point[-1] ^ 1,)),
        "zero": start + b"\4" + bytes(64),
        "hybrid": start + bytes((6 + point[-1] % 2,)) + point[1:],
        "compressed": head + compressed,
        "x not reduced": start + b"\4" + b"\xff" * 32 + point[33:],
        "cut": key.spki[:-1],
        "extended": key.spki + b"\0",
        "unused bits": start[:-1] + b"\1" + point,
        "other length": b"\x30\x81" + start[1:] + point,
        "explicit curve": key.handle.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        ).replace(bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d030101")),
    }


@pytest.mark.parametrize(("name", "data"), spki_of_points().items())
def test_points_in_other_forms_are_refused(name, data):
    with pytest.raises(KeyringError):
        ss.PublicKey.from_spki(data)
    with pytest.raises(KeyringError):
        ss.PublicKey.from_pem(pem.block("PUBLIC KEY", data))


def test_a_private_key_whose_public_half_is_another_is_refused():
    key, other = PAIRS["p256"], ss.EcdsaKey.generate()
    data = pkcs8.plain(key.handle)
    mixed = data.replace(key.public.spki[-65:], other.public.spki[-65:])
    assert mixed != data
    with pytest.raises(KeyringError):
        keys.key_from_pem(pem.block("PRIVATE KEY", mixed))


def test_one_block_and_nothing_beside_it():
    key = PAIRS["ed25519"].public
    text = key.to_pem()
    body = text.split(b"\n")[1]
    for other in (
        text + text,
        b"Subject: me\n" + text,
        text + b"x",
        text.replace(b"PUBLIC KEY", b"public key"),
        text.replace(b"-----END PUBLIC KEY", b"-----END PRIVATE KEY"),
        text.replace(b"-----BEGIN PUBLIC", b"----BEGIN PUBLIC"),
        text.replace(body, body + b" "),
        text.replace(body, b"Proc-Type: 4,ENCRYPTED\n\n" + body),
        text.replace(body, b""),
        text.replace(b"\n", b""),
        text.replace(b"\n", b"\n" * 20_000),
        b"",
        b"-----BEGIN PUBLIC KEY-----",
        text.replace(body, base64.b64encode(key.spki)[:-1] + b"B"),
    ):
        with pytest.raises(KeyringError):
            keys.key_from_pem(other)
    with pytest.raises(KeyringError):
        keys.key_from_pem(text.decode() + "ä")


def asking_for(method: str, *costs: int) -> bytes:
    """Return an encrypted key that asks for much work before anything can be told of it."""
    oid = {"pbkdf2": "2a864886f70d01050c", "scrypt": "2b06010401da47040b"}[method]
    numbers = b"".join(map(der.integer, costs))
    salt = der.element(der.OCTET_STRING, bytes(16))
    kdf = pkcs8._algorithm(bytes.fromhex(oid), der.element(der.SEQUENCE, salt, numbers))
    scheme = pkcs8._algorithm(pkcs8._AES_256_CBC, der.element(der.OCTET_STRING, bytes(16)))
    how = pkcs8._algorithm(pkcs8._PBES2, der.element(der.SEQUENCE, kdf, scheme))
    data = der.element(der.SEQUENCE, how, der.element(der.OCTET_STRING, bytes(64)))
    return pem.block("ENCRYPTED PRIVATE KEY", data)


@pytest.mark.parametrize(
    "text",
    [
        asking_for("pbkdf2", 2**31 - 1),
        asking_for("pbkdf2", 10_000_001),
        asking_for("scrypt", 2**30, 8, 1),
        asking_for("scrypt", 2**14, 8, 2**30),
        asking_for("scrypt", 2**14, 2**20, 1),
    ],
)
def test_a_key_that_asks_for_too_much_work_is_refused_before_any_is_done(text):
    start = time.process_time()
    with pytest.raises(LimitExceededError):
        keys.key_from_pem(text, passphrase=PASSPHRASE)
    assert time.process_time() - start < 5  # the work itself would be minutes or gigabytes


def test_weak_old_encryption_is_refused():
    name = bytes.fromhex("2a864886f70d010503")  # pbeWithMD5AndDES-CBC
    parameters = der.element(
        der.SEQUENCE, der.element(der.OCTET_STRING, bytes(8)), der.integer(2048)
    )
    data = der.element(
        der.SEQUENCE, pkcs8._algorithm(name, parameters), der.element(der.OCTET_STRING, bytes(64))
    )
    with pytest.raises(KeyringError) as caught:
        keys.key_from_pem(pem.block("ENCRYPTED PRIVATE KEY", data), passphrase=PASSPHRASE)
    assert "openssl pkcs8" in caught.value.hint


GOOD = [key.to_pem() for key in PAIRS.values()]
GOOD += [key.public.to_pem() for key in PAIRS.values()]
GOOD += [key.to_text().encode() for key in PAIRS.values()]
GOOD += [key.public.to_text().encode() for key in PAIRS.values()]


def outcome(data: bytes) -> object:
    try:
        return keys.key_from_bytes(data, passphrase=PASSPHRASE)
    except SafeSerialError as error:
        assert error.hint
        return None


@settings(max_examples=300 * EFFORT, deadline=None)
@given(st.data())
def test_damaged_keys_are_refused_or_are_the_key_that_they_say(data):
    good = data.draw(st.sampled_from(GOOD))
    at = data.draw(st.integers(0, len(good)))
    cut = data.draw(st.integers(0, 4))
    put = data.draw(st.binary(max_size=4))
    text = good[:at] + put + good[at + cut :]
    key = outcome(text)
    if isinstance(key, ss.PublicKey):
        assert text.strip().replace(b"\r", b"") in (key.to_pem().strip(), key.to_text().encode())


@settings(max_examples=200 * EFFORT, deadline=None)
@given(
    st.sampled_from(["PUBLIC KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"]), st.binary(max_size=300)
)
def test_garbage_in_a_block_is_refused(label, data):
    assert outcome(pem.block(label, data)) is None


@settings(max_examples=200 * EFFORT, deadline=None)
@given(st.data())
def test_damaged_der_is_refused_or_is_the_same_key(data):
    key = PAIRS[data.draw(st.sampled_from(LABELS))]
    good = bytearray(data.draw(st.sampled_from([pkcs8.plain(key.handle), key.public.spki])))
    label = "PUBLIC KEY" if bytes(good) == key.public.spki else "PRIVATE KEY"
    at = data.draw(st.integers(0, len(good) - 1))
    good[at] ^= data.draw(st.integers(1, 255))
    found = outcome(pem.block(label, bytes(good)))
    if isinstance(found, ss.PublicKey):
        assert found.spki == bytes(good)


@settings(max_examples=300 * EFFORT, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_no_pair_of_numbers(data):
    try:
        first, second = der.pair(data)
    except der.NotDerError:
        return
    assert der.element(der.SEQUENCE, der.integer(first), der.integer(second)) == data
