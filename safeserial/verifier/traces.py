# SPDX-License-Identifier: BSD-3-Clause
"""Traces: how one object was written, kept so that its like can be verified in a few steps.

Floor 4.  The three hundred trees of a forest are written by the same opcodes with other numbers.
Once two objects of a class have been verified opcode by opcode, what they have in common becomes a
trace: runs of bytes that must be the same, and holes where a constant may differ.  `writing` has
made sure that nothing the opcodes do depends on what stands in a hole, but for this: the bytes of
an array fit its shape, and an array beside the stream is of the same type.  That is looked at each
time, by the rules' functions or, where it is plain, by one comparison.

An object that fits is made in one step.  One that does not is left to the machine, and so is any
doubt: where something in the stream is wrong, near a limit, or asks for a memo entry of a traced
object that is not kept, the whole stream is verified again without traces.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from safeserial.verifier import arrays
from safeserial.verifier.admitted import DType, InlineArray
from safeserial.verifier.machine import Machine
from safeserial.verifier.opcodes import ATOM_SIZES, CODES
from safeserial.verifier.values import (
    ArrayValue,
    DTypeValue,
    Instance,
    RuleBroken,
    Value,
)
from safeserial.verifier.wrappers import padding_end

# What may stand in a hole between two runs of equal bytes.
END, ATOM, NUMBER, RAW, GET, PUT, INLINE = range(7)

Pick = Callable[[list[int]], tuple[int, ...]]
Piece = tuple[bytes, int, tuple[int, ...], int, Any]
GETS: Final = {CODES["BINGET"]: 2, CODES["LONG_BINGET"]: 5}
PUTS: Final = {CODES["BINPUT"]: 2, CODES["LONG_BINPUT"]: 5}
_FRAME, _BINPERSID = CODES["FRAME"], CODES["BINPERSID"]
_BININT1, _BININT2, _BININT = CODES["BININT1"], CODES["BININT2"], CODES["BININT"]
_SHORT_BYTES, _BYTEARRAY = CODES["SHORT_BINBYTES"], CODES["BYTEARRAY8"]
# Bytes of the length that stands behind the opcode.
_LENGTHS: Final = {_SHORT_BYTES: 1, CODES["BINBYTES"]: 4, _BYTEARRAY: 8}
# A trace may miss so often before it has to show that it hits.
_PATIENCE: Final = 64


@dataclass(slots=True)
class Numbered:
    """What an array beside the stream must be: of this type, and of this shape if it matters."""

    dtype: DTypeValue
    shape: tuple[int, ...] | None = None

    def accepts(self, value: Value) -> bool:
        """Say whether another value may stand in its place."""
        if type(value) is not ArrayValue or not value.built or value.dtype is None:
            return False
        alike = value.dtype is self.dtype or (
            value.dtype.known is not None
            and value.dtype.known == self.dtype.known
            and value.dtype.code == self.dtype.code
        )
        return alike and (self.shape is None or value.shape == self.shape)


@dataclass(slots=True)
class Sized:
    """Bytes that must be as many as a shape of this element type needs.

    Parameters
    ----------
    dtype : DTypeValue
        Element type.
    dimensions : Callable
        Picks the constants that are its shape.
    data : int
        Where the constant stands among the registers.
    exact : bool
        Whether it must be bytes, and not a bytearray.
    """

    dtype: DTypeValue
    dimensions: Pick
    data: int
    exact: bool


def _fits(one: Sized, data: bytes | memoryview, registers: list[int]) -> bool:
    """Say whether it is plain that bytes are as long as their shape needs; else the rules decide.

    Most arrays have a size or two below 65,536.  To read these here takes half the time.
    """
    known = one.dtype.known
    if known is None or one.dtype.has_objects:
        return False
    size = known.itemsize
    for at in one.dimensions(registers):
        code = data[at]
        if code == _BININT1:
            size *= data[at + 1]
        elif code == _BININT2:
            size *= data[at + 1] | data[at + 2] << 8
        else:
            return False
    at = registers[one.data]
    width = _LENGTHS.get(data[at])
    if width is None or (one.exact and data[at] == _BYTEARRAY):
        return False
    return 0 < size == int.from_bytes(data[at + 1 : at + 1 + width], "little")


@dataclass(slots=True)
class Inline:
    """An array inside a joblib stream."""

    dtype: DType
    order: str
    dimensions: Pick
    padding: int


@dataclass(slots=True)
class Trace:
    """How objects of one class are written.

    Parameters
    ----------
    pieces : list of (bytes, int, tuple of int, int, object)
        Bytes that must stand there, their number, where opcodes begin in them, the kind of hole
        behind them, and what is known of it.
    fixed : list of int
        Registers, each a constant's offset: those that all the objects share.  What stands in holes
        follows in order.
    sized : tuple of Sized
        Bytes to be held to a shape.
    made : Instance
        The object it was learnt from.
    memo : list of Value
        The object's memo entries: constants that all objects share, by the offset of the one that
        was learnt from, and for all else that it is not kept.
    itself : tuple of int
        Which of them are the object.
    marks, height : int
        How many marks are open, and how many values on the stack, at most.
    opcodes, size : int
        What one object counts against the policy's limits, frames not among them.
    """

    pieces: list[Piece]
    fixed: list[int]
    sized: tuple[Sized, ...]
    made: Instance
    memo: list[Value]
    itself: tuple[int, ...]
    marks: int
    height: int
    opcodes: int
    size: int
    hits: int = 0
    misses: int = 0

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
        """
        if len(machine.below) + self.marks > machine.context.limits.nesting:
            return 0
        frame_end, frames = machine.frame_end, len(machine.frames)
        registers = self.fixed.copy()
        inline: list[tuple[Inline, int, int, int, tuple[int, ...]]] = []
        edges: list[int] = []
        try:
            end = self._match(machine, here, registers, inline, edges)
            if end:
                self._measure(machine, registers)
        except (RuleBroken, IndexError, ValueError, OverflowError, struct.error):
            end = 0
        if not end:
            machine.frame_end = frame_end
            del machine.frames[frames:]
            self._missed()
            return 0
        for one, first, start, last, shape in inline:
            view = memoryview(machine.memory)[start:last]
            machine.context.arrays.append(InlineArray(view, one.dtype, shape, one.order))
            machine.cuts.append((first, last))
        machine.edges.update(edges)
        made = Instance(self.made.kind, self.made.depth, self.made.weight)
        made.built = True
        base = len(machine.memo)
        machine.memo += self.memo
        for entry in self.itself:
            machine.memo[base + entry] = made
        machine.stack.append(made)
        machine.position = end - 1
        # Held to the policy's limits together with everything else.
        machine.replayed += self.opcodes + len(machine.frames) - frames
        machine.expected += self.size
        machine.tallest = max(machine.tallest, self.height)
        machine.hits += 1
        machine.context.hits += 1
        self.hits += 1
        return end

    def _missed(self) -> None:
        self.misses += 1
        # A trace that seldom fits costs more than it saves.
        if self.misses > _PATIENCE + 2 * self.hits:
            self.made.kind.trace = None

    def _measure(self, machine: Machine, registers: list[int]) -> None:
        """Hold bytes to shapes; raise as the rules do."""
        constants = machine.constants
        for one in self.sized:
            if _fits(one, machine.data, registers):
                continue
            shape = arrays.read_shape(one.dimensions(registers), constants)
            data = registers[one.data]
            length = constants.bytes_length(data) if one.exact else constants.raw_length(data)
            arrays.check_raw(one.dtype, arrays.product(shape), length)

    def _match(  # noqa: C901, PLR0911, PLR0912, PLR0915 - one branch for each hole
        self,
        machine: Machine,
        here: int,
        registers: list[int],
        inline: list[tuple[Inline, int, int, int, tuple[int, ...]]],
        edges: list[int],
    ) -> int:
        """Find what stands in the holes; return the end, or 0 where other bytes stand."""
        data, base, objects = machine.data, len(machine.memo), machine.objects
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
                return here
            if data[here] == _FRAME and hole != INLINE:
                machine.frame_end = machine.open_frame(here, machine.frame_end)
                here += 9
            if hole == ATOM:
                width = ATOM_SIZES[data[here]]
                if not width:
                    return 0
                registers.append(here)
                here += width
            elif hole == NUMBER:
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
                if not known.accepts(objects[number]):
                    return 0
                here += 1
            elif hole == RAW:
                if data[here] not in known:
                    return 0
                registers.append(here)
                if here == machine.frame_end and data[here] != _SHORT_BYTES:
                    edges.append(here)
                here = sum(machine.constants.span(here))
                if here > len(data):
                    return 0
            elif hole in (GET, PUT):
                width = (GETS if hole == GET else PUTS).get(data[here], 0)
                index = int.from_bytes(data[here + 1 : here + width], "little")
                if not width or index != base + known:
                    return 0
                here += width
            else:
                if machine.frame_end > here:
                    return 0
                start = padding_end(machine, known.padding, here)
                shape = arrays.read_shape(known.dimensions(registers), machine.constants)
                end = start + arrays.product(shape) * known.dtype.itemsize
                if end > len(data):
                    return 0
                inline.append((known, here, start, end, shape))
                here = end
        return 0

    def _framed(self, machine: Machine, here: int, piece: bytes, starts: Sequence[int]) -> int:
        """Match a piece with a frame that begins at one of its opcodes; return its end, or 0."""
        data = machine.data
        for start in starts:
            at = here + start
            if data[at] != _FRAME:
                continue
            # No opcode of the piece is a FRAME: where this one does not fit, no later one does.
            end = at + 9 + len(piece) - start
            if data[here:at] != piece[:start] or data[at + 9 : end] != piece[start:]:
                return 0
            machine.frame_end = machine.open_frame(at, machine.frame_end)
            return end
        return 0
