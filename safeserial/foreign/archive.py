# SPDX-License-Identifier: BSD-3-Clause
"""ZIP archives in memory whose members are what they say they are, and nothing besides.

Floor 4.  The directory is read by ``zipfile``, which is also what skops reads it with: there is no
second opinion that could differ.  What ``zipfile`` believes (sizes, places) is proved here.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from safeserial.errors import CorruptArtifactError, LimitExceededError
from safeserial.policy import Limits

_LOCAL: Final = struct.Struct("<4sHHHHHIIIHH")
_END: Final = struct.Struct("<4sHHHHIIH")
_END64: Final = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR: Final = 20
_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,119}\Z")
_MOST: Final = 500_000
_ODD_FLAGS: Final = 0x1 | 0x8 | 0x20 | 0x40 | 0x2000  # encrypted, streamed, patched, masked
_SLACK: Final = 16 * 2**20


@dataclass(frozen=True)
class _Place:
    """Where the data of a member are."""

    start: int
    packed: int
    size: int
    stored: bool


@dataclass(frozen=True)
class Archive:
    """An archive that was proved to be plain.

    Parameters
    ----------
    data : bytes or memoryview
        All of it.
    places : mapping of str to place
        Its members.
    """

    data: bytes | memoryview = field(repr=False)
    places: Mapping[str, _Place] = field(repr=False)

    def read(self, name: str) -> memoryview:
        """Return what a member holds.

        Raises
        ------
        CorruptArtifactError
            If there is no such member, or it does not unpack to the size that it declares.
        """
        place = self.places.get(name)
        if place is None:
            raise CorruptArtifactError(f"the archive has no member {ascii(name)[:120]}")
        packed = memoryview(self.data)[place.start : place.start + place.packed]
        return packed if place.stored else _inflated(packed, place.size)


def _inflated(packed: memoryview, size: int) -> memoryview:
    machine = zlib.decompressobj(-15)
    try:
        # One byte more than it may be, so that a larger one shows.
        data = machine.decompress(packed, size + 1)
    except zlib.error as error:
        raise CorruptArtifactError(f"a member of the archive is damaged: {error}") from None
    if len(data) != size or not machine.eof or machine.unused_data or machine.unconsumed_tail:
        raise CorruptArtifactError("a member of the archive does not unpack to its size")
    return memoryview(data)


def open_archive(data: bytes | memoryview, limits: Limits) -> Archive:
    """Read the directory of an archive and prove it.

    Parameters
    ----------
    data : bytes or memoryview
        The whole file.
    limits : Limits
        How much it may unpack to.

    Raises
    ------
    CorruptArtifactError
        If it is no ZIP archive, or not as plain as NumPy and skops write it: something before,
        between or after its members, a name twice or with a folder, encryption.
    LimitExceededError
        If it has too many members or unpacks to too much.
    """
    _check_end(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            listed = opened.infolist()
    except Exception as error:  # noqa: BLE001 - zipfile raises whatever it stumbles over
        raise CorruptArtifactError(f"not a ZIP archive: {error}"[:200]) from None
    places: dict[str, _Place] = {}
    position = total = 0
    for one in sorted(listed, key=lambda info: info.header_offset):
        if one.orig_filename in places or not _NAME.match(one.orig_filename):
            raise CorruptArtifactError(
                f"the archive has a member of the name {ascii(one.orig_filename)[:120]}"
            )
        place = _placed(data, one, position)
        places[one.orig_filename] = place
        position, total = place.start + place.packed, total + place.size
        allowed = place.packed * limits.decompression_ratio + _SLACK
        if total > limits.decompressed_size or place.size > allowed:
            raise LimitExceededError("the archive unpacks to more than the policy allows")
    directory = _END.unpack_from(data, len(data) - _END.size)[6]
    if position != directory and directory != 2**32 - 1:
        raise CorruptArtifactError("there is something between the archive's members")
    return Archive(data, places)


def _placed(data: bytes | memoryview, one: zipfile.ZipInfo, position: int) -> _Place:
    if one.header_offset != position:
        raise CorruptArtifactError("there is something between the archive's members")
    if one.flag_bits & _ODD_FLAGS or one.compress_type not in {0, zipfile.ZIP_DEFLATED}:
        raise CorruptArtifactError("a member of the archive is encrypted or packed in another way")
    if len(data) < position + _LOCAL.size:
        raise CorruptArtifactError("the archive is cut short")
    fields = _LOCAL.unpack_from(data, position)
    start = position + _LOCAL.size + fields[9] + fields[10]
    name = bytes(data[position + _LOCAL.size : position + _LOCAL.size + fields[9]])
    stored = one.compress_type == 0
    if fields[0] != b"PK\x03\x04" or name != one.orig_filename.encode("ascii"):
        raise CorruptArtifactError("a member of the archive is not where its directory says")
    if start + one.compress_size > len(data) or (stored and one.compress_size != one.file_size):
        raise CorruptArtifactError("a member of the archive has another size than it declares")
    return _Place(start, one.compress_size, one.file_size, stored)


def _check_end(data: bytes | memoryview) -> None:
    """Refuse a comment, something behind the end, and a directory that is too large to list."""
    last = len(data) - _END.size
    if last < 0 or bytes(data[last : last + 4]) != b"PK\x05\x06":
        raise CorruptArtifactError("the ZIP archive does not end as it should")
    fields = _END.unpack_from(data, last)
    count, comment = fields[4], fields[7]
    record = last - _LOCATOR - _END64.size
    if record >= 0 and bytes(data[last - _LOCATOR : last - _LOCATOR + 4]) == b"PK\x06\x07":
        count = _END64.unpack_from(data, record)[7]
    if comment:
        raise CorruptArtifactError("the ZIP archive has a comment")
    if count > _MOST:
        raise LimitExceededError(f"the archive has {count} members")


def packed(members: Mapping[str, bytes | memoryview]) -> bytes:
    """Return an archive of these members, stored."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()
