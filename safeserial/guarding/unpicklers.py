# SPDX-License-Identifier: BSD-3-Clause
"""Unpickler classes under a guard: the one in C, those made from it earlier, and Python's.

Floor 7.  A subclass that overrides ``find_class`` keeps it as a second restriction: it is asked for
each name that the verifier admitted, before anything is built, and may refuse.  It may not give
something else, and ``persistent_load`` is never called: a stream with persistent ids is refused.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any, Final

from safeserial.codecs import doors
from safeserial.errors import ForbiddenOperationError, PolicyError
from safeserial.guarding import routing
from safeserial.guarding.reading import Chain, Stream, name_of
from safeserial.guarding.routes import refuse_mapping
from safeserial.guarding.routing import Names, Request
from safeserial.guarding.rules import Rules
from safeserial.payload import Payload
from safeserial.policy import Policy

_FILE: Final = "_safeserial_file"


class Unpickler(doors.UNPICKLER):  # type: ignore[misc]  # C's, or Python's where there is none
    """Stands for ``pickle.Unpickler`` while a guard is open; does what that does afterwards."""

    def __init__(self, file: Any, **options: Any) -> None:
        super().__init__(file, **options)
        self._safeserial_file = file
        self._safeserial_options = options
        self._safeserial_names: Names = {}

    def load(self) -> Any:
        """Return the next object of the file, verified."""
        given = routing.chosen()
        if given is None:
            return super().load()
        options = self._safeserial_options
        stream = Stream(self._safeserial_file, given.policy.limits)

        def take(request: Request, _: Policy) -> Payload:
            routing.check_arguments(options.get("encoding", "ASCII"), options.get("buffers"))
            return routing.one_pickle(request, stream)

        def original() -> Any:
            again = stream.again()
            if again is not stream.file:
                super(Unpickler, self).__init__(again, **options)
                self._safeserial_file = again
            return super(Unpickler, self).load()

        def restrict(names: Names) -> None:
            self._safeserial_names = names
            try:
                _ask(self, names)
            finally:
                self._safeserial_names = {}

        return _route(given, stream, take, original, restrict)

    def find_class(self, module: str, name: str, /) -> Any:
        """Return what a name stands for; while a stream is being verified, what it has verified."""
        resolved = self._safeserial_names.get((module, name))
        if resolved is None:
            return super().find_class(module, name)
        return doors.find_object(resolved)


for _attribute in ("__module__", "__name__", "__qualname__"):  # pickled as what it stands for
    setattr(Unpickler, _attribute, getattr(doors.UNPICKLER, _attribute))
_initialise: Final[Callable[..., None]] = doors.UNPICKLER.__init__  # type: ignore[misc]
# Subclasses of the originals that override nothing have the find_class of one of these.
_PLAIN: Final = (doors.UNPICKLER, doors.PYTHON_UNPICKLER, Unpickler)


def _route(
    given: Rules,
    stream: Stream,
    take: Callable[[Request, Policy], Payload],
    original: Callable[[], Any],
    restrict: Callable[[Names], None] | None,
) -> Any:
    path = name_of(stream.file)
    return routing.route(given, Request("pickle.Unpickler", take, original, path, restrict))


def _ask(unpickler: Any, names: Names) -> None:
    """Let an unpickler's own find_class refuse names.

    What was verified is what the name stands for, so nothing else may be built with it.

    Raises
    ------
    ForbiddenOperationError
        If it returns something else.
    """
    own = type(unpickler).find_class
    plain = any(own is one.find_class for one in _PLAIN)  # type: ignore[attr-defined]
    if plain and "find_class" not in getattr(unpickler, "__dict__", ()):
        return
    for written, resolved in names.items():
        if unpickler.find_class(*written) is not doors.find_object(resolved):
            name = ".".join(written)
            raise ForbiddenOperationError(
                f"the unpickler's own find_class returns something else for {name}",
                global_name=name,
                hint="say where names have moved in the [renames] of a policy file",
            )


# -- classes made from C's unpickler before the guard was opened


def remembering(original: Callable[..., None]) -> Callable[..., None]:
    """Return an ``__init__`` that also remembers the file an unpickler reads."""

    @functools.wraps(original)
    def initialise(self: Any, *args: Any, **options: Any) -> None:
        for value in (*args, *options.values()):
            if hasattr(value, "read") and hasattr(value, "readline"):
                with contextlib.suppress(AttributeError):  # a class with slots: refused at load
                    object.__setattr__(self, _FILE, value)
                break
        original(self, *args, **options)

    return initialise


def verifying(cls: type) -> Callable[[Any], Any]:
    """Return the ``load`` of a class that other code made from the C unpickler."""
    before: Callable[[Any], Any] = cls.load  # type: ignore[attr-defined]
    has_its_own = "load" in vars(cls)

    @functools.wraps(before)
    def load(self: Any) -> Any:
        given = routing.chosen()
        if given is None:
            return before(self)
        stream = Stream(getattr(self, _FILE, None), given.policy.limits)

        def take(request: Request, _: Policy) -> Payload:
            if has_its_own:
                raise PolicyError(
                    f"{cls.__module__}.{cls.__qualname__} has a load() of its own",
                    hint="open the guard before the module that defines it is imported",
                )
            if stream.file is None:
                raise PolicyError(
                    "it is not known what this unpickler reads",
                    hint="make it while the guard is open",
                )
            return routing.one_pickle(request, stream)

        def original() -> Any:
            if stream.file is not None and stream.data:
                again = stream.again()
                if again is not stream.file:
                    _initialise(self, again)
                    object.__setattr__(self, _FILE, again)
            return before(self)

        def restrict(names: Names) -> None:
            _ask(self, names)

        return _route(given, stream, take, original, restrict)

    return load


# -- the unpickler written in Python, from which joblib, pandas and dill have made theirs


def python_load(numpy_unpickler: type) -> Callable[[Any], Any]:
    """Return the ``load`` that stands for that of ``pickle._Unpickler``.

    Parameters
    ----------
    numpy_unpickler : type
        joblib's, whose streams hold arrays and go to the end of the file.
    """

    @functools.wraps(doors.PYTHON_LOAD)
    def load(self: Any) -> Any:
        given = routing.chosen()
        if given is None or not hasattr(self, "_file_read"):
            return doors.PYTHON_LOAD(self)
        stream = Stream(_file_of(self), given.policy.limits)
        joblib = isinstance(self, numpy_unpickler)

        def take(request: Request, policy: Policy) -> Payload:
            routing.check_arguments(self.encoding, self._buffers)
            if joblib:
                refuse_mapping(self.mmap_mode)
                return routing.whole_stream(request, stream, policy)
            return routing.one_pickle(request, stream)

        def original() -> Any:
            again = stream.again()
            if again is not stream.file:
                self._file_read, self._file_readline = again.read, again.readline
                self._file_readinto = again.readinto
                if joblib:
                    self.file_handle = again
            return doors.PYTHON_LOAD(self)

        def restrict(names: Names) -> None:
            start = bytes(stream.data[:2])
            self.proto = start[1] if start[:1] == b"\x80" else 0
            _ask(self, names)

        return _route(given, stream, take, original, restrict)

    return load


def _file_of(unpickler: Any) -> Any:
    """Return the file that Python's unpickler reads: it keeps only the methods."""
    owner = getattr(unpickler._file_read, "__self__", None)  # noqa: SLF001
    if hasattr(owner, "read") and hasattr(owner, "readline"):
        return owner
    return _Methods(unpickler._file_read, unpickler._file_readline)  # noqa: SLF001


class _Methods(Chain):
    """A file of which only two functions are known."""

    def __init__(self, read: Callable[[int], bytes], readline: Callable[[], bytes]) -> None:
        self.read, self.readline = read, readline  # type: ignore[method-assign, assignment]
