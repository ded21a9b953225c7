# SPDX-License-Identifier: BSD-3-Clause
"""What the opcodes do that name, make or change objects, as far as the policy lets them.

Floor 4.  GLOBAL and STACK_GLOBAL open a name; REDUCE, NEWOBJ and NEWOBJ_EX hand it to the rule of
its grant; BUILD gives a state once to an instance made in the same stream.
"""

from __future__ import annotations

import _compat_pickle
from typing import Final

from safeserial.policy import Grant
from safeserial.verifier import arrays, wrappers
from safeserial.verifier.machine import NESTED, Machine, Step
from safeserial.verifier.opcodes import CODES, GLOBAL_LINES, NAME
from safeserial.verifier.rules import apply, make_wrapper
from safeserial.verifier.use import Use
from safeserial.verifier.values import (
    UNKNOWN,
    ArrayValue,
    DictValue,
    DTypeValue,
    Global,
    Instance,
    RuleBroken,
    Unknown,
    Value,
    WrapperValue,
)

_INSTANCE_BYTES: Final = 64
_NO_GRANT: Final = Grant(frozenset())
_RENAMED_BELOW: Final = 3
_PARTIAL_STATE: Final = 4
_NAME_CODES: Final = frozenset(CODES[n] for n in ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"))


def _global(machine: Machine, here: int) -> int:
    match = GLOBAL_LINES.match(machine.data, here)
    if match is None:
        raise ValueError("global")
    _open(machine, here, match[1].decode("ascii"), match[2].decode("ascii"))
    return match.end()


def _stack_global(machine: Machine, here: int) -> int:
    name, module = machine.stack.pop(), machine.stack.pop()
    if isinstance(name, Unknown) or isinstance(module, Unknown):
        raise RuleBroken("a name is a constant")
    constants = machine.constants
    for one in (module, name):
        if type(one) is not int or machine.data[one] not in _NAME_CODES:
            raise RuleBroken("a name is a constant string")
    _open(machine, here, constants.text(module), constants.text(name))
    return here + 1


def _open(machine: Machine, here: int, module: str, name: str) -> None:
    if not NAME.fullmatch(module) or not NAME.fullmatch(name):
        raise RuleBroken("a name is ASCII letters, digits, underscores and dots")
    renamed = module, name
    if machine.protocol < _RENAMED_BELOW:
        if renamed in _compat_pickle.NAME_MAPPING:
            renamed = _compat_pickle.NAME_MAPPING[renamed]
        elif module in _compat_pickle.IMPORT_MAPPING:
            renamed = _compat_pickle.IMPORT_MAPPING[module], name
    known = wrappers.NAMES if machine.context.joblib else frozenset()
    opened = machine.context.open_name((module, name), renamed, here, known=known)
    if opened.name in wrappers.REFUSED:
        raise wrappers.too_old(opened.dotted)
    opened.pushed = 1
    machine.globals.append(opened)
    machine.stack.append(opened)


def _call(machine: Machine, target: Global, arguments: Value, role: str) -> Value:
    if type(arguments) is not tuple:
        if isinstance(arguments, Unknown):
            machine.context.use(target, role)
            return UNKNOWN
        raise RuleBroken("arguments are a tuple")
    target.spent += 1
    machine.context.allocate(_INSTANCE_BYTES)
    grant = target.grant
    parts = (arguments, machine.constants, machine.nests, machine.context)
    if role == "call":
        if not machine.context.use(target, role) or grant is None:
            return UNKNOWN
        made = apply(Use(target, grant, *parts))
    elif target.name in wrappers.NAMES:
        made = make_wrapper(Use(target, _NO_GRANT, *parts))
    else:
        if not machine.context.use(target, role) or grant is None:
            return UNKNOWN
        made = apply(Use(target, grant, *parts))
    return made


def _make(machine: Machine, here: int, arguments: Value, role: str) -> int:
    target = machine.stack.pop()
    if isinstance(target, Unknown):
        machine.stack.append(UNKNOWN)
        return here + 1
    if not isinstance(target, Global):
        raise RuleBroken("only a listed name can be called")
    try:
        made = _call(machine, target, arguments, role)
    except RuleBroken as broken:
        raise machine.forbidden(str(broken), target.dotted) from None
    if isinstance(made, WrapperValue):
        machine.wrappers += 1
    machine.stack.append(made)
    return here + 1


def _reduce(machine: Machine, here: int) -> int:
    return _make(machine, here, machine.stack.pop(), "call")


def _newobj(machine: Machine, here: int) -> int:
    return _make(machine, here, machine.stack.pop(), "new")


def _newobj_ex(machine: Machine, here: int) -> int:
    keywords, arguments = machine.stack.pop(), machine.stack.pop()
    if not isinstance(keywords, DictValue | Unknown):
        raise RuleBroken("keyword arguments are a dict made in this file")
    if isinstance(keywords, DictValue):
        if keywords.pairs is None:
            raise RuleBroken("too many keyword arguments")
        for key, _ in keywords.pairs:
            machine.constants.text(key)
        target = machine.stack[-1]
        ruled = isinstance(target, Global) and target.grant is not None and target.grant.rule
        if keywords.pairs and ruled:
            raise RuleBroken("its rule takes no keyword arguments")
        if keywords.pairs and isinstance(arguments, tuple):
            arguments += tuple(value for _, value in keywords.pairs)
    return _make(machine, here, arguments, "new")


def _build(machine: Machine, here: int) -> int:
    state, target = machine.stack.pop(), machine.stack[-1]
    if isinstance(target, WrapperValue):
        machine.wrappers -= 1
        return wrappers.read(machine, state, here + 1)
    name = ".".join(target.name) if isinstance(target, Instance) else ""
    try:
        _set_state(machine, target, state)
    except RuleBroken as broken:
        raise machine.forbidden(str(broken), name) from None
    return here + 1


def _set_state(machine: Machine, target: Value, state: Value) -> None:
    if isinstance(target, Unknown):
        return
    if isinstance(target, DTypeValue):
        arrays.build_dtype(target, state, machine.constants)
    elif isinstance(target, ArrayValue):
        _build_array(machine, target, state)
    elif not isinstance(target, Instance):
        raise RuleBroken("a state is given only to instances made in this file")
    elif target.built or not target.buildable:
        raise RuleBroken("it may not be given a state" if not target.built else "built twice")
    else:
        machine.context.builds.add(target.name)
        target.built = True
        _weigh(machine, target, state)
        if target.rule == "partial":
            _check_partial(machine, state)
        elif isinstance(state, ArrayValue) and not state.built:
            raise RuleBroken("a half-built array is not a state")


def _weigh(machine: Machine, target: Instance, state: Value) -> None:
    """Add to an instance what hashing its state may cost."""
    values: list[Value] = [state]
    if isinstance(state, DictValue):
        values = [value for _, value in state.pairs or ()]
    for value in values:
        if type(value) in NESTED:
            depth, weight = machine.nests.measure(value)
            target.depth = max(target.depth, depth + 1)
            target.weight += weight


def _build_array(machine: Machine, target: ArrayValue, state: Value) -> None:
    if type(state) is tuple and any(isinstance(part, Unknown) for part in state):
        target.built = True
        return
    arrays.build_array(target, state, machine.constants)


def _check_partial(machine: Machine, state: Value) -> None:
    if isinstance(state, Unknown):
        return
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


CALL_STEPS: Final[dict[int, Step]] = {
    CODES["GLOBAL"]: _global,
    CODES["STACK_GLOBAL"]: _stack_global,
    CODES["REDUCE"]: _reduce,
    CODES["NEWOBJ"]: _newobj,
    CODES["NEWOBJ_EX"]: _newobj_ex,
    CODES["BUILD"]: _build,
}
