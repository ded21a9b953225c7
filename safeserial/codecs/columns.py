# SPDX-License-Identifier: BSD-3-Clause
"""Columns: large dicts and lists of plain values, written beside the opcodes instead of as opcodes.

Floor 5.  A vocabulary of 500,000 words is 1.5 million opcodes as a pickled dict, and two joined
arrays as a column: half the time to write, nothing to verify but lengths.  The layout is in
docs/spec/format-v1.md, section 7.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Sequence
from typing import Any, Final

from safeserial.errors import InvalidStateError
from safeserial.payload import COLUMN_KINDS, Column, column_record

MIN_LENGTH: Final = 1000
_SEPARATOR: Final = "\0"
_BYTE_SWAPPED: Final = sys.byteorder == "big"
_CODES: Final = {str: "s", int: "q", float: "d"}


def describe(
    container: dict[Any, Any] | list[Any],
) -> tuple[bytes, list[memoryview]] | None:
    """Return record and data of a container, None if it has to be pickled."""
    if type(container) is dict:
        name = "dict"
        sequences: list[Sequence[Any]] = [list(container), list(container.values())]
    else:
        name = "list"
        sequences = [list(container)]
    codes: list[str] = []
    parts: list[memoryview] = []
    for sequence in sequences:
        coded = _encode(sequence)
        if coded is None:
            return None
        codes.append(coded[0])
        parts.append(coded[1])
    kind = "-".join([name, *codes]).encode("ascii").ljust(8, b"\0")
    return (column_record(kind, len(container)), parts) if kind in COLUMN_KINDS else None


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
    numbers = array.array(code)
    numbers.frombytes(part)
    if _BYTE_SWAPPED:
        numbers.byteswap()
    return numbers.tolist()
