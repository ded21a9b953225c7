# SPDX-License-Identifier: BSD-3-Clause
"""What the signers of a file or folder say together, and whether they are enough.

Floor 6.  Several bundles stand side by side, each over a statement of its own.  They count together
only if they say the same of the same files.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from safeserial import signer_rules, strictjson
from safeserial.artifact.trust import weigh
from safeserial.detached import bundle, signatures
from safeserial.detached.bundle import MAX_SIGNATURE_FILE
from safeserial.detached.certificates import Roots
from safeserial.detached.names import SELF
from safeserial.detached.signatures import Checked
from safeserial.detached.statement import BLAKE3, SHA256, Resource
from safeserial.detached.tree import Stamp, stamp_of
from safeserial.digests import sha256_hex
from safeserial.errors import (
    DigestMismatchError,
    LimitExceededError,
    MissingFileError,
    PolicyError,
    UnsignedError,
)
from safeserial.files import StrPath, display, open_regular
from safeserial.keyring import Keyring
from safeserial.policy import Policy
from safeserial.signer_rules import Facts, SignedBy

FILE: Final = "file"  # formats of what is signed without being looked at
FOLDER: Final = "folder"


@dataclass(frozen=True)
class Claim:
    """A signature file whose known signatures are right; the files themselves were not read.

    Parameters
    ----------
    checked : tuple of Checked
        At least one.
    unknown : tuple of str
        Whom the bundles that nobody here can check call their makers.
    place : str
        Path of the signature file.
    own : tuple of int
        Its device and inode.
    """

    checked: tuple[Checked, ...]
    unknown: tuple[str, ...]
    place: str
    own: Stamp

    @property
    def algorithms(self) -> tuple[str, ...]:
        """What the signers hashed files with; SHA-256 first, where one of them did."""
        used = {one.statement.algorithm for one in self.checked}
        return tuple(one for one in (SHA256, BLAKE3) if one in used)

    @property
    def resources(self) -> tuple[Resource, ...]:
        """The signed files, with digests of the first algorithm."""
        return self.listed(self.algorithms[0])

    def listed(self, algorithm: str) -> tuple[Resource, ...]:
        """Return the signed files as those say who hashed them with an algorithm."""
        return next(
            one.statement.resources for one in self.checked if one.statement.algorithm == algorithm
        )

    @property
    def ignored(self) -> tuple[str, ...]:
        """What all signers left out, in order of names."""
        common = set(self.checked[0].statement.ignored)
        for one in self.checked[1:]:
            common &= set(one.statement.ignored)
        return tuple(sorted(common))

    @property
    def name(self) -> str:
        """What the model is called: by its signers, or else by the file that they signed."""
        said = self.checked[0].statement
        return said.name or said.subject

    @property
    def version(self) -> str:
        """The model's version, ``""`` where the signers give none."""
        return self.checked[0].statement.version

    @property
    def metadata(self) -> Mapping[str, str]:
        """The first signer's own words."""
        return self.checked[0].statement.metadata

    @property
    def created(self) -> datetime.datetime | None:
        """When it was last signed, None where no signer says."""
        dates = [one.statement.created for one in self.checked]
        return max((date for date in dates if date is not None), default=None)

    @property
    def content_id(self) -> str:
        """SHA-256 over the names and digests of all files: two contents have two."""
        listed = {one.name: one.digest for one in self.resources}
        if len(listed) == 1:
            listed = {SELF: self.resources[0].digest}
        return sha256_hex(strictjson.encode([self.algorithms[0], sorted(listed.items())]))

    def weigh(self, policy: Policy, kind: str) -> tuple[SignedBy, ...]:
        """Return whose signatures count, or refuse where they are not enough.

        Parameters
        ----------
        policy : Policy
            Its rules on signers, and its formats.
        kind : str
            Format of a model file, or ``file`` or ``folder`` where it was not looked into.

        Raises
        ------
        VerificationError, PolicyError
            As :func:`safeserial.artifact.trust.weigh`.
        DigestMismatchError
            If the signers speak of different contents.
        """
        if kind in {FILE, FOLDER}:
            policy = dataclasses.replace(policy, formats=(*policy.formats, kind))
        entries = [one.entry for one in self.checked]
        facts = Facts(
            format=kind, created=self.created, name=self.name, version=self.version or None
        )
        now = datetime.datetime.now(datetime.UTC)
        signers = weigh(entries, facts, policy, now=now)
        for one in self.checked:
            if one.statement.created is not None:
                one.entry.require_dates(one.statement.created, what=", not when it signed this")
        self.require_agreement()
        # The rules ask for the model's age, and a second person's signature makes nothing younger.
        oldest = dataclasses.replace(facts, created=self._oldest())
        signer_rules.check(policy.signers, signers, oldest, now=now)
        return signers

    def _oldest(self) -> datetime.datetime | None:
        dates = [one.statement.created for one in self.checked]
        known = [date for date in dates if date is not None]
        return min(known) if len(known) == len(dates) else None

    def require_agreement(self) -> None:
        """Refuse signers who speak of different contents, or call the model by different names.

        Raises
        ------
        DigestMismatchError, PolicyError
            In the one case and in the other.
        """
        first = self.checked[0].statement
        for one in self.checked[1:]:
            said = one.statement
            same = {one.name: one.digest for one in self.listed(said.algorithm)}
            if said.digests != same or set(said.digests) != set(first.digests):
                raise DigestMismatchError(
                    "the signers signed different contents",
                    hint="one of them signed before the last change: ask for a new signature",
                )
            if (said.name, said.version) != (first.name, first.version):
                raise PolicyError(
                    "the signers call the model by different names or versions",
                    hint="sign again with one name: safeserial sign --name --version",
                )


def read(path: StrPath, ring: Keyring, roots: Roots | None = None) -> Claim:
    """Read a signature file and verify what can be verified of it.

    Parameters
    ----------
    path : str or path-like
        The signature file.
    ring : Keyring
        The keys whose word counts.
    roots : Roots, optional
        Authorities, for chains of certificates.

    Raises
    ------
    UnsignedError
        If there is no such file, or no signature in it.
    FormatError, VerificationError
        As :func:`safeserial.detached.bundle.split` and `signatures.check`.
    """
    data, own = read_bytes(path)
    checked, unknown = signatures.check(bundle.split(data), ring, roots)
    return Claim(checked, unknown, os.fspath(path), own)


def read_bytes(path: StrPath) -> tuple[bytes, Stamp]:
    """Return what a signature file holds, and its device and inode.

    Raises
    ------
    UnsignedError
        If there is none.
    LimitExceededError
        If it is too long.
    UnreadableFileError
        If it cannot be read.
    """
    try:
        with open_regular(path) as source:
            if source.size > MAX_SIGNATURE_FILE:
                raise LimitExceededError(
                    f"{display(path)} has {source.size} bytes; the limit is {MAX_SIGNATURE_FILE}"
                )
            data = bytearray(source.size)
            source.read_into(memoryview(data))
            return bytes(data), stamp_of(source.facts())[:2]
    except MissingFileError:
        raise UnsignedError(
            f"there is no signature {display(path)}",
            hint="ask the sender for it; a model that nobody signed is opened with load_unsigned()",
        ) from None
