# SPDX-License-Identifier: BSD-3-Clause
"""What an ObjectNode may give to an instance: the same as BUILD may in a pickle.

Floor 4.  The tables are those of the opcode verifier (:mod:`safeserial.verifier.intrinsic`).  skops
calls ``__setstate__``, or updates ``__dict__`` with anything that a dict can be updated with, where
the unpickler wants a dict: so states are stricter here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, Final

from safeserial.foreign import npy
from safeserial.foreign.skops_nodes import Node, Use
from safeserial.verifier import literals
from safeserial.verifier.intrinsic import (
    ARRAY_ATTRIBUTES,
    FRAMES,
    MANAGERS,
    QUIET_ATTRIBUTES,
    QUIET_STATES,
    TUPLE_STATES,
)
from safeserial.verifier.states import _HARMLESS as HARMLESS
from safeserial.verifier.values import RuleBroken

_TEXT: Final = ("builtins", "str")
_NAMED: Final = frozenset({"JsonNode", "TypeNode", "FunctionNode", "DTypeNode"})
_MADE: Final = frozenset({"ObjectNode", "ConstructorFromReduceNode"})
_LONGEST_LIST: Final = 2**16


def check(use: Use, given: Node) -> None:
    """Check the state of an instance.

    Raises
    ------
    ForbiddenOperationError
        If the class of the node may not be given this state.
    """
    if use.trusted:
        return
    if use.name in FRAMES | MANAGERS:
        raise use.broken("is made of blocks and indexes, for which skops has no nodes")
    parts = TUPLE_STATES.get(use.name)
    if parts is not None:
        _check_parts(use, given, parts[0])
    elif not (given.kind == "JsonNode" and given.value is None):
        check_names(use, given)
        _check_values(use, given.value)


def _check_parts(use: Use, given: Node, number: int) -> None:
    """Hold a state that compiled code takes apart to as many parts of the kinds it expects."""
    whole = given.kind == "TupleNode" and given.name == ("builtins", "tuple")
    if not whole or len(given.value) != number:
        raise use.broken(f"is given another state than a tuple of {number} parts")
    for one in given.value:
        metric = one.kind == "ObjectNode" and one.name in TUPLE_STATES
        if not (metric or is_array(one) or one.kind in {"JsonNode", "FunctionNode", "DictNode"}):
            raise use.broken("is given other parts than arrays, constants and a metric")


def has_texts(node: Node) -> bool:
    """Say whether a DictNode makes a dict whose keys are texts."""
    return all(one == _TEXT for one in node.keys)


def check_names(use: Use, given: Node) -> None:
    """Refuse a state that is no dict of attributes which Python does not look up by itself."""
    if given.kind != "DictNode" or given.name != ("builtins", "dict"):
        raise use.broken("has attributes that are no dict")
    if not has_texts(given):
        raise use.broken("has an attribute whose name is no text")
    for name, value in given.value.items():
        if name[:2] == "__" == name[-2:] and name not in HARMLESS:
            raise use.broken(f"has {name[:40]!a}, which no class keeps in its state")
        if name in QUIET_ATTRIBUTES and value.kind != "JsonNode":
            raise use.broken("has no constant where it is printed and compared while it loads")


def _check_values(use: Use, values: dict[str, Node]) -> None:
    """Hold what a state sets off at once to what cannot do anything."""
    for name in ARRAY_ATTRIBUTES.get(use.name, ()):
        if name in values and not is_array(values[name]):
            raise use.broken(f"calls methods of {name} while it loads: it must be an array")
    if use.name[0].partition(".")[0] == "pandas":
        held = values.get("_cache")
        # Compiled properties look for results in it without asking what it is.
        if held is not None and held.kind != "DictNode":
            raise use.broken("keeps results in something else than a dict")
    if use.name in QUIET_STATES and not all(
        _is_quiet(one) or _is_cache(one) for one in values.values()
    ):
        raise use.broken("is printed and compared by something that is not plain")
    interpolates = use.name[0].partition(".")[0] == "scipy" and use.rule == "slots"
    if interpolates and not all(map(_is_numeric, values.values())):
        raise use.broken("interpolates something else than arrays and constants")


def is_array(node: Node) -> bool:
    """Say whether a node makes an array of NumPy without objects in it, or a NumPy scalar."""
    return node.kind == "NdArrayNode" and isinstance(node.value, npy.Array)


def _is_scalar(node: Node) -> bool:
    return is_array(node) and node.name != ("numpy", "ndarray")


def _is_numeric(node: Node) -> bool:
    if node.kind == "TupleNode":
        return all(one.kind == "JsonNode" or is_array(one) for one in node.value)
    return is_array(node) or node.kind in _NAMED


def _is_quiet(node: Node) -> bool:
    if node.kind in _MADE:
        return node.name in QUIET_STATES or node.name[0] == "datetime"
    return node.kind in _NAMED or _is_scalar(node)


def _is_cache(node: Node) -> bool:
    """Say whether a node is the dict in which pandas keeps what a dtype was asked before."""
    plain = node.kind == "DictNode" and node.name == ("builtins", "dict")
    return plain and all(map(_is_quiet, node.value.values()))


def is_plain(node: Node, *, most: int = _LONGEST_LIST) -> bool:
    """Say whether a node is a dict of texts, numbers and short lists of them, arrays or dicts.

    Parameters
    ----------
    node : Node
        The state of a random generator: NumPy asks what it finds there for items and numbers.
    most : int
        Items of a list or an array.
    """
    if node.kind != "DictNode" or node.name != ("builtins", "dict") or not has_texts(node):
        return False
    return all(_is_part(one, most) or is_plain(one, most=most) for one in node.value.values())


def _is_part(node: Node, most: int) -> bool:
    if is_array(node):
        shape = node.value.shape
        return len(shape) < 2 and all(one <= most for one in shape)  # noqa: PLR2004
    if node.kind in {"ListNode", "TupleNode"}:
        return len(node.value) <= most and all(one.kind == "JsonNode" for one in node.value)
    return node.kind == "JsonNode"


def check_moment(use: Use, values: list[Node]) -> None:
    """Hold the bytes of a date or time to what a calendar has, as in a pickle."""
    if not values or values[0].kind not in {"JsonNode", "BytesNode"}:
        return
    first = values[0].value
    if values[0].kind == "BytesNode":
        place = use.tree.archive.places[first]
        if place.size > _LONGEST_LIST:
            raise use.broken("is made of more bytes than a date has")
        first = bytes(use.tree.archive.read(first))
    hold(use, literals.moment, [first])


def hold(use: Use, rule: Callable[[Any], object], values: Iterable[object]) -> None:
    """Hold constants to a rule of the verifier.

    Parameters
    ----------
    use : Use
        The node that is called with them.
    rule : callable
        Of :mod:`safeserial.verifier.literals`; it asks for the arguments as they stand in a
        stream, and here they are at hand.
    values : iterable
        Constants.
    """
    asked = SimpleNamespace(
        target=SimpleNamespace(name=use.name),
        arguments=tuple(values),
        constants=SimpleNamespace(value=lambda one: one),
        result=SimpleNamespace,
    )
    try:
        rule(asked)
    except RuleBroken as broken:
        raise use.broken(f"is refused: {broken}") from None
