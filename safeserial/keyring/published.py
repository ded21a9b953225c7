# SPDX-License-Identifier: BSD-3-Clause
"""The text of a published ring: one line a generation, each a DSSE envelope in canonical JSON.

Floor 4.  Public halves alone; see docs/spec/keyring-v1.md.  Nothing here decides whether a
generation is to be believed: that is `chain.py`.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from safeserial import strictjson
from safeserial.envelope import Signature, pre_authentication_encoding
from safeserial.errors import FormatError, KeyringError, LimitExceededError
from safeserial.keyring.entries import MAX_REASON, KeyEntry, Mark, State, require_distinct
from safeserial.keys import PublicKey

PAYLOAD_TYPE: Final = "application/vnd.safeserial.keyring.v1+json"
SCHEMA: Final = "safeserial/published-keyring/v1"
MAX_BYTES: Final = 16 * 2**20
MAX_LINE: Final = 2**20
MAX_GENERATIONS: Final = 1000
MAX_KEYS: Final = 1000
_START: Final = b'{"payload":'
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ\Z", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}\Z")


class _PublishedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    state: State
    principal: str | None
    roles: tuple[str, ...]
    not_before: str | None
    not_after: str | None
    reason: str


class _PublishedRing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal["safeserial/published-keyring/v1"]
    serial: int
    previous: str | None
    issued: str
    keys: tuple[_PublishedKey, ...]


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One state of a published ring, as one line of its file says it.

    Parameters
    ----------
    body : bytes
        The exact bytes that are signed.
    signatures : tuple of Signature
        By the active key of the generation before, and by its own.
    serial : int
        Grows from one to the next.
    previous : str or None
        Digest of the generation before; None for the first.
    issued : datetime
        When it was made, by its maker's clock.
    entries : tuple of KeyEntry
        Public halves.
    """

    body: bytes
    signatures: tuple[Signature, ...]
    serial: int
    previous: str | None
    issued: datetime.datetime
    entries: tuple[KeyEntry, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the body in hex: the generation's fingerprint."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def message(self) -> bytes:
        """What its signatures are over."""
        return pre_authentication_encoding(PAYLOAD_TYPE, self.body)

    @property
    def mark(self) -> Mark:
        """Where a ring stands that was read from it."""
        return Mark(self.serial, self.digest, tuple(one.key_id for one in self.entries))


Chain = tuple[Generation, ...]


def looks_like_one(text: bytes) -> bool:
    """Say whether a file is a published ring, not one of somebody's own."""
    return text.startswith(_START)


def read(text: bytes, *, where: str) -> Chain:
    """Read the file of a published ring; nothing of it is checked against anything yet.

    Parameters
    ----------
    text : bytes
        The whole file.
    where : str
        Its name, for messages.

    Returns
    -------
    tuple of Generation
        At least one.

    Raises
    ------
    KeyringError
        If a line is not exactly as this module would write it.
    LimitExceededError
        If it is over a limit.
    """
    lines = text.split(b"\n")
    if lines.pop() != b"" or not lines:
        raise KeyringError(f"{where} is not a published keyring, or is cut short")
    if len(text) > MAX_BYTES or len(lines) > MAX_GENERATIONS:
        raise LimitExceededError(f"{where} has more generations than {MAX_GENERATIONS}, or 16 MiB")
    known: dict[str, PublicKey] = {}
    return tuple(generation(line, f"{where}, line {i}", known) for i, line in enumerate(lines, 1))


def write(chain: Chain) -> bytes:
    """Return the text of a published ring."""
    return b"".join(envelope(one.body, one.signatures) + b"\n" for one in chain)


def body_of(
    entries: tuple[KeyEntry, ...], *, serial: int, previous: str | None, issued: datetime.datetime
) -> bytes:
    """Return the bytes that are signed for a generation."""
    ring = _PublishedRing(
        schema=SCHEMA,
        serial=serial,
        previous=previous,
        issued=time_text(issued),
        keys=described(entries),
    )
    return strictjson.encode(msgspec.to_builtins(ring))


def described(entries: tuple[KeyEntry, ...]) -> tuple[_PublishedKey, ...]:
    """Return what is published of public halves; two rings that publish the same are equal here."""
    return tuple(_described(one) for one in entries)


def _described(entry: KeyEntry) -> _PublishedKey:
    return _PublishedKey(
        key=entry.key.to_text(),
        state=entry.state,
        principal=entry.principal,
        roles=entry.roles,
        not_before=None if entry.not_before is None else time_text(entry.not_before),
        not_after=None if entry.not_after is None else time_text(entry.not_after),
        reason=entry.reason[:MAX_REASON],
    )


def envelope(body: bytes, signatures: Sequence[Signature]) -> bytes:
    """Return the line of a generation."""
    return strictjson.encode(
        {
            "payload": _base64(body),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": one.key_id, "sig": _base64(one.value)} for one in signatures],
        }
    )


def generation(line: bytes, where: str, known: dict[str, PublicKey]) -> Generation:
    """Read the line of a generation; `known` keeps the keys that were read before."""
    try:
        value: Any = strictjson.decode(line, what=where, limit=MAX_LINE)
        if set(value) != {"payload", "payloadType", "signatures"}:
            raise KeyringError(f"{where} has other fields than those of an envelope")
        if value["payloadType"] != PAYLOAD_TYPE:
            raise KeyringError(f"{where} is of another type than a published keyring")
        body = _bytes(value["payload"])
        signatures = tuple(
            Signature(str(one["keyid"]), _bytes(one["sig"])) for one in value["signatures"]
        )
        if envelope(body, signatures) != line:
            raise KeyringError(f"{where} is not in the canonical form")
        decoded = strictjson.decode(body, what=where, limit=MAX_LINE)
        ring = msgspec.convert(decoded, _PublishedRing, strict=True)
        return _read_ring(ring, body, signatures, known)
    except (FormatError, msgspec.ValidationError, TypeError, LookupError, ValueError):
        raise KeyringError(f"{where} is not a generation of a published keyring") from None


def _read_ring(
    ring: _PublishedRing,
    body: bytes,
    signatures: tuple[Signature, ...],
    known: dict[str, PublicKey],
) -> Generation:
    if not 0 <= ring.serial <= strictjson.MAX_INTEGER or len(ring.keys) > MAX_KEYS:
        raise ValueError("serial or number of keys out of range")
    if ring.previous is not None and not _DIGEST.match(ring.previous):
        raise ValueError("no digest")
    entries = tuple(
        KeyEntry(
            key=known.setdefault(one.key, known.get(one.key) or PublicKey.from_text(one.key)),
            state=one.state,
            not_before=None if one.not_before is None else _moment(one.not_before),
            not_after=None if one.not_after is None else _moment(one.not_after),
            reason=one.reason,
            principal=one.principal,
            roles=one.roles,
        )
        for one in ring.keys
    )
    require_distinct(entries)
    if len(known) > MAX_KEYS:  # a key is never forgotten, so an honest ring lists all it ever had
        raise ValueError("more keys than a ring can have")
    if described(entries) != ring.keys:
        raise ValueError("a key is described in another form")
    return Generation(
        body=body,
        signatures=signatures,
        serial=ring.serial,
        previous=ring.previous,
        issued=_moment(ring.issued),
        entries=entries,
    )


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError("no text")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("no base64") from None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _moment(text: str) -> datetime.datetime:
    if not _MOMENT.match(text):
        raise ValueError("no moment")
    return datetime.datetime.fromisoformat(text)


def time_text(moment: datetime.datetime) -> str:
    """Return a moment as the text of a ring gives it, in whole seconds."""
    whole = moment.astimezone(datetime.UTC).isoformat(timespec="seconds")
    return whole.replace("+00:00", "Z")
