# SPDX-License-Identifier: BSD-3-Clause
"""From a name to a model: alias, version, artifact, each by a statement that was signed for it.

Floor 7.  The last part of the road is that of every artifact: Envelope, Verified, Admitted, model.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import sqlalchemy as sa

from safeserial import environment, manifest
from safeserial.artifact import loading
from safeserial.artifact.trust import Verified, accept
from safeserial.digests import sha256_hex
from safeserial.errors import (
    BadSignatureError,
    EntryNotFoundError,
    LimitExceededError,
    RollbackError,
    YankedVersionWarning,
)
from safeserial.files import StrPath, atomic_write
from safeserial.manifest import MAX_MANIFEST_BYTES, Manifest
from safeserial.policy import Policy
from safeserial.store import channels, names, ranges, schema, statements
from safeserial.store.backend import Backend, Progress, Transaction, settled
from safeserial.store.channels import Model
from safeserial.store.chunking import Tee
from safeserial.store.entries import LATEST, Entry, StoredFile
from safeserial.store.sources import ArtifactSource, Row, chunk_rows, connected
from safeserial.store.statements import ChannelStatement, EntryStatement
from safeserial.transfer import write_all

_MAX_FORMATS: Final = 20


@dataclass(frozen=True)
class File:
    """One format of a version, its statement verified and so its manifest's bytes.

    Parameters
    ----------
    id : int
        Of the row.
    statement : EntryStatement
        What was signed.
    key_ids : tuple of str
        By whom.
    body, signatures : bytes
        Of the artifact's envelope.
    said : (bytes, bytes)
        The statement and its signatures, as stored.
    """

    id: int
    statement: EntryStatement
    key_ids: tuple[str, ...]
    body: bytes
    signatures: bytes
    said: tuple[bytes, bytes]

    @property
    def artifact_id(self) -> str:
        """SHA-256 of the manifest."""
        return self.statement.artifact

    @functools.cached_property
    def described(self) -> Manifest:
        """The manifest."""
        return manifest.decode(self.body)


@dataclass(frozen=True)
class Target:
    """What a name was found to mean.

    Parameters
    ----------
    model : Model
        The model.
    version : int
        Its version.
    state : {"live", "yanked", "deleted"}
        By the model's head.
    files : tuple of File
        The first format first; empty where it was deleted.
    """

    model: Model
    version: int
    state: str
    files: tuple[File, ...]

    @property
    def spec(self) -> str:
        """``name:version``."""
        return f"{self.model.name}:{self.version}"

    def choose(self, format_name: str | None) -> File:
        """Return one of its formats.

        Raises
        ------
        EntryNotFoundError
            If it does not have it.
        """
        for one in self.files:
            if format_name in (None, one.statement.format):
                return one
        listed = ", ".join(one.statement.format for one in self.files)
        raise EntryNotFoundError(
            f"{self.spec} is not there as {format_name}", hint=f"it is there as: {listed}"
        )


def resolve(tx: Transaction, spec: str) -> Target:
    """Find what a name means now.

    Raises
    ------
    EntryNotFoundError
        If it means nothing.
    RollbackError, VerificationError, FormatError
        If a statement is missing, old, expired or not rightly signed.
    """
    wanted = names.parse(spec)
    model = channels.find_model(tx, wanted.name)
    head = model.known
    if wanted.version is not None:
        return target(tx, model, wanted.version)
    pointing = head
    if wanted.alias != LATEST:
        pointing = _pointing(tx, model, wanted.alias)
    channels.require_fresh(pointing)
    if not pointing.version:
        raise EntryNotFoundError(f"every version of {wanted.name} was withdrawn")
    channels.require_live(model, pointing.version)
    found = target(tx, model, pointing.version)
    if not found.files or found.files[0].artifact_id != pointing.artifact:
        raise BadSignatureError(f"{found.spec} is not the artifact that {spec} was signed for")
    return found


def _pointing(tx: Transaction, model: Model, alias: str) -> ChannelStatement:
    found = channels.current(tx, model.id, model.name, alias)
    if found is None or not found[0].version:
        raise EntryNotFoundError(f"there is no alias {channels.subject(model.name, alias)}")
    return found[0]


def target(tx: Transaction, model: Model, version: int) -> Target:
    """Return a version by its number.

    Raises
    ------
    EntryNotFoundError
        If it was never published.
    BadSignatureError, VerificationError, FormatError
        If what stands there was not signed for it.
    """
    head = model.known
    if not 1 <= version <= head.newest:
        raise EntryNotFoundError(f"the store has no {model.name}:{version}")
    if ranges.contains(head.deleted, version):
        return Target(model, version, "deleted", ())
    state = "yanked" if ranges.contains(head.yanked, version) else "live"
    listed = tuple(files(tx, model, version))
    if not listed or listed[0].statement.exported_from:
        raise RollbackError(f"{model.name}:{version} was published, and the store does not have it")
    first = listed[0].artifact_id
    if any(one.statement.exported_from != first for one in listed[1:]):
        raise BadSignatureError(f"{model.name}:{version} was put together of different versions")
    return Target(model, version, state, listed)


def primary(tx: Transaction, model: Model, version: int) -> File:
    """Return the first format of a version that is there; errors as :func:`target`."""
    found = target(tx, model, version)
    if not found.files:
        raise EntryNotFoundError(f"{found.spec} was deleted")
    return found.files[0]


def files(tx: Transaction, model: Model, version: int) -> Iterator[File]:
    """Yield the formats of a version in the order they came, each statement verified."""
    table = schema.files
    rows = tx.execute(
        sa.select(table)
        .where(table.c.model_id == model.id, table.c.version == version)
        .where(sa.func.length(table.c.manifest) <= MAX_MANIFEST_BYTES)
        .where(sa.func.length(table.c.statement) <= statements.MAX_BYTES)
        .order_by(table.c.id)
        .limit(_MAX_FORMATS)
    ).all()
    for row in rows:
        said, keys = statements.verify(
            row.statement,
            row.statement_signatures,
            tx.backend.ring,
            EntryStatement,
            store=tx.backend.store_id,
        )
        if (said.model, said.version, said.format) != (model.name, version, row.format):
            raise BadSignatureError(
                f"what stands as {model.name}:{version} was signed as {said.model}:{said.version}"
            )
        if sha256_hex(row.manifest) != said.artifact:
            raise BadSignatureError(f"{model.name}:{version} has another manifest than was signed")
        stored = (row.statement, row.statement_signatures)
        yield File(row.id, said, keys, row.manifest, row.signatures, stored)


def describe(tx: Transaction, found: Target) -> Entry:
    """Return a version as callers see it."""
    table = schema.channels
    aliases = tx.execute(
        sa.select(table.c.alias)
        .where(table.c.model_id == found.model.id, table.c.version == found.version)
        .where(table.c.alias != LATEST)
        .order_by(table.c.alias)
        .limit(100)
    ).scalars()
    state: Any = found.state
    name, version = found.model.name, found.version
    if not found.files:
        return Entry(name, version, state, (), None)
    described, said = found.files[0].described, found.files[0].statement
    return Entry(
        name,
        version,
        state,
        tuple(_stored(one) for one in found.files),
        said.created_at,
        {**described.metadata, **said.metadata},
        dict(said.parameters),
        tuple(str(one[0]) for one in said.derived_from if one),
        tuple(aliases),
        described,
    )


def _stored(file: File) -> StoredFile:
    said = file.statement
    return StoredFile(
        said.format,
        said.artifact,
        said.size,
        file.described.model.class_name,
        file.key_ids,
        said.exported_from,
        said.created_at,
    )


@settled
def entry(backend: Backend, spec: str) -> Entry:
    """Describe a version; see :meth:`Store.entry`."""
    with backend.reading() as tx:
        return describe(tx, resolve(tx, spec))


@dataclass(frozen=True)
class Found:
    """A file about to be read.

    Parameters
    ----------
    target : Target
        What was asked for.
    file : File
        The format chosen.
    rows : sequence of Row
        Its chunks.
    """

    target: Target
    file: File
    rows: Sequence[Row]


@settled
def find(backend: Backend, spec: str, format_name: str | None) -> Found:
    """Find a file by a name; errors as :func:`resolve`, one of them if it was deleted."""
    with backend.reading() as tx:
        found = resolve(tx, spec)
        if found.state == "deleted":
            raise EntryNotFoundError(f"{found.spec} was deleted")
        file = found.choose(format_name)
        return Found(found, file, chunk_rows(tx.connection, file.id, file.described))


@contextlib.contextmanager
def source(
    backend: Backend, found: Found, policy: Policy, progress: Progress | None
) -> Iterator[ArtifactSource]:
    """Open a file that was found, if the policy allows its size."""
    file = found.file
    with connected(backend) as connection:
        opened = ArtifactSource(
            backend, connection, file.described, (file.body, file.signatures), found.rows
        )
        opened.progress = progress
        if opened.size > policy.limits.file_size:
            raise LimitExceededError(
                f"{found.target.spec} has {opened.size} bytes; the policy allows "
                f"{policy.limits.file_size}"
            )
        yield opened


def load(
    backend: Backend,
    spec: str,
    format_name: str | None,
    policy: Policy,
    progress: Progress | None,
) -> Any:
    """Load a model; see :meth:`Store.load`."""
    found = find(backend, spec, format_name)
    if found.target.state == "yanked":
        head = found.target.model.known
        reason = head.reasons.get(str(found.target.version), "")
        warnings.warn(
            f"{found.target.spec} was yanked{': ' if reason else ''}{reason}",
            YankedVersionWarning,
            stacklevel=4,
        )
    with source(backend, found, policy, progress) as opened:
        verified = loading.read_artifact(opened, backend.ring, policy)
    payload = _same(verified, found).payload
    if payload is None:
        raise BadSignatureError("the payload was not kept")
    described = verified.manifest
    if described.format != "onnx":
        environment.check(described.environment, policy.environment, stacklevel=4)
    return loading.build(payload, policy)


def verify(
    backend: Backend, spec: str, format_name: str | None, progress: Progress | None
) -> Verified:
    """Verify a version; see :meth:`Store.verify`."""
    return check(backend, find(backend, spec, format_name), progress)


def check(backend: Backend, found: Found, progress: Progress | None = None) -> Verified:
    """Verify every byte of a file and keep none."""
    with source(backend, found, backend.policy, progress) as opened:
        return _pass_through(backend, opened, found, None)


def get(
    backend: Backend,
    spec: str,
    path: StrPath,
    format_name: str | None,
    progress: Progress | None,
) -> Verified:
    """Write an artifact to a file; see :meth:`Store.get`."""
    found = find(backend, spec, format_name)
    with source(backend, found, backend.policy, progress) as opened, atomic_write(path) as stream:
        return _pass_through(backend, opened, found, stream)


def open_file(
    backend: Backend, spec: str, format_name: str | None, progress: Progress | None
) -> BinaryIO:
    """Return an artifact as a nameless file; see :meth:`Store.open`."""
    return open_found(backend, find(backend, spec, format_name), progress)


def open_found(backend: Backend, found: Found, progress: Progress | None = None) -> BinaryIO:
    """Return a file that was found as a nameless one, verified to its end."""
    nameless: Any = tempfile.TemporaryFile(prefix="safeserial-")  # noqa: SIM115 - the caller's
    try:
        with source(backend, found, backend.policy, progress) as opened:
            _pass_through(backend, opened, found, nameless)
        nameless.seek(0)
    except BaseException:
        nameless.close()
        raise
    opened_file: BinaryIO = nameless
    return opened_file


def _pass_through(
    backend: Backend, opened: ArtifactSource, found: Found, target_file: BinaryIO | None
) -> Verified:
    """Verify an artifact while it is written somewhere; only its end says whether it was right."""
    tee = Tee(opened, _Copy(target_file) if target_file is not None else None)
    front = loading.read_envelope(tee)
    verified = accept(front, backend.ring, backend.policy)
    loading.read_payload(tee, front, verified.manifest, None, keep=False)
    return _same(verified, found)


class _Copy:
    """Writes what passes by to a file."""

    def __init__(self, target_file: BinaryIO) -> None:
        self._target = target_file

    def feed(self, position: int, view: memoryview) -> None:
        del position  # forward only
        write_all(self._target, view)


def _same(verified: Verified, found: Found) -> Verified:
    if verified.artifact_id != found.file.artifact_id:
        raise BadSignatureError(f"{found.target.spec} is not the artifact that was signed for it")
    return verified
