# SPDX-License-Identifier: BSD-3-Clause
"""ZIP archives read with suspicion: what two programs could see differently is a finding.

Floor 7.  ``zipfile`` looks only at the central directory, and believes it.  Here each member's
local header is compared with it, and no byte may belong to two members or to none.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from safeserial.errors import CorruptArtifactError, LimitExceededError
from safeserial.inspection.assembling import Inspection, finding, shown
from safeserial.inspection.content import Content
from safeserial.inspection.report import Finding

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_END: Final = struct.Struct("<4sHHHHIIH")
_LOCATOR64: Final = struct.Struct("<4sIQI")
_END64: Final = struct.Struct("<4sQHHIIQQQQ")
_CENTRAL: Final = struct.Struct("<4sHHHHHHIIIHHHHHII")
_LOCAL: Final = struct.Struct("<4sHHHHHIIIHH")
_U32, _U16 = 2**32 - 1, 2**16 - 1
_MAX_MEMBERS: Final = 100_000
_MAX_DIRECTORY: Final = 32 * 2**20
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _STREAMED, _UTF8 = 0x1, 0x8, 0x800
_SYMLINK: Final = 0xA000
_SLACK: Final = 16 * 2**20
_PIECE: Final = 2**16
_OUTPUT: Final = 2**20
_DESCRIPTOR: Final = 24
_SHOWN_GAPS: Final = 5


@dataclass(frozen=True)
class Member:
    """One entry of the central directory.

    Parameters
    ----------
    name : str
        As written.
    method, flags, crc : int
        Compression, flag bits, checksum.
    packed, size : int
        Bytes in the archive and bytes unpacked.
    header : int
        Where its local header is.
    link : bool
        Whether it is a symbolic link.
    """

    name: str
    method: int
    flags: int
    crc: int
    packed: int
    size: int
    header: int
    link: bool = False


@dataclass
class Archive:
    """A directory and what is odd about it.

    Parameters
    ----------
    members : list of Member
        In the order of the directory.
    findings : list of Finding
        What is odd.
    starts : dict of int to int
        Where the data of the member with that header begins.
    """

    members: list[Member]
    findings: list[Finding] = field(default_factory=list)
    starts: dict[int, int] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """Names of all members."""
        return {one.name for one in self.members}


def end_of_archive(content: Content) -> int:
    """Return where a ZIP's end record stands in the last 64 KiB, -1 if there is none."""
    size = min(content.size, _U16 + _END.size)
    tail = content.read(content.size - size, size)
    best = -1
    for position in _all(tail, END):
        here = tail[position : position + _END.size]
        if len(here) < _END.size:
            continue
        comment = _END.unpack(here)[7]
        at = content.size - size + position
        if at + _END.size + comment == content.size:
            return at
        best = at
    return best


def _all(data: bytes, what: bytes) -> Iterator[int]:
    position = data.find(what)
    while position >= 0:
        yield position
        position = data.find(what, position + 1)


def read_archive(content: Content, about: Inspection) -> Archive:
    """Read the directory of an archive and compare it with what it speaks of.

    Raises
    ------
    CorruptArtifactError
        If there is no directory.
    LimitExceededError
        If it is too large.
    """
    at = end_of_archive(content)
    if at < 0:
        raise CorruptArtifactError("the ZIP archive has no end; it is cut short")
    count, size, offset, comment, stop = _end_record(content, at)
    if count > _MAX_MEMBERS or size > _MAX_DIRECTORY:
        raise LimitExceededError(f"the ZIP archive has {count} members")
    shift = stop - size - offset
    if shift < 0:
        raise CorruptArtifactError("the ZIP archive's directory is not where its end says")
    archive = Archive(_members(content.read(stop - size, size), count, shift))
    behind = content.size - (at + _END.size + comment)
    if behind > 0:
        message = f"{behind} bytes follow the end of the ZIP archive"
        begins = content.read(content.size - behind, 16)
        if any(begins):
            archive.findings.append(finding("SS005", f"{message}; they begin with {shown(begins)}"))
        else:
            archive.findings.append(finding("SS023", message))
    if shift:
        message = f"the ZIP archive begins only {shift} bytes behind the start of its file"
        archive.findings.append(finding("SS005", message))
    _check_names(archive)
    _check_sizes(archive, about)
    _check_places(content, archive, shift, stop - size)
    return archive


def _end_record(content: Content, at: int) -> tuple[int, int, int, int, int]:
    """Return count, directory size and offset, comment length, and where the directory stops."""
    fields = _END.unpack(content.read(at, _END.size))
    count, size, offset, comment = fields[4], fields[5], fields[6], fields[7]
    raw = content.read(at - _LOCATOR64.size, _LOCATOR64.size) if at >= _LOCATOR64.size else b""
    if raw[:4] != b"PK\x06\x07":
        return count, size, offset, comment, at
    where = at - _LOCATOR64.size - _END64.size
    record = content.read(where, _END64.size) if where >= 0 else b""
    if record[:4] != b"PK\x06\x06":
        raise CorruptArtifactError("the ZIP64 end record is not where it has to be")
    large = _END64.unpack(record)
    return large[7], large[8], large[9], comment, where


def _members(directory: bytes, count: int, shift: int) -> list[Member]:
    members, position = [], 0
    for _ in range(count):
        record = directory[position : position + _CENTRAL.size]
        if len(record) < _CENTRAL.size or record[:4] != CENTRAL:
            raise CorruptArtifactError("the ZIP archive's directory is damaged")
        (_, _, _, flags, method, _, _, crc, packed, size, long, more, note, _, _, mode, header) = (
            _CENTRAL.unpack(record)
        )
        names = position + _CENTRAL.size
        raw = directory[names : names + long]
        extra = directory[names + long : names + long + more]
        size, packed, header = _zip64(extra, [size, packed, header])
        name = raw.decode("utf-8" if flags & _UTF8 else "cp437", "backslashreplace")
        link = (mode >> 16) & 0xF000 == _SYMLINK
        members.append(Member(name, method, flags, crc, packed, size, header + shift, link))
        position = names + long + more + note
    if position != len(directory):
        raise CorruptArtifactError("the ZIP archive's directory has another size than it says")
    return members


def _zip64(extra: bytes, values: list[int]) -> list[int]:
    position = 0
    while position + 4 <= len(extra):
        code, length = struct.unpack_from("<HH", extra, position)
        body = extra[position + 4 : position + 4 + length]
        if code == 1:
            place = 0
            for index, value in enumerate(values):
                if value == _U32 and place + 8 <= len(body):
                    (values[index],) = struct.unpack_from("<Q", body, place)
                    place += 8
        position += 4 + length
    return values


def escapes(name: str) -> bool:
    """Say whether a path leads out of the folder that it is taken in."""
    parts = name.replace("\\", "/").split("/")
    drive = len(name) > 1 and name[1] == ":"
    return name.startswith(("/", "\\")) or drive or ".." in parts or "\0" in name


def _check_names(archive: Archive) -> None:
    seen: set[str] = set()
    for one in archive.members:
        plain = one.name.replace("\\", "/").rstrip("/").casefold()
        if plain in seen:
            message = f"the name {shown(one.name)} stands in the archive twice"
            archive.findings.append(finding("SS012", message, member=one.name[:200]))
        seen.add(plain)
        if escapes(one.name):
            message = f"the path {shown(one.name)} leads out of the archive's folder"
            archive.findings.append(finding("SS010", message, member=one.name[:200]))
        if one.link:
            message = f"{shown(one.name)} is a symbolic link"
            archive.findings.append(finding("SS010", message, member=one.name[:200]))


def _check_sizes(archive: Archive, about: Inspection) -> None:
    ratio = about.policy.limits.decompression_ratio
    total = sum(one.size for one in archive.members)
    for one in archive.members:
        if one.size > one.packed * ratio + _SLACK:
            message = f"{shown(one.name)} unpacks from {one.packed} bytes to {one.size}"
            archive.findings.append(finding("SS011", message, member=one.name[:200]))
    if total > about.policy.limits.decompressed_size:
        message = f"the archive unpacks to {total} bytes"
        archive.findings.append(finding("SS007", message))


def _check_places(content: Content, archive: Archive, first: int, directory: int) -> None:
    """Compare local headers with the directory; no byte may belong to two members."""
    gaps = 0
    position = first
    for one in sorted(archive.members, key=lambda member: member.header):
        name = one.name[:200]
        if one.header < position:
            message = f"{shown(one.name)} overlaps the member before it"
            archive.findings.append(finding("SS012", message, member=name))
        gap = one.header - position
        if gap > 0 and any(content.read(position, min(gap, _PIECE))):
            gaps += 1
            if gaps <= _SHOWN_GAPS:
                message = f"{gap} bytes before {shown(one.name)} belong to no member"
                archive.findings.append(finding("SS023", message, offset=position))
        header = content.read(one.header, _LOCAL.size)
        if len(header) < _LOCAL.size or header[:4] != LOCAL:
            raise CorruptArtifactError(f"the member {shown(one.name)} is not where it should be")
        fields = _LOCAL.unpack(header)
        raw = content.read(one.header + _LOCAL.size, fields[9])
        written = raw.decode("utf-8" if fields[2] & _UTF8 else "cp437", "backslashreplace")
        streamed = fields[2] & _STREAMED
        if written != one.name or fields[3] != one.method or _differs(fields, one, streamed):
            message = f"the member {shown(one.name)} says another thing of itself"
            archive.findings.append(finding("SS012", f"{message}: {shown(written)}", member=name))
        start = one.header + _LOCAL.size + fields[9] + fields[10]
        archive.starts[one.header] = start
        position = start + one.packed
        if streamed:
            position += _descriptor(content, position, directory)
        if position > directory:
            raise CorruptArtifactError(f"the member {shown(one.name)} reaches over the directory")
    rest = directory - position
    if rest > 0 and any(content.read(position, min(rest, _PIECE))):
        message = f"{rest} bytes before the directory belong to no member"
        archive.findings.append(finding("SS023", message, offset=position))


def _differs(fields: tuple[int, ...], one: Member, streamed: int) -> bool:
    if streamed and not fields[6] and not fields[7]:
        return False
    sizes = {(fields[7], one.packed), (fields[8], one.size)}
    return fields[6] != one.crc or any(here not in (there, _U32) for here, there in sizes)


def _descriptor(content: Content, position: int, directory: int) -> int:
    """Return the length of the data descriptor behind a streamed member."""
    near = content.read(position, _DESCRIPTOR + 4)
    signed = 4 if near[:4] == b"PK\x07\x08" else 0
    for length in (12 + signed, 20 + signed):
        following = near[length : length + 4]
        if position + length == directory or following in (LOCAL, CENTRAL):
            return length
    return 0
