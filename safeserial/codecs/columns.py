# SPDX-License-Identifier: BSD-3-Clause
"""Columns: large dicts and lists of plain values, written beside the opcodes instead of as opcodes.

Floor 5.  A vocabulary of 500,000 words is 1.5 million opcodes as a pickled dict, and two joined
arrays as a column: half the time to write, nothing to verify but lengths.  The layout is in
docs/spec/format-v1.md, section 6.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Sequence
from typing import Any, Final

from safeserial.errors import InvalidStateError
from safeserial.payload import COLUMN_KINDS, Column

MIN_LENGTH: Final = 1000
_SEPARATOR: Final = "\0"
_BYTE_SWAPPED: Final = sys.byteorder == "big"
_CODES: Final = {str: "s", int: "q", float: "d"}


class ColumnWriter:
    """Takes containers out of a pickle while it is written.

    Attributes
    ----------
    kinds : list of (bytes, int)
        Kind and length of each column so far.
    parts : list of memoryview
        Their data.
    """

    def __init__(self) -> None:
        self.kinds: list[tuple[bytes, int]] = []
        self.parts: list[memoryview] = []
        self._seen: dict[int, tuple[int | None, Any]] = {}

    def offer(self, container: dict[Any, Any] | list[Any]) -> int | None:
        """Return the column index of `container`, None if it has to be pickled.

        The container is kept alive, so that its identity stays its own until the pickle is done.
        """
        known = self._seen.get(id(container))
        if known is not None:
            return known[0]
        index = self._write(container)
        self._seen[id(container)] = (index, container)
        return index

    def _write(self, container: dict[Any, Any] | list[Any]) -> int | None:
        if type(container) is dict:
            sequences: list[Sequence[Any]] = [list(container), list(container.values())]
            name = "dict"
        else:
            sequences, name = [container], "list"
        codes: list[str] = []
        parts: list[memoryview] = []
        for sequence in sequences:
            coded = _encode(sequence)
            if coded is None:
                return None
            codes.append(coded[0])
            parts.append(coded[1])
        kind = "-".join([name, *codes]).encode("ascii").ljust(8, b"\0")
        if kind not in COLUMN_KINDS:
            return None
        self.kinds.append((kind, len(container)))
        self.parts.extend(parts)
        return len(self.kinds) - 1


def _encode(sequence: Sequence[Any]) -> tuple[str, memoryview] | None:
    types = set(map(type, sequence))
    code = _CODES.get(types.pop()) if len(types) == 1 else None
    if code == "s":
        joined = _SEPARATOR.join(sequence)
        try:
            data = joined.encode("utf-8")
        except UnicodeEncodeError:  # a lone surrogate
            return None
        return (code, memoryview(data)) if joined.count(_SEPARATOR) == len(sequence) - 1 else None
    if code is None:
        return None
    try:
        numbers = array.array(code, sequence)
    except OverflowError:
        return None
    if _BYTE_SWAPPED:
        numbers.byteswap()
    return code, memoryview(numbers).cast("B")


def build(column: Column) -> dict[Any, Any] | list[Any]:
    """Return the container of a column.

    Raises
    ------
    InvalidStateError
        If the data does not have the length the index gives, or is not UTF-8.
    """
    codes = COLUMN_KINDS[column.kind]
    values = [_decode(*pair) for pair in zip(codes, column.parts, strict=True)]
    if any(len(one) != column.count for one in values):
        raise InvalidStateError("a column has another number of values than its index says")
    if len(values) == 1:
        return values[0]
    table = dict(zip(*values, strict=True))
    if len(table) != column.count:
        raise InvalidStateError("a column of a dict has the same key twice")
    return table


def _decode(code: str, part: memoryview) -> list[Any]:
    if code == "s":
        try:
            return str(part, "utf-8").split(_SEPARATOR)
        except UnicodeDecodeError:
            raise InvalidStateError("a column of text is not UTF-8") from None
    numbers = part.cast(code)
    if _BYTE_SWAPPED:
        swapped = array.array(code, numbers)
        swapped.byteswap()
        return swapped.tolist()
    return numbers.tolist()
