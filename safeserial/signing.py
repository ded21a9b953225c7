# SPDX-License-Identifier: BSD-3-Clause
"""Signers and verifiers: one pair of interfaces, one implementation each per kind of key.

Floor 4.  A signer or verifier is made from a key, so the algorithm is always the key's own; nothing
in a file can choose it.  A further algorithm is one more pair of classes and one more case below.
"""

from __future__ import annotations

import hmac
from typing import Protocol

from safeserial.errors import BadSignatureError, KeyringError
from safeserial.keys import HmacKey, Key


class Signer(Protocol):
    """Makes signatures with one key for one purpose."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature of `message`."""


class Verifier(Protocol):
    """Checks signatures of one key for one purpose."""

    def verify(self, message: bytes, signature: bytes) -> None:
        """Return if `signature` is right, else raise BadSignatureError."""


class HmacSigner:
    """HMAC-SHA256 (RFC 2104) under a subkey made for the purpose.

    Parameters
    ----------
    key : HmacKey
        The shared secret.
    purpose : str
        Context of the subkey.
    """

    def __init__(self, key: HmacKey, purpose: str) -> None:
        self._subkey = key.subkey(purpose)

    def sign(self, message: bytes) -> bytes:
        """Return the 32-byte tag of `message`."""
        return hmac.digest(self._subkey, message, "sha256")


class HmacVerifier(HmacSigner):
    """The other half of :class:`HmacSigner`: the same subkey, compared in constant time."""

    def verify(self, message: bytes, signature: bytes) -> None:
        """Check a tag.

        Raises
        ------
        BadSignatureError
            If it is not the tag of `message`.
        """
        if not hmac.compare_digest(self.sign(message), signature):
            raise BadSignatureError("the signature does not fit the manifest")


def signer(key: Key, purpose: str) -> Signer:
    """Return the signer of a key.

    Raises
    ------
    KeyringError
        If the key's kind cannot sign (a public key, say).
    """
    if isinstance(key, HmacKey):
        return HmacSigner(key, purpose)
    raise KeyringError(f"a {type(key).__name__} cannot sign")


def verifier(key: Key, purpose: str) -> Verifier:
    """Return the verifier of a key.

    Raises
    ------
    KeyringError
        If the key's kind is unknown.
    """
    if isinstance(key, HmacKey):
        return HmacVerifier(key, purpose)
    raise KeyringError(f"a {type(key).__name__} cannot verify")
