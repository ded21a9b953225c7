# SPDX-License-Identifier: BSD-3-Clause
"""Writing a trace: the opcodes of one object as a program over registers.

Floor 4.  The object has been verified, and so has another that differs from it only in the holes.
What does not depend on a hole is not written: the values that the machine made of it are taken as
they are.  What does is written as the very operation that the machine has done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from safeserial.verifier import batches
from safeserial.verifier.intrinsic import FRAMES, QUIET_STATES
from safeserial.verifier.machine import Machine
from safeserial.verifier.memo import PLAIN
from safeserial.verifier.opcodes import ATOM_SIZES, CODES
from safeserial.verifier.registers import Operation, Register, Registers, Untraceable, pick
from safeserial.verifier.traces import (
    ARRAY,
    ATOM,
    BUILD,
    CALL,
    DICT,
    END,
    EXTEND,
    GET,
    INLINE,
    LAYOUT,
    LIST,
    MAKE,
    NUMBER,
    RAW,
    READ,
    TEXT,
    TUPLE,
    UPDATE,
    Form,
    Piece,
    Trace,
)
from safeserial.verifier.values import SPENT, ArrayValue, Global, Instance, Kind, Run, Value
from safeserial.verifier.wrappers import NAMES as WRAPPERS
from safeserial.verifier.wrappers import padding_most

_ITEM_BYTES, _LIST_BYTES = 64, 56
_STATE_PARTS: Final = 5
# Rules that neither count nor keep anything: what they said once of some values they say again.
_PURE: Final = frozenset(
    {"", "constants", "numbers", "scalar", "dtype", "frombuffer", "tree", "ndarray-reconstruct"}
)
# Rules that count what they are given besides the call itself.
_COUNTING: Final = frozenset({"generator", "random-state"})
_BYTES: Final = bytes(CODES[name] for name in ("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"))
_TEXTS: Final = bytes(CODES[name] for name in ("SHORT_BINUNICODE", "BINUNICODE"))
# What may stand in a hole in the place of what: arrays tell bytes from bytearrays.
_ALIKE: Final = {
    **dict.fromkeys(_BYTES, _BYTES),
    **dict.fromkeys(_TEXTS, _TEXTS),
    CODES["BYTEARRAY8"]: bytes([CODES["BYTEARRAY8"]]),
}
_GETS: Final = frozenset({CODES["BINGET"], CODES["LONG_BINGET"]})
_PUTS: Final = frozenset({CODES["BINPUT"], CODES["LONG_BINPUT"]})


@dataclass(slots=True)
class Opcode:
    """One opcode of an object, or the inline array behind it."""

    INLINE: ClassVar[int] = -1

    code: int
    start: int
    end: int


class Writer:
    """Writes the trace of one object.

    Parameters
    ----------
    machine : Machine
        Which has just verified the object.
    made : Instance
        The object.
    base : int
        Length of the memo when it was begun.
    opcodes : sequence of (Opcode, (int, object))
        Its opcodes, each with its kind of hole and what is known of that.
    """

    def __init__(
        self,
        machine: Machine,
        made: Instance,
        base: int,
        opcodes: Sequence[tuple[Opcode, tuple[int, Value]]],
    ) -> None:
        self.machine = machine
        self.made = made
        self.opcodes = opcodes
        self.registers = Registers(machine, base, (MAKE, 0, made.kind, 0))
        self.holes: list[int] = []
        self.stack: list[int] = [0]
        self.below: list[list[int]] = []
        self.size = _ITEM_BYTES
        self.behind = 0

    def write(self) -> Trace:
        """Return the trace.

        Raises
        ------
        Untraceable
            If there is something in the object that has to be looked at each time.
        """
        pieces = self._pieces()
        if self.stack != [0] or self.below:
            raise Untraceable
        registers = self.registers
        registers.settle()
        return Trace(
            pieces=pieces,
            values=[one.value if one.shared else None for one in registers.all],
            holes=tuple(self.holes),
            program=[one for one in registers.program if one is not None],
            memo=pick(registers.memo),
            marks=len(self.machine.below),
            opcodes=len(self.opcodes) + 2,
            size=self.size,
        )

    def _pieces(self) -> list[Piece]:
        data, pieces = self.machine.data, []
        piece, starts = bytearray(), list[int]()
        following = [one.code for one, _ in self.opcodes[1:]] + [0]
        numbered = False
        for (one, (form, known)), behind in zip(self.opcodes, following, strict=True):
            self.behind = behind
            found = self._take(one, form, known)
            if form != END:
                pieces.append((bytes(piece), len(piece), tuple(starts), form, found))
                piece, starts = bytearray(), []
            elif not numbered:
                starts.append(len(piece))
                piece += data[one.start : one.end]
            # The opcode that turns a number into an array belongs to the hole.
            numbered = form == NUMBER
        pieces.append((bytes(piece), len(piece), tuple(starts), END, None))
        return pieces

    def _take(self, one: Opcode, form: int, known: Value) -> Any:
        """Do what an opcode does; return what is known of the hole in its place."""
        if form == INLINE:
            return self._inline()
        if one.code in _GETS:
            self._get(one, form, known)
        elif one.code in _PUTS:
            if known != len(self.registers.memo):
                raise Untraceable
            self.registers.remember(self.stack[-1])
        elif form in (ATOM, RAW, TEXT, NUMBER):
            shared = form == NUMBER and type(known) is ArrayValue
            self._push(Register(shared=shared, value=known if shared else None))
            self.holes.append(self.stack[-1])
            return _ALIKE.get(one.code, known)
        elif ATOM_SIZES[one.code] or one.code in _ALIKE:
            self._push(Register(shared=True, value=one.start))
        else:
            _DO[one.code](self)
        return known

    # -- values

    def _push(self, register: Register) -> None:
        self.stack.append(self.registers.add(register))

    def _emit(self, operation: int, first: Any, second: Any = 0, **known: Any) -> None:
        self.stack.append(self.registers.emit(operation, first, second, **known))

    def _segment(self) -> list[int]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def _last(self, count: int) -> list[int]:
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def _get(self, one: Opcode, form: int, known: Any) -> None:
        if form == GET:
            number = self.registers.memo[known]
            register = self.registers[number]
            if register.wrapper or register.value is SPENT:
                raise Untraceable
            register.uses += 1
            self.stack.append(number)
            return
        memo = self.machine.memo
        index = int.from_bytes(self.machine.data[one.start + 1 : one.end], "little")
        entry = memo[index]
        if isinstance(entry, Run):
            batches.expand(self.machine, entry)
        value = memo[index]
        if type(value) not in PLAIN and not (type(value) is Global and value.grant is not None):
            raise Untraceable
        self._push(Register(shared=True, value=value))

    # -- opcodes

    def _mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def _empty_tuple(self) -> None:
        self._push(Register(shared=True, value=(), members=()))
        self.size += _ITEM_BYTES

    def _empty_list(self) -> None:
        self._emit(LIST, 0)
        self.size += _ITEM_BYTES

    def _empty_dict(self) -> None:
        self._emit(DICT, 0)
        self.size += _ITEM_BYTES

    def _memoize(self) -> None:
        self.registers.remember(self.stack[-1])

    def _long_tuple(self) -> None:
        self._tuple(self._segment())
        self.size += _LIST_BYTES

    def _tuple(self, items: list[int]) -> None:
        self.size += _ITEM_BYTES + 8 * len(items)
        pure = self.registers.are_shared(items)
        self._emit(TUPLE, pick(items), members=self.registers.hold(items), pure=pure)

    def _setitems(self) -> None:
        self._update(self._segment())

    def _setitem(self) -> None:
        self._update(self._last(2))

    def _appends(self) -> None:
        self._change(EXTEND, self._segment())

    def _append(self) -> None:
        self._change(EXTEND, self._last(1))

    def _change(self, operation: int, items: list[int]) -> None:
        target = self.registers[self.stack[-1]]
        # What all objects share would be changed by an attempt that comes to nothing.
        if target.operation is None:
            raise Untraceable
        target.changes += 1
        target.members = None
        self.registers.program.append(
            (operation, self.stack[-1], pick(self.registers.hold(items)), 0)
        )
        self.size += _ITEM_BYTES * len(items)

    def _update(self, items: list[int]) -> None:
        target = self.registers[self.stack[-1]]
        keys = [self.registers[item] for item in items[::2]]
        layout = None
        fresh = target.operation is not None and not target.changes
        if fresh and all(key.shared and type(key.value) is int for key in keys):
            layout = self.machine.layouts.get(tuple(key.value for key in keys))
        if layout is None:
            self._change(UPDATE, items)
            return
        target.changes += 1
        target.members = self.registers.hold(items)
        self.registers.program.append((LAYOUT, self.stack[-1], layout, pick(items)))

    def _number(self) -> None:
        if self.holes and self.stack[-1] == self.holes[-1]:
            return  # the hole has it
        register = self.registers[self.stack.pop()]
        if not register.shared:
            raise Untraceable
        number = self.machine.constants.integer(register.value)
        self._push(Register(shared=True, value=self.machine.objects[number]))

    def _reduce(self) -> None:
        target, arguments = self._last(2)
        named, given = self.registers[target].value, self.registers[arguments]
        if type(named) is not Global or named.grant is None or named.rule is None:
            raise Untraceable
        rule, members = named.grant.rule, given.members
        if "call" not in named.grant.roles or rule in _COUNTING or members is None:
            raise Untraceable
        self.size += _ITEM_BYTES
        shared = self.registers.are_shared([arguments])
        if rule == "frombuffer" and not shared:
            data, dtype, shape, order = members
            form = self.registers.array_form(dtype, shape, order)
            if form is not None:
                self._emit(ARRAY, data, form)
                self.registers.drop(arguments, 0)
                self.registers.drop(shape, 1)
                return
        self._emit(CALL, target, arguments, pure=shared and rule in _PURE, members=members)

    def _newobj(self) -> None:
        target, arguments = self._last(2)
        named = self.registers[target].value
        if type(named) is not Global or named.kind is None or self.registers[arguments].value != ():
            raise Untraceable
        if not named.simple and named.name not in WRAPPERS:
            raise Untraceable
        self.size += _ITEM_BYTES
        self._emit(MAKE, named.kind, wrapper=named.name in WRAPPERS)

    def _build(self) -> None:
        state, number = self.stack.pop(), self.stack[-1]
        given, target = self.registers[state], self.registers[number]
        if target.operation is None:
            raise Untraceable
        if target.wrapper:
            if self.behind != Opcode.INLINE or given.members is None:
                raise Untraceable
            target.members = given.members
            self.registers.forget(state)
            return
        target.changes += 1
        made = self.registers.made_by(target)
        known = self.made if number == 0 else self.registers.remembered(target)
        if made is not None and type(known) is Instance and self._is_settled(known.kind, given):
            # The machine's own instance, with its state, stands for those of all objects; what it
            # was made of may still have to be judged.
            self.registers.forget(state)
            judged = made[0] == CALL and not target.pure
            at = target.operation
            self.registers.share(target, known)
            if judged:
                self.registers.program[at] = (CALL, self.registers.add(Register()), *made[2:])
        elif made is None or made[0] != CALL or not self._is_rebuilt(number, made, state):
            given.uses += 1
            self.registers.program.append((BUILD, number, state, 0))

    def _is_settled(self, kind: Kind, state: Register) -> bool:
        """Say whether a state is judged the same whatever stands in the holes."""
        if state.members is None or state.uses or state.changes != 1 or kind.trusted:
            return False
        made = self.registers.made_by(state)
        if kind.name in QUIET_STATES or kind.name in FRAMES or made is None or made[0] != DICT:
            return False
        values = [self.registers[item] for item in state.members[1::2]]
        return kind.arrays is None or all(
            value.shared or value.operation is None or self.registers.is_array(value)
            for value in values
        )

    def _is_rebuilt(self, number: int, made: Operation, state: int) -> bool:
        """Write an array that is made empty and then built, or a dtype, in one."""
        target, members = self.registers[number], self.registers[state].members
        rule = self.registers[made[2]].value.grant.rule  # type: ignore[attr-defined]
        if rule not in ("dtype", "ndarray-reconstruct") or members is None or not target.pure:
            return False
        if target.memo is not None and self.registers.are_shared(members):
            target.changes -= 1
            return True
        whole = rule != "dtype" and len(members) == _STATE_PARTS and target.changes == 1
        if not whole or not self.registers.are_shared([members[0], members[3]]):
            return False
        form = self.registers.array_form(members[2], members[1], None)
        if form is None or target.operation is None:
            return False
        # Where the array was made its data has not come yet.
        self.registers.program[target.operation] = None
        target.pure, target.operation = False, len(self.registers.program)
        self.registers.program.append((ARRAY, number, members[4], form))
        self.registers.drop(state, 0)
        self.registers.drop(members[1], 1)
        return True

    def _inline(self) -> Form:
        """Take the array behind a wrapper; return what its length follows from."""
        wrapper, constants = self.registers[self.stack.pop()], self.machine.constants
        items = wrapper.members
        if not wrapper.wrapper or items is None:
            raise Untraceable
        parts = {
            constants.text(self.registers[key].value): value
            for key, value in zip(items[::2], items[1::2], strict=True)
        }
        form = self.registers.array_form(parts["dtype"], parts["shape"], parts["order"])
        alignment = parts.get("numpy_array_alignment_bytes", parts["subclass"])
        if form is None or not self.registers.are_shared([parts["subclass"], alignment]):
            raise Untraceable
        if alignment != parts["subclass"]:
            form.padding = padding_most(self.machine, self.registers[alignment].value)
        # The wrapper itself is in the memo, where nothing may ask for it again.
        self.registers.share(wrapper, SPENT)
        self._emit(READ, 0, form)
        self.registers.drop(parts["shape"], 1)
        return form


_DO: Final[dict[int, Callable[[Writer], None]]] = {
    CODES[name]: step
    for name, step in {
        "MARK": Writer._mark,  # noqa: SLF001 - the table of the class's own steps
        "EMPTY_TUPLE": Writer._empty_tuple,  # noqa: SLF001
        "EMPTY_LIST": Writer._empty_list,  # noqa: SLF001
        "EMPTY_DICT": Writer._empty_dict,  # noqa: SLF001
        "MEMOIZE": Writer._memoize,  # noqa: SLF001
        "TUPLE": Writer._long_tuple,  # noqa: SLF001
        "TUPLE1": lambda writer: writer._tuple(writer._last(1)),  # noqa: SLF001
        "TUPLE2": lambda writer: writer._tuple(writer._last(2)),  # noqa: SLF001
        "TUPLE3": lambda writer: writer._tuple(writer._last(3)),  # noqa: SLF001
        "SETITEMS": Writer._setitems,  # noqa: SLF001
        "SETITEM": Writer._setitem,  # noqa: SLF001
        "APPENDS": Writer._appends,  # noqa: SLF001
        "APPEND": Writer._append,  # noqa: SLF001
        "BINPERSID": Writer._number,  # noqa: SLF001
        "REDUCE": Writer._reduce,  # noqa: SLF001
        "NEWOBJ": Writer._newobj,  # noqa: SLF001
        "BUILD": Writer._build,  # noqa: SLF001
    }.items()
}
STEPS: Final = frozenset(_DO)
