# SPDX-License-Identifier: BSD-3-Clause
"""Verified: an envelope whose signature the keyring accepts, its manifest read, nothing else.

Floor 6.  The rules of trust stand here in one place and touch no file: signature first, over exact
bytes; then the manifest is parsed; then the key's state and dates are held against it.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from safeserial import manifest, signer_rules
from safeserial.digests import sha256_hex
from safeserial.envelope import Envelope
from safeserial.errors import (
    MissingSignersError,
    PolicyError,
    SafeSerialError,
    UnknownKeyError,
    UnsignedError,
)
from safeserial.keyring import KeyEntry, Keyring
from safeserial.keys import PURPOSE_ARTIFACT
from safeserial.manifest import Manifest
from safeserial.payload import Payload
from safeserial.policy import Policy
from safeserial.signer_rules import DEFAULT_RULES, Facts
from safeserial.signer_rules import SignedBy as SignedBy
from safeserial.signing import verifier

CLOCK_SKEW: Final = datetime.timedelta(minutes=5)


@dataclass(frozen=True)
class Verified:
    """An artifact whose signature and bytes are right; nothing of its payload was interpreted.

    Parameters
    ----------
    manifest : Manifest
        The signed description.
    signers : tuple of SignedBy
        Whose signatures count.
    artifact_id : str
        SHA-256 of the manifest's bytes, in hex.
    payload : Payload, optional
        The payload's bytes; None where they were only checked.
    """

    manifest: Manifest
    signers: tuple[SignedBy, ...]
    artifact_id: str
    payload: Payload | None = field(default=None, repr=False)


def accept(envelope: Envelope, ring: Keyring, policy: Policy) -> Verified:
    """Verify an envelope.

    Parameters
    ----------
    envelope : Envelope
        As read; none of its bytes is trusted.
    ring : Keyring
        The keys whose word counts.
    policy : Policy
        Which payload formats are accepted.

    Returns
    -------
    Verified
        Without payload.

    Raises
    ------
    BadSignatureError
        If a signature by a key of the ring does not fit; one bad signature spoils the file.
    UnknownKeyError
        If no key of the ring signed.
    RevokedKeyError
        If a revoked key signed, whoever else did.
    RetiredKeyError, ExpiredKeyError, KeyNotYetValidError
        If those that signed do not count (any more, or yet).
    CorruptArtifactError, UnsupportedVersionError
        If what was signed is no manifest of this version.
    PolicyError
        If the payload's format is not accepted, or a rule on signers is not met.
    """
    message = envelope.signed_bytes
    known: list[KeyEntry] = []
    for signature in envelope.signatures:
        entry = ring.find(signature.key_id)
        if entry is not None:
            verifier(entry.key, PURPOSE_ARTIFACT).verify(message, signature.value)
            known.append(entry)
    if not known:
        ids = [signature.key_id for signature in envelope.signatures]
        raise UnknownKeyError(
            f"signed by a key that the keyring does not have: {', '.join(ids)[:300]}", key_ids=ids
        )
    described = manifest.decode(envelope.body)
    facts = Facts(
        format=described.format,
        created=described.created_at,
        name=described.name,
        version=described.version,
    )
    signers = weigh(known, facts, policy)
    return Verified(described, signers, sha256_hex(envelope.body))


def weigh(
    known: Sequence[KeyEntry],
    facts: Facts,
    policy: Policy,
    *,
    now: datetime.datetime | None = None,
) -> tuple[SignedBy, ...]:
    """Say whose word counts, and refuse where that is not enough: for artifacts and `.sig` alike.

    Parameters
    ----------
    known : sequence of KeyEntry
        The ring's entry of each key whose signature *was found to fit*; at least one.
    facts : Facts
        What the signed description says; of what it does not say, nothing is believed.
    policy : Policy
        Its formats and its rules on signers.
    now : datetime, optional
        The present, timezone-aware.

    Returns
    -------
    tuple of SignedBy
        The signers.

    Raises
    ------
    RevokedKeyError
        If one of the keys is revoked, however good the others are (docs/adr/0009).
    RetiredKeyError, ExpiredKeyError, KeyNotYetValidError
        If no key counts now, or none did when the model was made.
    PolicyError
        If the model comes from the future, has a format that is not accepted, or its signers are
        not those that the rules ask for.
    """
    now = datetime.datetime.now(datetime.UTC) if now is None else now
    for entry in known:
        if entry.state == "revoked":
            entry.require_valid(now)
    if facts.created is not None and facts.created > now + CLOCK_SKEW:
        raise PolicyError(
            f"it says that it was made on {_in_utc(facts.created)}, which is yet to come",
            hint="check this machine's clock, and the sender's",
        )
    good: list[SignedBy] = []
    bad: list[SafeSerialError] = []
    for entry in known:
        try:
            entry.require_valid(now)
            if facts.created is not None:
                entry.require_valid(facts.created, what=", before or after the artifact was made")
        except SafeSerialError as error:
            bad.append(error)
        else:
            good.append(SignedBy(entry.key_id, entry.key.algorithm, entry.principal, entry.roles))
    if not good:
        raise bad[0] if bad else UnsignedError("there is no signature")
    if facts.format not in policy.formats:
        raise PolicyError(
            f"the policy does not accept payloads of format {facts.format[:40]!r}",
            hint=f"it accepts: {', '.join(policy.formats)}",
        )
    signer_rules.check(policy.signers, good, facts, now=now, passed_over=bad)
    return tuple(good)


def require_no_rules(policy: Policy) -> None:
    """Refuse a file that nobody signed where a policy says who has to.

    Raises
    ------
    MissingSignersError
        If the policy has rules on signers of its own.
    """
    if policy.signers != DEFAULT_RULES:
        raise MissingSignersError(
            "the policy says who has to sign a model, and nobody signed this file",
            missing=("signer",),
            hint="sign it (`safeserial sign`), or load it under a policy without [[signers]]",
        )


def _in_utc(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
