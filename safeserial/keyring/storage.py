# SPDX-License-Identifier: BSD-3-Clause
"""Where a ring of one's own is kept: its text, secrets included, and the system's keyring.

Floor 4.  This text is trusted because of where it stands: in a file of mode 0600, or in the
operating system's keyring.  What comes from others is a chain (`chain.py`).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec

from safeserial.errors import (
    KeyNotFoundError,
    KeyringError,
    MissingExtraError,
    SafeSerialError,
)
from safeserial.keyring.entries import KeyEntry, Mark, State
from safeserial.keys import key_from_text

SCHEMA: Final = "safeserial/keyring/v1"
MAX_KEYRING_BYTES: Final = 4 * 2**20
OS_SERVICE: Final = "safeserial"
OS_PREFIX: Final = "os:"
_Serial = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class _StoredKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    key: str
    state: State
    not_before: datetime.datetime | None = None
    not_after: datetime.datetime | None = None
    reason: str = ""
    principal: str | None = None
    roles: tuple[str, ...] = ()


class _StoredMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    serial: _Serial
    digest: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    keys: tuple[str, ...]


class _StoredRing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    schema: Literal["safeserial/keyring/v1"]
    serial: _Serial
    keys: list[_StoredKey]
    published: _StoredMark | None = None


@dataclass(frozen=True)
class Contents:
    """What a ring consists of.

    Parameters
    ----------
    entries : tuple of KeyEntry
        In order.
    serial : int
        Number of changes.
    mark : Mark, optional
        Where in a published chain it stands.
    """

    entries: tuple[KeyEntry, ...]
    serial: int
    mark: Mark | None


def read(text: bytes, *, where: str) -> Contents:
    """Read the text of a ring.

    Raises
    ------
    KeyringError
        If it is none; nothing of it is repeated in the message.
    """
    try:
        stored = msgspec.json.decode(text, type=_StoredRing, strict=True)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        # The parser's own message may repeat a part of the file, which holds secrets.
        raise KeyringError(f"{where} is not a safeserial keyring") from None
    entries = tuple(
        KeyEntry(
            key=key_from_text(one.key),
            state=one.state,
            not_before=one.not_before,
            not_after=one.not_after,
            reason=one.reason,
            principal=one.principal,
            roles=one.roles,
        )
        for one in stored.keys
    )
    at = stored.published
    mark = None if at is None else Mark(at.serial, at.digest, at.keys)
    return Contents(entries, stored.serial, mark)


def write(contents: Contents) -> bytes:
    """Return the text of a ring, secrets included."""
    keys = [
        _StoredKey(
            key=entry.key.to_text(),
            state=entry.state,
            not_before=entry.not_before,
            not_after=entry.not_after,
            reason=entry.reason,
            principal=entry.principal,
            roles=entry.roles,
        )
        for entry in contents.entries
    ]
    mark = contents.mark
    ring = _StoredRing(
        schema=SCHEMA,
        serial=contents.serial,
        keys=keys,
        published=None if mark is None else _StoredMark(mark.serial, mark.digest, mark.keys),
    )
    return msgspec.json.format(msgspec.json.encode(ring), indent=2) + b"\n"


def from_os_keyring(name: str) -> bytes:
    """Return the text that the operating system's keyring holds under a name.

    Raises
    ------
    KeyNotFoundError
        If it holds none.
    KeyringError
        If it cannot be opened.
    MissingExtraError
        If the extra ``[keyring]`` is not installed.
    """
    try:
        text = _os_keyring().get_password(OS_SERVICE, name)
    except SafeSerialError:
        raise
    except Exception as error:  # noqa: BLE001 - its backends raise what they like
        raise KeyringError(f"the operating system's keyring failed: {error}") from None
    if text is None:
        raise KeyNotFoundError(f"the operating system's keyring has no ring {name[:80]!r}")
    return str(text).encode("utf-8")


def to_os_keyring(name: str, text: bytes) -> None:
    """Put a text into the operating system's keyring; errors as :func:`from_os_keyring`."""
    try:
        _os_keyring().set_password(OS_SERVICE, name, text.decode("utf-8"))
    except SafeSerialError:
        raise
    except Exception as error:  # noqa: BLE001 - its backends raise what they like
        raise KeyringError(f"the operating system's keyring failed: {error}") from None


def _os_keyring() -> Any:
    try:
        import keyring
    except ImportError:
        raise MissingExtraError("keyring", "the operating system's keyring") from None
    return keyring
