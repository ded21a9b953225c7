# SPDX-License-Identifier: BSD-3-Clause
"""What the opcodes do that name, make or change objects, as far as the policy lets them.

Floor 4.  GLOBAL and STACK_GLOBAL open a name; REDUCE, NEWOBJ and NEWOBJ_EX hand it to the rule of
its grant; BUILD gives a state once to an instance made in the same stream.
"""

from __future__ import annotations

import _compat_pickle
from typing import Final

from safeserial.verifier import arrays, wrappers
from safeserial.verifier.idioms import IDIOMS
from safeserial.verifier.literals import plain
from safeserial.verifier.machine import Machine, Step
from safeserial.verifier.opcodes import CODES, GLOBAL_LINES, NAME
from safeserial.verifier.rules import RULES, TAINTABLE, is_tainted, make_wrapper, no_such_rule
from safeserial.verifier.states import set_state
from safeserial.verifier.tracing import learn
from safeserial.verifier.values import (
    UNKNOWN,
    Arguments,
    ArrayValue,
    DictValue,
    DTypeValue,
    Global,
    Instance,
    RuleBroken,
    Tuple,
    Unknown,
    Value,
    WrapperValue,
)

_RENAMED_BELOW: Final = 3
# How many arguments, from the first on, may be classes that are not kept, by the rule of what is
# called: it makes instances of them, or is given the function that does.
_CLASSES: Final = {
    **dict.fromkeys(("bit-generator", "class-argument", "extension-array", "index"), 1),
    **dict.fromkeys(("ndarray-reconstruct", "newobj", "pyx-unpickle"), 1),
    **dict.fromkeys(("generator", "masked-reconstruct", "random-state", "reconstructor"), 2),
}
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
    renamed = module, name
    # What the policy has answered for is a name.
    known_before = renamed in machine.context.allowlist.answers
    if not known_before and not (NAME.fullmatch(module) and NAME.fullmatch(name)):
        raise RuleBroken("a name is ASCII letters, digits, underscores and dots")
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
    if opened.name in wrappers.NAMES:
        opened.rule = make_wrapper
    elif opened.grant is not None:
        opened.rule = rule = RULES.get(opened.grant.rule)
        opened.idiom = IDIOMS.get(rule) if rule is not None else None
        opened.simple = opened.rule is plain and "new" in opened.grant.roles
    machine.globals.append(opened)
    machine.stack.append(opened)


def _call(machine: Machine, target: Global, arguments: Value, role: str) -> Value:
    if not isinstance(arguments, tuple):
        if isinstance(arguments, Unknown):
            machine.context.use(target, role)
            return UNKNOWN
        raise RuleBroken("arguments are a tuple")
    target.spent += 1
    machine.instances += 1
    use = machine.use
    use.target, use.arguments = target, tuple(arguments)
    if not machine.context.use(target, role) or target.grant is None:
        _spend(arguments)
        return UNKNOWN
    use.grant = target.grant
    if target.rule is None:
        raise no_such_rule(target)
    if is_tainted(use.arguments):
        _spend(arguments)
        return UNKNOWN
    made = target.rule(use)
    if type(arguments) is Arguments:
        _spend(_takes(target, arguments))
    return made


def _takes(target: Global, arguments: Tuple) -> Tuple:
    """Return those of some arguments that a call uses up, and stores nowhere."""
    if target.kind is not None and target.kind.trusted:
        return arguments
    return arguments[: _CLASSES.get(target.grant.rule, 0)] if target.grant is not None else ()


def _spend(arguments: Tuple) -> None:
    for one in arguments:
        if isinstance(one, Global):
            one.spent += 1
            one.roles.add("reference")


def _make(machine: Machine, here: int, target: Value, arguments: Value, role: str) -> int:
    if type(target) is not Global:
        if not isinstance(target, Unknown):
            raise RuleBroken("only a listed name can be called")
        machine.stack.append(UNKNOWN)
        return here + 1
    try:
        made = _call(machine, target, arguments, role)
    except RuleBroken as broken:
        raise machine.forbidden(str(broken), target.dotted) from None
    if type(made) is WrapperValue:
        machine.wrappers += 1
    machine.stack.append(made)
    return here + 1


def _reduce(machine: Machine, here: int) -> int:
    stack = machine.stack
    arguments, target = stack.pop(), stack.pop()
    if type(target) is Global and (type(arguments) is tuple or type(arguments) is Arguments):
        grant, rule = target.grant, target.rule
        clean = TAINTABLE.isdisjoint(map(type, arguments)) or not is_tainted(arguments)
        if clean and grant is not None and rule is not None and "call" in grant.roles:
            # The same as below without its detours: a forest calls two functions for each tree.
            target.spent += 1
            target.roles.add("call")
            machine.instances += 1
            use = machine.use
            use.target, use.grant, use.arguments = target, grant, tuple(arguments)
            try:
                made = rule(use)
            except RuleBroken as broken:
                raise machine.forbidden(str(broken), target.dotted) from None
            if type(made) is WrapperValue:
                machine.wrappers += 1
            if type(arguments) is Arguments:
                _spend(_takes(target, arguments))
            stack.append(made)
            return here + 1
    return _make(machine, here, target, arguments, "call")


def _newobj(machine: Machine, here: int) -> int:
    stack = machine.stack
    arguments, target = stack.pop(), stack.pop()
    if type(target) is Global and target.simple and arguments == () and target.kind is not None:
        target.spent += 1
        target.roles.add("new")
        kind = target.kind
        machine.instances += 1
        if kind.trace is not None and (end := kind.trace.replay(machine, here + 1)):
            return end
        made = Instance(kind, 1)
        kind.begun = made, here + 1, len(machine.memo)
        stack.append(made)
        return here + 1
    return _make(machine, here, target, arguments, "new")


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
    return _make(machine, here, machine.stack.pop(), arguments, "new")


def _build(machine: Machine, here: int) -> int:
    stack = machine.stack
    state, target = stack.pop(), stack[-1]
    if type(target) is Instance:
        try:
            set_state(machine, target, state)
        except RuleBroken as broken:
            raise machine.forbidden(str(broken), ".".join(target.name)) from None
        begun = target.kind.begun
        if begun is not None and begun[0] is target:
            learn(machine, target.kind, here + 1)
    elif type(target) is ArrayValue:
        try:
            arrays.build_array(target, state, machine.constants)
        except RuleBroken:
            # What comes of a name that is not listed is reported as such.
            if type(state) is not tuple or not any(isinstance(part, Unknown) for part in state):
                raise
            target.built = True
    elif type(target) is DTypeValue:
        arrays.build_dtype(target, state, machine.constants)
    elif type(target) is WrapperValue:
        machine.wrappers -= 1
        return wrappers.read(machine, state, here + 1)
    elif not isinstance(target, Unknown):
        raise RuleBroken("a state is given only to instances made in this file")
    return here + 1


CALL_STEPS: Final[dict[int, Step]] = {
    CODES["GLOBAL"]: _global,
    CODES["STACK_GLOBAL"]: _stack_global,
    CODES["REDUCE"]: _reduce,
    CODES["NEWOBJ"]: _newobj,
    CODES["NEWOBJ_EX"]: _newobj_ex,
    CODES["BUILD"]: _build,
}
