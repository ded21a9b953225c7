# SPDX-License-Identifier: BSD-3-Clause
"""Keys of every kind from text, PEM and files: what stands there says which kind it is.

Floor 2.  A file that holds a secret has to be its owner's alone; one with a public key need not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from safeserial.errors import KeyringError
from safeserial.files import StrPath, display, open_regular, require_private
from safeserial.keys.hmac_key import PREFIX as HMAC_PREFIX
from safeserial.keys.hmac_key import HmacKey
from safeserial.keys.protocol import Key, Passphrase

if TYPE_CHECKING:
    from safeserial.keys.private_keys import PrivateKey
    from safeserial.keys.public_key import PublicKey

MAX_FILE_BYTES: Final = 16 * 2**10


def key_from_text(text: str) -> Key:
    """Read the one-line form of a key of any kind: a secret, a private or a public half.

    Parameters
    ----------
    text : str
        As ``to_text()`` wrote it.

    Raises
    ------
    KeyringError
        If it is none; it is never repeated in the message.
    WeakKeyError
        If it is too weak.
    """
    line = text.strip()
    if line.startswith(HMAC_PREFIX):
        return HmacKey.from_text(line)
    from safeserial.keys import kms
    from safeserial.keys.private_keys import PrivateKey
    from safeserial.keys.public_key import PublicKey
    from safeserial.keys.texts import PRIVATE_MARK, kind_of_text

    if line.startswith(kms.PREFIX):
        return kms.KmsKey.from_text(line)
    found = kind_of_text(line)
    if found is None:
        raise KeyringError(
            "this is not a safeserial key",
            hint=f"a key is one line, for instance {HMAC_PREFIX}…; or a file in PEM",
        )
    if found[1] == PRIVATE_MARK:
        return PrivateKey.from_text(line)
    return PublicKey.from_text(line)


def key_from_pem(data: bytes | str, *, passphrase: Passphrase = None) -> PrivateKey | PublicKey:
    """Read one PEM block: a private key (PKCS#8, perhaps encrypted) or a public one.

    Raises
    ------
    KeyringError, WeakKeyError
        If it is anything else, or the passphrase is wrong or missing.
    """
    from safeserial.keys import pem

    raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
    if pem.label_of(raw) == pem.PUBLIC:
        return pem.read_public(raw)
    return pem.read_private(raw, passphrase)


def key_from_bytes(data: bytes, *, passphrase: Passphrase = None) -> Key:
    """Read a key in PEM or in the one-line form.

    Raises
    ------
    KeyringError, WeakKeyError
        If it is none.
    """
    if data.lstrip().startswith(b"-----BEGIN"):
        return key_from_pem(data, passphrase=passphrase)
    try:
        return key_from_text(data.decode("ascii"))
    except UnicodeDecodeError:
        raise KeyringError("what stands there is no key") from None


def key_from_file(path: StrPath, *, passphrase: Passphrase = None) -> Key:
    """Read a key file of any kind, in PEM or in the one-line form.

    Parameters
    ----------
    path : str or path-like
        A regular file of at most 16 KiB; if the key can sign, open to its owner alone.
    passphrase : bytes or callable, optional
        For an encrypted private key; a function is called only if the key is one.

    Raises
    ------
    KeyringError, WeakKeyError
        If the content is no key.
    UnreadableFileError
        If the file is missing, not regular, or holds a secret and is open to others.
    """
    with open_regular(path) as source:
        if source.size > MAX_FILE_BYTES:
            raise KeyringError(f"not a key file, it is too large: {display(path)}")
        buffer = bytearray(source.size)
        source.read_into(memoryview(buffer))
        key = key_from_bytes(bytes(buffer), passphrase=passphrase)
        if key.can_sign:
            require_private(path, source)
    return key
