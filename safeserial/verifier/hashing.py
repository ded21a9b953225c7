# SPDX-License-Identifier: BSD-3-Clause
"""What it costs to hash dict keys and set members, kept within the policy's limits.

Floor 4.  A few hundred bytes can keep a process busy for hours while it only fills a dict: nested
tuples whose hash is exponential, tuples so deep that hashing them overruns the C stack, and
numbers chosen to have one hash.  Strings and small integers cannot be abused so; everything else
is counted, and numbers are really hashed to see that they do not collide.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from safeserial.errors import LimitExceededError
from safeserial.policy import Limits
from safeserial.verifier.constants import COUNTED, Constants
from safeserial.verifier.opcodes import EASY_KEYS, TEXT_KEYS, UNHASHABLE
from safeserial.verifier.values import (
    Arguments,
    ArrayValue,
    DictValue,
    DTypeValue,
    FrozenSetValue,
    Global,
    Instance,
    ListValue,
    RawValue,
    RuleBroken,
    SetValue,
    Tuple,
    Value,
    WrapperValue,
)

_MAX_DEPTH: Final = 16
_MAX_WEIGHT: Final = 4096
_MAX_NUMBER_BYTES: Final = 64
_MAX_SAME_HASH: Final = 64
_WORK_PER_KEY: Final = 100
_OPAQUE_SHARE: Final = 200
_LONG_TEXT: Final = 1024
_FREE_EXPANSION: Final = 10_000_000
_MUTABLE: Final = (ListValue, DictValue, SetValue, ArrayValue, WrapperValue)
_MEASURED: Final = frozenset({tuple, Arguments, FrozenSetValue, Instance})
_OPAQUE: Final = object()
_FLOATS: Final = {2: "e", 4: "f", 8: "d"}


class KeyCosts:
    """Account of the hard keys of one payload.

    Parameters
    ----------
    limits : Limits
        Of the policy.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._hard = 0
        self._opaque = 0
        self._work = 0
        self._seen: set[Any] = set()
        self._hashes: dict[int, int] = {}

    def charge(self, key: Value, nests: Nests, constants: Constants) -> None:
        """Account for one key, or refuse it."""
        if type(key) is int:
            code = constants.data[key]
            if code in EASY_KEYS:
                return
            if code in TEXT_KEYS:
                if code in COUNTED:
                    self._add_work(constants.span(key)[1] >> 6)
                return
            if code in UNHASHABLE:
                raise RuleBroken("a bytearray cannot be a key")
        depth, weight = nests.measure(key)
        if depth > _MAX_DEPTH or weight > _MAX_WEIGHT:
            raise RuleBroken("a key is nested too deeply")
        self._hard += 1
        if self._hard > self.limits.hard_keys:
            raise LimitExceededError(
                f"more than {self.limits.hard_keys} keys are neither strings nor small integers"
            )
        self._add_work(weight)
        self._watch(_plain(key, constants))

    def _add_work(self, work: int) -> None:
        self._work += work
        if self._work > _WORK_PER_KEY * self.limits.hard_keys:
            raise LimitExceededError("hashing and comparing the keys would take too long")

    def _watch(self, key: Any) -> None:
        if key is _OPAQUE:
            self._opaque += 1
            if self._opaque > max(1, self.limits.hard_keys // _OPAQUE_SHARE):
                raise LimitExceededError("too many keys are objects whose hash is not known here")
            return
        if key in self._seen:
            return
        self._seen.add(key)
        digest = hash(key)
        same = self._hashes.get(digest, 0) + 1
        self._hashes[digest] = same
        if same > _MAX_SAME_HASH:
            raise LimitExceededError("the keys were chosen so that their hashes collide")


class Nests:
    """Depth and expanded size of tuples that hold tuples, in one stream.

    Parameters
    ----------
    limits : Limits
        Of the policy.
    size : int
        Bytes of the stream: nothing honest expands beyond them by much.
    nested : bool, default=False
        Whether the stream stands inside another.
    """

    def __init__(self, limits: Limits, size: int, *, nested: bool = False) -> None:
        self.nested = nested
        self._nesting = limits.nesting
        self._weight = _FREE_EXPANSION + size
        # The tuple is kept beside its figures so that its id is not given to another.
        self._known: dict[int, tuple[Tuple, int, int]] = {}

    def measure(self, value: Value) -> tuple[int, int]:
        """Return depth and number of nodes of a value, as hashing or comparing would walk it."""
        if isinstance(value, tuple):
            known = self._known.get(id(value))
            return known[1:] if known is not None else (1, 1 + len(value))
        if isinstance(value, FrozenSetValue | Instance):
            return value.depth, value.weight
        return 0, 1

    def note(self, value: Tuple) -> None:
        """Measure a new tuple of which some item is a tuple or a frozenset."""
        depth, weight = 1, 1
        for item in value:
            if type(item) in _MEASURED:
                below, expanded = self.measure(item)
                if below >= depth:
                    depth = below + 1
                weight += expanded
            else:
                weight += 1
        if depth > self._nesting:
            raise LimitExceededError(f"tuples are nested more than {self._nesting} deep")
        if weight > self._weight:
            raise LimitExceededError("tuples that hold each other expand without bound")
        self._known[id(value)] = (value, depth, weight)

    def frozenset(self, items: list[Value]) -> FrozenSetValue:
        """Return a frozenset of these members, measured."""
        figures = [self.measure(item) for item in items]
        depth = 1 + max((depth for depth, _ in figures), default=0)
        weight = 1 + sum(weight for _, weight in figures)
        if depth > self._nesting or weight > self._weight:
            raise LimitExceededError("sets that hold each other expand without bound")
        return FrozenSetValue(depth, weight)


def _made(key: Instance, parts: Tuple, constants: Constants) -> Any:
    """Return a number or a date as something that has the same hash."""
    if key.rule == "scalar":
        return _scalar(parts, constants)
    import decimal
    import fractions

    values: list[Any] = [
        _OPAQUE if isinstance(one, RawValue) else constants.value(one) for one in parts
    ]
    if _OPAQUE in values:
        return _OPAQUE
    try:
        if key.name == ("decimal", "Decimal"):
            return decimal.Decimal(*values)
        if key.name == ("fractions", "Fraction"):
            return fractions.Fraction(*values)
    except (ArithmeticError, TypeError, ValueError):
        return _OPAQUE
    # The rest hash the bytes or the numbers they are made of.
    return tuple(values)


def _scalar(parts: Tuple, constants: Constants) -> Any:
    dtype, data = parts
    raw = data.content if isinstance(data, RawValue) else constants.value(data)
    if not isinstance(dtype, DTypeValue) or dtype.known is None or not isinstance(raw, bytes):
        return _OPAQUE
    order = dtype.known.byteorder.replace("|", "<")
    match dtype.code[0]:
        case "i" | "u" | "b" | "M" | "m":
            signed = dtype.code[0] not in "ub"
            return int.from_bytes(raw, "big" if order == ">" else "little", signed=signed)
        case "f" | "c":
            form = _FLOATS.get(len(raw) if dtype.code[0] == "f" else len(raw) // 2)
            if form is None:
                return _OPAQUE
            numbers = struct.unpack(f"{order}{len(raw) // struct.calcsize(form)}{form}", raw)
            return complex(*numbers) if dtype.code[0] == "c" else numbers[0]
        case "S" | "U":
            return raw
    return _OPAQUE


def _plain(key: Value, constants: Constants) -> Any:
    """Return the key as a Python object, or a mark where it is not made of constants only."""
    if type(key) is tuple:
        items = tuple(_plain(item, constants) for item in key)
        return _OPAQUE if any(item is _OPAQUE for item in items) else items
    if isinstance(key, _MUTABLE) or (isinstance(key, RawValue) and key.buffer):
        raise RuleBroken("a container or an array cannot be a key")
    if isinstance(key, Instance) and key.parts is not None:
        return _made(key, key.parts, constants)
    if type(key) is not int:
        # Names and functions hash by address, which a file cannot choose.
        return repr(key.written) if isinstance(key, Global) else _OPAQUE
    code = constants.data[key]
    if code in UNHASHABLE:
        raise RuleBroken("a bytearray cannot be a key")
    if code in COUNTED:
        length = constants.span(key)[1]
        if COUNTED[code][1] == "int" and length > _MAX_NUMBER_BYTES:
            raise RuleBroken("a number of more than 512 bits cannot be a key")
        if length > (_LONG_TEXT if code in TEXT_KEYS else 255):
            return _OPAQUE
    return constants.value(key)
