# SPDX-License-Identifier: BSD-3-Clause
"""Signers and verifiers: one pair of interfaces, one implementation each per kind of key.

Floor 4.  A signer or verifier is made from a key, so the algorithm is always the key's own; nothing
in a file can choose it.  HMAC signs under a subkey of the purpose.  The halves of a pair are for
DSSE's pre-authentication encoding alone, whose payload type keeps the uses apart.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, Final, Protocol

from safeserial.errors import BadSignatureError, KeyringError
from safeserial.keys import HmacKey, Key

if TYPE_CHECKING:
    from safeserial.keys import KmsKey, PrivateKey, PublicKey

# Orders of the NIST curves (SP 800-186, 3.2.1): both numbers of a signature lie below.
_ORDERS: Final = {
    "P-256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "P-384": int(
        "ffffffffffffffffffffffffffffffffffffffffffffffff"
        "c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        16,
    ),
    "P-521": int(
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa"
        "51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
        16,
    ),
}
_SIZES: Final = {"ed25519": 64, "ml-dsa-65": 3309}


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
            raise _bad()


class PairSigner:
    """Ed25519 (RFC 8032), ECDSA (FIPS 186-5, DER) or ML-DSA-65 (FIPS 204), as the key is.

    Parameters
    ----------
    key : PrivateKey
        The half that signs.
    """

    def __init__(self, key: PrivateKey) -> None:
        self._handle = key.handle
        self._options = _options(key.public.curve)

    def sign(self, message: bytes) -> bytes:
        """Return the signature of `message`."""
        signature: bytes = self._handle.sign(message, *self._options)
        return signature


class PairVerifier:
    """The other half of :class:`PairSigner`.

    ECDSA signatures are taken with a high or a low *s*, as other tools write both.

    Parameters
    ----------
    key : PublicKey
        The half that verifies.
    """

    def __init__(self, key: PublicKey) -> None:
        self._key = key
        self._options = _options(key.curve)

    def verify(self, message: bytes, signature: bytes) -> None:
        """Check a signature.

        Raises
        ------
        BadSignatureError
            If it is not a signature of `message`, or one in another form.
        """
        from cryptography.exceptions import InvalidSignature

        self._require_form(signature)
        try:
            self._key.handle.verify(signature, message, *self._options)
        except InvalidSignature:
            raise _bad() from None

    def _require_form(self, signature: bytes) -> None:
        """Refuse a second text for the same signature, whatever the library beneath would take."""
        from safeserial.keys.der import NotDerError, pair

        order = _ORDERS.get(self._key.curve)
        if order is None:
            if len(signature) != _SIZES[self._key.label]:
                raise _bad()
            return
        try:
            numbers = pair(signature)
        except NotDerError:
            raise _bad() from None
        if not all(0 < number < order for number in numbers):
            raise _bad()


class KmsSigner:
    """Has a key service sign, and believes it only after the public half agreed.

    Parameters
    ----------
    key : KmsKey
        Where the private half is.
    """

    def __init__(self, key: KmsKey) -> None:
        self._key = key

    def sign(self, message: bytes) -> bytes:
        """Return the signature of `message`.

        Raises
        ------
        KeyringError
            If the service fails, or signs with another key than the ring says.
        MissingExtraError
            If the extra ``[kms]`` is not installed.
        """
        signature = self._key.ask(message)
        try:
            PairVerifier(self._key.public).verify(message, signature)
        except BadSignatureError:
            raise KeyringError(
                f"the key service's signature does not fit the public half of {self._key.key_id}",
                hint="the key there was replaced: connect it anew and hand its public half round",
            ) from None
        return signature


def _options(curve: str) -> tuple[Any, ...]:
    """Return what ``sign`` and ``verify`` of `cryptography` want besides: the hash of the curve."""
    if not curve:
        return ()
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

    if curve == "P-256":
        return (ECDSA(hashes.SHA256()),)
    return (ECDSA(hashes.SHA384() if curve == "P-384" else hashes.SHA512()),)


def _bad() -> BadSignatureError:
    return BadSignatureError("the signature does not fit what it stands under")


def signer(key: Key, purpose: str) -> Signer:
    """Return the signer of a key.

    Parameters
    ----------
    key : Key
        An HMAC key, a private key, or one that another machine keeps.
    purpose : str
        Context of an HMAC subkey.  A pair has none: what it signs begins with its type.

    Raises
    ------
    KeyringError
        If the key's kind cannot sign (a public key, say).
    """
    if isinstance(key, HmacKey):
        return HmacSigner(key, purpose)
    from safeserial.keys import KmsKey, PrivateKey, PublicKey

    if isinstance(key, PrivateKey):
        return PairSigner(key)
    if isinstance(key, KmsKey):
        return KmsSigner(key)
    if isinstance(key, PublicKey):
        raise KeyringError(
            f"{key.key_id} is a public key: it verifies and cannot sign",
            hint="sign with a ring that holds the private half; `safeserial keys new` makes one",
        )
    raise KeyringError(f"a {type(key).__name__} cannot sign")


def verifier(key: Key, purpose: str) -> Verifier:
    """Return the verifier of a key.

    Parameters
    ----------
    key : Key
        Any key; of a private key its public half is used.
    purpose : str
        Context of an HMAC subkey.

    Raises
    ------
    KeyringError
        If the key's kind is unknown.
    """
    if isinstance(key, HmacKey):
        return HmacVerifier(key, purpose)
    from safeserial.keys import KmsKey, PrivateKey, PublicKey

    if isinstance(key, PrivateKey | PublicKey | KmsKey):
        return PairVerifier(key.public)
    raise KeyringError(f"a {type(key).__name__} cannot verify")
