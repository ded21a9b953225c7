# SPDX-License-Identifier: BSD-3-Clause
"""One use of a listed name: what a rule is given to judge.

Floor 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from safeserial.policy import Grant
from safeserial.verifier.constants import Constants
from safeserial.verifier.context import Context
from safeserial.verifier.hashing import Nests
from safeserial.verifier.values import Global, Instance, Kind, RuleBroken, Tuple, Value

# Intrinsic: the codec puts an inert class in its place, so no policy needs to list it.
WRAPPERS: Final = frozenset(
    {
        ("joblib.numpy_pickle", "NumpyArrayWrapper"),
        ("sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper"),
    }
)


@dataclass(slots=True)
class Use:
    """One call, or one instance made: the name, its arguments, and what is known around it."""

    target: Global
    grant: Grant
    arguments: Tuple
    constants: Constants
    nests: Nests
    context: Context

    def result(self) -> Instance:
        """Return an instance of the name itself."""
        target = self.target
        if target.kind is not None and target.grant is self.grant:
            return Instance(target.kind, *self.nests.measure(self.arguments))
        return Instance(Kind(target.name, self.grant), *self.nests.measure(self.arguments))

    def take(self, least: int, most: int) -> Tuple:
        """Return the arguments if there are so many."""
        if not least <= len(self.arguments) <= most:
            raise RuleBroken(f"called with {len(self.arguments)} arguments")
        return self.arguments

    def constant(self, position: int) -> Any:
        """Return an argument that must be a constant."""
        return self.constants.value(self.arguments[position])

    def made(self, cls: Value) -> Instance:
        """Return an instance of a class that stands among the arguments."""
        if not isinstance(cls, Global) or cls.grant is None or cls.name in WRAPPERS:
            raise RuleBroken("a listed class is needed here")
        if "call" in cls.grant.roles or cls.grant.rule not in ("", "container"):
            raise RuleBroken("the class has a rule of its own")
        builds = "build" in cls.grant.roles or "build" in self.grant.roles
        return Instance(Kind(cls.name, cls.grant, buildable=builds))

    def inner(self, target: Global, grant: Grant, arguments: Tuple) -> Use:
        """Return the use of another name within this one."""
        return Use(target, grant, arguments, self.constants, self.nests, self.context)
