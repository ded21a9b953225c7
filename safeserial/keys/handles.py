# SPDX-License-Identifier: BSD-3-Clause
"""Keys as objects of ``cryptography``: made from raw bytes, and brought back to them.

Floor 2.  The only place of this package that knows that library's classes; it is imported when a
key of a pair is first used, never by ``import safeserial``.
"""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from safeserial.errors import KeyringError, WeakKeyError
from safeserial.keys import edwards
from safeserial.keys.kinds import ED25519, ML_DSA_65, P256, P384, P521, Kind

_CURVES: dict[str, ec.EllipticCurve] = {
    P256.curve: ec.SECP256R1(),
    P384.curve: ec.SECP384R1(),
    P521.curve: ec.SECP521R1(),
}
_KIND_OF_CURVE = {"secp256r1": P256, "secp384r1": P384, "secp521r1": P521}


def _mldsa() -> Any:
    """Return the module of ML-DSA (FIPS 204), which older releases do not have."""
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa
    except ImportError:
        raise _no_mldsa() from None
    return mldsa


def _no_mldsa() -> KeyringError:
    return KeyringError(
        "the installed cryptography has no ML-DSA-65",
        hint="pip install -U cryptography; its wheels have it since release 48",
    )


def new_number(kind: Kind) -> bytes:
    """Make the secret of a new ECDSA key."""
    number = ec.generate_private_key(_CURVES[kind.curve]).private_numbers().private_value
    return number.to_bytes(kind.secret_size, "big")


def private(kind: Kind, secret: bytes) -> Any:
    """Return the private key of a secret.

    Raises
    ------
    KeyringError
        If the algorithm is missing.
    WeakKeyError
        If the number is 0, or not below the order of the curve.
    """
    try:
        if kind is ED25519:
            return ed25519.Ed25519PrivateKey.from_private_bytes(secret)
        if kind is ML_DSA_65:
            return _mldsa().MLDSA65PrivateKey.from_seed_bytes(secret)
        return ec.derive_private_key(int.from_bytes(secret, "big"), _CURVES[kind.curve])
    except UnsupportedAlgorithm:
        raise _unsupported(kind) from None
    except ValueError:
        raise WeakKeyError(
            f"the secret is no {kind.label} key: its number is out of range"
        ) from None


def public(kind: Kind, raw: bytes) -> Any:
    """Return the public key of its raw bytes.

    Raises
    ------
    KeyringError
        If the algorithm is missing.
    WeakKeyError
        If the bytes are no point of the curve, or one that protects nothing.
    """
    try:
        if kind is ED25519:
            edwards.require_sound(raw)
            return ed25519.Ed25519PublicKey.from_public_bytes(raw)
        if kind is ML_DSA_65:
            return _mldsa().MLDSA65PublicKey.from_public_bytes(raw)
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[kind.curve], raw)
    except UnsupportedAlgorithm:
        raise _unsupported(kind) from None
    except ValueError:
        raise WeakKeyError(f"the {kind.label} public key is no point of its curve") from None


def public_bytes(handle: Any) -> bytes:
    """Return the raw bytes of a public key."""
    if isinstance(handle, ec.EllipticCurvePublicKey):
        return handle.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    raw: bytes = handle.public_bytes_raw()
    return raw


def taken_apart(handle: object) -> tuple[Kind, bytes] | None:
    """Return kind and secret of a private key, None if it is of no kind of ours."""
    if isinstance(handle, ed25519.Ed25519PrivateKey):
        return ED25519, handle.private_bytes_raw()
    if isinstance(handle, ec.EllipticCurvePrivateKey):
        kind = _KIND_OF_CURVE.get(handle.curve.name)
        if kind is None:
            return None
        number = handle.private_numbers().private_value
        return kind, number.to_bytes(kind.secret_size, "big")
    if type(handle).__name__ == "MLDSA65PrivateKey":
        return ML_DSA_65, handle.private_bytes_raw()  # type: ignore[attr-defined]
    return None


def _unsupported(kind: Kind) -> KeyringError:
    if kind is ML_DSA_65:
        return _no_mldsa()
    return KeyringError(
        f"the installed cryptography has no {kind.algorithm}", hint="pip install -U cryptography"
    )
