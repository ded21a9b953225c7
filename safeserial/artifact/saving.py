# SPDX-License-Identifier: BSD-3-Clause
"""The straight line down: model, payload, digests, manifest, signature, canonical ZIP, whole file.

Floor 6.  Payload bytes are written once, at offsets that are known before their digests are, while
a second thread hashes them; front and tail follow.
"""

from __future__ import annotations

import array
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import msgspec

from safeserial import codecs, container, envelope, environment, foreign, manifest, strictjson
from safeserial.artifact.boundary import keeps_nothing
from safeserial.artifact.facts import describe
from safeserial.codecs import Compression, Encoded
from safeserial.container import Entry
from safeserial.digests import ALGORITHMS, HEX_LENGTH
from safeserial.envelope import Envelope, Signature
from safeserial.errors import KeyringError, PolicyError, SafeSerialError, UnsupportedModelError
from safeserial.files import StrPath, atomic_write
from safeserial.foreign import FOREIGN
from safeserial.keyring import KeyEntry, Keyring
from safeserial.keys import PURPOSE_ARTIFACT
from safeserial.manifest import Manifest, Member, ModelFacts
from safeserial.payload import Payload
from safeserial.policy import Policy
from safeserial.rows import MAX_ROW_BYTES
from safeserial.signing import signer
from safeserial.transfer import Checksums, private_memory, send, write_all
from safeserial.verifier import survey

Progress = Callable[[int, int], None]
MAX_WORD: Final = 200
_UNSIGNED: Final = bytes(envelope.RESERVED_BYTES)
_ONNX: Final = ModelFacts(class_name="onnx.ModelProto")


@keeps_nothing
def dump(
    model: Any,
    path: StrPath,
    *,
    keyring: Keyring | None = None,
    format: str = "pickle",
    compression: Compression = None,
    digest: str | None = None,
    name: str | None = None,
    version: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Save a model as a signed artifact.

    Parameters
    ----------
    model : object
        A fitted estimator, or anything that pickles.
    path : str or path-like
        Where the artifact shall stand; an old one there is replaced in one step.
    keyring : Keyring, optional
        Its active key signs.  Default: the ring that the environment names.
    format : {"pickle", "joblib", "skops", "onnx"}, default="pickle"
        Codec of the payload.  For ``onnx`` the model is an ONNX model or its bytes: estimators are
        converted by ``to_onnx``.
    compression : str, (str, int) or None, default=None
        ``zlib``, ``gzip``, ``bz2``, ``lzma``, ``xz``, ``lz4`` or ``zstd``, with or without a level
        from 0 to 9.
    digest : {"blake3", "sha256"}, optional
        Digest of the payload's members.  Default: ``sha256`` for skops and ONNX, which are read in
        other languages, ``blake3`` for the others.
    name, version : str, optional
        The publisher's own, signed with the rest.
    metadata : mapping, optional
        The publisher's own: JSON without floats (write them as strings).
    progress : callable, optional
        Called with bytes written so far and bytes in all.

    Returns
    -------
    Manifest
        What was signed.

    Raises
    ------
    KeyringError
        If there is no active key that may sign today.
    PolicyError
        If an argument is not one of those above.
    UnsupportedModelError
        If the model cannot be pickled.
    WriteFailedError
        If the file cannot be written; what stood there is untouched.

    Examples
    --------
    >>> import safeserial as ss
    >>> ring = ss.Keyring([ss.HmacKey.generate()])
    >>> manifest = ss.dump({"weights": [1, 2]}, "model.safeserial", keyring=ring, name="tiny")
    >>> ss.load("model.safeserial", keyring=ring)
    {'weights': [1, 2]}
    """
    chosen = _digest(format) if digest is None else digest
    order = _Order(format, compression, chosen, name, version, metadata)
    draft = _draft(model, keyring, order)
    with atomic_write(path) as stream:
        return _write(stream, draft, progress)


@keeps_nothing
def dumps(
    model: Any,
    *,
    keyring: Keyring | None = None,
    format: str = "pickle",
    compression: Compression = None,
    digest: str | None = None,
    name: str | None = None,
    version: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> bytes:
    """Return a model as the bytes of a signed artifact; parameters and errors as :func:`dump`."""
    chosen = _digest(format) if digest is None else digest
    order = _Order(format, compression, chosen, name, version, metadata)
    draft = _draft(model, keyring, order)
    stream = io.BytesIO()
    _write(stream, draft, None)
    return stream.getvalue()


@keeps_nothing
def dump_into(
    model: Any,
    target: Callable[[Manifest], BinaryIO],
    *,
    keyring: Keyring,
    format: str = "pickle",
    compression: Compression = None,
    name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Save a model as a signed artifact in a stream that is made for it.

    Parameters
    ----------
    model : object
        As in :func:`dump`.
    target : callable
        Given the manifest, whose digests are still blank and whose sizes hold, returns a seekable
        binary file.  The payload's members are written in order, then the front, then the rest.
    keyring, format, compression, name, metadata, progress
        As in :func:`dump`.

    Returns
    -------
    Manifest
        What was signed.

    Raises
    ------
    KeyringError, PolicyError, UnsupportedModelError
        As :func:`dump`; besides, what writing to the stream raises.
    """
    order = _Order(format, compression, _digest(format), name, None, metadata)
    draft = _draft(model, keyring, order)
    return _write(target(draft.manifest), draft, progress)


@keeps_nothing
def dump_converted(
    data: bytes,
    path: StrPath,
    *,
    format: str,
    model: Any,
    keyring: Keyring | None = None,
    name: str | None = None,
    version: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Manifest:
    """Save what a converter has written as a signed artifact.

    Parameters
    ----------
    data : bytes
        A whole skops or ONNX file.
    path : str or path-like
        Where the artifact shall stand; an old one there is replaced in one step.
    format : {"skops", "onnx"}
        What `data` is; it is examined as it will be when it is loaded.
    model : object
        What it was made of: the manifest says its class, features and classes.
    keyring, name, version, metadata
        As in :func:`dump`.

    Returns
    -------
    Manifest
        What was signed.

    Raises
    ------
    KeyringError, PolicyError, UnsupportedModelError, WriteFailedError
        As :func:`dump`.
    """
    if format not in FOREIGN:
        raise PolicyError(f"a converted model is of format {' or '.join(FOREIGN)}")
    order = _Order(format, None, _digest(format), name, version, metadata)
    draft = _draft(data, keyring, order, describe(model))
    with atomic_write(path) as stream:
        return _write(stream, draft, None)


def _digest(format_name: str) -> str:
    return "sha256" if format_name in FOREIGN else "blake3"


@dataclass(frozen=True)
class _Order:
    """What the caller asks for."""

    format: str
    compression: Compression
    digest: str
    name: str | None
    version: str | None
    metadata: Mapping[str, Any] | None


@dataclass(frozen=True)
class _Draft:
    """Everything but the checksums and the signature."""

    signing: KeyEntry
    encoded: Encoded
    manifest: Manifest
    digest: str


def _draft(
    model: Any, keyring: Keyring | None, order: _Order, facts: ModelFacts | None = None
) -> _Draft:
    """Refuse what can be refused before a byte is written, and encode the model."""
    ring = Keyring.from_env() if keyring is None else keyring
    if not isinstance(ring, Keyring):
        raise KeyringError(f"not a Keyring: {type(ring).__name__}", hint="Keyring([key])")
    _check(order)
    codec = codecs.get(order.format)
    created = manifest.now()
    signing = ring.active
    signing.require_valid(manifest.moment(created))
    try:
        encoded = (
            _converted(model, order.format) if facts else codec.encode(model, order.compression)
        )
    except SafeSerialError:
        raise
    except Exception as error:  # pickling runs the model's own code, which may raise anything
        raise UnsupportedModelError(
            f"a {type(model).__name__} cannot be written as {order.format}: {error}",
            hint="lambdas, local classes and open files cannot be pickled; use named functions",
        ) from error
    names = _globals(order.format, encoded)
    blank = f"{order.digest}:{'0' * HEX_LENGTH}"
    members = tuple(
        Member(path=path, size=sum(map(len, pieces)), digest=blank, crc32="0" * 8)
        for path, pieces in encoded.members.items()
    )
    described = Manifest(
        schema=manifest.SCHEMA,
        format=order.format,
        options=dict(encoded.options),
        members=members,
        environment=environment.capture(one.partition(":")[0] for one in names),
        model=facts or (_ONNX if order.format == "onnx" else describe(model)),
        globals=names,
        created=created,
        metadata=_plain(order.metadata),
        name=order.name,
        version=order.version,
    )
    return _Draft(signing, encoded, described, order.digest)


def _converted(data: bytes, format_name: str) -> Encoded:
    return Encoded({}, {FOREIGN[format_name]: (memoryview(data),)})


def _check(order: _Order) -> None:
    if order.digest not in ALGORITHMS:
        raise PolicyError(f"digest is one of {', '.join(ALGORITHMS)}; not {order.digest!r}"[:120])
    words: tuple[tuple[str, object], ...] = (("name", order.name), ("version", order.version))
    for what, word in words:
        if word is None:
            continue
        if not isinstance(word, str) or not 0 < len(word) <= MAX_WORD or not word.isprintable():
            raise PolicyError(f"{what} is 1 to {MAX_WORD} printable characters")
    _plain(order.metadata)


def _plain(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return metadata in plain types, as a reader of the manifest will see it."""
    try:
        text = strictjson.encode({"metadata": dict(metadata or {})})
    except (TypeError, ValueError) as error:
        raise PolicyError(
            f"metadata cannot be signed: {error}",
            hint="metadata is JSON with ASCII keys and without floats: write 0.93 as '0.93'",
        ) from None
    plain: dict[str, Any] = json.loads(text)["metadata"]
    return plain


def _globals(format_name: str, encoded: Encoded) -> tuple[str, ...]:
    """List the globals of a payload, refusing one that no policy could load."""
    members = {path: _contiguous(pieces) for path, pieces in encoded.members.items()}
    payload = Payload(format_name, encoded.options, members, signed=True)
    look = foreign.survey if format_name in FOREIGN else survey
    found = look(payload, Policy.default())
    if found.problem is not None:
        raise UnsupportedModelError(
            f"the model would be saved in a form that cannot be loaded: {found.problem}",
            hint="report this with the model's class",
        ) from found.problem
    return tuple(sorted({f"{one.resolved[0]}:{one.resolved[1]}" for one in found.globals}))


def _contiguous(pieces: tuple[memoryview, ...]) -> memoryview:
    if len(pieces) == 1:
        return pieces[0]
    # Of arrays only the lengths count here, and untouched memory costs nothing; what rows consist
    # of is small, and is looked at.
    memory = private_memory(sum(map(len, pieces)))
    start = 0
    for piece in pieces:
        end = start + len(piece)
        if isinstance(piece.obj, bytes | array.array) and len(piece) <= MAX_ROW_BYTES:
            memory[start:end] = piece
        start = end
    return memory


def _write(stream: BinaryIO, draft: _Draft, progress: Progress | None) -> Manifest:
    blank = draft.manifest.encode()
    members = draft.manifest.members
    # Checksums have fixed widths, so the blank manifest is as long as the final one.
    places = container.layout(_entries(_UNSIGNED, blank, members)).offsets[2:]
    total = draft.manifest.payload_size
    done = 0

    def report(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, total)

    finished = []
    for member, place in zip(members, places, strict=True):
        stream.seek(place)
        sums = Checksums(draft.digest)
        send(draft.encoded.members[member.path], stream, sums, report)
        finished.append(
            Member(path=member.path, size=sums.size, digest=sums.digest, crc32=f"{sums.crc32:08x}")
        )
    final = msgspec.structs.replace(draft.manifest, members=tuple(finished))
    body = final.encode()
    signatures = envelope.pack_signatures(len(body), (_sign(draft.signing, body),))
    whole = container.layout(_entries(signatures, body, final.members))
    stream.seek(0)
    write_all(stream, container.front_bytes(signatures, body))
    for header, offset in zip(whole.headers[2:], whole.offsets[2:], strict=True):
        stream.seek(offset - len(header))
        write_all(stream, header)
    stream.seek(whole.total_size - len(whole.tail))
    write_all(stream, whole.tail)
    return final


def _entries(signatures: bytes, body: bytes, members: tuple[Member, ...]) -> list[Entry]:
    return [
        *container.front_entries(signatures, body),
        *(Entry(one.path, one.size, int(one.crc32, 16)) for one in members),
    ]


def _sign(signing: KeyEntry, body: bytes) -> Signature:
    message = Envelope(body, ()).signed_bytes
    return Signature(signing.key_id, signer(signing.key, PURPOSE_ARTIFACT).sign(message))
