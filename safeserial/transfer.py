# SPDX-License-Identifier: BSD-3-Clause
"""Move payload bytes while they are hashed: reading, verifying only, and writing.

Floor 3.  Memory and hash functions each have a speed; large members keep both busy by hashing one
piece on a second thread while the next is read or written (all three release the interpreter lock).
"""

from __future__ import annotations

import mmap
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Final, Self

from safeserial.digests import Hasher, new_hasher
from safeserial.files import BytesSource, FileSource, Source

try:
    from isal.isal_zlib import crc32  # saving large arrays waits for it: three times as fast
except ImportError:
    from zlib import crc32

PIECE: Final = 4 * 2**20
_MAPPED_FROM: Final = 4 * 2**20
# Up to here malloc gives memory that the process has used before, which need not be zeroed again.
_AT_ONCE: Final = 24 * 2**20
_MAPPED_PIECE: Final = 64 * 2**20
_SMALL: Final = 64 * 2**10
_READ_AHEAD: Final = 4
Progress = Callable[[int], None]


def private_memory(size: int) -> memoryview:
    """Return writable memory that no other process sees.

    Parameters
    ----------
    size : int
        Bytes.

    Returns
    -------
    memoryview
        Zeroed; over 4 MiB it is an anonymous mapping in huge pages, which returns to the system
        when the last array in it is gone.

    Raises
    ------
    MemoryError
        If there is not so much.
    """
    if size < _MAPPED_FROM:
        return memoryview(bytearray(size))
    try:
        if hasattr(mmap, "MAP_PRIVATE"):  # the default would be shared with forked processes
            mapping = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        else:
            mapping = mmap.mmap(-1, size)
    except (OSError, OverflowError) as error:
        raise MemoryError(f"cannot reserve {size} bytes") from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        mapping.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(mapping)


class HashingThread:
    """Feed functions of bytes from a second thread, a few pieces behind.

    Parameters
    ----------
    functions : iterable of callable
        Each is given every piece, in order.

    Notes
    -----
    Used as a context manager; leaving it waits for all pieces, and an error in a function comes out
    there.
    """

    def __init__(self, functions: Iterable[Callable[[memoryview], object]]) -> None:
        self._functions = tuple(functions)
        self._pieces: deque[memoryview | None] = deque()
        self._ready = threading.Semaphore(0)
        self._room = threading.Semaphore(_READ_AHEAD)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="safeserial-hash", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def put(self, piece: memoryview) -> None:
        """Queue a piece; waits while too many are queued."""
        self._room.acquire()
        self._pieces.append(piece)
        self._ready.release()

    def __exit__(self, *exception: object) -> None:
        self._pieces.append(None)
        self._ready.release()
        self._thread.join()
        if self._error is not None and exception[0] is None:
            raise self._error

    def _run(self) -> None:
        while True:
            self._ready.acquire()
            piece = self._pieces.popleft()
            if piece is None:
                return
            try:
                if self._error is None:
                    for function in self._functions:
                        function(piece)
            except BaseException as error:  # noqa: BLE001 - carried over to the other thread
                self._error = error
            finally:
                self._room.release()


def take(source: Source, size: int) -> memoryview:
    """Read `size` bytes into writable private memory.

    Raises
    ------
    CorruptArtifactError
        If the source ends early.
    MemoryError
        If there is not so much memory.
    """
    if size <= _AT_ONCE and isinstance(source, FileSource | BytesSource):
        return source.read(size)
    view = private_memory(size)
    source.read_into(view)
    return view


def fetch(source: Source, size: int, algorithm: str, progress: Progress) -> tuple[memoryview, str]:
    """Do as :func:`take`, and also return the digest in hex; parameters as :func:`receive`."""
    if size > _AT_ONCE:
        view = private_memory(size)
        return view, receive(source, view, algorithm, progress)
    view = take(source, size)
    hasher = new_hasher(algorithm, parallel=size > PIECE)
    hasher.update(view)
    progress(size)
    return view, hasher.hexdigest()


def receive(source: Source, view: memoryview, algorithm: str, progress: Progress) -> str:
    """Read ``len(view)`` bytes into `view` and return their digest in hex.

    Parameters
    ----------
    source : Source
        Read forward from where it stands.
    view : memoryview
        Private memory; filled.
    algorithm : {"blake3", "sha256"}
        Digest function.
    progress : callable
        Given the number of bytes after each piece.

    Returns
    -------
    str
        64 hex digits.

    Raises
    ------
    CorruptArtifactError
        If the source ends early.
    """
    hasher = new_hasher(algorithm)
    if len(view) <= PIECE:
        source.read_into(view)
        hasher.update(view)
        progress(len(view))
        return hasher.hexdigest()
    with HashingThread([hasher.update]) as thread:
        for piece in _pieces(view):
            source.read_into(piece)
            thread.put(piece)
            progress(len(piece))
    return hasher.hexdigest()


def mapped(
    source: FileSource, size: int, algorithm: str, progress: Progress, *, writable: bool
) -> tuple[memoryview, str]:
    """Map the next `size` bytes of a file and return them with their digest in hex.

    Parameters
    ----------
    source, size, writable
        As in :meth:`FileSource.map_next`.
    algorithm : {"blake3", "sha256"}
        Digest function; BLAKE3 runs on all cores, since nothing is read meanwhile.
    progress : callable
        Given the number of bytes after each piece.

    Raises
    ------
    UnreadableFileError
        As :meth:`FileSource.map_next`.
    """
    view = source.map_next(size, writable=writable)
    hasher = new_hasher(algorithm, parallel=True)
    for start in range(0, size, _MAPPED_PIECE):
        piece = view[start : start + _MAPPED_PIECE]
        hasher.update(piece)
        progress(len(piece))
    return view, hasher.hexdigest()


def digest_only(source: Source, size: int, algorithm: str, progress: Progress) -> str:
    """Read `size` bytes, keep none, and return their digest in hex; parameters as `receive`."""
    if size <= PIECE:
        return receive(source, memoryview(bytearray(size)), algorithm, progress)
    hasher = new_hasher(algorithm)
    rooms = [memoryview(bytearray(PIECE)) for _ in range(_READ_AHEAD + 2)]
    with HashingThread([hasher.update]) as thread:
        for number, start in enumerate(range(0, size, PIECE)):
            # A room is used again only after the thread has let go of the piece before in it.
            room = rooms[number % len(rooms)][: min(PIECE, size - start)]
            source.read_into(room)
            thread.put(room)
            progress(len(room))
    return hasher.hexdigest()


class Checksums:
    """Size, CRC-32 and digest of a member, computed piece by piece.

    Parameters
    ----------
    algorithm : {"blake3", "sha256"}
        Digest function.
    """

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self.size = 0
        self.crc32 = 0
        self._hasher: Hasher = new_hasher(algorithm)

    def update(self, piece: memoryview) -> None:
        """Take in the next piece."""
        self.size += len(piece)
        self.crc32 = crc32(piece, self.crc32)
        self._hasher.update(piece)

    @property
    def digest(self) -> str:
        """``algorithm:hex``."""
        return f"{self.algorithm}:{self._hasher.hexdigest()}"


def send(
    pieces: Iterable[memoryview], target: BinaryIO, checksums: Checksums, progress: Progress
) -> None:
    """Write `pieces` to `target` while `checksums` takes them in.

    Parameters
    ----------
    pieces : iterable of memoryview
        The member's data in order; must not change meanwhile.
    target : binary file
        Unbuffered; written from where it stands.
    checksums : Checksums
        Complete when the function returns.
    progress : callable
        Given the number of bytes after each piece.

    Raises
    ------
    OSError
        From writing.
    """
    listed = tuple(pieces)
    if sum(map(len, listed)) <= PIECE:
        piece = memoryview(b"".join(listed))
        checksums.update(piece)
        write_all(target, piece)
        progress(len(piece))
        return
    with HashingThread([checksums.update]) as thread:
        for piece in _batches(listed):
            thread.put(piece)
            write_all(target, piece)
            progress(len(piece))


def write_all(target: BinaryIO, data: bytes | memoryview) -> None:
    """Write every byte; a raw file may take fewer at a time."""
    view = memoryview(data)
    while view:
        view = view[target.write(view) :]


def _batches(pieces: Iterable[memoryview]) -> Iterator[memoryview]:
    """Join small pieces, a forest has thousands of them, and cut large ones."""
    small: list[memoryview] = []
    waiting = 0
    for whole in pieces:
        if len(whole) < _SMALL:
            small.append(whole)
            waiting += len(whole)
        if small and (waiting >= PIECE or len(whole) >= _SMALL):
            yield memoryview(b"".join(small))
            small, waiting = [], 0
        if len(whole) >= _SMALL:
            yield from _pieces(whole)
    if small:
        yield memoryview(b"".join(small))


def _pieces(view: memoryview) -> Iterator[memoryview]:
    for start in range(0, len(view), PIECE):
        yield view[start : start + PIECE]
