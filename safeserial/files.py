# SPDX-License-Identifier: BSD-3-Clause
"""Files from outside, read once and bounded; files of ours, written whole or not at all.

Floor 2.  Reading opens the path one time and keeps the descriptor, so that what was checked is what
is used.  Writing goes to an unnamed file of the same folder (``O_TMPFILE``, see open(2)) that gets
its name only when every byte is on disk: a killed writer leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import errno
import io
import mmap
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from safeserial.errors import (
    CorruptArtifactError,
    LimitExceededError,
    MissingFileError,
    SafeSerialError,
    UnreadableFileError,
    WriteFailedError,
)

_SHOWN = 200
StrPath = str | os.PathLike[str]


class Source(Protocol):
    """Bytes read strictly forward, their number known."""

    @property
    def size(self) -> int:
        """Number of bytes in all."""

    def read_into(self, view: memoryview) -> None:
        """Fill `view` with the next bytes, or raise CorruptArtifactError."""


class FileSource:
    """A regular file, opened once.

    Parameters
    ----------
    stream : io.FileIO
        Unbuffered, at its start.
    size : int
        Its size when it was opened.
    """

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self.size = size

    def facts(self) -> os.stat_result:
        """Return what the system knows of the open file."""
        return os.fstat(self._stream.fileno())

    def fileno(self) -> int:
        """Return the descriptor, which stays this object's own."""
        return self._stream.fileno()

    def peek(self, count: int) -> bytes:
        """Return up to `count` bytes from the start without moving on."""
        return os.pread(self._stream.fileno(), count, 0)

    def read_into(self, view: memoryview) -> None:
        """Fill `view`; a file that shrank meanwhile is refused."""
        done = 0
        while done < len(view):
            count = self._stream.readinto(view[done:])  # type: ignore[attr-defined]
            if not count:
                raise CorruptArtifactError("the file ends early (it changed while it was read)")
            done += count

    def read(self, size: int) -> memoryview:
        """Return the next `size` bytes in writable memory of their own."""
        # The buffer of a BytesIO is the bytes it was given, if nobody else holds them: no copy,
        # and unlike a bytearray nothing that is zeroed first.
        view = io.BytesIO(self._stream.read(size)).getbuffer()
        if len(view) == size:
            return view
        whole = memoryview(bytearray(size))
        whole[: len(view)] = view
        self.read_into(whole[len(view) :])
        return whole

    def map_next(self, size: int, *, writable: bool) -> memoryview:
        """Return the next `size` bytes as a mapping of the file, and move on.

        Parameters
        ----------
        size : int
            Bytes.
        writable : bool
            Whether the mapping may be written to; the file is never changed by that.

        Raises
        ------
        UnreadableFileError
            If others could change the file while it is mapped, or it cannot be mapped.
        """
        facts = self.facts()
        mine = not hasattr(os, "geteuid") or facts.st_uid in (0, os.geteuid())
        if not mine or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UnreadableFileError(
                "others may change this file, after it is verified too: it is not mapped",
                hint="load it without mmap_mode, or make it yours: chmod go-w",
            )
        start = self._stream.tell()
        skipped = start % mmap.ALLOCATIONGRANULARITY
        access = mmap.ACCESS_COPY if writable else mmap.ACCESS_READ
        try:
            mapping = mmap.mmap(
                self._stream.fileno(), size + skipped, access=access, offset=start - skipped
            )
        except (OSError, ValueError, OverflowError) as error:
            raise UnreadableFileError(f"the file cannot be mapped: {error}") from None
        self._stream.seek(start + size)
        return memoryview(mapping)[skipped:]


class BytesSource:
    """Bytes already in memory.

    Parameters
    ----------
    data : bytes-like
        Read, never kept.
    """

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._view = memoryview(data).cast("B")
        self._position = 0
        self.size = len(self._view)

    def read(self, size: int) -> memoryview:
        """Return a writable copy of the next `size` bytes."""
        self._require(size)
        start, self._position = self._position, self._position + size
        return memoryview(bytearray(self._view[start : self._position]))

    def _require(self, size: int) -> None:
        if self._position + size > self.size:
            raise CorruptArtifactError("the data ends early")

    def read_into(self, view: memoryview) -> None:
        """Copy the next ``len(view)`` bytes into `view`."""
        self._require(len(view))
        end = self._position + len(view)
        view[:] = self._view[self._position : end]
        self._position = end


def display(path: StrPath) -> str:
    """Return `path` for an error message: one line, printable, not too long."""
    text = os.fspath(path)
    printable = text if text.isprintable() else ascii(text)
    return printable if len(printable) <= _SHOWN else f"…{printable[-_SHOWN:]}"


@contextlib.contextmanager
def open_regular(path: StrPath) -> Iterator[FileSource]:
    """Open a regular file for one forward read.

    Never blocks: a FIFO or a device is opened without waiting, seen, and refused.

    Raises
    ------
    MissingFileError
        If there is nothing at `path`.
    UnreadableFileError
        If it is no regular file, a symlink loop, or not readable.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise MissingFileError(f"no such file: {display(path)}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UnreadableFileError(f"cannot open {display(path)}: {reason}") from None
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise UnreadableFileError(f"not a regular file: {display(path)}")
    with open(descriptor, "rb", buffering=0) as stream:
        try:
            yield FileSource(stream, facts.st_size)
        except OSError as error:
            if isinstance(error, SafeSerialError):
                raise
            raise UnreadableFileError(f"cannot read {display(path)}: {error.strerror}") from None


def read_small(path: StrPath, *, limit: int, private: bool = False) -> bytes:
    """Read a whole small file (a key, a policy).

    Parameters
    ----------
    path : str or path-like
        A regular file.
    limit : int
        Largest accepted size in bytes.
    private : bool, default=False
        Also refuse a file that others may read or write.

    Returns
    -------
    bytes
        The content.

    Raises
    ------
    UnreadableFileError
        As :func:`open_regular`, and for a private file with open permissions.
    LimitExceededError
        If the file is larger than `limit`.
    """
    with open_regular(path) as source:
        if private:
            require_private(path, source)
        if source.size > limit:
            raise LimitExceededError(f"{display(path)} is larger than {limit} bytes")
        buffer = bytearray(source.size)
        source.read_into(memoryview(buffer))
        return bytes(buffer)


def require_private(path: StrPath, source: FileSource) -> None:
    """Refuse a file that its group or others can read or write, or that another user owns."""
    if os.name != "posix":
        return  # Windows keeps permissions in ACLs, which mode bits do not show
    facts = source.facts()
    if facts.st_mode & 0o077:
        raise UnreadableFileError(
            f"{display(path)} holds secrets and others can read it "
            f"(mode {stat.S_IMODE(facts.st_mode):04o})",
            hint=f"chmod 600 {display(path)}",
        )
    if facts.st_uid not in (os.geteuid(), 0):
        raise UnreadableFileError(f"{display(path)} holds secrets and belongs to another user")


@contextlib.contextmanager
def atomic_write(path: StrPath, *, mode: int | None = None) -> Iterator[BinaryIO]:
    """Write a file so that its path shows the old content or the new, never a part.

    Parameters
    ----------
    path : str or path-like
        Where the file shall stand; symlinks are followed, an old file keeps its permissions.
    mode : int, optional
        Permissions of the new file, whatever stood there before.

    Yields
    ------
    io.FileIO
        Unbuffered, empty, seekable.

    Raises
    ------
    WriteFailedError
        If the folder is missing or read-only, the disk is full, or the target is no regular file.
    """
    try:
        target = Path(os.path.realpath(path))
    except ValueError as error:  # a NUL in the name
        raise WriteFailedError(f"cannot write {display(path)}: {error}") from None
    try:
        mode = _mode_of(target) if mode is None else mode
        with _nameless(target, mode) as (stream, give_name):
            yield stream
            os.fsync(stream.fileno())
            give_name()
        _sync_folder(target.parent)
    except OSError as error:
        if isinstance(error, SafeSerialError):
            raise
        reason = error.strerror or error
        raise WriteFailedError(f"cannot write {display(path)}: {reason}") from error


def _mode_of(target: Path) -> int | None:
    """Return the permissions of the file to be replaced, None where there is none."""
    try:
        facts = target.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(facts.st_mode):
        raise WriteFailedError(
            f"not a regular file: {display(target)}", hint="give the path of a file"
        )
    return stat.S_IMODE(facts.st_mode)


@contextlib.contextmanager
def _nameless(target: Path, mode: int | None) -> Iterator[tuple[BinaryIO, _GiveName]]:
    """Open a file with no name (or, where the file system cannot, with a passing one)."""
    passing = target.parent / f".{target.name[:100]}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    named = False
    try:
        descriptor = os.open(target.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, mode or 0o666)
    except (AttributeError, OSError) as error:
        unsupported = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL)
        if isinstance(error, OSError) and error.errno not in unsupported:
            raise
        create = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_CLOEXEC", 0)
        descriptor = os.open(passing, create, mode or 0o666)
        named = True
    with open(descriptor, "wb", buffering=0) as stream:
        if mode is not None:
            os.chmod(descriptor if os.chmod in os.supports_fd else passing, mode)
        try:
            yield stream, _GiveName(descriptor, passing, target, named=named)
        finally:
            if named:
                passing.unlink(missing_ok=True)


class _GiveName:
    """Put the finished file in its place, in one step where the place is free."""

    def __init__(self, descriptor: int, passing: Path, target: Path, *, named: bool) -> None:
        self._descriptor, self._passing, self._target = descriptor, passing, target
        self._named = named

    def __call__(self) -> None:
        if self._named:
            os.replace(self._passing, self._target)
            return
        try:
            self._link(self._target)
        except FileExistsError:
            # linkat(2) never replaces, so the new file takes a passing name for one rename.
            self._sweep()
            self._link(self._passing)
            try:
                os.replace(self._passing, self._target)
            except BaseException:
                self._passing.unlink(missing_ok=True)
                raise

    def _link(self, name: Path) -> None:
        # CPython calls linkat(2), which alone can follow /proc's link, only when given a dir_fd;
        # beside an absolute path its value is ignored.
        source = f"/proc/self/fd/{self._descriptor}"
        os.link(source, name, src_dir_fd=self._descriptor, follow_symlinks=True)

    def _sweep(self) -> None:
        """Remove what a writer killed between its link and its rename left here."""
        start = f".{self._target.name[:100]}."
        try:
            names = os.listdir(self._target.parent)
        except PermissionError:
            return  # a folder one may write but not list
        for name in names:
            if not (name.startswith(start) and name.endswith(".tmp")):
                continue
            process = name[len(start) :].partition("-")[0]
            if process.isdecimal() and not os.path.exists(f"/proc/{process}"):
                (self._target.parent / name).unlink(missing_ok=True)


@contextlib.contextmanager
def folder_lock(path: StrPath) -> Iterator[None]:
    """Keep other processes that ask for it out of the folder of `path` meanwhile.

    Where the system or the file system has no such locks, nothing is locked.
    """
    try:
        import fcntl

        folder = Path(os.path.realpath(path)).parent
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except (ImportError, OSError, ValueError):  # whoever writes there next will say what is wrong
        yield
        return
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return  # a folder one may write but not list; the file itself stands, and is synced
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
