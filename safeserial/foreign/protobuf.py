# SPDX-License-Identifier: BSD-3-Clause
"""Protocol buffers in memory: fields with their places, in one pass, and no more than a budget.

Floor 4.  An ensemble of trees is an attribute of a million numbers, each a field of its own; such
runs are matched by one regular expression instead of being read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from safeserial.errors import CorruptArtifactError, LimitExceededError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_SHORT: Final = 64


class Field(NamedTuple):
    """One field of a message.

    Parameters
    ----------
    number, wire : int
        Of the field, and its wire type.
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


def _short_texts(key: bytes) -> bytes:
    lengths = (b"\\x%02x[\\s\\S]{%d}" % (length, length) for length in range(_SHORT))
    return re.escape(key) + b"(?:" + b"|".join(lengths) + b")"


# Of an attribute: floats (7), ints (8) and short strings (9), one field a value.
RUNS: Final = re.compile(
    rb"(?:\x3d[\s\S]{4}|\x40[\x80-\xff]{0,9}[\x00-\x7f]|" + _short_texts(b"\x4a") + rb")++"
)


class Message:
    """A whole message.

    Parameters
    ----------
    data : bytes or memoryview
        It.
    most : int
        Fields that are read in all.
    """

    def __init__(self, data: bytes | memoryview, most: int) -> None:
        self.data = data
        self._left = most

    def fields(
        self, start: int, end: int, runs: re.Pattern[bytes] | None = None
    ) -> Iterator[Field]:
        """Yield the fields between two places, leaving out what `runs` matches.

        Raises
        ------
        CorruptArtifactError
            If it is no message.
        LimitExceededError
            If there are too many fields in all.
        """
        data, position = self.data, start
        while position < end:
            if runs is not None and (skipped := runs.match(data, position, end)) is not None:
                position = skipped.end()
                continue
            self._left -= 1
            if self._left < 0:
                raise LimitExceededError("the model has more fields than are looked at")
            key, position = self._varint(position, end)
            number, wire = key >> 3, key & 7
            if not 0 < number < 2**29:
                raise CorruptArtifactError("not a message: a field without a number")
            value, first = 0, position
            if wire == VARINT:
                value, position = self._varint(position, end)
            elif wire == BYTES:
                value, first = self._varint(position, end)
                position = first + value
            elif wire in (FIXED32, FIXED64):
                position += 4 if wire == FIXED32 else 8
            else:
                raise CorruptArtifactError(f"not a message: wire type {wire}")
            if position > end:
                raise CorruptArtifactError("not a message: a field reaches over its end")
            yield Field(number, wire, value, first)

    def text(self, field: Field) -> str:
        """Return the text of a field.

        Raises
        ------
        CorruptArtifactError
            If it is none, or longer than names are.
        """
        if field.wire != BYTES or field.value > 2**16:
            raise CorruptArtifactError("not a message: a text is none, or too long")
        try:
            return bytes(self.data[field.start : field.end]).decode("utf-8")
        except UnicodeDecodeError:
            raise CorruptArtifactError("not a message: a text is no UTF-8") from None

    def numbers(self, field: Field, most: int) -> list[int]:
        """Return up to `most` signed numbers of a repeated field, packed or single."""
        if field.wire == VARINT:
            return [signed(field.value)]
        if field.wire != BYTES:
            raise CorruptArtifactError("not a message: a number is none")
        found: list[int] = []
        position = field.start
        while position < field.end:
            if len(found) == most:
                raise LimitExceededError("a list of numbers is longer than such lists are")
            value, position = self._varint(position, field.end)
            found.append(signed(value))
        return found

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        value = shift = 0
        for here in range(position, min(end, position + 10)):
            byte = self.data[here]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004
                return value & (2**64 - 1), here + 1
            shift += 7
        raise CorruptArtifactError("not a message: a number does not end")


def signed(value: int) -> int:
    """Return a 64-bit number with its sign."""
    return value - 2**64 if value >= 2**63 else value
