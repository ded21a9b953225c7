# SPDX-License-Identifier: BSD-3-Clause
"""What is known of the values of an object while its trace is written.

Floor 4.  A `Node` says of a value what its judgement may follow from, and whether a hole has a part
in it.  `is_final` says which values from outside the object may be relied on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, ClassVar, Final

from safeserial.verifier.opcodes import CODES
from safeserial.verifier.traces import Numbered, Pick
from safeserial.verifier.values import (
    ArrayValue,
    DictValue,
    DTypeValue,
    FrozenSetValue,
    Global,
    Instance,
    ListValue,
    RawValue,
    SetValue,
    Value,
)

_BYTES: Final = bytes(CODES[name] for name in ("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"))
# What may stand in a hole in the place of what: arrays tell bytes from bytearrays.
ALIKE: Final = {
    **dict.fromkeys(_BYTES, _BYTES),
    CODES["BYTEARRAY8"]: bytes([CODES["BYTEARRAY8"]]),
}
TEXTS: Final = bytes(CODES[name] for name in ("SHORT_BINUNICODE", "BINUNICODE"))
# Containers and buffers: all that is ever asked of one that is kept somewhere is its type.
_OPAQUE: Final = frozenset({DictValue, ListValue, SetValue, FrozenSetValue, RawValue, tuple})


class Untraceable(Exception):  # noqa: N818 - not an error: the object is verified all the same
    """An object does something that traces leave to the machine."""


@dataclass(slots=True)
class Opcode:
    """One opcode of an object, or the inline array behind it."""

    INLINE: ClassVar[int] = -1

    code: int
    start: int
    end: int


# What a node is: a value that all objects share, a constant in a hole, or something made here.
FIXED, CONSTANT, BYTES, TUPLE, LIST, DICT, ARRAY, INSTANCE, WRAPPER = range(9)


@dataclass(slots=True, eq=False)
class Node:
    """What is known of one value of the object.

    Parameters
    ----------
    sort : int
        What it is.
    value : Value
        The value, if it is fixed; the element type of an array; the class of an instance.
    place : int
        Number of its hole.
    members : list of Node
        Of a tuple; keys and values of a dict.
    hollow : bool
        Whether a hole is part of it.
    done : bool
        Whether nothing may be added to it: an array with its data, an instance with its state.
    sizes : list of Node, optional
        The shape of an array.
    numbered : Numbered, optional
        What an array beside the stream is held to.
    """

    sort: int
    value: Any = None
    place: int = 0
    members: list[Node] = field(default_factory=list)
    hollow: bool = False
    done: bool = False
    sizes: list[Node] | None = None
    numbered: Numbered | None = None


def is_final(value: Value) -> bool:
    """Say whether nothing that is ever asked of a value can change any more.

    Of containers only the type is asked where they are kept; of tuples and instances also what
    hashing them may cost, which an instance gets with its state.
    """
    kind = type(value)
    if kind is int or kind in _OPAQUE:
        return True
    if isinstance(value, Instance):
        return value.built or not value.kind.buildable
    if isinstance(value, ArrayValue):
        return value.built
    if isinstance(value, DTypeValue):
        return value.known is not None
    return isinstance(value, Global) and value.grant is not None


def constant_of(node: Node) -> int:
    """Return the offset of a constant that all objects share."""
    if node.sort != FIXED or type(node.value) is not int:
        raise Untraceable
    return node.value


def is_plain(node: Node) -> bool:
    """Say whether a rule that takes anything takes this from all objects."""
    if node.sort == FIXED:
        return type(node.value) in (int, Instance, ArrayValue, DTypeValue)
    return node.sort in (INSTANCE, ARRAY)


def placed(place: int, count: int) -> int:
    """Return where a register is if so many come before those of holes."""
    return place if place >= 0 else count - 1 - place


def pick(registers: Sequence[int]) -> Pick:
    """Return a function that takes a tuple of some registers."""
    if len(registers) > 1:
        return itemgetter(*registers)
    if not registers:
        return lambda _: ()
    only = registers[0]
    return lambda values: (values[only],)
