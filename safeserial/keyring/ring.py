# SPDX-License-Identifier: BSD-3-Clause
"""The keyring: many keys, one of them active; immutable, each change makes a new ring.

Floor 4.  *Active* signs, *accepted* verifies, *retired* explains itself, *revoked* refuses.  A ring
of one's own lives in a file that only its owner may read, in a file named by the environment, or in
the operating system's keyring; what others publish is a chain of generations that can be checked.
"""

from __future__ import annotations

import datetime
import functools
import os
from collections.abc import Iterable, Mapping
from typing import Final

from safeserial.errors import KeyNotFoundError, KeyringError, LimitExceededError
from safeserial.files import (
    FileSource,
    StrPath,
    atomic_write,
    display,
    folder_lock,
    open_regular,
    read_small,
    require_private,
)
from safeserial.keyring import chain, life, published, publishing, storage
from safeserial.keyring.entries import KeyEntry, Mark, State, active_of, require_distinct, words
from safeserial.keyring.storage import MAX_KEYRING_BYTES, OS_PREFIX, Contents
from safeserial.keys import Key, key_from_file

VARIABLE: Final = "SAFESERIAL_KEYRING"
KEY_FILE_VARIABLE: Final = "SAFESERIAL_KEY_FILE"


class Keyring:
    """Many keys, one of them active.

    Parameters
    ----------
    keys : iterable of Key or KeyEntry
        A plain key is active if it is the first and can sign, else accepted.
    serial : int, default=0
        Number of changes so far; each change adds one.
    mark : Mark, optional
        Which generation of a published chain it stands at.

    Raises
    ------
    KeyringError
        If a key is listed twice, or two are active.

    Examples
    --------
    >>> from safeserial import Ed25519Key, Keyring
    >>> old, new = Ed25519Key.generate(), Ed25519Key.generate()
    >>> ring = Keyring([old]).add(new).promote(new.key_id).retire(old.key_id, reason="replaced")
    >>> [entry.state for entry in ring.entries]
    ['active', 'retired']
    """

    def __init__(
        self, keys: Iterable[Key | KeyEntry] = (), *, serial: int = 0, mark: Mark | None = None
    ) -> None:
        self._entries = tuple(
            one
            if isinstance(one, KeyEntry)
            else KeyEntry(key=one, state="accepted" if position or not one.can_sign else "active")
            for position, one in enumerate(keys)
        )
        self.serial = serial
        self.mark = mark
        require_distinct(self._entries)
        self._by_id = {entry.key_id: entry for entry in self._entries}

    @property
    def entries(self) -> tuple[KeyEntry, ...]:
        """All keys with their states, the active one first after a promotion."""
        return self._entries

    @property
    def active(self) -> KeyEntry:
        """The entry that signs.

        Raises
        ------
        KeyNotFoundError
            If no key is active, or only its public half is here.
        """
        entry = active_of(self._entries)
        if entry is None:
            raise KeyNotFoundError("the keyring has no active key, so it cannot sign")
        if not entry.key.can_sign:
            raise KeyNotFoundError(
                f"the keyring holds only the public half of {entry.key_id}, so it cannot sign",
                hint="only the owner of a published keyring signs with it; use a ring of your own",
            )
        return entry

    @property
    def public(self) -> Keyring:
        """The ring for anybody: public halves alone; shared secrets are left out."""
        halves = (entry.published() for entry in self._entries)
        kept = [one for one in halves if one is not None]
        return Keyring(kept, serial=self.serial, mark=self.mark)

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

    # The life of a key -----------------------------------------------------------------------

    def add(
        self,
        key: Key,
        *,
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
        principal: str | None = None,
        roles: Iterable[str] = (),
    ) -> Keyring:
        """Return a ring that also accepts `key` (and signs with it if it can and none was active).

        Parameters
        ----------
        key : Key
            A key or a public half.
        not_before, not_after, principal, roles
            As in :class:`KeyEntry`.

        Raises
        ------
        KeyringError
            If the ring has the key already, or a field is none.
        """
        waits = not key.can_sign or active_of(self._entries) is not None
        state: State = "accepted" if waits else "active"
        entry = KeyEntry(
            key=key,
            state=state,
            not_before=not_before,
            not_after=not_after,
            principal=principal,
            roles=words(roles),
        )
        return self._changed((*self._entries, entry))

    def promote(self, key_id: str) -> Keyring:
        """Return a ring that signs with a key it accepts already; the one before is accepted.

        Raises
        ------
        KeyringError
            If the key is retired or revoked, cannot sign, or those who receive the published ring
            do not know it yet.
        """
        chosen = self.select(key_id)
        return self._changed(life.promoted(self._entries, chosen, self.mark))

    def rotate(self, key: Key, *, not_after: datetime.datetime | None = None) -> Keyring:
        """Return a ring that signs with `key` at once and still accepts the key that was active.

        The new key speaks for the same principal in the same roles.  For a ring that nobody
        receives: in any other, `add` the key, hand the ring round, and `promote` it later.

        Raises
        ------
        KeyringError
            If the ring was published, and those who receive it do not know the key yet.
        """
        before = active_of(self._entries)
        added = self.add(
            key,
            not_after=not_after,
            principal=None if before is None else before.principal,
            roles=() if before is None else before.roles,
        )
        new = added.select(key.key_id)
        entries = life.promoted(added.entries, new, self.mark)
        return Keyring(entries, serial=added.serial, mark=self.mark)

    def demote(self, key_id: str) -> Keyring:
        """Return a ring in which the active key is accepted, and none signs.

        Raises
        ------
        KeyringError
            If the key is not active.
        """
        return self._changed(life.demoted(self._entries, self.select(key_id)))

    def retire(self, key_id: str, *, reason: str = "") -> Keyring:
        """Return a ring in which a key no longer counts, and says that it once did.

        Raises
        ------
        KeyringError
            If the key is revoked: that is final.
        """
        return self._changed(life.ended(self._entries, self.select(key_id), "retired", reason))

    def revoke(self, key_id: str, *, reason: str = "") -> Keyring:
        """Return a ring that refuses whatever a key signed, whenever, and whoever signed beside."""
        return self._changed(life.ended(self._entries, self.select(key_id), "revoked", reason))

    def assign(
        self, key_id: str, *, principal: str | None = None, roles: Iterable[str] | None = None
    ) -> Keyring:
        """Return a ring that says whose key it is, and what it may speak as.

        Parameters
        ----------
        key_id : str
            The key, or how its id begins.
        principal : str, optional
            Default: as it was.
        roles : iterable of str, optional
            All of its roles.  Default: as they were.

        Raises
        ------
        KeyringError
            If the key was published, which fixes both, or it is a shared secret and given a role.
        """
        chosen = self.select(key_id)
        return self._changed(
            life.assigned(self._entries, chosen, self.mark, principal=principal, roles=roles)
        )

    def __or__(self, other: Keyring) -> Keyring:
        """Return a ring with the keys of both, which signs with the left one's.

        Of a key in both the stricter state holds.

        Raises
        ------
        KeyringError
            If the two differ in whose key it is.
        """
        if not isinstance(other, Keyring):
            return NotImplemented
        entries = life.joined(self._entries, other.entries)
        return Keyring(entries, serial=max(self.serial, other.serial) + 1)

    def _changed(self, entries: tuple[KeyEntry, ...]) -> Keyring:
        return Keyring(entries, serial=self.serial + 1, mark=self.mark)

    # Where rings live ------------------------------------------------------------------------

    @classmethod
    def load(
        cls, path: StrPath, *, pinned: str | None = None, previous: Keyring | None = None
    ) -> Keyring:
        """Read a ring of one's own, or one that somebody else published.

        Parameters
        ----------
        path : str or path-like
            A file that only its owner can read (mode 0600), or a published ring.
        pinned : str, optional
            Fingerprint of any generation of a published ring, come by another channel.
        previous : Keyring, optional
            The published ring as it was read before: this one has to go on from there.

        Returns
        -------
        Keyring
            As it was saved; of a published ring the newest generation.

        Raises
        ------
        KeyringError
            If it is no keyring file.
        UntrustedRingError
            If it is published, and nothing says that it is its owner's, or a signature of one
            generation by the one before is missing or wrong.
        RolledBackRingError, ForkedRingError
            If it is older than the one that was read before, or another one.
        UnreadableFileError
            If it is missing, not regular, or of one's own and open to others.
        """
        with open_regular(path) as source:
            if not published.looks_like_one(source.peek(16)):
                if pinned is not None or previous is not None:
                    raise KeyringError(f"{display(path)} is not a published keyring")
                require_private(path, source)
                return cls._from_text(_read(source, path, MAX_KEYRING_BYTES), where=display(path))
            text = _read(source, path, published.MAX_BYTES)
        mark = None
        if previous is not None:
            if previous.mark is None:
                raise KeyringError("the previous ring does not come from a published one")
            mark = previous.mark
        generations = published.read(text, where=display(path))
        newest = chain.trusted(generations, pin=pinned, mark=mark)
        return cls(newest.entries, serial=newest.serial, mark=newest.mark)

    def distribute(self, path: StrPath, *, afresh: bool = False) -> Keyring:
        """Publish the ring: write its public halves as the next generation of a file for others.

        Parameters
        ----------
        path : str or path-like
            The published ring: extended, and written whole or not at all.
        afresh : bool, default=False
            Begin a new one, whose fingerprint everybody has to be told again.

        Returns
        -------
        Keyring
            The same ring, which knows what was published: save it.

        Raises
        ------
        KeyringError
            If the keys that must sign are not there, or the file is not the one published last.
        WriteFailedError
            If it cannot be written.
        """
        newest = publishing.publish(
            path, self._entries, serial=self.serial + 1, mark=self.mark, afresh=afresh
        )
        if newest.mark == self.mark:
            return self
        return Keyring(self._entries, serial=max(self.serial + 1, newest.serial), mark=newest.mark)

    def save(self, path: StrPath) -> None:
        """Write the ring, secrets included, to a file with mode 0600, whole or not at all.

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
        if not there or there == text:
            return
        older = self._from_text(there, where=display(path))
        if older.serial >= self.serial or not life.goes_on(older.entries, self._entries):
            raise KeyringError(
                f"{display(path)} holds another ring, or was changed meanwhile",
                hint="load the ring and make the change again, or save it under another name",
            )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Keyring:
        """Read the ring that the environment names.

        ``SAFESERIAL_KEYRING`` is the path of a keyring file, or ``os:NAME`` for a ring in the
        operating system's keyring; else ``SAFESERIAL_KEY_FILE`` is the path of a file with one key.
        If that is encrypted, ``SAFESERIAL_PASSPHRASE`` opens it, or the file that
        ``SAFESERIAL_PASSPHRASE_FILE`` names, or who sits at the terminal.

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
            from safeserial.keys.asking import PASSPHRASE_VARIABLE, needed

            question = f"Passphrase of {display(path)}"
            passphrase = functools.partial(needed, PASSPHRASE_VARIABLE, question, environ)
            return cls([key_from_file(path, passphrase=passphrase)])
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
        return cls._from_text(storage.from_os_keyring(name), where=f"{OS_PREFIX}{name[:80]}")

    def to_os_keyring(self, name: str = "default") -> None:
        """Write the ring to the operating system's keyring (extra ``[keyring]``).

        Raises
        ------
        KeyringError
            If it cannot be written.
        MissingExtraError
            If the extra is not installed.
        """
        storage.to_os_keyring(name, self._to_text())

    @classmethod
    def _from_text(cls, text: bytes, *, where: str) -> Keyring:
        contents = storage.read(text, where=where)
        return cls(contents.entries, serial=contents.serial, mark=contents.mark)

    def _to_text(self) -> bytes:
        return storage.write(Contents(self._entries, self.serial, self.mark))

    def __repr__(self) -> str:
        keys = ", ".join(f"{entry.key_id[:13]}… {entry.state}" for entry in self._entries)
        return f"<Keyring {self.serial}: {keys or 'empty'}>"


def _read(source: FileSource, path: StrPath, limit: int) -> bytes:
    if source.size > limit:
        raise LimitExceededError(f"{display(path)} is larger than {limit} bytes")
    buffer = bytearray(source.size)
    source.read_into(memoryview(buffer))
    return bytes(buffer)
