# SPDX-License-Identifier: BSD-3-Clause
"""Aliases: signed statements with a counter and an expiry, moved by compare-and-set.

Floor 7.  Every model has the alias ``latest``, which also says what was withdrawn; it is read with
every request, so a version that was yanked cannot come back behind a client's back.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from safeserial.errors import (
    BadSignatureError,
    EntryNotFoundError,
    PolicyError,
    RollbackError,
    VersionConflictError,
)
from safeserial.store import auditing, names, ranges, schema, statements
from safeserial.store.backend import Backend, Transaction, settled
from safeserial.store.entries import ANY, LATEST, Channel, Whatever
from safeserial.store.statements import ChannelStatement
from safeserial.store.upserting import upsert

_MAX_ALIASES = 1000


@dataclass(frozen=True)
class Model:
    """A row of the table of models, with its alias ``latest`` if that is not the first version.

    Parameters
    ----------
    id : int
        Of the row.
    name : str
        The name that was asked for.
    next_version : int
        What the counter says; the head has the last word.
    head : ChannelStatement, optional
        The alias ``latest``.
    head_keys : tuple of str
        Who signed that.
    """

    id: int
    name: str
    next_version: int
    head: ChannelStatement | None
    head_keys: tuple[str, ...] = ()

    @property
    def known(self) -> ChannelStatement:
        """The head of a model that has versions."""
        if self.head is None:
            raise EntryNotFoundError(f"{self.name} has no versions")
        return self.head


def subject(name: str, alias: str) -> str:
    """Return what the client's memory calls an alias."""
    return f"{name}@{alias}"


def find_model(tx: Transaction, name: str, *, lock: bool = False) -> Model:
    """Return a model whose head was verified; with `lock` nobody else changes it meanwhile.

    Raises
    ------
    EntryNotFoundError
        If there is none.
    RollbackError, VerificationError, FormatError
        If its head is older than one seen before, or not rightly signed.
    """
    table = schema.models
    columns = (table.c.id, table.c.next_version)
    query: sa.Executable = sa.select(*columns).where(table.c.name == name)
    if lock:
        query = (
            sa.update(table)
            .where(table.c.name == name)
            .values(next_version=table.c.next_version)
            .returning(*columns)
        )
    row = tx.execute(query).first()
    if row is None:
        tx.witness.miss(subject(name, LATEST))
        raise EntryNotFoundError(f"the store has no model {name!r}")
    found = current(tx, row.id, name, LATEST)
    head, keys = found or (None, ())
    return Model(row.id, name, row.next_version, head, keys)


def current(
    tx: Transaction, model_id: int, name: str, alias: str
) -> tuple[ChannelStatement, tuple[str, ...]] | None:
    """Return the statement about an alias, verified and not older than seen; None if none is."""
    table = schema.channels
    row = tx.execute(
        sa.select(table.c.statement, table.c.signatures)
        .where(table.c.model_id == model_id, table.c.alias == alias)
        .where(sa.func.length(table.c.statement) <= statements.MAX_BYTES)
    ).first()
    if row is None:
        tx.witness.miss(subject(name, alias))
        return None
    statement, keys = _verified(tx.backend, row.statement, row.signatures, name, alias)
    tx.witness.see(subject(name, alias), statement.counter, row.statement)
    return statement, keys


def _verified(
    backend: Backend, body: bytes, signatures: bytes, name: str, alias: str
) -> tuple[ChannelStatement, tuple[str, ...]]:
    statement, keys = statements.verify(
        body, signatures, backend.ring, ChannelStatement, store=backend.store_id
    )
    if (statement.model, statement.alias) != (name, alias):
        raise BadSignatureError(f"the statement about {subject(name, alias)} is about another one")
    if not ranges.well_formed(statement.yanked) or not ranges.well_formed(statement.deleted):
        raise BadSignatureError(f"the statement about {subject(name, alias)} contradicts itself")
    return statement, keys


def require_fresh(statement: ChannelStatement) -> None:
    """Refuse a statement that has expired.

    Raises
    ------
    RollbackError
        If it has.
    """
    if statements.now() > statement.expires:
        raise RollbackError(
            f"what the store says of {subject(statement.model, statement.alias)} has expired on "
            f"{statement.not_after}: somebody may be holding back newer statements",
            hint="whoever signs for the store runs `safeserial store refresh`",
        )


def write(
    tx: Transaction,
    model_id: int,
    statement: ChannelStatement,
) -> tuple[str, ...]:
    """Sign a statement about an alias and put it in the place of the one before."""
    body, signatures = statements.sign(statement, tx.backend.ring)
    row = {
        "model_id": model_id,
        "alias": statement.alias,
        "counter": statement.counter,
        "version": statement.version,
        "statement": body,
        "signatures": signatures,
    }
    upsert(
        tx.connection,
        schema.channels,
        [row],
        replace=("counter", "version", "statement", "signatures"),
    )
    if statement.alias != LATEST:
        del row["version"]
        tx.execute(sa.insert(schema.channel_moves), row)
    tx.witness.made(subject(statement.model, statement.alias), statement.counter, body)
    return (tx.backend.ring.active.key_id,)


def compose(
    backend: Backend,
    before: ChannelStatement | None,
    where: tuple[str, str],
    version: int,
    artifact: str,
    *,
    valid_for: datetime.timedelta | None = None,
) -> ChannelStatement:
    """Return the statement that follows another one about a model's alias.

    What was withdrawn stays so.
    """
    now = statements.now()
    return ChannelStatement(
        store=backend.store_id,
        created=statements.text(now),
        actor=backend.actor,
        model=where[0],
        alias=where[1],
        version=version,
        artifact=artifact,
        counter=before.counter + 1 if before else 1,
        not_after=statements.text(now + (valid_for or backend.valid_for)),
        newest=before.newest if before else 0,
        yanked=before.yanked if before else [],
        deleted=before.deleted if before else [],
        reasons=before.reasons if before else {},
    )


def require_live(model: Model, version: int) -> None:
    """Refuse a version that is not there to be chosen.

    Raises
    ------
    EntryNotFoundError
        If it was never published, was yanked or was deleted.
    """
    head = model.known
    spec = f"{model.name}:{version}"
    if not 1 <= version <= head.newest or ranges.contains(head.deleted, version):
        raise EntryNotFoundError(f"the store has no {spec}")
    if ranges.contains(head.yanked, version):
        raise EntryNotFoundError(f"{spec} was yanked", hint="choose another version, or restore it")


def move(
    backend: Backend,
    name: str,
    alias: str,
    version: int | None,
    *,
    expect: int | Whatever | None,
    valid_for: datetime.timedelta | None,
) -> Channel:
    """Move an alias; see :meth:`Store.alias`."""
    names.check_name(name)
    names.check_alias(alias)
    if version is not None and (type(version) is not int or version < 1):
        raise PolicyError("a version is a number from 1 on")
    with backend.writing() as tx:
        model = find_model(tx, name, lock=True)
        return move_locked(tx, model, alias, version or 0, expect=expect, valid_for=valid_for)


def move_locked(
    tx: Transaction,
    model: Model,
    alias: str,
    version: int,
    *,
    expect: int | Whatever | None = ANY,
    valid_for: datetime.timedelta | None = None,
    action: str = "alias",
) -> Channel:
    """Move an alias of a model that nobody else changes meanwhile."""
    from safeserial.store.reading import primary

    found = current(tx, model.id, model.name, alias)
    before = found[0] if found else None
    there = before.version if before and before.version else None
    if expect is not ANY and expect != there:
        raise VersionConflictError(
            f"{subject(model.name, alias)} points at {there or 'nothing'}, not at "
            f"{expect or 'nothing'}"
        )
    if not version and there is None:
        raise EntryNotFoundError(f"there is no alias {subject(model.name, alias)}")
    artifact = ""
    if version:
        require_live(model, version)
        artifact = primary(tx, model, version).artifact_id
    statement = compose(
        tx.backend, before, (model.name, alias), version, artifact, valid_for=valid_for
    )
    keys = write(tx, model.id, statement)
    auditing.append(
        tx,
        action,
        subject(model.name, alias),
        model.id,
        {"version": version, "before": there or 0, "counter": statement.counter},
    )
    return channel(statement, keys)


def rollback(backend: Backend, name: str, alias: str, expect: int | Whatever | None) -> Channel:
    """Move an alias back; see :meth:`Store.rollback`."""
    names.check_name(name)
    names.check_alias(alias)
    with backend.writing() as tx:
        model = find_model(tx, name, lock=True)
        found = current(tx, model.id, name, alias)
        if found is None:
            raise EntryNotFoundError(f"there is no alias {subject(name, alias)}")
        for one, _ in _moves(tx, model, alias, found[0].counter):
            if one.version in (0, found[0].version):
                continue
            try:
                require_live(model, one.version)
            except EntryNotFoundError:
                continue
            return move_locked(tx, model, alias, one.version, expect=expect, action="rollback")
    raise EntryNotFoundError(f"{subject(name, alias)} has nothing to go back to")


def refresh(backend: Backend, name: str | None) -> int:
    """Sign aliases again; see :meth:`Store.refresh`."""
    from safeserial.store.listing import all_names

    count = 0
    for one in [names.check_name(name)] if name else list(all_names(backend)):
        with backend.writing() as tx:
            model = find_model(tx, one, lock=True)
            renewed = 0
            for before, _ in list(_all(tx, model)):
                statement = compose(
                    backend, before, (one, before.alias), before.version, before.artifact
                )
                write(tx, model.id, statement)
                renewed += 1
            auditing.append(tx, "refresh", one, model.id, {"aliases": renewed})
        count += renewed
    return count


@settled
def aliases(backend: Backend, name: str) -> tuple[Channel, ...]:
    """Return the aliases of a model; see :meth:`Store.aliases`."""
    names.check_name(name)
    with backend.reading() as tx:
        model = find_model(tx, name)
        found = [channel(*one) for one in _all(tx, model)]
    return tuple(
        sorted(
            (one for one in found if one.version), key=lambda one: (one.alias != LATEST, one.alias)
        )
    )


def _all(tx: Transaction, model: Model) -> Iterator[tuple[ChannelStatement, tuple[str, ...]]]:
    listed = tx.execute(
        sa.select(schema.channels.c.alias)
        .where(schema.channels.c.model_id == model.id)
        .limit(_MAX_ALIASES)
    ).scalars()
    for alias in list(listed):
        found = current(tx, model.id, model.name, alias)
        if found is not None:
            yield found


def stored(tx: Transaction, model: Model) -> Iterator[tuple[ChannelStatement, bytes, bytes]]:
    """Yield the present statements about the aliases of a model, verified, and as they stand."""
    table = schema.channels
    for statement, _ in list(_all(tx, model)):
        row = tx.execute(
            sa.select(table.c.statement, table.c.signatures).where(
                table.c.model_id == model.id, table.c.alias == statement.alias
            )
        ).one()
        yield statement, row.statement, row.signatures


@settled
def history(backend: Backend, name: str, alias: str) -> tuple[Channel, ...]:
    """Return the moves of an alias, newest first; see :meth:`Store.history`."""
    names.check_name(name)
    names.check_alias(alias, latest=True)
    with backend.reading() as tx:
        model = find_model(tx, name)
        found = current(tx, model.id, name, alias)
        if found is None:
            raise EntryNotFoundError(f"there is no alias {subject(name, alias)}")
        if alias == LATEST:
            return (channel(*found),)
        moves = list(_moves(tx, model, alias, found[0].counter + 1))
    expected = list(range(found[0].counter, 0, -1))
    if [one.counter for one, _ in moves] != expected:
        raise RollbackError(f"the history of {subject(name, alias)} has a gap")
    return tuple(channel(*one) for one in moves)


def _moves(
    tx: Transaction, model: Model, alias: str, below: int
) -> Iterator[tuple[ChannelStatement, tuple[str, ...]]]:
    """Yield the moves with counters below a number, newest first, each verified."""
    table = schema.channel_moves
    while True:
        rows = tx.execute(
            sa.select(table.c.counter, table.c.statement, table.c.signatures)
            .where(table.c.model_id == model.id, table.c.alias == alias, table.c.counter < below)
            .where(sa.func.length(table.c.statement) <= statements.MAX_BYTES)
            .order_by(table.c.counter.desc())
            .limit(100)
        ).all()
        for row in rows:
            statement, keys = _verified(
                tx.backend, row.statement, row.signatures, model.name, alias
            )
            if statement.counter != row.counter:
                raise BadSignatureError(f"the history of {subject(model.name, alias)} was changed")
            yield statement, keys
        if not rows:
            return
        below = rows[-1].counter


def channel(statement: ChannelStatement, keys: tuple[str, ...]) -> Channel:
    """Return a statement as callers see it."""
    return Channel(
        statement.model,
        statement.alias,
        statement.version,
        statement.counter,
        statement.created_at,
        statement.expires,
        keys,
        statement.actor,
    )
