# SPDX-License-Identifier: BSD-3-Clause
"""Sign any file or folder: the signature stands beside it, one line a signer.

Floor 6.  The signed file is only ever read.  Of a signature file, a signer changes his own line.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from safeserial.artifact import claims, matching, verifying
from safeserial.artifact.boundary import keeps_nothing
from safeserial.artifact.contents import Contents
from safeserial.artifact.matching import Progress
from safeserial.artifact.verifying import VerifiedFiles
from safeserial.detached import bundle as bundles
from safeserial.detached import names, signatures, statement
from safeserial.detached.bundle import Bundle
from safeserial.detached.statement import Statement
from safeserial.errors import (
    ChangedMeanwhileError,
    DigestMismatchError,
    FormatError,
    KeyringError,
    PolicyError,
)
from safeserial.files import StrPath, atomic_write, display, folder_lock
from safeserial.keyring import KeyEntry, Keyring
from safeserial.policy import Policy
from safeserial.signer_rules import SignedBy
from safeserial.transfer import write_all

if TYPE_CHECKING:
    from safeserial.detached.certificates import Roots

Others = Literal["keep", "drop"]
_MOST: Final = 16


@keeps_nothing
def sign(
    path: StrPath,
    *,
    keyring: Keyring | None = None,
    signature: StrPath | None = None,
    name: str = "",
    version: str = "",
    metadata: Mapping[str, str] | None = None,
    leave_out: Iterable[str] = (),
    others: Others = "keep",
    progress: Progress | None = None,
) -> Path:
    """Sign a file or folder, whatever it holds; the signature stands beside it.

    With an EC key the signature is one that ``model_signing verify key`` accepts.

    Parameters
    ----------
    path : str or path-like
        A file, or a folder with all that is in it.
    keyring : Keyring, optional
        Its active key signs.  Default: the ring that the environment names.
    signature : str or path-like, optional
        Where to write.  Default: the path with ``.sig`` added.
    name, version : str
        What the model is called; signed with it.
    metadata : mapping of str to str, optional
        The signer's own words; signed with it.
    leave_out : iterable of str
        Places of a folder that are no part of the model.  ``.git``, ``.github``, ``.gitignore`` and
        ``.gitattributes`` are left out always.  The signature says so.
    others : {"keep", "drop"}, default="keep"
        What to do with signatures of other keys that are there already.
    progress : callable, optional
        Called with bytes read so far and bytes in all; of a folder, from several threads.

    Returns
    -------
    Path
        The signature file.

    Raises
    ------
    KeyringError, RetiredKeyError, KeyNotYetValidError
        If there is no active key that may sign today.
    DigestMismatchError
        If a signature of another key is there, of another content: it would become wrong.
    PolicyError
        If an argument is none that can be signed.
    UnsafeFolderError, FormatError
        If the folder holds what no signature can describe, or what stands in the place of the
        signature file is none.
    WriteFailedError
        If it cannot be written.
    """
    entry = _signing_entry(keyring)
    place = verifying.signature_path(path) if signature is None else Path(signature)
    if _is_same(place, path):
        raise PolicyError(
            f"the signature would take the place of {display(path)}", hint="give another name"
        )
    if others not in {"keep", "drop"}:
        raise PolicyError(f"others is keep or drop, not {others!r}"[:120])
    words = dict(metadata or {})
    try:
        statement.check_facts(name, version, words)
    except FormatError as error:
        raise PolicyError(str(error)) from None
    algorithm = signatures.algorithm_for(entry.key, Path(path))
    algorithms = _algorithms(place, entry, algorithm, others)
    files = Contents.read(path, place, matching.places(leave_out), algorithms, progress)
    said = Statement(
        subject=_own_name(path),
        resources=files.resources(algorithm),
        algorithm=algorithm,
        ignored=files.ignored,
        created=_now(),
        name=name,
        version=version,
        metadata=words,
    )
    _write(place, entry, said, files if others == "keep" else None)
    return place


@keeps_nothing
def approve(
    path: StrPath,
    *,
    keyring: Keyring | None = None,
    signature: StrPath | None = None,
    roots: Roots | None = None,
    leave_out: Iterable[str] = (),
    fits: Callable[[VerifiedFiles], None] | None = None,
    progress: Progress | None = None,
) -> VerifiedFiles:
    """Add a signature to those of others, after these and the files were verified.

    What is signed is what the first of them signed: the same files, name, version and metadata.

    Parameters
    ----------
    path, keyring, signature, progress
        As in :func:`sign`; the ring also has the keys of those who signed before.
    roots, leave_out
        As in :func:`verify`.
    fits : callable, optional
        Given what was verified before anything is signed; raises to refuse.

    Returns
    -------
    VerifiedFiles
        With all signers that count, the new one last.

    Raises
    ------
    VerificationError
        If nobody signed whose word counts, or the files are not as they were signed.
    KeyringError, WriteFailedError
        As :func:`sign`.
    """
    ring = Keyring.from_env() if keyring is None else keyring
    entry = _signing_entry(ring)
    place = verifying.signature_path(path) if signature is None else Path(signature)
    verified = verifying.verify(
        path,
        keyring=ring,
        policy=Policy.default(),
        signature=place,
        roots=roots,
        leave_out=leave_out,
        progress=progress,
    )
    assert isinstance(verified, VerifiedFiles)  # noqa: S101 - as a signature file was named
    if fits is not None:
        fits(verified)
    first = claims.read(place, ring, roots)
    if first.content_id != verified.artifact_id:
        raise ChangedMeanwhileError(f"{display(place)} changed while it was verified")
    files = Contents.signed(first)
    algorithm = signatures.algorithm_for(entry.key, Path(path))
    if algorithm not in first.algorithms:
        inside = [one for one in first.ignored if one not in names.GIT_NAMES]
        again = Contents.read(path, place, tuple(inside), (*first.algorithms, algorithm), progress)
        if not again.agrees(first):
            raise ChangedMeanwhileError(f"{display(path)} changed while it was verified")
        files = again
    said = dataclasses.replace(
        first.checked[0].statement,
        resources=files.resources(algorithm),
        algorithm=algorithm,
        created=_now(),
    )
    _write(place, entry, said, files)
    voice = SignedBy(entry.key_id, entry.key.algorithm, entry.principal, entry.roles)
    others = tuple(one for one in verified.signers if one.key_id != entry.key_id)
    return dataclasses.replace(verified, signers=(*others, voice), created=said.created)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def _write(place: Path, entry: KeyEntry, said: Statement, files: Contents | None) -> None:
    made = signatures.sign(entry.key, said)
    with folder_lock(place):
        kept = () if files is None else _kept(place, entry, files)
        with atomic_write(place) as stream:
            write_all(stream, bundles.join((*kept, made)))


def _is_same(place: Path, path: StrPath) -> bool:
    try:
        return place.samefile(path)
    except (OSError, ValueError):  # one of them is not there
        return False


def _signing_entry(keyring: Keyring | None) -> KeyEntry:
    ring = Keyring.from_env() if keyring is None else keyring
    if not isinstance(ring, Keyring):
        raise KeyringError(f"not a Keyring: {type(ring).__name__}", hint="Keyring([key])")
    entry = ring.active
    entry.require_valid(datetime.datetime.now(datetime.UTC))
    return entry


def _own_name(path: StrPath) -> str:
    name = os.path.basename(os.path.abspath(path))  # noqa: PTH100, PTH119 - resolves no symlink
    names.check(name)
    return name


def _algorithms(place: Path, entry: KeyEntry, algorithm: str, others: Others) -> tuple[str, ...]:
    """Return what to hash with: as is wanted now, and as those did who signed before."""
    wanted = {algorithm}
    if others == "keep":
        wanted |= {said.algorithm for _, said in _others(place, entry)}
    return tuple(sorted(wanted))


def _others(place: Path, entry: KeyEntry) -> list[tuple[Bundle, Statement]]:
    """Read the bundles of other keys, to be compared with and believed in nothing.

    Most are of keys that a signer has not got.
    """
    if not os.path.lexists(place):
        return []
    try:
        there = bundles.split(claims.read_bytes(place)[0])
        return [
            (one, signatures.said_in(one)) for one in there if not signatures.is_of(one, entry.key)
        ]
    except FormatError as error:
        raise PolicyError(
            f"what stands at {display(place)} is not to be lost: {error}",
            hint="move it away, or write elsewhere: signature=, --signature",
        ) from None


def _kept(place: Path, entry: KeyEntry, files: Contents) -> tuple[Bundle, ...]:
    """Return the bundles of other keys, all of which must be of what is signed now."""
    there = _others(place, entry)
    stale = [
        one
        for one, said in there
        if said.digests
        != {name: values.get(said.algorithm) for name, values in files.digests.items()}
    ]
    if stale:
        makers = ", ".join(signatures.claimed(one) for one in stale[:_MOST])
        raise DigestMismatchError(
            f"{display(place)} holds signatures of another content, by {makers}",
            hint="to throw them away: others='drop', on the command line --drop-others",
        )
    return tuple(one for one, _ in there)
