# SPDX-License-Identifier: BSD-3-Clause
"""Bytes in memory as a file for the C unpickler, without a copy of all of them.

Floor 5.
"""

from __future__ import annotations

import io
from typing import Final

# A copy of less takes no time.
_SMALL: Final = 2**18
_LINE: Final = 4096
_PROTO, _FRAME = 0x80, 0x95


def reader(stream: memoryview | bytes) -> io.BytesIO | Reader:
    """Return a file of a stream.

    Parameters
    ----------
    stream : bytes-like
        A pickle; must not change while it is read.
    """
    # Where there are no frames the unpickler reads each opcode by itself: in C, from a copy.
    if len(stream) > _SMALL and (stream[0], stream[2]) == (_PROTO, _FRAME):
        return Reader(memoryview(stream))
    return io.BytesIO(stream)


class Reader:
    """A file as far as the unpickler asks for one: frames as bytes, large arrays into their place.

    There is no ``peek``: with it the unpickler would read most bytes twice.

    Parameters
    ----------
    stream : memoryview
        Of bytes.
    """

    def __init__(self, stream: memoryview) -> None:
        self._stream = stream
        self._here = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer at the end."""
        piece = self._stream[self._here : self._here + size]
        self._here += len(piece)
        return piece.tobytes()

    def readinto(self, room: memoryview) -> int:
        """Copy the next bytes; return how many."""
        piece = self._stream[self._here : self._here + len(room)]
        room[: len(piece)] = piece
        self._here += len(piece)
        return len(piece)

    def readline(self) -> bytes:
        """Return the bytes up to a line feed, and that."""
        end = self._here
        while end < len(self._stream):
            found = self._stream[end : end + _LINE].tobytes().find(b"\n")
            if found >= 0:
                return self.read(end + found + 1 - self._here)
            end += _LINE
        return self.read(len(self._stream) - self._here)
