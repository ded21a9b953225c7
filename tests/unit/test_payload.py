# SPDX-License-Identifier: BSD-3-Clause
"""The index of a pickle payload: it accounts for each byte of the data or is refused."""

from __future__ import annotations

import json
import struct

import pytest

from safeserial.dtypes import decode_dtypes, is_plain, item_size
from safeserial.errors import CorruptArtifactError
from safeserial.payload import (
    COLUMN_KINDS,
    aligned,
    array_record,
    column_record,
    pack_index,
    unpack_index,
)

LIST, TABLE = b"list-q\0\0", b"dict-s-d"
F8 = b'["<f8"]'


def record(dtype: int = 0, dimensions: int = 1, **flags: bool) -> bytes:
    return array_record(dtype, dimensions, **{"fortran": False, "writable": True, **flags})


def laid_out(parts: list[bytes]) -> memoryview:
    data = b""
    for part in parts:
        data = data.ljust(aligned(len(data)), b"\0") + part
    return memoryview(data)


def test_buffers_columns_and_arrays_come_back():
    parts = [b"x" * 100, b"", b"y" * 64, bytes(24), b"a\0b", bytes(16), bytes(48), bytes(8)]
    objects = [
        column_record(LIST, 3),
        column_record(TABLE, 2),
        record(0, 2, fortran=True),
        record(1, 0),
    ]
    dtypes = b'["<f8","|S8"]'
    index = pack_index([len(one) for one in parts], objects, [2, 3], dtypes)
    assert len(index) == 32 + 8 * 8 + 16 * 4 + 8 * 2 + len(dtypes)
    found = unpack_index(memoryview(index), laid_out(parts))
    assert [bytes(one) for one in found.buffers] == parts[:3]
    one, other, array, scalar = found.objects
    assert [(one.kind, one.count), (other.kind, other.count)] == [(LIST, 3), (TABLE, 2)]
    assert [bytes(part) for part in other.parts] == parts[4:6]
    assert (array.shape, array.order, array.dtype, array.writable) == ((2, 3), "F", 0, True)
    assert (scalar.shape, scalar.dtype, bytes(scalar.data)) == ((), 1, bytes(8))
    assert found.dtypes == ("<f8", "|S8")


def test_nothing_is_an_index_too():
    found = unpack_index(memoryview(pack_index([], [], [], b"")), memoryview(b""))
    assert (found.buffers, found.objects, found.dtypes) == ((), (), ())


def test_parts_begin_at_multiples_of_64():
    assert [aligned(one) for one in (0, 1, 63, 64, 65, 128)] == [0, 64, 64, 64, 128, 128]


@pytest.mark.parametrize("kind", COLUMN_KINDS)
def test_every_kind_has_eight_bytes(kind):
    assert len(kind) == 8
    assert len(COLUMN_KINDS[kind]) == kind.rstrip(b"\0").count(b"-")


GOOD = pack_index([8], [], [], b"")


def columns(lengths: list[int], *pairs: tuple[bytes, int]) -> bytes:
    return pack_index(lengths, [column_record(*pair) for pair in pairs], [], b"")


@pytest.mark.parametrize(
    ("index", "size"),
    [
        (b"", 0), (GOOD[:-1], 8), (GOOD + b"\0", 8), (b"SSIX0002" + GOOD[8:], 8), (GOOD, 7), (GOOD,
        9),
        (pack_index([2**64 - 1], [], [], b""), 8), (pack_index([2**64 - 1, 1], [], [], b""), 8),
        (pack_index([5, 5], [], [], b""), 10),
        (struct.pack("<8sQQQ", b"SSIX0001", 2**64 - 1, 0, 0), 0),
        (struct.pack("<8sQQQ", b"SSIX0001", 2**61, 2**60, 0), 0),
        (struct.pack("<8sQQQ", b"SSIX0001", 0, 1, 0), 0),
        (struct.pack("<8sQQQ", b"SSIX0001", 0, 0, 1), 0),
        (columns([], (LIST, 0)), 0), (columns([8], (LIST, 2)), 8), (columns([8], (b"list-x\0\0",
        1)), 8),
        (columns([8], (b"list-q\0x", 1)), 8), (columns([8], (TABLE, 1)), 8),
        (columns([1], (b"list-s\0\0", 3)), 1), (columns([8], (LIST, 2**61)), 8),
        (columns([8], (LIST, 1), (LIST, 1)), 8),
        (pack_index([8], [record()], [2], F8), 8), (pack_index([8], [record()], [], F8), 8),
        (pack_index([8], [record()], [1, 1], F8), 8), (pack_index([8], [record(1)], [1], F8), 8),
        (pack_index([8], [record()], [1], b""), 8), (pack_index([8], [record(0, 33)], [1] * 33,
        F8), 8),
        (pack_index([0], [record(0, 2)], [0, 2**40], F8), 0),
        (pack_index([8], [record()], [2**61 + 1], F8), 8),
        (pack_index([8], [record()[:13] + b"\4\0\0"], [1], F8), 8),
        (pack_index([8], [record()[:14] + b"\1\0"], [1], F8), 8),
        (pack_index([8], [record()], [1], b'["<f8" ]'), 8), (pack_index([8], [record()], [1],
        b"[]"), 8),
        (pack_index([8], [], [], b"null"), 8), (pack_index([8], [], [], b'"<f8"'), 8),
    ],
)  # fmt: skip
def test_what_does_not_add_up_is_refused(index, size):
    with pytest.raises(CorruptArtifactError):
        unpack_index(memoryview(index), memoryview(bytes(size)))


@pytest.mark.parametrize(
    "text",
    ["|O", "O", "<f16", "f8", "=f8", "<i1", "|i2", "<V8", "|S0", "<U", "<M8[0s]", "<M8[01s]",
     "<M8[1s]",
     "<M8[]", "<M8[x]", "<f8\n", "", "i4,i4", "<S5", "<M8[s]x", "<M8[-1s]", "|S99999999", "<c32"],
)  # fmt: skip
def test_dtypes_that_are_not_on_the_list(text):
    assert not is_plain(text)
    with pytest.raises(CorruptArtifactError):
        decode_dtypes(json.dumps([text]).encode())


@pytest.mark.parametrize(
    ("text", "size"),
    [("<f8", 8), ("|b1", 1), (">i2", 2), ("<c16", 16), ("|S5", 5), ("<U3", 12), ("<M8[ns]", 8),
     ("<m8", 8),
     ("<M8[25s]", 8), ("<f2", 2)],
)  # fmt: skip
def test_dtypes_that_are(text, size):
    import numpy as np

    assert decode_dtypes(json.dumps([text]).encode()) == (text,)
    assert item_size(text) == size == np.dtype(text).itemsize
    assert np.dtype(text).str == text


def structure(**changes: object) -> bytes:
    good = {"aligned": False, "fields": [["a", "<i4", 0], ["b", "<f8", 4]], "itemsize": 12}
    return json.dumps([{**good, **changes}], sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "changes",
    [{"itemsize": 11}, {"itemsize": 0}, {"itemsize": 2**24 + 1}, {"itemsize": True}, {"aligned": 0},
     {"fields": []}, {"fields": None}, {"fields": [["a", "<i4"]]}, {"fields": [["", "<i4", 0]]},
     {"fields": [["a", "|O", 0]]}, {"fields": [["a", "<i4", 0], ["a", "<f8", 4]]}, {"more": 1},
     {"fields": [["a", "<i4", 0], ["b", "<f8", 3]]}, {"fields": [["a", "<i4", -1]]},
     {"fields": [["a", ["<i4"], 0]]}, {"fields": [[1, "<i4", 0]]}, {"fields": [["a", "<i4",
     True]]}],
)  # fmt: skip
def test_records_that_lie(changes):
    assert item_size(decode_dtypes(structure())[0]) == 12
    with pytest.raises(CorruptArtifactError):
        decode_dtypes(structure(**changes))
