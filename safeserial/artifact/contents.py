# SPDX-License-Identifier: BSD-3-Clause
"""What there is to sign: the files of a place with their digests, as read or as others signed them.

Floor 6.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safeserial.artifact import matching
from safeserial.artifact.claims import Claim
from safeserial.artifact.matching import Progress
from safeserial.detached import hashing, leaving_out, names
from safeserial.detached.hashing import Digests
from safeserial.detached.statement import Resource
from safeserial.detached.tree import Tree, relative
from safeserial.errors import PolicyError, UnreadableFileError
from safeserial.files import StrPath, display, open_regular


@dataclass(frozen=True)
class Contents:
    """What is signed.

    Parameters
    ----------
    sizes : mapping of str to (int or None)
        Name to bytes, where they are known.
    digests : mapping of str to mapping
        Name to digests by algorithm.
    ignored : tuple of str
        Places that are left out.
    """

    sizes: Mapping[str, int | None]
    digests: Mapping[str, Digests]
    ignored: tuple[str, ...]

    def resources(self, algorithm: str) -> tuple[Resource, ...]:
        """Return the files with digests of one algorithm."""
        return tuple(
            Resource(name, values[algorithm], self.sizes[name])
            for name, values in self.digests.items()
        )

    def agrees(self, claim: Claim) -> bool:
        """Say whether these are the files that were verified."""
        return all(
            {one.name: one.digest for one in claim.listed(algorithm)}
            == {name: values[algorithm] for name, values in self.digests.items()}
            for algorithm in claim.algorithms
        )

    @classmethod
    def signed(cls, claim: Claim) -> Contents:
        """Return the files as others signed them."""
        listed = {algorithm: claim.listed(algorithm) for algorithm in claim.algorithms}
        digests: dict[str, Digests] = {}
        for algorithm, resources in listed.items():
            for one in resources:
                digests.setdefault(one.name, {})[algorithm] = one.digest
        sizes = {one.name: one.size for one in claim.resources}
        return cls(sizes, digests, claim.ignored)

    @classmethod
    def read(
        cls,
        path: StrPath,
        place: Path,
        leave_out: tuple[str, ...],
        algorithms: tuple[str, ...],
        progress: Progress | None,
    ) -> Contents:
        """Read a file or folder; `place` is where its signature will stand."""
        if not os.path.isdir(path):  # noqa: PTH112 - False, and no error, where it has a NUL
            if leave_out:
                raise PolicyError("only of a folder can something be left out")
            with open_regular(path) as source:
                found = matching.digests_of(source, path, algorithms, progress)
                return cls({names.SELF: source.size}, {names.SELF: found}, names.GIT_NAMES)
        for one in leave_out:
            names.check(one)
        inside = relative(place, path)
        # Written into the folder, it would be a file that nobody signed.
        known = (*leave_out, inside) if inside else leave_out
        ignored = tuple(dict.fromkeys((*names.GIT_NAMES, *known)))
        with Tree(path) as tree:
            listing = leaving_out.listing(tree, ignored, known)
            if not listing.files:
                raise UnreadableFileError(
                    f"there is no file in {display(path)}", hint="an empty folder is not signed"
                )
            report = hashing.Counter(progress, leaving_out.sizes(listing.files.values()))
            digests = hashing.digests(tree, listing.files.values(), algorithms, report)
            matching.require_same(tree, listing, ignored, None)
        return cls({one.name: one.size for one in listing.files.values()}, digests, ignored)
