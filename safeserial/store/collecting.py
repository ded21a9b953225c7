# SPDX-License-Identifier: BSD-3-Clause
"""Garbage: chunks that no version refers to, and objects that no chunk does.

Floor 7.  Marking is a foreign key and sweeping respects it: a chunk that somebody publishes at this
moment cannot go.  The grace period keeps those that were sent and are not referred to yet.
"""

from __future__ import annotations

import datetime
import time
from typing import Final

import sqlalchemy as sa

from safeserial.errors import PolicyError
from safeserial.store import auditing, schema
from safeserial.store.backend import Backend
from safeserial.store.entries import Swept

_BATCH: Final = 500


def sweep(backend: Backend, grace: datetime.timedelta, *, dry_run: bool) -> Swept:
    """Remove what nothing refers to; see :meth:`Store.gc`."""
    if grace < datetime.timedelta(0):
        raise PolicyError("the grace period is not negative")
    before = int(time.time() - grace.total_seconds())
    count, size = _chunks(backend, before, dry_run=dry_run)
    objects, object_size = _objects(backend, grace, dry_run=dry_run)
    found = Swept(count, size, objects, object_size, dry_run)
    if not dry_run and (count or objects):
        detail = {"chunks": count, "size": size, "objects": objects, "object_size": object_size}
        with backend.writing() as tx:
            auditing.append(tx, "gc", "", None, detail)
        _give_back(backend)
    return found


def _chunks(backend: Backend, before: int, *, dry_run: bool) -> tuple[int, int]:
    table, pairs = schema.chunks, schema.file_chunks
    unused = ~sa.exists().where(pairs.c.digest == table.c.digest)
    old = sa.and_(table.c.touched <= before, unused)
    if dry_run:
        with backend.reading() as tx:
            sums = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(table.c.size), 0))
            found = list(tx.execute(sums.select_from(table).where(old)).one())
        return int(found[0]), int(found[1])
    count = size = 0
    while True:
        with backend.writing() as tx:
            batch = sa.select(table.c.digest).where(old).order_by(table.c.digest).limit(_BATCH)
            if tx.connection.dialect.name == "postgresql":  # whoever is publishing one keeps it
                batch = batch.with_for_update(skip_locked=True)
            digests = list(tx.execute(batch).scalars())
            rows = tx.execute(
                sa.delete(table)
                .where(table.c.digest.in_(digests), old)
                .returning(table.c.size, table.c.location)
            ).all()
        for row in rows:
            count, size = count + 1, size + int(row.size)
            if row.location is not None and backend.location is not None:
                backend.location.remove(row.location)
        if not rows:
            return count, size


def _objects(backend: Backend, grace: datetime.timedelta, *, dry_run: bool) -> tuple[int, int]:
    """Remove objects that uploads left behind when they were broken off."""
    location = backend.location
    if location is None:
        return 0, 0
    old = datetime.datetime.now(datetime.UTC) - grace
    found = {key: size for key, size, when in location.listed() if when <= old}
    with backend.reading() as tx:
        used = tx.execute(
            sa.select(schema.chunks.c.location).where(schema.chunks.c.location.is_not(None))
        ).scalars()
        for key in used:
            found.pop(key, None)
    if not dry_run:
        for key in found:
            location.remove(key)
    return len(found), sum(found.values())


def _give_back(backend: Backend) -> None:
    """Give free pages of a SQLite file back to the file system; a server does so by itself."""
    if backend.engine.dialect.name == "sqlite":
        with backend.engine.connect() as connection:
            driver = connection.connection.driver_connection
            if driver is not None:
                driver.execute("PRAGMA incremental_vacuum").fetchall()
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
