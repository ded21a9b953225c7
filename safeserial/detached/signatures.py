# SPDX-License-Identifier: BSD-3-Clause
"""Bundles held against a keyring: whose they are, and what their signers say.

Floor 5.  What a bundle says of its key is a hint where to look.  The key comes from the ring (or
from a chain of certificates), the algorithm is the key's, and the statement is read only after the
signature over its exact bytes was found right.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safeserial.detached import statement as statements
from safeserial.detached.bundle import OURS, SIGSTORE, Bundle, hint_of, pack
from safeserial.detached.certificates import Roots
from safeserial.detached.statement import Statement
from safeserial.envelope import pre_authentication_encoding
from safeserial.errors import (
    AlgorithmMismatchError,
    AmbiguousKeyError,
    BadSignatureError,
    DuplicateSignatureError,
    UnknownKeyError,
)
from safeserial.keyring import KeyEntry, Keyring
from safeserial.keys import Key, PublicKey
from safeserial.signer_rules import is_principal
from safeserial.signing import signer, verifier

_OURS: Final = re.compile(r"p\d+-")
PURPOSE_DETACHED: Final = "detached-signature"
CERTIFICATE: Final = "a certificate"


@dataclass(frozen=True)
class Checked:
    """A bundle whose signature is right.

    Parameters
    ----------
    entry : KeyEntry
        What the ring, or a certificate, says of the key.
    statement : Statement
        What was signed.
    bundle : Bundle
        As it stands in the file.
    """

    entry: KeyEntry
    statement: Statement
    bundle: Bundle


def sign(key: Key, said: Statement) -> Bundle:
    """Sign a statement.

    Parameters
    ----------
    key : Key
        An HMAC key or a private key.
    said : Statement
        What to sign.

    Raises
    ------
    KeyringError
        If the key cannot sign.
    LimitExceededError
        If there are too many files for one signature.
    """
    body = said.encode()
    message = pre_authentication_encoding(statements.PAYLOAD_TYPE, body)
    value = signer(key, PURPOSE_DETACHED).sign(message)
    return pack(media_type_of(key), body, value, hint=_hint(key), key_id=key.key_id)


def algorithm_for(key: Key, path: Path) -> str:
    """Return what files are hashed with where a key signs them.

    What other languages read is hashed with what their standard libraries have (ADR 0012).
    """
    exchanged = path.suffix.lower() == ".onnx"
    return statements.SHA256 if exchanged or _ec_half(key) is not None else statements.BLAKE3


def said_in(bundle: Bundle) -> Statement:
    """Read what a bundle says; whether its signature is right is the caller's business.

    Raises
    ------
    FormatError, UnsafeFolderError
        If it is no statement that is read here.
    """
    ours = bundle.media_type == OURS
    algorithms = (statements.SHA256, statements.BLAKE3) if ours else (statements.SHA256,)
    return statements.decode(bundle.payload, algorithms)


def media_type_of(key: Key) -> str:
    """Return what kind of bundle a key signs."""
    return SIGSTORE if _ec_half(key) is not None else OURS


def is_of(bundle: Bundle, key: Key) -> bool:
    """Say whether a bundle calls a key its maker."""
    return not bundle.certificates and _hint(key) in {bundle.hint, bundle.key_id}


def claimed(bundle: Bundle) -> str:
    """Return whom a bundle calls its maker, for people; nothing of it is verified."""
    if bundle.certificates:
        return CERTIFICATE
    return bundle.key_id or bundle.hint or "a key without a name"


def check(
    bundles: Sequence[Bundle], ring: Keyring, roots: Roots | None = None
) -> tuple[tuple[Checked, ...], tuple[str, ...]]:
    """Verify the bundles of which the ring has the key.

    Parameters
    ----------
    bundles : sequence of Bundle
        As read; nothing of them is trusted.
    ring : Keyring
        The keys whose word counts.
    roots : Roots, optional
        Authorities, for bundles with a chain of certificates.

    Returns
    -------
    checked : tuple of Checked
        At least one, each key once; whether a key's word counts today is not asked here.
    unknown : tuple of str
        Whom the other bundles call their makers.

    Raises
    ------
    UnknownKeyError
        If no bundle is of a key of the ring.
    BadSignatureError
        If one is, and does not fit; one bad signature spoils the file.
    AlgorithmMismatchError
        If one is labelled as of another algorithm than its key's.
    AmbiguousKeyError
        If one names two keys.
    DuplicateSignatureError
        If two are of one key.
    CertificateError
        If a chain is not accepted.
    FormatError, UnsafeFolderError
        If what was signed is no statement that is read here.
    """
    found: dict[str, Checked] = {}
    unknown = []
    for bundle in bundles:
        entry = _entry(bundle, ring, roots)
        if entry is None:
            unknown.append(claimed(bundle))
            continue
        if entry.key_id in found:
            raise DuplicateSignatureError(f"two signatures are of key {entry.key_id}")
        verifier(entry.key, PURPOSE_DETACHED).verify(bundle.signed_bytes, bundle.signature)
        found[entry.key_id] = Checked(entry, said_in(bundle), bundle)
    if not found:
        listed = ", ".join(unknown)[:300]
        hint = None
        if CERTIFICATE in unknown and roots is None:
            hint = "say which authority's certificates count: roots=..., --roots and --identity"
        raise UnknownKeyError(
            f"signed by {listed}, and the keyring has no such key", key_ids=unknown, hint=hint
        )
    return tuple(found.values()), tuple(unknown)


def _entry(bundle: Bundle, ring: Keyring, roots: Roots | None) -> KeyEntry | None:
    if bundle.certificates:
        return None if roots is None else _certified(bundle, ring, roots)
    if bundle.media_type == OURS:
        return _by_key_id(bundle, ring)
    return _by_hint(bundle, ring)


def _by_key_id(bundle: Bundle, ring: Keyring) -> KeyEntry | None:
    named = {one for one in (bundle.hint, bundle.key_id) if one}
    if len(named) > 1:
        raise AmbiguousKeyError("a signature names two keys as its maker")
    entry = ring.find(named.pop()) if named else None
    if entry is not None and _ec_half(entry.key) is not None:
        raise AlgorithmMismatchError(f"key {entry.key_id} signs sigstore bundles, and this is none")
    return entry


def _by_hint(bundle: Bundle, ring: Keyring) -> KeyEntry | None:
    curves = [entry for entry in ring.entries if _ec_half(entry.key) is not None]
    named = ring.find(bundle.key_id) or ring.find(bundle.hint)
    if named is not None and named not in curves:
        raise AlgorithmMismatchError(f"key {named.key_id} is no EC key and signs no such bundle")
    if not bundle.hint:
        return named or _tried(bundle, curves)
    entry = next((one for one in curves if _hint(one.key) == bundle.hint), None)
    # Other tools write key ids of their own; one that is written as ours is meant as one of ours.
    other = entry is not None and bundle.key_id not in {"", entry.key_id}
    if (named is not None and named is not entry) or (other and _OURS.match(bundle.key_id)):
        raise AmbiguousKeyError("a signature names two keys as its maker")
    return entry


def _tried(bundle: Bundle, curves: Sequence[KeyEntry]) -> KeyEntry | None:
    """Return the key that fits, where the bundle names none, as some tools write it."""
    for entry in curves:
        try:
            verifier(entry.key, PURPOSE_DETACHED).verify(bundle.signed_bytes, bundle.signature)
        except BadSignatureError:
            continue
        return entry
    return None


def _certified(bundle: Bundle, ring: Keyring, roots: Roots) -> KeyEntry:
    found = roots.certified(bundle.certificates, datetime.datetime.now(datetime.UTC))
    known = ring.find(found.key.key_id)
    if known is not None:
        return known  # what the ring says of the key (that it is revoked, say) goes first
    return KeyEntry(
        key=found.key,
        state="accepted",
        not_before=found.not_before,
        not_after=found.not_after,
        principal=found.identity if is_principal(found.identity) else None,
    )


def _ec_half(key: Key) -> PublicKey | None:
    half = getattr(key, "public", None)
    return half if isinstance(half, PublicKey) and half.curve else None


def _hint(key: Key) -> str:
    half = _ec_half(key)
    return key.key_id if half is None else hint_of(half.to_pem())
