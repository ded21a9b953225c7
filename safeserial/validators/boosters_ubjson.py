# SPDX-License-Identifier: BSD-3-Clause
"""XGBoost's snapshots as values: UBJSON in the one spelling that XGBoost writes, or JSON.

Floor 5.  XGBoost's own readers take more than its writers write, and differ from other readers in
what they make of it (the same key twice, counts that are not there).  Here only the writer's
spelling is taken, so that there is one reading of it.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from safeserial.errors import InvalidStateError

_MAX_DEPTH: Final = 32
_LENGTH: Final = struct.Struct(">q")
_ARRAYS: Final[dict[int, np.dtype[Any]]] = {
    ord("d"): np.dtype(">f4"),
    ord("D"): np.dtype(">f8"),
    ord("l"): np.dtype(">i4"),
    ord("L"): np.dtype(">i8"),
    ord("I"): np.dtype(">i2"),
    ord("i"): np.dtype("i1"),
    ord("U"): np.dtype("u1"),
}
_SCALARS: Final = {
    ord("i"): struct.Struct(">b"),
    ord("U"): struct.Struct(">B"),
    ord("I"): struct.Struct(">h"),
    ord("l"): struct.Struct(">i"),
    ord("L"): _LENGTH,
    ord("d"): struct.Struct(">f"),
    ord("D"): struct.Struct(">d"),
}
# A string, and whether it is a key.
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"[ \t\r\n]*+(:?)', re.DOTALL)
# XGBoost writes these of control characters, and nothing else.
_UNICODE: Final = re.compile(rb"(?:[^\\]|\\[^u]|\\u00[01][0-9a-fA-F])*+", re.DOTALL)
_CONSTANTS: Final = {ord("T"): True, ord("F"): False, ord("Z"): None}
_OBJECT, _OBJECT_END, _ARRAY, _TYPE, _COUNT, _TEXT, _LONG = b"{}[$#SL"


class NotReadableError(Exception):
    """The bytes are not in the writer's spelling."""


class _Reader:
    """One pass over the bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def value(self, depth: int) -> Any:
        data, position = self.data, self.position
        kind = data[position]
        self.position = position + 1
        if kind == _OBJECT:
            return self._object(depth)
        if kind == _ARRAY:
            return self._array(depth)
        if kind == _TEXT:
            return self._text()
        scalar = _SCALARS.get(kind)
        if scalar is not None:
            (number,) = scalar.unpack_from(data, position + 1)
            self.position = position + 1 + scalar.size
            return number
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        raise NotReadableError(f"an unknown value at byte {position}")

    def _object(self, depth: int) -> dict[str, Any]:
        if depth > _MAX_DEPTH:
            raise NotReadableError("is nested too deep")
        found: dict[str, Any] = {}
        while self.data[self.position] != _OBJECT_END:
            key = self._text()
            if key in found:
                raise NotReadableError(f"the key {key[:40]!r} twice")
            found[key] = self.value(depth + 1)
        self.position += 1
        return found

    def _array(self, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise NotReadableError("is nested too deep")
        data, position = self.data, self.position
        dtype = None
        if data[position] == _TYPE:
            dtype = _ARRAYS.get(data[position + 1])
            if dtype is None:
                raise NotReadableError(f"an array of unknown type at byte {position}")
            position += 2
        if data[position] != _COUNT:
            raise NotReadableError(f"an array without count at byte {position}")
        self.position = position + 1
        count = self._length()
        if dtype is None:
            if count > len(data) - self.position:
                raise NotReadableError("an array longer than the data")
            return [self.value(depth + 1) for _ in range(count)]
        start = self.position
        end = start + count * dtype.itemsize
        if end > len(data):
            raise NotReadableError("an array longer than the data")
        self.position = end
        return np.frombuffer(data, dtype, count, start)

    def _length(self) -> int:
        if self.data[self.position] != _LONG:
            raise NotReadableError(f"an unknown length at byte {self.position}")
        (length,) = _LENGTH.unpack_from(self.data, self.position + 1)
        self.position += 9
        if length < 0:
            raise NotReadableError("a negative length")
        return int(length)

    def _text(self) -> str:
        length = self._length()
        end = self.position + length
        if end > len(self.data):
            raise NotReadableError("a text longer than the data")
        text = str(self.data[self.position : end], "utf-8")
        self.position = end
        return text


def read(data: bytes, refuse: Callable[[str], Any]) -> dict[str, Any]:
    """Read a snapshot.

    Parameters
    ----------
    data : bytes
        As XGBoost serializes a booster.
    refuse : callable
        Takes what is wrong, and raises.

    Returns
    -------
    dict
        Typed arrays of UBJSON are NumPy arrays, everything else is what JSON has.
    """
    found: Any = None
    if data[:2] in (b"{}", b"{L") or not data.startswith(b'{"'):
        reader = _Reader(data)
        try:
            found = reader.value(0)
        except (NotReadableError, IndexError, struct.error, UnicodeDecodeError) as error:
            refuse(f"cannot be read ({error})"[:200])
        if reader.position != len(data):
            refuse("goes on behind its end")
    else:
        try:
            found = json.loads(str(data, "utf-8"), object_pairs_hook=_no_key_twice)
            _check_escapes(data)
        except (NotReadableError, ValueError, RecursionError) as error:
            refuse(f"cannot be read ({error})"[:200])
    if not isinstance(found, dict):
        raise InvalidStateError("a booster's snapshot is no object")
    return found


def _check_escapes(data: bytes) -> None:
    """Refuse escapes that XGBoost does not decode: it would read another name than is read here."""
    if b"\\" not in data:
        return
    for string in _STRING.finditer(data):
        if b"\\" in string[0] and (string[1] or not _UNICODE.fullmatch(string[0])):
            raise NotReadableError(f"an escape in the string at byte {string.start()}")


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotReadableError("a key twice")
    return found
