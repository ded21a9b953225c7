# SPDX-License-Identifier: BSD-3-Clause
"""The straight line up: one bounded read, Envelope, Verified, Admitted, model.

Floor 6.  The bytes that were verified are the bytes that are decoded: they are read once into
private memory, and the file is never looked at again.  What opens a payload (the opcode verifier,
the codecs) is imported where a payload is opened: :func:`verify` opens none, and is quick.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from safeserial import container, envelope, transfer
from safeserial.artifact import sniffing, verifying
from safeserial.artifact.boundary import keeps_nothing, name_version
from safeserial.artifact.trust import Verified, accept, require_no_rules
from safeserial.container import Entry
from safeserial.digests import Digest
from safeserial.envelope import Envelope
from safeserial.errors import (
    DigestMismatchError,
    EnvironmentMismatchError,
    InvalidStateError,
    KeyringError,
    LimitExceededError,
    NotAnArtifactError,
    PolicyError,
)
from safeserial.files import BytesSource, FileSource, Source, StrPath, open_regular
from safeserial.keyring import Keyring
from safeserial.manifest import Manifest, Member
from safeserial.payload import BUFFERS, Payload
from safeserial.policy import Policy

if TYPE_CHECKING:
    from safeserial.codecs.boosters import Boosters

Progress = Callable[[int, int], None]
MapMode = Literal["r", "c"]
Keep = bool | MapMode
BytesLike = bytes | bytearray | memoryview


@keeps_nothing
def load(
    path: StrPath,
    *,
    keyring: Keyring | None = None,
    policy: Policy | None = None,
    trusted: Iterable[str] = (),
    mmap_mode: MapMode | None = None,
    progress: Progress | None = None,
) -> Any:
    """Load a model from a signed artifact, or from a plain file with its signature beside it.

    Parameters
    ----------
    path : str or path-like
        The artifact; or a pickle, joblib, skops or ONNX file beside which stands a file of the same
        name with ``.sig`` added, made by `sign` or by ``model_signing``.
    keyring : Keyring, optional
        The keys whose word counts.  Default: the ring that the environment names.
    policy : Policy, optional
        What is accepted.  Default: :meth:`Policy.default`.
    trusted : iterable of str, default=()
        Dotted names to accept beside the policy's.
    mmap_mode : {None, "r", "c"}, default=None
        How the arrays of an uncompressed pickle payload lie in memory.  None: read into private
        memory.  "r": the file is mapped and verified there; processes share one copy, and arrays
        are read-only.  "c": the same, and a process that writes to an array gets a copy of that
        page.  Whoever may write to the file is trusted for as long as the model lives, so that
        a file that others may change is refused.
    progress : callable, optional
        Called with bytes read so far and bytes in all.

    Returns
    -------
    object
        The model.  Unless mapped, its arrays are writable and belong to it alone.  Of an ONNX
        payload, an ``onnxruntime.InferenceSession``.

    Raises
    ------
    FormatError
        If the file is no artifact, damaged, or over a limit.
    VerificationError
        If it was not signed by a key that the ring accepts, or changed since.
    PolicyError
        If its content is not permitted, or made under other versions and the policy refuses that.

    Warns
    -----
    EnvironmentMismatchWarning
        If library versions differ from those the model was saved under.
    """
    chosen = _policy(policy, trusted)
    ring = _ring(keyring)
    keep = _keep(mmap_mode)
    with open_regular(path) as source, verifying.naming_signature(path):
        plain = verifying.read_signed(source, path, ring, chosen, progress)
        if plain is None:
            verified = _read(source, ring, chosen, progress, keep=keep)
        elif mmap_mode is not None:
            raise _not_mapped("it is no artifact")
    return _decode(verified, chosen) if plain is None else build(plain, chosen)


@keeps_nothing
def loads(
    data: BytesLike,
    *,
    keyring: Keyring | None = None,
    policy: Policy | None = None,
    trusted: Iterable[str] = (),
) -> Any:
    """Load a model from the bytes of a signed artifact; otherwise as :func:`load`.

    Parameters
    ----------
    data : bytes-like
        The artifact; copied, so later changes to it do not matter.
    keyring, policy, trusted
        As in :func:`load`.
    """
    chosen = _policy(policy, trusted)
    verified = _read(BytesSource(data), _ring(keyring), chosen, None, keep=True)
    return _decode(verified, chosen)


@keeps_nothing
def verify(
    path: StrPath,
    *,
    keyring: Keyring | None = None,
    policy: Policy | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Verify a signed artifact without interpreting its payload.

    Parameters
    ----------
    path : str or path-like
        The artifact.
    keyring, policy, progress
        As in :func:`load`.

    Returns
    -------
    Verified
        Manifest, signers and artifact id.

    Raises
    ------
    FormatError, VerificationError, PolicyError
        As :func:`load`, for everything that shows before the payload is opened.
    """
    with open_regular(path) as source:
        return verify_source(source, keyring, _policy(policy, ()), progress)


def verify_source(
    source: Source, keyring: Keyring | None, policy: Policy, progress: Progress | None
) -> Verified:
    """Verify an open artifact; parameters and errors as :func:`verify`."""
    return _read(source, _ring(keyring), policy, progress, keep=False)


@keeps_nothing
def load_unsigned(
    path: StrPath, *, policy: Policy | None = None, trusted: Iterable[str] = ()
) -> Any:
    """Load a file that nobody signed: pickle, joblib, skops or ONNX, through the allowlist.

    Nothing says who made the file: what is checked is only that loading it does what loading a
    model does.  What it is, its bytes say; its name counts for nothing.

    Parameters
    ----------
    path : str or path-like
        A pickle of protocol 0 to 5, what ``joblib.dump`` writes, compressed or not, a skops file or
        an ONNX model.
    policy, trusted
        As in :func:`load`.

    Returns
    -------
    object
        The model; an ``onnxruntime.InferenceSession`` for ONNX.

    Raises
    ------
    FormatError
        If it is no such file, damaged, or over a limit.
    PolicyError
        If its content is not permitted, or the policy has rules on signers.
    """
    chosen = _policy(policy, trusted)
    require_no_rules(chosen)
    with open_regular(path) as source:
        payload = read_unsigned(source, chosen)
    accepted = {"pickle", "joblib"} if payload.format == "joblib" else {payload.format}
    if accepted.isdisjoint(chosen.formats):
        raise PolicyError(
            f"the policy does not accept {payload.format} files",
            hint=f"it accepts: {', '.join(chosen.formats)}",
        )
    return build(payload, chosen)


def read_unsigned(source: Source, policy: Policy) -> Payload:
    """Read an unsigned file of any format into private memory; otherwise as `read_legacy`."""
    _check_size(source, policy)
    with _bounded(source.size):
        memory = transfer.take(source, source.size)
    return sniffing.foreign_payload(memory) or sniffing.legacy_payload(memory)


def read_legacy(source: Source, policy: Policy) -> Payload:
    """Read an unsigned model file into private memory.

    Raises
    ------
    LimitExceededError
        If it is larger than the policy allows.
    NotAnArtifactError
        If it is another kind of file.
    """
    _check_size(source, policy)
    with _bounded(source.size):
        memory = transfer.take(source, source.size)
    return sniffing.legacy_payload(memory)


def read_artifact(source: Source, ring: Keyring, policy: Policy) -> Verified:
    """Read and verify an artifact, keeping its payload (see :func:`load` for the errors)."""
    return _read(source, ring, policy, None, keep=True)


def read_envelope(source: Source) -> Envelope:
    """Read the front of an artifact; nothing of it is verified.

    Raises
    ------
    FormatError
        If the file does not begin as an artifact does.
    """
    blob = container.read_signatures(source)
    size, signatures = envelope.unpack_signatures(blob)
    return Envelope(container.read_manifest(source, blob, size), signatures)


def read_payload(
    source: Source, front: Envelope, described: Manifest, progress: Progress | None, *, keep: Keep
) -> dict[str, memoryview]:
    """Read the members that a manifest describes, comparing every byte with it.

    Parameters
    ----------
    source : Source
        After :func:`read_envelope`.
    front : Envelope
        What that returned.
    described : Manifest
        Read from it.
    progress : callable, optional
        As in :func:`load`.
    keep : bool or {"r", "c"}
        Whether the bytes are wanted, or only their check; mapped where they can be: read-only, or
        copied on writing.

    Returns
    -------
    dict of str to memoryview
        Path to memory; empty if not kept.

    Raises
    ------
    CorruptArtifactError, DigestMismatchError, LimitExceededError
        If a byte differs, or there is not enough memory.
    """
    blob = envelope.pack_signatures(len(front.body), front.signatures)
    entries = container.front_entries(blob, front.body)
    entries += [Entry(one.path, one.size, int(one.crc32, 16)) for one in described.members]
    whole = container.layout(entries)
    total, done = described.payload_size, 0

    def report(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, total)

    members: dict[str, memoryview] = {}
    for index in container.read_members(source, whole):
        member = described.members[index]
        data = _receive(source, member, report, keep=keep)
        if data is not None:
            members[member.path] = data
    return members


def _receive(
    source: Source, member: Member, report: Callable[[int], None], *, keep: Keep
) -> memoryview | None:
    expected = Digest.parse(member.digest)
    algorithm, size = expected.algorithm, member.size
    data: memoryview | None = None
    if keep is False:
        found = transfer.digest_only(source, size, algorithm, report)
    elif keep is not True and member.path == BUFFERS and size and isinstance(source, FileSource):
        data, found = transfer.mapped(source, size, algorithm, report, writable=keep == "c")
    else:
        with _bounded(size):
            data, found = transfer.fetch(source, size, algorithm, report)
    if not expected.matches(found):
        raise DigestMismatchError(f"{member.path} is not what the signed manifest says")
    return data


def _read(
    source: Source, ring: Keyring, policy: Policy, progress: Progress | None, *, keep: Keep
) -> Verified:
    _check_size(source, policy)
    front = read_envelope(source)
    verified = accept(front, ring, policy)
    described = verified.manifest
    if keep not in (True, False) and BUFFERS not in {one.path for one in described.members}:
        raise _not_mapped(f"its payload is {described.format}, or compressed")
    members = read_payload(source, front, described, progress, keep=keep)
    if keep is False:
        return verified
    payload = Payload(described.format, described.options, members, signed=True)
    return Verified(described, verified.signers, verified.artifact_id, payload)


def _decode(verified: Verified, policy: Policy) -> Any:
    from safeserial import environment

    described, payload = verified.manifest, verified.payload
    if payload is None:
        raise NotAnArtifactError("the payload was not kept")
    if described.format != "onnx":  # which is read by none of the libraries that wrote it
        environment.check(described.environment, policy.environment, stacklevel=4)
    return build(payload, policy)


def build(payload: Payload, policy: Policy) -> Any:
    """Admit a payload, build its model and check it: the one way from bytes to an object.

    Parameters
    ----------
    payload : Payload
        Of a verified artifact or of a legacy file.
    policy : Policy
        What is accepted.

    Returns
    -------
    object
        The model.

    Raises
    ------
    FormatError, PolicyError
        If its content is damaged or not permitted, or an object's state is not one that compiled
        code can be given.
    """
    from safeserial import codecs, foreign
    from safeserial.validators import validate
    from safeserial.verifier import admit

    is_foreign = payload.format in foreign.FOREIGN
    admitted = foreign.admit(payload, policy) if is_foreign else admit(payload, policy)
    boosters = boosters_of(payload, policy)
    try:
        model = codecs.get(payload.format, signed=payload.signed).decode(admitted, boosters)
        if payload.format != "onnx":  # an inference session is no object of the model's
            validate(model)
    except (EnvironmentMismatchError, InvalidStateError) as error:
        from safeserial.codecs.unpickling import sklearn_version

        name_version(error, sklearn_version(admitted.stream))
        raise
    return model


def boosters_of(payload: Payload, policy: Policy) -> Boosters:
    """Return what holds back the boosters of a payload, and checks them unless it is signed.

    A trusted signer vouches for what native parsers make of the bytes; nobody else can.

    Parameters
    ----------
    payload : Payload
        About to be decoded.
    policy : Policy
        May forbid boosters.
    """
    from safeserial.codecs.boosters import Boosters
    from safeserial.validators import check_boosters

    return Boosters(
        None if payload.signed else check_boosters, forbidden=policy.native_parsers == "forbid"
    )


def _keep(mode: object) -> Keep:
    if mode is None:
        return True
    if mode not in ("r", "c"):
        raise PolicyError(
            f"mmap_mode is None, 'r' or 'c'; not {mode!r}"[:80],
            hint="a model is never written back into the file it came from",
        )
    return "r" if mode == "r" else "c"


def _not_mapped(why: str) -> PolicyError:
    return PolicyError(
        f"this file cannot be mapped: {why}",
        hint="mmap_mode is for artifacts saved with format='pickle' and without compression",
    )


def _check_size(source: Source, policy: Policy) -> None:
    if source.size > policy.limits.file_size:
        raise LimitExceededError(
            f"the file has {source.size} bytes; the policy allows {policy.limits.file_size}"
        )


@contextlib.contextmanager
def _bounded(size: int) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise LimitExceededError(f"there is not enough memory for {size} bytes") from None


def _ring(keyring: Keyring | None) -> Keyring:
    ring = Keyring.from_env() if keyring is None else keyring
    if not isinstance(ring, Keyring):
        raise KeyringError(f"not a Keyring: {type(ring).__name__}", hint="Keyring([key])")
    return ring


def _policy(policy: Policy | None, trusted: Iterable[str]) -> Policy:
    chosen = Policy.default() if policy is None else policy
    return chosen.trusting(trusted)
