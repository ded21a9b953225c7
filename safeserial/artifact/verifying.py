# SPDX-License-Identifier: BSD-3-Clause
"""Verify what can be signed: artifacts, and files and folders with a signature beside them.

Floor 6.  Signatures first, over exact bytes; then what they say; then whether those who signed are
enough; then the files.  Nothing that no signature covers is ever reported as signed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safeserial.artifact import claims, matching, sniffing
from safeserial.artifact.boundary import keeps_nothing
from safeserial.artifact.claims import FILE, FOLDER, Claim
from safeserial.artifact.matching import Progress
from safeserial.artifact.trust import Verified
from safeserial.detached.tree import Tree
from safeserial.errors import KeyringError, NotAnArtifactError, UnreadableFileError
from safeserial.files import FileSource, StrPath, display, open_regular
from safeserial.keyring import Keyring
from safeserial.manifest import Manifest
from safeserial.payload import Payload
from safeserial.policy import Policy
from safeserial.signer_rules import SignedBy

if TYPE_CHECKING:
    from safeserial.detached.certificates import Roots

# How what joblib compresses begins: zlib, gzip, bzip2, xz, lzma, lz4, zstd.
_COMPRESSED = (
    b"\x78", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x5d\x00\x00", b"\x04\x22\x4d\x18",
    b"\x28\xb5\x2f\xfd",
)  # fmt: skip
_ASK = "ask the sender for it; a model that nobody signed is opened with load_unsigned()"


@dataclass(frozen=True)
class SignedFile:
    """A file that a signature covers, and that is as it was signed.

    Parameters
    ----------
    name : str
        Relative to the folder; of a single file its own name.
    size : int
        In bytes.
    digest : str
        Of its content: ``sha256:`` or ``blake3:`` and 64 hex digits.
    """

    name: str
    size: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class VerifiedFiles(Verified):
    """A file or folder whose detached signature is right; it has no manifest.

    Parameters
    ----------
    signers : tuple of SignedBy
        Whose signatures count.
    artifact_id : str
        SHA-256 over the names and digests of all files, in hex.
    payload : None
        Never kept.
    files : tuple of SignedFile
        All that is signed.
    left_out : tuple of str
        What is there and no signature covers (``.git``, say).
    unknown : tuple of str
        Whom further signatures, which nobody here can check, call their makers.
    signature : str
        Path of the signature file.
    name, version : str
        What the signers call the model; without a name of theirs, what the file was called.
    created : datetime, optional
        When it was last signed, where the signers say it.
    metadata : mapping of str to str
        The first signer's own words.
    """

    manifest: Manifest = field(init=False, repr=False, compare=False)  # never set: there is none
    files: tuple[SignedFile, ...]
    left_out: tuple[str, ...]
    unknown: tuple[str, ...]
    signature: str
    name: str
    version: str
    created: datetime.datetime | None
    metadata: Mapping[str, str]

    def __getattr__(self, name: str) -> Any:
        if name == "manifest":
            raise AttributeError("a detached signature has no manifest: see files, name, version")
        raise AttributeError(f"VerifiedFiles has no attribute {name!r}")


@keeps_nothing
def verify(
    path: StrPath,
    *,
    keyring: Keyring | None = None,
    policy: Policy | None = None,
    signature: StrPath | None = None,
    roots: Roots | None = None,
    leave_out: Iterable[str] = (),
    progress: Progress | None = None,
) -> Verified:
    """Verify a signed artifact, or a file or folder with its signature beside it.

    Nothing of a payload is interpreted.

    Parameters
    ----------
    path : str or path-like
        A signed artifact; else any file or folder, signed by `sign` or by ``model_signing``.
    keyring : Keyring, optional
        The keys whose word counts.  Default: the ring that the environment names.
    policy : Policy, optional
        What is accepted.  Default: :meth:`Policy.default`.
    signature : str or path-like, optional
        The signature file, if it is not the path with ``.sig`` added.
    roots : Roots, optional
        Authorities, for signatures that come with a chain of certificates.
    leave_out : iterable of str
        Places of a folder that its signers left out and that no program loads from, whatever lies
        there.  What they signed cannot be left out.
    progress : callable, optional
        Called with bytes read so far and bytes in all; of a folder, from several threads.

    Returns
    -------
    Verified
        Manifest, signers and artifact id; of files and folders a :class:`VerifiedFiles`, which
        lists what is signed.

    Raises
    ------
    FormatError, VerificationError, PolicyError
        As :func:`load`, for everything that shows before a payload is opened.
    NotAnArtifactError
        If it is neither an artifact nor has a signature beside it; of a folder, its subclass
        UnreadableFileError.
    UnsafeFolderError
        If a folder holds more, less or other files than were signed, symlinks, or what a program
        could load from outside of the signature; each case is a class of its own.
    """
    chosen = Policy.default() if policy is None else policy
    if os.path.isdir(path):  # noqa: PTH112 - False, and no error, where the path has a NUL
        place = signature_path(path) if signature is None else signature
        if signature is None and not os.path.lexists(place):
            raise UnreadableFileError(
                f"{display(path)} is a folder without a signature {display(place)}", hint=_ASK
            )
        claim = claims.read(place, _ring(keyring, roots), roots)
        return _verify_folder(
            path, place, claim, policy=chosen, leave_out=leave_out, progress=progress
        )
    with open_regular(path) as source:
        place = signature_path(path) if signature is None else signature
        if signature is None and (sniffing.is_artifact(source) or not os.path.lexists(place)):
            from safeserial.artifact import loading

            with naming_signature(path):
                return loading.verify_source(source, keyring, chosen, progress)
        claim = claims.read(place, _ring(keyring, roots), roots)
        return _verify_file(source, path, place, claim, policy=chosen, progress=progress)


def read_signed(
    source: FileSource, path: StrPath, ring: Keyring, policy: Policy, progress: Progress | None
) -> Payload | None:
    """Read a plain model file that has its signature beside it: once, into private memory.

    Parameters
    ----------
    source : FileSource
        The file, opened; it is not opened again.
    path : str or path-like
        Where it stands.
    ring : Keyring
        The keys whose word counts.
    policy : Policy
        What is accepted.
    progress : callable, optional
        As in :func:`verify`.

    Returns
    -------
    Payload
        The verified bytes; None if it is an artifact, or no signature stands beside it.

    Raises
    ------
    FormatError, VerificationError, PolicyError
        As :func:`verify`.
    """
    place = signature_path(path)
    if sniffing.is_artifact(source) or not os.path.lexists(place):
        return None
    claim = claims.read(place, ring)
    claim.require_agreement()
    payload = _payload(matching.received(source, claim, path, policy, progress))
    claim.weigh(policy, _format_for(policy, claim, payload))
    return payload


@contextlib.contextmanager
def naming_signature(path: StrPath) -> Iterator[None]:
    """Say of a file that is no artifact that no signature stands beside it either."""
    try:
        yield
    except NotAnArtifactError as error:
        if type(error) is not NotAnArtifactError:
            raise
        beside = display(signature_path(path))
        raise NotAnArtifactError(
            f"{error}, and there is no signature {beside}", hint=_ASK
        ) from None


def signature_path(path: StrPath) -> Path:
    """Return where the signature of a file or folder stands: beside it, with ``.sig`` added.

    Raises
    ------
    UnreadableFileError
        If nothing can stand beside it.
    """
    place = Path(path)
    if place.name in {"", ".."}:
        place = place.resolve()
    if not place.name:
        raise UnreadableFileError(f"nothing can stand beside {display(path)}")
    return place.with_name(f"{place.name}.sig")


def _verify_file(
    source: FileSource,
    path: StrPath,
    place: StrPath,
    claim: Claim,
    *,
    policy: Policy,
    progress: Progress | None,
) -> VerifiedFiles:
    resource = matching.resource_of(claim, path)
    if any(rule.formats is not None for rule in policy.signers):
        # A rule asks what is in the file, and only the file can say.
        memory = matching.received(source, claim, path, policy, progress)
        signers = claim.weigh(policy, _kind(memory, claim, policy))
    else:
        signers = claim.weigh(policy, FILE)
        matching.require_size(source.size, resource, policy)
        found = matching.digests_of(source, path, claim.algorithms, progress)
        matching.require_digests(found, claim)
    name = os.path.basename(os.path.abspath(path))  # noqa: PTH100, PTH119 - resolves no symlink
    signed = SignedFile(name, source.size, f"{claim.algorithms[0]}:{resource.digest}")
    return _verified(claim, signers, (signed,), (), place)


def _verify_folder(
    path: StrPath,
    place: StrPath,
    claim: Claim,
    *,
    policy: Policy,
    leave_out: Iterable[str],
    progress: Progress | None,
) -> VerifiedFiles:
    signers = claim.weigh(policy, FOLDER)
    with Tree(path) as tree:
        found = matching.match_folder(
            tree, claim, leave_out=leave_out, policy=policy, progress=progress
        )
    algorithm = claim.algorithms[0]
    files = tuple(
        SignedFile(one.name, found.files[one.name].size, f"{algorithm}:{one.digest}")
        for one in claim.resources
    )
    return _verified(claim, signers, files, tuple(found.left_out), place)


def _verified(
    claim: Claim,
    signers: tuple[SignedBy, ...],
    files: tuple[SignedFile, ...],
    left_out: tuple[str, ...],
    place: StrPath,
) -> VerifiedFiles:
    return VerifiedFiles(
        signers=signers,
        artifact_id=claim.content_id,
        files=files,
        left_out=left_out,
        unknown=claim.unknown,
        signature=os.fspath(place),
        name=claim.name,
        version=claim.version,
        created=claim.created,
        metadata=claim.metadata,
    )


def _payload(memory: memoryview) -> Payload:
    found = sniffing.foreign_payload(memory) or sniffing.legacy_payload(memory)
    return dataclasses.replace(found, signed=True)


def _kind(memory: memoryview, claim: Claim, policy: Policy) -> str:
    try:
        payload = _payload(memory)
    except NotAnArtifactError:
        return FILE
    is_pickle = bytes(memory[-1:]) == b"." or bytes(memory[:6]).startswith(_COMPRESSED)
    if payload.format == "joblib" and not is_pickle:
        return FILE
    return _format_for(policy, claim, payload)


def _format_for(policy: Policy, claim: Claim, payload: Payload) -> str:
    """Return the format to ask the policy about; an ordinary pickle goes for either of two."""
    if payload.format != "joblib":
        return payload.format
    rules = [rule for rule in policy.signers if rule.fits(claim.name)]
    for name in ("joblib", "pickle"):
        listed = all(rule.formats is None or name in rule.formats for rule in rules)
        if listed and name in policy.formats:
            return name
    return "joblib"


def _ring(keyring: Keyring | None, roots: Roots | None) -> Keyring:
    if keyring is None:
        return Keyring.from_env() if roots is None else Keyring()
    if not isinstance(keyring, Keyring):
        raise KeyringError(f"not a Keyring: {type(keyring).__name__}", hint="Keyring([key])")
    return keyring
