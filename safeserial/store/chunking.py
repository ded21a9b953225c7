# SPDX-License-Identifier: BSD-3-Clause
"""Payload bytes on their way in: cut at 1 MiB within each member, stored once by their digest.

Floor 7.  Only members are stored: everything else in an artifact follows from its manifest and its
signatures (docs/spec/format-v1.md).  So two artifacts of the same payload share all their chunks.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO, Final, Protocol, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from safeserial import container, envelope
from safeserial.container import Entry
from safeserial.errors import CorruptArtifactError
from safeserial.files import Source
from safeserial.manifest import Manifest
from safeserial.store import schema
from safeserial.store.backend import Backend
from safeserial.store.locations import Location
from safeserial.store.schema import CHUNK
from safeserial.store.upserting import upsert

BATCH: Final = 8 * CHUNK  # in one transaction, and so in memory
_BLANK: Final = bytes(envelope.RESERVED_BYTES)


@dataclass(frozen=True)
class Chunk:
    """A piece of a payload.

    Parameters
    ----------
    digest : bytes
        SHA-256.
    size : int
        Bytes.
    data : bytes, optional
        At most 1 MiB, for a row of the database.
    location : str, optional
        Name of an object outside of it.
    """

    digest: bytes
    size: int
    data: bytes | None = None
    location: str | None = None


class ChunkWriter:
    """Take the bytes of an artifact in file order and store those of its members.

    Parameters
    ----------
    backend : Backend
        The store.
    described : Manifest
        Whose sizes hold.
    body_size : int
        Bytes of the manifest.

    Attributes
    ----------
    digests : list of bytes
        Of the chunks so far, in order.
    total_size : int
        Bytes of the whole artifact.
    """

    def __init__(self, backend: Backend, described: Manifest, body_size: int) -> None:
        self._backend = backend
        entries = [
            Entry(container.SIGNATURES, len(_BLANK), 0),
            Entry(container.MANIFEST, body_size, 0),
            *(Entry(one.path, one.size, 0) for one in described.members),
        ]
        whole = container.layout(entries)
        self.total_size = whole.total_size
        self._members = [
            (start, start + one.size)
            for start, one in zip(whole.offsets[2:], described.members, strict=True)
            if one.size
        ]
        self._member = 0
        self._left = 0  # of the present member
        self._buffer = bytearray()
        self._waiting: list[Chunk] = []
        self._waiting_size = 0
        self._upload: _Upload | None = None
        self._uploads: dict[bytes, str] = {}
        self._stack = ExitStack()
        self.digests: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def feed(self, position: int, view: memoryview) -> None:
        """Take bytes of the file that stand at a position; what belongs to no member is let go."""
        while view and self._member < len(self._members):
            start, end = self._members[self._member]
            if position < start:
                skipped = min(len(view), start - position)
                view, position = view[skipped:], position + skipped
                continue
            if position != end - (self._left or end - start):
                return  # written out of order: the front and the rest, after the members
            if not self._left:
                self._begin(end - start)
            piece = view[: min(len(view), self._left)]
            self._take(piece)
            self._left -= len(piece)
            view, position = view[len(piece) :], position + len(piece)
            if not self._left:
                self._finish_member()

    def _begin(self, size: int) -> None:
        self._left = size
        location = self._backend.location
        if location is not None and size >= self._backend.large:
            key, stream = self._stack.enter_context(location.writing(size))
            self._upload = _Upload(location, key, stream)

    def _take(self, piece: memoryview) -> None:
        if self._upload is not None:
            self._upload.write(piece)
            return
        while piece:
            room = CHUNK - len(self._buffer)
            if room == CHUNK <= len(piece):
                self._store(bytes(piece[:CHUNK]))
            else:
                self._buffer += piece[:room]
                if len(self._buffer) == CHUNK:
                    self._cut()
            piece = piece[room:]

    def _finish_member(self) -> None:
        self._member += 1
        if self._upload is not None:
            self._stack.close()
            chunk = self._upload.chunk()
            if chunk.digest in self._uploads and self._backend.location is not None:
                self._backend.location.remove(chunk.location or "")  # twice in one artifact
            else:
                self._uploads[chunk.digest] = chunk.location or ""
            self._add(chunk)
            self._upload = None
        elif self._buffer:
            self._cut()

    def _cut(self) -> None:
        self._store(bytes(self._buffer))
        self._buffer.clear()

    def _store(self, data: bytes) -> None:
        self._add(Chunk(hashlib.sha256(data).digest(), len(data), data))
        if self._waiting_size >= BATCH:
            with self._backend.writing() as tx:
                self._flush(tx.connection)

    def _add(self, chunk: Chunk) -> None:
        self.digests.append(chunk.digest)
        self._waiting.append(chunk)
        self._waiting_size += len(chunk.data or b"")

    def finish(self, connection: Connection) -> None:
        """Put the last chunks into the database, in the transaction that publishes.

        Raises
        ------
        CorruptArtifactError
            If bytes are missing.
        """
        if self._left or self._member < len(self._members):
            raise CorruptArtifactError("the artifact ends early")
        self._flush(connection)

    def _flush(self, connection: Connection) -> None:
        store_chunks(connection, self._waiting)
        self._waiting, self._waiting_size = [], 0

    def tidy(self) -> None:
        """Remove what was written to the bucket and is there already, once all is published."""
        location = self._backend.location
        if location is None or not self._uploads:
            return
        table = schema.chunks
        with self._backend.reading() as tx:
            kept = set(
                tx.execute(
                    sa.select(table.c.location).where(table.c.digest.in_([*self._uploads]))
                ).scalars()
            )
        for key in self._uploads.values():
            if key not in kept:
                location.remove(key)


class _Upload:
    """An object that is being written."""

    def __init__(self, location: Location, key: str, stream: BinaryIO) -> None:
        self._location, self._key, self._stream = location, key, stream
        self._hasher = hashlib.sha256()
        self._size = 0

    def write(self, piece: memoryview) -> None:
        self._hasher.update(piece)
        with self._location.translated():
            self._stream.write(piece)
        self._size += len(piece)

    def chunk(self) -> Chunk:
        return Chunk(self._hasher.digest(), self._size, location=self._key)


def store_chunks(connection: Connection, waiting: Sequence[Chunk]) -> None:
    """Store chunks that are not there, and mark those that are as wanted.

    In the order of their digests, so that two writers of the same chunks never wait for each other.
    """
    chunks = sorted({one.digest: one for one in waiting}.values(), key=lambda one: one.digest)
    now = int(time.time())
    table = schema.chunks
    rows = [
        {"digest": one.digest, "size": one.size, "location": one.location, "touched": now}
        for one in chunks
    ]
    upsert(connection, table, rows, replace=("touched",))
    there: set[bytes] = set()
    for start in range(0, len(chunks), 500):
        part = [one.digest for one in chunks[start : start + 500]]
        held = (
            sa.select(table.c.digest).outerjoin(schema.chunk_data).where(table.c.digest.in_(part))
        )
        stands = schema.chunk_data.c.digest.is_not(None) | table.c.location.is_not(None)
        there.update(map(bytes, connection.execute(held.where(stands)).scalars()))
    data = [
        {"digest": one.digest, "data": one.data}
        for one in chunks
        if one.data is not None and one.digest not in there
    ]
    upsert(connection, schema.chunk_data, data)


class MemberStream(io.RawIOBase):
    """What `dump_into` writes to: members go to the chunks, the front is kept.

    Parameters
    ----------
    writer : ChunkWriter
        For the members.
    """

    def __init__(self, writer: ChunkWriter) -> None:
        self.writer = writer
        self.front = b""
        self._position = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place of the file."""
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation("a stream of members is written from its start")
        self._position = offset
        return offset

    def write(self, data: Any, /) -> int:
        """Take bytes."""
        view = memoryview(data).cast("B")
        if self._position == 0:
            self.front = bytes(view)
        self.writer.feed(self._position, view)
        self._position += len(view)
        return len(view)


class Taker(Protocol):
    """Is given the bytes of a file in order."""

    def feed(self, position: int, view: memoryview) -> None:
        """Take bytes that stand at a position."""


class Tee:
    """A source that gives what is read from it to somebody else as well.

    Parameters
    ----------
    source : Source
        Where the bytes come from.
    taker : Taker, optional
        May be set later.
    """

    def __init__(self, source: Source, taker: Taker | None = None) -> None:
        self._source = source
        self._position = 0
        self.size = source.size
        self.taker = taker

    def read_into(self, view: memoryview) -> None:
        """Fill `view`, and pass it on."""
        self._source.read_into(view)
        if self.taker is not None:
            self.taker.feed(self._position, view)
        self._position += len(view)
