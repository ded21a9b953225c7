# SPDX-License-Identifier: BSD-3-Clause
"""Rules of the standard library: literals, numbers and containers made in the stream itself.

Floor 4.  The names of the rules are in `rules`.
"""

from __future__ import annotations

import datetime
import re
from typing import Final

from safeserial.verifier.arrays import nest
from safeserial.verifier.use import Use
from safeserial.verifier.values import (
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
    Value,
    WrapperValue,
)

_FACTORIES: Final = frozenset(
    {
        ("collections", "OrderedDict"),
        *(
            ("builtins", name)
            for name in ("list", "dict", "set", "int", "float", "str", "bool", "tuple")
        ),
    }
)
_KINDS: Final = frozenset(
    ("list", "tuple", "dict", "set", "frozenset", "OrderedDict", "deque", "Counter")
)
_PAIR: Final = 2
_RANGE: Final = 2**31
_LONGEST_RANGE: Final = 2**24
_MAX_TEXT: Final = 2**16
_MAX_BITS: Final = 2**13
_MOMENTS: Final = {"date": 4, "time": 6, "datetime": 10}
_FOLD: Final = 0x80
_MAX_BYTE: Final = 255
_RATIO: Final = re.compile(r"-?[0-9]{1,1000}(/[0-9]{1,1000})?")


def plain(use: Use) -> Value:
    """Accept any values of this stream but half-built arrays and wrappers."""
    for argument in use.arguments:
        _whole(argument)
    return use.result()


def _whole(value: Value) -> None:
    if isinstance(value, ArrayValue) and not value.built:
        raise RuleBroken("a half-built array is not an argument")
    if isinstance(value, DTypeValue) and value.known is None:
        raise RuleBroken("a half-built dtype is not an argument")
    if isinstance(value, WrapperValue):
        raise RuleBroken("joblib's wrapper is not an argument")


def constants_only(use: Use) -> Value:
    """Accept constants, bytes included."""
    for argument in use.arguments:
        if isinstance(argument, RawValue) and not argument.buffer:
            continue
        value = use.constants.value(argument)
        if isinstance(value, str | bytes | bytearray) and len(value) > _MAX_TEXT:
            raise RuleBroken("a text is too long here")
        if isinstance(value, int) and value.bit_length() > _MAX_BITS:
            raise RuleBroken("a number is too long here")
        fraction = use.target.name == ("fractions", "Fraction")
        if fraction and isinstance(value, str) and not _RATIO.fullmatch(value):
            raise RuleBroken("a fraction is two integers")
    made = use.result()
    made.parts = use.arguments
    return made


def moment(use: Use) -> Value:
    """Accept a date or a time that there is, perhaps with a time zone."""
    for argument in use.arguments:
        _whole(argument)
    if use.arguments and not isinstance(use.arguments[0], Instance):
        _check_moment(use)
    made = use.result()
    made.parts = use.arguments if len(use.arguments) == 1 else None
    return made


def _check_moment(use: Use) -> None:
    """Hold the bytes of a date or time to what a calendar has: C code formats them unchecked."""
    kind, raw = use.target.name[1], use.constants.value(use.arguments[0])
    if isinstance(raw, str) and len(raw) in _MOMENTS.values():
        raw = raw.encode("latin1", "replace")
    if not isinstance(raw, bytes):
        return
    if len(raw) != _MOMENTS.get(kind, len(raw)):
        raise RuleBroken("a date or time has another length")
    try:
        if kind in ("date", "datetime"):
            # The highest bit says which of two equal moments it is, when clocks are set back.
            fold = _FOLD if kind == "datetime" else 0
            datetime.date(raw[0] << 8 | raw[1], raw[2] & ~fold, raw[3])
        if kind in ("time", "datetime"):
            hour, minute, second, *small = raw[-6:]
            datetime.time(
                hour & ~_FOLD if kind == "time" else hour, minute, second, int.from_bytes(small)
            )
    except ValueError:
        raise RuleBroken("there is no such date or time") from None


def numbers(use: Use) -> Value:
    """Accept numbers, None and NumPy scalars."""
    for argument in use.arguments:
        if isinstance(argument, Instance) and argument.rule == "scalar":
            continue
        if not isinstance(use.constants.value(argument), int | float | None):
            raise RuleBroken("numbers are needed here")
    return use.result()


def literal(use: Use) -> Value:
    """Accept nothing, or one container made in this stream."""
    use.take(0, 1)
    return filled(use, use.target.name[1])


def container(use: Use) -> Value:
    """Accept a container made in this stream; for a deque also its length."""
    use.take(0, 2)
    if len(use.arguments) == _PAIR:
        length = use.constant(1)
        if use.target.name[1] != "deque" or not isinstance(length, int | None):
            raise RuleBroken("called with 2 arguments")
    return filled(use, use.target.name[1])


def filled(use: Use, kind: str) -> Value:  # noqa: C901 - one line for each kind
    """Return what a builtin container made of the first argument is."""
    source = use.arguments[0] if use.arguments else ()
    if not isinstance(source, tuple | ListValue | DictValue | SetValue | FrozenSetValue):
        raise RuleBroken("only a list, tuple, dict or set made here")
    members = list(source) if type(source) is tuple else []
    if isinstance(source, ListValue):
        use.context.allocate(16 * source.count)
        if source.items is None and not source.easy and kind not in ("list", "tuple", "deque"):
            raise RuleBroken("too many members that are neither strings nor small integers")
        members = source.items or []
    if use.arguments and kind not in _KINDS:
        raise RuleBroken("only of nothing")
    if kind == "tuple":
        if isinstance(source, ListValue) and source.items is None:
            raise RuleBroken("too many members")
        made = tuple(members)
        use.nests.note(made)
        return made
    if kind in ("dict", "OrderedDict"):
        return _mapping(use, source, members)
    if kind in ("set", "frozenset", "Counter"):
        for member in members:
            use.context.keys.charge(member, use.nests, use.constants)
    if kind == "frozenset":
        return use.nests.frozenset(members)
    if kind == "set":
        return SetValue()
    result = use.result()
    nest(result, members, source.depth if isinstance(source, ListValue) else 0)
    return result


def _mapping(use: Use, source: Value, members: list[Value]) -> Value:
    if isinstance(source, ListValue) and source.items is None:
        raise RuleBroken("too many pairs")
    if isinstance(source, SetValue | FrozenSetValue):
        raise RuleBroken("only a dict, or pairs")
    for member in members:
        # Python 2 and old pickles write an OrderedDict as a list of lists.
        pair = member.items if isinstance(member, ListValue) else member
        if not isinstance(pair, tuple | list) or len(pair) != _PAIR:
            raise RuleBroken("only a dict, or pairs")
        use.context.keys.charge(pair[0], use.nests, use.constants)
    return use.result()


def default_factory(use: Use) -> Value:
    """Accept nothing, None or a builtin type."""
    use.take(0, 1)
    if use.arguments:
        factory = use.arguments[0]
        known = isinstance(factory, Global) and factory.name in _FACTORIES
        if not known and not use.constants.is_none(factory):
            raise RuleBroken("the factory is a builtin type or None")
    return use.result()


def range_of(use: Use) -> Value:
    """Accept integers that stay few, and count them: a range is lazy, whoever walks it is not."""
    bounds = [use.constants.integer(argument) for argument in use.take(1, 3)]
    if max(map(abs, bounds)) > _RANGE or bounds[2:] == [0]:
        raise RuleBroken("a range of at most 2**31")
    count = len(range(*bounds))
    if count > _LONGEST_RANGE:
        raise RuleBroken(f"a range of {count} numbers")
    use.context.allocate(8 * count)
    return use.result()


def slice_of(use: Use) -> Value:
    """Accept constants and NumPy scalars."""
    for argument in use.take(1, 3):
        if not (isinstance(argument, Instance) and argument.rule == "scalar"):
            use.constants.value(argument)
    return use.result()


def bytes_of(use: Use) -> Value:
    """Accept nothing or small integers; of a number it would allocate that many."""
    use.take(0, 1)
    if not use.arguments:
        return RawValue(0, content=b"")
    source = use.arguments[0]
    items = source.items if isinstance(source, ListValue) else source
    if not isinstance(items, list | tuple):
        raise RuleBroken("bytes of a list of integers")
    if not all(0 <= use.constants.integer(item) <= _MAX_BYTE for item in items):
        raise RuleBroken("bytes of a list of integers")
    return RawValue(len(items))


def bytearray_of(use: Use) -> Value:
    """Accept bytes; of a number it would allocate that many."""
    use.take(0, 2)
    if len(use.arguments) == _PAIR:
        if use.constant(1) not in ("latin-1", "latin1"):
            raise RuleBroken("a string and latin-1")
        _latin1_bytes(use)
    elif use.arguments and use.constants.raw_length(use.arguments[0]) is None:
        raise RuleBroken("a bytearray of bytes")
    return use.result()


def latin1(use: Use) -> Value:
    """Accept how protocol 2 writes bytes."""
    use.take(2, 2)
    if use.constant(1) not in ("latin1", "latin-1"):
        raise RuleBroken("only latin1")
    length, content = _latin1_bytes(use)
    return RawValue(length, content=content)


def _latin1_bytes(use: Use) -> tuple[int, bytes | None]:
    try:
        return use.constants.latin1(use.arguments[0])
    except UnicodeEncodeError:
        raise RuleBroken("a character is above 255") from None


def partial_of(use: Use) -> Value:
    """Accept one listed function."""
    function = use.take(1, 1)[0]
    if not isinstance(function, Global):
        raise RuleBroken("a partial holds a listed function")
    use.context.use(function, "reference")
    return use.result()
