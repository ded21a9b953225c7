# SPDX-License-Identifier: BSD-3-Clause
"""What kind of model a ZIP archive is, by the members that only that kind has.

Floor 7.
"""

from __future__ import annotations

from collections.abc import Iterable

from safeserial.errors import FormatError
from safeserial.inspection import keras, pytorch, skops
from safeserial.inspection.assembling import (
    MAX_DEPTH,
    Inspection,
    assemble,
    finding,
    refusal,
    shown,
)
from safeserial.inspection.content import Content, Memory
from safeserial.inspection.report import Finding, Report
from safeserial.inspection.zip_members import open_member
from safeserial.inspection.zips import Archive, Member, read_archive


def read(content: Content, about: Inspection) -> Report:
    """Report a ZIP archive: skops, PyTorch, Keras, ``.npz``, or any other."""
    try:
        archive = read_archive(content, about)
    except FormatError as error:
        return assemble(content, about, "zip", [refusal(error)], problem=error)
    names = archive.names
    if "schema.json" in names:
        return skops.read(content, about, archive, look_into)
    if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        return pytorch.read(content, about, archive)
    if {"config.json", "metadata.json"} <= names:
        return keras.read(content, about, archive, look_into)
    files = [one for one in archive.members if not one.name.endswith("/")]
    members, findings = look_into(content, about, archive, files)
    numpy = bool(files) and all(one.kind in {"npy", "unknown"} for one in members)
    kind = "npz" if numpy and any(one.kind == "npy" for one in members) else "zip"
    nothing = all(one.verdict == "not a model" for one in members)
    if nothing and not findings and not archive.findings:
        findings.append(finding("SS024", "a ZIP archive without a model in it"))
    return assemble(
        content,
        about,
        kind,
        [*archive.findings, *findings],
        members=[one for one in members if kind == "npz" or one.verdict != "not a model"],
        details={"members": str(len(archive.members))},
    )


def look_into(
    content: Content, about: Inspection, archive: Archive, chosen: Iterable[Member]
) -> tuple[list[Report], list[Finding]]:
    """Report members of an archive, each by its content.

    Returns
    -------
    reports : list of Report
        One for each member that was looked into.
    findings : list of Finding
        Why others were not.
    """
    reports: list[Report] = []
    findings: list[Finding] = []
    if about.depth >= MAX_DEPTH:
        return reports, [finding("SS021", "an archive within an archive is not looked into")]
    dangerous = {one.member for one in archive.findings if one.rule == "SS011"}
    for one in chosen:
        if one.name[:200] in dangerous:
            continue
        if about.budget.members <= 0:
            findings.append(finding("SS007", "there are more members than are looked into"))
            break
        about.budget.members -= 1
        inside = about.inside(one.name[:500])
        try:
            reports.append(about.look(open_member(content, archive, one, about), inside))
        except FormatError as error:
            reports.append(assemble(Memory(b""), inside, "unknown", [unread(error, one)]))
    return reports, findings


def unread(error: FormatError, one: Member) -> Finding:
    """Return the finding that a member could not be opened."""
    found = refusal(error)
    return finding(found.rule, f"{shown(one.name)}: {error}"[:400])
