# SPDX-License-Identifier: BSD-3-Clause
"""Read exactly one pickle from somebody's open file, and leave the file behind its STOP.

Floor 7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from safeserial.errors import CorruptArtifactError, LimitExceededError
from safeserial.policy import Limits
from safeserial.verifier.prefix import end_of_pickle

_FIRST, _LARGEST = 2**13, 2**24
_PIECE: Final = 2**24


class Chain:
    """What was read of a file, followed by the file: for the original function, afterwards.

    Parameters
    ----------
    start : bytes-like
        Read already.
    file : file-like
        The rest.
    """

    def __init__(self, start: bytes | bytearray | memoryview, file: Any) -> None:
        self._start, self._file, self._at = bytes(start), file, 0

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes."""
        end = len(self._start) if size < 0 else min(self._at + size, len(self._start))
        piece = self._start[self._at : end]
        self._at = end
        if size >= 0 and len(piece) == size:
            return piece
        rest: bytes = self._file.read(size - len(piece) if size >= 0 else -1)
        return piece + rest

    def readline(self) -> bytes:
        """Return the next line."""
        found = self._start.find(b"\n", self._at)
        if found >= 0:
            return self.read(found + 1 - self._at)
        piece = self._start[self._at :]
        self._at = len(self._start)
        rest: bytes = self._file.readline()
        return piece + rest


class Stream:
    """One pickle of an open file.

    Parameters
    ----------
    file : file-like
        Has ``read`` and ``readline``; where it can seek it is read in large pieces.
    limits : Limits
        Of the policy.

    Attributes
    ----------
    data : bytearray
        What was read.
    """

    def __init__(self, file: Any, limits: Limits) -> None:
        self.file = file
        self.data = bytearray()
        self._most = min(limits.file_size, limits.decompressed_size)
        self._start = _position(file)
        self._ahead = _FIRST

    def one_pickle(self) -> memoryview:
        """Read up to the STOP of the first pickle.

        Raises
        ------
        EOFError
            If the file is at its end, as ``pickle.load`` does.
        CorruptArtifactError
            If the pickle is cut short or is none.
        LimitExceededError
            If it is larger than the policy allows.
        """
        end = end_of_pickle(self.data, self._more)
        if end < len(self.data):
            self.file.seek((self._start or 0) + end)
            del self.data[end:]
        return memoryview(self.data)

    def everything(self) -> memoryview:
        """Read to the end of the file (see :meth:`one_pickle` for the errors)."""
        while self._take(self.file.read, _PIECE):
            pass
        if not self.data:
            raise EOFError("Ran out of input")
        return memoryview(self.data)

    def again(self) -> Any:
        """Return a file from which what was read can be read once more."""
        if self._start is not None:
            self.file.seek(self._start)
            return self.file
        return Chain(self.data, self.file)

    def _more(self, count: int) -> None:
        if self._start is not None:
            count, self._ahead = max(count, self._ahead), min(self._ahead * 2, _LARGEST)
        # Without a way back nothing is read that does not belong to the opcode at hand.
        taken = self._take(self.file.read, count) if count else self._take(self._line, 0)
        if not taken and not self.data:
            raise EOFError("Ran out of input")
        if not taken:
            raise CorruptArtifactError("the pickle stream is cut short")

    def _line(self, _: int) -> Any:
        return self.file.readline()

    def _take(self, read: Callable[[int], Any], count: int) -> int:
        try:
            piece = read(min(count, _PIECE))
            if not isinstance(piece, bytes | bytearray | memoryview):
                raise TypeError(f"a file that gives bytes is needed, not {type(piece).__name__}")
            self.data += piece
        except (MemoryError, OverflowError):
            raise LimitExceededError("there is not enough memory for this file") from None
        if len(self.data) > self._most:
            raise LimitExceededError(f"the file has more than {self._most} bytes")
        return len(piece)


def _position(file: Any) -> int | None:
    """Return where a file stands if it can go back there."""
    try:
        if not file.seekable():
            return None
        position = file.tell()
    except (AttributeError, OSError, ValueError):
        return None
    return position if isinstance(position, int) else None


def name_of(file: Any) -> str:
    """Return the path that a file knows of itself, else ``""``."""
    name = getattr(file, "name", "")
    if isinstance(name, bytes):
        return name.decode("utf-8", "backslashreplace")
    return name if isinstance(name, str) else ""
