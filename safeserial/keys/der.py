# SPDX-License-Identifier: BSD-3-Clause
"""The little of DER (X.690) that keys and signatures need, read strictly and written.

Floor 2.  Definite lengths in their shortest form, known tags, nothing left over.
"""

from __future__ import annotations

from typing import Final

INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OBJECT_ID: Final = 0x06
SEQUENCE: Final = 0x30
_LONG: Final = 0x80
_MAX_LENGTH_BYTES: Final = 3


class NotDerError(ValueError):
    """The bytes are not what they should be; never leaves the package."""


class Reader:
    """Reads elements one after another.

    Parameters
    ----------
    data : bytes
        The content to read.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return self._at == len(self._data)

    def next_is(self, tag: int) -> bool:
        """Say whether the next element has a tag."""
        return not self.done and self._data[self._at] == tag

    def take(self, tag: int) -> bytes:
        """Return the content of the next element.

        Raises
        ------
        NotDerError
            If it has another tag, a length that is not in the shortest form, or is cut short.
        """
        if not self.next_is(tag):
            raise NotDerError("another tag")
        start = self._at + 2
        head = self._data[self._at + 1 : start]
        if not head:
            raise NotDerError("cut short")
        length = head[0]
        if length >= _LONG:
            count = length - _LONG
            coded = self._data[start : start + count]
            length = int.from_bytes(coded, "big")
            start += count
            shortest = (length.bit_length() + 7) // 8
            if not 1 <= count <= _MAX_LENGTH_BYTES or count != shortest or length < _LONG:
                raise NotDerError("a length in another form")
        end = start + length
        if end > len(self._data):
            raise NotDerError("cut short")
        self._at = end
        return self._data[start:end]

    def integer(self) -> int:
        """Return the next element, a non-negative integer in its shortest form."""
        content = self.take(INTEGER)
        if not content or content[0] >= _LONG:
            raise NotDerError("a negative number")
        if len(content) > 1 and content[0] == 0 and content[1] < _LONG:
            raise NotDerError("a number with a leading zero")
        return int.from_bytes(content, "big")

    def sequence(self) -> Reader:
        """Return a reader of the next element, a sequence."""
        return Reader(self.take(SEQUENCE))

    def end(self) -> None:
        """Refuse what follows."""
        if not self.done:
            raise NotDerError("something follows")


def element(tag: int, *contents: bytes) -> bytes:
    """Return an element with its tag and length."""
    content = b"".join(contents)
    size = len(content)
    if size < _LONG:
        return bytes((tag, size)) + content
    coded = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG + len(coded))) + coded + content


def integer(number: int) -> bytes:
    """Return a non-negative integer as an element."""
    return element(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def pair(data: bytes) -> tuple[int, int]:
    """Return the two numbers of a sequence of exactly two, as in an ECDSA signature (RFC 3279)."""
    outer = Reader(data)
    inner = outer.sequence()
    outer.end()
    first, second = inner.integer(), inner.integer()
    inner.end()
    return first, second
