# SPDX-License-Identifier: BSD-3-Clause
"""Digests of files: one large file while it is read, many files on all cores.

Floor 5.  Hash functions release the interpreter lock, so threads are enough.  Files are read and
never mapped: a mapped file that somebody cuts short ends the process.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from safeserial.detached.tree import Found, Tree, stamp_of
from safeserial.digests import new_hasher
from safeserial.errors import ChangedMeanwhileError, SafeSerialError, UnreadableFileError
from safeserial.files import FileSource, display
from safeserial.transfer import PIECE, HashingThread

_PIECE: Final = 2**20  # stays in a core's own cache
_MOST_THREADS: Final = 8
_PIPED: Final = 16 * 2**20  # from here on, reading and hashing one file at once pays
_ROOMS: Final = 8  # more than HashingThread queues, so that none is filled before it is hashed
Report = Callable[[int], None]
Digests = dict[str, str]  # by algorithm, in hex


class Counter:
    """Adds up what several threads have done, for one progress bar.

    Parameters
    ----------
    progress : callable, optional
        Called with bytes done and bytes in all.
    total : int
        Bytes in all.
    """

    def __init__(self, progress: Callable[[int, int], None] | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self._lock = threading.Lock()

    def __call__(self, count: int) -> None:
        """Take note of `count` further bytes."""
        if self._progress is not None:
            with self._lock:
                self._done += count
                self._progress(self._done, self._total)


def digests(
    tree: Tree, files: Iterable[Found], algorithms: Sequence[str], report: Report
) -> dict[str, Digests]:
    """Return name and digests of files in a folder.

    Parameters
    ----------
    tree : Tree
        The folder.
    files : iterable of Found
        As it was listed.
    algorithms : sequence of str
        At least one.
    report : callable
        Given the number of bytes after each piece; called from several threads.

    Raises
    ------
    ChangedMeanwhileError
        If a file is not the listed one any more, or changes while it is read.
    UnreadableFileError
        If one may not be read.
    """
    ordered = sorted(files, key=lambda one: one.size, reverse=True)  # so that all end together
    found: dict[str, Digests] = {}

    def work(one: Found) -> None:
        found[one.name] = _digest(tree, one, algorithms, report)

    crew = _Crew(ordered, work)
    crew.run(min(len(ordered), os.cpu_count() or 1, _MOST_THREADS))
    return found


class _Crew:
    """Threads that take one file after the other, this one among them."""

    def __init__(self, files: Sequence[Found], work: Callable[[Found], None]) -> None:
        self._todo: Iterator[Found] = iter(files)
        self._work = work
        self._lock = threading.Lock()
        self._error: BaseException | None = None

    def run(self, count: int) -> None:
        threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count - 1)]
        for thread in threads:
            thread.start()
        self._run()
        for thread in threads:
            thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while (one := self._next()) is not None:
                self._work(one)
        except BaseException as error:  # noqa: BLE001 - raised again by `run`
            self._error = self._error or error

    def _next(self) -> Found | None:
        with self._lock:
            return None if self._error is not None else next(self._todo, None)


def _digest(tree: Tree, one: Found, algorithms: Sequence[str], report: Report) -> Digests:
    descriptor = tree.open(one.name)
    with open(descriptor, "rb", buffering=0) as stream:  # noqa: PTH123 - no path any more
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or stamp_of(facts) != one.stamp:
            raise _changed(one.name)
        try:
            value = of_source(FileSource(stream, one.size), algorithms, report)
        except OSError as error:
            if isinstance(error, SafeSerialError):
                raise
            raise UnreadableFileError(f"{display(one.name)}: {error.strerror}") from None
        except SafeSerialError:  # it ended early
            raise _changed(one.name) from None
        if stamp_of(os.fstat(descriptor)) != one.stamp:
            raise _changed(one.name)
    return value


def of_source(source: FileSource, algorithms: Sequence[str], report: Report) -> Digests:
    """Return the digests of all that a source holds.

    Raises
    ------
    CorruptArtifactError
        If it ends early.
    """
    hashers = {algorithm: new_hasher(algorithm) for algorithm in algorithms}
    functions = [one.update for one in hashers.values()]
    if source.size < _PIPED:
        room = memoryview(bytearray(min(_PIECE, source.size)))
        for start in range(0, source.size, _PIECE):
            piece = room[: min(_PIECE, source.size - start)]
            source.read_into(piece)
            for function in functions:
                function(piece)
            report(len(piece))
    else:
        rooms = [memoryview(bytearray(PIECE)) for _ in range(_ROOMS)]
        with HashingThread(functions) as thread:
            for number, start in enumerate(range(0, source.size, PIECE)):
                piece = rooms[number % _ROOMS][: min(PIECE, source.size - start)]
                source.read_into(piece)
                thread.put(piece)
                report(len(piece))
    return {algorithm: one.hexdigest() for algorithm, one in hashers.items()}


def _changed(name: str) -> ChangedMeanwhileError:
    return ChangedMeanwhileError(f"{display(name)} changed while it was read", names=(name,))
