# SPDX-License-Identifier: BSD-3-Clause
"""How a worker comes by its keys: it is told where they lie, or gets public halves; never a secret.

Floor 7.  What is sent to a worker passes through a scheduler and a network, and may be kept in
either.  A :class:`RingReference` has no room for a secret: it holds a path, or the text of a ring
in which every key is a public half.
"""

from __future__ import annotations

import functools
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from safeserial.digests import sha256_hex
from safeserial.errors import KeyNotFoundError, KeyringError
from safeserial.keyring import KEY_FILE_VARIABLE, OS_PREFIX, VARIABLE, Keyring


@dataclass(frozen=True)
class RingReference:
    """Where a keyring is, in words that may be seen by anybody.

    Parameters
    ----------
    kind : {"place", "key file", "public"}
        What `place` is: the place of a keyring (a file, or ``os:NAME``) or of a file with a single
        key; or the text of a ring that holds public halves only.
    place : str
        A file is an absolute path, to be found by every worker.
    """

    kind: Literal["place", "key file", "public"]
    place: str

    @classmethod
    def at(cls, place: str) -> RingReference:
        """Return the reference of a keyring file, or of ``os:NAME``."""
        return cls("place", place if place.startswith(OS_PREFIX) else os.path.abspath(place))  # noqa: PTH100

    @classmethod
    def public(cls, ring: Keyring) -> RingReference:
        """Return the public halves of a ring, to be sent along.

        Raises
        ------
        KeyringError
            If it has none: the secret of an HMAC key is not sent.
        """
        halves = ring.public
        if not halves.entries:
            raise KeyringError(
                "the keyring has no public halves, and secrets are not sent to workers",
                hint="put the keyring where every worker finds it, or sign with public keys",
            )
        with tempfile.TemporaryDirectory(prefix="safeserial-") as folder:
            file = Path(folder) / "public.keys"
            halves.save(file)
            return cls("public", file.read_text("utf-8"))

    @classmethod
    def from_env(cls) -> RingReference:
        """Return the reference of the ring that the environment names.

        Raises
        ------
        KeyNotFoundError
            If it names none.
        """
        if place := os.environ.get(VARIABLE):
            return cls.at(place)
        if path := os.environ.get(KEY_FILE_VARIABLE):
            return cls("key file", os.path.abspath(path))  # noqa: PTH100
        raise KeyNotFoundError(
            "no keyring was given and the environment names none",
            hint=f"give the path of a keyring, or set {VARIABLE}",
        )

    def open(self) -> Keyring:
        """Read the ring where this process is.

        Raises
        ------
        KeyringError, UnreadableFileError
            If it cannot be read here.
        """
        if self.kind == "public":
            with tempfile.TemporaryDirectory(prefix="safeserial-") as folder:
                file = Path(folder) / "public.keys"
                file.touch(mode=0o600)
                file.write_text(self.place, "utf-8")
                return Keyring.load(file)
        if self.kind == "key file":
            return Keyring.from_env({KEY_FILE_VARIABLE: self.place})
        return Keyring.open(self.place)


def referred(keyring: RingReference | str | None) -> RingReference:
    """Return the reference that a caller means; None is the ring that the environment names.

    Raises
    ------
    KeyringError
        If it is a ring in memory, whose secrets would have to be sent.
    """
    if isinstance(keyring, RingReference):
        return keyring
    if keyring is None:
        return RingReference.from_env()
    if isinstance(keyring, str | os.PathLike):
        return RingReference.at(os.fspath(keyring))
    raise KeyringError(
        "workers are told where a keyring is; a ring in memory is not sent to them",
        hint="save it, and give the path of its file",
    )


def fingerprint(ring: Keyring) -> str:
    """Return a digest of what a ring accepts and signs with; it tells nothing of the keys."""
    lines = [f"{one.key_id} {one.state} {one.not_before} {one.not_after}" for one in ring.entries]
    return sha256_hex("\n".join(lines).encode())


@functools.lru_cache(maxsize=2)
def opened(reference: RingReference, run: str) -> Keyring:
    """Open a ring once in a run: a worker outlives runs, and a ring changes between them."""
    del run
    return reference.open()
