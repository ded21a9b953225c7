# SPDX-License-Identifier: BSD-3-Clause
"""The keyring: many keys, one of them active; immutable, each change makes a new ring.

Floor 4.  *Active* signs, *accepted* verifies, *retired* explains itself, *revoked* refuses.  A ring
lives in a file that only its owner may read, in a file named by the environment, or in the
operating system's keyring.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import msgspec

from safeserial.errors import (
    ExpiredKeyError,
    KeyNotFoundError,
    KeyNotYetValidError,
    KeyringError,
    MissingExtraError,
    RetiredKeyError,
    RevokedKeyError,
    SafeSerialError,
)
from safeserial.files import StrPath, atomic_write, display, folder_lock, read_small
from safeserial.keys import HmacKey, Key

State = Literal["active", "accepted", "retired", "revoked"]
SCHEMA: Final = "safeserial/keyring/v1"
MAX_KEYRING_BYTES: Final = 4 * 2**20
VARIABLE: Final = "SAFESERIAL_KEYRING"
KEY_FILE_VARIABLE: Final = "SAFESERIAL_KEY_FILE"
OS_SERVICE: Final = "safeserial"
OS_PREFIX: Final = "os:"


@dataclass(frozen=True, kw_only=True)
class KeyEntry:
    """A key and what the ring says of it.

    Parameters
    ----------
    key : Key
        The key.
    state : {"active", "accepted", "retired", "revoked"}
        See the module's docstring.
    not_before, not_after : datetime, optional
        First and last moment of validity, timezone-aware.
    reason : str
        Why it was retired or revoked.
    """

    key: Key
    state: State
    not_before: datetime.datetime | None = None
    not_after: datetime.datetime | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.state not in get_args(State):
            raise KeyringError(f"a key is {', '.join(get_args(State))}; not {self.state!r}"[:120])
        for date in (self.not_before, self.not_after):
            if date is not None and not _is_exact(date):
                raise KeyringError(
                    f"the dates of key {self.key_id} need a time zone",
                    hint="for instance datetime(2027, 1, 1, tzinfo=datetime.UTC)",
                )

    @property
    def key_id(self) -> str:
        """The key's id."""
        return self.key.key_id

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
        if self.not_after is not None and at > self.not_after:
            raise ExpiredKeyError(
                f"key {self.key_id} expired on {_text(self.not_after)}{what}", key_id=self.key_id
            )
        if self.not_before is not None and at < self.not_before:
            raise KeyNotYetValidError(
                f"key {self.key_id} is valid from {_text(self.not_before)}{what}",
                key_id=self.key_id,
            )


class _StoredKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    key: str
    state: State
    not_before: datetime.datetime | None = None
    not_after: datetime.datetime | None = None
    reason: str = ""


class _StoredRing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal["safeserial/keyring/v1"]
    serial: int
    keys: list[_StoredKey]


class Keyring:
    """Many keys, one of them active.

    Parameters
    ----------
    keys : iterable of Key or KeyEntry
        A plain key is active if it is the first, else accepted.
    serial : int, default=0
        Number of changes so far; each change adds one.

    Raises
    ------
    KeyringError
        If a key is listed twice, or two are active.

    Examples
    --------
    >>> from safeserial import HmacKey, Keyring
    >>> ring = Keyring([HmacKey.generate()])
    >>> newer = ring.rotate(HmacKey.generate())
    >>> [entry.state for entry in newer.entries]
    ['active', 'accepted']
    """

    def __init__(self, keys: Iterable[Key | KeyEntry] = (), *, serial: int = 0) -> None:
        listed = list(keys)
        self._entries = tuple(
            one
            if isinstance(one, KeyEntry)
            else KeyEntry(key=one, state="accepted" if position else "active")
            for position, one in enumerate(listed)
        )
        self.serial = serial
        self._by_id = {entry.key_id: entry for entry in self._entries}
        if len(self._by_id) != len(self._entries):
            raise KeyringError("a key is in the ring twice")
        if sum(entry.state == "active" for entry in self._entries) > 1:
            raise KeyringError("two keys of the ring are active; exactly one signs")

    @property
    def entries(self) -> tuple[KeyEntry, ...]:
        """All keys with their states, newest first."""
        return self._entries

    @property
    def active(self) -> KeyEntry:
        """The entry that signs.

        Raises
        ------
        KeyNotFoundError
            If no key is active.
        """
        for entry in self._entries:
            if entry.state == "active":
                return entry
        raise KeyNotFoundError("the keyring has no active key, so it cannot sign")

    def find(self, key_id: str) -> KeyEntry | None:
        """Return the entry of a key id, None where the ring has no such key."""
        return self._by_id.get(key_id)

    def select(self, start: str) -> KeyEntry:
        """Return the one entry whose key id is, or begins with, `start`.

        Raises
        ------
        KeyNotFoundError
            If there is none, or more than one.
        """
        found = [entry for entry in self._entries if entry.key_id.startswith(start)]
        if len(found) != 1 or not start:
            count = "no key" if not found else f"{len(found)} keys"
            raise KeyNotFoundError(
                f"{count} of the ring with an id that begins with {start[:80]!r}",
                hint="`safeserial keys list` shows the ids",
            )
        return found[0]

    def add(
        self,
        key: Key,
        *,
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
    ) -> Keyring:
        """Return a ring that also accepts `key` (and signs with it if none was active)."""
        state: State = "accepted" if any(e.state == "active" for e in self._entries) else "active"
        entry = KeyEntry(key=key, state=state, not_before=not_before, not_after=not_after)
        return self._changed((*self._entries, entry))

    def rotate(self, key: Key, *, not_after: datetime.datetime | None = None) -> Keyring:
        """Return a ring that signs with `key` and still accepts the key that was active."""
        return self._changed(
            (KeyEntry(key=key, state="active", not_after=not_after), *self._demoted())
        )

    def activate(self, key_id: str) -> Keyring:
        """Return a ring that signs with a key it accepts already.

        Raises
        ------
        KeyringError
            If the key is retired or revoked.
        """
        entry = self.select(key_id)
        if entry.state not in ("active", "accepted"):
            raise KeyringError(f"key {entry.key_id} is {entry.state} and cannot become active")
        others = [other for other in self._demoted() if other.key_id != entry.key_id]
        return self._changed((dataclasses.replace(entry, state="active"), *others))

    def retire(self, key_id: str, *, reason: str = "") -> Keyring:
        """Return a ring in which a key no longer counts, and says that it once did.

        Raises
        ------
        KeyringError
            If the key is revoked: that is final.
        """
        return self._with_state(key_id, "retired", reason)

    def revoke(self, key_id: str, *, reason: str = "") -> Keyring:
        """Return a ring in which no signature of a key counts, whenever it was made."""
        return self._with_state(key_id, "revoked", reason)

    def _with_state(self, key_id: str, state: State, reason: str) -> Keyring:
        chosen = self.select(key_id)
        if chosen.state == "revoked" and state != "revoked":
            raise KeyringError(f"key {chosen.key_id} is revoked; that is final")
        new = dataclasses.replace(chosen, state=state, reason=reason or chosen.reason)
        return self._changed(tuple(new if one is chosen else one for one in self._entries))

    def _demoted(self) -> tuple[KeyEntry, ...]:
        return tuple(
            dataclasses.replace(one, state="accepted") if one.state == "active" else one
            for one in self._entries
        )

    def _changed(self, entries: tuple[KeyEntry, ...]) -> Keyring:
        return Keyring(entries, serial=self.serial + 1)

    # Where rings live ----------------------------------------------------------------------

    @classmethod
    def load(cls, path: StrPath) -> Keyring:
        """Read a keyring file.

        Parameters
        ----------
        path : str or path-like
            A file that only its owner can read (mode 0600).

        Raises
        ------
        KeyringError
            If it is no keyring file.
        UnreadableFileError
            If it is missing, not regular, or open to others.
        """
        return cls._from_text(
            read_small(path, limit=MAX_KEYRING_BYTES, private=True), where=display(path)
        )

    def save(self, path: StrPath) -> None:
        """Write the ring to a file with mode 0600, whole or not at all.

        A ring is written over the one it was made from, and over no other: of two people who change
        a ring at the same time, the second is told, and no key is lost.

        Raises
        ------
        KeyringError
            If another ring stands there, or the ring was changed by somebody else meanwhile.
        WriteFailedError
            If it cannot be written.
        """
        text = self._to_text()
        with folder_lock(path):
            if os.path.lexists(path):
                self._require_older(path, text)
            with atomic_write(path, mode=0o600) as stream:
                stream.write(text)

    def _require_older(self, path: StrPath, text: bytes) -> None:
        there = read_small(path, limit=MAX_KEYRING_BYTES)  # open to others until now, perhaps
        if (
            there
            and there != text
            and self._from_text(there, where=display(path)).serial >= self.serial
        ):
            raise KeyringError(
                f"{display(path)} holds another ring, or was changed meanwhile",
                hint="load the ring and make the change again, or save it under another name",
            )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Keyring:
        """Read the ring that the environment names.

        ``SAFESERIAL_KEYRING`` is the path of a keyring file, or ``os:NAME`` for a ring in the
        operating system's keyring; else ``SAFESERIAL_KEY_FILE`` is the path of a file with one key.

        Raises
        ------
        KeyNotFoundError
            If neither is set.
        KeyringError, UnreadableFileError
            As :meth:`load`.
        """
        environ = os.environ if environ is None else environ
        if place := environ.get(VARIABLE):
            return cls.open(place)
        if path := environ.get(KEY_FILE_VARIABLE):
            return cls([HmacKey.from_file(path)])
        raise KeyNotFoundError(
            "no keyring was given and the environment names none",
            hint=f"make one: safeserial keys new --keyring team.keys; export {VARIABLE}=team.keys",
        )

    @classmethod
    def open(cls, place: str) -> Keyring:
        """Read a ring from ``os:NAME`` or a path."""
        if place.startswith(OS_PREFIX):
            return cls.from_os_keyring(place.removeprefix(OS_PREFIX))
        return cls.load(place)

    def store(self, place: str) -> None:
        """Write the ring to ``os:NAME`` or a path."""
        if place.startswith(OS_PREFIX):
            self.to_os_keyring(place.removeprefix(OS_PREFIX))
        else:
            self.save(place)

    @classmethod
    def from_os_keyring(cls, name: str = "default") -> Keyring:
        """Read a ring from the operating system's keyring (extra ``[keyring]``).

        Raises
        ------
        KeyNotFoundError
            If it holds no ring of that name.
        KeyringError
            If it cannot be opened.
        MissingExtraError
            If the extra is not installed.
        """
        try:
            text = _os_keyring().get_password(OS_SERVICE, name)
        except SafeSerialError:
            raise
        except Exception as error:  # noqa: BLE001 - its backends raise what they like
            raise KeyringError(f"the operating system's keyring failed: {error}") from None
        if text is None:
            raise KeyNotFoundError(f"the operating system's keyring has no ring {name[:80]!r}")
        return cls._from_text(text.encode("utf-8"), where=f"{OS_PREFIX}{name[:80]}")

    def to_os_keyring(self, name: str = "default") -> None:
        """Write the ring to the operating system's keyring (extra ``[keyring]``).

        Raises
        ------
        KeyringError
            If it cannot be written.
        MissingExtraError
            If the extra is not installed.
        """
        try:
            _os_keyring().set_password(OS_SERVICE, name, self._to_text().decode("utf-8"))
        except SafeSerialError:
            raise
        except Exception as error:  # noqa: BLE001 - its backends raise what they like
            raise KeyringError(f"the operating system's keyring failed: {error}") from None

    @classmethod
    def _from_text(cls, text: bytes, *, where: str) -> Keyring:
        try:
            stored = msgspec.json.decode(text, type=_StoredRing, strict=True)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            # The parser's own message may repeat a part of the file, which holds secrets.
            raise KeyringError(f"{where} is not a safeserial keyring") from None
        return cls(
            (
                KeyEntry(
                    key=HmacKey.from_text(one.key),
                    state=one.state,
                    not_before=one.not_before,
                    not_after=one.not_after,
                    reason=one.reason,
                )
                for one in stored.keys
            ),
            serial=stored.serial,
        )

    def _to_text(self) -> bytes:
        keys = [
            _StoredKey(
                key=entry.key.to_text(),
                state=entry.state,
                not_before=entry.not_before,
                not_after=entry.not_after,
                reason=entry.reason,
            )
            for entry in self._entries
        ]
        ring = _StoredRing(schema=SCHEMA, serial=self.serial, keys=keys)
        return msgspec.json.format(msgspec.json.encode(ring), indent=2) + b"\n"

    def __repr__(self) -> str:
        keys = ", ".join(f"{entry.key_id[:13]}… {entry.state}" for entry in self._entries)
        return f"<Keyring {self.serial}: {keys or 'empty'}>"


def _is_exact(moment: datetime.datetime) -> bool:
    """Say whether a moment can be held against any other one."""
    try:
        moment.astimezone(datetime.UTC)
    except OverflowError:  # the first or last day of the calendar, elsewhere in the world
        return False
    return moment.utcoffset() is not None


def _text(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _os_keyring() -> Any:
    try:
        import keyring
    except ImportError:
        raise MissingExtraError("keyring", "the operating system's keyring") from None
    return keyring
