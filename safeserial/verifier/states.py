# SPDX-License-Identifier: BSD-3-Clause
"""What BUILD gives to an instance: states that set attributes, and no more than that.

Floor 4.  Where a class has no ``__setstate__`` the unpickler writes a dict into ``__dict__`` and
calls ``setattr`` with a second one; where it has, that function does something with the state.
Either way an honest state is a dict or a tuple made in the stream, and its keys name attributes.
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Final

from safeserial.verifier.intrinsic import (
    FRAME_PARTS,
    FRAMES,
    MANAGERS,
    QUIET_ATTRIBUTES,
    QUIET_STATES,
)
from safeserial.verifier.opcodes import CODES
from safeserial.verifier.values import (
    Arguments,
    ArrayValue,
    DictValue,
    DTypeValue,
    FrozenSetValue,
    Global,
    Instance,
    Kind,
    ListValue,
    RawValue,
    RuleBroken,
    Tuple,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from safeserial.verifier.machine import Machine

_PARTIAL_STATE: Final = 4
_SHORT_TEXT: Final = CODES["SHORT_BINUNICODE"]
# Names of attributes, as they are written, about which there is nothing to say: most files have the
# same few hundred.
_ORDINARY: Final[set[bytes]] = set()
_MOST_ORDINARY: Final = 10_000
_SLOT_STATE: Final = 2
# SciPy's distributions keep a text about themselves, and numpy.vectorize a name beside it; nothing
# looks these up but help().
_HARMLESS: Final = frozenset({"__doc__", "__name__"})
_CACHES: Final = frozenset({DictValue, Unknown})
_MEASURED: Final = frozenset({tuple, Arguments, FrozenSetValue, Instance})


def set_state(machine: Machine, target: Instance, state: Value) -> None:
    """Check the state of an instance.

    Parameters
    ----------
    machine : Machine
        With the memo and the constants of the stream.
    target : Instance
        Made in the same stream.
    state : Value
        What BUILD finds on top of the stack.

    Raises
    ------
    RuleBroken
        If its class may not be given this state.
    """
    kind = target.kind
    if target.built or not kind.buildable:
        raise RuleBroken("it may not be given a state" if not target.built else "built twice")
    target.built = True
    if not kind.seen:
        kind.seen = True
        machine.context.builds.add(kind.name)
    if kind.parts is not None:
        _check_parts(machine, kind, state)
    if type(state) is DictValue:
        _set_attributes(machine, target, state)
        return
    _weigh(machine, target, [state])
    if isinstance(state, Unknown):
        return
    if kind.rule == "partial":
        _check_partial(machine, state)
    elif not kind.trusted:
        if kind.arrays or kind.dict_state:
            raise RuleBroken("its state is a dict")
        _check_state(machine, kind, state)


def _check_parts(machine: Machine, kind: Kind, state: Value) -> None:
    """Hold a state that compiled code takes apart uncounted to the number of its parts."""
    today, *earlier = kind.parts or ()
    if type(state) is not tuple or len(state) not in (today, *earlier):
        raise RuleBroken(f"its state is a tuple of {today} parts")
    if len(state) != today:
        machine.context.outdated.add(kind.name)


def _set_attributes(machine: Machine, target: Instance, state: DictValue) -> None:
    kind = target.kind
    if state.flat is None:
        if not kind.trusted:
            raise RuleBroken("a state has too many attributes")
        return
    values, layout = state.flat[1::2], state.layout
    if layout is None or not layout.named or kind.guarded:
        _check_attributes(machine, kind, state, values)
    else:
        for position in layout.quiet:
            if type(values[position]) is not int:
                _check_attributes(machine, kind, state, values)
    _weigh(machine, target, values)


def _check_attributes(machine: Machine, kind: Kind, state: DictValue, values: list[Value]) -> None:
    if kind.trusted:
        return
    keys = (state.flat or [])[::2]
    _check_keys(machine, keys)
    quiet: list[int] = []
    if machine.quiet:
        quiet = [position for position, key in enumerate(keys) if key in machine.quiet]
    if not all(type(values[position]) is int for position in quiet):
        raise RuleBroken("what is printed and compared while it loads is a constant")
    if kind.guarded:
        _check_values(machine, kind, keys, values)
    if state.layout is not None:
        state.layout.named, state.layout.quiet = True, tuple(quiet)


def _check_keys(machine: Machine, keys: list[Value]) -> None:
    """Hold keys to names of attributes that Python does not look up by itself."""
    known, constants, data = machine.attributes, machine.constants, machine.data
    for key in keys:
        if key in known:
            continue
        raw = b""
        if type(key) is int and data[key] == _SHORT_TEXT:
            raw = bytes(data[key : key + 2 + data[key + 1]])
            if raw in _ORDINARY:
                known.add(key)
                continue
        name = constants.value(key)
        if type(name) is not str:
            raise RuleBroken("an attribute's name is a string")
        if name[:2] == "__" == name[-2:] and name not in _HARMLESS:
            raise RuleBroken(f"no class keeps {name[:40]} in its state")
        if name in QUIET_ATTRIBUTES:
            machine.quiet.add(key)
        elif raw and len(_ORDINARY) < _MOST_ORDINARY:
            _ORDINARY.add(raw)
        known.add(key)


def _check_state(machine: Machine, kind: Kind, state: Value) -> None:
    # Of anything else __setstate__ may call methods: an instance may have a `pop` of its own.
    if type(state) is tuple:
        check_tuple(machine, state)
        for part in state if kind.caching else ():
            if type(part) is DictValue and part.flat is not None:
                _check_caches(machine, part.flat[::2], part.flat[1::2])
        if kind.rule == "extension-array":
            _check_backed(state)
        elif len(state) == _SLOT_STATE and type(state[1]) is DictValue:
            # The unpickler calls setattr, which properties of the class take part in.
            if kind.rule != "slots":
                raise RuleBroken("its class has no slots")
            values = (state[1].flat or [])[1::2]
            if kind.name[0].partition(".")[0] == "scipy" and not all(map(_is_numeric, values)):
                raise RuleBroken("an interpolation is made of arrays and constants")
    elif type(state) is not int and not isinstance(state, ListValue | RawValue):
        raise RuleBroken("a state is a dict or a tuple made in this file")


def check_tuple(machine: Machine, state: Tuple) -> None:
    """Check the dicts of a state that is a tuple: some of them become attributes."""
    for part in state:
        if type(part) is DictValue:
            if part.flat is None:
                raise RuleBroken("a state has too many attributes")
            _check_names(machine, part.flat[::2])
        elif isinstance(part, Instance) and "m" in part.kind.shape:
            raise RuleBroken("a state's dicts are made in this file")


def _check_names(machine: Machine, keys: list[Value]) -> None:
    """Hold the strings among keys to names of attributes: not all the dicts are attributes."""
    texts: list[Value] = [
        key for key in keys if type(key) is int and type(machine.constants.value(key)) is str
    ]
    _check_keys(machine, texts)
    if any(isinstance(key, Instance) for key in keys):
        raise RuleBroken("an attribute's name is a string")


def _check_backed(state: Tuple) -> None:
    # pandas ends such a state with the array, or with attributes, which `dict.update` takes: of an
    # instance it would call `keys`.
    last = state[-1] if state else None
    if not isinstance(last, DictValue | ArrayValue | Unknown):
        raise RuleBroken("its state ends with an array or a dict")
    if isinstance(last, ArrayValue) and not last.built:
        raise RuleBroken("a half-built array is not a state")


def _check_values(machine: Machine, kind: Kind, keys: list[Value], values: list[Value]) -> None:
    """Hold what a state sets off at once to what cannot do anything."""
    if kind.arrays:
        _check_arrays(machine, kind.arrays, keys, values)
    if kind.caching:
        _check_caches(machine, keys, values)
    if kind.name in QUIET_STATES and not all(_is_quiet(one) or _is_cache(one) for one in values):
        raise RuleBroken("what it is printed and compared by is plain")
    if kind.name not in FRAMES:
        return
    for key, value in zip(keys, values, strict=True):
        text = machine.constants.value(key)
        if text not in FRAME_PARTS:
            raise RuleBroken("a data frame has other parts")
        managed = isinstance(value, Unknown) or (
            isinstance(value, Instance) and value.name in MANAGERS
        )
        if text in ("_mgr", "_data") and not managed:
            raise RuleBroken("a data frame's blocks are held by a BlockManager")


def _is_numeric(value: Value) -> bool:
    """Say whether an array can be made of a value at no cost, or none is made of it."""
    if type(value) is tuple:
        return all(type(part) is int or type(part) is ArrayValue for part in value)
    if isinstance(value, ArrayValue):
        return value.built
    return (
        type(value) is int or isinstance(value, DTypeValue | Global | Unknown) or _is_scalar(value)
    )


def _is_scalar(value: Value) -> bool:
    return isinstance(value, Instance) and value.kind.rule == "scalar"


def _check_caches(machine: Machine, keys: list[Value], values: list[Value]) -> None:
    for key, value in zip(keys, values, strict=True):
        if machine.constants.value(key) == "_cache" and type(value) not in _CACHES:
            raise RuleBroken("what pandas keeps results in is a dict")


def _is_cache(value: Value) -> bool:
    """Say whether a value is the dict in which pandas keeps what a dtype was asked before."""
    if type(value) is not DictValue or value.flat is None or not all(map(_is_quiet, value.flat)):
        return False
    value.sealed = True  # what is looked at now is all that there will be
    return True


def _is_quiet(value: Value) -> bool:
    if isinstance(value, Instance):
        kind = value.kind
        return (
            kind.rule in ("constants", "index", "numbers", "scalar")
            or kind.name in QUIET_STATES
            or kind.name[0] == "datetime"
            or kind.trusted
        )
    return type(value) is int or isinstance(value, DTypeValue | Global | Unknown)


def _check_arrays(
    machine: Machine, names: frozenset[str], keys: list[Value], values: list[Value]
) -> None:
    for key, value in zip(keys, values, strict=True):
        if machine.constants.value(key) in names and not isinstance(value, Unknown):
            whole = isinstance(value, ArrayValue) and value.built and value.dtype is not None
            if not whole or value.dtype.has_objects:  # type: ignore[attr-defined]
                raise RuleBroken("methods of it are called while it loads: it must be an array")
            if not value.shape:  # type: ignore[attr-defined]
                raise RuleBroken("an array of no dimensions has no length")


def _weigh(machine: Machine, target: Instance, values: list[Value]) -> None:
    """Add to an instance what hashing its state may cost."""
    for value in compress(values, map(_MEASURED.__contains__, map(type, values))):
        depth, weight = machine.nests.measure(value)
        if depth >= target.depth:
            target.depth = depth + 1
        target.weight += weight


def _check_partial(machine: Machine, state: Value) -> None:
    if type(state) is not tuple or len(state) != _PARTIAL_STATE:
        raise RuleBroken("a partial's state has four parts")
    function, arguments, keywords, extra = state
    none = machine.constants.is_none
    if not isinstance(function, Global | Unknown) or type(arguments) is not tuple:
        raise RuleBroken("a partial holds a listed function")
    if not (isinstance(keywords, DictValue) or none(keywords)):
        raise RuleBroken("a partial's keywords are a dict")
    if not (none(extra) or isinstance(extra, DictValue)):
        raise RuleBroken("a partial's attributes are a dict")
    check_tuple(machine, (extra,))
