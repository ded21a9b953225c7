# SPDX-License-Identifier: BSD-3-Clause
"""Digests of payload bytes: algorithm and value together; nothing else in the project hashes.

Floor 2.  BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs) is the default because it costs a
quarter of SHA-256; SHA-256 (FIPS 180-4) is for readers that have only a standard library.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from safeserial.errors import UnsupportedVersionError

Algorithm = Literal["blake3", "sha256"]
ALGORITHMS: tuple[str, ...] = get_args(Algorithm)
HEX_LENGTH = 64
_HEX = re.compile(rf"[0-9a-f]{{{HEX_LENGTH}}}")


class Hasher(Protocol):
    """What both algorithms offer: feed bytes, ask for the digest."""

    def update(self, data: memoryview | bytes, /) -> object:
        """Take in more bytes."""

    def hexdigest(self) -> str:
        """Return the digest of all bytes so far, 64 lowercase hex digits."""


def new_hasher(algorithm: str, *, parallel: bool = False) -> Hasher:
    """Start a digest.

    Parameters
    ----------
    algorithm : {"blake3", "sha256"}
        Which function.
    parallel : bool, default=False
        Whether one update may use all cores, as BLAKE3 can.

    Returns
    -------
    Hasher
        An empty hasher; both release the interpreter lock on large updates.

    Raises
    ------
    UnsupportedVersionError
        If the algorithm is not one of the two.
    """
    if algorithm == "blake3":
        from blake3 import blake3

        return blake3(max_threads=blake3.AUTO) if parallel else blake3()
    if algorithm == "sha256":
        return hashlib.sha256()
    raise UnsupportedVersionError(f"unknown digest algorithm {algorithm!r}")


@dataclass(frozen=True)
class Digest:
    """A digest with its algorithm.

    Parameters
    ----------
    algorithm : {"blake3", "sha256"}
        The function.
    value : str
        64 lowercase hex digits.
    """

    algorithm: str
    value: str

    def __str__(self) -> str:
        """Return ``algorithm:hex``, the form used in the manifest."""
        return f"{self.algorithm}:{self.value}"

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read ``algorithm:hex``.

        Raises
        ------
        UnsupportedVersionError
            If the algorithm is unknown or the value has another form.
        """
        algorithm, _, value = text.partition(":")
        if algorithm not in ALGORITHMS or not _HEX.fullmatch(value):
            raise UnsupportedVersionError(f"not a digest of a known algorithm: {text[:80]!r}")
        return cls(algorithm, value)

    @classmethod
    def of(cls, data: bytes | memoryview, algorithm: str) -> Digest:
        """Compute the digest of `data`."""
        hasher = new_hasher(algorithm)
        hasher.update(data)
        return cls(algorithm, hasher.hexdigest())

    def matches(self, hexdigest: str) -> bool:
        """Compare with a computed value in constant time."""
        return hmac.compare_digest(self.value, hexdigest)


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of `data` in hex: the artifact id is this over the manifest bytes."""
    return hashlib.sha256(data).hexdigest()
