# SPDX-License-Identifier: BSD-3-Clause
"""What one verification keeps account of across a stream and the streams inside it.

Floor 4.  Names with the roles they were used in, arrays cut out of a joblib stream, and the budgets
that the policy sets.  Nested streams share all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from safeserial.errors import LimitExceededError
from safeserial.policy import Grant, Name, Policy, splits
from safeserial.verifier import intrinsic
from safeserial.verifier.admitted import InlineArray
from safeserial.verifier.hashing import KeyCosts
from safeserial.verifier.values import Global, RuleBroken

# The unpickler needs about this many times the bytes of an honest stream anyway.
_NATURAL_INFLATION: Final = 16
_MOST_NAMES: Final = 4096
_KNOWN: Final = Grant(frozenset({"new"}))


@dataclass
class Sighting:
    """How one name is used in the payload."""

    written: Name
    resolved: Name
    listed: bool
    offset: int
    roles: set[str] = field(default_factory=set)


class Context:
    """Accounts of one verification.

    Parameters
    ----------
    policy : Policy
        The names and the limits.
    joblib : bool
        Whether arrays may stand inside the stream.
    size : int
        Bytes of the payload, decompressed.
    traced : bool, default=True
        Whether objects may be verified by traces (`traces`).
    """

    def __init__(self, policy: Policy, *, joblib: bool, size: int, traced: bool = True) -> None:
        self.allowlist = policy.allowlist
        self.limits = policy.limits
        self.joblib = joblib
        self.traced = traced
        self.keys = KeyCosts(policy.limits)
        self.sightings: dict[tuple[Name, Name], Sighting] = {}
        self.names: dict[Name, Name] = {}
        self.arrays: list[InlineArray] = []
        self.builds: set[Name] = set()
        # Classes of which there is a state that today's library would misread.
        self.outdated: set[Name] = set()
        self.opcodes = 0
        # Objects that were verified by a trace.
        self.hits = 0
        self._allocated = -_NATURAL_INFLATION * size

    @property
    def untrusted(self) -> tuple[str, ...]:
        """Dotted names that are not on the allowlist, sorted."""
        missing = (one for one in self.sightings.values() if not one.listed)
        return tuple(sorted({f"{one.resolved[0]}.{one.resolved[1]}" for one in missing}))

    def open_name(
        self, written: Name, renamed: Name, offset: int, *, known: frozenset[Name]
    ) -> Global:
        """Return the global of a name that a stream gives.

        Parameters
        ----------
        written : (str, str)
            Module and qualified name as they stand in the stream.
        renamed : (str, str)
            The same after CPython's renaming for protocols 0 to 2.
        offset : int
            Where.
        known : frozenset of (str, str)
            Names that the verifier itself answers for.

        Returns
        -------
        Global
            With its grant, None where the policy does not list it.
        """
        name, grant = self._answer(renamed)
        if grant is None and name in known:
            grant = _KNOWN
        if self.names.setdefault(written, name) != name:
            raise RuleBroken("one name stands for two things in this file")
        sighting = self.sightings.get((written, name))
        if sighting is None:
            if len(self.sightings) >= _MOST_NAMES:
                raise LimitExceededError(f"more than {_MOST_NAMES} different names")
            # No grant, not listed: what comes of the name is unknown, and nothing is admitted.
            sighting = Sighting(written, name, grant is not None, offset)
            self.sightings[written, name] = sighting
        opened = Global(written, name, grant, sighting.roles)
        if opened.unstored and opened.dotted in self.allowlist.dotted:
            opened.unstored = False  # whoever trusts it by name means the class itself
        return opened

    def _answer(self, renamed: Name) -> tuple[Name, Grant | None]:
        """Return today's name and its grant; what is listed is looked up once for all streams."""
        answer = self.allowlist.answers.get(renamed)
        if answer is not None:
            return answer
        name = self.allowlist.resolve(*renamed)
        grant = self.allowlist.find(name)
        if "." in name[1] and not intrinsic.SPECIAL.isdisjoint(splits(name)):
            grant = None  # a special name with another split would shed what holds for it
        if grant is not None:
            if name in intrinsic.RULES:
                grant = Grant(grant.roles, intrinsic.RULES[name])
            self.allowlist.answers[renamed] = name, grant
        return name, grant

    def use(self, target: Global, role: str) -> bool:
        """Record that a name is used in a role.

        Returns
        -------
        bool
            False where the name is not listed at all: what comes of it is unknown.

        Raises
        ------
        RuleBroken
            If it is listed, but not for this role.
        """
        target.roles.add(role)
        if target.grant is None:
            return False
        roles = target.grant.roles
        if role == "reference":
            if target.unstored:
                raise RuleBroken(
                    "its objects may be in a file, the class itself may not"
                    if target.grant.rule or roles & {"new", "build"}
                    else f"it is listed as {', '.join(sorted(roles))}, not as reference"
                )
        elif role not in roles:
            raise RuleBroken(f"it is listed as {', '.join(sorted(roles))}, not as {role}")
        return True

    def allocate(self, size: int) -> None:
        """Account for memory that the unpickler will take."""
        self._allocated += size
        if self._allocated > self.limits.inflation:
            raise LimitExceededError(
                f"loading would take over {self.limits.inflation} bytes more than the file has"
            )

    def has_room(self, part: int, whole: int) -> bool:
        """Say whether less than such a part of what is allowed has been used up."""
        counts = ((self.opcodes, self.limits.opcodes), (self._allocated, self.limits.inflation))
        return all(used * whole <= most * part for used, most in counts)

    def count_opcodes(self, number: int) -> None:
        """Account for opcodes passed."""
        self.opcodes += number
        if self.opcodes > self.limits.opcodes:
            raise LimitExceededError(f"more than {self.limits.opcodes} opcodes")
