# SPDX-License-Identifier: BSD-3-Clause
"""The canonical ZIP: a pure function of its entries, and ordinary ZIP tools read it as meant."""

from __future__ import annotations

import shutil
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path

import pytest

import safeserial as ss
from safeserial import container
from safeserial.container import Entry, layout
from tests import world
from tests.golden import reader_v1

GIB = 2**30
FRONT = [Entry("signatures.json", 16_320, 1), Entry("manifest.json", 777, 2)]
SIZES = [0, 1, 63, 64, 65, 2**32 - 2, 2**32 - 1, 2**32, 5 * GIB, 2**40]


def test_the_front_never_moves():
    whole = layout(FRONT)
    assert [len(header) for header in whole.headers] == [64, 64]
    assert whole.offsets == (64, 64 + 16_320 + 64)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("before", [0, 3, 2**32 - 20_000, 2**32, 2**41])
def test_layout_equals_that_of_the_second_reader(before, size):
    entries = [*FRONT, Entry("payload/a", before, 3), Entry("payload/b.bin", size, 4)]
    whole = layout(entries)
    position, records = 0, []
    for entry, header, offset in zip(entries, whole.headers, whole.offsets, strict=True):
        assert header == reader_v1.local_header(entry.name, entry.size, entry.crc32, position)
        assert offset == position + len(header)
        assert offset % 64 == 0
        records.append((entry.name, entry.size, entry.crc32, position))
        position = offset + entry.size
    assert whole.tail == reader_v1.tail(records, position)
    assert whole.total_size == position + len(whole.tail)


def test_layout_depends_on_nothing_else():
    assert layout(FRONT) == layout(list(FRONT))
    for other in (
        Entry("manifest.json", 778, 2),
        Entry("manifest.json", 777, 3),
        Entry("manifest.jsoN", 777, 2),
    ):
        assert layout([FRONT[0], other]) != layout(FRONT)


def sparse(path: Path, sizes: list[int]) -> list[Entry]:
    """Write an archive of zeros that takes no room on the disk."""
    crc = {size: zlib.crc32(bytes(size)) if size < 2**20 else 0 for size in (16_320, 777, *sizes)}
    members = [(f"payload/{i}", size) for i, size in enumerate(sizes)]
    entries = [Entry(name, size, crc[size]) for name, size in (
        ("signatures.json", 16_320), ("manifest.json", 777), *members)]  # fmt: skip
    whole = layout(entries)
    with path.open("wb") as stream:
        for header, offset in zip(whole.headers, whole.offsets, strict=True):
            stream.seek(offset - len(header))
            stream.write(header)
        stream.seek(whole.total_size - len(whole.tail))
        stream.write(whole.tail)
    assert path.stat().st_size == whole.total_size
    return entries


@pytest.mark.parametrize(
    "sizes",
    [[5 * GIB], [5 * GIB, 10], [2**32 - 1, 0], [10, 2**32 - 20_000, 10], [2**32 - 16_000 - 1500, 7],
     [3 * GIB, 3 * GIB, 3 * GIB], [2**32 - 2], [1] * 1000],
)  # fmt: skip
def test_python_reads_large_archives_as_they_are_meant(tmp_path, sizes):
    path = tmp_path / "large.zip"
    entries = sparse(path, sizes)
    if path.stat().st_blocks * 512 > 100 * 2**20:
        pytest.skip("no sparse files here")
    with zipfile.ZipFile(path) as archive:
        found = archive.infolist()
        assert [(one.filename, one.file_size, one.CRC) for one in found] == [
            (entry.name, entry.size, entry.crc32) for entry in entries
        ]
        position = 0
        for one, header in zip(found, layout(entries).headers, strict=True):
            assert one.header_offset == position
            assert (one.compress_type, one.flag_bits) == (zipfile.ZIP_STORED, 0)
            assert one.date_time == (1980, 1, 1, 0, 0, 0)
            with archive.open(one) as member:  # checks the local header, too
                assert member.read(10) == bytes(min(10, one.file_size))
            position += len(header) + one.file_size
    if shutil.which("unzip"):
        done = subprocess.run(["unzip", "-Z1", path], capture_output=True, text=True, check=False)
        assert done.stdout.split() == [entry.name for entry in entries]


@pytest.mark.parametrize("format", ["pickle", "joblib"])
def test_ordinary_tools_find_nothing_wrong(tmp_path, format):
    path = tmp_path / "model.safeserial"
    ss.dump(world.arrays(), path, keyring=world.RING, format=format)
    parts = world.Parts.of(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.comment == b""
        names = archive.namelist()
        assert names == ["signatures.json", "manifest.json", *parts.members]
        assert {name: archive.read(name) for name in names[2:]} == parts.members
        assert archive.read("manifest.json") == parts.body
    for tool in (["unzip", "-tq"], ["bsdtar", "-tf"], ["7z", "t"], ["zipinfo"], ["zip", "-T"]):
        if shutil.which(tool[0]):
            done = subprocess.run([*tool, path], capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{tool[0]}: {done.stdout} {done.stderr}"
            assert "warning" not in (done.stdout + done.stderr).lower()


def test_members_lie_at_multiples_of_64(tmp_path):
    data = world.artifact(world.arrays())
    for content in world.Parts.of(data).members.values():
        assert data.index(content) % 64 == 0


def test_the_file_ends_where_its_end_record_ends():
    data = world.artifact()
    assert data[-22:-18] == b"PK\x05\x06"
    count, size, start = struct.unpack("<HII", data[-12:-2])
    assert count == 5
    assert start + size == len(data) - 22


def test_dump_and_dumps_write_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("safeserial.manifest.now", lambda: "2026-01-01T00:00:00Z")
    for order in ({}, {"format": "joblib"}, {"compression": "zlib"}, {"digest": "sha256"}):
        ss.dump(world.arrays(), tmp_path / "f", keyring=world.RING, **order)
        assert (tmp_path / "f").read_bytes() == world.artifact(world.arrays(), **order)


def test_signing_again_touches_only_the_front():
    one = world.artifact()
    other = world.Parts.of(one).signed(world.OTHER, world.KEY)
    assert len(one) == len(other)
    differing = [at for at in range(len(one)) if one[at] != other[at]]
    directory = one.index(b"PK\x01\x02")
    assert all(at < 16_384 or directory + 16 <= at < directory + 20 for at in differing)
    assert ss.loads(other, keyring=world.RING) == world.MODEL


def test_what_a_foreign_file_looks_like_is_told(tmp_path):
    for content, word in (
        (b"", "empty"),
        (b"\x80\x05N.", "pickle"),
        (b"PK\x03\x04" + bytes(100), "ZIP"),
        (b"hello" * 100, "not a safeserial"),
    ):
        error = world.refusal(lambda content=content: world.loads(content))
        assert type(error) is ss.errors.NotAnArtifactError
        assert word in str(error)


def test_front_bytes_are_those_of_the_layout():
    signatures, body = bytes(16_320), b"{}"
    entries = container.front_entries(signatures, body)
    assert entries[1] == Entry("manifest.json", 2, zlib.crc32(b"{}"))
    whole = layout(entries)
    assert container.front_bytes(signatures, body) == (
        whole.headers[0] + signatures + whole.headers[1] + body
    )
