# SPDX-License-Identifier: BSD-3-Clause
"""The halves of pairs of keys that sign: a class a kind, each a secret of fixed size.

Floor 2.
"""

from __future__ import annotations

import secrets
from typing import Any, ClassVar, Self

from safeserial.errors import KeyringError
from safeserial.files import StrPath
from safeserial.keys.kinds import ED25519, ML_DSA_65, Kind, of_curve
from safeserial.keys.protocol import Passphrase, Unpicklable, is_bytes, require_random
from safeserial.keys.public_key import PublicKey
from safeserial.keys.texts import PRIVATE_MARK, of_class, one_line, read_line


class PrivateKey(Unpicklable):
    """What the private halves of all kinds share; made by their own classes.

    Parameters
    ----------
    kind : Kind
        The kind.
    secret : bytes
        Its seed or number.
    """

    can_sign: ClassVar[bool] = True
    __slots__ = ("_handle", "_kind", "_public", "_secret")

    def __init__(self, kind: Kind, secret: bytes) -> None:
        from safeserial.keys import handles

        if not is_bytes(secret, kind.secret_size):
            raise KeyringError(f"the secret of a {kind.label} key has {kind.secret_size} bytes")
        require_random(secret, f"secret of the {kind.label} key")
        self._handle = handles.private(kind, secret)
        self._public = PublicKey(kind.label, handles.public_bytes(self._handle.public_key()))
        self._kind = kind
        self._secret = secret

    @classmethod
    def from_pem(cls, data: bytes | str, *, passphrase: Passphrase = None) -> Self:
        """Read one PEM block ``PRIVATE KEY`` or ``ENCRYPTED PRIVATE KEY`` (PKCS#8, RFC 5958).

        Parameters
        ----------
        data : bytes or str
            The block and nothing beside it.
        passphrase : bytes or callable, optional
            For an encrypted key; a function is called only if the key is one.

        Raises
        ------
        KeyringError
            If it is anything else, of another kind, or the passphrase is wrong or missing.
        WeakKeyError
            If the secret is too regular, or out of its range.
        """
        from safeserial.keys import pem

        return of_class(cls, pem.read_private(data, passphrase))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read the one-line form.

        Raises
        ------
        KeyringError
            If the text has another form; it is never repeated in the message.
        WeakKeyError
            As :meth:`from_pem`.
        """
        return of_class(cls, private_of(*read_line(text, PRIVATE_MARK)))

    @classmethod
    def from_file(cls, path: StrPath, *, passphrase: Passphrase = None) -> Self:
        """Read a file that holds the PEM or the one-line form, and that only its owner can read.

        Raises
        ------
        KeyringError, WeakKeyError
            As :meth:`from_pem`.
        UnreadableFileError
            If it is missing, not regular, or open to others.
        """
        from safeserial.keys.reading import key_from_file

        return of_class(cls, key_from_file(path, passphrase=passphrase))

    @property
    def public(self) -> PublicKey:
        """The half that verifies."""
        return self._public

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
    def key_id(self) -> str:
        """The id of the public half."""
        return self.public.key_id

    def to_pem(self, *, passphrase: bytes | None = None) -> bytes:
        """Return a PEM block, encrypted if a passphrase is given.  It is the secret.

        Parameters
        ----------
        passphrase : bytes, optional
            At least 8 bytes.  The key is then encrypted with AES-256-CBC under a key that scrypt
            (RFC 7914; N = 2**14, r = 8, p = 5) makes of it.

        Raises
        ------
        WeakKeyError
            If the passphrase is shorter.
        """
        from safeserial.keys import pem

        return pem.write_private(self.handle, passphrase)

    def to_text(self) -> str:
        """Return the one-line printable form.  It is the secret: keep it in files of mode 0600."""
        return one_line(self._kind, PRIVATE_MARK, self._secret)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PrivateKey):
            return NotImplemented
        same = secrets.compare_digest(self._secret, other._secret)
        return same and self._kind is other._kind

    def __hash__(self) -> int:
        return hash(self.key_id)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.key_id}>"


class Ed25519Key(PrivateKey):
    """A private key for Ed25519 (RFC 8032).

    Parameters
    ----------
    secret : bytes
        The 32-byte seed.

    Raises
    ------
    KeyringError, WeakKeyError
        If it is none.
    """

    __slots__ = ()

    def __init__(self, secret: bytes) -> None:
        super().__init__(ED25519, secret)

    @classmethod
    def generate(cls) -> Ed25519Key:
        """Make a new key from the operating system's random source."""
        return cls(secrets.token_bytes(ED25519.secret_size))


class EcdsaKey(PrivateKey):
    """A private key for ECDSA (FIPS 186-5) on a NIST curve, with the hash that goes with it.

    Parameters
    ----------
    secret : bytes
        The private number, big-endian: 32, 48 or 66 bytes.
    curve : {"P-256", "P-384", "P-521"}, default="P-256"
        P-256 goes with SHA-256, P-384 with SHA-384, P-521 with SHA-512.

    Raises
    ------
    KeyringError, WeakKeyError
        If it is none.
    """

    __slots__ = ()

    def __init__(self, secret: bytes, *, curve: str = "P-256") -> None:
        super().__init__(of_curve(curve), secret)

    @classmethod
    def generate(cls, curve: str = "P-256") -> EcdsaKey:
        """Make a new key from the operating system's random source.

        Raises
        ------
        KeyringError
            If there is no such curve.
        """
        from safeserial.keys import handles

        return cls(handles.new_number(of_curve(curve)), curve=curve)

    @property
    def curve(self) -> str:
        """Name of the curve."""
        return self._kind.curve


class MlDsaKey(PrivateKey):
    """A private key for ML-DSA-65 (FIPS 204), which a quantum computer would not break.

    Parameters
    ----------
    secret : bytes
        The 32-byte seed.

    Raises
    ------
    KeyringError
        If it is none, or the installed ``cryptography`` has no ML-DSA.
    WeakKeyError
        If it is too regular.
    """

    __slots__ = ()

    def __init__(self, secret: bytes) -> None:
        super().__init__(ML_DSA_65, secret)

    @classmethod
    def generate(cls) -> MlDsaKey:
        """Make a new key from the operating system's random source.

        Raises
        ------
        KeyringError
            If the installed ``cryptography`` has no ML-DSA.
        """
        return cls(secrets.token_bytes(ML_DSA_65.secret_size))


def private_of(kind: Kind, secret: bytes) -> PrivateKey:
    """Return the private key of a kind and its secret."""
    if kind is ED25519:
        return Ed25519Key(secret)
    if kind is ML_DSA_65:
        return MlDsaKey(secret)
    return EcdsaKey(secret, curve=kind.curve)
