# SPDX-License-Identifier: BSD-3-Clause
"""Two versions side by side, and one version with its ancestors and descendants.

Floor 7.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Final

import sqlalchemy as sa

from safeserial.errors import EntryNotFoundError, SafeSerialError, SafeSerialWarning
from safeserial.manifest import Manifest
from safeserial.store import channels, reading, schema
from safeserial.store.backend import Backend, Transaction, settled
from safeserial.store.entries import Difference, Edge, Entry
from safeserial.store.reading import Target

_MAX_EDGES: Final = 1000


def diff(backend: Backend, a: str, b: str) -> tuple[Difference, ...]:
    """Compare two versions; see :meth:`Store.diff`."""
    one, other = (_manifested(reading.entry(backend, spec)) for spec in (a, b))
    found: list[Difference] = []
    for part, left, right in zip(
        ("model", "parameters", "metadata", "environment", "globals", "formats", "size"),
        _parts(backend, *one),
        _parts(backend, *other),
        strict=True,
    ):
        found += [
            Difference(part, key, left.get(key, ""), right.get(key, ""))
            for key in sorted({*left, *right})
            if left.get(key) != right.get(key)
        ]
    return tuple(found)


def _manifested(entry: Entry) -> tuple[Entry, Manifest]:
    if entry.manifest is None:
        raise EntryNotFoundError(f"{entry.spec} was deleted")
    return entry, entry.manifest


def _parts(backend: Backend, entry: Entry, described: Manifest) -> list[Mapping[str, str]]:
    facts, where = described.model, described.environment
    return [
        {
            "class": facts.class_name,
            "n_features": _text(facts.n_features),
            "feature_names": _text(facts.feature_names),
            "classes": _text(facts.classes),
        },
        entry.parameters or _parameters(backend, entry),
        {key: _text(value) for key, value in entry.metadata.items()},
        {
            "python": where.python,
            "implementation": where.implementation,
            "platform": where.platform,
            **where.packages,
        },
        dict.fromkeys(described.globals, "yes"),
        {one.format: "yes" for one in entry.files},
        {one.format: str(one.size) for one in entry.files},
    ]


def _parameters(backend: Backend, entry: Entry) -> Mapping[str, str]:
    """Load a model that was published as a file, to ask for its parameters."""
    from safeserial.store.publishing import parameters

    if "onnx" in entry.formats[:1]:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SafeSerialWarning)
        return parameters(
            reading.load(backend, entry.spec, None, backend.policy, None),
        )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, sort_keys=True)


@settled
def lineage(backend: Backend, spec: str) -> tuple[Edge, ...]:
    """Return the lines of descent; see :meth:`Store.lineage`."""
    with backend.reading() as tx:
        start = reading.resolve(tx, spec)
        return tuple(dict.fromkeys(_edges(tx, start)))


def _edges(tx: Transaction, start: Target) -> Iterator[Edge]:
    yield from _own(tx, start)
    models = {start.model.name: start.model}
    count = 0
    for walk in (_parents, _children):
        waiting, seen = [start], {start.spec}
        while waiting and count < _MAX_EDGES:
            one = waiting.pop(0)
            for source, name, version in walk(tx, one):
                count += 1
                yield Edge("derived-from", *source)
                if f"{name}:{version}" in seen:
                    continue
                seen.add(f"{name}:{version}")
                if name not in models:
                    models[name] = channels.find_model(tx, name)
                waiting.append(reading.target(tx, models[name], version))


def _own(tx: Transaction, start: Target) -> Iterator[Edge]:
    if not start.files:
        return
    previous = start.files[0].statement.previous
    version = start.version - 1
    while previous and version:
        try:
            found = reading.primary(tx, start.model, version)
        except SafeSerialError:  # deleted since
            version -= 1
            continue
        if found.artifact_id == previous:
            yield Edge("previous", start.spec, f"{start.model.name}:{version}")
        break
    for one in start.files[1:]:
        yield Edge("exported-as", start.spec, f"{start.spec}/{one.statement.format}")


_Step = tuple[tuple[str, str], str, int]


def _parents(tx: Transaction, one: Target) -> Iterator[_Step]:
    """Yield what a version was made of, by its own signed statement."""
    del tx
    if one.files:
        for spec, *_ in one.files[0].statement.derived_from:
            name, _, version = spec.rpartition(":")
            yield (one.spec, spec), name, int(version)


def _children(tx: Transaction, one: Target) -> Iterator[_Step]:
    """Yield what was made of a version."""
    table, models = schema.edges, schema.models
    rows = tx.execute(
        sa.select(models.c.name, table.c.version)
        .join(models, models.c.id == table.c.model_id)
        .where(table.c.parent_id == one.model.id, table.c.parent_version == one.version)
        .order_by(models.c.name, table.c.version)
        .limit(_MAX_EDGES)
    ).all()
    for row in rows:
        yield (f"{row.name}:{row.version}", one.spec), row.name, row.version
