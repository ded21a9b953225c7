# SPDX-License-Identifier: BSD-3-Clause
"""Pickle and joblib files: every pickle in them surveyed by the opcode verifier.

Floor 7.  Nothing is executed: the verifier follows the opcodes on abstract values.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from safeserial.errors import (
    CorruptArtifactError,
    FormatError,
    MissingExtraError,
    SafeSerialError,
    UnsupportedVersionError,
)
from safeserial.inspection import claims
from safeserial.inspection.assembling import Inspection, assemble, finding, refusal, shown
from safeserial.inspection.content import Content, Memory
from safeserial.inspection.dangers import judge_names
from safeserial.inspection.opcodes import walk
from safeserial.inspection.report import Finding, Report
from safeserial.payload import Payload
from safeserial.policy import Policy
from safeserial.verifier import Survey, survey
from safeserial.verifier.decompress import detect

MAX_PICKLES: Final = 64
_LOOKED_AT: Final = 10_000
_FOLLOWED: Final = re.compile(r"([0-9]+) bytes follow the pickle stream\Z")
_HEADER: Final = 2
_HIGHEST: Final = 5
# Opcodes that can stand first; the others need something before them.
_FIRST_TEXT: Final = frozenset(b"(cIVSLFNKMJUXTG]})")
_ACTING: Final = frozenset(b"iPQ\x82\x83\x84")
_WRAPPERS: Final = frozenset({"NDArrayWrapper", "ZNDArrayWrapper"})
_TORCH_MAGIC: Final = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
_ODD: Final = re.compile(r"[^\w.<>-]")


def looks_like_pickle(head: bytes) -> bool:
    """Say whether bytes begin as a pickle of protocol 2 or later does."""
    return len(head) >= _HEADER and head[0] == 0x80 and head[1] <= _HIGHEST  # noqa: PLR2004


def may_be_pickle(head: bytes) -> bool:
    """Say whether bytes can begin a pickle of any protocol."""
    return looks_like_pickle(head) or head[:1] == b"\x80" or head[:1] in _texts()


def _texts() -> frozenset[bytes]:
    return frozenset(bytes([one]) for one in _FIRST_TEXT)


def survey_stream(stream: memoryview, policy: Policy) -> Survey:
    """Follow one stream that is not compressed."""
    if detect_compressor(stream) is not None:
        problem = CorruptArtifactError("what is in the compressed stream is compressed again")
        return Survey((), (), (), problem)
    return survey(Payload("joblib", {}, {"payload/model.joblib": stream}, signed=False), policy)


def detect_compressor(stream: memoryview) -> str | None:
    """Return the compressor that bytes begin with."""
    try:
        return detect(stream)
    except UnsupportedVersionError:
        return "ZF"


def read(content: Content, about: Inspection, *, compressor: str = "", sure: bool = True) -> Report:
    """Report a pickle or joblib file.

    Parameters
    ----------
    content : Content
        Decompressed.
    about : Inspection
        Path and policy.
    compressor : str, optional
        What it was compressed with.
    sure : bool, default=True
        False where nothing but the attempt can tell whether it is a pickle at all.

    Returns
    -------
    Report
        Of kind ``pickle``, ``joblib`` or ``joblib (compressor)``; ``unknown`` if it is no pickle.
    """
    try:
        stream = content.view()
    except FormatError as error:
        return assemble(content, about, "pickle", [refusal(error)], problem=error)
    found = survey_stream(stream, about.policy)
    sane = [one for one in found.globals if not any(map(_ODD.search, one.written))]
    if not sure and found.problem is not None and not sane and not _acts(stream):
        return not_a_model(content, about, stream)
    end = _end(stream, found)
    if end < len(stream):
        return _several(content, about, stream, found, end=end, compressor=compressor)
    return _one(content, about, stream, found, compressor=compressor, problem=found.problem)


def _acts(stream: memoryview) -> bool:
    """Say whether a stream that cannot be followed would do something before it breaks off."""
    try:
        for step in walk(stream, most=_LOOKED_AT):
            if step.code in _ACTING and not _ODD.search(_words(step.argument)):
                return True
    except ValueError:
        return False
    return True


def _words(argument: bytes) -> str:
    return argument.decode("utf-8", "replace").replace("\n", ".")


def not_a_model(content: Content, about: Inspection, stream: memoryview) -> Report:
    """Report bytes that are nothing that is known here."""
    text = bytes(stream[:256])
    kind = "a text" if text and not set(text) & set(range(9)) else "no kind of model known here"
    message = f"this is {kind}; it begins with {shown(text[:24])}"
    return assemble(content, about, "unknown", [finding("SS024", message)])


def _end(stream: memoryview, found: Survey) -> int:
    """Return where the first pickle ends: the survey says how much follows it."""
    if isinstance(found.problem, CorruptArtifactError):
        match = _FOLLOWED.match(str(found.problem))
        if match is not None:
            return len(stream) - int(match[1])
    return len(stream)


def _one(
    content: Content,
    about: Inspection,
    stream: memoryview,
    found: Survey,
    *,
    compressor: str = "",
    problem: SafeSerialError | None,
    more: Sequence[Finding] = (),
    members: Sequence[Report] = (),
) -> Report:
    findings = [*judge_names(found, stream), *more, *_problems(found, problem)]
    versions = claims.versions(stream)
    return assemble(
        content,
        about,
        _kind(found, compressor),
        findings,
        members=members,
        survey=found,
        problem=problem,
        estimator=claims.outermost(stream, found.globals),
        versions=versions,
        details=_details(stream, found, compressor),
    )


def _problems(found: Survey, problem: SafeSerialError | None) -> list[Finding]:
    if problem is None:
        return []
    if any(one.written[1] in _WRAPPERS for one in found.globals):
        return [
            finding(
                "SS026",
                "written by joblib before 0.10",
                level="warning",
            ),
            finding(
                "SS009",
                "its arrays are in files of their own beside it, named like MODEL_01.npy",
            ),
        ]
    if isinstance(problem, MissingExtraError):
        return [finding("SS027", str(problem))]
    if isinstance(problem, FormatError):
        return [refusal(problem)]
    offset = getattr(problem, "offset", None)
    return [finding("SS003", str(problem), offset=offset)]


def _several(
    content: Content,
    about: Inspection,
    stream: memoryview,
    first: Survey,
    *,
    end: int,
    compressor: str,
) -> Report:
    """Report a file in which something follows the first pickle: other pickles, or not."""
    members, more, position, count = [], [], end, 1
    while position < len(stream):
        rest = stream[position:]
        if not may_be_pickle(bytes(rest[:2])) or count == MAX_PICKLES:
            more.append(_trailing(rest, position))
            break
        found = survey_stream(rest, about.policy)
        size = _end(rest, found)
        if isinstance(found.problem, FormatError) and size == len(rest) and not found.globals:
            more.append(_trailing(rest, position))
            break
        count += 1
        inside = about.inside(f"pickle {count}")
        left = found.problem if size == len(rest) else None
        part = rest[:size]
        members.append(_one(Memory(part), inside, part, found, problem=left))
        position += size
    if members:
        message = f"there are {count} pickles in the file, one after the other"
        more.append(finding("SS008", message, offset=end))
    head = stream[:end]
    return _one(
        content,
        about,
        head,
        first,
        compressor=compressor,
        problem=first.problem,
        more=more,
        members=members,
    )


def _trailing(rest: memoryview, position: int) -> Finding:
    if not any(rest[: 2**20]):
        return finding("SS023", f"{len(rest)} zero bytes follow the pickle", offset=position)
    begins = shown(bytes(rest[:16]))
    message = f"{len(rest)} bytes that are no pickle follow the pickle; they begin with {begins}"
    return finding("SS006", message, offset=position)


def _kind(found: Survey, compressor: str) -> str:
    if compressor:
        return f"joblib ({compressor})"
    wrapped = any(
        one.written[0].endswith("joblib.numpy_pickle") and "Wrapper" in one.written[1]
        for one in found.globals
    )
    return "joblib" if wrapped or found.arrays else "pickle"


def _details(stream: memoryview, found: Survey, compressor: str) -> dict[str, str]:
    head = bytes(stream[:2])
    said = {"protocol": str(head[1]) if looks_like_pickle(head) else "0 or 1"}
    if compressor:
        said["decompressed"] = f"{len(stream)} bytes"
    said["opcodes"] = str(found.opcodes)
    if found.arrays:
        said["arrays"] = str(found.arrays)
    return {**said, **claims.generations(found.globals)}


def is_torch_legacy(head: bytes) -> bool:
    """Say whether bytes begin as torch.save wrote before PyTorch 1.6."""
    return _TORCH_MAGIC in head[:32]
