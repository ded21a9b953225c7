# SPDX-License-Identifier: BSD-3-Clause
"""tar archives, read block by block: members that lead out of the folder, and what is in the rest.

Floor 7.
"""

from __future__ import annotations

from typing import Final

from safeserial.errors import CorruptArtifactError, FormatError
from safeserial.inspection import pytorch
from safeserial.inspection.assembling import (
    MAX_DEPTH,
    Inspection,
    assemble,
    finding,
    refusal,
    shown,
)
from safeserial.inspection.content import Content, Part
from safeserial.inspection.report import Finding, Report
from safeserial.inspection.zips import escapes

_BLOCK: Final = 512
_MAX_MEMBERS: Final = 100_000
_LONGEST_NAME: Final = 4096
_LONG_NAME, _LONG_LINK, _PAX, _PAX_ALL = b"L", b"K", b"x", b"g"
_LINKS: Final = {b"1": "a link", b"2": "a symbolic link"}
_DEVICES: Final = {b"3": "a device", b"4": "a device", b"6": "a pipe"}
_TORCH: Final = frozenset({"pickle", "storages", "tensors", "sys_info"})


def looks_like_tar(head: bytes) -> bool:
    """Say whether the first block is a tar header with its own checksum right."""
    if len(head) < _BLOCK or head[257:262] != b"ustar":
        return False
    try:
        return _number(head[148:156]) == sum(head[:148]) + 8 * 32 + sum(head[156:_BLOCK])
    except CorruptArtifactError:
        return False


def read(content: Content, about: Inspection, *, compressor: str = "") -> Report:
    """Report a tar archive."""
    kind = f"tar ({compressor})" if compressor else "tar"
    findings: list[Finding] = []
    files: dict[str, Part] = {}
    try:
        _list(content, files, findings)
    except FormatError as error:
        findings.append(refusal(error))
    if {"pickle", "storages", "tensors"} <= set(files) <= _TORCH:
        return pytorch.read_tar(content, about, files)
    members: list[Report] = []
    if about.depth >= MAX_DEPTH:
        findings.append(finding("SS021", "an archive within an archive is not looked into"))
        files = {}
    for name, part in files.items():
        if about.budget.members <= 0:
            findings.append(finding("SS007", "there are more members than are looked into"))
            break
        about.budget.members -= 1
        members.append(about.look(part, about.inside(name[:500])))
    models = [one for one in members if one.verdict != "not a model"]
    if not models and not findings:
        findings.append(finding("SS024", "a tar archive without a model in it"))
    details = {"members": str(len(files))}
    return assemble(content, about, kind, findings, members=models, details=details)


def _number(field: bytes) -> int:
    if field[:1] == b"\x80":  # larger than eight octal digits
        return int.from_bytes(field[1:], "big")
    text = field.strip(b" \0")
    if not text:
        return 0
    try:
        return int(text, 8)
    except ValueError:
        raise CorruptArtifactError("the tar archive has a damaged header") from None


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


def _list(content: Content, files: dict[str, Part], findings: list[Finding]) -> None:
    position, longer = 0, ""
    for _ in range(_MAX_MEMBERS):
        head = content.read(position, _BLOCK)
        if len(head) < _BLOCK or not any(head):
            return
        if not looks_like_tar(head):
            raise CorruptArtifactError("the tar archive has a damaged header")
        size, kind = _number(head[124:136]), head[156:157]
        start = position + _BLOCK
        if size > content.size - start:
            raise CorruptArtifactError("the tar archive is cut short")
        position = start + -(-size // _BLOCK) * _BLOCK
        raw = content.read(start, min(size, _LONGEST_NAME))
        if kind in (_LONG_NAME, _LONG_LINK, _PAX, _PAX_ALL):
            longer = _longer(kind, raw) or longer
            continue
        prefix = _text(head[345:500]) if head[257:263] == b"ustar\0" else ""
        name = longer or (f"{prefix}/" if prefix else "") + _text(head[:100])
        longer = ""
        _entry(name, kind, _text(head[157:257]), files, findings)
        if kind in (b"0", b"\0", b"7"):
            files[name] = Part(content, start, size)
    raise CorruptArtifactError("the tar archive has too many members")


def _longer(kind: bytes, raw: bytes) -> str:
    """Return the long name that an extension header gives to the next member."""
    if kind == _LONG_NAME:
        return _text(raw)
    if kind != _PAX:
        return ""
    found = ""
    for line in raw.split(b"\n"):
        key, _, value = line.partition(b" ")[2].partition(b"=")
        if key == b"path":
            found = value.decode("utf-8", "backslashreplace")
    return found


def _entry(
    name: str, kind: bytes, target: str, files: dict[str, Part], findings: list[Finding]
) -> None:
    member = name[:200]
    if escapes(name):
        message = f"the path {shown(name)} leads out of the archive's folder"
        findings.append(finding("SS010", message, member=member))
    if kind in _LINKS:
        level = None if escapes(target) else "note"
        message = f"{shown(name)} is {_LINKS[kind]} to {shown(target)}"
        findings.append(finding("SS010", message, level=level, member=member))  # type: ignore[arg-type]
    if kind in _DEVICES:
        findings.append(finding("SS010", f"{shown(name)} is {_DEVICES[kind]}", member=member))
    if name in files:
        message = f"the name {shown(name)} stands in the archive twice"
        findings.append(finding("SS012", message, member=member))
