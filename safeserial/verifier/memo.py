# SPDX-License-Identifier: BSD-3-Clause
"""The memo of the machine: what is put there, what comes out again, which names are stored by it.

Floor 4.  A name may be stored only if it is listed for that: each time it comes onto the stack it
is called, or an argument of what may be given it, or it was stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from safeserial.errors import LimitExceededError
from safeserial.verifier import batches
from safeserial.verifier.opcodes import CODES, KINDS_AFTER_GAP, SIZES
from safeserial.verifier.values import (
    UNSET,
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
    Run,
    SetValue,
    Spent,
    Tuple,
    Unset,
    Untraced,
    Value,
    WrapperValue,
)

if TYPE_CHECKING:
    from safeserial.verifier.machine import Machine

_MAX_GAP: Final = 1024
_SHARED: Final = 512
_BINGET: Final = CODES["BINGET"]
# What GET may hand out again without a look.
PLAIN: Final = frozenset(
    {
        *(int, tuple, Instance, ArrayValue, DTypeValue, RawValue),
        *(ListValue, SetValue, FrozenSetValue),
    }
)


def settle(machine: Machine) -> None:
    """Record the names that were stored: pushed more often than they were called."""
    for one in machine.globals:
        if one.pushed > one.spent:
            try:
                machine.context.use(one, "reference")
            except RuleBroken as broken:
                raise machine.forbidden(str(broken), one.dotted) from None


def put(machine: Machine, index: int) -> None:
    """Put the top of the stack at an index of the memo, as PUT does."""
    memo, value = machine.memo, machine.stack[-1]
    if index < len(memo):
        memo[index] = value
        machine.forget()
        return
    gap = index - len(memo)
    # The C unpickler takes memory for all indices up to the highest; an entry takes a byte or more.
    reachable = min(machine.context.limits.memo_entries, machine.position - machine.start)
    if gap > _MAX_GAP or index >= reachable:
        raise LimitExceededError("an index of the memo is far beyond those in use")
    if gap:
        memo.extend([UNSET] * gap)
        machine.forget()
        machine.kinds = KINDS_AFTER_GAP
    memo.append(value)


def recall(machine: Machine, index: int) -> Value:
    """Return an entry of the memo, as GET does."""
    value = machine.memo[index]
    if isinstance(value, Run):
        batches.expand(machine, value)
        value = machine.memo[index]
    if isinstance(value, Global):
        value.pushed += 1
    elif isinstance(value, Unset):
        raise IndexError
    elif isinstance(value, Spent):
        raise Untraced
    elif isinstance(value, DictValue):
        _share(value)
    elif isinstance(value, WrapperValue):
        raise RuleBroken("joblib's wrapper is used once")
    elif isinstance(value, Arguments):
        for item in value:
            if isinstance(item, Global):
                item.pushed += 1
    return value


def _share(value: DictValue) -> None:
    if value.alone is None:
        raise RuleBroken("the state of joblib's wrapper is used once")
    value.alone = False


def learn(machine: Machine, here: int, chunk: bytes) -> list[Value] | None:
    """Return what a run of short opcodes pushes, and keep it for when it comes again.

    None where something in it has to be looked at each time.
    """
    memo = machine.memo
    values: list[Value] = []
    end = here + len(chunk)
    while here < end:
        code = machine.data[here]
        value: Value = here if code != _BINGET else memo[machine.data[here + 1]]
        if type(value) not in PLAIN:
            return None
        values.append(value)
        here += 2 if code == _BINGET else SIZES[code]
    if len(machine.shared) < _SHARED:
        machine.shared[chunk] = values
    return values


def hold(machine: Machine, items: Tuple) -> Tuple:
    """Account for a new tuple that holds tuples, instances or names."""
    for item in items:
        if type(item) is Global and item.unstored:
            items = Arguments(items)
            break
    machine.nests.note(items)
    return items
