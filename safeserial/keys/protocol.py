# SPDX-License-Identifier: BSD-3-Clause
"""What a keyring needs of a key, whatever its algorithm.

Floor 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn, Protocol, TypeAlias

from safeserial.errors import WeakKeyError

PURPOSE_ARTIFACT: Final = "artifact-signature"
PURPOSE_KEY_ID: Final = "key-id"
Passphrase: TypeAlias = bytes | Callable[[], bytes] | None
MIN_DISTINCT_BYTES: Final = 8  # 32 random bytes have fewer with a chance below 10**-30


class Key(Protocol):
    """A secret, one half of a pair of keys, or a key that another machine keeps."""

    @property
    def algorithm(self) -> str:
        """Name of the one algorithm that the key is for."""

    @property
    def key_id(self) -> str:
        """Public name of the key, computed from its content; both halves have the same."""

    @property
    def can_sign(self) -> bool:
        """Whether the key makes signatures; False for a public half."""

    def to_text(self) -> str:
        """Return the one-line printable form, secret included if there is one."""


class Unpicklable:
    """A key: neither pickled nor copied, whatever it holds."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object, /) -> NoReturn:
        raise TypeError("a key is never pickled: use to_text() and a file of mode 0600")


def is_bytes(value: object, size: int) -> bool:
    """Say whether a value is bytes, so many of them; callers without type checkers exist."""
    return isinstance(value, bytes) and len(value) == size


def require_random(secret: bytes, what: str) -> None:
    """Refuse a secret that does not look like one.

    Raises
    ------
    WeakKeyError
        If it has fewer than 8 distinct bytes.
    """
    if len(set(secret)) < MIN_DISTINCT_BYTES:
        raise WeakKeyError(f"the {what} is too regular: it does not come from a random source")
