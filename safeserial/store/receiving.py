# SPDX-License-Identifier: BSD-3-Clause
"""Versions of another store, published here: numbers kept where they are free, aliases set anew.

Floor 7.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from safeserial.errors import EntryNotFoundError, SafeSerialError
from safeserial.files import Source
from safeserial.store import channels, publishing, ranges, schema, withdrawing
from safeserial.store.backend import Backend, settled
from safeserial.store.entries import LATEST, Transferred
from safeserial.store.publishing import Order
from safeserial.store.statements import ChannelStatement, EntryStatement


@dataclass(frozen=True)
class Parcel:
    """An artifact on its way.

    Parameters
    ----------
    said : EntryStatement
        What the other store said of it, verified.
    source : Source
        Its bytes, to be read before the next parcel is asked for.
    """

    said: EntryStatement
    source: Source


def receive(
    backend: Backend, parcels: Iterable[Parcel], aliases: Sequence[ChannelStatement]
) -> Transferred:
    """Publish parcels, then withdraw and point as the other store did.

    Parameters
    ----------
    backend : Backend
        The store that receives.
    parcels : iterable of Parcel
        Versions in order, the first format of each before the others.
    aliases : sequence of ChannelStatement
        Of the other store, verified.

    Returns
    -------
    Transferred
        What became of what.
    """
    entries: dict[str, str] = {}
    skipped: list[str] = []
    for parcel in parcels:
        said = parcel.said
        spec = f"{said.model}:{said.version}"
        here = _here(backend, said)
        if here is not None:
            entries.setdefault(spec, f"{said.model}:{here}")
            skipped.append(f"{spec}/{said.format}")
            continue
        if said.exported_from:
            number = int(entries[spec].rpartition(":")[2]) if spec in entries else None
            if number is None:
                raise EntryNotFoundError(f"{spec} came without its first format")
            order = Order(said.model, version=number)
            publishing.take(backend, parcel.source, order, None, said=said)
            continue
        parents = tuple(entries[one[0]] for one in said.derived_from if one[0] in entries)
        order = Order(said.model, derived_from=parents)
        entry = publishing.take(backend, parcel.source, order, None, said=said, number=said.version)
        entries[spec] = entry.spec
    return Transferred(entries, tuple(_point(backend, entries, aliases)), tuple(skipped))


def _here(backend: Backend, said: EntryStatement) -> int | None:
    """Return the version here that is this artifact already."""
    files, models = schema.files, schema.models
    with backend.reading() as tx:
        found = tx.execute(
            sa.select(files.c.version)
            .join(models, models.c.id == files.c.model_id)
            .where(models.c.name == said.model, files.c.artifact_id == said.artifact)
            .order_by(files.c.version)
            .limit(1)
        ).scalar()
    return None if found is None else int(found)


def _point(
    backend: Backend, entries: dict[str, str], aliases: Sequence[ChannelStatement]
) -> list[str]:
    moved = []
    for one in sorted(aliases, key=lambda one: (one.alias == LATEST, one.model, one.alias)):
        if one.alias == LATEST:
            _withdraw(backend, one, entries)
            continue
        there = entries.get(f"{one.model}:{one.version}")
        if there is None or _has_alias(backend, one):
            continue
        version = int(there.rpartition(":")[2])
        try:
            channels.move(backend, one.model, one.alias, version, expect=None, valid_for=None)
        except EntryNotFoundError:  # withdrawn here
            continue
        moved.append(channels.subject(one.model, one.alias))
    return moved


@settled
def _has_alias(backend: Backend, one: ChannelStatement) -> bool:
    with backend.reading() as tx:
        model = channels.find_model(tx, one.model)
        found = channels.current(tx, model.id, one.model, one.alias)
    return found is not None and found[0].version > 0


def _withdraw(backend: Backend, head: ChannelStatement, entries: dict[str, str]) -> None:
    for spec, here in entries.items():
        name, _, version = spec.rpartition(":")
        if name == head.model and ranges.contains(head.yanked, int(version)):
            try:
                withdrawing.yank(backend, here, head.reasons.get(version, ""))
            except SafeSerialError:  # an alias here stands on it: whoever set that decides
                continue
