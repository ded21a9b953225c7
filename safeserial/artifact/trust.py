# SPDX-License-Identifier: BSD-3-Clause
"""Verified: an envelope whose signature the keyring accepts, its manifest read, nothing else.

Floor 6.  The rules of trust stand here in one place and touch no file: signature first, over exact
bytes; then the manifest is parsed; then the key's state and dates are held against it.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Final

from safeserial import manifest
from safeserial.digests import sha256_hex
from safeserial.envelope import Envelope
from safeserial.errors import PolicyError, SafeSerialError, UnknownKeyError
from safeserial.keyring import KeyEntry, Keyring
from safeserial.keys import PURPOSE_ARTIFACT
from safeserial.manifest import Manifest
from safeserial.payload import Payload
from safeserial.policy import Policy
from safeserial.signing import verifier

CLOCK_SKEW: Final = datetime.timedelta(minutes=5)


@dataclass(frozen=True)
class SignedBy:
    """One signature that counts.

    Parameters
    ----------
    key_id : str
        The key that made it.
    algorithm : str
        The key's algorithm.
    """

    key_id: str
    algorithm: str


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
    RevokedKeyError, RetiredKeyError, ExpiredKeyError, KeyNotYetValidError
        If those that signed do not count (any more, or yet).
    CorruptArtifactError, UnsupportedVersionError
        If what was signed is no manifest of this version.
    PolicyError
        If the payload's format is not accepted.
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
    signers = _whose_word_counts(known, described)
    if described.format not in policy.formats:
        raise PolicyError(
            f"the policy does not accept payloads of format {described.format[:40]!r}",
            hint=f"it accepts: {', '.join(policy.formats)}",
        )
    return Verified(described, signers, sha256_hex(envelope.body))


def _whose_word_counts(known: list[KeyEntry], described: Manifest) -> tuple[SignedBy, ...]:
    now = datetime.datetime.now(datetime.UTC)
    created = described.created_at
    if created > now + CLOCK_SKEW:
        raise PolicyError(
            f"the artifact says it was made on {described.created}, which is yet to come",
            hint="check this machine's clock, and the sender's",
        )
    good: list[SignedBy] = []
    bad: list[SafeSerialError] = []
    for entry in known:
        try:
            entry.require_valid(now)
            entry.require_valid(created, what=", before or after the artifact was made")
        except SafeSerialError as error:
            bad.append(error)
        else:
            good.append(SignedBy(entry.key_id, entry.key.algorithm))
    if not good:
        raise bad[0]
    return tuple(good)
