# SPDX-License-Identifier: BSD-3-Clause
"""A small reader of protocol buffers: fields with their places, nothing kept, everything bounded.

Floor 7.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from safeserial.errors import CorruptArtifactError, LimitExceededError
from safeserial.inspection.content import Content

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_BLOCK: Final = 2**16
_HEAD: Final = 20
_LONGEST_TEXT: Final = 2**16


class Field(NamedTuple):
    """One field of a message.

    Parameters
    ----------
    number : int
        Of the field.
    wire : int
        Its wire type.
    value : int
        Of a number; the length of bytes.
    start : int
        Where its bytes begin.
    """

    number: int
    wire: int
    value: int
    start: int

    @property
    def end(self) -> int:
        """Where its bytes end."""
        return self.start + self.value


class Wire:
    """Reads fields out of a content, a block at a time.

    Parameters
    ----------
    content : Content
        The message's bytes.
    most : int
        Fields that are read in all before the reader gives up.
    """

    def __init__(self, content: Content, most: int) -> None:
        self._content = content
        self._left = most
        self._block = b""
        self._first = 0

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """Yield the fields of the message between two offsets.

        Raises
        ------
        CorruptArtifactError
            If it is no message.
        LimitExceededError
            If there are too many fields in all.
        """
        position = start
        while position < end:
            self._left -= 1
            if self._left < 0:
                raise LimitExceededError("the message has more fields than are looked at")
            here = self._at(position)
            key, here = self._varint(here)
            number, wire = key >> 3, key & 7
            value, following = 0, here
            if wire in (VARINT, BYTES):
                value, following = self._varint(here)
            elif wire in (FIXED32, FIXED64):
                following = here + (4 if wire == FIXED32 else 8)
            else:
                raise CorruptArtifactError(f"not a message: wire type {wire}")
            place = self._first + following
            position = place + value if wire == BYTES else place
            if position > end or number == 0:
                raise CorruptArtifactError("not a message: a field reaches over its end")
            yield Field(number, wire, value, place)

    def text(self, field: Field) -> str:
        """Return the text of a field; what is no text stands escaped in it."""
        raw = self._content.read(field.start, min(field.value, _LONGEST_TEXT))
        return raw.decode("utf-8", "backslashreplace") if field.wire == BYTES else ""

    def packed(self, field: Field, most: int) -> list[int]:
        """Return up to `most` numbers of a repeated field, packed or single."""
        if field.wire != BYTES:
            return [signed(field.value)]
        found: list[int] = []
        position = field.start
        while position < field.end and len(found) < most:
            value, here = self._varint(self._at(position))
            position = self._first + here
            found.append(signed(value))
        return found

    def raw(self, field: Field, most: int) -> bytes:
        """Return up to `most` bytes of a field."""
        return self._content.read(field.start, min(field.value, most))

    def _at(self, position: int) -> int:
        """Return where in the block an offset is, with a head's worth of bytes behind it."""
        here = position - self._first
        if here < 0 or here + _HEAD > len(self._block):
            self._block = self._content.read(position, _BLOCK)
            self._first, here = position, 0
        return here

    def _varint(self, here: int) -> tuple[int, int]:
        value = 0
        for count in range(10):
            if here + count >= len(self._block):
                raise CorruptArtifactError("not a message: it is cut short")
            byte = self._block[here + count]
            value |= (byte & 0x7F) << (7 * count)
            if byte < 0x80:  # noqa: PLR2004
                return value & (2**64 - 1), here + count + 1
        raise CorruptArtifactError("not a message: a number does not end")


def signed(value: int) -> int:
    """Return a 64-bit number with its sign."""
    return value - 2**64 if value >= 2**63 else value


def int64s(raw: bytes) -> list[int]:
    """Return little-endian 64-bit numbers."""
    return list(struct.unpack(f"<{len(raw) // 8}q", raw[: len(raw) // 8 * 8]))
