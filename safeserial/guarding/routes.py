# SPDX-License-Identifier: BSD-3-Clause
"""Functions that stand in the place of those of pickle, joblib, NumPy and pandas under a guard.

Floor 7.  With no guard open, and for a process pool's own traffic, each does what the original
does: a module that was imported meanwhile may keep one for ever.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

from safeserial.codecs import doors
from safeserial.codecs.doors import Libraries
from safeserial.errors import CorruptArtifactError, PolicyError, SafeSerialError
from safeserial.guarding import routing, rules
from safeserial.guarding.reading import Stream, name_of
from safeserial.guarding.routing import Request
from safeserial.guarding.rules import Rules
from safeserial.payload import Payload
from safeserial.policy import Policy
from safeserial.verifier.prefix import end_of_pickle

Function = Callable[..., Any]


@functools.wraps(doors.LOAD)
def load(file: Any, *, encoding: str = "ASCII", buffers: Any = (), **others: Any) -> Any:
    """Stand for ``pickle.load``."""
    given = routing.chosen()
    if given is None or not hasattr(file, "read") or not hasattr(file, "readline"):
        return doors.LOAD(file, encoding=encoding, buffers=buffers, **others)
    stream = Stream(file, given.policy.limits)

    def take(request: Request, _: Policy) -> Payload:
        routing.check_arguments(encoding, buffers)
        return routing.one_pickle(request, stream)

    def original() -> Any:
        return doors.LOAD(stream.again(), encoding=encoding, buffers=buffers, **others)

    return routing.route(given, Request("pickle.load", take, original, name_of(file)))


@functools.wraps(doors.LOADS)
def loads(data: Any, /, *, encoding: str = "ASCII", buffers: Any = (), **others: Any) -> Any:
    """Stand for ``pickle.loads``."""
    given = routing.chosen()
    if given is None:
        return doors.LOADS(data, encoding=encoding, buffers=buffers, **others)

    def take(request: Request, _: Policy) -> Payload:
        memory = bytearray(memoryview(data).cast("B"))  # a copy: nobody changes it any more
        request.data = memory
        routing.check_arguments(encoding, buffers)
        # What follows a pickle is no business of pickle.loads.
        end = end_of_pickle(memory, _cut_short(memory))
        return routing.pickle_payload(memoryview(memory)[:end])

    def original() -> Any:
        return doors.LOADS(data, encoding=encoding, buffers=buffers, **others)

    return routing.route(given, Request("pickle.loads", take, original))


def _cut_short(memory: bytearray) -> Callable[[int], None]:
    def more(_: int) -> None:
        if not memory:
            raise EOFError("Ran out of input")
        raise CorruptArtifactError("the pickle stream is cut short")

    return more


def library_functions(libraries: Libraries) -> dict[Function, Function]:
    """Return what stands for each function of a library.

    Parameters
    ----------
    libraries : Libraries
        As they were before.
    """
    found = {
        libraries.joblib_load: _joblib_load(libraries.joblib_load),
        libraries.numpy_load: _numpy_load(libraries.numpy_load, libraries.npz_file),
    }
    if libraries.read_pickle is not None:
        found[libraries.read_pickle] = _read_pickle(libraries.read_pickle)
    return found


def _joblib_load(original: Function) -> Function:
    @functools.wraps(original)
    def load(filename: Any, mmap_mode: str | None = None, *args: Any, **options: Any) -> Any:
        given = routing.chosen()
        if given is None:
            return original(filename, mmap_mode, *args, **options)
        stream = Stream(filename, given.policy.limits) if hasattr(filename, "read") else None

        def take(request: Request, policy: Policy) -> Payload:
            refuse_mapping(mmap_mode)
            if stream is None:
                return routing.whole_file(filename, policy)
            return routing.whole_stream(request, stream, policy)

        def again() -> Any:
            opened = filename if stream is None else stream.again()
            return original(opened, mmap_mode, *args, **options)

        path = name_of(filename) if stream is not None else _path(filename)
        return routing.route(given, Request("joblib.load", take, again, path))

    return load


def refuse_mapping(mode: str | None) -> None:
    """Refuse to map a file into memory.

    Raises
    ------
    PolicyError
        If a mode is given.
    """
    if mode is not None:
        raise PolicyError(
            f"mmap_mode={str(mode)[:20]!r}: a mapped file can change after it was verified",
            hint="load it without mmap_mode under a guard",
        )


def _numpy_load(original: Function, npz_file: type) -> Function:
    guarded_npz = _guarded_npz(npz_file)

    @functools.wraps(original)
    def load(file: Any, *args: Any, **options: Any) -> Any:
        # Its third argument; without it nothing is unpickled.
        allow_pickle = options.get("allow_pickle", args[1] if len(args) > 1 else False)
        given = routing.chosen() if allow_pickle else None
        if given is None:
            return original(file, *args, **options)
        with _door("numpy.load", file):
            try:
                found = original(file, *args, **options)
            except doors.UnpicklingError as error:
                # NumPy's own words for whatever pickle.load raised.
                if isinstance(error.__cause__, SafeSerialError):
                    raise error.__cause__ from None
                raise
        if type(found) is npz_file:
            found.__class__ = guarded_npz
            vars(found)["safeserial_rules"] = given
        return found

    return load


def _guarded_npz(npz_file: type) -> type:
    class NpzFile(npz_file):  # type: ignore[misc]  # known at run time only
        """An archive whose members are read later, perhaps after the guard was closed."""

        safeserial_rules: Rules

        def __getitem__(self, key: str) -> Any:
            mine = self.safeserial_rules
            name = getattr(getattr(self, "zip", None), "filename", None) or ""
            with mine.reopened(mine), _door("numpy.load", name):
                return super().__getitem__(key)

    NpzFile.__qualname__, NpzFile.__module__ = npz_file.__qualname__, npz_file.__module__
    return NpzFile


def _read_pickle(original: Function) -> Function:
    @functools.wraps(original)
    def read_pickle(filepath_or_buffer: Any, *args: Any, **options: Any) -> Any:
        if routing.chosen() is None:
            return original(filepath_or_buffer, *args, **options)
        # pandas opens and decompresses as ever; the pickle.load in it is the routed one.
        with _door("pandas.read_pickle", filepath_or_buffer):
            return original(filepath_or_buffer, *args, **options)

    return read_pickle


@contextlib.contextmanager
def _door(function: str, file: Any) -> Iterator[None]:
    """Name a library function in the records, and give its warnings when it has returned."""
    path = name_of(file) if hasattr(file, "read") else _path(file)
    outermost = rules.door.get() is None
    with rules.through(function, path) as mine:
        yield
    if outermost:
        for said in mine.warnings:
            routing.warn(*said)


def _path(file: Any) -> str:
    try:
        return os.fsdecode(file)
    except TypeError:
        return ""
