# SPDX-License-Identifier: BSD-3-Clause
"""Abstract values: what the verifier knows of each thing the unpickler would have on its stack.

Floor 4.  A constant is the offset (``int``) of the opcode that pushes it and is decoded only when
somebody asks; a tuple is a tuple of values; everything else is one of the classes below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from safeserial.policy import ROLES, Grant, Name
from safeserial.verifier.admitted import DType
from safeserial.verifier.intrinsic import (
    ARRAY_ATTRIBUTES,
    DICT_STATES,
    QUIET_STATES,
    TUPLE_STATES,
    is_stored,
)

if TYPE_CHECKING:
    from safeserial.verifier.traces import Trace
    from safeserial.verifier.tracing import Lessons

Value = object
Tuple = tuple[Value, ...]


class RuleBroken(Exception):  # noqa: N818 - a sentence, which becomes an error of the project
    """A rule does not accept what it is given; the machine adds opcode and offset."""


class Kind:
    """What instances of one class may be done to; found once for each name of the stream."""

    __slots__ = (
        *("arrays", "begun", "buildable", "caching", "dict_state", "guarded", "lessons", "name"),
        *("parts", "rule", "seen", "shape", "trace", "trusted"),
    )

    def __init__(self, name: Name, grant: Grant, *, buildable: bool | None = None) -> None:
        self.name = name
        self.rule = grant.rule
        self.buildable = "build" in grant.roles if buildable is None else buildable
        self.shape = container_shape(name, grant)
        # The user trusts the name with everything, whatever its state does.
        self.trusted = _is_trusted(grant)
        self.dict_state = name in DICT_STATES
        self.arrays = ARRAY_ATTRIBUTES.get(name)
        self.parts = TUPLE_STATES.get(name)
        # Compiled properties of pandas look for results in its `_cache`, as in a dict.
        self.caching = name[0].partition(".")[0] == "pandas"
        # Its values are looked at one by one.
        self.guarded = self.arrays is not None or self.caching or name in QUIET_STATES
        self.seen = False
        # How its instances are written, once there were some (`traces`); the last one that was
        # begun, with the offset and the length of the memo after its NEWOBJ; what was learnt.
        self.trace: Trace | None = None
        self.begun: tuple[Instance, int, int] | None = None
        self.lessons: Lessons | None = None


class Global:
    """A name of the stream; `grant` is None where the policy does not list it."""

    __slots__ = (
        *("grant", "idiom", "kind", "name", "pushed", "roles", "rule", "simple"),
        *("spent", "unstored", "written"),
    )

    def __init__(self, written: Name, name: Name, grant: Grant | None, roles: set[str]) -> None:
        self.written = written
        self.name = name
        self.kind = None if grant is None else Kind(name, grant)
        # Not to be stored: a tuple of arguments that holds it is watched.
        self.unstored = grant is not None and not is_stored(name, grant)
        # What judges its arguments; the machine fills it in.
        self.rule: Callable[..., Value] | None = None
        # What takes several opcodes at once that begin with it (`idioms`).
        self.idiom: Callable[..., int] | None = None
        # Whether instances may be made of it, of no arguments, and there is nothing to judge.
        self.simple = False
        # The roles it was used in so far, shared by all occurrences of the name.
        self.roles = roles
        self.grant = grant
        # Times it came onto the stack, and times it left it as the thing called, or as the class of
        # what was made: the difference are the times it was stored.
        self.pushed = 0
        self.spent = 0

    @property
    def dotted(self) -> str:
        """Module and qualified name in one word."""
        return f"{self.name[0]}.{self.name[1]}"


class Instance:
    """What a permitted call or ``__new__`` returns."""

    __slots__ = ("built", "depth", "kind", "parts", "weight")

    def __init__(self, kind: Kind, depth: int = 0, weight: int = 1) -> None:
        self.kind = kind
        self.built = False
        # What it was made of, where its hash follows from that.
        self.parts: Tuple | None = None
        # What hashing it may cost, should its class hash what it was made of.
        self.depth = depth
        self.weight = weight

    @property
    def name(self) -> Name:
        """Module and qualified name of its class."""
        return self.kind.name

    @property
    def rule(self) -> str:
        """Name of the rule it was made under."""
        return self.kind.rule


class Arguments(tuple[Value, ...]):
    """A tuple with a name in it that may be called and not be stored."""

    __slots__ = ()


class Unknown:
    """What comes of a name that is not listed; everything may be done with it."""

    __slots__ = ()


class Unset:
    """An index of the memo that nothing was put at."""

    __slots__ = ()


class Spent:
    """A memo entry that a trace did not make, because nothing ever asks for such a one."""

    __slots__ = ()


class Untraced(Exception):  # noqa: N818 - not an error: the stream is verified again
    """A trace cannot answer; the stream is to be verified opcode by opcode."""


class ListValue:
    """A list made in this stream.

    `items` is None when there are too many; then `easy` still says that all could be set members,
    and `depth` how many arrays of objects stand in each other in it.
    """

    __slots__ = ("count", "depth", "easy", "items", "sealed")

    def __init__(self, count: int = 0, items: list[Value] | None = None) -> None:
        self.count = count
        self.items = items
        self.depth = 0
        self.easy = True
        self.sealed = False


class Layout:
    """What is known of the keys of a dict, which the dicts of like objects share.

    `named` says that they were found to be names of attributes; `quiet` are the positions of those
    whose values must be constants.
    """

    __slots__ = ("named", "quiet")

    def __init__(self) -> None:
        self.named = False
        self.quiet: tuple[int, ...] = ()


class DictValue:
    """A dict made in this stream; `flat` (key, value, key, …) is None when there are too many."""

    __slots__ = ("alone", "count", "flat", "layout", "sealed")

    def __init__(self, count: int = 0, flat: list[Value] | None = None) -> None:
        self.count = count
        self.flat = flat
        self.layout: Layout | None = None
        self.sealed = False
        # Whether it never came out of the memo; None once it must not.
        self.alone: bool | None = True

    @property
    def pairs(self) -> list[tuple[Value, Value]] | None:
        """Its items in the order they were set, None when there are too many."""
        flat = self.flat
        return None if flat is None else list(zip(flat[::2], flat[1::2], strict=True))


class SetValue:
    """A set made in this stream."""

    __slots__ = ()


class FrozenSetValue:
    """A frozenset, with the depth and the expanded size that comparing it may cost."""

    __slots__ = ("depth", "weight")

    def __init__(self, depth: int, weight: int) -> None:
        self.depth = depth
        self.weight = weight


class RawValue:
    """Bytes that are not a constant: a buffer, or what ``_codecs.encode`` returns.

    `content` is None where they are too many to keep.
    """

    __slots__ = ("buffer", "content", "length")

    def __init__(self, length: int, *, content: bytes | None = None, buffer: bool = False) -> None:
        self.length = length
        self.content = content
        self.buffer = buffer


class DTypeValue:
    """A NumPy dtype; `known` is None until its state has been checked."""

    __slots__ = ("align", "base", "code", "depth", "flags", "known", "leaves")

    def __init__(self, code: str) -> None:
        self.code = code
        # Levels of fields, and plain elements in all, however often one dtype is a field.
        self.depth = 0
        self.leaves = 1
        self.known: DType | None = None
        self.align = 1
        self.flags = 0
        self.base: tuple[DTypeValue, int] | None = None

    @property
    def has_objects(self) -> bool:
        """Whether elements are pointers to Python objects."""
        return self.code[0] == "O"


class ArrayValue:
    """A NumPy array; `built` says that its data is there for good."""

    __slots__ = ("built", "depth", "dtype", "masked", "shape")

    def __init__(self, *, masked: bool = False) -> None:
        self.built = False
        # How many arrays of objects stand in each other.
        self.depth = 0
        self.masked = masked
        self.dtype: DTypeValue | None = None
        self.shape: tuple[int, ...] = (0,)


class WrapperValue:
    """joblib's wrapper, in front of the bytes of an array."""

    __slots__ = ()


class Run:
    """Memo entries of a batch of strings, found again only when one is asked for.

    The first `count` of them, up to `checked`, are known to be ASCII.
    """

    __slots__ = ("base", "checked", "count", "end", "pairs", "start")

    def __init__(self, start: int, end: int, *, pairs: bool, checked: int, count: int = 0) -> None:
        self.base = 0
        self.checked = checked
        self.count = count
        self.start = start
        self.end = end
        self.pairs = pairs


UNKNOWN = Unknown()
UNSET = Unset()
SPENT = Spent()
_MAPPINGS = frozenset(
    {
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("collections", "Counter"),
        ("sklearn.utils._bunch", "Bunch"),
    }
)
_SEQUENCES = frozenset({("collections", "deque")})


def container_shape(name: Name, grant: Grant) -> str:
    """Return which items an instance takes: letters of ``m`` (mapping) and ``s`` (sequence)."""
    if name in _MAPPINGS:
        return "m"
    if name in _SEQUENCES:
        return "s"
    if grant.rule == "container":
        return "ms"
    # A name that the user trusts with everything may also be filled.
    return "ms" if _is_trusted(grant) else ""


def _is_trusted(grant: Grant) -> bool:
    return not grant.rule and grant.roles == ROLES
