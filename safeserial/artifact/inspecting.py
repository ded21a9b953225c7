# SPDX-License-Identifier: BSD-3-Clause
"""Say what is in a file without executing it and without importing what it names.

Floor 6.  The same road as loading, ended before anything is built.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from safeserial import manifest as manifests
from safeserial.artifact import loading, sniffing, trust
from safeserial.artifact.boundary import emptied, keeps_nothing
from safeserial.digests import sha256_hex
from safeserial.errors import (
    CorruptArtifactError,
    FormatError,
    NotAnArtifactError,
    PolicyError,
    SafeSerialError,
    UnreadableFileError,
    VerificationError,
)
from safeserial.files import FileSource, Source, StrPath, open_regular
from safeserial.keyring import Keyring
from safeserial.manifest import Manifest
from safeserial.payload import Payload
from safeserial.policy import Policy
from safeserial.verifier import Survey, survey

Verdict = Literal["safe", "needs trust", "dangerous", "not a model", "cannot tell"]
SignatureState = Literal["verified", "refused", "not checked", "none"]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What inspection found.

    Parameters
    ----------
    path : str
        The file.
    size : int
        Its bytes.
    kind : {"artifact", "pickle or joblib", "unknown"}
        What it is.
    verdict : str
        ``safe``: loads under the policy; ``needs trust``: names globals that are not on the
        allowlist; ``dangerous``: does what no honest model does, or its signature is refused;
        ``not a model``; ``cannot tell``: damaged or unreadable.
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
    """

    path: str
    size: int
    kind: str
    verdict: Verdict
    signature: SignatureState
    signers: tuple[str, ...] = ()
    artifact_id: str = ""
    manifest: Manifest | None = None
    survey: Survey | None = None
    problem: SafeSerialError | None = field(default=None, compare=False)

    @property
    def untrusted(self) -> tuple[str, ...]:
        """Dotted names that the policy does not list, sorted."""
        return self.survey.untrusted if self.survey is not None else ()

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data for JSON."""
        found = self.survey.globals if self.survey is not None else ()
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
            "globals": [
                {
                    "name": ".".join(one.written),
                    "resolved": ".".join(one.resolved),
                    "roles": sorted(one.roles),
                    "offset": one.offset,
                    "allowed": one.allowed,
                }
                for one in found
            ],
            "untrusted": list(self.untrusted),
            "problem": None
            if problem is None
            else {"error": type(problem).__name__, "message": str(problem), "hint": problem.hint},
        }


@keeps_nothing
def inspect(
    path: StrPath, *, keyring: Keyring | None = None, policy: Policy | None = None
) -> Report:
    """Report what a model file holds; nothing in it is executed or imported.

    Parameters
    ----------
    path : str or path-like
        A signed artifact, or a pickle or joblib file.
    keyring : Keyring, optional
        Checks the signature of an artifact.  Without it the signature is reported, not checked.
    policy : Policy, optional
        Decides the verdict.  Default: :meth:`Policy.default`.

    Returns
    -------
    Report
        Problems of the file's content are in it, not raised.

    Raises
    ------
    UnreadableFileError
        If there is no regular file that can be read.
    """
    report = _inspect(path, keyring, Policy.default() if policy is None else policy)
    if report.problem is not None:
        emptied(report.problem)
    return report


@keeps_nothing
def get_untrusted_types(path: StrPath, *, policy: Policy | None = None) -> list[str]:
    """List the globals of a file that the policy does not allow, importing none of them.

    Parameters
    ----------
    path : str or path-like
        A signed artifact, or a pickle or joblib file.  Signatures are not checked.
    policy : Policy, optional
        Default: :meth:`Policy.default`.

    Returns
    -------
    list of str
        Dotted names, sorted; what ``trusted=`` takes, once you have read what they do.

    Raises
    ------
    FormatError
        If the file is damaged or no model.
    PolicyError
        If it does what no honest model does, so that no list of names could make it load.
    """
    report = inspect(path, policy=policy)
    if report.problem is not None and report.verdict != "needs trust":
        raise report.problem
    return list(report.untrusted)


def _inspect(path: StrPath, keyring: Keyring | None, chosen: Policy) -> Report:
    with open_regular(path) as source:
        try:
            if sniffing.is_artifact(source):
                return _inspect_artifact(str(path), source, keyring, chosen)
            return _inspect_legacy(str(path), source, chosen)
        except UnreadableFileError:
            raise
        except NotAnArtifactError as error:
            return _without_payload(str(path), source, "unknown", "not a model", error)
        except FormatError as error:
            return _without_payload(str(path), source, "unknown", "cannot tell", error)


def _inspect_legacy(path: str, source: Source, policy: Policy) -> Report:
    payload = loading.read_legacy(source, policy)
    found = survey(payload, policy)
    return Report(
        path=path,
        size=source.size,
        kind="pickle or joblib",
        verdict=_verdict(found),
        signature="none",
        survey=found,
        problem=found.problem,
    )


def _inspect_artifact(path: str, source: Source, keyring: Keyring | None, policy: Policy) -> Report:
    front = loading.read_envelope(source)
    signature: SignatureState = "not checked"
    signers = tuple(one.key_id for one in front.signatures)
    refused: SafeSerialError | None = None
    if keyring is not None:
        try:
            accepted = trust.accept(front, keyring, policy)
            signature, signers = "verified", tuple(one.key_id for one in accepted.signers)
        except (VerificationError, PolicyError) as error:
            signature, refused = "refused", error
    described = manifests.decode(front.body)
    found: Survey | None = None
    problem: SafeSerialError | None = refused
    try:
        members = loading.read_payload(source, front, described, None, keep=True)
        payload = Payload(described.format, described.options, members, signed=False)
        found = survey(payload, policy)
        problem = refused or found.problem
    except (FormatError, VerificationError) as error:
        problem = refused or error
    damaged = isinstance(problem, CorruptArtifactError)
    return Report(
        path=path,
        size=source.size,
        kind="artifact",
        verdict="dangerous"
        if refused
        else "cannot tell"
        if found is None or damaged
        else _verdict(found),
        signature=signature,
        signers=signers,
        artifact_id=sha256_hex(front.body),
        manifest=described,
        survey=found,
        problem=problem,
    )


def _verdict(found: Survey) -> Verdict:
    if isinstance(found.problem, FormatError):
        return "cannot tell"
    if found.problem is not None:
        return "dangerous"
    return "needs trust" if found.untrusted else "safe"


def _without_payload(
    path: str, source: FileSource, kind: str, verdict: Verdict, problem: SafeSerialError
) -> Report:
    return Report(
        path=path, size=source.size, kind=kind, verdict=verdict, signature="none", problem=problem
    )
