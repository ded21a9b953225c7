# SPDX-License-Identifier: BSD-3-Clause
"""Signing: HMAC as RFC 2104 has it, under a key of the purpose, by the key's own algorithm."""

from __future__ import annotations

import hmac

import pytest

from safeserial.errors import BadSignatureError, KeyringError
from safeserial.signing import signer, verifier
from tests.world import KEY, OTHER


def test_the_tag_is_hmac_sha256_under_the_subkey():
    tag = signer(KEY, "p").sign(b"message")
    assert tag == hmac.new(KEY.subkey("p"), b"message", "sha256").digest()
    verifier(KEY, "p").verify(b"message", tag)


def test_every_other_tag_is_refused():
    tag = signer(KEY, "p").sign(b"message")
    wrong = [b"", tag[:-1], tag + b"\0", tag[:16], bytes(32), tag.hex().encode(), tag * 2]
    wrong += [bytes(byte ^ (1 << bit) if at == one else byte for one, byte in enumerate(tag))
              for at in range(32) for bit in range(8)]  # fmt: skip
    wrong += [signer(OTHER, "p").sign(b"message"), signer(KEY, "q").sign(b"message")]
    wrong += [
        signer(KEY, "p").sign(b"messagE"),
        hmac.digest(bytes(range(32)), b"message", "sha256"),
    ]
    for one in wrong:
        with pytest.raises(BadSignatureError):
            verifier(KEY, "p").verify(b"message", one)


def test_a_key_of_another_kind_neither_signs_nor_verifies():
    for thing in (None, b"x" * 32, "key", object()):
        with pytest.raises(KeyringError):
            signer(thing, "p")
        with pytest.raises(KeyringError):
            verifier(thing, "p")
