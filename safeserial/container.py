# SPDX-License-Identifier: BSD-3-Clause
"""The canonical ZIP: every structural byte follows from the manifest, so none is ever interpreted.

Floor 3.  Writer and reader share one function, :func:`layout`, which says what each byte outside
the members' data must be.  The reader compares and refuses what differs; it has no ZIP parser that
could be made to see another file than somebody else's ZIP parser.  Field layout: PKWARE's
APPNOTE.TXT 6.3.10, sections 4.3-4.5; alignment field 0xD935 as Android's zipalign writes it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from safeserial.envelope import RESERVED_BYTES
from safeserial.errors import CorruptArtifactError, NotAnArtifactError
from safeserial.files import Source

SIGNATURES: Final = "signatures.json"
MANIFEST: Final = "manifest.json"
ALIGNMENT: Final = 64
_U32: Final = 0xFFFFFFFF
_U16: Final = 0xFFFF
_DOS_TIME: Final = (0, 0x21)  # midnight of 1 January 1980, the earliest ZIP can say
_LOCAL: Final = struct.Struct("<IHHHHHIIIHH")
_CENTRAL: Final = struct.Struct("<IHHHHHHIIIHHHHHII")
_END: Final = struct.Struct("<IHHHHIIH")
_END64: Final = struct.Struct("<IQHHIIQQQQ")
_LOCATOR64: Final = struct.Struct("<IIQI")
_ALIGN_FIELD: Final = 0xD935
_ZIP64_FIELD: Final = 0x0001
_CHUNK: Final = 2**20


@dataclass(frozen=True)
class Entry:
    """One member of the archive.

    Parameters
    ----------
    name : str
        ASCII path.
    size : int
        Bytes.
    crc32 : int
        CRC-32 of the data, for ordinary ZIP tools.
    """

    name: str
    size: int
    crc32: int


@dataclass(frozen=True)
class Layout:
    """Where everything stands.

    Parameters
    ----------
    headers : tuple of bytes
        Local header of each entry, in order.
    offsets : tuple of int
        Where each entry's data begins.
    tail : bytes
        Central directory and end records.
    total_size : int
        Size of the whole file.
    """

    headers: tuple[bytes, ...]
    offsets: tuple[int, ...]
    tail: bytes
    total_size: int


def layout(entries: Sequence[Entry]) -> Layout:
    """Compute every structural byte of an archive.

    Parameters
    ----------
    entries : sequence of Entry
        All members, ``signatures.json`` and ``manifest.json`` first.

    Returns
    -------
    Layout
        A pure function of `entries`.
    """
    headers, offsets, records, position = [], [], [], 0
    for entry in entries:
        header = _local_header(entry, position)
        records.append(_central_record(entry, position))
        headers.append(header)
        offsets.append(position + len(header))
        position += len(header) + entry.size
    directory = b"".join(records)
    tail = directory + _end_records(len(entries), len(directory), position)
    return Layout(tuple(headers), tuple(offsets), tail, position + len(tail))


def _local_header(entry: Entry, position: int) -> bytes:
    name = entry.name.encode("ascii")
    large = entry.size >= _U32
    zip64 = struct.pack("<HHQQ", _ZIP64_FIELD, 16, entry.size, entry.size) if large else b""
    unpadded = position + _LOCAL.size + len(name) + len(zip64) + 6
    padding = -unpadded % ALIGNMENT
    align = struct.pack("<HHH", _ALIGN_FIELD, 2 + padding, ALIGNMENT) + bytes(padding)
    size = _U32 if large else entry.size
    version = 45 if large else 20
    fixed = _LOCAL.pack(
        0x04034B50, version, 0, 0, *_DOS_TIME, entry.crc32, size, size, len(name),
        len(zip64) + len(align),
    )  # fmt: skip
    return fixed + name + zip64 + align


def _central_record(entry: Entry, position: int) -> bytes:
    name = entry.name.encode("ascii")
    large, far = entry.size >= _U32, position >= _U32
    values = [entry.size, entry.size] * large + [position] * far
    zip64 = struct.pack(f"<HH{len(values)}Q", _ZIP64_FIELD, 8 * len(values), *values)
    extra = zip64 if values else b""
    size = _U32 if large else entry.size
    version = 45 if values else 20
    fixed = _CENTRAL.pack(
        0x02014B50, version, version, 0, 0, *_DOS_TIME, entry.crc32, size, size, len(name),
        len(extra), 0, 0, 0, 0, _U32 if far else position,
    )  # fmt: skip
    return fixed + name + extra


def _end_records(count: int, size: int, position: int) -> bytes:
    records = b""
    if size >= _U32 or position >= _U32:  # members are at most 1,002, so their number never is
        records = _END64.pack(0x06064B50, 44, 45, 45, 0, 0, count, count, size, position)
        records += _LOCATOR64.pack(0x07064B50, 0, position + size, 1)
    return records + _END.pack(
        0x06054B50, 0, 0, count, count, min(size, _U32), min(position, _U32), 0
    )


def front_entries(signatures: bytes, body: bytes) -> list[Entry]:
    """Return the entries of the two members that every artifact starts with."""
    return [
        Entry(SIGNATURES, len(signatures), zlib.crc32(signatures)),
        Entry(MANIFEST, len(body), zlib.crc32(body)),
    ]


def front_bytes(signatures: bytes, body: bytes) -> bytes:
    """Return the start of the file up to the end of the manifest's data."""
    headers = layout(front_entries(signatures, body)).headers
    return b"".join((headers[0], signatures, headers[1], body))


_FIRST_HEADER: Final = _local_header(Entry(SIGNATURES, RESERVED_BYTES, 0), 0)


def read_signatures(source: Source) -> bytes:
    """Read the first member, whose place and size never vary.

    Parameters
    ----------
    source : Source
        At its start.

    Returns
    -------
    bytes
        The content of ``signatures.json``, with its filling.

    Raises
    ------
    NotAnArtifactError
        If the file begins with something else.
    CorruptArtifactError
        If it begins as an artifact does and is cut short or altered.
    """
    header = bytearray(min(len(_FIRST_HEADER), source.size))
    source.read_into(memoryview(header))
    start = _FIRST_HEADER
    if not header or header[:4] != start[: len(header)][:4] or header[26:45] != start[26:45]:
        raise NotAnArtifactError(_what_it_looks_like(bytes(header)))
    blob = bytearray(min(RESERVED_BYTES, source.size - len(header)))
    source.read_into(memoryview(blob))
    _compare(header, _local_header(Entry(SIGNATURES, RESERVED_BYTES, zlib.crc32(blob)), 0))
    if len(blob) != RESERVED_BYTES:
        raise CorruptArtifactError("the file is cut short within its signatures")
    return bytes(blob)


def _what_it_looks_like(start: bytes) -> str:
    if not start:
        return "the file is empty"
    if start[:1] == b"\x80":
        return "this is a plain pickle or joblib file, not a signed artifact"
    if start[:2] == b"PK":
        return "this is a ZIP, but not a safeserial artifact"
    return "this is not a safeserial artifact"


def read_manifest(source: Source, signatures: bytes, size: int) -> bytes:
    """Read the second member; its bytes are still to be verified.

    Parameters
    ----------
    source : Source
        After :func:`read_signatures`.
    signatures : bytes
        What that returned.
    size : int
        Size of the manifest as the signatures give it; the caller has bounded it.

    Returns
    -------
    bytes
        The manifest's bytes.

    Raises
    ------
    CorruptArtifactError
        If the file is cut short or the header is not the canonical one.
    """
    position = len(_FIRST_HEADER) + len(signatures)
    header_size = len(_local_header(Entry(MANIFEST, size, 0), position))
    if source.size < position + header_size + size:
        raise CorruptArtifactError("the file is cut short within its manifest")
    header = bytearray(header_size)
    body = bytearray(size)
    source.read_into(memoryview(header))
    source.read_into(memoryview(body))
    _compare(header, _local_header(Entry(MANIFEST, size, zlib.crc32(body)), position))
    return bytes(body)


def read_members(source: Source, whole: Layout) -> Iterator[int]:
    """Walk the rest of the file, comparing structure, stopping at each member's data.

    Parameters
    ----------
    source : Source
        After :func:`read_manifest`.
    whole : Layout
        Of all entries, the two front ones included.

    Yields
    ------
    int
        Index of a payload member (0 is the first after the manifest); the caller must read exactly
        its data from `source` before going on.

    Raises
    ------
    CorruptArtifactError
        If the file has another size, or any structural byte differs.
    """
    if source.size != whole.total_size:
        raise CorruptArtifactError(
            f"the file has {source.size} bytes; its manifest accounts for {whole.total_size}"
        )
    for index, expected in enumerate(whole.headers[2:]):
        _expect(source, expected)
        yield index
    _expect(source, whole.tail)


def _expect(source: Source, expected: bytes) -> None:
    for start in range(0, len(expected), _CHUNK):
        part = expected[start : start + _CHUNK]
        found = bytearray(len(part))
        source.read_into(memoryview(found))
        _compare(found, part)


def _compare(found: bytearray, expected: bytes) -> None:
    if found != expected:
        raise CorruptArtifactError("a structural byte of the file is not what the manifest implies")
