# SPDX-License-Identifier: BSD-3-Clause
"""The index of a pickle payload: it accounts for each byte of the buffers or is refused."""

from __future__ import annotations

import struct

import pytest
from safeserial.errors import CorruptArtifactError
from safeserial.payload import COLUMN_KINDS, aligned, pack_index, unpack_index

LIST, TABLE = b"list-q\0\0", b"dict-s-d"


def laid_out(parts: list[bytes]) -> memoryview:
    data = b""
    for part in parts:
        data = data.ljust(aligned(len(data)), b"\0") + part
    return memoryview(data)


def test_buffers_and_columns_come_back():
    parts = [b"x" * 100, b"", b"y" * 64, bytes(24), b"a\0b", bytes(16)]
    index = pack_index([len(one) for one in parts], [(LIST, 3), (TABLE, 2)])
    assert len(index) == 24 + 8 * 6 + 16 * 2
    buffers, columns = unpack_index(memoryview(index), laid_out(parts))
    assert [bytes(one) for one in buffers] == parts[:3]
    assert [(one.kind, one.count) for one in columns] == [(LIST, 3), (TABLE, 2)]
    assert [bytes(part) for part in columns[1].parts] == parts[4:]


def test_nothing_is_an_index_too():
    assert unpack_index(memoryview(pack_index([], [])), memoryview(b"")) == ((), ())


def test_parts_begin_at_multiples_of_64():
    assert [aligned(one) for one in (0, 1, 63, 64, 65, 128)] == [0, 64, 64, 64, 128, 128]


@pytest.mark.parametrize("kind", COLUMN_KINDS)
def test_every_kind_has_eight_bytes(kind):
    assert len(kind) == 8
    assert len(COLUMN_KINDS[kind]) == kind.rstrip(b"\0").count(b"-")


GOOD = pack_index([10], [])


@pytest.mark.parametrize(
    ("index", "data"),
    [
        (b"", b""),
        (GOOD[:-1], bytes(10)),
        (GOOD + b"\0", bytes(10)),
        (b"SSIX0002" + GOOD[8:], bytes(10)),
        (GOOD, bytes(9)),
        (GOOD, bytes(11)),
        (pack_index([2**64 - 1], []), bytes(10)),
        (pack_index([2**64 - 1, 1], []), bytes(10)),
        (pack_index([5, 5], []), bytes(10)),
        (struct.pack("<8sQQ", b"SSIX0001", 2**64 - 1, 0), b""),
        (struct.pack("<8sQQ", b"SSIX0001", 2**61, 2**60), b""),
        (struct.pack("<8sQQ", b"SSIX0001", 0, 1), b""),
        (pack_index([], [(LIST, 0)]), b""),
        (pack_index([8], [(LIST, 2)]), bytes(8)),
        (pack_index([8], [(b"list-x\0\0", 1)]), bytes(8)),
        (pack_index([8], [(b"list-q\0x", 1)]), bytes(8)),
        (pack_index([8], [(TABLE, 1)]), bytes(8)),
        (pack_index([1], [(b"list-s\0\0", 3)]), b"a"),
        (pack_index([8], [(LIST, 2**61)]), bytes(8)),
        (pack_index([8], [(LIST, 1), (LIST, 1)]), bytes(8)),
    ],
)
def test_what_does_not_add_up_is_refused(index, data):
    with pytest.raises(CorruptArtifactError):
        unpack_index(memoryview(index), memoryview(data))
