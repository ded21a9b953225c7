# SPDX-License-Identifier: BSD-3-Clause
"""What inspection says of a file: a verdict, findings in plain words, and what lies inside it.

Floor 7.  Plain frozen data: nothing here reads a file, and nothing holds the file's memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from safeserial.errors import SafeSerialError
from safeserial.inspection.rules import RULES as RULES
from safeserial.inspection.rules import Level as Level
from safeserial.inspection.rules import Rule as Rule
from safeserial.manifest import Manifest
from safeserial.verifier import Survey

Verdict = Literal["safe", "needs trust", "dangerous", "not a model", "cannot tell"]
SignatureState = Literal["verified", "refused", "not checked", "none"]
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing to know about a file.

    Parameters
    ----------
    rule : str
        Its id in `RULES`.
    level : {"note", "warning", "error"}
        How much it weighs here.
    message : str
        Plain words; text of the file stands in it quoted and cut.
    name : str
        The global concerned, dotted, ``""`` where it is about none.
    member : str
        Path inside the file, ``""`` for the file itself.
    offset : int, optional
        Where in the (decompressed) bytes of the file or member.
    """

    rule: str
    level: Level
    message: str
    name: str = ""
    member: str = ""
    offset: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain data for JSON."""
        return {
            "rule": self.rule,
            "level": self.level,
            "message": self.message,
            "name": self.name,
            "member": self.member,
            "offset": self.offset,
        }


@dataclass(frozen=True, kw_only=True)
class Report:
    """What inspection found.

    Parameters
    ----------
    path : str
        The file, or the path of a member inside of one.
    size : int
        Its bytes.
    kind : str
        What it is by its content: ``artifact``, ``pickle``, ``joblib``, ``joblib (zlib)``,
        ``skops``, ``onnx``, ``npy``, ``npz``, ``safetensors``, ``pytorch``, … ``unknown``.
    verdict : str
        ``safe``: loads under the policy, or is of a format that holds only data; ``needs trust``:
        names what is not on the allowlist, or needs code from elsewhere; ``dangerous``: does what
        no honest model does, or its signature is refused; ``not a model``; ``cannot tell``:
        damaged, unreadable, or not looked into.
    signature : str
        ``verified``, ``refused``, ``not checked`` (no keyring was given) or ``none``.
    signers : tuple of str
        Key ids: those that count if verified, else those that the file claims.
    artifact_id : str
        SHA-256 of the manifest's bytes, ``""`` for other files.
    manifest : Manifest, optional
        To be believed only if the signature is verified.
    survey : Survey, optional
        The globals of the payload with their roles and offsets.
    problem : SafeSerialError, optional
        The first thing that stands against loading.
    findings : tuple of Finding
        What there is to know, the gravest first.
    estimator : str
        Dotted class of the outermost object, ``""`` where it does not show.
    versions : mapping of str to str
        Library to the version that the file claims.
    members : tuple of Report
        What lies inside, each with the member's path.
    details : mapping of str to str
        Shapes, dtypes, sizes, operator sets, …: label to text.
    """

    path: str
    size: int
    kind: str
    verdict: Verdict
    signature: SignatureState = "none"
    signers: tuple[str, ...] = ()
    artifact_id: str = ""
    manifest: Manifest | None = None
    survey: Survey | None = None
    problem: SafeSerialError | None = field(default=None, compare=False)
    findings: tuple[Finding, ...] = ()
    estimator: str = ""
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)
    members: tuple[Report, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def untrusted(self) -> tuple[str, ...]:
        """Dotted names that the policy does not list, here and in members, sorted."""
        names = set(self.survey.untrusted) if self.survey is not None else set()
        names |= {one.name for one in self.findings if one.rule == "SS001" and one.name}
        for member in self.members:
            names |= set(member.untrusted)
        return tuple(sorted(names))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data for JSON."""
        problem = self.problem
        return {
            "path": self.path,
            "size": self.size,
            "kind": self.kind,
            "verdict": self.verdict,
            "signature": self.signature,
            "signers": list(self.signers),
            "artifact_id": self.artifact_id or None,
            "manifest": None if self.manifest is None else msgspec.to_builtins(self.manifest),
            "estimator": self.estimator or None,
            "versions": dict(self.versions),
            "details": dict(self.details),
            "findings": [one.to_dict() for one in self.findings],
            "globals": _globals(self.survey),
            "untrusted": list(self.untrusted),
            "problem": None
            if problem is None
            else {"error": type(problem).__name__, "message": str(problem), "hint": problem.hint},
            "members": [one.to_dict() for one in self.members],
        }


def _globals(survey: Survey | None) -> list[dict[str, Any]]:
    return [
        {
            "name": ".".join(one.written),
            "resolved": ".".join(one.resolved),
            "roles": sorted(one.roles),
            "offset": one.offset,
            "allowed": one.allowed,
        }
        for one in (survey.globals if survey is not None else ())
    ]
