# SPDX-License-Identifier: BSD-3-Clause
"""Bytes to be inspected: a file, a part of one, or what a compressor held; never all at once.

Floor 7.  Formats that are headers and tables are read in windows with pread(2).  The opcode
verifier needs the whole stream as memory, and this is where that memory comes from:

* up to 256 MiB: a private copy, read once, as loading does it;
* above: a read-only mapping of the file, so that four gigabytes of numbers cost no memory.  Since
  inspection decides nothing that is used later (loading reads the file again, by itself, into
  private memory), somebody who changes mapped bytes can only spoil the report.  But somebody who
  *truncates* a mapped file kills the process that looks at it (SIGBUS).  So only a file is mapped
  that nobody but its owner, and that is this user or root, may write;
* above, and others may write it: the file is first copied to an unnamed temporary file, where
  nobody can reach it, and that one is mapped.
"""

from __future__ import annotations

import mmap
import os
import shutil
import stat
import tempfile
from contextlib import ExitStack
from typing import BinaryIO, Final, Protocol

from safeserial.errors import CorruptArtifactError, LimitExceededError, UnreadableFileError
from safeserial.transfer import private_memory

PRIVATE_UP_TO: Final = 256 * 2**20
_SPILLED_FROM: Final = 64 * 2**20
_PIECE: Final = 2**20
# Up to here one read into memory that the process has used before is the quickest.
_AT_ONCE: Final = 24 * 2**20


class Content(Protocol):
    """Bytes at rest."""

    size: int

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes at `offset`, fewer only at the end."""

    def view(self) -> memoryview:
        """Return all bytes, to be looked at and not kept."""


class Memory:
    """Bytes that are already in memory.

    Parameters
    ----------
    data : bytes-like
        Not copied.
    """

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = memoryview(data)
        self.size = len(self._data)

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes at `offset`."""
        return bytes(self._data[max(offset, 0) : max(offset, 0) + max(count, 0)])

    def view(self) -> memoryview:
        """Return all bytes."""
        return self._data


class File:
    """An open regular file.

    Parameters
    ----------
    descriptor : int
        Stays the property of the caller.
    room : contextlib.ExitStack
        Closes what has to be opened on the way.
    """

    def __init__(self, descriptor: int, room: ExitStack) -> None:
        self._descriptor = descriptor
        self._room = room
        self.size = os.fstat(descriptor).st_size

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes at `offset`."""
        wanted = min(count, self.size - offset)
        if offset < 0 or wanted <= 0:
            return b""
        first = os.pread(self._descriptor, wanted, offset)
        if len(first) == wanted:
            return first
        parts = [first]
        while parts[-1] and (done := sum(map(len, parts))) < wanted:  # reads end at 2 GiB
            parts.append(os.pread(self._descriptor, wanted - done, offset + done))
        return b"".join(parts)

    def view(self) -> memoryview:
        """Return all bytes: a private copy, or for a large file a mapping."""
        if self.size <= PRIVATE_UP_TO:
            return self.copy(0, self.size)
        if not self._only_ours():
            return _copied(self, self._room).view()
        try:
            return memoryview(mmap.mmap(self._descriptor, self.size, access=mmap.ACCESS_READ))
        except (OSError, ValueError) as error:
            raise UnreadableFileError(f"the file cannot be mapped: {error}") from None

    def copy(self, start: int, size: int) -> memoryview:
        """Return a private copy of a part."""
        if size <= _AT_ONCE:
            piece = self.read(start, size)
            if len(piece) != size:
                raise _cut_short()
            return memoryview(piece)
        try:
            memory = private_memory(size)
        except MemoryError:
            raise LimitExceededError(f"there is not enough memory for {size} bytes") from None
        position = 0
        while position < size:
            count = self._into(memory[position:], start + position)
            if not count:
                raise _cut_short()
            position += count
        return memory

    def _into(self, memory: memoryview, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._descriptor, [memory], offset)
        piece = os.pread(self._descriptor, min(_PIECE, len(memory)), offset)
        memory[: len(piece)] = piece
        return len(piece)

    def _only_ours(self) -> bool:
        if os.name != "posix":
            return False
        facts = os.fstat(self._descriptor)
        ours = facts.st_uid in (os.geteuid(), 0)
        return ours and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


class Part:
    """A run of bytes of something larger.

    Parameters
    ----------
    whole : Content
        What it is part of.
    start, size : int
        Clipped to the whole.
    """

    def __init__(self, whole: Content, start: int, size: int) -> None:
        self._whole = whole
        self._start = min(max(start, 0), whole.size)
        self.size = max(0, min(size, whole.size - self._start))

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes at `offset` of the part."""
        if offset < 0:
            return b""
        return self._whole.read(self._start + offset, min(count, self.size - offset))

    def view(self) -> memoryview:
        """Return the bytes of the part."""
        if self.size <= PRIVATE_UP_TO and isinstance(self._whole, File):
            return self._whole.copy(self._start, self.size)
        return self._whole.view()[self._start : self._start + self.size]


class Growing:
    """Bytes that arrive piece by piece: in memory first, in an unnamed file when they are many.

    Parameters
    ----------
    room : contextlib.ExitStack
        Closes the file.
    most : int
        Largest number accepted.
    """

    def __init__(self, room: ExitStack, most: int) -> None:
        self._room = room
        self._most = most
        self._memory = bytearray()
        self._file: BinaryIO | None = None
        self.size = 0

    def append(self, piece: bytes | memoryview) -> None:
        """Take the next bytes.

        Raises
        ------
        LimitExceededError
            If they become too many, or the disk is full.
        """
        self.size += len(piece)
        if self.size > self._most:
            raise LimitExceededError(f"there are more than {self._most} bytes")
        if self._file is None:
            self._memory += piece
            if self.size <= _SPILLED_FROM:
                return
            self._file = _unnamed(self._room)
            # Never more than half of what is free: other programs want to go on too.
            self._most = min(self._most, shutil.disk_usage(tempfile.gettempdir()).free // 2)
            piece, self._memory = bytes(self._memory), bytearray()
        try:
            os.pwrite(self._file.fileno(), piece, self.size - len(piece))
        except OSError as error:
            raise LimitExceededError(f"no room for a temporary file: {error.strerror}") from None

    def finish(self) -> Content:
        """Return what arrived."""
        if self._file is None:
            return Memory(self._memory)
        return File(self._file.fileno(), self._room)


def _cut_short() -> CorruptArtifactError:
    return CorruptArtifactError("the file ends early (it changed while it was read)")


def _unnamed(room: ExitStack) -> BinaryIO:
    try:
        return room.enter_context(tempfile.TemporaryFile(buffering=0))
    except OSError as error:
        raise LimitExceededError(f"no temporary file: {error.strerror}") from None


def _copied(source: File, room: ExitStack) -> File:
    """Copy a file to where nobody else can truncate it; runs of zeros stay holes."""
    target = _unnamed(room)
    try:
        for position in range(0, source.size, _PIECE):
            piece = source.read(position, _PIECE)
            if piece.count(0) != len(piece):
                os.pwrite(target.fileno(), piece, position)
        os.ftruncate(target.fileno(), source.size)
    except OSError as error:
        raise LimitExceededError(f"no room for a temporary file: {error.strerror}") from None
    return File(target.fileno(), room)
