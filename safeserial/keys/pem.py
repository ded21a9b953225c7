# SPDX-License-Identifier: BSD-3-Clause
"""PEM (RFC 7468): PKCS#8 for private keys, plain or encrypted, and the usual form of public ones.

Floor 2.  One block, nothing beside it, at most 16 KiB.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

from safeserial.errors import KeyringError, WeakKeyError
from safeserial.keys import pkcs8
from safeserial.keys.private_keys import PrivateKey, private_of
from safeserial.keys.protocol import Passphrase
from safeserial.keys.public_key import PublicKey

MAX_PEM_BYTES: Final = 16 * 2**10
MIN_PASSPHRASE_BYTES: Final = 8
PUBLIC: Final = "PUBLIC KEY"
PRIVATE: Final = "PRIVATE KEY"
ENCRYPTED: Final = "ENCRYPTED PRIVATE KEY"
_BLOCK: Final = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]{1,40})-----\r?\n((?:[A-Za-z0-9+/=]{1,76}\r?\n)+)-----END \1-----\s*\Z"
)
_KINDS: Final = "safeserial has Ed25519, ECDSA on P-256, P-384 and P-521, and ML-DSA-65"
_CONVERT: Final = "convert it: openssl pkcs8 -topk8 -in OLD.pem -out NEW.pem (without -nocrypt)"
_FOREIGN: Final = {  # content of the object identifiers, to say what somebody has there
    "2a864886f70d010101": "an RSA key",
    "2a864886f70d01010a": "an RSA key",
    "2a8648ce380401": "a DSA key",
    "2b656e": "an X25519 key, which does not sign",
    "2b656f": "an X448 key, which does not sign",
    "2b6571": "an Ed448 key",
    "2b8104000a": "an EC key on the curve secp256k1",
    "2b81040021": "an EC key on the curve P-224",
    "2a8648ce3d030101": "an EC key on the curve P-192",
    "608648016503040311": "an ML-DSA-44 key",
    "608648016503040313": "an ML-DSA-87 key",
}


def block(label: str, der: bytes) -> bytes:
    """Return a PEM block with its final newline."""
    text = base64.b64encode(der)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    name = label.encode("ascii")
    return b"\n".join((b"-----BEGIN " + name + b"-----", *lines, b"-----END " + name + b"-----\n"))


def label_of(data: bytes) -> str | None:
    """Return the label of the first block, None where the text does not begin with one."""
    found = re.match(rb"\s*-----BEGIN ([A-Z0-9 ]{1,40})-----", data)
    return None if found is None else found[1].decode("ascii")


def read_public(data: bytes | str) -> PublicKey:
    """Read a block ``PUBLIC KEY``.

    Raises
    ------
    KeyringError, WeakKeyError
        If it is anything else.
    """
    label, der = _one_block(data)
    if label != PUBLIC:
        raise KeyringError(
            f"this is a block {label}, not a {PUBLIC}",
            hint="for the public half of a private key: openssl pkey -in KEY.pem -pubout",
        )
    return PublicKey.from_spki(der)


def read_private(data: bytes | str, passphrase: Passphrase) -> PrivateKey:
    """Read a block ``PRIVATE KEY`` or ``ENCRYPTED PRIVATE KEY``.

    Raises
    ------
    KeyringError, WeakKeyError
        If it is anything else, of a kind that safeserial has not, or the passphrase is wrong.
    """
    label, der = _one_block(data)
    if label == PRIVATE:
        taken = pkcs8.opened(der)
    elif label == ENCRYPTED:
        if callable(passphrase):
            passphrase = passphrase()
        if not passphrase:
            raise KeyringError(
                "the private key is encrypted and no passphrase was given",
                hint="give it by prompt, file or environment variable; never on a command line",
            )
        taken = pkcs8.decrypted(der, passphrase)
    elif label == PUBLIC:
        raise KeyringError("this is a public key, which cannot sign", hint="PublicKey reads it")
    else:
        raise KeyringError(f"a private key in the form {label} is not read", hint=_CONVERT)
    if taken is None:
        raise _refused(der, "private")
    return private_of(*taken)


def write_private(handle: Any, passphrase: bytes | None) -> bytes:
    """Return a private key as a PEM block, encrypted if there is a passphrase.

    Raises
    ------
    WeakKeyError
        If the passphrase is shorter than 8 bytes.
    """
    if passphrase is None:
        return block(PRIVATE, pkcs8.plain(handle))
    if len(passphrase) < MIN_PASSPHRASE_BYTES:
        raise WeakKeyError(
            f"the passphrase is shorter than {MIN_PASSPHRASE_BYTES} bytes",
            hint="take five random words or more",
        )
    return block(ENCRYPTED, pkcs8.encrypted(handle, passphrase))


def refused_public(der: bytes) -> KeyringError:
    """Return what to say of a SubjectPublicKeyInfo that is none of ours."""
    return _refused(der, "public")


def _refused(der: bytes, half: str) -> KeyringError:
    start = der[:64]  # the algorithm and the curve stand first
    for name, what in _FOREIGN.items():
        identifier = bytes.fromhex(name)
        if bytes((6, len(identifier))) + identifier in start:
            return KeyringError(f"this is {what}; it is not used here", hint=_KINDS)
    return KeyringError(
        f"this is no {half} key of a kind that is used here, or not in its canonical form",
        hint=f"{_KINDS}; points uncompressed, curves by name",
    )


def _one_block(data: bytes | str) -> tuple[str, bytes]:
    if isinstance(data, str):
        try:
            data = data.encode("ascii")
        except UnicodeEncodeError:
            raise _no_pem() from None
    if len(data) > MAX_PEM_BYTES:
        raise _no_pem()
    found = _BLOCK.match(data.lstrip())
    if found is None:
        if label_of(data) in ("EC PARAMETERS", "RSA PRIVATE KEY", "EC PRIVATE KEY"):
            raise KeyringError(
                "a private key in the form of old OpenSSL is not read", hint=_CONVERT
            )
        raise _no_pem()
    coded = found[2].replace(b"\r", b"").replace(b"\n", b"")
    try:
        der = base64.b64decode(coded, validate=True)
    except (binascii.Error, ValueError):
        raise _no_pem() from None
    if base64.b64encode(der) != coded:
        raise _no_pem()
    return found[1].decode("ascii"), der


def _no_pem() -> KeyringError:
    return KeyringError(
        "this is not one block of PEM",
        hint="-----BEGIN …, lines of base64, -----END …, and nothing else; 16 KiB at most",
    )
