# SPDX-License-Identifier: BSD-3-Clause
"""The nodes of a skops file in the order in which skops makes them, each against its rule.

Floor 4.  skops keeps nodes by their id and takes a second one of the same id for the first without
reading it.  The walk does the same, or a rule would judge what is never built.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from safeserial.errors import CorruptArtifactError, ForbiddenOperationError, LimitExceededError
from safeserial.foreign import npy
from safeserial.foreign.archive import Archive
from safeserial.policy import ROLES, Grant, Name, Policy, splits
from safeserial.verifier.intrinsic import RULES, SPECIAL

_DEEPEST: Final = 150
_HARD: Final = 2**60
# What skops needs for the nodes of an honest file, in bytes for each byte of it, at the very least.
_NATURAL_INFLATION: Final = 16
# What skops keeps for a node beside its text; of every node a list of all names that are trusted,
# and for an object the names that skops itself trusts.
_NODE_BYTES: Final = 1000
_OBJECT_BYTES: Final = 2400
_NAME_BYTES: Final = 8
# skops writes a node again, whole, wherever it stands; its shortest has twice as many bytes.
_LEAST_TEXT: Final = 64
_FREE_NODES: Final = 1000
# Elements of no bytes cost nothing in the file.
_EMPTY_BYTES: Final = 16


@dataclass(frozen=True)
class Node:
    """A node that its rule has passed.

    Parameters
    ----------
    kind : str
        Its loader.
    name : (module, qualname)
        Its label, as found today.
    value : object
        A constant; the nodes of a list, by key for a dict; the form of an array.
    height : int
        Levels of nodes below it.
    weight : int
        Nodes that whoever does not know that some are the same meets, from here on down.
    keys : tuple of name
        Classes of the keys of a dict.
    """

    kind: str
    name: Name
    value: Any = None
    height: int = 0
    weight: int = 1
    keys: tuple[Name, ...] = ()


class Tree:
    """The walk through one schema.

    Parameters
    ----------
    archive : Archive
        Where the arrays are.
    policy : Policy
        Names and limits.
    protocol : int
        Of the file.
    rules : mapping of str to callable
        By kind of node (:mod:`safeserial.foreign.skops_rules`).
    size : int
        Bytes of the schema, or of the file if it is larger.

    Attributes
    ----------
    names : dict of name to name
        What is built, as written and as found today.
    untrusted : set of str
        Dotted names that the policy does not list.
    files : dict of str to array
        Members that nodes need.
    matrices : dict of str to str
        Members that are sparse matrices, and their formats.
    changed : bool
        Whether a name was replaced by today's.
    """

    def __init__(
        self,
        archive: Archive,
        policy: Policy,
        protocol: int,
        rules: Mapping[str, Rule],
        size: int,
    ) -> None:
        self.archive = archive
        self.policy = policy
        self.protocol = protocol
        self._rules = rules
        self.names: dict[Name, Name] = {}
        self.untrusted: set[str] = set()
        self.files: dict[str, npy.Array | None] = {}
        self.changed = False
        self.matrices: dict[str, str] = {}
        self._made: dict[int, Node | None] = {}
        self._hard = self._nodes = 0
        self._heaviest = size // _LEAST_TEXT + _FREE_NODES
        self._inflation = -_NATURAL_INFLATION * size
        self._granted: dict[Name, tuple[Name, Grant | None]] = {}

    def root(self, schema: Any) -> None:
        """Check the tree that begins here."""
        self.node(schema, 0)
        self.inflate(self._nodes * (_NODE_BYTES + _NAME_BYTES * len(self.names)))

    def node(self, state: Any, depth: int) -> Node:
        """Check one node and all below it.

        Raises
        ------
        CorruptArtifactError, ForbiddenOperationError, LimitExceededError
            If its rule does not pass it.
        """
        if depth > _DEEPEST:
            raise LimitExceededError("the nodes of the skops file are nested too deeply")
        if not isinstance(state, dict):
            raise CorruptArtifactError("a node of the skops file is no node")
        identity = state.get("__id__")
        if identity is not None and type(identity) is not int:
            raise CorruptArtifactError("a node of the skops file has an id that is no number")
        if identity in self._made:
            known = self._made[identity]
            if known is None:
                raise ForbiddenOperationError("a node of the skops file holds itself")
            if known.height + depth > _DEEPEST:
                raise LimitExceededError("the nodes of the skops file are nested too deeply")
            return known
        if identity:
            self._made[identity] = None
        made = self._checked(state, depth)
        if identity:
            self._made[identity] = made
        return made

    def _checked(self, state: dict[str, Any], depth: int) -> Node:
        kind, module, name = (
            state.get("__loader__"),
            state.get("__module__"),
            state.get("__class__"),
        )
        if type(kind) is not str or type(module) is not str or type(name) is not str:
            raise CorruptArtifactError("a node of the skops file does not say what it makes")
        rule = self._rules.get(kind)
        if rule is None:
            raise ForbiddenOperationError(f"a skops node of the kind {ascii(kind)[:60]}")
        self._nodes += 1
        if kind == "ObjectNode":
            self.inflate(_OBJECT_BYTES)
        use = Use(self, state, kind, (module, name), depth)
        value = rule(use)
        return Node(kind, use.name, value, use.height, use.weight, use.keys)

    def grant(self, written: Name) -> tuple[Name, Grant | None]:
        """Return today's name for one of the file, and what the policy grants it."""
        known = self._granted.get(written)
        if known is None:
            allowlist = self.policy.allowlist
            resolved = allowlist.resolve(*written)
            grant = allowlist.find(resolved)
            if "." in resolved[1] and not SPECIAL.isdisjoint(splits(resolved)):
                grant = None  # with another split a special name would shed what holds for it
            if grant is not None and resolved in RULES:
                grant = Grant(grant.roles, RULES[resolved])
            known = self._granted[written] = (resolved, grant)
            self.names[written] = resolved
            if known[1] is None:
                self.untrusted.add(".".join(resolved))
        return known

    def is_trusted(self, name: Name) -> bool:
        """Say whether the user trusts a name with everything, or is about to be asked."""
        _, grant = self.grant(name)
        return grant is None or (not grant.rule and grant.roles == ROLES)

    def weigh(self, weight: int) -> None:
        """Refuse a node that is made of others again and again: skops would walk all of them."""
        if weight > self._heaviest:
            raise LimitExceededError("nodes of the skops file are repeated too often")

    def hash_one(self, value: object) -> None:
        """Count a key or member whose hash an attacker could choose."""
        hard = abs(value) >= _HARD if type(value) is int else isinstance(value, float)
        self._hard += hard
        if self._hard > self.policy.limits.hard_keys // 10:
            raise LimitExceededError("too many keys whose hashes could collide")

    def inflate(self, size: int) -> None:
        """Count bytes that building takes beyond what the file has."""
        self._inflation += size
        if self._inflation > self.policy.limits.inflation:
            raise LimitExceededError(
                f"loading would take over {self.policy.limits.inflation} bytes more than the skops"
                " file has"
            )


@dataclass
class Use:
    """One node while it is being checked.

    Parameters
    ----------
    tree : Tree
        The walk.
    state : dict
        The node as written.
    kind : str
        Its loader.
    name : (module, qualname)
        Its label.
    depth : int
        Of the node.
    height : int
        Levels found below it so far.
    weight : int
        Nodes found below it so far, with itself.
    rule : str
        What the policy names for its arguments or state.
    keys : tuple of name
        Classes of the keys of a dict.
    """

    tree: Tree
    state: dict[str, Any]
    kind: str
    name: Name
    depth: int
    height: int = 0
    weight: int = 1
    rule: str = ""
    keys: tuple[Name, ...] = ()

    def child(self, state: Any) -> Node:
        """Check a node below."""
        made = self.tree.node(state, self.depth + 1)
        self.height = max(self.height, made.height + 1)
        self.weight += made.weight
        self.tree.weigh(self.weight)
        return made

    def children(self, states: Any) -> list[Node]:
        """Check a list of nodes below."""
        if type(states) is not list:
            raise CorruptArtifactError(f"a {self.kind} has no list of nodes")
        return [self.child(one) for one in states]

    def part(self, key: str) -> Node:
        """Check the node under a key of the content."""
        content = self.state.get("content")
        if type(content) is not dict or key not in content:
            raise CorruptArtifactError(f"a {self.kind} has no {key}")
        return self.child(content[key])

    def require(self, *names: str) -> None:
        """Refuse the node unless its label is one of these dotted names."""
        if ".".join(self.name) not in names:
            raise self.broken(f"makes no {self.dotted}")

    def granted(self, *roles: str, rules: Iterable[str] = ("",)) -> Grant | None:
        """Refuse the node unless the policy grants its label one of these sets of roles.

        Returns
        -------
        Grant or None
            None where the name is not listed at all, which is reported with the others.
        """
        resolved, grant = self.tree.grant(self.name)
        if resolved != self.name:
            self.name = resolved
            self.state["__module__"], self.state["__class__"] = resolved
            self.tree.changed = True
        if grant is None:
            return None
        if grant.rule not in rules or not any(set(one.split()) <= grant.roles for one in roles):
            raise self.broken(f"is not what {self.dotted} is listed for")
        self.rule = grant.rule
        return grant

    @property
    def trusted(self) -> bool:
        """Whether the user trusts the label with everything, whatever its state does."""
        return self.tree.is_trusted(self.name)

    def file(self) -> str:
        """Return the member that the node needs, and account for a copy where it is not the first.

        Two nodes of one id are one; those of two ids would each read the member for themselves.
        """
        name = self.state.get("file")
        if type(name) is not str or name not in self.tree.archive.places:
            raise CorruptArtifactError(f"a {self.kind} needs a member that is not there")
        if name in self.tree.files:
            self.tree.inflate(2 * self.tree.archive.places[name].size)
        return name

    def array(self) -> npy.Array:
        """Return the form of the array that the node needs."""
        name = self.file()
        known = self.tree.files.get(name)
        if known is None:
            known = self.tree.files[name] = npy.examine(self.tree.archive.read(name))
        if known.start == self.tree.archive.places[name].size:
            self.tree.inflate(_EMPTY_BYTES * math.prod(known.shape))
        return known

    @property
    def dotted(self) -> str:
        """The label in one word, for people."""
        return ascii(".".join(self.name))[1:-1][:160]

    def broken(self, what: str) -> ForbiddenOperationError:
        """Return the error of a node that its rule does not pass."""
        return ForbiddenOperationError(
            f"a skops {self.kind} {what}",
            global_name=self.dotted,
            hint="treat the file as hostile; if it is your own, save the model as pickle",
        )


Rule = Callable[[Use], Any]


def constant(text: Any) -> Any:
    """Return the constant of a JsonNode.

    Raises
    ------
    CorruptArtifactError
        If it is anything but a single one.
    """
    if type(text) is not str:
        raise CorruptArtifactError("a JsonNode has no text")
    value = json.loads(text)
    if isinstance(value, list | dict):
        raise CorruptArtifactError("a JsonNode holds more than one constant")
    return value
