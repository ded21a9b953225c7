# SPDX-License-Identifier: BSD-3-Clause
"""PyTorch files: a pickle of tensors with their numbers beside it, in a ZIP or in the older ways.

Floor 7.  Such a pickle is full of persistent ids, which the opcode verifier refuses; here its names
are listed, and those that ``torch.load(weights_only=True)`` knows are explained.
"""

from __future__ import annotations

from typing import Final

from safeserial.errors import FormatError
from safeserial.inspection.assembling import Inspection, assemble, damaged, finding, refusal, shown
from safeserial.inspection.content import Content, Part
from safeserial.inspection.dangers import torch_meaning, unlisted, what_it_does
from safeserial.inspection.opcodes import Step, constants_at, text_of, walk
from safeserial.inspection.report import Finding, Report
from safeserial.inspection.zip_members import open_member
from safeserial.inspection.zips import Archive

_FORBIDDEN: Final = {ord("i"): "INST", ord("o"): "OBJ", 0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4"}
_MEMOIZE: Final = frozenset(b"\x94qrp")
_GET: Final = frozenset(b"hjg")
_LEGACY: Final = 4


def read(content: Content, about: Inspection, archive: Archive) -> Report:
    """Report a ZIP file of torch.save or torch.jit.save."""
    findings = list(archive.findings)
    scripted = [one for one in archive.members if "/code/" in f"/{one.name}"]
    if scripted:
        message = f"a TorchScript program with {len(scripted)} files of code"
        findings.append(finding("SS018", message, member=scripted[0].name[:200]))
    stored = [one for one in archive.members if "/data/" in one.name]
    names: list[str] = []
    for one in archive.members:
        if one.name.endswith(".pkl"):
            try:
                stream = open_member(content, archive, one, about).view()
            except FormatError as error:
                findings.append(refusal(error, member=one.name[:200]))
                continue
            more, seen = survey_tensors(stream, about, member=one.name[:200])
            findings += more
            names += seen
    if not scripted:
        findings.append(_advice())
    return assemble(
        content,
        about,
        "torchscript" if scripted else "pytorch",
        findings,
        details={
            "tensors' bytes": str(sum(one.size for one in stored)),
            "storages": str(len(stored)),
            "names": ", ".join(dict.fromkeys(names)),
        },
    )


def read_legacy(content: Content, about: Inspection) -> Report:
    """Report a file of torch.save before PyTorch 1.6: pickles, then raw numbers."""
    try:
        stream = content.view()
    except FormatError as error:
        return assemble(content, about, "pytorch (before 1.6)", [refusal(error)], problem=error)
    findings: list[Finding] = []
    names: list[str] = []
    position = 0
    try:
        for _ in range(_LEGACY):
            more, seen, position = _walk_tensors(stream, position, about, "")
            findings += more
            names += seen
    except ValueError as error:
        findings.append(damaged(f"the pickles before the numbers: {error}"))
    findings.append(_advice())
    return assemble(
        content,
        about,
        "pytorch (before 1.6)",
        findings,
        details={
            "tensors' bytes": str(content.size - position),
            "names": ", ".join(dict.fromkeys(names)),
        },
    )


def read_tar(content: Content, about: Inspection, members: dict[str, Part]) -> Report:
    """Report a tar file of torch.save before PyTorch 0.1.10."""
    findings: list[Finding] = []
    names: list[str] = []
    for name in ("storages", "tensors", "pickle"):
        stream, position = members[name].view(), 0
        try:
            while position < len(stream) and (position == 0 or stream[position] == 0x80):  # noqa: PLR2004
                more, seen, position = _walk_tensors(stream, position, about, name)
                findings += more
                names += seen
                if name != "pickle":
                    break  # raw numbers stand between the pickles that follow
        except ValueError as error:
            findings.append(damaged(error, member=name))
    message = "written by PyTorch before 0.1.10"
    findings += [finding("SS026", message), _advice()]
    details = {"names": ", ".join(dict.fromkeys(names))}
    return assemble(content, about, "pytorch (tar)", findings, details=details)


def _advice() -> Finding:
    return finding("SS019", "load it with torch.load(path, weights_only=True)")


def survey_tensors(
    stream: memoryview, about: Inspection, *, member: str
) -> tuple[list[Finding], list[str]]:
    """List the names of one pickle of tensors, and judge them."""
    try:
        findings, names, end = _walk_tensors(stream, 0, about, member)
    except ValueError as error:
        return [damaged(f"the pickle cannot be followed: {error}", member=member)], []
    if end < len(stream):
        message = f"{len(stream) - end} bytes follow the pickle"
        findings.append(finding("SS023", message, member=member, offset=end))
    return findings, names


def _walk_tensors(
    stream: memoryview, start: int, about: Inspection, member: str
) -> tuple[list[Finding], list[str], int]:
    findings: list[Finding] = []
    names: list[str] = []
    judged: set[str] = set()
    pushed: list[str | None] = []
    memo: dict[int, str | None] = {}
    end = start
    for step in walk(stream, start):
        end = step.end
        if step.code in _FORBIDDEN:
            message = f"the opcode {_FORBIDDEN[step.code]}, which PyTorch never writes"
            findings.append(finding("SS003", message, member=member, offset=step.offset))
        dotted = _name(step, pushed)
        _remember(step, pushed, memo)
        if dotted is None or dotted in judged:
            continue
        judged.add(dotted)
        names.append(shown(dotted)[1:-1])
        findings += _judge(dotted, step, stream, about, member)
    return findings, names, end


def _name(step: Step, pushed: list[str | None]) -> str | None:
    """Return the dotted name that an opcode fetches, None if it fetches none."""
    if step.code == ord("c"):
        return ".".join(step.argument.decode("utf-8", "replace").split("\n"))
    if step.code == 0x93:  # STACK_GLOBAL  # noqa: PLR2004
        return ".".join("?" if one is None else one for one in pushed[-2:]) or "?"
    return None


def _remember(step: Step, pushed: list[str | None], memo: dict[int, str | None]) -> None:
    """Follow texts on their way to STACK_GLOBAL: what is not understood is None, and refused."""
    if step.code in _MEMOIZE:
        index = len(memo) if step.code == 0x94 else _index(step)  # noqa: PLR2004
        memo[index] = pushed[-1] if pushed else None
        return
    pushed.append(memo.get(_index(step)) if step.code in _GET else text_of(step))
    del pushed[:-4]


def _index(step: Step) -> int:
    if step.code in b"pg":
        return int(step.argument) if step.argument.isdigit() else -1
    return int.from_bytes(step.argument, "little")


def _judge(
    dotted: str, step: Step, stream: memoryview, about: Inspection, member: str
) -> list[Finding]:
    if torch_meaning(dotted):
        return []
    module, _, name = dotted.rpartition(".")
    allowlist = about.policy.allowlist
    grant = allowlist.find(allowlist.resolve(module, name))
    if grant is not None:
        return []
    danger = what_it_does(dotted)
    if not danger:
        return [unlisted(dotted, member=member, offset=step.offset)]
    given = constants_at(stream, step.offset)
    behind = f"; near it: {', '.join(map(shown, given))}" if given else ""
    message = f"{shown(dotted)[1:-1]} {danger}{behind}"
    return [finding("SS002", message, name=dotted, member=member, offset=step.offset)]
