# SPDX-License-Identifier: BSD-3-Clause
"""Hold files and folders against what was signed: the same names, sizes and bytes, or a refusal.

Floor 6.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence

from safeserial import transfer
from safeserial.artifact.claims import Claim
from safeserial.detached import hashing, leaving_out, names
from safeserial.detached.hashing import Digests
from safeserial.detached.statement import Resource
from safeserial.detached.tree import Listing, Own, Tree, relative, stamp_of
from safeserial.digests import Digest
from safeserial.errors import (
    AddedFilesError,
    ChangedFilesError,
    ChangedMeanwhileError,
    DigestMismatchError,
    LimitExceededError,
    PolicyError,
    RemovedFilesError,
    SafeSerialError,
)
from safeserial.files import FileSource, StrPath, display
from safeserial.policy import Policy

Progress = Callable[[int, int], None]
_SHOWN = 5


def resource_of(claim: Claim, path: StrPath) -> Resource:
    """Return the one signed file of a signature that covers a single file.

    Parameters
    ----------
    claim : Claim
        What the signers say.
    path : str or path-like
        Where the file stands: Model Signing calls it ``.``, its specification by its name.

    Raises
    ------
    DigestMismatchError
        If a signature is of a folder, or of a file of another name.
    """
    own = os.path.basename(os.path.abspath(path))  # noqa: PTH100, PTH119 - resolves no symlink
    for resources in map(claim.listed, claim.algorithms):
        if len(resources) != 1 or resources[0].name not in {names.SELF, own}:
            count = "a folder" if len(resources) != 1 else f"a file {display(resources[0].name)}"
            raise DigestMismatchError(
                f"the signature is of {count}, not of {display(path)}",
                hint="give the folder itself, or ask the sender for a signature of the file",
            )
    return claim.resources[0]


def digests_of(
    source: FileSource, path: StrPath, algorithms: Sequence[str], progress: Progress | None
) -> Digests:
    """Return the digests of an open file.

    Raises
    ------
    ChangedMeanwhileError
        If it changes while it is read.
    """
    before = stamp_of(source.facts())
    try:
        found = hashing.of_source(source, algorithms, hashing.Counter(progress, source.size))
    except OSError:
        raise
    except SafeSerialError:  # it ended early
        found = {}
    if not found or stamp_of(source.facts()) != before:
        raise ChangedMeanwhileError(f"{display(path)} changed while it was read")
    return found


def received(
    source: FileSource, claim: Claim, path: StrPath, policy: Policy, progress: Progress | None
) -> memoryview:
    """Read a signed file into private memory, hashing what was read.

    Raises
    ------
    ChangedFilesError
        If it is not the signed one.
    LimitExceededError
        If it is larger than the policy allows, or than memory.
    """
    require_size(source.size, resource_of(claim, path), policy)
    try:
        memory = transfer.private_memory(source.size)
    except MemoryError:
        raise LimitExceededError(f"there is not enough memory for {source.size} bytes") from None
    report = hashing.Counter(progress, source.size)
    first, *others = claim.algorithms
    found = {first: transfer.receive(source, memory, first, report)}
    found |= {other: Digest.of(memory, other).value for other in others}
    require_digests(found, claim)
    return memory


def require_size(size: int, resource: Resource, policy: Policy) -> None:
    """Refuse a file that is too large, or not as large as it was signed, before it is read."""
    if size > policy.limits.file_size:
        raise LimitExceededError(
            f"the file has {size} bytes; the policy allows {policy.limits.file_size}"
        )
    if resource.size is not None and size != resource.size:
        raise _changed([resource.name], f": it has {size} bytes, and had {resource.size}")


def require_digests(found: Digests, claim: Claim) -> None:
    """Refuse a single file of another content than any of its signers had."""
    for algorithm in claim.algorithms:
        resource = claim.listed(algorithm)[0]
        if found[algorithm] != resource.digest:
            raise _changed([resource.name])


def match_folder(
    tree: Tree,
    claim: Claim,
    *,
    leave_out: Iterable[str],
    policy: Policy,
    progress: Progress | None,
) -> Listing:
    """Hold an open folder against the signed files.

    Parameters
    ----------
    tree : Tree
        The folder.
    claim : Claim
        What the signers say.
    leave_out : iterable of str
        What the caller says that no program loads from.
    policy : Policy
        Its limits.
    progress : callable, optional
        Called with bytes done and bytes in all.

    Returns
    -------
    Listing
        What the folder holds: exactly the signed files, and what is left out.

    Raises
    ------
    AddedFilesError, RemovedFilesError, ChangedFilesError
        If it holds more, less or other files.
    ChangedMeanwhileError
        If it changes while it is read.
    UnsafeFolderError, LimitExceededError
        As :func:`safeserial.detached.leaving_out.listing`.
    """
    inside = relative(claim.place, tree.path)
    own = (inside, claim.own) if inside else None
    found = leaving_out.listing(tree, claim.ignored, places(leave_out), own)
    signed = {name: {one.name: one for one in claim.listed(name)} for name in claim.algorithms}
    for expected in signed.values():
        require_names(expected, found)
        for name, file in found.files.items():
            require_size(file.size, expected[name], policy)
    report = hashing.Counter(progress, leaving_out.sizes(found.files.values()))
    digests = hashing.digests(tree, found.files.values(), claim.algorithms, report)
    wrong = {
        name
        for algorithm, expected in signed.items()
        for name, values in digests.items()
        if values[algorithm] != expected[name].digest
    }
    if wrong:
        raise _changed(sorted(wrong))
    require_same(tree, found, claim.ignored, own)
    return found


def places(leave_out: Iterable[str]) -> tuple[str, ...]:
    """Return the places that a caller names.

    Raises
    ------
    PolicyError
        If it is a single text: its letters would be the places.
    """
    if isinstance(leave_out, str):
        raise PolicyError("leave_out is a list of places", hint="leave_out=['cache']")
    return tuple(leave_out)


def require_names(expected: Iterable[str], found: Listing) -> None:
    """Refuse a folder with more files than were signed, or fewer."""
    signed = set(expected)
    if added := sorted(set(found.files) - signed):
        raise AddedFilesError(f"files that nobody signed: {_some(added)}", names=added)
    if removed := sorted(signed - set(found.files)):
        raise RemovedFilesError(f"signed files that are missing: {_some(removed)}", names=removed)


def require_same(tree: Tree, before: Listing, places: Iterable[str], own: Own | None) -> None:
    """Refuse a folder that is not as it was listed before its files were read."""
    changed = leaving_out.found_again(before, tree.listing(places, own))
    if changed:
        raise ChangedMeanwhileError(
            f"the folder changed while it was read: {_some(changed)}", names=changed
        )


def _changed(listed: Sequence[str], why: str = "") -> ChangedFilesError:
    shown = "the file" if list(listed) == [names.SELF] else _some(listed)
    return ChangedFilesError(f"{shown} is not as it was signed{why}", names=tuple(listed))


def _some(listed: Sequence[str]) -> str:
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(map(display, listed[:_SHOWN])) + more
