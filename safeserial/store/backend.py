# SPDX-License-Identifier: BSD-3-Clause
"""An open store: database, ring, policy and memory together, as every room of the store needs them.

Floor 7.
"""

from __future__ import annotations

import datetime
import functools
import getpass
import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine

from safeserial.errors import (
    EntryNotFoundError,
    KeyringError,
    MigrationNeededError,
    PolicyError,
    RollbackError,
    StoreError,
)
from safeserial.files import StrPath
from safeserial.keyring import Keyring
from safeserial.policy import Policy
from safeserial.store import engine as engines
from safeserial.store import schema
from safeserial.store.lastseen import LastSeen, Seen
from safeserial.store.locations import Location

Progress = Callable[[int, int], None]
_LOCK: Final = 0x5AFE_5E21  # of PostgreSQL's advisory locks: one migration at a time
_MAX_ACTOR: Final = 100
_PATIENCE: Final = 3
_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass
class Backend:
    """An open store.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Of its database.
    store_id : str
        Which every statement names.
    ring : Keyring
        Whose word counts.
    policy : Policy
        What is accepted.
    seen : LastSeen
        This client's memory.
    location : Location, optional
        Where large payloads go; None for the database.
    large : int
        What large is, in bytes.
    actor : str
        Who writes, for the log.
    valid_for : timedelta
        How long a statement about an alias is believed.
    """

    engine: Engine
    store_id: str
    ring: Keyring
    policy: Policy
    seen: LastSeen
    location: Location | None
    large: int
    actor: str
    valid_for: datetime.timedelta

    @property
    def shown(self) -> str:
        """Address of the database, without its password."""
        return engines.shown(self.engine.url)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Open a transaction that sees one moment; what it saw is remembered when all went well."""
        with engines.reading(self.engine) as connection:
            tx = Transaction(connection, self)
            yield tx
        self.seen.note(self.store_id, tx.witness.found)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Open a transaction that writes, and remember what it saw and wrote once that stands."""
        with engines.writing(self.engine) as connection:
            tx = Transaction(connection, self)
            yield tx
        self.seen.note(self.store_id, tx.witness.found)

    def close(self) -> None:
        """Give connections and files back."""
        self.engine.dispose()
        self.seen.close()


class Transaction:
    """A moment of the database, and what was seen in it.

    Parameters
    ----------
    connection : Connection
        In a transaction.
    backend : Backend
        The store.
    """

    def __init__(self, connection: Connection, backend: Backend) -> None:
        self.connection, self.backend = connection, backend
        self.witness = Witness(backend.seen, backend.store_id)

    def execute(self, statement: sa.Executable, rows: Any = None) -> sa.CursorResult[Any]:
        """Ask the database."""
        return self.connection.execute(statement, rows)


def settled(question: Callable[_P, _T]) -> Callable[_P, _T]:
    """Ask again where the answer seems to be an old one: it may be older only than this moment.

    Another process of the same client may publish, and remember it, between a read of the database
    and the look into the memory.  What is remembered is in the database by then, so a second read
    finds it, unless the store is really older.
    """

    @functools.wraps(question)
    def asked(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        for _ in range(_PATIENCE):
            try:
                return question(*args, **kwargs)
            except RollbackError:
                continue
        return question(*args, **kwargs)

    return asked


class Witness:
    """Compares statements with what was seen before, and collects those that are newer.

    Parameters
    ----------
    seen : LastSeen
        The memory.
    store : str
        Id of the store.
    """

    def __init__(self, seen: LastSeen, store: str) -> None:
        self._seen, self._store = seen, store
        self.found: dict[str, Seen] = {}

    def see(self, subject: str, counter: int, body: bytes) -> None:
        """Compare a statement; RollbackError if it is older than one seen before."""
        digest = hashlib.sha256(body).hexdigest()
        if self._seen.check(self._store, subject, counter, digest):
            self.found[subject] = (counter, digest)

    def made(self, subject: str, counter: int, body: bytes) -> None:
        """Remember a statement of our own, once it is in the database."""
        self.found[subject] = (counter, hashlib.sha256(body).hexdigest())

    def miss(self, subject: str) -> None:
        """Say that there is no such thing; RollbackError if there was."""
        if self._seen.get(self._store, subject) is not None:
            raise RollbackError(f"{subject}: the store shows nothing where it showed something")


def connect(
    url: str,
    *,
    keyring: Keyring | None,
    policy: Policy | None,
    blobs: str | None,
    blob_options: Mapping[str, Any] | None,
    large: int,
    state: StrPath | None,
    actor: str | None,
    valid_for: datetime.timedelta,
    create: bool,
) -> Backend:
    """Open a store, or make one; parameters and errors as :class:`safeserial.store.Store`."""
    ring = Keyring.from_env() if keyring is None else keyring
    if not isinstance(ring, Keyring):
        raise KeyringError(f"not a Keyring: {type(ring).__name__}", hint="Keyring([key])")
    if valid_for < datetime.timedelta(minutes=1):
        raise PolicyError("valid_for is at least a minute")
    parsed = engines.parse(url)
    seen, where = LastSeen(state), engines.place(parsed)
    engine = engines.make(parsed)
    try:
        found = _identify(engine, parsed, blobs, create=create and seen.store_at(where) is None)
        store_id, kept = found or _missing(seen.store_at(where), parsed)
        seen.settle(where, store_id)
        chosen = blobs or kept
        return Backend(
            engine=engine,
            store_id=store_id,
            ring=ring,
            policy=Policy.default() if policy is None else policy,
            seen=seen,
            location=Location(chosen, dict(blob_options or {})) if chosen else None,
            large=large,
            actor=_actor() if actor is None else actor[:_MAX_ACTOR],
            valid_for=valid_for,
        )
    except BaseException:
        engine.dispose()
        seen.close()
        raise


def _missing(known: str | None, url: URL) -> NoReturn:
    if known is not None:
        raise RollbackError(
            f"the store at {engines.shown(url)} that this client has seen is gone",
            hint="if it was removed on purpose: Store.forget(url)",
        )
    raise EntryNotFoundError(
        f"there is no store at {engines.shown(url)}", hint="`safeserial store init`"
    )


def _actor() -> str:
    try:
        return getpass.getuser()[:_MAX_ACTOR]
    except (OSError, KeyError, ImportError):  # a user without a name, in a container
        return ""


def _identify(
    engine: Engine, url: URL, blobs: str | None, *, create: bool
) -> tuple[str, str | None] | None:
    """Return id and location of the store in a database, making one if it is empty."""
    found = _revision(engine) if engines.exists(url) else None
    if found is None:
        if not create:
            return None
        _upgrade(engine, "head", blobs)
    elif found != schema.REVISION:
        older = found < schema.REVISION
        raise MigrationNeededError(
            f"the schema of the store is {found}; this version of safeserial has {schema.REVISION}",
            hint=None if older else "upgrade with: pip install -U 'safeserial-toolkit[store]'",
        )
    with engines.reading(engine) as connection:
        kept = dict(connection.execute(sa.select(schema.meta.c.key, schema.meta.c.value)).all())
    if "store" not in kept:
        raise StoreError("the store has no id: it was not made by safeserial, or was damaged")
    return str(kept["store"])[:64], kept.get("blobs")


def _revision(engine: Engine) -> str | None:
    with engines.reading(engine) as connection:
        if not sa.inspect(connection).has_table(schema.VERSION_TABLE):
            return None
        found = connection.execute(
            sa.text(f"SELECT version_num FROM {schema.VERSION_TABLE}")  # noqa: S608 - a constant
        ).scalar()
    return None if found is None else str(found)[:40]


def migrate(url: str, to: str) -> str:
    """Bring a schema to a revision; see :meth:`Store.migrate`."""
    from safeserial.store.indexing import reindex

    engine = engines.make(engines.parse(url))
    try:
        before = _revision(engine)
        _upgrade(engine, to, None)
        after = _revision(engine) or ""
        if before == "0001" < after:
            with engines.writing(engine) as connection:
                reindex(connection)
        return after
    finally:
        engine.dispose()


def _upgrade(engine: Engine, to: str, blobs: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    with engines.writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, to)
        except CommandError as error:
            raise StoreError(f"the migration failed: {error}") from None
        known = set(connection.execute(sa.select(schema.meta.c.key)).scalars())
        rows = {"store": secrets.token_hex(16), **({"blobs": blobs} if blobs else {})}
        for key, value in rows.items():
            if key not in known:
                connection.execute(sa.insert(schema.meta).values(key=key, value=value))


def forget(url: str, state: StrPath | None) -> None:
    """Forget a place; see :meth:`Store.forget`."""
    seen = LastSeen(state)
    try:
        seen.forget(engines.place(engines.parse(url)))
    finally:
        seen.close()
