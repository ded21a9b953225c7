# SPDX-License-Identifier: BSD-3-Clause
"""The half of a pair of keys that verifies and can be given to anybody.

Floor 2.  One class for all kinds, because it is data: a kind and bytes.  Its id, which the private
half shares, is the kind's label and the first 16 bytes of the SHA-256 of its DER, in hex.
"""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

from safeserial.errors import KeyringError
from safeserial.files import StrPath
from safeserial.keys.kinds import BY_LABEL, KINDS
from safeserial.keys.protocol import Unpicklable, is_bytes
from safeserial.keys.texts import PUBLIC_MARK, of_class, one_line, read_line


class PublicKey(Unpicklable):
    """The half of a pair that verifies.

    Parameters
    ----------
    label : {"ed25519", "p256", "p384", "p521", "ml-dsa-65"}
        The kind.
    raw : bytes
        Its bytes: 32 (Ed25519), an uncompressed point (ECDSA), 1952 (ML-DSA-65).

    Raises
    ------
    KeyringError
        If there is no such kind, or the size is another.
    WeakKeyError
        If the bytes are no point of the curve, or one under which anybody can sign.

    Examples
    --------
    >>> from safeserial import Ed25519Key, PublicKey
    >>> key = Ed25519Key.generate()
    >>> PublicKey.from_pem(key.public.to_pem()) == key.public
    True
    >>> key.public.key_id == key.key_id
    True
    """

    can_sign: ClassVar[bool] = False
    __slots__ = ("_handle", "_key_id", "_kind", "_raw")

    def __init__(self, label: str, raw: bytes) -> None:
        from safeserial.keys import handles

        kind = BY_LABEL.get(label)
        if kind is None:
            raise KeyringError(f"there is no key of kind {str(label)[:40]!r}")
        if not is_bytes(raw, kind.public_size):
            raise KeyringError(f"a {label} public key has {kind.public_size} bytes")
        if kind.curve and raw[0] != 4:  # noqa: PLR2004 - SEC 1, 2.3.3: the uncompressed form
            raise KeyringError(f"the {label} public key is not an uncompressed point")
        self._handle = handles.public(kind, raw)
        self._kind = kind
        self._raw = raw
        self._key_id = f"{label}-{hashlib.sha256(kind.spki_start + raw).hexdigest()[:32]}"

    @classmethod
    def from_spki(cls, der: bytes) -> PublicKey:
        """Read a SubjectPublicKeyInfo in DER.

        Raises
        ------
        KeyringError
            If it is of no kind that safeserial has, or not in its canonical form.
        WeakKeyError
            As the constructor.
        """
        for kind in KINDS:
            size = len(kind.spki_start) + kind.public_size
            if len(der) == size and der.startswith(kind.spki_start):
                return cls(kind.label, bytes(der[len(kind.spki_start) :]))
        from safeserial.keys import pem

        raise pem.refused_public(bytes(der))

    @classmethod
    def from_pem(cls, data: bytes | str) -> PublicKey:
        """Read one PEM block ``PUBLIC KEY``.

        Raises
        ------
        KeyringError
            If it is anything else; a private key is not silently cut in half.
        WeakKeyError
            As the constructor.
        """
        from safeserial.keys import pem

        return pem.read_public(data)

    @classmethod
    def from_text(cls, text: str) -> PublicKey:
        """Read the one-line form.

        Raises
        ------
        KeyringError, WeakKeyError
            If it is none.
        """
        kind, raw = read_line(text, PUBLIC_MARK)
        return cls(kind.label, raw)

    @classmethod
    def from_file(cls, path: StrPath) -> PublicKey:
        """Read a file that holds the PEM or the one-line form.

        Raises
        ------
        KeyringError, WeakKeyError
            If it holds no public key.
        UnreadableFileError
            If it is missing or not regular.
        """
        from safeserial.keys.reading import key_from_file

        return of_class(cls, key_from_file(path))

    @property
    def key_id(self) -> str:
        """The kind's label, a hyphen and 32 hex digits."""
        return self._key_id

    @property
    def handle(self) -> Any:
        """The same key as an object of ``cryptography``."""
        return self._handle

    @property
    def algorithm(self) -> str:
        """Name of the signature algorithm."""
        return self._kind.algorithm

    @property
    def label(self) -> str:
        """Short name of the kind."""
        return self._kind.label

    @property
    def curve(self) -> str:
        """Name of the curve, ``""`` where there is no choice of one."""
        return self._kind.curve

    @property
    def public(self) -> PublicKey:
        """The key itself."""
        return self

    @property
    def spki(self) -> bytes:
        """SubjectPublicKeyInfo in DER."""
        return self._kind.spki_start + self._raw

    def to_pem(self) -> bytes:
        """Return a PEM block ``PUBLIC KEY``."""
        from safeserial.keys import pem

        return pem.block("PUBLIC KEY", self.spki)

    def to_text(self) -> str:
        """Return the one-line form."""
        return one_line(self._kind, PUBLIC_MARK, self._raw)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PublicKey):
            return NotImplemented
        return self.spki == other.spki

    def __hash__(self) -> int:
        return hash(self.key_id)

    def __repr__(self) -> str:
        return f"<PublicKey {self.key_id}>"
