# SPDX-License-Identifier: BSD-3-Clause
"""The registers of a trace that is being written, and what is known of each.

Floor 4.  A register is a value of the object: the same for all objects of the class, a constant in
a hole, or the result of an operation of the program.  An operation whose operands are the same for
all objects is taken out again, and its result is the value that the machine has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from safeserial.verifier.machine import Machine
from safeserial.verifier.traces import ARRAY, DICT, LAYOUT, READ, Form, Pick
from safeserial.verifier.values import SPENT, DTypeValue, Value

Operation = tuple[int, int, Any, Any]


class Untraceable(Exception):  # noqa: N818 - not an error: the object is verified all the same
    """An object does something that traces leave to the machine."""


@dataclass(slots=True, eq=False)
class Register:
    """What is known of one value of the object.

    Parameters
    ----------
    shared : bool
        It is the same for all objects; `value` is what.
    operation : int, optional
        Position of the operation that makes it.
    pure : bool
        That operation would make the same of it for all objects.
    changes, uses : int
        How often it was changed after that, and how often something else holds it.
    members : tuple of int, optional
        Registers of a tuple; keys and values of a dict.
    memo : int, optional
        Its position among the object's memo entries.
    wrapper : bool
        It is joblib's wrapper, with an array behind it.
    """

    shared: bool = False
    value: Value = None
    operation: int | None = None
    pure: bool = False
    changes: int = 0
    uses: int = 0
    members: tuple[int, ...] | None = None
    memo: int | None = None
    wrapper: bool = False


class Registers:
    """All registers of one object, the program that fills them, and its memo entries.

    Parameters
    ----------
    machine : Machine
        Which has verified the object.
    base : int
        Length of the memo when the object was begun.
    first : Operation
        Makes the object itself.
    """

    def __init__(self, machine: Machine, base: int, first: Operation) -> None:
        self.machine = machine
        self.base = base
        self.all = [Register(operation=0)]
        self.program: list[Operation | None] = [first]
        self.memo: list[int] = []

    def __getitem__(self, number: int) -> Register:
        return self.all[number]

    def add(self, register: Register) -> int:
        """Return the number of a new register."""
        self.all.append(register)
        return len(self.all) - 1

    def emit(self, operation: int, first: Any, second: Any = 0, **known: Any) -> int:
        """Write an operation; return the number of its result."""
        number = self.add(Register(operation=len(self.program), **known))
        self.program.append((operation, number, first, second))
        return number

    def made_by(self, register: Register) -> Operation | None:
        """Return the operation that makes a register."""
        return None if register.operation is None else self.program[register.operation]

    def share(self, register: Register, value: Value) -> None:
        """Take the operation of a register out: its value is the same for all objects."""
        if register.operation is not None:
            self.program[register.operation] = None
        register.operation, register.shared, register.value = None, True, value

    def remember(self, number: int) -> None:
        """Give a register the next memo entry."""
        if self.all[number].memo is None:
            self.all[number].memo = len(self.memo)
        self.memo.append(number)

    def remembered(self, register: Register) -> Value:
        """Return what the machine has for a register, None where that is not known."""
        return None if register.memo is None else self.machine.memo[self.base + register.memo]

    def hold(self, items: Sequence[int]) -> tuple[int, ...]:
        """Note that something holds these registers."""
        for item in items:
            self.all[item].uses += 1
        return tuple(items)

    def are_shared(self, items: Sequence[int]) -> bool:
        """Say whether registers are, or turn out to be, the same for all objects."""
        return all(
            one.shared or (one.pure and not one.changes and one.memo is not None)
            for one in (self.all[item] for item in items)
        )

    def is_array(self, register: Register) -> bool:
        """Say whether a register is an array of the same element type for all objects."""
        made = self.made_by(register)
        if register.pure and not register.changes and register.memo is not None:
            return True
        return made is not None and made[0] in (ARRAY, READ)

    def drop(self, number: int, uses: int) -> None:
        """Leave a tuple out if an array was made of it and nothing else holds it."""
        register = self.all[number]
        if register.uses == uses and register.operation is not None:
            self.share(register, SPENT)

    def forget(self, number: int) -> None:
        """Leave out a dict that has become the state of something."""
        self.program = [
            None if one is not None and one[0] in (DICT, LAYOUT) and one[1] == number else one
            for one in self.program
        ]
        self.share(self.all[number], SPENT)

    def settle(self) -> None:
        """Replace what is the same for all objects by the values that the machine has."""
        for register in self.all:
            if register.pure and not register.changes and register.operation is not None:
                value = self.remembered(register)
                if value is not None:
                    self.share(register, value)

    def array_form(self, dtype: int, shape: int, order: int | None) -> Form | None:
        """Return what is known of an array, None where that is not enough."""
        kind, sizes = self.all[dtype], self.all[shape]
        known = kind.value if kind.shared else self.remembered(kind) if kind.pure else None
        if type(known) is not DTypeValue or known.known is None or known.has_objects:
            return None
        if not known.known.itemsize:
            return None
        if type(sizes.value) is tuple:
            dimensions: Pick = constantly(sizes.value)
        elif sizes.members is not None:
            dimensions = pick(sizes.members)
        else:
            return None
        if order is None:
            return Form(known, known.known, "C", dimensions)
        if not self.all[order].shared:
            return None
        text = self.machine.constants.text(self.all[order].value)
        return Form(known, known.known, text, dimensions)


def constantly(items: tuple[Value, ...]) -> Pick:
    """Return a function that takes the same tuple of any registers."""
    return lambda _: items


def pick(registers: Sequence[int]) -> Pick:
    """Return a function that takes a tuple of some registers."""
    if len(registers) > 1:
        return itemgetter(*registers)
    if not registers:
        return constantly(())
    only = registers[0]
    return lambda values: (values[only],)
