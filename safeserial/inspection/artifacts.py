# SPDX-License-Identifier: BSD-3-Clause
"""Signed artifacts: the road of loading, ended before anything is built.

Floor 7.
"""

from __future__ import annotations

import dataclasses

from safeserial import foreign
from safeserial import manifest as manifests
from safeserial.artifact import loading, trust
from safeserial.digests import sha256_hex
from safeserial.errors import (
    FormatError,
    PolicyError,
    SafeSerialError,
    VerificationError,
)
from safeserial.files import Source
from safeserial.inspection.assembling import finding, refusal
from safeserial.inspection.dangers import judge_names
from safeserial.inspection.report import Finding, Report, SignatureState, Verdict
from safeserial.keyring import Keyring
from safeserial.manifest import Manifest
from safeserial.payload import Payload
from safeserial.policy import Policy
from safeserial.verifier import Survey, survey

_MANY = 20


def read(
    path: str,
    source: Source,
    keyring: Keyring | None,
    policy: Policy,
    progress: loading.Progress | None,
) -> Report:
    """Report a signed artifact.

    Raises
    ------
    FormatError
        If its front cannot be read.
    """
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
        members = loading.read_payload(source, front, described, progress, keep=True)
        payload = Payload(described.format, described.options, members, signed=False)
        look = foreign.survey if payload.format in foreign.FOREIGN else survey
        found = look(payload, policy)
        problem = refused or found.problem
    except (FormatError, VerificationError) as error:
        problem = refused or error
    report = Report(
        path=path,
        size=source.size,
        kind="artifact",
        verdict=_verdict(found, problem, refused),
        signature=signature,
        signers=signers,
        artifact_id=sha256_hex(front.body),
        manifest=described,
        survey=found,
        problem=problem,
        estimator=described.model.class_name,
        versions=_versions(described),
    )
    return dataclasses.replace(report, findings=_findings(found, problem, refused))


def _verdict(
    found: Survey | None, problem: SafeSerialError | None, refused: SafeSerialError | None
) -> Verdict:
    if refused is not None:
        return "dangerous"
    if found is None or isinstance(problem, FormatError):
        return "cannot tell"
    if problem is not None or any(one.rule == "SS002" for one in judge_names(found, None)):
        return "dangerous"
    return "needs trust" if found.untrusted else "safe"


def _findings(
    found: Survey | None, problem: SafeSerialError | None, refused: SafeSerialError | None
) -> tuple[Finding, ...]:
    findings = judge_names(found, None) if found is not None else []
    if refused is not None:
        findings.insert(0, finding("SS004", str(refused)))
    elif isinstance(problem, PolicyError):
        offset = getattr(problem, "offset", None)
        findings.insert(0, finding("SS003", str(problem), offset=offset))
    elif problem is not None:
        findings.insert(0, refusal(problem))
    return tuple(findings)


def _versions(described: Manifest) -> dict[str, str]:
    where = described.environment
    return {"Python": where.python, **dict(list(where.packages.items())[:_MANY])}
