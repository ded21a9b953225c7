# SPDX-License-Identifier: BSD-3-Clause
"""An artifact read from the store, as the loader reads a file: forward, in pieces, never whole.

Floor 7.  Nothing here verifies: the loader does, with every byte that comes out of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from safeserial import container, envelope
from safeserial.container import Entry
from safeserial.errors import CorruptArtifactError, StoreError
from safeserial.manifest import Manifest
from safeserial.store import engine as engines
from safeserial.store import schema
from safeserial.store.backend import Backend, Progress
from safeserial.store.schema import CHUNK

_AT_ONCE: Final = 8  # chunks a question
_PIECE: Final = 4 * 2**20

# A chunk as the database has it: digest, size, location.
Row = tuple[bytes, int, str | None]


class ArtifactSource:
    """The bytes of one artifact.

    Parameters
    ----------
    backend : Backend
        The store.
    connection : Connection
        Not in a transaction; for this source alone.
    described : Manifest
        What its manifest says; verified by whoever made this.
    stored : (bytes, bytes)
        Manifest and signatures.
    rows : sequence of Row
        Its chunks in order.

    Attributes
    ----------
    progress : callable, optional
        Called with bytes read so far and bytes in all.
    """

    def __init__(
        self,
        backend: Backend,
        connection: Connection,
        described: Manifest,
        stored: tuple[bytes, bytes],
        rows: Sequence[Row],
    ) -> None:
        body, signatures = stored
        blob = signatures.ljust(envelope.RESERVED_BYTES, b" ")
        entries = container.front_entries(blob, body)
        entries += [Entry(one.path, one.size, int(one.crc32, 16)) for one in described.members]
        self._layout = container.layout(entries)
        self._front = container.front_bytes(blob, body)
        self._backend, self._connection = backend, connection
        self._rows = _by_member(described, rows)
        self.progress: Progress | None = None
        self._done = 0
        self._rest = memoryview(b"")
        self._pieces = self._all()
        self.size = self._layout.total_size

    def read_into(self, view: memoryview) -> None:
        """Fill `view` with the next bytes."""
        filled = 0
        while filled < len(view):
            if not self._rest:
                self._rest = next(self._pieces, memoryview(b""))
                if not self._rest:
                    raise CorruptArtifactError("the store does not have the whole artifact")
            part = self._rest[: len(view) - filled]
            view[filled : filled + len(part)] = part
            self._rest = self._rest[len(part) :]
            filled += len(part)
        self._done += filled
        if self.progress is not None:
            self.progress(min(self._done, self.size), self.size)

    def _all(self) -> Iterator[memoryview]:
        yield memoryview(self._front)
        for header, rows in zip(self._layout.headers[2:], self._rows, strict=True):
            yield memoryview(header)
            yield from self._member(rows)
        yield memoryview(self._layout.tail)

    def _member(self, rows: Sequence[Row]) -> Iterator[memoryview]:
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            held = self._fetch([one[0] for one in part if one[2] is None])
            for digest, size, location in part:
                if location is not None:
                    yield from self._object(location, size)
                    continue
                data = held.get(digest)
                if data is None or len(data) != size:
                    raise CorruptArtifactError("the store has lost a part of the artifact")
                yield memoryview(data)

    def _object(self, key: str, size: int) -> Iterator[memoryview]:
        location = self._backend.location
        if location is None:
            raise StoreError(
                "a part of the artifact lies outside of the database",
                hint="name the folder or bucket: Store(..., blobs='s3://bucket/dir')",
            )
        with location.reading(key) as stream:
            while size:
                piece = stream.read(min(_PIECE, size))
                if not piece:
                    raise CorruptArtifactError("an object of the store is too short")
                size -= len(piece)
                yield memoryview(piece)

    def _fetch(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        if not digests:
            return {}
        with engines.translated(self._backend.engine), self._connection.begin():
            if self._connection.dialect.name == "postgresql":
                return _fetch_binary(self._connection, digests)
            table = schema.chunk_data
            query = sa.select(table.c.digest, table.c.data).where(
                table.c.digest.in_(digests), sa.func.length(table.c.data) <= CHUNK
            )
            return {row.digest: row.data for row in self._connection.execute(query)}


def _fetch_binary(connection: Connection, digests: Sequence[bytes]) -> dict[bytes, bytes]:
    """Ask PostgreSQL for bytes as they are: as text, in hex, they are twice as many."""
    driver: Any = connection.connection.driver_connection
    with driver.cursor(binary=True) as cursor:
        cursor.execute(
            "SELECT digest, data FROM ss_chunk_data"
            " WHERE digest = ANY(%s) AND octet_length(data) <= %s",
            (list(digests), CHUNK),
        )
        return {bytes(digest): data for digest, data in cursor}


def _by_member(described: Manifest, rows: Sequence[Row]) -> list[list[Row]]:
    """Deal the chunks out to the members, whose sizes they must add up to."""
    dealt: list[list[Row]] = []
    position = 0
    for member in described.members:
        own: list[Row] = []
        left = member.size
        while left > 0 and position < len(rows):
            own.append(rows[position])
            if not 0 < rows[position][1] <= left:
                break
            left -= rows[position][1]
            position += 1
        if left:
            raise CorruptArtifactError("the store has lost a part of the artifact")
        dealt.append(own)
    if position != len(rows):
        raise CorruptArtifactError("the store has more of the artifact than there is")
    return dealt


def chunk_rows(connection: Connection, file_id: int, described: Manifest) -> list[Row]:
    """Return the chunks of a file, in order and no more than it can have."""
    most = sum(-(-one.size // CHUNK) for one in described.members)
    pairs, table = schema.file_chunks, schema.chunks
    found = connection.execute(
        sa.select(pairs.c.digest, table.c.size, table.c.location)
        .join(table, table.c.digest == pairs.c.digest)
        .where(pairs.c.file_id == file_id)
        .order_by(pairs.c.position)
        .limit(most + 1)
    ).all()
    return [(bytes(row.digest), int(row.size), row.location) for row in found]


@contextlib.contextmanager
def connected(backend: Backend) -> Iterator[Connection]:
    """Lend a connection that is in no transaction."""
    with engines.translated(backend.engine):
        connection = backend.engine.connect()
    try:
        yield connection
    finally:
        connection.close()
