# SPDX-License-Identifier: BSD-3-Clause
"""FlatBuffers, as far as CatBoost's models need them: tables by slot, vectors, no wild offset.

Floor 5.  Offsets may point at the same data many times over, so the reader counts what it hands
out: a reader that copies, as CatBoost's does, would need as much memory.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np

from safeserial.validators.asking import Array

_U16: Final = struct.Struct("<H")
_U32: Final = struct.Struct("<I")
_I32: Final = struct.Struct("<i")
_SPARE: Final = 2**20


class NotReadableError(Exception):
    """An offset or a length leaves the buffer."""


class Buffer:
    """One FlatBuffer.

    Parameters
    ----------
    data : bytes-like
        All of it.
    """

    def __init__(self, data: memoryview | bytes) -> None:
        self.data = memoryview(data)
        self._budget = 16 * len(self.data) + _SPARE

    def root(self) -> Table:
        """Return the root table."""
        return Table(self, self.number(_U32, 0))

    def number(self, form: struct.Struct, position: int) -> Any:
        """Return a number at a position."""
        if not 0 <= position <= len(self.data) - form.size:
            raise NotReadableError("an offset leaves the buffer")
        return form.unpack_from(self.data, position)[0]

    def span(self, position: int, size: int) -> memoryview:
        """Return bytes at a position."""
        self._budget -= size + 8
        if position < 0 or size > len(self.data) - position or self._budget < 0:
            raise NotReadableError("a vector leaves the buffer, or is used too often")
        return self.data[position : position + size]


class Table:
    """One table.

    Parameters
    ----------
    buffer : Buffer
        Where it lies.
    position : int
        Of the table.
    """

    def __init__(self, buffer: Buffer, position: int) -> None:
        self._buffer, self._position = buffer, position
        self._slots = position - buffer.number(_I32, position)
        self._end = buffer.number(_U16, self._slots)
        buffer.span(self._slots, self._end)

    def _field(self, slot: int) -> int:
        """Return the position of a field, 0 where it is not given."""
        where = 4 + 2 * slot
        if where + 2 > self._end:
            return 0
        offset = self._buffer.number(_U16, self._slots + where)
        return self._position + offset if offset else 0

    def _target(self, slot: int) -> int:
        field = self._field(slot)
        return field + self._buffer.number(_U32, field) if field else 0

    def number(self, slot: int, form: str, default: float) -> Any:
        """Return a number, `form` as in :mod:`struct`."""
        field = self._field(slot)
        return self._buffer.number(struct.Struct("<" + form), field) if field else default

    def has(self, slot: int) -> bool:
        """Say whether a field is given."""
        return self._field(slot) != 0

    def table(self, slot: int) -> Table:
        """Return a table that must be there."""
        target = self._target(slot)
        if not target:
            raise NotReadableError("a table is missing")
        return Table(self._buffer, target)

    def array(self, slot: int, dtype: str) -> Array:
        """Return a vector of numbers, empty where it is not given."""
        target = self._target(slot)
        kind = np.dtype(dtype)
        if not target:
            return np.zeros(0, kind)
        count = self._buffer.number(_U32, target)
        data = self._buffer.span(target + 4, count * kind.itemsize)
        return np.frombuffer(data, kind)

    def text(self, slot: int) -> str:
        """Return a string, ``""`` where it is not given."""
        try:
            return str(self.array(slot, "u1").tobytes(), "utf-8")
        except UnicodeDecodeError:
            raise NotReadableError("a text is not UTF-8") from None

    def tables(self, slot: int) -> list[Table]:
        """Return a vector of tables."""
        start = self._target(slot) + 4
        offsets = self.array(slot, "<u4").tolist()
        return [
            Table(self._buffer, start + 4 * index + offset) for index, offset in enumerate(offsets)
        ]

    def texts(self, slot: int) -> list[str]:
        """Return a vector of strings."""
        start = self._target(slot) + 4
        found = []
        for index, offset in enumerate(self.array(slot, "<u4").tolist()):
            where = start + 4 * index + offset
            size = self._buffer.number(_U32, where)
            found.append(str(self._buffer.span(where + 4, size), "utf-8", "replace"))
        return found
