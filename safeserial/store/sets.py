# SPDX-License-Identifier: BSD-3-Clause
"""Many versions as one file, or from store to store: sent as they are, signed anew on arrival.

Floor 7.  The file is a canonical ZIP as an artifact is, ``signatures.json`` and ``manifest.json``
first, then one artifact a member; ordinary tools can unzip it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

import msgspec

from safeserial import container, envelope, strictjson, transfer
from safeserial.container import Entry as Place
from safeserial.errors import (
    CorruptArtifactError,
    EntryNotFoundError,
    LimitExceededError,
    NotAnArtifactError,
    PolicyError,
)
from safeserial.files import Source, StrPath, atomic_write, open_regular
from safeserial.manifest import MAX_MANIFEST_BYTES
from safeserial.store import channels, listing, names, ranges, reading, statements
from safeserial.store.backend import Backend, Progress, settled
from safeserial.store.entries import Transferred
from safeserial.store.receiving import Parcel, receive
from safeserial.store.sources import chunk_rows
from safeserial.store.statements import ChannelStatement, EntryStatement
from safeserial.transfer import write_all

PAYLOAD_TYPE: Final = "application/vnd.safeserial.set.v1+json"
SCHEMA: Final = "safeserial/set/v1"
MAX_FILES: Final = 10_000


class _Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A statement, word for word."""

    statement: str
    signatures: str


class _Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An artifact in the file."""

    crc32: str
    statement: str
    signatures: str


class _Set(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The manifest of the file."""

    schema: str
    store: str
    created: str
    files: list[_Member]
    aliases: list[_Signed]


def _choose(backend: Backend, specs: Iterable[str] | None) -> list[reading.Found]:
    """Return every format of the versions that are meant, oldest version first."""
    found: dict[str, list[reading.Found]] = {}
    for spec in listing.all_names(backend) if specs is None else specs:
        for one in _expand(backend, spec):
            found.setdefault(one, _formats(backend, one))
    files = [one for listed in found.values() for one in listed]
    files.sort(key=lambda one: (one.target.model.name, one.target.version, one.file.id))
    if len(files) > MAX_FILES:
        raise LimitExceededError(
            f"{len(files)} artifacts are too many for one set ({MAX_FILES})",
            hint="name some of the models, and make several sets",
        )
    return files


@settled
def _expand(backend: Backend, spec: str) -> list[str]:
    wanted = names.parse(spec)
    with backend.reading() as tx:
        if wanted.version is not None or "@" in spec:
            return [reading.resolve(tx, spec).spec]
        head = channels.find_model(tx, wanted.name).known
    return [
        f"{wanted.name}:{version}"
        for version in range(1, head.newest + 1)
        if not ranges.contains(head.deleted, version)
    ]


@settled
def _formats(backend: Backend, spec: str) -> list[reading.Found]:
    with backend.reading() as tx:
        target = reading.resolve(tx, spec)
        if not target.files:
            raise EntryNotFoundError(f"{spec} was deleted")
        return [
            reading.Found(target, one, chunk_rows(tx.connection, one.id, one.described))
            for one in target.files
        ]


@settled
def _aliases(
    backend: Backend, chosen: list[reading.Found]
) -> list[tuple[ChannelStatement, bytes, bytes]]:
    """Return the statements about the aliases of the models, those of ``latest`` included."""
    found = []
    for name in sorted({one.target.model.name for one in chosen}):
        with backend.reading() as tx:
            model = channels.find_model(tx, name)
            found += list(channels.stored(tx, model))
    return found


# One file ---------------------------------------------------------------------------------


def export(
    backend: Backend, path: StrPath, specs: Iterable[str] | None, progress: Progress | None
) -> tuple[str, ...]:
    """Write a set; see :meth:`Store.export`."""
    chosen = _choose(backend, specs)
    if not chosen:
        raise EntryNotFoundError("there is nothing to export")
    aliases = [
        _Signed(body.decode("ascii"), signatures.decode("ascii"))
        for _, body, signatures in _aliases(backend, chosen)
    ]
    with atomic_write(path) as stream:
        _write(backend, stream, chosen, aliases, progress)
    return tuple(dict.fromkeys(one.target.spec for one in chosen))


def _write(
    backend: Backend,
    stream: BinaryIO,
    chosen: list[reading.Found],
    aliases: list[_Signed],
    progress: Progress | None,
) -> None:
    created = statements.text(statements.now())
    sizes = [one.file.statement.size for one in chosen]
    blank = _body(backend, chosen, [0] * len(chosen), aliases, created)
    entries = _entries(bytes(envelope.RESERVED_BYTES), blank, chosen, [0] * len(chosen))
    offsets = container.layout(entries).offsets[2:]
    sums, done = [], 0
    for one, offset in zip(chosen, offsets, strict=True):
        stream.seek(offset)
        with reading.open_found(backend, one) as artifact:
            crc = 0
            while piece := artifact.read(transfer.PIECE):
                crc = zlib.crc32(piece, crc)
                write_all(stream, piece)
                done += len(piece)
                if progress is not None:
                    progress(done, sum(sizes))
        sums.append(crc)
    body = _body(backend, chosen, sums, aliases, created)
    blob = _pack(body, statements.sign_body(body, PAYLOAD_TYPE, backend.ring))
    whole = container.layout(_entries(blob, body, chosen, sums))
    stream.seek(0)
    write_all(stream, container.front_bytes(blob, body))
    for header, offset in zip(whole.headers[2:], whole.offsets[2:], strict=True):
        stream.seek(offset - len(header))
        write_all(stream, header)
    stream.seek(whole.total_size - len(whole.tail))
    write_all(stream, whole.tail)


def _body(
    backend: Backend,
    chosen: list[reading.Found],
    sums: list[int],
    aliases: list[_Signed],
    created: str,
) -> bytes:
    members = []
    for one, crc in zip(chosen, sums, strict=True):
        body, signatures = one.file.said
        members.append(_Member(f"{crc:08x}", body.decode("ascii"), signatures.decode("ascii")))
    described = _Set(SCHEMA, backend.store_id, created, members, aliases)
    body = strictjson.encode(msgspec.to_builtins(described))
    strictjson.check_size(body, what="the manifest of the set", limit=MAX_MANIFEST_BYTES)
    return body


def _pack(body: bytes, signatures: bytes) -> bytes:
    text = b'{"payloadSize":%d,"payloadType":"%b","signatures":%b}'
    packed = text % (len(body), PAYLOAD_TYPE.encode("ascii"), signatures)
    if len(packed) > envelope.RESERVED_BYTES:
        raise LimitExceededError("the signature of the set does not fit its room")
    return packed.ljust(envelope.RESERVED_BYTES, b" ")


def _entries(blob: bytes, body: bytes, chosen: list[reading.Found], sums: list[int]) -> list[Place]:
    places = container.front_entries(blob, body)
    for one, crc in zip(chosen, sums, strict=True):
        places.append(Place(_path(one.file.statement), one.file.statement.size, crc))
    return places


def _path(said: EntryStatement) -> str:
    return f"{said.model}/{said.version}/model.{said.format}.safeserial"


def import_(backend: Backend, path: StrPath, progress: Progress | None) -> Transferred:
    """Publish what a set holds; see :meth:`Store.import_`."""
    with open_regular(path) as source:
        described, whole, files = _read_front(backend, source)
        aliases = [_alias(backend, one, described.store) for one in described.aliases]
        return receive(backend, _parcels(source, whole, files, progress), aliases)


def _read_front(
    backend: Backend, source: Source
) -> tuple[_Set, container.Layout, list[EntryStatement]]:
    """Verify a set's manifest and every statement in it, and compute what the file must be."""
    blob = container.read_signatures(source)
    front = strictjson.decode(
        blob.rstrip(b" "), what="signatures.json", limit=envelope.RESERVED_BYTES
    )
    if not isinstance(front, dict) or front.get("payloadType") != PAYLOAD_TYPE:
        raise NotAnArtifactError(
            "this is not a set of models", hint="`store publish` takes artifacts"
        )
    size, listed = front.get("payloadSize"), front.get("signatures")
    if type(size) is not int or not 0 < size <= MAX_MANIFEST_BYTES:
        raise CorruptArtifactError("signatures.json gives no manifest size")
    body = container.read_manifest(source, blob, size)
    signatures = strictjson.encode(listed)
    if blob != _pack(body, signatures):
        raise CorruptArtifactError("signatures.json is not in the canonical form")
    statements.verify_body(body, signatures, PAYLOAD_TYPE, backend.ring)
    value = strictjson.decode(body, what="the manifest of the set", limit=MAX_MANIFEST_BYTES)
    try:
        described = msgspec.convert(value, _Set, strict=True)
        sums = [int(one.crc32, 16) for one in described.files]
    except (msgspec.ValidationError, ValueError) as error:
        raise CorruptArtifactError(f"the manifest of the set has another shape: {error}") from None
    if described.schema != SCHEMA or len(described.files) > MAX_FILES:
        raise CorruptArtifactError("the set is of another version, or too large")
    files = [_said(backend, one, described.store) for one in described.files]
    places = container.front_entries(blob, body)
    places += [Place(_path(one), one.size, crc) for one, crc in zip(files, sums, strict=True)]
    return described, container.layout(places), files


def _said(backend: Backend, one: _Member, store: str) -> EntryStatement:
    found, _ = statements.verify(
        one.statement.encode(), one.signatures.encode(), backend.ring, EntryStatement, store=store
    )
    names.check_name(found.model)
    if found.version < 1 or found.size < 1 or not found.format.isalnum():
        raise CorruptArtifactError("a statement of the set is out of its range")
    return found


def _alias(backend: Backend, one: _Signed, store: str) -> ChannelStatement:
    found, _ = statements.verify(
        one.statement.encode(), one.signatures.encode(), backend.ring, ChannelStatement, store=store
    )
    names.check_name(found.model)
    names.check_alias(found.alias, latest=True)
    if not ranges.well_formed(found.yanked):
        raise CorruptArtifactError("a statement of the set is out of its range")
    return found


def _parcels(
    source: Source,
    whole: container.Layout,
    files: list[EntryStatement],
    progress: Progress | None,
) -> Iterator[Parcel]:
    for index in container.read_members(source, whole):
        part = _Part(source, files[index].size)
        yield Parcel(files[index], part)
        part.pass_over()
        if progress is not None:
            progress(whole.offsets[index + 2] + files[index].size, whole.total_size)


class _Part:
    """One member of a set, as a source of its own."""

    def __init__(self, source: Source, size: int) -> None:
        self._source, self.size = source, size
        self._left = size

    def read_into(self, view: memoryview) -> None:
        """Fill `view`."""
        if len(view) > self._left:
            raise CorruptArtifactError("an artifact of the set ends early")
        self._source.read_into(view)
        self._left -= len(view)

    def pass_over(self) -> None:
        """Read what is left."""
        room = memoryview(bytearray(min(self._left, transfer.PIECE)))
        while self._left:
            self.read_into(room[: min(self._left, len(room))])


# From store to store ----------------------------------------------------------------------


def copy(
    backend: Backend, target: Backend, specs: Iterable[str] | None, progress: Progress | None
) -> Transferred:
    """Publish versions elsewhere; see :meth:`Store.copy`."""
    if target.store_id == backend.store_id:
        raise PolicyError("this is the same store")
    chosen = _choose(backend, specs)
    aliases = [one for one, _, _ in _aliases(backend, chosen)]
    return receive(target, _lent(backend, chosen, progress), aliases)


def _lent(
    backend: Backend, chosen: list[reading.Found], progress: Progress | None
) -> Iterator[Parcel]:
    total, done = sum(one.file.statement.size for one in chosen), 0
    for one in chosen:
        with reading.source(backend, one, backend.policy, None) as opened:
            yield Parcel(one.file.statement, opened)
        done += one.file.statement.size
        if progress is not None:
            progress(done, total)
