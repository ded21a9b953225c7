# SPDX-License-Identifier: BSD-3-Clause
"""What this client has seen of its stores, so that nobody can show it an older state.

Floor 7.  A small SQLite file of the user's own: per store and subject (an alias, the audit log) the
highest counter and the digest of the statement that carried it.  The idea is TUF's, whose clients
keep the versions of what they trusted: https://theupdateframework.github.io/specification/latest/.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from safeserial.errors import RollbackError, StoreError
from safeserial.files import StrPath, display

Seen = tuple[int, str]
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS seen (
  store TEXT NOT NULL, subject TEXT NOT NULL, counter INTEGER NOT NULL, digest TEXT NOT NULL,
  PRIMARY KEY (store, subject)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (place TEXT PRIMARY KEY, store TEXT NOT NULL) WITHOUT ROWID;
"""


def default_path() -> Path:
    """Return the file in the user's state folder."""
    from platformdirs import user_state_path

    return user_state_path("safeserial") / "seen.db"


class LastSeen:
    """The memory of one client.

    Parameters
    ----------
    path : str or path-like, optional
        The file; ``:memory:`` lasts as long as the object.  Default: :func:`default_path`.
    """

    def __init__(self, path: StrPath | None = None) -> None:
        self.path = os.fspath(default_path() if path is None else path)
        self._connection: sqlite3.Connection | None = None
        self._process = os.getpid()

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None and self.path != ":memory:":
            self._connection.close()
            self._connection = None

    def store_at(self, place: str) -> str | None:
        """Return the id of the store last seen at a place."""
        with self._open() as connection:
            row = connection.execute("SELECT store FROM places WHERE place=?", (place,)).fetchone()
        return None if row is None else str(row[0])

    def settle(self, place: str, store: str) -> None:
        """Remember which store is at a place.

        Raises
        ------
        RollbackError
            If another one was.
        """
        known = self.store_at(place)
        if known is None:
            with self._open() as connection:
                connection.execute("INSERT OR IGNORE INTO places VALUES (?, ?)", (place, store))
        elif known != store:
            raise RollbackError(
                "another store stands where this client has seen one before",
                hint="if it was replaced on purpose: Store.forget(url)",
            )

    def forget(self, place: str) -> None:
        """Forget a place and the store that was there."""
        with self._open() as connection:
            connection.execute(
                "DELETE FROM seen WHERE store IN (SELECT store FROM places WHERE place=?)", (place,)
            )
            connection.execute("DELETE FROM places WHERE place=?", (place,))

    def get(self, store: str, subject: str) -> Seen | None:
        """Return what was seen of a subject."""
        with self._open() as connection:
            row = connection.execute(
                "SELECT counter, digest FROM seen WHERE store=? AND subject=?", (store, subject)
            ).fetchone()
        return None if row is None else (int(row[0]), str(row[1]))

    def check(self, store: str, subject: str, counter: int, digest: str) -> bool:
        """Compare with what was seen before.

        Returns
        -------
        bool
            Whether this is newer.

        Raises
        ------
        RollbackError
            If it is older, or another statement of the same number.
        """
        known = self.get(store, subject)
        if known is None or counter > known[0]:
            return True
        if (counter, digest) == known:
            return False
        what = (
            "an older statement than" if counter < known[0] else "another statement of the number"
        )
        raise RollbackError(
            f"{subject}: the store shows {what} this client has seen (number {counter}, "
            f"seen {known[0]})"
        )

    def note(self, store: str, seen: Mapping[str, Seen]) -> None:
        """Remember statements; what is known already is never replaced by what is older."""
        if not seen:
            return
        with self._open() as connection:
            connection.executemany(
                "INSERT INTO seen VALUES (?, ?, ?, ?) ON CONFLICT (store, subject) DO UPDATE SET"
                " counter=excluded.counter, digest=excluded.digest"
                " WHERE excluded.counter > seen.counter",
                [(store, subject, *one) for subject, one in seen.items()],
            )

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._connection is None or self._process != os.getpid():
                self._connection = self._connect()
                self._process = os.getpid()
            with self._connection:
                yield self._connection
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"what this client has seen cannot be kept in {display(self.path)}: {error}",
                hint="give another file: Store(..., state='seen.db')",
            ) from None

    def _connect(self) -> sqlite3.Connection:
        if self.path != ":memory:":
            folder = Path(self.path).absolute().parent
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(self.path, timeout=30, check_same_thread=False)
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.executescript(_SCHEMA)
        return connection
