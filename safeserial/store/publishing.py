# SPDX-License-Identifier: BSD-3-Clause
"""Publishing: bytes first, in chunks nobody sees; then number, statements and log in one step.

Floor 7.  The counter is a row that the transaction holds (``max(version) + 1`` loses most of its
races), so numbers have no gaps and a writer that dies has published nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from safeserial import strictjson
from safeserial.artifact import loading, saving
from safeserial.artifact.trust import accept
from safeserial.codecs import Compression
from safeserial.digests import sha256_hex
from safeserial.envelope import Envelope
from safeserial.errors import (
    BadSignatureError,
    EntryNotFoundError,
    LimitExceededError,
    PolicyError,
    RollbackError,
    StoreError,
    VersionConflictError,
)
from safeserial.files import BytesSource, Source, open_regular
from safeserial.manifest import Manifest
from safeserial.store import auditing, channels, indexing, names, ranges, schema, statements
from safeserial.store.backend import Backend, Progress, Transaction, settled
from safeserial.store.channels import Model
from safeserial.store.chunking import ChunkWriter, MemberStream, Tee
from safeserial.store.entries import LATEST, Entry
from safeserial.store.reading import describe, primary, target
from safeserial.store.statements import EntryStatement, Origin, changed
from safeserial.store.upserting import upsert

_MAX_PARAMETERS: Final = 500
_MAX_TEXT: Final = 200
_MAX_PARENTS: Final = 100


@dataclass(frozen=True)
class Order:
    """What the caller asks for; see :meth:`Store.publish`."""

    name: str
    format: str | None = None
    compression: Compression = None
    version: int | None = None
    alias: str | None = None
    derived_from: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """An artifact whose bytes are stored, or wait to be, and which is no version yet.

    Parameters
    ----------
    described : Manifest
        Its manifest, verified.
    body, signatures : bytes
        Of its envelope, the signatures without their filling.
    writer : ChunkWriter
        Has its chunks.
    metadata : mapping
        To be signed with the version.
    parameters : mapping of str to str
        Of the model.
    origin : Origin, optional
        Where it was copied from.
    """

    described: Manifest
    body: bytes
    signatures: bytes
    writer: ChunkWriter
    metadata: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    origin: Origin | None = None


def publish(backend: Backend, model: Any, order: Order, progress: Progress | None) -> Entry:
    """Publish a model or an artifact; see :meth:`Store.publish`."""
    _check(order)
    backend.ring.active.require_valid(statements.now())
    if isinstance(model, str | os.PathLike):
        with open_regular(model) as source:
            return take(backend, source, order, progress)
    if isinstance(model, bytes | bytearray | memoryview):
        return take(backend, BytesSource(model), order, progress)
    return _save(backend, model, order, progress)


def _check(order: Order) -> None:
    names.check_name(order.name)
    if order.alias is not None:
        names.check_alias(order.alias)
    if order.version is not None:
        if type(order.version) is not int or order.version < 1:
            raise PolicyError("a version is a number from 1 on")
        if order.alias is not None or order.derived_from:
            raise PolicyError("a further format has the alias and the origin of its version")
    if len(order.derived_from) > _MAX_PARENTS:
        raise PolicyError(f"derived_from names more than {_MAX_PARENTS} entries")
    for one in order.derived_from:
        names.numbered(one)
    try:
        strictjson.encode(dict(order.metadata))
    except (TypeError, ValueError) as error:
        raise PolicyError(
            f"metadata cannot be signed: {error}",
            hint="metadata is JSON with ASCII keys and without floats: write 0.93 as '0.93'",
        ) from None


def take(
    backend: Backend,
    source: Source,
    order: Order,
    progress: Progress | None,
    *,
    said: EntryStatement | None = None,
    number: int | None = None,
) -> Entry:
    """Verify an artifact while it is stored, and publish it.

    Parameters
    ----------
    backend : Backend
        The store.
    source : Source
        The artifact.
    order : Order
        What the caller asks for.
    progress : callable, optional
        Told of bytes.
    said : EntryStatement, optional
        What another store, which it comes from, said of it.
    number : int, optional
        The version it shall be, if that is free.
    """
    limit = backend.policy.limits.file_size
    if source.size > limit:
        raise LimitExceededError(f"the file has {source.size} bytes; the policy allows {limit}")
    tee = Tee(source)
    front = loading.read_envelope(tee)
    verified = accept(front, backend.ring, backend.policy)
    if said is not None and said.artifact != verified.artifact_id:
        raise BadSignatureError(f"{said.model}:{said.version} is not the artifact it was signed as")
    if order.format not in (None, verified.manifest.format):
        raise PolicyError(
            f"the artifact is of format {verified.manifest.format}, not {order.format}",
            hint="formats are chosen when a model is saved, or by to_onnx and to_skops",
        )
    with ChunkWriter(backend, verified.manifest, len(front.body)) as writer:
        tee.taker = writer
        loading.read_payload(tee, front, verified.manifest, progress, keep=False)
        prepared = Prepared(
            verified.manifest,
            front.body,
            _signatures(front),
            writer,
            dict(order.metadata) if said is None else dict(said.metadata),
            {} if said is None else dict(said.parameters),
            None
            if said is None
            else said.origin or Origin(store=said.store, model=said.model, version=said.version),
        )
        return _commit(backend, prepared, order, number)


def _signatures(front: Envelope) -> bytes:
    from safeserial.envelope import pack_signatures

    return pack_signatures(len(front.body), front.signatures).rstrip(b" ")


def _save(backend: Backend, model: Any, order: Order, progress: Progress | None) -> Entry:
    """Save a model from memory straight into the chunks, and publish it."""
    streams: list[MemberStream] = []

    def begin(blank: Manifest) -> BinaryIO:
        writer = ChunkWriter(backend, blank, len(blank.encode()))
        streams.append(MemberStream(writer))
        stream: Any = streams[0]
        return stream  # type: ignore[no-any-return]

    try:
        described = saving.dump_into(
            model,
            begin,
            keyring=backend.ring,
            format=order.format or "pickle",
            compression=order.compression,
            name=order.name,
            metadata=order.metadata,
            progress=progress,
        )
    except BaseException as error:
        for one in streams:
            one.writer.__exit__(type(error), error, error.__traceback__)
        raise
    stream = streams[0]
    front = loading.read_envelope(BytesSource(stream.front))
    with stream.writer as writer:
        prepared = Prepared(
            described, front.body, _signatures(front), writer, {}, parameters(model)
        )
        return _commit(backend, prepared, order, None)


def parameters(model: Any) -> dict[str, str]:
    """Return the parameters of an estimator as text, for comparing; of anything else none."""
    try:
        found = dict(model.get_params(deep=True))
    except Exception:  # noqa: BLE001 - somebody's class, or no estimator at all
        return {}
    plain = {}
    for name, value in sorted(found.items(), key=lambda pair: str(pair[0]))[:_MAX_PARAMETERS]:
        if not isinstance(name, str) or not name.isascii():
            continue
        try:
            text = type(value).__qualname__ if hasattr(value, "get_params") else repr(value)
        except Exception:  # noqa: BLE001, S112 - the same
            continue
        plain[name] = text[:_MAX_TEXT].encode("utf-8", "backslashreplace").decode("utf-8")
    return plain


def _commit(backend: Backend, prepared: Prepared, order: Order, number: int | None) -> Entry:
    """Make a version of what is prepared, in one transaction."""
    with backend.writing() as tx:
        model = _locked(tx, order.name, make=order.version is None)
        prepared.writer.finish(tx.connection)
        if order.version is None:
            version = _new_version(tx, model, prepared, order, number)
            model = channels.find_model(tx, order.name)
        else:
            version = order.version
            _attach(tx, model, prepared, order)
        entry = describe(tx, target(tx, model, version))
    prepared.writer.tidy()
    return entry


def _locked(tx: Transaction, name: str, *, make: bool) -> Model:
    if make:
        row = {"name": name, "next_version": 1}
        known = sa.select(schema.models.c.id).where(schema.models.c.name == name)
        if tx.execute(known).first() is None:
            tx.witness.miss(channels.subject(name, LATEST))
            upsert(tx.connection, schema.models, [row])
    return channels.find_model(tx, name, lock=True)


def _new_version(
    tx: Transaction,
    model: Model,
    prepared: Prepared,
    order: Order,
    wanted: int | None,
) -> int:
    newest = model.head.newest if model.head else 0
    if model.next_version != newest + 1:
        raise RollbackError(
            f"the store counts {model.next_version - 1} versions of {model.name}; "
            f"{newest} are signed for"
        )
    number = wanted if wanted is not None and wanted > newest else newest + 1
    _count_to(tx, model, number)
    parents = [_parent(tx, one) for one in order.derived_from]
    artifact = sha256_hex(prepared.body)
    said = _statement(tx.backend, prepared, order.name, number, artifact)
    said = changed(
        said,
        previous=model.head.artifact if model.head else "",
        derived_from=[[spec, primary_id] for spec, primary_id, _, _ in parents],
    )
    row = {"model_id": model.id, "version": number, "state": "live"}
    tx.execute(sa.insert(schema.versions), row)
    digest = _insert(tx, prepared, model, said)
    edges = [
        {"model_id": model.id, "version": number, "parent_id": parent, "parent_version": version}
        for _, _, parent, version in parents
    ]
    upsert(tx.connection, schema.edges, edges)
    head = channels.compose(tx.backend, model.head, (model.name, LATEST), number, artifact)
    skipped = ranges.add(head.deleted, newest + 1, number - 1) if number > newest + 1 else None
    head = changed(head, newest=number, deleted=skipped or head.deleted)
    channels.write(tx, model.id, head)
    detail = {"artifact": artifact, "format": said.format, "statement": digest}
    spec = f"{model.name}:{number}"
    auditing.append(tx, "publish", spec, model.id, detail)
    if order.alias is not None:
        now = channels.find_model(tx, model.name)
        channels.move_locked(tx, now, order.alias, number)
    return number


def _count_to(tx: Transaction, model: Model, number: int) -> None:
    table = schema.models
    tx.execute(sa.update(table).where(table.c.id == model.id).values(next_version=number + 1))


@settled
def _parent(tx: Transaction, spec: str) -> tuple[str, str, int, int]:
    name, version = names.numbered(spec)
    model = channels.find_model(tx, name)
    return spec, primary(tx, model, version).artifact_id, model.id, version


def _attach(
    tx: Transaction,
    model: Model,
    prepared: Prepared,
    order: Order,
) -> None:
    number = order.version or 0
    found = target(tx, model, number)
    if not found.files:
        raise EntryNotFoundError(f"{found.spec} was deleted")
    if any(one.statement.format == prepared.described.format for one in found.files):
        raise VersionConflictError(
            f"{found.spec} is there as {prepared.described.format} already",
            hint="versions do not change; publish a new one",
        )
    artifact = sha256_hex(prepared.body)
    said = _statement(tx.backend, prepared, order.name, number, artifact)
    said = changed(said, exported_from=found.files[0].artifact_id)
    digest = _insert(tx, prepared, model, said)
    detail = {"artifact": artifact, "format": said.format, "statement": digest}
    auditing.append(tx, "attach", found.spec, model.id, detail)


def _statement(
    backend: Backend, prepared: Prepared, name: str, number: int, artifact: str
) -> EntryStatement:
    return EntryStatement(
        store=backend.store_id,
        created=statements.text(statements.now()),
        actor=backend.actor,
        model=name,
        version=number,
        format=prepared.described.format,
        artifact=artifact,
        size=prepared.writer.total_size,
        metadata=dict(prepared.metadata),
        parameters=dict(prepared.parameters),
        origin=prepared.origin,
    )


def _insert(
    tx: Transaction,
    prepared: Prepared,
    model: Model,
    said: EntryStatement,
) -> str:
    """Write file, chunks and search terms; return the digest of the statement."""
    body, signatures = statements.sign(said, tx.backend.ring)
    row = {
        "model_id": model.id,
        "version": said.version,
        "format": said.format,
        "artifact_id": said.artifact,
        "manifest": prepared.body,
        "signatures": prepared.signatures,
        "statement": body,
        "statement_signatures": signatures,
    }
    try:
        inserted = tx.execute(sa.insert(schema.files), row).inserted_primary_key
    except IntegrityError:
        raise VersionConflictError(f"{model.name}:{said.version} is there already") from None
    if inserted is None:
        raise StoreError("the database gave no id to a row")
    pairs = [
        {"file_id": inserted[0], "position": position, "digest": digest}
        for position, digest in enumerate(prepared.writer.digests)
    ]
    if pairs:
        tx.execute(sa.insert(schema.file_chunks), pairs)
    indexing.index(tx.connection, model.id, model.name, prepared.described, said)
    return hashlib.sha256(body).hexdigest()
