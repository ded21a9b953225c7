# SPDX-License-Identifier: BSD-3-Clause
"""PKCS#8 (RFC 5958): opened, decrypted and encrypted; the costs of a passphrase within bounds.

Floor 2.  Encrypted is PBES2 (RFC 8018) with AES-CBC, as OpenSSL writes it.  ``cryptography`` would
write 2,048 rounds of PBKDF2, cheap to guess against; here it is scrypt, in numbers that OpenSSL
reads.  What a file asks for is read before anything is derived from a passphrase.
"""

from __future__ import annotations

import os
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import ciphers, padding, serialization
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from safeserial.errors import KeyringError, LimitExceededError
from safeserial.keys import der, handles
from safeserial.keys.kinds import Kind

SCRYPT: Final = (2**14, 8, 5)  # OWASP's, 16 MiB: OpenSSL's own bound is 32
MAX_SCRYPT_BYTES: Final = 2**28
MAX_SCRYPT_WORK: Final = 2**30
MAX_ROUNDS: Final = 10_000_000
_PBES2: Final = bytes.fromhex("2a864886f70d01050d")
_PBKDF2: Final = bytes.fromhex("2a864886f70d01050c")
_SCRYPT: Final = bytes.fromhex("2b06010401da47040b")
_AES_256_CBC: Final = bytes.fromhex("60864801650304012a")


def plain(handle: Any) -> bytes:
    """Return a private key in DER, not encrypted."""
    encoded: bytes = handle.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return encoded


def opened(data: bytes) -> tuple[Kind, bytes] | None:
    """Return kind and secret of a private key in DER, None if it is of no kind of ours.

    Raises
    ------
    KeyringError
        If it is no private key at all.
    """
    return _loaded(data, None)


def decrypted(data: bytes, passphrase: bytes) -> tuple[Kind, bytes] | None:
    """Return kind and secret of an encrypted private key.

    Raises
    ------
    KeyringError
        If it is none, is encrypted in another way, or the passphrase is another.
    LimitExceededError
        If it asks for more memory or time than 256 MiB and some seconds.
    """
    try:
        _require_bounded(data)
    except der.NotDerError:
        raise KeyringError(
            "the private key is encrypted in a way that is not read",
            hint="encrypt it anew: openssl pkcs8 -topk8 -in OLD.pem -scrypt -out NEW.pem",
        ) from None
    return _loaded(data, passphrase)


def encrypted(handle: Any, passphrase: bytes) -> bytes:
    """Return a private key in DER, encrypted under a passphrase."""
    n, r, p = SCRYPT
    salt, start = os.urandom(16), os.urandom(16)
    secret = Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(passphrase)
    filler = padding.PKCS7(128).padder()
    text = filler.update(plain(handle)) + filler.finalize()
    cipher = ciphers.Cipher(algorithms.AES(secret), modes.CBC(start)).encryptor()
    body = cipher.update(text) + cipher.finalize()
    costs = (der.element(der.OCTET_STRING, salt), *map(der.integer, (n, r, p)))
    kdf = _algorithm(_SCRYPT, der.element(der.SEQUENCE, *costs))
    scheme = _algorithm(_AES_256_CBC, der.element(der.OCTET_STRING, start))
    how = _algorithm(_PBES2, der.element(der.SEQUENCE, kdf, scheme))
    return der.element(der.SEQUENCE, how, der.element(der.OCTET_STRING, body))


def _algorithm(identifier: bytes, parameters: bytes) -> bytes:
    return der.element(der.SEQUENCE, der.element(der.OBJECT_ID, identifier), parameters)


def _loaded(data: bytes, passphrase: bytes | None) -> tuple[Kind, bytes] | None:
    try:
        # RSA keys are refused below; proving their primes first would only take time.
        handle = serialization.load_der_private_key(
            data, passphrase, unsafe_skip_rsa_key_validation=True
        )
    except UnsupportedAlgorithm:
        return None
    except (ValueError, TypeError):  # its messages may tell of the content
        if passphrase is not None:
            raise KeyringError(
                "the private key does not open: another passphrase, or a damaged file",
                hint="try the passphrase again; nothing tells which of the two it is",
            ) from None
        return None
    return handles.taken_apart(handle)


def _require_bounded(data: bytes) -> None:
    """Read what deriving the key would cost (RFC 8018, appendix A; RFC 7914, 7)."""
    outer = der.Reader(data)
    info = outer.sequence()
    outer.end()
    how = info.sequence()
    if how.take(der.OBJECT_ID) != _PBES2:
        raise der.NotDerError("not PBES2")
    derivation = how.sequence().sequence()
    method = derivation.take(der.OBJECT_ID)
    costs = derivation.sequence()
    costs.take(der.OCTET_STRING)
    if method == _PBKDF2:
        if costs.integer() > MAX_ROUNDS:
            raise LimitExceededError(f"the private key asks for over {MAX_ROUNDS} rounds of PBKDF2")
    elif method == _SCRYPT:
        n, r, p = costs.integer(), costs.integer(), costs.integer()
        if 128 * n * r > MAX_SCRYPT_BYTES or 128 * n * r * p > MAX_SCRYPT_WORK:
            raise LimitExceededError("the private key asks for over 256 MiB or 1 GiB of scrypt")
    else:
        raise der.NotDerError("an unknown derivation")
