# SPDX-License-Identifier: BSD-3-Clause
"""Writes hostile streams: picklers that make any name, call and state they are told to.

Both picklers are the ordinary ones, CPython's and joblib's, so that whatever is not told otherwise
is written exactly as an honest file has it.
"""

from __future__ import annotations

import io
import pickle
import struct
from typing import Any

from joblib.numpy_pickle import NumpyPickler


class Name:
    """A global, by module and qualified name; nothing is imported."""

    def __init__(self, module: str, qualname: str) -> None:
        self.module, self.qualname = module, qualname


class Call:
    """REDUCE of a callable with arguments, then perhaps BUILD, once for each state."""

    def __init__(self, function: Any, *arguments: Any, states: tuple[Any, ...] = ()) -> None:
        self.function, self.arguments, self.states = function, arguments, states


class New:
    """NEWOBJ of a class, then perhaps BUILD."""

    def __init__(
        self, cls: Any, *states: Any, arguments: tuple[Any, ...] = (), keywords: Any = None
    ) -> None:
        self.cls, self.states, self.arguments, self.keywords = cls, states, arguments, keywords


class Build:
    """BUILD of a state on whatever stands there."""

    def __init__(self, target: Any, state: Any) -> None:
        self.target, self.state = target, state


class Raw:
    """Opcodes as they are; they leave one value."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts


class _Forging:
    """What both picklers add to their bases."""

    def save(self: Any, obj: Any, *rest: Any, **options: Any) -> None:
        known = self.memo.get(id(obj)) if isinstance(obj, Call | New | Build) else None
        if known is not None:
            self.write(self.get(known[0]))
        elif isinstance(obj, Name):
            self._save_name(obj)
        elif isinstance(obj, Raw):
            for part in obj.parts:
                self.write(part) if isinstance(part, bytes) else self.save(part)
        elif isinstance(obj, Call):
            self.save(obj.function)
            self.save(obj.arguments)
            self.write(b"R")
            self._finish(obj, obj.states)
        elif isinstance(obj, New):
            self.save(obj.cls)
            self.save(obj.arguments)
            if obj.keywords is not None:
                self.save(obj.keywords)
            self.write(b"\x81" if obj.keywords is None else b"\x92")
            self._finish(obj, obj.states)
        elif isinstance(obj, Build):
            self.save(obj.target)
            self.save(obj.state)
            self.write(b"b")
        else:
            super().save(obj, *rest, **options)  # type: ignore[misc]

    def _finish(self: Any, obj: Any, states: tuple[Any, ...]) -> None:
        self.memoize(obj)
        for state in states:
            self.save(state)
            self.write(b"b")

    def _save_name(self: Any, name: Name) -> None:
        if self.proto >= 4:
            for part in (name.module, name.qualname):
                raw = part.encode()
                self.write(b"\x8c" + bytes([len(raw)]) + raw)
            self.write(b"\x93")
        else:
            self.write(b"c" + f"{name.module}\n{name.qualname}\n".encode())


class _Pickler(_Forging, pickle._Pickler):  # type: ignore[misc,name-defined]
    pass


class _JoblibPickler(_Forging, NumpyPickler):  # type: ignore[misc]
    pass


def dumps(value: Any, protocol: int = 4) -> bytes:
    """Return a pickle."""
    file = io.BytesIO()
    _Pickler(file, protocol).dump(value)
    return file.getvalue()


def joblib_dumps(value: Any) -> bytes:
    """Return what ``joblib.dump`` would write, uncompressed."""
    file = io.BytesIO()
    _JoblibPickler(file).dump(value)
    return file.getvalue()


def frame(data: bytes, length: int | None = None) -> bytes:
    """Return a FRAME opcode and its content."""
    return b"\x95" + struct.pack("<Q", len(data) if length is None else length) + data
