# SPDX-License-Identifier: BSD-3-Clause
"""Unpack one member of a ZIP archive, never to more than it declares.

Floor 7.
"""

from __future__ import annotations

import zlib
from typing import Final

from safeserial.errors import CorruptArtifactError, LimitExceededError, UnsupportedVersionError
from safeserial.inspection.assembling import Inspection, shown
from safeserial.inspection.content import Content, Growing, Part
from safeserial.inspection.zips import Archive, Member

_STORED, _DEFLATED = 0, 8
_ENCRYPTED: Final = 0x1
_PIECE: Final = 2**16
_OUTPUT: Final = 2**20


def open_member(content: Content, archive: Archive, one: Member, about: Inspection) -> Content:
    """Return what a member holds, unpacked.

    Raises
    ------
    CorruptArtifactError
        If it is damaged.
    LimitExceededError
        If it holds more than it declares, or more than may be unpacked.
    UnsupportedVersionError
        If it is encrypted, or compressed in a way that models are not.
    """
    packed = Part(content, archive.starts.get(one.header, 0), one.packed)
    if one.flags & _ENCRYPTED:
        raise UnsupportedVersionError(f"{shown(one.name)} is encrypted")
    if one.method == _STORED:
        if one.size != one.packed:
            raise CorruptArtifactError(f"{shown(one.name)} has two sizes")
        return packed
    if one.method != _DEFLATED:
        raise UnsupportedVersionError(f"{shown(one.name)} uses compression method {one.method}")
    if one.size > about.budget.unpacked:
        raise LimitExceededError(f"{shown(one.name)} is more than may be unpacked here")
    return _inflate(packed, one, about)


def _inflate(packed: Content, one: Member, about: Inspection) -> Content:
    machine = zlib.decompressobj(-15)
    out = Growing(about.room, one.size)
    crc = 0
    try:
        for start in range(0, packed.size, _PIECE):
            waiting = packed.read(start, _PIECE)
            piece = b""
            # After a full piece there may be more to come of input already taken.
            while (waiting or len(piece) == _OUTPUT) and not machine.eof:
                piece = machine.decompress(waiting, _OUTPUT)
                crc = zlib.crc32(piece, crc)
                out.append(piece)
                waiting = machine.unconsumed_tail
    except zlib.error as error:
        raise CorruptArtifactError(f"{shown(one.name)} is damaged: {error}") from None
    about.budget.unpacked -= out.size
    if not machine.eof or out.size != one.size or crc != one.crc:
        raise CorruptArtifactError(f"{shown(one.name)} is not what the directory says")
    return out.finish()
