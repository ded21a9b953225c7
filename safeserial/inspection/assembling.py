# SPDX-License-Identifier: BSD-3-Clause
"""From findings to a report: the one place where a verdict is made.

Floor 7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Final

from safeserial.errors import (
    CorruptArtifactError,
    ForbiddenOperationError,
    LimitExceededError,
    NotAnArtifactError,
    SafeSerialError,
)
from safeserial.inspection.content import Content
from safeserial.inspection.report import RULES, Finding, Level, Report, Verdict
from safeserial.keyring import Keyring
from safeserial.policy import Policy
from safeserial.verifier import Survey

MAX_DEPTH: Final = 2
MAX_FINDINGS: Final = 1000
_TEXT: Final = 120
_WEIGHT: Final = {"error": 0, "warning": 1, "note": 2}
# A warning of the first rules leaves the verdict open; any finding of the others asks for trust.
_OPEN: Final = frozenset({"SS006", "SS007", "SS008", "SS021", "SS026", "SS027"})
_TRUST: Final = frozenset({"SS001", "SS013", "SS015", "SS018", "SS019", "SS020"})
_WORST: Final[tuple[Verdict, ...]] = ("dangerous", "cannot tell", "needs trust", "safe")


@dataclass
class Budget:
    """What one inspection may still cost, members of members included.

    Parameters
    ----------
    members : int
        Members that may still be looked into.
    unpacked : int
        Bytes that may still be decompressed.
    """

    members: int = 10_000
    unpacked: int = 2**36


@dataclass(frozen=True)
class Inspection:
    """What is known about the thing that is looked at, beside its bytes.

    Parameters
    ----------
    path : str
        Of the file, or inside it.
    policy : Policy
        Decides what is listed.
    room : contextlib.ExitStack
        Closes temporary files at the end.
    look : callable
        Finds out what a member is and reports it.
    keyring : Keyring, optional
        For signed artifacts.
    depth : int
        0 for the file itself.
    budget : Budget
        Shared by all members.
    """

    path: str
    policy: Policy
    room: ExitStack
    look: Callable[[Content, Inspection], Report]
    keyring: Keyring | None = None
    depth: int = 0
    budget: Budget = field(default_factory=Budget)

    def inside(self, path: str) -> Inspection:
        """Return the same for a member."""
        return replace(self, path=path, keyring=None, depth=self.depth + 1)


def shown(text: object) -> str:
    """Return text of the file as it may stand in a message: quoted, one line, cut."""
    whole = text if isinstance(text, str | bytes) else str(text)
    cut = ascii(whole[:_TEXT])
    return f"{cut}…" if len(whole) > _TEXT else cut


def finding(
    rule: str,
    message: str,
    *,
    level: Level | None = None,
    name: str = "",
    member: str = "",
    offset: int | None = None,
) -> Finding:
    """Return a finding with its rule's usual level."""
    chosen = RULES[rule].level if level is None else level
    return Finding(
        rule=rule, level=chosen, message=message, name=name, member=member, offset=offset
    )


def damaged(message: object, *, member: str = "") -> Finding:
    """Return the finding that something cannot be read."""
    return finding("SS006", str(message), member=member)


def refusal(error: SafeSerialError, *, member: str = "") -> Finding:
    """Return the finding that stands for an error of reading."""
    rule = "SS007" if isinstance(error, LimitExceededError) else "SS006"
    return finding(rule, str(error), member=member)


def assemble(
    content: Content,
    about: Inspection,
    kind: str,
    findings: Iterable[Finding] = (),
    *,
    members: Sequence[Report] = (),
    survey: Survey | None = None,
    problem: SafeSerialError | None = None,
    estimator: str = "",
    versions: Mapping[str, str] | None = None,
    details: Mapping[str, str] | None = None,
) -> Report:
    """Return the report of one file or member, its verdict made of findings and members."""
    ordered = sorted(findings, key=lambda one: _WEIGHT[one.level])
    if len(ordered) > MAX_FINDINGS:
        more = finding("SS007", f"{len(ordered) - MAX_FINDINGS} more findings are left out")
        ordered = [*ordered[:MAX_FINDINGS], more]
    verdict = _verdict(ordered, members)
    return Report(
        path=about.path,
        size=content.size,
        kind=kind,
        verdict=verdict,
        survey=survey,
        problem=problem or _problem(verdict, ordered, members),
        findings=tuple(ordered),
        estimator=estimator,
        versions=dict(versions or {}),
        members=tuple(members),
        details=dict(details or {}),
    )


def _verdict(findings: Sequence[Finding], members: Sequence[Report]) -> Verdict:
    said: set[str] = {one.verdict for one in members}
    for one in findings:
        if one.rule == "SS024":
            return "not a model"
        if one.level == "error":
            said.add("dangerous")
        elif one.rule in _OPEN and one.level == "warning":
            said.add("cannot tell")
        elif one.rule in _TRUST:
            said.add("needs trust")
    return next((one for one in _WORST if one in said), "safe")


def _problem(
    verdict: Verdict, findings: Sequence[Finding], members: Sequence[Report]
) -> SafeSerialError | None:
    """Return what stands against loading where no reader of a format raised it."""
    if verdict in ("safe", "needs trust"):
        return None
    for one in findings:
        if verdict == "not a model" and one.rule == "SS024":
            return NotAnArtifactError(one.message, hint=RULES[one.rule].help)
        if verdict == "dangerous" and one.level == "error":
            # A name can be trusted one by one, so it alone is no proof against the file.
            return None if one.rule == "SS002" else _forbidden(one)
        if verdict == "cannot tell" and one.rule in _OPEN and one.level == "warning":
            kind = LimitExceededError if one.rule == "SS007" else CorruptArtifactError
            return kind(one.message, hint=RULES[one.rule].help)
    return next((one.problem for one in members if one.verdict == verdict and one.problem), None)


def _forbidden(one: Finding) -> SafeSerialError:
    return ForbiddenOperationError(one.message, hint=RULES[one.rule].help)
