# SPDX-License-Identifier: BSD-3-Clause
"""Everything verified once: statements, every byte of every artifact, aliases, the audit log.

Floor 7.  What is wrong is a line of the report, and the rest is looked at all the same.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from safeserial.errors import EntryNotFoundError, SafeSerialError, StoreError
from safeserial.store import auditing, channels, listing, ranges, reading, schema
from safeserial.store.backend import Backend, Progress
from safeserial.store.channels import Model
from safeserial.store.entries import LATEST, CheckReport, Problem
from safeserial.store.sources import chunk_rows

_MAX_ORPHANS: Final = 100


def verify_all(backend: Backend, progress: Progress | None) -> CheckReport:
    """Verify everything; see :meth:`Store.verify_all`."""
    with backend.reading() as tx:
        total = tx.execute(sa.select(sa.func.count()).select_from(schema.files)).scalar_one()
    look = _Look(backend, total, progress)
    for name in listing.all_names(backend):
        look.model(name)
    look.orphans()
    return CheckReport(
        look.artifacts,
        look.channels,
        look.size,
        tuple(look.problems),
        auditing.verify(backend, None),
    )


class _Look:
    """One look at everything: what was right is counted, what was not is kept."""

    def __init__(self, backend: Backend, total: int, progress: Progress | None) -> None:
        self._backend, self._total, self._progress = backend, total, progress
        self.artifacts = self.channels = self.size = 0
        self.problems: list[Problem] = []

    def model(self, name: str) -> None:
        """Look at a model with all that belongs to it."""
        try:
            with self._backend.reading() as tx:
                model = channels.find_model(tx, name)
                newest = model.known.newest
                aliases = list(
                    tx.execute(
                        sa.select(schema.channels.c.alias).where(
                            schema.channels.c.model_id == model.id
                        )
                    ).scalars()
                )
        except SafeSerialError as error:
            self._wrong(name, error)
            return
        for alias in aliases:
            self._alias(model, alias)
        for version in range(1, newest + 1):
            if not ranges.contains(model.known.deleted, version):
                self._version(model, version)

    def orphans(self) -> None:
        """Look for versions whose model is not there any more."""
        files = schema.files
        known = sa.select(schema.models.c.id)
        query = sa.select(files.c.model_id, files.c.version).where(files.c.model_id.not_in(known))
        with self._backend.reading() as tx:
            rows = tx.execute(query.limit(_MAX_ORPHANS)).all()
        for row in rows:
            gone = EntryNotFoundError("its model is not in the store any more")
            self._wrong(f"version {row.version} of model number {row.model_id}", gone)

    def _alias(self, model: Model, alias: str) -> None:
        where = channels.subject(model.name, alias)
        try:
            if alias != LATEST:
                channels.history(self._backend, model.name, alias)
            with self._backend.reading() as tx:
                found = channels.current(tx, model.id, model.name, alias)
                if found is None or found[0].version:
                    reading.resolve(tx, where)
        except SafeSerialError as error:
            self._wrong(where, error)
        else:
            self.channels += 1

    def _version(self, model: Model, version: int) -> None:
        where = f"{model.name}:{version}"
        try:
            with self._backend.reading() as tx:
                found = reading.target(tx, model, version)
                rows = [chunk_rows(tx.connection, one.id, one.described) for one in found.files]
        except SafeSerialError as error:
            self._wrong(where, error)
            return
        for file, chunks in zip(found.files, rows, strict=True):
            try:
                reading.check(self._backend, reading.Found(found, file, chunks))
            except SafeSerialError as error:
                self._wrong(f"{where}/{file.statement.format}", error)
            else:
                self.size += file.statement.size
                self.artifacts += 1
            if self._progress is not None:
                self._progress(self.artifacts + len(self.problems), self._total)

    def _wrong(self, where: str, error: SafeSerialError) -> None:
        if type(error) is StoreError:  # the database itself: nothing can be said of what is in it
            raise error
        self.problems.append(Problem(where, str(error), error.hint, type(error).__name__))
