# SPDX-License-Identifier: BSD-3-Clause
"""Traces: how one object was written, kept so that its like can be verified in a few steps.

Floor 4.  The three hundred trees of a forest are written by the same opcodes with other numbers.
Once two objects of a class have been verified opcode by opcode, what they have in common becomes a
trace: runs of bytes that must be the same, holes where a constant may differ, and a short program
over the values.  A later object whose bytes fit is verified by running that program.

What an opcode does to the same values need not be judged again; whatever a hole has a part in is,
by the same rules.  Should anything be amiss, or an entry of the memo be asked for that a trace did
not make, then :class:`Untraced` is raised and the stream is verified anew without traces: errors
are always those of the machine, and what is admitted does not depend on this file.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from safeserial.errors import SafeSerialError
from safeserial.verifier import arrays
from safeserial.verifier.admitted import DType, InlineArray
from safeserial.verifier.machine import NESTED, Machine
from safeserial.verifier.memo import hold
from safeserial.verifier.opcodes import ATOM_SIZES, CODES
from safeserial.verifier.states import set_state
from safeserial.verifier.steps import extend, text_end, update
from safeserial.verifier.values import (
    ArrayValue,
    DictValue,
    DTypeValue,
    Instance,
    ListValue,
    RuleBroken,
    Untraced,
    Value,
)
from safeserial.verifier.wrappers import padding_end

# What may stand in a hole between two runs of equal bytes.
END, ATOM, NUMBER, RAW, TEXT, GET, PUT, INLINE = range(8)
# What the program does.
TUPLE, ARRAY, LAYOUT, BUILD, CALL, MAKE, DICT, LIST, UPDATE, EXTEND, READ = range(11)

Pick = Callable[[list[Value]], tuple[Value, ...]]
Piece = tuple[bytes, int, tuple[int, ...], int, Any]
# Of an array inside a stream: where its padding, its bytes and what follows begin, and its shape.
Span = tuple[int, int, int, tuple[int, ...]]
_GETS: Final = {CODES["BINGET"]: 2, CODES["LONG_BINGET"]: 5}
_PUTS: Final = {CODES["BINPUT"]: 2, CODES["LONG_BINPUT"]: 5}
_FRAME, _BINPERSID = CODES["FRAME"], CODES["BINPERSID"]
_BININT1, _BININT2, _BININT = CODES["BININT1"], CODES["BININT2"], CODES["BININT"]


@dataclass(slots=True)
class Form:
    """What is known of an array: its element type, its memory order, where its sizes stand."""

    dtype: DTypeValue
    known: DType
    order: str
    dimensions: Pick
    padding: int = 0


@dataclass(slots=True)
class Trace:
    """How objects of one class are written and verified.

    Parameters
    ----------
    pieces : list of (bytes, int, tuple of int, int, object)
        Bytes that must stand there, their number, where opcodes begin in them, the kind of hole
        behind them, and what is known of it.
    values : list of Value
        Registers: what all the objects share, None for the rest; the first is the object.
    holes : tuple of int
        Registers of what stands in holes, in order.
    program : list of (int, int, object, object)
        Operation, register of the result, operands.
    memo : Callable
        Picks the registers of the object's memo entries.
    marks : int
        How many marks were open around the objects it was learnt from.
    opcodes, size : int
        What one object counts against the policy's limits.
    """

    pieces: list[Piece]
    values: list[Value]
    holes: tuple[int, ...]
    program: list[tuple[int, int, Any, Any]]
    memo: Pick
    marks: int
    opcodes: int
    size: int

    def replay(self, machine: Machine, here: int) -> int:
        """Verify the object whose state begins at `here`, or leave it to the machine.

        Parameters
        ----------
        machine : Machine
            It is about to make an instance; gets it on its stack if all is well.
        here : int
            Offset after NEWOBJ.

        Returns
        -------
        int
            Offset after the object's BUILD; 0 if it is written in another way.

        Raises
        ------
        Untraced
            If it is written in the same way and is not as it should be.
        """
        if len(machine.below) > self.marks:
            return 0
        frame_end, frames = machine.frame_end, len(machine.frames)
        registers = self.values.copy()
        inline: list[Span] = []
        try:
            end = self._match(machine, here, registers, inline)
        except (RuleBroken, IndexError, ValueError):
            end = 0
        if not end:
            machine.frame_end = frame_end
            del machine.frames[frames:]
            return 0
        if self.program:
            try:
                self._run(machine, registers, inline)
            except (RuleBroken, SafeSerialError, LookupError, ValueError, struct.error):
                raise Untraced from None
        machine.memo += self.memo(registers)
        machine.stack.append(registers[0])
        machine.position = end - 1
        # Held to the policy's limits together with everything else.
        machine.replayed += self.opcodes
        machine.expected += self.size
        return end

    def _match(  # noqa: C901, PLR0911, PLR0912, PLR0915 - one branch for each hole
        self,
        machine: Machine,
        here: int,
        registers: list[Value],
        inline: list[Span],
    ) -> int:
        """Fill the holes; return the end, or 0 where other bytes stand."""
        data, base, objects = machine.data, len(machine.memo), machine.objects
        targets = iter(self.holes)
        for piece, size, starts, hole, known in self.pieces:
            if data[here] == _FRAME:
                machine.frame_end = machine.open_frame(here, machine.frame_end)
                here += 9
            end = here + size
            if data[here:end] != piece:
                end = self._framed(machine, here, piece, starts)
                if not end:
                    return 0
            here = end
            if hole == END:
                break
            if data[here] == _FRAME and hole != INLINE:
                machine.frame_end = machine.open_frame(here, machine.frame_end)
                here += 9
            if hole == NUMBER:
                code = data[here]
                if code == _BININT1:
                    number, here = data[here + 1], here + 2
                elif code == _BININT2:
                    number, here = data[here + 1] | data[here + 2] << 8, here + 3
                elif code == _BININT:
                    number, here = int.from_bytes(data[here + 1 : here + 5], "little"), here + 5
                else:
                    return 0
                if number >= len(objects) or data[here] != _BINPERSID:
                    return 0
                here += 1
                value: Any = objects[number]
                # The very array, or another of its type.
                if value is not known:
                    if type(known) is ArrayValue or type(value) is not ArrayValue:
                        return 0
                    if value.dtype is not known:
                        return 0
                registers[next(targets)] = value
            elif hole == ATOM:
                width = ATOM_SIZES[data[here]]
                if not width:
                    return 0
                registers[next(targets)] = here
                here += width
            elif hole in (GET, PUT):
                width = (_GETS if hole == GET else _PUTS).get(data[here], 0)
                if not width or int.from_bytes(data[here + 1 : here + width], "little") != (
                    base + known
                ):
                    return 0
                here += width
            elif hole == RAW:
                if data[here] not in known:
                    return 0
                registers[next(targets)] = here
                if here == machine.frame_end:
                    machine.edges.add(here)
                here = sum(machine.constants.span(here))
                if here > len(data):
                    return 0
            elif hole == TEXT:
                if data[here] not in known:
                    return 0
                registers[next(targets)] = here
                here = text_end(machine, here)
            elif hole == INLINE:
                if machine.frame_end > here:
                    return 0
                start = padding_end(machine, known.padding, here)
                shape = arrays.read_shape(known.dimensions(registers), machine.constants)
                end = start + math.prod(shape) * known.known.itemsize
                if end > len(data):
                    return 0
                inline.append((here, start, end, shape))
                here = end
        return here

    def _framed(self, machine: Machine, here: int, piece: bytes, starts: Sequence[int]) -> int:
        """Match a piece with a frame that begins at one of its opcodes; return its end, or 0."""
        data = machine.data
        for start in starts:
            at = here + start
            if data[at] == _FRAME and data[here:at] == piece[:start]:
                end = at + 9 + len(piece) - start
                if data[at + 9 : end] == piece[start:]:
                    machine.frame_end = machine.open_frame(at, machine.frame_end)
                    return end
        return 0

    def _run(  # noqa: C901, PLR0912 - one branch for each operation
        self, machine: Machine, registers: list[Value], inline: list[Span]
    ) -> None:
        constants, use = machine.constants, machine.use
        following = iter(inline)
        for operation, result, first, second in self.program:
            if operation == TUPLE:
                items = first(registers)
                if not NESTED.isdisjoint(map(type, items)):
                    items = hold(machine, items)
                registers[result] = items
            elif operation == ARRAY:
                shape = arrays.read_shape(second.dimensions(registers), constants)
                length = constants.raw_length(registers[first])
                if math.prod(shape) * second.known.itemsize != length:
                    raise ValueError("array")
                array = registers[result] = ArrayValue()
                array.built, array.dtype, array.shape = True, second.dtype, shape
            elif operation == READ:
                here, start, end, shape = next(following)
                array = registers[result] = ArrayValue()
                array.built, array.dtype, array.shape = True, second.dtype, shape
                view = memoryview(machine.data)[start:end]
                machine.context.arrays.append(InlineArray(view, second.known, shape, second.order))
                machine.cuts.append((here, end))
            elif operation == LAYOUT:
                made: Any = registers[result]
                made.flat = list(second(registers))
                made.count, made.layout = len(made.flat) // 2, first
            elif operation == BUILD:
                _build(machine, registers[result], registers[first])
            elif operation == CALL:
                target: Any = registers[first]
                use.target, use.grant = target, target.grant
                use.arguments = registers[second]
                registers[result] = target.rule(use)
            elif operation == MAKE:
                registers[result] = Instance(first, 1)
            elif operation == DICT:
                registers[result] = DictValue(0, [])
            elif operation == LIST:
                registers[result] = ListValue(0, [])
            elif operation == UPDATE:
                update(machine, registers[result], list(first(registers)))
            else:
                extend(machine, registers[result], list(first(registers)))


def _build(machine: Machine, target: Value, state: Value) -> None:
    if type(target) is Instance:
        set_state(machine, target, state)
    elif type(target) is ArrayValue:
        arrays.build_array(target, state, machine.constants)
    elif type(target) is DTypeValue:
        arrays.build_dtype(target, state, machine.constants)
    else:
        raise ValueError("build")
