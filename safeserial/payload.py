# SPDX-License-Identifier: BSD-3-Clause
"""Payloads: serialized model bytes in private memory, and the parts of a pickle payload.

Floor 3.  A pickle payload is three members (docs/spec/format-v1.md, section 7): the opcode stream,
an index, and one member with the data of all arrays and columns, each part at a multiple of 64
bytes.  An *array part* or a *column* (a large dict or list of plain values) is far smaller and
faster than opcodes, and all there is to verify in it is lengths.
"""

from __future__ import annotations

import itertools
import math
import operator
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from safeserial.dtypes import decode_dtypes, item_size
from safeserial.errors import CorruptArtifactError
from safeserial.rows import MAX_FORM_BYTES, MAX_ROWS, Form, decode_form
from safeserial.strictjson import Json

STREAM: Final = "payload/model.pickle"
INDEX: Final = "payload/index.bin"
BUFFERS: Final = "payload/buffers.bin"
ALIGNMENT: Final = 64
MAX_DIMENSIONS: Final = 32  # of NumPy 1; NumPy 2 has 64
_MAGIC: Final = b"SSIX0001"
_HEAD: Final = struct.Struct("<8sQQQ")
_COLUMN_OBJECT: Final = struct.Struct("<8sQ")
_ARRAY_OBJECT: Final = struct.Struct("<8sIBBH")  # the same 16 bytes, read the other way
_MAX_PARTS: Final = 2**28
ARRAY_KIND: Final = b"ndarray\0"
ROWS_KIND: Final = b"rows\0\0\0\0"
_FORTRAN, _READ_ONLY = 1, 2
# What the flags of an array say of its order and of whether it was writable.
_FLAGS: Final = (("C", True), ("F", True), ("C", False), ("F", False))
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
_WIDTHS: Final = {
    ARRAY_KIND: 1,
    ROWS_KIND: 1,
    **{kind: len(codes) for kind, codes in COLUMN_KINDS.items()},
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


@dataclass(frozen=True)
class Rows:
    """A list of like objects outside the opcode stream.

    Parameters
    ----------
    count : int
        Number of objects.
    inner : int
        0; or the length of the lists that the objects stand in.
    form : Form
        What they have in common, and where the rest is.
    """

    count: int
    inner: int
    form: Form = field(repr=False)


class ArrayPart(NamedTuple):
    """An array outside the opcode stream.

    Parameters
    ----------
    dtype : int
        Position in the payload's list of dtypes.
    shape : tuple of int
        Dimensions; they account for exactly the bytes of the part.
    order : {"C", "F"}
        Memory order.
    writable : bool
        Whether the array was writable.
    data : memoryview
        Its bytes.
    """

    dtype: int
    shape: tuple[int, ...]
    order: str
    writable: bool
    data: memoryview


@dataclass(frozen=True)
class Parts:
    """What the index makes of the data member.

    Parameters
    ----------
    buffers : tuple of memoryview
        Out-of-band buffers in the order the stream asks for them.
    objects : tuple of Column, Rows or ArrayPart
        What each persistent id stands for.
    dtypes : tuple
        Dtypes of the array parts, in the form of :mod:`safeserial.dtypes`.
    """

    buffers: tuple[memoryview, ...] = field(default=(), repr=False)
    objects: tuple[Column | Rows | ArrayPart, ...] = field(default=(), repr=False)
    dtypes: tuple[Json, ...] = ()


def aligned(position: int) -> int:
    """Return the next multiple of 64 at or after `position`."""
    return -(-position // ALIGNMENT) * ALIGNMENT


def column_record(kind: bytes, count: int) -> bytes:
    """Return the index's record of a column or of rows."""
    return _COLUMN_OBJECT.pack(kind, count)


def array_record(dtype: int, dimensions: int, *, fortran: bool, writable: bool) -> bytes:
    """Return the index's record of an array, its dtype given by position."""
    flags = _FORTRAN * fortran | _READ_ONLY * (not writable)
    return _ARRAY_OBJECT.pack(ARRAY_KIND, dtype, dimensions, flags, 0)


def pack_index(
    lengths: Sequence[int],
    objects: Sequence[bytes],
    shapes: Sequence[int],
    dtypes: bytes,
) -> bytes:
    """Return the index member.

    Parameters
    ----------
    lengths : sequence of int
        Bytes of each part: out-of-band buffers in stream order, then the objects' parts.
    objects : sequence of bytes
        Records in the order of their persistent ids.
    shapes : sequence of int
        Dimensions of all arrays, one array after the other.
    dtypes : bytes
        Canonical JSON of the list of dtypes.

    Returns
    -------
    bytes
        Magic, three counts, the three tables, the dtypes; little-endian.
    """
    return b"".join(
        (
            _HEAD.pack(_MAGIC, len(lengths), len(objects), len(shapes)),
            struct.pack(f"<{len(lengths)}Q", *lengths),
            *objects,
            struct.pack(f"<{len(shapes)}Q", *shapes),
            dtypes,
        )
    )


def unpack_index(index: memoryview, data: memoryview) -> Parts:
    """Cut the data member into out-of-band buffers, columns and arrays.

    Parameters
    ----------
    index : memoryview
        The index member.
    data : memoryview
        The data member.

    Returns
    -------
    Parts
        Views of `data`, every length checked.

    Raises
    ------
    CorruptArtifactError
        If the index does not account for exactly the bytes of `data`.
    """
    if len(index) < _HEAD.size:
        raise CorruptArtifactError("the payload's index is cut short")
    magic, part_count, object_count, shape_count = _HEAD.unpack_from(index)
    objects_at = _HEAD.size + 8 * part_count
    shapes_at = objects_at + _COLUMN_OBJECT.size * object_count
    end = shapes_at + 8 * shape_count
    too_many = max(part_count, object_count, shape_count) > _MAX_PARTS
    if magic != _MAGIC or too_many or len(index) < end:
        raise CorruptArtifactError("the payload's index has another form")
    dtypes = decode_dtypes(bytes(index[end:]))
    parts = _cut(struct.unpack_from(f"<{part_count}Q", index, _HEAD.size), data)
    shapes = struct.unpack_from(f"<{shape_count}Q", index, shapes_at)
    table = index[objects_at:shapes_at]
    buffers, objects = _objects(table, parts, shapes, [item_size(one) for one in dtypes])
    return Parts(buffers, objects, dtypes)


def _objects(
    table: memoryview, parts: list[memoryview], shapes: tuple[int, ...], sizes: list[int]
) -> tuple[tuple[memoryview, ...], tuple[Column | Rows | ArrayPart, ...]]:
    records = list(_ARRAY_OBJECT.iter_unpack(table))
    kinds = [record[0] for record in records]
    taken = buffers = len(parts) - sum([_WIDTHS.get(kind, 0) for kind in kinds])
    if taken < 0:
        raise CorruptArtifactError("the payload's index names more objects than it has parts")
    others: list[tuple[int, Column | Rows]] = []
    beside: list[memoryview] = []
    for number in [at for at, kind in enumerate(kinds) if kind != ARRAY_KIND]:
        # All objects between the last one and this are arrays, of one part each.
        before = number - len(others) - len(beside)
        beside += parts[taken : taken + before]
        taken += before
        width = _WIDTHS.get(kinds[number], 0)
        _, count = _COLUMN_OBJECT.unpack_from(table, number * _COLUMN_OBJECT.size)
        others.append((number, _other(kinds[number], count, parts[taken : taken + width], number)))
        taken += width
    beside += parts[taken:]
    arrays = _arrays([one for one in records if one[0] == ARRAY_KIND], beside, shapes, sizes)
    if not others:
        return tuple(parts[:buffers]), arrays
    objects: list[Column | Rows | ArrayPart] = []
    used = 0
    for number, other in others:
        start, used = used, used + number - len(objects)
        objects += arrays[start:used]
        objects.append(other)
    return tuple(parts[:buffers]), (*objects, *arrays[used:])


def _other(kind: bytes, count: int, parts: list[memoryview], number: int) -> Column | Rows:
    if kind != ROWS_KIND:
        return _column(kind, count, parts)
    form, inner = decode_form(bytes(parts[0][: MAX_FORM_BYTES + 1]), number)
    if not 0 < count <= MAX_ROWS or (inner and count % inner):
        raise CorruptArtifactError("rows have another number of objects")
    return Rows(count, inner, form)


def _arrays(
    records: Sequence[tuple[bytes, int, int, int, int]],
    parts: Sequence[memoryview],
    shapes: tuple[int, ...],
    sizes: Sequence[int],
) -> tuple[ArrayPart, ...]:
    """Return the array parts, checked together: a forest has over a thousand."""
    if not records:
        if shapes:
            raise CorruptArtifactError("the payload's index has shapes that no array needs")
        return ()
    _, dtypes, dimensions, flags, rest = zip(*records, strict=True)
    if (
        max(dtypes) >= len(sizes)
        or max(dimensions) > MAX_DIMENSIONS
        or max(flags) >= len(_FLAGS)
        or any(rest)
    ):
        raise CorruptArtifactError("the payload's index has an array of another form")
    ends = list(itertools.accumulate(dimensions))
    if ends[-1] != len(shapes):
        raise CorruptArtifactError("the payload's index has shapes that no array needs")
    own = [shapes[end - count : end] for end, count in zip(ends, dimensions, strict=True)]
    counts = map(math.prod, own)
    needed = map(operator.mul, counts, [sizes[dtype] for dtype in dtypes])
    found = [part.nbytes for part in parts]
    if list(needed) != found:
        raise CorruptArtifactError("an array's shape does not fit its bytes")
    for shape, size in zip(own, found, strict=True):
        # With a zero among them the others could still be too large for NumPy to multiply.
        if not size and max(shape, default=0) > _MAX_PARTS:
            raise CorruptArtifactError("an array's shape does not fit its bytes")
    orders = [_FLAGS[flag] for flag in flags]
    return tuple(
        tuple.__new__(ArrayPart, (dtype, shape, order, writable, part))
        for dtype, shape, (order, writable), part in zip(dtypes, own, orders, parts, strict=True)
    )


def _cut(lengths: tuple[int, ...], data: memoryview) -> list[memoryview]:
    parts, position, size = [], 0, len(data)
    for length in lengths:
        start = -(-position // ALIGNMENT) * ALIGNMENT
        position = start + length
        if position > size:
            break
        parts.append(data[start:position])
    if position != size:
        raise CorruptArtifactError("the payload's index does not fit its data")
    return parts


def _column(kind: bytes, count: int, parts: list[memoryview]) -> Column:
    if kind not in COLUMN_KINDS:
        raise CorruptArtifactError("the payload's index names an unknown kind of object")
    for code, part in zip(COLUMN_KINDS[kind], parts, strict=True):
        fits = len(part) == 8 * count if code in "qd" else len(part) >= count - 1
        if not fits:
            raise CorruptArtifactError("a column's length does not fit its count")
    return Column(kind, count, tuple(parts))
