# SPDX-License-Identifier: BSD-3-Clause
"""A folder as a signature sees it: regular files by name, held open, no symlink followed.

Floor 5.  Every file is reached from one descriptor of the folder, part by part, so that nobody can
put another folder in the way between two steps.  Each file's facts are compared before and after it
is read, and the listing once more at the end.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Self

from safeserial.detached import names
from safeserial.detached.statement import MAX_FILES
from safeserial.errors import (
    ChangedMeanwhileError,
    EscapingNameError,
    LimitExceededError,
    MissingFileError,
    SpecialFileError,
    SymlinkError,
    UnreadableFileError,
)
from safeserial.files import StrPath, display

_BY_DESCRIPTOR: Final = os.open in os.supports_dir_fd and os.scandir in os.supports_fd
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_FOLDER: Final = _FLAGS | getattr(os, "O_DIRECTORY", 0)
_FILE: Final = _FLAGS | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_MAX_LEFT_OUT: Final = 2**20  # entries below .git that are looked at
Stamp = tuple[int, ...]
Own = tuple[str, Stamp]  # name in the folder; device and inode


@dataclass(frozen=True)
class Found:
    """A file of the folder.

    Parameters
    ----------
    name : str
        Relative, with ``/``.
    size : int
        In bytes.
    stamp : tuple of int
        Device, inode, size and times: another one means another content.
    """

    name: str
    size: int
    stamp: Stamp


@dataclass(frozen=True)
class Listing:
    """What a folder holds.

    Parameters
    ----------
    files : dict of str to Found
        What a signature covers.
    left_out : dict of str to (Found or None)
        What it does not: top places by name; None for a folder.
    """

    files: dict[str, Found]
    left_out: dict[str, Found | None]


def stamp_of(facts: os.stat_result) -> Stamp:
    """Return what tells two contents of a file apart."""
    return (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


def is_own(name: str, stamp: Stamp, own: Own | None) -> bool:
    """Say whether a file is the one that the signature was read from, under its one name."""
    return own is not None and (name, stamp[:2]) == own


class Tree:
    """A folder, held open; used as a context manager.

    Parameters
    ----------
    path : str or path-like
        A folder.  A symlink to one is followed here, and nowhere below.

    Raises
    ------
    MissingFileError, UnreadableFileError
        If there is none that can be read.
    """

    def __init__(self, path: StrPath) -> None:
        self.path = os.fspath(path)
        try:
            if _BY_DESCRIPTOR:
                self._root = os.open(self.path, _FOLDER & ~getattr(os, "O_NOFOLLOW", 0))
            else:  # Windows: the path is all there is
                os.scandir(self.path).close()
        except FileNotFoundError:
            raise MissingFileError(f"no such folder: {display(path)}") from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise UnreadableFileError(f"cannot open {display(path)}: {reason}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if _BY_DESCRIPTOR:
            os.close(self._root)

    def listing(self, ignored: Iterable[str] = (), own: Own | None = None) -> Listing:
        """List the folder.

        Parameters
        ----------
        ignored : iterable of str
            Places that a signature leaves out.
        own : (str, (int, int)), optional
            The signature's own file, which it cannot cover: name, device and inode.

        Raises
        ------
        SymlinkError, SpecialFileError, EscapingNameError, CaseCollisionError
            If something is there that no signature can describe.
        LimitExceededError
            If there are too many files, or they are too deep.
        UnreadableFileError
            If a folder cannot be read.
        """
        places = frozenset(ignored)
        found = Listing({}, {})
        for name, facts in self._walk("", lambda name: name not in places):
            if name in places or is_own(name, stamp_of(facts), own):
                is_folder = stat.S_ISDIR(facts.st_mode)
                found.left_out[name] = None if is_folder else _found(name, facts)
                continue
            if not stat.S_ISDIR(facts.st_mode):
                _check_kind(name, facts)
                names.check(name)
                found.files[name] = _found(name, facts)
            if len(found.files) > MAX_FILES:
                raise LimitExceededError(f"the folder has more than {MAX_FILES} files")
        names.check_collisions(found.files)
        return found

    def below(self, place: str) -> Iterator[tuple[str, os.stat_result]]:
        """Yield name and facts of everything at or below a place that is left out."""
        try:
            if _BY_DESCRIPTOR:
                facts = os.stat(place, dir_fd=self._root, follow_symlinks=False)
            else:
                facts = os.stat(self._place(place), follow_symlinks=False)
        except OSError:
            raise ChangedMeanwhileError(f"{place} went away meanwhile", names=(place,)) from None
        yield place, facts
        if stat.S_ISDIR(facts.st_mode):
            for count, one in enumerate(self._walk(place, lambda _name: True)):
                if count >= _MAX_LEFT_OUT:
                    raise LimitExceededError(f"{place} has more than {_MAX_LEFT_OUT} entries")
                yield one

    def open(self, name: str) -> int:
        """Open a file for reading, following nothing on the way.

        Returns
        -------
        int
            A descriptor, the caller's to close.

        Raises
        ------
        ChangedMeanwhileError
            If it is not there any more, or something else is.
        UnreadableFileError
            If it may not be read.
        """
        try:
            return self._open(name, _FILE)
        except PermissionError:
            raise UnreadableFileError(f"may not read {display(name)}") from None
        except OSError:
            raise ChangedMeanwhileError(
                f"{display(name)} was replaced while the folder was read", names=(name,)
            ) from None

    def _open(self, name: str, flags: int) -> int:
        if not _BY_DESCRIPTOR:
            return os.open(os.path.join(self.path, *name.split("/")), flags)
        *folders, last = name.split("/")
        here = self._root
        try:
            for folder in folders:
                below = os.open(folder, _FOLDER, dir_fd=here)
                if here != self._root:
                    os.close(here)
                here = below
            return os.open(last, flags, dir_fd=here)
        finally:
            if here != self._root:
                os.close(here)

    def _walk(
        self, start: str, enters: Callable[[str], bool]
    ) -> Iterator[tuple[str, os.stat_result]]:
        """Yield everything below a place, folders before what is in them, in order of names."""
        waiting = [start]
        while waiting:
            folder = waiting.pop()
            if folder.count("/") >= names.MAX_PARTS:
                raise LimitExceededError(f"folders are nested deeper than {names.MAX_PARTS} levels")
            inner = []
            for entry, facts in self._entries(folder):
                name = f"{folder}/{entry}" if folder else entry
                yield name, facts
                if stat.S_ISDIR(facts.st_mode) and enters(name):
                    inner.append(name)
            waiting += reversed(inner)

    def _entries(self, folder: str) -> list[tuple[str, os.stat_result]]:
        if not _BY_DESCRIPTOR:
            with os.scandir(self._place(folder)) as entries:
                return sorted(map(_facts, entries), key=lambda one: one[0])
        descriptor = self._open_folder(folder) if folder else os.dup(self._root)
        try:
            with os.scandir(descriptor) as entries:
                return sorted(map(_facts, entries), key=lambda one: one[0])
        finally:
            os.close(descriptor)

    def _open_folder(self, folder: str) -> int:
        try:
            return self._open(folder, _FOLDER)
        except PermissionError:
            raise UnreadableFileError(f"may not read the folder {display(folder)}") from None
        except OSError:
            raise ChangedMeanwhileError(
                f"{display(folder)} was replaced while it was read", names=(folder,)
            ) from None

    def _place(self, folder: str) -> str:
        return os.path.join(self.path, *folder.split("/"))


def _facts(entry: os.DirEntry[str]) -> tuple[str, os.stat_result]:
    try:
        return entry.name, entry.stat(follow_symlinks=False)
    except OSError:
        raise ChangedMeanwhileError(
            f"{display(entry.name)} went away while the folder was read", names=(entry.name,)
        ) from None


def _found(name: str, facts: os.stat_result) -> Found:
    return Found(name, facts.st_size, stamp_of(facts))


def _check_kind(name: str, facts: os.stat_result) -> None:
    shown = display(name)
    if stat.S_ISLNK(facts.st_mode):
        raise SymlinkError(f"there is a symlink in the folder: {shown}", names=(name,))
    if not stat.S_ISREG(facts.st_mode):
        raise SpecialFileError(f"there is something else than a file: {shown}", names=(name,))


def relative(path: StrPath, folder: StrPath) -> str | None:
    """Return the name of a path below a folder, None where it is elsewhere.

    Raises
    ------
    EscapingNameError
        If that is no name that a signature can hold.
    """
    place = os.path.realpath(os.path.dirname(os.path.abspath(path)))
    whole, root = os.path.join(place, os.path.basename(path)), os.path.realpath(folder)
    try:
        if os.path.commonpath([whole, root]) != root or whole == root:
            return None
    except ValueError:  # another drive
        return None
    name = os.path.relpath(whole, root).replace(os.sep, "/")
    try:
        names.check(name)
    except EscapingNameError as error:
        raise EscapingNameError(f"the signature's own name: {error}") from None
    return name
