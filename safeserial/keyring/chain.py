# SPDX-License-Identifier: BSD-3-Clause
"""Which published rings are believed: each is signed by the active key of the one before.

Floor 4.  The rules alone, on what `published.py` has read; see docs/spec/keyring-v1.md.  Who holds
the fingerprint of any one generation can check all that follow, and sees when a ring goes back or
splits in two.  After the root metadata of The Update Framework
(https://theupdateframework.github.io/specification/v1.0.33/, section 5.3), without its threshold.
"""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Sequence
from typing import Final

from safeserial.envelope import Signature, pre_authentication_encoding
from safeserial.errors import (
    BadSignatureError,
    ExpiredKeyError,
    ForkedRingError,
    KeyNotYetValidError,
    KeyringError,
    RolledBackRingError,
    UntrustedRingError,
)
from safeserial.keyring import published
from safeserial.keyring.entries import KeyEntry, Mark, State, active_of
from safeserial.keyring.published import Chain, Generation
from safeserial.keys import PURPOSE_ARTIFACT
from safeserial.signing import signer, verifier

CLOCK_SKEW: Final = datetime.timedelta(minutes=5)
_PIN: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})\Z")
_RANK: Final[dict[State, int]] = {"active": 0, "accepted": 0, "retired": 1, "revoked": 2}


def require_sound(chain: Chain, *, now: datetime.datetime | None = None) -> None:
    """Return if each generation may follow the one before it, and the first vouches for itself.

    Whether the first is the owner's, nothing in the file can say: see :func:`trusted`.

    Raises
    ------
    ForkedRingError
        If a generation does not name the one before it.
    RolledBackRingError
        If a serial does not grow.
    UntrustedRingError
        If a signature is missing, wrong or one too many, or a key's past was rewritten.
    """
    now = datetime.datetime.now(datetime.UTC) if now is None else now
    first = chain[0]
    if first.previous is not None:
        raise UntrustedRingError("the keyring does not begin with its first generation")
    _require_signatures(first, (active_of(first.entries),))
    for older, newer in itertools.pairwise(chain):
        _require_follows(older, newer)
    if chain[-1].issued > now + CLOCK_SKEW:
        raise UntrustedRingError(
            f"the keyring says that it was made on {published.time_text(chain[-1].issued)}",
            hint="check this machine's clock, and the owner's",
        )


def trusted(chain: Chain, *, pin: str | None = None, mark: Mark | None = None) -> Generation:
    """Return the newest generation of a chain that goes on from what the reader knows.

    Parameters
    ----------
    chain : tuple of Generation
        As read.
    pin : str, optional
        Fingerprint of any generation, come by another channel.
    mark : Mark, optional
        The generation that was seen last.

    Raises
    ------
    UntrustedRingError
        If neither is given, or the chain is not sound, or has no such generation.
    ForkedRingError, RolledBackRingError
        If it does not hold the generation that was seen last.
    KeyringError
        If the pin is no fingerprint.
    """
    if pin is None and mark is None:
        raise UntrustedRingError(
            "nothing says that this published keyring is its owner's",
            hint="ask the owner by another channel for the fingerprint of a generation, and pin it",
        )
    require_sound(chain)
    if pin is not None:
        match = _PIN.match(pin)
        if match is None:
            raise KeyringError(
                "a pin is sha256: and 64 hex digits", hint="the fingerprint of a generation"
            )
        if all(one.digest != match.group(1) for one in chain):
            raise UntrustedRingError("no generation of the keyring has the pinned fingerprint")
    if mark is not None:
        _require_seen(chain, mark)
    return chain[-1]


def _require_seen(chain: Chain, mark: Mark) -> None:
    if any(one.digest == mark.digest for one in chain):
        return
    if chain[-1].serial < mark.serial:
        raise RolledBackRingError(
            f"the keyring is of serial {chain[-1].serial}; {mark.serial} was seen before"
        )
    raise ForkedRingError(f"the keyring has another generation {mark.serial} than the one seen")


def _require_follows(older: Generation, newer: Generation) -> None:
    what = f"generation {newer.serial} of the keyring"
    if newer.serial <= older.serial:
        raise RolledBackRingError(f"{what} comes after generation {older.serial}")
    if newer.previous != older.digest:
        raise ForkedRingError(f"{what} does not follow generation {older.serial}")
    if newer.issued < older.issued:
        raise UntrustedRingError(f"{what} says that it is older than the one before")
    by = active_of(older.entries)
    if by is None:
        raise UntrustedRingError(
            f"{what} comes after one without an active key, which was the last",
            hint="the owner ended this keyring; ask for the new one and pin it",
        )
    own = active_of(newer.entries)
    # The key before vouches for the ring; the key in use shows that somebody holds it.
    _require_signatures(newer, (by,) if own is None or own.key_id == by.key_id else (by, own))
    _require_same_past(older, newer, what)


def _require_signatures(one: Generation, expected: Sequence[KeyEntry | None]) -> None:
    what = f"generation {one.serial} of the keyring"
    for position, entry in enumerate(expected):
        if entry is None:
            raise UntrustedRingError(f"{what} has no active key and vouches for nothing")
        if position >= len(one.signatures) or one.signatures[position].key_id != entry.key_id:
            raise UntrustedRingError(f"{what} is not signed by {entry.key_id}, as it must be")
        try:
            entry.require_dates(one.issued, what=", before or after the keyring was made")
            verifier(entry.key, PURPOSE_ARTIFACT).verify(
                one.message, one.signatures[position].value
            )
        except BadSignatureError:
            raise UntrustedRingError(f"the signature of {what} does not fit it") from None
        except (ExpiredKeyError, KeyNotYetValidError) as error:
            raise UntrustedRingError(f"{what}: {error}") from None
    if len(one.signatures) != len(expected):
        raise UntrustedRingError(f"{what} carries a signature that it does not need")


def _require_same_past(older: Generation, newer: Generation, what: str) -> None:
    after = {entry.key_id: entry for entry in newer.entries}
    for before in older.entries:
        now = after.get(before.key_id)
        if now is None:
            raise UntrustedRingError(f"{what} has forgotten key {before.key_id}")
        if _RANK[now.state] < _RANK[before.state]:
            raise UntrustedRingError(
                f"{what} calls key {before.key_id} {now.state}; it was {before.state}"
            )
        if now.fixed != before.fixed:
            raise UntrustedRingError(
                f"{what} changes whose key {before.key_id} is, its roles or its dates"
            )


def extended(
    chain: Chain, entries: tuple[KeyEntry, ...], *, serial: int, now: datetime.datetime
) -> Chain:
    """Return a chain with one generation more, or the same one where nothing has changed.

    Parameters
    ----------
    chain : tuple of Generation
        Empty for the first.
    entries : tuple of KeyEntry
        The ring's, with the private halves; what has no public half is left out.
    serial : int
        The least serial of the new generation.
    now : datetime
        When it is made.

    Raises
    ------
    KeyringError
        If the keys that must sign are not there, or it would not be accepted.
    """
    public = tuple(one for one in (entry.published() for entry in entries) if one is not None)
    last = chain[-1] if chain else None
    if last is not None and published.described(public) == published.described(last.entries):
        return chain
    signing = _signing(last, entries)
    for entry in signing:
        _require_dates(entry, now)
    body = published.body_of(
        public,
        serial=serial if last is None else max(serial, last.serial + 1),
        previous=None if last is None else last.digest,
        issued=now if last is None else max(now, last.issued),
    )
    message = pre_authentication_encoding(published.PAYLOAD_TYPE, body)
    signatures = tuple(
        Signature(one.key_id, signer(one.key, PURPOSE_ARTIFACT).sign(message)) for one in signing
    )
    line = published.envelope(body, signatures)
    longer = (*chain, published.generation(line, "the new generation", {}))
    if (
        len(longer) > published.MAX_GENERATIONS
        or len(published.write(longer)) > published.MAX_BYTES
    ):
        raise KeyringError(
            f"the published keyring has {len(chain)} generations and no room for another",
            hint="begin another one with --afresh, and tell its receivers the new fingerprint",
        )
    require_sound(longer, now=now)
    return longer


def _require_dates(entry: KeyEntry, now: datetime.datetime) -> None:
    try:
        entry.require_dates(now)
    except (ExpiredKeyError, KeyNotYetValidError) as error:
        raise KeyringError(
            f"the keyring cannot be published: {error}",
            hint="a key signs the ring after it within its dates; else begin another, --afresh",
        ) from None


def _signing(last: Generation | None, entries: tuple[KeyEntry, ...]) -> list[KeyEntry]:
    """Return the entries that must sign: the one active before, then the one active now."""
    by_id = {entry.key_id: entry for entry in entries}
    own = active_of(entries)
    before = None if last is None else active_of(last.entries)
    if last is None and own is None:
        raise KeyringError("a ring without an active key cannot be published")
    if last is not None and before is None:
        raise KeyringError(
            "the published keyring has ended: its last generation has no active key",
            hint="start another one with --afresh, and tell those who receive it its fingerprint",
        )
    needed = [by_id.get(before.key_id)] if before is not None else []
    if own is not None and (before is None or own.key_id != before.key_id):
        needed.append(own)
    for entry in needed:
        if entry is not None and entry.published() is None:
            raise KeyringError(
                f"the active key {entry.key_id} is a shared secret, which is never published",
                hint="make a pair of keys: safeserial keys new --algorithm ed25519; promote it",
            )
        if entry is None or not entry.key.can_sign:
            raise KeyringError(
                "the private half of the key that was active in the published keyring must sign",
                hint="only the owner goes on with a published keyring; begin one of your own",
            )
    return [entry for entry in needed if entry is not None]
