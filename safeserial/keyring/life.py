# SPDX-License-Identifier: BSD-3-Clause
"""The life of a key: accepted, promoted, demoted, retired, revoked; what may follow on what.

Floor 4.  Functions from entries to entries.  A revoked key stays revoked, a retired one never
counts again, and what was published of a key stays true.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

from safeserial.errors import KeyringError
from safeserial.keyring.entries import KeyEntry, Mark, State, active_of, words

Entries = tuple[KeyEntry, ...]
_STRICTNESS: Final[dict[State, int]] = {"accepted": 0, "active": 1, "retired": 2, "revoked": 3}


def promoted(entries: Entries, chosen: KeyEntry, mark: Mark | None) -> Entries:
    """Return entries in which a key is active, at their head, and the one before accepted.

    Raises
    ------
    KeyringError
        If it may not be: see :meth:`Keyring.promote`.
    """
    if chosen.state not in ("active", "accepted"):
        raise KeyringError(f"key {chosen.key_id} is {chosen.state} and cannot become active")
    if not chosen.key.can_sign:
        raise KeyringError(
            f"the ring holds only the public half of {chosen.key_id}, which cannot sign",
            hint="its owner promotes it, in a ring of his own",
        )
    # With no active key there is nothing to wait for: nobody can sign until this one does.
    if mark is not None and chosen.key_id not in mark.keys and active_of(entries) is not None:
        raise KeyringError(
            f"those who receive the published ring do not know key {chosen.key_id} yet",
            hint="`safeserial keys distribute FILE` first; promote it when they have the file",
        )
    others = [_accepted(one) for one in entries if one.key_id != chosen.key_id]
    return (dataclasses.replace(chosen, state="active"), *others)


def demoted(entries: Entries, chosen: KeyEntry) -> Entries:
    """Return entries in which the active key is accepted.

    Raises
    ------
    KeyringError
        If it is not active.
    """
    if chosen.state != "active":
        raise KeyringError(
            f"key {chosen.key_id} is {chosen.state}, not active",
            hint="only the active key is demoted; an accepted one is retired",
        )
    return tuple(map(_accepted, entries))


def ended(entries: Entries, chosen: KeyEntry, state: State, reason: str) -> Entries:
    """Return entries in which a key is retired or revoked.

    Raises
    ------
    KeyringError
        If it is revoked and would not be any more.
    """
    if chosen.state == "revoked" and state != "revoked":
        raise KeyringError(f"key {chosen.key_id} is revoked; that is final")
    new = dataclasses.replace(chosen, state=state, reason=reason or chosen.reason)
    return tuple(new if one is chosen else one for one in entries)


def assigned(
    entries: Entries,
    chosen: KeyEntry,
    mark: Mark | None,
    *,
    principal: str | None,
    roles: Iterable[str] | None,
) -> Entries:
    """Return entries in which a key has another principal or other roles.

    Raises
    ------
    KeyringError
        If the key was published with what it had.
    """
    if mark is not None and chosen.key_id in mark.keys:
        raise KeyringError(
            f"key {chosen.key_id} was published; whose it is and its roles stay as they are",
            hint="make a new key for the new role, and retire this one",
        )
    new = dataclasses.replace(
        chosen,
        principal=chosen.principal if principal is None else principal,
        roles=chosen.roles if roles is None else words(roles),
    )
    return tuple(new if one is chosen else one for one in entries)


def joined(mine: Entries, theirs: Entries) -> Entries:
    """Return the entries of two rings; mine sign, and of a key in both the stricter state holds.

    Raises
    ------
    KeyringError
        If they differ in whose key it is, its roles or its dates.
    """
    both = {entry.key_id: entry for entry in mine}
    for entry in map(_accepted, theirs):
        known = both.get(entry.key_id)
        if known is None:
            both[entry.key_id] = entry
            continue
        if known.fixed != entry.fixed:
            raise KeyringError(f"the rings differ in whose key {entry.key_id} is, or in its dates")
        if _STRICTNESS[entry.state] > max(_STRICTNESS[known.state], 1):
            both[entry.key_id] = dataclasses.replace(known, state=entry.state, reason=entry.reason)
    return tuple(both.values())


def goes_on(older: Entries, newer: Entries) -> bool:
    """Say whether no key of a ring was lost on the way to another one, nor a private half."""
    after = {entry.key_id: entry.key for entry in newer}
    return all(
        one.key_id in after and (after[one.key_id].can_sign or not one.key.can_sign)
        for one in older
    )


def _accepted(entry: KeyEntry) -> KeyEntry:
    return dataclasses.replace(entry, state="accepted") if entry.state == "active" else entry
