# SPDX-License-Identifier: BSD-3-Clause
"""Inspect many files at once, in the order of their paths, in as many processes as pay off.

Floor 7.  Reports come as soon as they and those before them are ready; a folder of any size needs
the memory of a few.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from safeserial.artifact.sniffing import is_artifact
from safeserial.errors import SafeSerialError
from safeserial.files import StrPath, open_regular
from safeserial.inspection.crew import Crew, examine, unknown
from safeserial.inspection.report import Report
from safeserial.inspection.walking import Found, walk
from safeserial.keyring import Keyring
from safeserial.policy import Policy

Progress = Callable[[int, str], None]
_MOST_WORKERS: Final = 16
_WAITING: Final = 8  # files looked ahead for each worker
# Below these, starting processes takes longer than the work: (files, bytes) that pay off.
_WORTH: Final = ((9, 2**20), (256, 0), (2, 2**26))


def inspect_folder(
    path: StrPath,
    *,
    keyring: Keyring | None = None,
    policy: Policy | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    every: bool = False,
) -> Iterator[Report]:
    """Inspect the files of a folder and of the folders in it.

    Parameters
    ----------
    path : str or path-like
        The folder.
    keyring : Keyring, optional
        Checks the signatures of artifacts.  No key is handed to another process.
    policy : Policy, optional
        Decides the verdicts.  Default: :meth:`Policy.default`.
    workers : int, optional
        Processes; 0 for none beside this one.  Default: as many as there are processors if the
        folder is large enough for them.
    progress : callable, optional
        Called with the number of files looked at so far, and the path of the last one.
    every : bool, default=False
        Also report the files that are no models.

    Yields
    ------
    Report
        Sorted by path.  A file that cannot be read, or ends its worker, is ``cannot tell``.

    Notes
    -----
    Workers are started by the *spawn* method of :mod:`multiprocessing`: a script calls this under
    ``if __name__ == "__main__":``.
    """
    yield from inspect_many(
        [path], keyring=keyring, policy=policy, workers=workers, progress=progress, every=every
    )


def inspect_many(
    paths: Iterable[StrPath],
    *,
    keyring: Keyring | None = None,
    policy: Policy | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    every: bool = False,
) -> Iterator[Report]:
    """Inspect files and folders, one after the other (see :func:`inspect_folder`).

    Parameters
    ----------
    paths : iterable of str or path-like
        Files, which are always reported, and folders.
    keyring, policy, workers, progress, every
        As for :func:`inspect_folder`.

    Yields
    ------
    Report
        In the order of `paths`, each folder sorted.
    """
    chosen = Policy.default() if policy is None else policy
    count, files = _staff(_found(paths), workers)
    if count:
        reports = _in_parallel(files, keyring, chosen, count)
    else:
        reports = ((one, _here(one, keyring, chosen)) for one in files)
    for done, (found, report) in enumerate(reports, 1):
        if progress is not None:
            progress(done, found.path)
        if every or found.named or report.verdict != "not a model":
            yield report


def count_files(paths: Iterable[StrPath]) -> int:
    """Count what :func:`inspect_many` will look at."""
    return sum(1 for _ in _found(paths))


def _found(paths: Iterable[StrPath]) -> Iterator[Found]:
    for one in paths:
        path = os.fspath(one)
        try:
            is_folder = os.path.isdir(path)  # noqa: PTH112 - a NUL in the name is no crash
        except ValueError:
            is_folder = False
        if is_folder:
            yield from walk(path)
        else:
            yield Found(path, _size(path), named=True)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - the same
    except (OSError, ValueError):
        return 0


def _staff(files: Iterator[Found], workers: int | None) -> tuple[int, Iterator[Found]]:
    """Decide how many processes to start, having looked at the first files."""
    if workers is not None:
        return max(0, workers), files
    first: list[Found] = []
    size = 0
    for one in files:
        first.append(one)
        size += one.size
        if any(len(first) >= least and size >= enough for least, enough in _WORTH):
            return min(_processors(), _MOST_WORKERS), itertools.chain(first, files)
    return 0, iter(first)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _here(found: Found, keyring: Keyring | None, policy: Policy) -> Report:
    if found.problem is not None:
        return unknown(found.path, found.problem)
    return examine(found.path, keyring, policy)


@dataclass
class _Slot:
    """A file in the queue, and its report when it is there."""

    found: Found
    report: Report | None


class _Queue:
    """Files on their way through the workers, in the order in which they come out again."""

    def __init__(
        self, files: Iterator[Found], keyring: Keyring | None, policy: Policy, crew: Crew
    ) -> None:
        self._files = files
        self._keyring = keyring
        self._policy = policy
        self._crew = crew
        self._slots: deque[_Slot] = deque()
        self._waiting: deque[_Slot] = deque()
        self._handed: dict[str, deque[_Slot]] = {}

    def refill(self, room: int) -> bool:
        """Take in files until there are `room`; say whether there is anything to do."""
        for found in itertools.islice(self._files, max(0, room - len(self._slots))):
            slot = _Slot(found, _at_once(found, self._keyring, self._policy))
            self._slots.append(slot)
            if slot.report is None:
                self._waiting.append(slot)
        return bool(self._slots)

    def hand_out(self) -> None:
        """Give work to whoever is idle."""
        while self._waiting and not self._crew.barren and self._crew.free():
            slot = self._waiting.popleft()
            self._handed.setdefault(slot.found.path, deque()).append(slot)
            self._crew.give(slot.found.path)

    def ready(self) -> Iterator[tuple[Found, Report]]:
        """Yield the finished files at the front."""
        while self._slots and (report := self._slots[0].report) is not None:
            yield self._slots.popleft().found, report

    def wait(self) -> None:
        """Wait until some file is finished, or can be given to somebody else."""
        if self._handed:
            for path, report in self._crew.gather():
                slot = self._handed[path].popleft()
                if not self._handed[path]:
                    del self._handed[path]
                slot.report = report
                if report is None:
                    self._waiting.appendleft(slot)
        elif self._waiting:  # this machine starts no processes
            slot = self._waiting.popleft()
            slot.report = _here(slot.found, self._keyring, self._policy)


def _in_parallel(
    files: Iterator[Found], keyring: Keyring | None, policy: Policy, count: int
) -> Iterator[tuple[Found, Report]]:
    with Crew(count, policy) as crew:
        queue = _Queue(files, keyring, policy, crew)
        while queue.refill(_WAITING * count):
            queue.hand_out()
            yield from queue.ready()
            queue.wait()


def _at_once(found: Found, keyring: Keyring | None, policy: Policy) -> Report | None:
    """Return the report of what is not for workers: what cannot be opened, what needs a key."""
    if found.problem is not None:
        return unknown(found.path, found.problem)
    if keyring is None:
        return None
    try:
        with open_regular(found.path) as source:
            signed = is_artifact(source)
    except (SafeSerialError, OSError):
        return None
    return examine(found.path, keyring, policy) if signed else None
