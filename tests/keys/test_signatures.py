# SPDX-License-Identifier: BSD-3-Clause
"""Signatures of pairs: right ones are taken, and of each wrong or second form none.

The cases are those that Wycheproof made known, written anew: numbers at and beyond their bounds,
DER in other forms, Ed25519's points of small order and numbers over the group's order.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

import safeserial as ss
from safeserial.errors import BadSignatureError, KeyringError, WeakKeyError
from safeserial.keys import der
from safeserial.keys.edwards import require_sound
from safeserial.signing import _ORDERS, signer, verifier
from tests.keys.pairs import LABELS, OTHERS, PAIRS

MESSAGE = b"DSSEv1 4 type 2 {}"
every_kind = pytest.mark.parametrize("label", LABELS)
every_curve = pytest.mark.parametrize("label", ["p256", "p384", "p521"])
ORDER = 2**252 + 27742317777372353535851937790883648493
P = 2**255 - 19


def refused(label: str, signature: bytes, message: bytes = MESSAGE) -> None:
    with pytest.raises(BadSignatureError) as caught:
        verifier(PAIRS[label].public, "p").verify(message, signature)
    assert caught.value.hint


@every_kind
def test_a_signature_fits_its_message_and_its_key_alone(label):
    key = PAIRS[label]
    signature = signer(key, "p").sign(MESSAGE)
    for half in (key, key.public):
        verifier(half, "p").verify(MESSAGE, signature)
        verifier(half, "another purpose").verify(MESSAGE, signature)  # the type keeps uses apart
    refused(label, signature, MESSAGE + b" ")
    refused(label, signature, b"")
    refused(label, signer(OTHERS[label], "p").sign(MESSAGE))


@every_kind
def test_no_signature_of_another_form_fits(label):
    signature = signer(PAIRS[label], "p").sign(MESSAGE)
    for other in (b"", b"\0", signature[:-1], signature[1:], signature + b"\0", signature * 2,
                  bytes(len(signature)), b"\xff" * len(signature), signature[::-1]):  # fmt: skip
        refused(label, other)
    for at in range(0, len(signature), max(1, len(signature) // 40)):
        refused(label, signature[:at] + bytes((signature[at] ^ 1,)) + signature[at + 1 :])


def test_a_signature_of_one_kind_fits_no_other():
    made = {label: signer(key, "p").sign(MESSAGE) for label, key in PAIRS.items()}
    made["hmac of the public half"] = hashlib.sha256(MESSAGE).digest()
    for label in LABELS:
        for other, signature in made.items():
            if other != label:
                refused(label, signature)


def test_the_hash_goes_with_the_curve():
    for label, wrong in (("p256", "SHA384"), ("p384", "SHA256"), ("p521", "SHA256")):
        chosen = ec.ECDSA(getattr(hashes, wrong)())
        refused(label, PAIRS[label].handle.sign(MESSAGE, chosen))


def sequence(*elements: bytes) -> bytes:
    return der.element(der.SEQUENCE, *elements)


def numbers(label: str) -> tuple[int, int, int, int]:
    """Return a signature's two numbers, the first with its top bit set, the order and its size."""
    curve = PAIRS[label].curve
    order = _ORDERS[curve]
    size = (order.bit_length() + 7) // 8
    while True:
        first, second = der.pair(signer(PAIRS[label], "p").sign(MESSAGE))
        if der.integer(first)[2] == 0 or label == "p521":
            return first, second, order, size


def test_the_orders_are_those_of_the_curves():
    for label in ("p256", "p384", "p521"):
        order = _ORDERS[PAIRS[label].curve]
        size = PAIRS[label]._kind.secret_size
        assert ss.EcdsaKey((order - 1).to_bytes(size, "big"), curve=PAIRS[label].curve)
        with pytest.raises(WeakKeyError):
            ss.EcdsaKey(order.to_bytes(size, "big"), curve=PAIRS[label].curve)


@every_curve
def test_high_and_low_s_are_both_taken(label):
    first, second, order, _ = numbers(label)
    check = verifier(PAIRS[label].public, "p")
    for one in (second, order - second):
        check.verify(MESSAGE, sequence(der.integer(first), der.integer(one)))


@every_curve
def test_numbers_at_and_beyond_their_bounds(label):
    first, second, order, _ = numbers(label)
    bounds = (0, 1, order - 1, order, order + 1, 2 * order, 2**600)
    check = verifier(PAIRS[label].public, "p")
    for beyond in (0, order, order + 1, 2**600):
        for pair in ((beyond, second), (first, beyond)):
            with pytest.raises(BadSignatureError):
                check._require_form(sequence(*map(der.integer, pair)))
    for one in bounds:
        refused(label, sequence(der.integer(one), der.integer(second)))
        refused(label, sequence(der.integer(first), der.integer(one)))
        for other in bounds:
            refused(label, sequence(der.integer(one), der.integer(other)))
    refused(label, sequence(der.integer(first + order), der.integer(second)))
    refused(label, sequence(der.integer(first), der.integer(second + order)))


@every_curve
def test_der_in_other_forms(label):
    first, second, _, size = numbers(label)
    r, s = der.integer(first), der.integer(second)
    body = r + s
    minus = (first - 2 ** (8 * size)).to_bytes(size + 1, "big", signed=True)
    forms = {
        "right": sequence(r, s),
        "negative r": sequence(der.element(der.INTEGER, minus), s),
        "negated r": sequence(
            der.element(der.INTEGER, (-first).to_bytes(size + 2, "big", signed=True)), s
        ),
        "zero before r": sequence(der.element(der.INTEGER, b"\0", r[2:]), s),
        "zero before s": sequence(r, der.element(der.INTEGER, b"\0\0", s[2:])),
        "empty r": sequence(b"\2\0", s),
        "empty": b"\x30\0",
        "no numbers": b"",
        "one number": sequence(r),
        "three numbers": sequence(r, s, r),
        "null after": sequence(r, s, b"\5\0"),
        "null before": sequence(b"\5\0", r, s),
        "something after": sequence(r, s) + b"\0",
        "indefinite": b"\x30\x80" + body + b"\0\0",
        "long length": b"\x30\x82" + len(body).to_bytes(2, "big") + body,
        "longer length": b"\x30\x84" + len(body).to_bytes(4, "big") + body,
        "length of 2**63": b"\x30\x88\x7f" + b"\xff" * 7 + body,
        "cut": sequence(r, s)[:-1],
        "length too large": b"\x30" + bytes((min(127, len(body) + 1),)) + body,
        "length too small": b"\x30" + bytes((min(127, len(body) - 1),)) + body,
        "set": b"\x31" + sequence(r, s)[1:],
        "octets": sequence(b"\4" + r[1:], s),
        "high tag": b"\x3f\x10" + sequence(r, s)[1:],
        "swapped": sequence(s, r),
        "raw": first.to_bytes(size, "big") + second.to_bytes(size, "big"),
    }
    verifier(PAIRS[label].public, "p").verify(MESSAGE, forms.pop("right"))
    check = verifier(PAIRS[label].public, "p")
    for name, form in forms.items():
        try:
            refused(label, form)
            if name != "swapped":  # by our own reader, too, not only by the library beneath
                with pytest.raises(BadSignatureError):
                    check._require_form(form)
        except pytest.fail.Exception:
            raise AssertionError(name) from None


def test_negative_numbers_that_stand_for_right_ones():
    first, second, _, size = numbers("p256")
    short = der.element(der.INTEGER, first.to_bytes(size, "big"))  # top bit set: it reads as minus
    refused("p256", sequence(short, der.integer(second)))


# Ed25519 -------------------------------------------------------------------------------------


def test_s_over_the_order_of_the_group():
    signature = signer(PAIRS["ed25519"], "p").sign(MESSAGE)
    s = int.from_bytes(signature[32:], "little")
    times = [count for count in range(1, 16) if s + count * ORDER < 2**256]
    assert times
    for count in times:
        refused("ed25519", signature[:32] + (s + count * ORDER).to_bytes(32, "little"))
    for number in (ORDER, 2**256 - 1):
        refused("ed25519", signature[:32] + number.to_bytes(32, "little"))


def edwards_add(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """Add two points of the curve, by the formula of RFC 8032, 5.1.4, in affine form."""
    d = -121665 * pow(121666, -1, P) % P
    (x1, y1), (x2, y2) = one, other
    product = d * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P
    return x, y


def root(square: int) -> int:
    found = pow(square, (P + 3) // 8, P)
    if found * found % P != square:
        found = found * pow(2, (P - 1) // 4, P) % P
    assert found * found % P == square
    return found


def small_order() -> list[tuple[int, int]]:
    """Return the eight points of small order, made from one of order 8."""
    d = -121665 * pow(121666, -1, P) % P
    y = int.from_bytes(
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
    )
    x = root((y * y - 1) * pow(d * y * y + 1, -1, P) % P)
    points = [(x, y)]
    while points[-1] != (0, 1):
        points.append(edwards_add(points[-1], (x, y)))
    return points


def encodings(point: tuple[int, int]) -> list[bytes]:
    """Return every 32 bytes that a careless reader takes for a point."""
    x, y = point
    ys = [y] + ([y + P] if y + P < 2**255 else [])
    signs = (0, 1) if x == 0 else (x & 1,)
    return [(value | sign << 255).to_bytes(32, "little") for value in ys for sign in signs]


def test_points_of_small_order_are_no_keys():
    points = small_order()
    assert len(points) == len(set(points)) == 8
    every = [one for point in points for one in encodings(point)]
    assert len(every) == 14
    forged = 0
    for encoded in every:
        with pytest.raises(WeakKeyError):
            ss.PublicKey("ed25519", encoded)
        # What is refused here: the library beneath lets anybody sign under such a key.
        handle = ed25519.Ed25519PublicKey.from_public_bytes(encoded)
        for point in points:
            try:
                handle.verify(encodings(point)[0] + bytes(32), MESSAGE)
            except Exception:  # noqa: BLE001 - another of the eight may fit
                continue
            forged += 1
    assert forged


def test_a_second_spelling_of_a_point_is_no_key():
    for y in range(19):
        for sign in (0, 1):
            with pytest.raises(WeakKeyError):
                require_sound((y + P | sign << 255).to_bytes(32, "little"))


def test_bytes_that_are_no_point_are_no_key():
    refusals = 0
    for number in range(2, 60):
        encoded = number.to_bytes(32, "little")
        try:
            ss.PublicKey("ed25519", encoded)
        except WeakKeyError:
            refusals += 1
    assert 15 < refusals < 45  # about half of all numbers are no y of a point


def test_honest_keys_are_sound():
    for _ in range(50):
        assert ss.Ed25519Key.generate().public


def test_a_key_made_for_something_else_is_refused():
    with pytest.raises(KeyringError):
        ss.PublicKey.from_spki(bytes.fromhex("302a300506032b656e032100") + bytes(range(32)))


# Other people's code ------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("label", [one for one in LABELS if one != "ml-dsa-65"])
def test_openssl_verifies_what_is_signed_here(tmp_path, label):
    half, message, signature = tmp_path / "half.pem", tmp_path / "message", tmp_path / "signature"
    half.write_bytes(PAIRS[label].public.to_pem())
    message.write_bytes(MESSAGE)
    signature.write_bytes(signer(PAIRS[label], "p").sign(MESSAGE))
    sums = {"p256": "sha256", "p384": "sha384", "p521": "sha512"}
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", half, "-rawin"]
    command += ["-digest", sums[label]] if label in sums else []
    command += ["-in", message, "-sigfile", signature]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    message.write_bytes(MESSAGE + b" ")
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


# Known answers -------------------------------------------------------------------------------


def test_ed25519_answers_as_rfc_8032_says():
    key = ss.Ed25519Key(
        bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
    )
    raw = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
    assert key.public == ss.PublicKey("ed25519", raw)
    expected = bytes.fromhex(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    assert signer(key, "p").sign(bytes.fromhex("af82")) == expected


def test_ecdsa_takes_what_rfc_6979_gives():
    secret = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"
    key = ss.EcdsaKey(bytes.fromhex(secret))
    x = "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    y = "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
    assert key.public == ss.PublicKey("p256", bytes.fromhex(f"04{x}{y}"))
    r = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
    s = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
    verifier(key.public, "p").verify(b"sample", sequence(der.integer(r), der.integer(s)))
