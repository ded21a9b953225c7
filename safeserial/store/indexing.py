# SPDX-License-Identifier: BSD-3-Clause
"""The terms by which versions are found: an index like a library's, kept when they are published.

Floor 7.  It is a convenience that nobody has to trust: what a search finds is verified.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from safeserial import manifest, strictjson
from safeserial.errors import SafeSerialError
from safeserial.manifest import Manifest
from safeserial.store import schema
from safeserial.store.statements import MAX_BYTES, EntryStatement
from safeserial.store.upserting import upsert

_WORD: Final = re.compile(r"[^\W_]+")
_MAX_TERMS: Final = 300
_MAX_KIND: Final = 120
_MAX_VALUE: Final = 200

Term = tuple[str, str]


def words(text: str) -> list[str]:
    """Return the words of a text as they are kept: letters and digits, lower case."""
    return [word.lower()[:_MAX_VALUE] for word in _WORD.findall(text)]


def metadata_term(key: str, value: Any) -> Term:
    """Return the term of a metadata value."""
    text = value if isinstance(value, str) else strictjson.encode(value).decode("ascii")
    return f"m:{key}"[:_MAX_KIND], text[:_MAX_VALUE]


def package_terms(package: str, version: str) -> Iterator[Term]:
    """Yield the terms of a package: its version and the first parts of it."""
    parts = version.split(".")
    for count in range(1, min(len(parts), 4) + 1):
        yield f"p:{package.lower()}"[:_MAX_KIND], ".".join(parts[:count])[:_MAX_VALUE]


def estimator_terms(class_name: str) -> Iterator[Term]:
    """Yield the terms of a class: dotted, and its last part."""
    yield "estimator", class_name[:_MAX_VALUE]
    yield "estimator", class_name.rpartition(".")[2][:_MAX_VALUE]


def terms(name: str, described: Manifest, said: EntryStatement) -> set[Term]:
    """Return the terms of a file."""
    found: dict[Term, None] = {("format", said.format[:_MAX_VALUE]): None}
    metadata: Mapping[str, Any] = {**described.metadata, **said.metadata}
    found.update(dict.fromkeys(estimator_terms(described.model.class_name)))
    texts = [name, described.model.class_name]
    for key, value in metadata.items():
        term = metadata_term(key, value)
        found[term] = None
        texts += [key, term[1]]
    for package, version in described.environment.packages.items():
        found.update(dict.fromkeys(package_terms(package, version)))
        texts.append(package)
    found.update((("word", word), None) for text in texts for word in words(text))
    return set(list(found)[:_MAX_TERMS])


def index(
    connection: Connection, model_id: int, name: str, described: Manifest, said: EntryStatement
) -> None:
    """Put a file into the index."""
    _post(connection, model_id, said.version, sorted(terms(name, described, said)))


def _post(connection: Connection, model_id: int, version: int, wanted: list[Term]) -> None:
    known = find(connection, wanted)
    missing = [one for one in wanted if one not in known]
    if missing:
        rows = [{"kind": kind, "value": value} for kind, value in missing]
        upsert(connection, schema.terms, rows)
        known |= find(connection, missing)
    postings = [
        {"term_id": number, "model_id": model_id, "version": version}
        for number in sorted(known.values())
    ]
    upsert(connection, schema.postings, postings)


def find(connection: Connection, wanted: list[Term]) -> dict[Term, int]:
    """Return the ids of terms that are known."""
    table = schema.terms
    found: dict[Term, int] = {}
    for start in range(0, len(wanted), 200):
        kinds: dict[str, list[str]] = {}
        for kind, value in wanted[start : start + 200]:
            kinds.setdefault(kind, []).append(value)
        # Not `(kind, value) IN ...`, for which SQLite walks through the whole table.
        some = [
            sa.and_(table.c.kind == kind, table.c.value.in_(values))
            for kind, values in kinds.items()
        ]
        rows = connection.execute(
            sa.select(table.c.id, table.c.kind, table.c.value).where(sa.or_(*some))
        )
        found.update({(row.kind, row.value): row.id for row in rows})
    return found


def drop(connection: Connection, model_id: int, version: int) -> None:
    """Take a version out of the index."""
    table, files = schema.postings, schema.files
    rows = connection.execute(
        sa.select(files.c.manifest, files.c.statement, schema.models.c.name)
        .join(schema.models, schema.models.c.id == files.c.model_id)
        .where(files.c.model_id == model_id, files.c.version == version)
    ).all()
    for row in rows:
        for number in find(connection, sorted(_terms_of(row))).values():
            connection.execute(
                sa.delete(table).where(
                    table.c.term_id == number,
                    table.c.model_id == model_id,
                    table.c.version == version,
                )
            )


def reindex(connection: Connection) -> None:
    """Put every version into the index, for a store that had none."""
    files, last = schema.files, 0
    while True:
        rows = connection.execute(
            sa.select(files, schema.models.c.name)
            .join(schema.models, schema.models.c.id == files.c.model_id)
            .where(files.c.id > last)
            .order_by(files.c.id)
            .limit(500)
        ).all()
        for row in rows:
            _post(connection, row.model_id, row.version, sorted(_terms_of(row)))
        if not rows:
            return
        last = rows[-1].id


def _terms_of(row: Any) -> set[Term]:
    """Return the terms of a row that was not verified: only an index is made of it."""
    import msgspec

    try:
        described = manifest.decode(row.manifest)
        value = strictjson.decode(row.statement, what="a statement", limit=MAX_BYTES)
        said = msgspec.convert(value, EntryStatement, strict=True)
    except (SafeSerialError, msgspec.ValidationError):
        return set()
    return terms(row.name, described, said)
