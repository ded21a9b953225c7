# SPDX-License-Identifier: BSD-3-Clause
"""Lists and search: pages by key, never by offset, so that the last costs what the first does.

Floor 7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from safeserial.errors import EntryNotFoundError, PolicyError
from safeserial.store import channels, indexing, names, schema
from safeserial.store.backend import Backend, Transaction, settled
from safeserial.store.entries import Entry
from safeserial.store.reading import describe, target

MAX_PAGE: Final = 1000
_MAX_TERMS: Final = 20


@dataclass(frozen=True)
class Query:
    """What is searched for; see :meth:`Store.search`."""

    text: str
    name: str | None
    estimator: str | None
    format: str | None
    packages: Mapping[str, str]
    metadata: Mapping[str, Any]

    def terms(self) -> list[indexing.Term]:
        """Return the terms that a version must have."""
        found = [("word", word) for word in indexing.words(self.text)]
        if self.estimator is not None:
            found.append(("estimator", self.estimator))
        if self.format is not None:
            found.append(("format", self.format))
        for package, version in self.packages.items():
            found.append(list(indexing.package_terms(package, version))[-1])
        try:
            found += [indexing.metadata_term(key, value) for key, value in self.metadata.items()]
        except (TypeError, ValueError) as error:
            raise PolicyError(f"metadata is searched as it is signed: {error}") from None
        if len(found) > _MAX_TERMS:
            raise PolicyError(f"a search has at most {_MAX_TERMS} terms")
        return sorted(set(found))


def _check_limit(limit: int) -> None:
    if type(limit) is not int or not 1 <= limit <= MAX_PAGE:
        raise PolicyError(f"limit is 1 to {MAX_PAGE}", hint="go on with after=")


def names_after(tx: Transaction, after: str, limit: int) -> list[str]:
    """Return names of models in order, after one."""
    table = schema.models
    return list(
        tx.execute(
            sa.select(table.c.name).where(table.c.name > after).order_by(table.c.name).limit(limit)
        ).scalars()
    )


def all_names(backend: Backend) -> Iterator[str]:
    """Yield the names of all models; see :meth:`Store.names`."""
    after = ""
    while True:
        with backend.reading() as tx:
            page = names_after(tx, after, MAX_PAGE)
        yield from page
        if not page:
            return
        after = page[-1]


@settled
def listed(
    backend: Backend, name: str | None, limit: int, after: str | int | None
) -> tuple[Entry, ...]:
    """List models or versions; see :meth:`Store.list`."""
    _check_limit(limit)
    with backend.reading() as tx:
        if name is not None:
            return tuple(_versions(tx, name, limit, after))
        if not isinstance(after, str | None):
            raise PolicyError("models are listed by name: after='name'")
        return tuple(_models(tx, limit, after or ""))


def _models(tx: Transaction, limit: int, after: str) -> Iterator[Entry]:
    while limit:
        page = names_after(tx, after, limit)
        if not page:
            return
        for one in page:
            model = channels.find_model(tx, names.check_name(one))
            if model.head is not None and model.head.version:
                yield describe(tx, target(tx, model, model.head.version))
                limit -= 1
        after = page[-1]


def _versions(
    tx: Transaction,
    name: str,
    limit: int,
    after: str | int | None,
) -> Iterator[Entry]:
    model = channels.find_model(tx, names.check_name(name))
    newest = model.known.newest
    if after is not None:
        number = after if isinstance(after, int) else names.numbered(after)[1]
        newest = min(newest, number - 1)
    for version in range(newest, max(newest - limit, 0), -1):
        yield describe(tx, target(tx, model, version))


@settled
def search(backend: Backend, query: Query, limit: int, after: str | None) -> tuple[Entry, ...]:
    """Find versions; see :meth:`Store.search`."""
    _check_limit(limit)
    with backend.reading() as tx:
        return tuple(_found(tx, query, limit, after))


def _found(
    tx: Transaction,
    query: Query,
    limit: int,
    after: str | None,
) -> Iterator[Entry]:
    wanted = query.terms()
    known = indexing.find(tx.connection, wanted)
    if len(known) != len(wanted):
        return
    place = _place(tx, after) if after else None
    ordered = _rarest_first(tx, list(known.values()))
    models: dict[int, channels.Model] = {}
    while limit:
        rows = tx.execute(_select(query, ordered, place).limit(limit)).all()
        for row in rows:
            if row.model_id not in models:
                models[row.model_id] = channels.find_model(tx, names.check_name(row.name))
            found = target(tx, models[row.model_id], row.version)
            if found.files:
                yield describe(tx, found)
                limit -= 1
        if not rows:
            return
        place = (rows[-1].model_id, rows[-1].version)


def _select(query: Query, terms: list[int], place: tuple[int, int] | None) -> Any:
    """Return the question: one walk along an index, and a look into it for each further term."""
    models = schema.models
    if terms:
        first = schema.postings.alias()
        base = sa.select(first.c.model_id, first.c.version, models.c.name).join(
            models, models.c.id == first.c.model_id
        )
        base = base.where(first.c.term_id == terms[0])
        model_id, version = first.c.model_id, first.c.version
        for number in terms[1:]:
            other = schema.postings.alias()
            base = base.join(
                other,
                sa.and_(
                    other.c.term_id == number,
                    other.c.model_id == model_id,
                    other.c.version == version,
                ),
            )
    else:
        table = schema.versions
        model_id, version = table.c.model_id, table.c.version
        base = sa.select(model_id, version, models.c.name).join(models, models.c.id == model_id)
    if query.name is not None:
        base = base.where(models.c.name == query.name)
    if place is not None:
        base = base.where(sa.tuple_(model_id, version) < sa.tuple_(*place))
    return base.order_by(model_id.desc(), version.desc())


def _rarest_first(tx: Transaction, numbers: list[int]) -> list[int]:
    """Order terms by how many versions have them, counting no further than a page of pages."""
    table = schema.postings
    counts = {}
    for number in numbers:
        some = sa.select(table.c.version).where(table.c.term_id == number).limit(MAX_PAGE)
        counts[number] = tx.execute(
            sa.select(sa.func.count()).select_from(some.subquery())
        ).scalar_one()
    return sorted(numbers, key=lambda number: (counts[number], number))


def _place(tx: Transaction, after: str) -> tuple[int, int]:
    name, version = names.numbered(after)
    found = tx.execute(sa.select(schema.models.c.id).where(schema.models.c.name == name)).scalar()
    if found is None:
        raise EntryNotFoundError(f"the store has no model {name!r}")
    return int(found), version
