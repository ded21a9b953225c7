# SPDX-License-Identifier: BSD-3-Clause
"""Connections to SQLite and PostgreSQL: the same transactions, and errors without secrets.

Floor 7.  SQLite: write-ahead log, every commit on disk, `BEGIN IMMEDIATE` for whoever will write (a
reader that turns writer is refused at once, whatever it would wait).  https://sqlite.org/wal.html,
https://sqlite.org/lang_transaction.html.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from safeserial.errors import (
    CorruptArtifactError,
    MissingExtraError,
    SafeSerialError,
    StoreError,
)

BUSY: Final = 30  # seconds
_SHOWN: Final = 300
_URL: Final = re.compile(r"[a-z0-9+]+://[^\s'\"]*@", re.IGNORECASE)
_PASSWORD: Final = re.compile(r"(password|sslpassword|passfile)(\s*=\s*|%3D)[^\s&]+", re.IGNORECASE)
_FULL: Final = ("full", "no space", "file too large", "i/o error", "could not extend", "quota")
_LOST: Final = ("server closed", "terminat", "connection", "could not connect", "starting up")


def parse(url: str) -> URL:
    """Read the address of a database.

    Raises
    ------
    StoreError
        If it is none of SQLite or PostgreSQL; it is never repeated, since it may hold a password.
    """
    try:
        found = sa.make_url(url)
    except (ArgumentError, ValueError, TypeError, AttributeError):
        raise StoreError("this is not the address of a database", hint=_HINT) from None
    kind = found.get_backend_name()
    if kind == "sqlite":
        if found.database in (None, "", ":memory:") or found.query:
            raise StoreError("a store in SQLite is a file", hint=_HINT)
        path = os.path.realpath(str(found.database))
        return found.set(drivername="sqlite+pysqlite", database=path)
    if kind in ("postgresql", "postgres"):
        return found.set(drivername="postgresql+psycopg")
    raise StoreError("the database is SQLite or PostgreSQL", hint=_HINT)


_HINT: Final = "for instance sqlite:///models.db or postgresql://user@host/database"


def shown(url: URL) -> str:
    """Return an address without its secrets."""
    plain = url.set(drivername=url.get_backend_name(), query={})
    return plain.render_as_string(hide_password=True)


def place(url: URL) -> str:
    """Return what an address says of where the store is: without user and password."""
    query = [str(url.query.get(word, "")) for word in ("host", "port", "dbname", "options")]
    where = f"{url.host or query[0]}:{url.port or query[1]}/{url.database or query[2]}"
    return f"{url.get_backend_name()}://{where}?{query[3]}"


def make(url: URL) -> Engine:
    """Return an engine, not connected yet.

    Raises
    ------
    MissingExtraError
        If the driver is not installed.
    """
    try:
        if url.get_backend_name() == "sqlite":
            engine = sa.create_engine(
                url, connect_args={"timeout": BUSY}, hide_parameters=True, pool_reset_on_return=None
            )
            sa.event.listen(engine, "connect", _set_up_sqlite)
            sa.event.listen(engine, "begin", _begin_sqlite)
            return engine
        return sa.create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            connect_args={"connect_timeout": BUSY, "application_name": "safeserial"}
            if "connect_timeout" not in url.query
            else {},
        )
    except ImportError:
        raise MissingExtraError("store", "a store in PostgreSQL") from None


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; see _begin_sqlite
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY * 1000}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA synchronous=FULL")
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        # Of an empty file: free pages can be given back to the file system later.
        cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
        cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("safeserial_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that sees one moment and writes nothing."""
    with translated(engine), engine.connect() as plain:
        options: dict[str, Any] = {}
        if engine.dialect.name == "postgresql":
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        connection = plain.execution_options(**options)
        with connection.begin():
            yield connection


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that writes; it is undone if anything in it fails."""
    with translated(engine), engine.connect() as plain:
        connection = plain.execution_options(safeserial_writes=True)
        with connection.begin():
            yield connection


@contextlib.contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Turn the errors of the database into the project's, without parameters or passwords."""
    try:
        yield
    except SafeSerialError:
        raise
    except (SQLAlchemyError, OSError) as error:
        raise explained(error, shown(engine.url)) from None
    except (TypeError, ValueError, OverflowError) as error:  # SQLite keeps any type in any column
        raise CorruptArtifactError(
            f"the store at {shown(engine.url)} holds a value of another type: {error}"[:_SHOWN],
            hint="the database was edited or damaged; compare it with a backup",
        ) from error


def explained(error: BaseException, where: str) -> StoreError:
    """Return the project's error for one of the database or of a bucket."""
    origin = error.orig if isinstance(error, DBAPIError) and error.orig else error
    text = " ".join(str(origin).split()) or type(origin).__name__
    text = _PASSWORD.sub(r"\1=***", _URL.sub("***@", text))[:_SHOWN]
    low = text.lower()
    hint = "look whether the database is up and this user may write; then try again"
    if any(word in low for word in _FULL):
        hint = "the disk is full or failing: make room, then try again; nothing was left half done"
    elif "locked" in low:
        hint = "another process has been writing for long; try again"
    elif any(word in low for word in _LOST):
        hint = "the database could not be reached; if it was lost while publishing, `store list` "
        hint += "shows whether the version is there, and trying again is safe"
    elif "no such table" in low or "does not exist" in low:
        hint = "is this the address of a store? `safeserial store migrate` makes its tables"
    return StoreError(f"the store at {where} failed: {text}", hint=hint)


def exists(url: URL) -> bool:
    """Say whether a SQLite file is there and not empty; of a server, that is for it to say."""
    if url.get_backend_name() != "sqlite":
        return True
    path = Path(str(url.database))
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
