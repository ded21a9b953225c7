# SPDX-License-Identifier: BSD-3-Clause
"""Payloads: serialized model bytes in private memory, and the parts of a pickle payload.

Floor 3.  A pickle payload is three members (docs/spec/format-v1.md, section 6): the opcode stream,
an index, and one member with all out-of-band buffers and columns, each at a multiple of 64 bytes.
A *column* stands for a large dict or list of plain values: it is far smaller and faster than
opcodes, and there is nothing in it to verify but lengths.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from safeserial.errors import CorruptArtifactError
from safeserial.strictjson import Json

STREAM: Final = "payload/model.pickle"
INDEX: Final = "payload/index.bin"
BUFFERS: Final = "payload/buffers.bin"
ALIGNMENT: Final = 64
_MAGIC: Final = b"SSIX0001"
_HEAD: Final = struct.Struct("<8sQQ")
_COLUMN: Final = struct.Struct("<8sQ")
_MAX_PARTS: Final = 2**28
COLUMN_KINDS: Final = {
    # Code in the index: the kinds of the parts ("s" joined UTF-8, "q" int64, "d" float64).
    b"list-s\0\0": "s",
    b"list-q\0\0": "q",
    b"list-d\0\0": "d",
    b"dict-s-s": "ss",
    b"dict-s-q": "sq",
    b"dict-s-d": "sd",
    b"dict-q-s": "qs",
    b"dict-q-q": "qq",
    b"dict-q-d": "qd",
}


@dataclass(frozen=True)
class Payload:
    """Serialized model bytes, not yet admitted by any verifier.

    Parameters
    ----------
    format : str
        Name of the codec.
    options : mapping
        What the codec needs to know to decode.
    members : mapping of str to memoryview
        Path to bytes; private, writable memory.
    signed : bool
        Whether a signature that the policy accepts covers every byte.
    """

    format: str
    options: Mapping[str, Json]
    members: Mapping[str, memoryview]
    signed: bool


@dataclass(frozen=True)
class Column:
    """A large container of plain values outside the opcode stream.

    Parameters
    ----------
    kind : bytes
        A key of `COLUMN_KINDS`.
    count : int
        Number of elements.
    parts : tuple of memoryview
        One for a list; keys, then values, for a dict.
    """

    kind: bytes
    count: int
    parts: tuple[memoryview, ...] = field(repr=False)


def aligned(position: int) -> int:
    """Return the next multiple of 64 at or after `position`."""
    return -(-position // ALIGNMENT) * ALIGNMENT


def pack_index(lengths: Sequence[int], columns: Sequence[tuple[bytes, int]]) -> bytes:
    """Return the index member.

    Parameters
    ----------
    lengths : sequence of int
        Bytes of each part: out-of-band buffers in stream order, then the columns' parts.
    columns : sequence of (bytes, int)
        Kind and element count of each column, in the order of their persistent ids.

    Returns
    -------
    bytes
        Magic, two counts, the lengths, the columns; little-endian.
    """
    return b"".join(
        (
            _HEAD.pack(_MAGIC, len(lengths), len(columns)),
            struct.pack(f"<{len(lengths)}Q", *lengths),
            *(_COLUMN.pack(kind, count) for kind, count in columns),
        )
    )


def unpack_index(
    index: memoryview, data: memoryview
) -> tuple[tuple[memoryview, ...], tuple[Column, ...]]:
    """Cut the buffers member into out-of-band buffers and columns.

    Parameters
    ----------
    index : memoryview
        The index member.
    data : memoryview
        The buffers member.

    Returns
    -------
    buffers : tuple of memoryview
        In the order the stream asks for them.
    columns : tuple of Column
        In the order of their persistent ids.

    Raises
    ------
    CorruptArtifactError
        If the index does not account for exactly the bytes of `data`.
    """
    if len(index) < _HEAD.size:
        raise CorruptArtifactError("the payload's index is cut short")
    magic, part_count, column_count = _HEAD.unpack_from(index)
    size = _HEAD.size + 8 * part_count + _COLUMN.size * column_count
    if magic != _MAGIC or max(part_count, column_count) > _MAX_PARTS or len(index) != size:
        raise CorruptArtifactError("the payload's index has another form")
    parts, position = [], 0
    for length in struct.unpack_from(f"<{part_count}Q", index, _HEAD.size):
        start = aligned(position)
        position = start + length
        parts.append(data[start:position])
    if position != len(data):
        raise CorruptArtifactError("the payload's index does not fit its buffers")
    columns: list[Column] = []
    taken = part_count
    records = list(_COLUMN.iter_unpack(index[_HEAD.size + 8 * part_count :]))
    for kind, count in reversed(records):
        taken -= len(COLUMN_KINDS.get(kind, ""))
        if kind not in COLUMN_KINDS or taken < 0:
            raise CorruptArtifactError("the payload's index names an unknown kind of column")
        columns.append(_column(kind, count, parts[taken : taken + len(COLUMN_KINDS[kind])]))
    return tuple(parts[:taken]), tuple(reversed(columns))


def _column(kind: bytes, count: int, parts: list[memoryview]) -> Column:
    for code, part in zip(COLUMN_KINDS[kind], parts, strict=True):
        fits = len(part) == 8 * count if code in "qd" else len(part) >= count - 1
        if not fits:
            raise CorruptArtifactError("a column's length does not fit its count")
    return Column(kind, count, tuple(parts))
