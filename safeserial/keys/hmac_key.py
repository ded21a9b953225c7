# SPDX-License-Identifier: BSD-3-Clause
"""The shared secret of HMAC-SHA256: whoever verifies with it can also sign.

Floor 2.  The secret itself signs nothing: each use has a subkey of its own, derived by HKDF-SHA256
(RFC 5869) with a context string, so that a tag made for one purpose is worth nothing for another.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import ClassVar, Final

from safeserial.errors import KeyringError, WeakKeyError
from safeserial.files import StrPath, display, read_small
from safeserial.keys.protocol import PURPOSE_KEY_ID, Unpicklable, require_random

MIN_SECRET_BYTES: Final = 32
MAX_SECRET_BYTES: Final = 1024
MAX_KEY_FILE_BYTES: Final = 4096
PREFIX: Final = "safeserial-hmac-sha256-v1:"


class HmacKey(Unpicklable):
    """A secret shared by the services that sign and verify (HMAC-SHA256, RFC 2104).

    Parameters
    ----------
    secret : bytes
        At least 32 bytes from a random source.  A password is not a key.

    Raises
    ------
    WeakKeyError
        If the secret is too short or has too few distinct bytes.

    Examples
    --------
    >>> from safeserial import HmacKey
    >>> key = HmacKey.generate()
    >>> key.key_id.startswith("hmac-")
    True
    >>> HmacKey.from_text(key.to_text()) == key
    True
    """

    algorithm: ClassVar[str] = "hmac-sha256"
    can_sign: ClassVar[bool] = True
    __slots__ = ("_secret", "_subkeys")

    def __init__(self, secret: bytes) -> None:
        if not isinstance(secret, bytes):
            raise WeakKeyError(f"a key's secret is bytes, not {type(secret).__name__}")
        if not MIN_SECRET_BYTES <= len(secret) <= MAX_SECRET_BYTES:
            raise WeakKeyError(
                f"an HMAC key has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, not {len(secret)}"
            )
        require_random(secret, "HMAC key")
        self._secret = secret
        self._subkeys: dict[str, bytes] = {}

    @classmethod
    def generate(cls) -> HmacKey:
        """Make a new key of 32 bytes from the operating system's random source."""
        return cls(secrets.token_bytes(MIN_SECRET_BYTES))

    @classmethod
    def from_text(cls, text: str) -> HmacKey:
        """Read the one-line form.

        Raises
        ------
        KeyringError
            If the text has another form; it is never repeated in the message.
        WeakKeyError
            If the secret is too weak.
        """
        line = text.strip()
        if not line.startswith(PREFIX):
            raise KeyringError(
                "this is not a safeserial HMAC key",
                hint=f"a key is one line that starts with {PREFIX}",
            )
        try:
            secret = base64.b64decode(line.removeprefix(PREFIX), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise KeyringError("the HMAC key is not valid base64url") from None
        return cls(secret)

    @classmethod
    def from_file(cls, path: StrPath) -> HmacKey:
        """Read a key file, which only its owner may be able to read.

        Raises
        ------
        KeyringError
            If the content is no key.
        UnreadableFileError
            If the file is missing, not regular, or open to others.
        """
        try:
            return cls.from_text(read_small(path, limit=MAX_KEY_FILE_BYTES, private=True).decode())
        except UnicodeDecodeError:
            raise KeyringError(f"not a key file: {display(path)}") from None

    def to_text(self) -> str:
        """Return the one-line printable form.  It is the secret: keep it in files of mode 0600."""
        return PREFIX + base64.urlsafe_b64encode(self._secret).decode("ascii")

    @property
    def key_id(self) -> str:
        """``hmac-`` and 32 hex digits, derived from the secret and telling nothing of it."""
        return f"hmac-{self.subkey(PURPOSE_KEY_ID)[:16].hex()}"

    def subkey(self, purpose: str) -> bytes:
        """Derive the 32-byte key for one purpose.

        Parameters
        ----------
        purpose : str
            The context string, for instance ``"artifact-signature"``.

        Returns
        -------
        bytes
            HKDF-SHA256 of the secret, without salt, with info ``safeserial/v1/<purpose>``.
        """
        derived = self._subkeys.get(purpose)
        if derived is None:
            from cryptography.hazmat.primitives.hashes import SHA256
            from cryptography.hazmat.primitives.kdf.hkdf import HKDF

            info = f"safeserial/v1/{purpose}".encode("ascii")
            derived = HKDF(SHA256(), length=32, salt=None, info=info).derive(self._secret)
            self._subkeys[purpose] = derived
        return derived

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HmacKey):
            return NotImplemented
        return secrets.compare_digest(self._secret, other._secret)

    def __hash__(self) -> int:
        return hash(self.key_id)

    def __repr__(self) -> str:
        return f"<HmacKey {self.key_id}>"
