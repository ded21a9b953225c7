# SPDX-License-Identifier: BSD-3-Clause
"""Reports as SARIF 2.1.0, the form that code-scanning services take.

Floor 7.  Written as the reports come, so that a folder of any size needs little memory.  Text of
files cannot become a link, a placeholder or a control character in the viewer.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import quote

from safeserial.digests import sha256_hex
from safeserial.inspection.neutral import printable
from safeserial.inspection.report import RULES, Finding, Report, Rule

SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_ROOT: Final = "%SRCROOT%"
# GitHub sorts by these numbers (0.1 to 10); they are not computed from anything.
_SEVERITY: Final = {"error": "9.0", "warning": "6.0", "note": "1.0"}
# What stands for a verdict if no finding explains it: a refusal is never silent.
_FALLBACK: Final = {"dangerous": "SS003", "needs trust": "SS001", "cannot tell": "SS006"}
_ORDER: Final = {rule: position for position, rule in enumerate(RULES)}


class SarifWriter:
    """One run of the inspection, written to a stream.

    Parameters
    ----------
    stream : binary file
        Where the document goes.
    version : str
        Version of safeserial.
    base : str, optional
        Folder to which the paths in the document are relative.  Default: the working directory.
    """

    def __init__(self, stream: BinaryIO, *, version: str, base: str | None = None) -> None:
        self._stream = stream
        self._base = os.getcwd() if base is None else base  # noqa: PTH109 - surrogates stay as they are
        self._seen: Counter[str] = Counter()
        self._separator = ""
        head = {"$schema": SCHEMA, "version": "2.1.0"}
        run = {
            "tool": {
                "driver": {
                    "name": "safeserial",
                    "semanticVersion": version,
                    "rules": [_descriptor(rule) for rule in RULES.values()],
                }
            },
            "columnKind": "unicodeCodePoints",
        }
        self._write(f'{_text(head)[:-1]}, "runs": [{_text(run)[:-1]}, "results": [')

    def add(self, report: Report) -> None:
        """Write the results of one file."""
        for one, inner in _findings(report, ""):
            self._write(f"{self._separator}\n{_text(self._result(report, one, inner=inner))}")
            self._separator = ","

    def finish(self, *, complete: bool = True) -> None:
        """Write the end; `complete` says whether all files were looked at."""
        invocations = [{"executionSuccessful": complete}]
        self._write(f'\n], "invocations": {_text(invocations)}}}]}}\n')

    def _write(self, text: str) -> None:
        self._stream.write(text.encode("ascii"))

    def _result(self, report: Report, finding: Finding, *, inner: bool) -> dict[str, Any]:
        uri = _uri(report.path, self._base)
        region: dict[str, int] = {"startLine": 1}  # GitHub wants a line even of a binary file
        if finding.offset is not None and not inner and _is_plain(report):
            region["byteOffset"] = finding.offset
        location: dict[str, Any] = {
            "physicalLocation": {
                "artifactLocation": uri if "://" in uri["uri"] else {**uri, "uriBaseId": _ROOT},
                "region": region,
            }
        }
        logical = _logical(finding)
        if logical:
            location["logicalLocations"] = logical
        result: dict[str, Any] = {
            "ruleId": finding.rule,
            "ruleIndex": _ORDER[finding.rule],
            "level": finding.level,
            "message": {"text": _message(report, finding)},
            "locations": [location],
            "partialFingerprints": self._fingerprints(uri["uri"], finding),
        }
        properties: dict[str, Any] = {"kind": printable(report.kind), "verdict": report.verdict}
        if finding.offset is not None and "byteOffset" not in region:
            properties["offsetInDecompressedContent"] = finding.offset
        return {**result, "properties": properties}

    def _fingerprints(self, uri: str, finding: Finding) -> dict[str, str]:
        """Name a result by what it is about, not by its offset, so that it is known again."""
        subject = finding.name or finding.message
        about = (uri, finding.rule, finding.member, subject)
        digest = sha256_hex("\0".join(map(ascii, about)).encode())[:32]
        self._seen[digest] += 1
        return {"primaryLocationLineHash": f"{digest}:{self._seen[digest]}"}


def _descriptor(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.name.split("-")),
        "shortDescription": {"text": rule.short},
        "fullDescription": {"text": f"{rule.short} {rule.help}"},
        "help": {"text": rule.help},
        "defaultConfiguration": {"level": rule.level},
        "properties": {
            "tags": ["security", "model"],
            "security-severity": _SEVERITY[rule.level],
        },
    }


def _findings(report: Report, path: str) -> Iterator[tuple[Finding, bool]]:
    """Yield all findings of a file and what is in it, each with whether it is about a member."""
    found = report.findings
    if not found and not report.members and report.verdict in _FALLBACK:
        rule = RULES[_FALLBACK[report.verdict]]
        text = str(report.problem) if report.problem is not None else rule.short
        found = (Finding(rule=rule.id, level=rule.level, message=text),)
    for one in found:
        if one.rule in RULES and report.verdict != "not a model":
            member = "/".join(part for part in (path, one.member) if part)
            yield _placed(one, member), bool(member)
    for inner in report.members:
        yield from _findings(inner, "/".join(part for part in (path, inner.path) if part))


def _placed(finding: Finding, member: str) -> Finding:
    return Finding(
        rule=finding.rule,
        level=finding.level,
        message=finding.message,
        name=finding.name,
        member=member,
        offset=finding.offset,
    )


def _is_plain(report: Report) -> bool:
    """Say whether offsets of findings are offsets in the file as it lies on disk."""
    return "(" not in report.kind and report.kind != "artifact" and not report.members


def _logical(finding: Finding) -> list[dict[str, str]]:
    logical = []
    if finding.name:
        name = printable(finding.name)
        logical.append({"name": name.rpartition(".")[2] or name, "fullyQualifiedName": name})
    if finding.member:
        member = printable(finding.member)
        logical.append({"name": member, "fullyQualifiedName": member, "kind": "resource"})
    return logical


def _message(report: Report, finding: Finding) -> str:
    """Return the message, in which brackets are escaped: `[x](y)` would be a link."""
    where = f" (in {printable(finding.member)})" if finding.member else ""
    text = f"{printable(finding.message)}{where}" or report.verdict
    if "](" in text:
        text = text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return text


def _uri(path: str, base: str) -> dict[str, str]:
    """Return where a file is: relative to `base` if it lies in it, else absolute."""
    if path == "-":
        return {"uri": "standard-input"}
    full = os.path.normpath(os.path.join(base, path))  # noqa: PTH118 - bytes that are no text survive
    inside = os.path.join(base, "")  # noqa: PTH118 - the same
    if full.startswith(inside):
        relative = full[len(inside) :].replace(os.sep, "/")
        return {"uri": quote(os.fsencode(relative))}
    if os.name == "nt":
        return {"uri": Path(full).as_uri()}
    return {"uri": "file://" + quote(os.fsencode(full))}


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)
