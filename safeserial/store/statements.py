# SPDX-License-Identifier: BSD-3-Clause
"""What a store signs: that an artifact is a version, where an alias points, how long the log is.

Floor 7.  A statement is canonical JSON in a DSSE envelope of a type of its own, signed under a
subkey of its own, so none can stand for another, for an artifact, or for a statement of another
store.  They are described in docs/reference/store-schema.md.
"""

from __future__ import annotations

import base64
import binascii
import datetime
from typing import Any, Final, TypeVar

import msgspec

from safeserial import manifest, strictjson
from safeserial.artifact.trust import CLOCK_SKEW
from safeserial.envelope import Signature, pre_authentication_encoding
from safeserial.errors import (
    BadSignatureError,
    CorruptArtifactError,
    RevokedKeyError,
    SafeSerialError,
    UnknownKeyError,
)
from safeserial.keyring import Keyring
from safeserial.signing import signer, verifier

PAYLOAD_TYPE: Final = "application/vnd.safeserial.store-statement.v1+json"
PURPOSE: Final = "store-statement"
MAX_BYTES: Final = 4 * 2**20
MAX_SIGNATURES: Final = 8
_MAX_SIGNATURE_BYTES: Final = 64 * 2**10


class Statement(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """Base of all: which store, when, and who by their own word."""

    store: str
    created: str
    actor: str = ""

    @property
    def created_at(self) -> datetime.datetime:
        """When it was signed."""
        return manifest.moment(self.created)


class Origin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an entry was copied from."""

    store: str
    model: str
    version: int


class EntryStatement(Statement, frozen=True, kw_only=True, tag="entry"):
    """An artifact is that version of that model, in one format."""

    model: str
    version: int
    format: str
    artifact: str
    size: int
    exported_from: str = ""
    previous: str = ""
    derived_from: list[list[str]] = []
    metadata: dict[str, Any] = {}
    parameters: dict[str, str] = {}
    origin: Origin | None = None


class ChannelStatement(Statement, frozen=True, kw_only=True, tag="channel"):
    """The alias points there.  `newest`, `yanked` and `deleted` belong to the alias ``latest``."""

    model: str
    alias: str
    version: int
    artifact: str
    counter: int
    not_after: str
    newest: int = 0
    yanked: list[list[int]] = []
    deleted: list[list[int]] = []
    reasons: dict[str, str] = {}

    @property
    def expires(self) -> datetime.datetime:
        """Until when it is believed."""
        return manifest.moment(self.not_after)


class CheckpointStatement(Statement, frozen=True, kw_only=True, tag="checkpoint"):
    """The audit log has so many lines, and the last one has this digest."""

    number: int
    digest: str


_T = TypeVar("_T", bound=Statement)


def text(moment: datetime.datetime) -> str:
    """Return a moment in the form of the manifest."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now() -> datetime.datetime:
    """Return the present moment, to the second."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def changed(before: _T, **fields: object) -> _T:
    """Return a statement with other fields."""
    return msgspec.structs.replace(before, **fields)


def sign(statement: Statement, ring: Keyring) -> tuple[bytes, bytes]:
    """Sign a statement with the ring's active key.

    Parameters
    ----------
    statement : Statement
        What is said.
    ring : Keyring
        Its active key must be valid now.

    Returns
    -------
    body : bytes
        Canonical JSON.
    signatures : bytes
        Canonical JSON.

    Raises
    ------
    KeyringError
        If there is no active key that may sign today.
    LimitExceededError
        If the statement is over 4 MiB.
    """
    body = strictjson.encode(msgspec.to_builtins(statement))
    strictjson.check_size(body, what="a statement of the store", limit=MAX_BYTES)
    return body, sign_body(body, PAYLOAD_TYPE, ring)


def sign_body(body: bytes, payload_type: str, ring: Keyring) -> bytes:
    """Return the ring's signature of a body, as canonical JSON; errors as :func:`sign`."""
    active = ring.active
    active.require_valid(datetime.datetime.now(datetime.UTC))
    message = pre_authentication_encoding(payload_type, body)
    value = signer(active.key, PURPOSE).sign(message)
    encoded = base64.b64encode(value).decode("ascii")
    return strictjson.encode([{"keyid": active.key_id, "sig": encoded}])


def verify(
    body: bytes, signatures: bytes, ring: Keyring, kind: type[_T], *, store: str | None
) -> tuple[_T, tuple[str, ...]]:
    """Verify a statement, then read it.

    Parameters
    ----------
    body, signatures : bytes
        As stored; nothing of them is trusted.
    ring : Keyring
        Whose word counts.
    kind : type
        What it must be.
    store : str or None
        Id of the store that it must name; None where that is to be seen.

    Returns
    -------
    statement : Statement
        Of that kind.
    key_ids : tuple of str
        Whose signatures count.

    Raises
    ------
    VerificationError
        If no key of the ring signed it, or it does not fit.
    CorruptArtifactError
        If what was signed is no such statement, or of another store.
    """
    key_ids, bad = _signers(body, signatures, PAYLOAD_TYPE, ring)
    value = strictjson.decode(body, what="a statement of the store", limit=MAX_BYTES)
    try:
        statement = msgspec.convert(value, kind, strict=True)
        created = statement.created_at
    except (msgspec.ValidationError, ValueError) as error:
        raise CorruptArtifactError(f"a statement of the store is another one: {error}") from None
    if store is not None and statement.store != store:
        raise BadSignatureError("a statement was made for another store")
    return statement, _whose_word_counts(key_ids, bad, created, ring)


def verify_body(body: bytes, signatures: bytes, payload_type: str, ring: Keyring) -> None:
    """Verify that a key of the ring signed a body that carries no date; errors as `verify`."""
    key_ids, bad = _signers(body, signatures, payload_type, ring)
    _whose_word_counts(key_ids, bad, None, ring)


def _signers(
    body: bytes, signatures: bytes, payload_type: str, ring: Keyring
) -> tuple[list[str], list[str]]:
    message = pre_authentication_encoding(payload_type, body)
    listed = _listed(signatures)
    known = []
    for one in listed:
        entry = ring.find(one.key_id)
        if entry is not None:
            verifier(entry.key, PURPOSE).verify(message, one.value)
            known.append(one.key_id)
    return known, [one.key_id for one in listed]


def _whose_word_counts(
    known: list[str], named: list[str], created: datetime.datetime | None, ring: Keyring
) -> tuple[str, ...]:
    if not known:
        raise UnknownKeyError(
            "a statement of the store was signed by a key that the keyring does not have: "
            f"{', '.join(named)[:300]}",
            key_ids=named,
        )
    at = datetime.datetime.now(datetime.UTC)
    if created is not None and created > at + CLOCK_SKEW:
        raise BadSignatureError(
            "a statement of the store was made at a time that is yet to come",
            hint="check this machine's clock, and the publisher's",
        )
    good: list[str] = []
    problem: SafeSerialError | None = None
    for key_id in known:
        entry = ring.select(key_id)
        try:
            entry.require_valid(at)
            if created is not None:
                entry.require_valid(created, what=", before or after the statement was made")
        except RevokedKeyError:  # whoever else signed
            raise
        except SafeSerialError as error:
            problem = error
        else:
            good.append(key_id)
    if problem is not None and not good:
        raise problem
    return tuple(good)


def _listed(signatures: bytes) -> list[Signature]:
    value = strictjson.decode(
        signatures, what="the signatures of a statement", limit=_MAX_SIGNATURE_BYTES
    )
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_SIGNATURES:
        raise CorruptArtifactError("a statement of the store has no list of signatures")
    return [_signature(one) for one in value]


def _signature(item: strictjson.Json) -> Signature:
    if isinstance(item, dict) and set(item) == {"keyid", "sig"}:
        key_id, coded = item["keyid"], item["sig"]
        if isinstance(key_id, str) and isinstance(coded, str):
            try:
                return Signature(key_id[:128], base64.b64decode(coded, validate=True))
            except (binascii.Error, ValueError):
                pass
    raise CorruptArtifactError("a signature of a statement has another form")
