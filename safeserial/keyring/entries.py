# SPDX-License-Identifier: BSD-3-Clause
"""A key and what the ring says of it: its state, its dates, whose it is and what it may speak as.

Floor 4.  A principal is a person or a service with a will of its own; a role is what the policy
asks for.  A shared secret has no role: whoever can check its tags can make them.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, get_args

from safeserial import signer_rules
from safeserial.errors import (
    ExpiredKeyError,
    KeyNotYetValidError,
    KeyringError,
    PolicyError,
    RetiredKeyError,
    RevokedKeyError,
)
from safeserial.keys import HmacKey, Key, PublicKey

State = Literal["active", "accepted", "retired", "revoked"]
MAX_REASON: Final = 1000


@dataclass(frozen=True, kw_only=True)
class KeyEntry:
    """A key and what the ring says of it.

    Parameters
    ----------
    key : Key
        The key, or its public half.
    state : {"active", "accepted", "retired", "revoked"}
        *Active* signs, *accepted* verifies, *retired* explains itself, *revoked* refuses.
    not_before, not_after : datetime, optional
        First and last moment of validity, timezone-aware.
    reason : str
        Why it was retired or revoked.
    principal : str, optional
        Whose key it is: ``alice@example.org``, in lower case.
    roles : tuple of str
        What it may speak as, where a policy asks: ``trainer``, ``approver``.

    Raises
    ------
    KeyringError
        If a field is none of these, or a shared secret is given a role.
    """

    key: Key
    state: State
    not_before: datetime.datetime | None = None
    not_after: datetime.datetime | None = None
    reason: str = ""
    principal: str | None = None
    roles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.state not in get_args(State):
            raise KeyringError(f"a key is {', '.join(get_args(State))}; not {self.state!r}"[:120])
        for date in (self.not_before, self.not_after):
            if date is not None and not _is_exact(date):
                raise KeyringError(
                    f"the dates of key {self.key_id} need a time zone",
                    hint="for instance datetime(2027, 1, 1, tzinfo=datetime.UTC)",
                )
        if self.principal is not None and not signer_rules.is_principal(self.principal):
            raise KeyringError(
                f"not the name of a principal: {str(self.principal)[:80]!r}",
                hint="in lower case, such as alice@example.org, so that no name has two spellings",
            )
        if not _is_text(self.reason):
            raise KeyringError("the reason is no text")
        self._check_roles()

    def _check_roles(self) -> None:
        roles = words(self.roles)
        try:
            signer_rules.check_roles(roles)
        except PolicyError as error:
            raise KeyringError(str(error)) from None
        object.__setattr__(self, "roles", tuple(sorted(set(roles))))
        if self.roles and isinstance(self.key, HmacKey):
            raise KeyringError(
                f"key {self.key_id} is a shared secret and speaks for nobody: it has no role",
                hint="give a role to a pair of keys: safeserial keys new --algorithm ed25519",
            )

    @property
    def key_id(self) -> str:
        """The key's id."""
        return self.key.key_id

    @property
    def fixed(self) -> tuple[object, ...]:
        """What is said of a key once and for all, once others know it: a change is a new key."""
        return self.principal, self.roles, self.not_before, self.not_after

    def published(self) -> KeyEntry | None:
        """Return the entry with the public half alone, None where a key has none."""
        public = getattr(self.key, "public", None)
        if not isinstance(public, PublicKey):
            return None
        return dataclasses.replace(self, key=public)

    def require_valid(self, at: datetime.datetime, *, what: str = "") -> None:
        """Return if the key's word counts at a moment.

        Parameters
        ----------
        at : datetime
            Timezone-aware.
        what : str
            What the moment is, for the message.

        Raises
        ------
        RevokedKeyError, RetiredKeyError, ExpiredKeyError, KeyNotYetValidError
            If it does not.
        """
        why = f": {self.reason}" if self.reason else ""
        if self.state == "revoked":
            raise RevokedKeyError(f"key {self.key_id} is revoked{why}", key_id=self.key_id)
        if self.state == "retired":
            raise RetiredKeyError(f"key {self.key_id} is retired{why}", key_id=self.key_id)
        self.require_dates(at, what=what)

    def require_dates(self, at: datetime.datetime, *, what: str = "") -> None:
        """Return if a moment lies within the key's dates, the first and the last one included.

        Raises
        ------
        ExpiredKeyError, KeyNotYetValidError
            If it does not.
        """
        if self.not_after is not None and at > self.not_after:
            raise ExpiredKeyError(
                f"key {self.key_id} expired on {_text(self.not_after)}{what}", key_id=self.key_id
            )
        if self.not_before is not None and at < self.not_before:
            raise KeyNotYetValidError(
                f"key {self.key_id} is valid from {_text(self.not_before)}{what}",
                key_id=self.key_id,
            )


@dataclass(frozen=True)
class Mark:
    """Which generation of a published chain a ring stands at.

    Parameters
    ----------
    serial : int
        The generation's serial.
    digest : str
        SHA-256 of the generation, in hex.
    keys : tuple of str
        The key ids that it publishes.
    """

    serial: int
    digest: str
    keys: tuple[str, ...] = ()


def require_distinct(entries: tuple[KeyEntry, ...]) -> None:
    """Refuse a ring that lists a key twice (both halves of a pair are one), or has two active keys.

    Raises
    ------
    KeyringError
        If it does.
    """
    if len({entry.key_id for entry in entries}) != len(entries):
        raise KeyringError("a key is in the ring twice")
    if sum(entry.state == "active" for entry in entries) > 1:
        raise KeyringError("two keys of the ring are active; exactly one signs")


def active_of(entries: tuple[KeyEntry, ...]) -> KeyEntry | None:
    """Return the active entry, None where there is none."""
    return next((entry for entry in entries if entry.state == "active"), None)


def words(roles: object) -> tuple[str, ...]:
    """Return roles as a tuple.

    Raises
    ------
    KeyringError
        If they are a single text, which would be taken letter by letter, or no list.
    """
    if isinstance(roles, str) or not isinstance(roles, Iterable):
        raise KeyringError("roles is a list of words, for instance ['trainer']")
    return tuple(roles)


def _is_exact(moment: datetime.datetime) -> bool:
    """Say whether a moment can be held against any other one."""
    try:
        moment.astimezone(datetime.UTC)
    except OverflowError:  # the first or last day of the calendar, elsewhere in the world
        return False
    return moment.utcoffset() is not None


def _is_text(reason: object) -> bool:
    try:
        return isinstance(reason, str) and reason.encode("utf-8") is not None
    except UnicodeEncodeError:  # a lone surrogate: what a terminal sent is no UTF-8
        return False


def _text(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
