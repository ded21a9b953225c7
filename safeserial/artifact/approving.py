# SPDX-License-Identifier: BSD-3-Clause
"""A second person's signature: what the first one signed stays as it is, byte for byte.

Floor 6.  What is there is verified first, to the last byte.  An artifact is copied while it is
verified, into a file that takes the old one's place in one step, the new signature in the reserved
room; of other files and folders the signature file gets one line more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from safeserial import container, envelope, manifest
from safeserial.artifact import detaching, loading, sniffing
from safeserial.artifact.boundary import keeps_nothing
from safeserial.artifact.trust import SignedBy, Verified, accept
from safeserial.artifact.verifying import naming_signature, signature_path
from safeserial.container import Entry
from safeserial.envelope import Envelope, Signature
from safeserial.errors import (
    DigestMismatchError,
    KeyringError,
    LimitExceededError,
    PolicyError,
    SafeSerialError,
    WriteFailedError,
)
from safeserial.files import Source, StrPath, atomic_write, display, folder_lock, open_regular
from safeserial.keyring import KeyEntry, Keyring
from safeserial.keys import PURPOSE_ARTIFACT
from safeserial.manifest import Member
from safeserial.policy import Policy
from safeserial.signer_rules import DEFAULT_RULES
from safeserial.signing import signer
from safeserial.transfer import PIECE, Checksums, write_all

Progress = Callable[[int, int], None]
_NEEDS_A_PAIR: Final = (
    "make one with: safeserial keys new --algorithm ed25519; give its public half to the receivers"
)


@keeps_nothing
def approve(
    path: StrPath,
    *,
    keyring: Keyring | None = None,
    policy: Policy | None = None,
    signature: StrPath | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Add the signature of a further person to what is signed already.

    Parameters
    ----------
    path : str or path-like
        An artifact, replaced in one step by one that differs in its list of signatures alone; or a
        file or folder with its signature file, which gets a line more.
    keyring : Keyring, optional
        Its active key signs; it also has to have the key of whoever signed before.  Default:
        the ring that the environment names.
    policy : Policy, optional
        What is accepted of an artifact.  Its rules on signers are not held against it: more
        signatures may be to come.
    signature : str or path-like, optional
        The signature file of another file or a folder.  Default: the path with ``.sig`` added.
    progress : callable, optional
        Called with bytes copied so far and bytes in all.

    Returns
    -------
    Verified
        With all signers that count, the new one last.  A file that the key has signed already is
        left alone.

    Raises
    ------
    FormatError, VerificationError
        As :func:`safeserial.load`: what is not in order is not approved.
    PolicyError
        Likewise, and if the same principal has signed already with another key.
    KeyringError
        If there is no active key, it is a shared secret, or it may not sign today.
    LimitExceededError
        If there is no room for one more signature.
    WriteFailedError
        If the file cannot be written; the old one is untouched.

    Examples
    --------
    >>> import safeserial as ss
    >>> alice, bob = ss.Ed25519Key.generate(), ss.Ed25519Key.generate()
    >>> _ = ss.dump([1, 2], "model.safeserial", keyring=ss.Keyring([alice]))
    >>> both = ss.approve("model.safeserial", keyring=ss.Keyring([bob, alice.public]))
    >>> [signer.key_id for signer in both.signers] == [alice.key_id, bob.key_id]
    True
    """
    ring = Keyring.from_env() if keyring is None else keyring
    if not isinstance(ring, Keyring):
        raise KeyringError(f"not a Keyring: {type(ring).__name__}", hint="Keyring([key])")
    approver = _approver(ring)
    if signature is not None or _is_detached(path):
        return detaching.approve(
            path,
            keyring=ring,
            signature=signature,
            fits=lambda verified: _require_another(approver, verified.signers),
            progress=progress,
        )
    chosen = (Policy.default() if policy is None else policy).with_signers(DEFAULT_RULES)
    with folder_lock(path), open_regular(path) as source, naming_signature(path):
        if source.size > chosen.limits.file_size:
            raise LimitExceededError(f"the file has {source.size} bytes, over the limit")
        front = loading.read_envelope(source)
        before = accept(front, ring, chosen)
        approver.require_valid(
            before.manifest.created_at, what=", before or after the artifact was made"
        )
        _require_another(approver, before.signers)
        if any(one.key_id == approver.key_id for one in front.signatures):
            loading.read_payload(source, front, before.manifest, progress, keep=False)
            return before
        after = Envelope(front.body, (*front.signatures, _signed(approver, front)))
        with atomic_write(path) as target, _blaming(path):
            _copy(source, target, (front, after), before.manifest.members, progress)
    voice = SignedBy(approver.key_id, approver.key.algorithm, approver.principal, approver.roles)
    return dataclasses.replace(before, signers=(*before.signers, voice))


def _is_detached(path: StrPath) -> bool:
    """Say whether the signatures stand beside the file or folder."""
    if os.path.isdir(path):  # noqa: PTH112 - False, and no error, where the path has a NUL
        return True
    with open_regular(path) as source:
        return not sniffing.is_artifact(source) and os.path.lexists(signature_path(path))


def _approver(ring: Keyring) -> KeyEntry:
    """Return the active entry of a ring, if its word can be somebody's own."""
    approver = ring.active
    if approver.published() is None:
        raise KeyringError(
            f"key {approver.key_id} is a shared secret: whoever can verify could have approved",
            hint=_NEEDS_A_PAIR,
        )
    approver.require_valid(manifest.moment(manifest.now()))
    return approver


def _require_another(approver: KeyEntry, signers: tuple[SignedBy, ...]) -> None:
    """Refuse a second signature of one principal: it would not be a second opinion."""
    for one in signers:
        same = one.principal is not None and one.principal == approver.principal
        if same and one.key_id != approver.key_id:
            raise PolicyError(
                f"{one.principal} has signed the file already, with key {one.key_id}",
                hint="an approval is a second person's; let somebody else look at the file",
            )


def _signed(approver: KeyEntry, front: Envelope) -> Signature:
    value = signer(approver.key, PURPOSE_ARTIFACT).sign(front.signed_bytes)
    return Signature(approver.key_id, value)


@contextlib.contextmanager
def _blaming(path: StrPath) -> Iterator[None]:
    """Call it a failed write if the disk is full, though the file is also being read."""
    try:
        yield
    except OSError as error:
        if isinstance(error, SafeSerialError):
            raise
        raise WriteFailedError(f"cannot write {display(path)}: {error.strerror}") from error


def _copy(
    source: Source,
    target: BinaryIO,
    fronts: tuple[Envelope, Envelope],
    members: tuple[Member, ...],
    progress: Progress | None,
) -> None:
    """Copy what follows the front, comparing every byte with what the manifest says of it."""
    blobs = [envelope.pack_signatures(len(one.body), one.signatures) for one in fronts]
    body = fronts[0].body
    entries = [Entry(one.path, one.size, int(one.crc32, 16)) for one in members]
    old, new = (
        container.layout([*container.front_entries(blob, body), *entries]) for blob in blobs
    )
    write_all(target, container.front_bytes(blobs[1], body))
    total, done = sum(one.size for one in members), 0
    room = memoryview(bytearray(min(PIECE, max(1, total))))
    for index in container.read_members(source, old):
        write_all(target, new.headers[index + 2])
        sums, left = Checksums(members[index].digest.partition(":")[0]), members[index].size
        while left:
            piece = room[: min(left, len(room))]
            source.read_into(piece)
            sums.update(piece)
            write_all(target, piece)
            left -= len(piece)
            done += len(piece)
            if progress is not None:
                progress(done, total)
        if sums.digest != members[index].digest:
            raise DigestMismatchError(f"{members[index].path} is not what the manifest says")
    write_all(target, new.tail)
