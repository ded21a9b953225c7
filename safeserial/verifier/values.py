# SPDX-License-Identifier: BSD-3-Clause
"""Abstract values: what the verifier knows of each thing the unpickler would have on its stack.

Floor 4.  A constant is the offset (``int``) of the opcode that pushes it and is decoded only when
somebody asks; a tuple is a tuple of values; everything else is one of the classes below.
"""

from __future__ import annotations

from safeserial.policy import Grant, Name
from safeserial.verifier.admitted import DType

Value = object
Tuple = tuple[Value, ...]


class RuleBroken(Exception):
    """A rule does not accept what it is given; the machine adds opcode and offset."""


class Global:
    """A name of the stream; `grant` is None where the policy does not list it."""

    __slots__ = ("grant", "name", "pushed", "roles", "spent", "written")

    def __init__(self, written: Name, name: Name, grant: Grant | None, roles: set[str]) -> None:
        self.written = written
        self.name = name
        # The roles it was used in so far, shared by all occurrences of the name.
        self.roles = roles
        self.grant = grant
        # Times it came onto the stack, and times it left it as the thing called: the difference
        # are the times it was stored.
        self.pushed = 0
        self.spent = 0

    @property
    def dotted(self) -> str:
        """Module and qualified name in one word."""
        return f"{self.name[0]}.{self.name[1]}"


class Instance:
    """What a permitted call or ``__new__`` returns."""

    __slots__ = ("buildable", "built", "depth", "name", "rule", "shape", "weight")

    def __init__(self, name: Name, grant: Grant, *, buildable: bool | None = None) -> None:
        self.name = name
        self.rule = grant.rule
        self.buildable = "build" in grant.roles if buildable is None else buildable
        self.built = False
        self.shape = container_shape(name, grant)
        # What hashing it may cost, should its class hash what it was made of.
        self.depth = 0
        self.weight = 1


class Unknown:
    """What comes of a name that is not listed; everything may be done with it."""

    __slots__ = ()


class Unset:
    """An index of the memo that nothing was put at."""

    __slots__ = ()


class ListValue:
    """A list made in this stream.

    `items` is None when there are too many; then `easy` still says that all could be set members.
    """

    __slots__ = ("count", "easy", "items", "sealed")

    def __init__(self, count: int = 0, items: list[Value] | None = None) -> None:
        self.count = count
        self.items = items
        self.easy = True
        self.sealed = False


class DictValue:
    """A dict made in this stream; `pairs` is None when there are too many."""

    __slots__ = ("count", "pairs", "sealed")

    def __init__(self, count: int = 0, pairs: list[tuple[Value, Value]] | None = None) -> None:
        self.count = count
        self.pairs = pairs
        self.sealed = False


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

    __slots__ = ("align", "base", "code", "flags", "known")

    def __init__(self, code: str) -> None:
        self.code = code
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

    __slots__ = ("built", "dtype", "masked", "shape")

    def __init__(self, *, masked: bool = False) -> None:
        self.built = False
        self.masked = masked
        self.dtype: DTypeValue | None = None
        self.shape: tuple[int, ...] = (0,)


class WrapperValue:
    """joblib's wrapper, in front of the bytes of an array."""

    __slots__ = ()


class Run:
    """Memo entries of a batch of strings, found again only when one is asked for."""

    __slots__ = ("base", "end", "pairs", "start")

    def __init__(self, start: int, end: int, *, pairs: bool) -> None:
        self.base = 0
        self.start = start
        self.end = end
        self.pairs = pairs


UNKNOWN = Unknown()
UNSET = Unset()
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
    return "ms" if not grant.rule and len(grant.roles) == 4 else ""
