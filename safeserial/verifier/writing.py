# SPDX-License-Identifier: BSD-3-Clause
"""Writing a trace: whether all that the opcodes of an object do is the same whatever is in holes.

Floor 4.  The object has just been verified.  Its opcodes are followed once more, on a stack of
nodes (`nodes`).  Little is accepted: names, constants and finished values from outside the object;
tuples, lists and dicts made in it, each used in one place (`following`); arrays of bytes, instances
with a dict of attributes (`judging`).  All else is `Untraceable`, and stays with the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from safeserial.verifier.judging import STEPS, Judge
from safeserial.verifier.machine import Machine
from safeserial.verifier.nodes import (
    ALIKE,
    ARRAY,
    BYTES,
    CONSTANT,
    FIXED,
    TEXTS,
    Node,
    Opcode,
    Untraceable,
    pick,
    placed,
)
from safeserial.verifier.opcodes import ATOM_SIZES, CODES
from safeserial.verifier.traces import (
    ATOM,
    END,
    GET,
    GETS,
    INLINE,
    NUMBER,
    PUTS,
    RAW,
    Pick,
    Piece,
    Sized,
    Trace,
)
from safeserial.verifier.values import SPENT, Instance, Value

_MOST_PIECES: Final = 2**16
_MOST_MARKS: Final = 32


class Writer(Judge):
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
        super().__init__(machine, made, base)
        self.opcodes = opcodes
        self.fixed: list[int] = []
        self.height = 0
        # The array whose number has been read.
        self.number: Node | None = None

    def write(self) -> Trace:
        """Return the trace.

        Raises
        ------
        Untraceable
            If there is something in the object that has to be looked at each time.
        """
        pieces = self._pieces()
        if self.stack != [self.first] or self.below or not self.first.done or self.unclaimed:
            raise Untraceable
        for inline, sizes in self.inlined:
            inline.dimensions = self._pick(sizes)
        sized = [
            Sized(dtype, self._pick(sizes), self._register(data), exact)
            for dtype, sizes, data, exact in self.sized
        ]
        # Holes come after what is fixed, of which there is more with each of the above.
        count = len(self.fixed)
        for inline, _ in self.inlined:
            inline.dimensions = pick([placed(at, count) for at in inline.dimensions([])])
        for one in sized:
            one.dimensions = pick([placed(at, count) for at in one.dimensions([])])
            one.data = placed(one.data, count)
        return Trace(
            pieces=pieces,
            fixed=self.fixed,
            sized=tuple(sized),
            made=self.made,
            memo=[
                node.value if node.sort == FIXED and type(node.value) is int else SPENT
                for node in self.memo
            ],
            itself=tuple(at for at, node in enumerate(self.memo) if node is self.first),
            marks=self.marks,
            height=self.height,
            opcodes=sum(one.code != Opcode.INLINE for one, _ in self.opcodes),
            size=self.size,
        )

    def _register(self, node: Node) -> int:
        """Return the register of a constant: negative, counted from -1, for that of a hole."""
        if node.hollow:
            return -1 - node.place
        self.fixed.append(node.value)
        return len(self.fixed) - 1

    def _pick(self, sizes: Sequence[Node]) -> Pick:
        places = tuple(self._register(one) for one in sizes)
        return lambda _: places

    def _pieces(self) -> list[Piece]:
        data, pieces = self.machine.data, []
        piece, starts = bytearray(), list[int]()
        following = [one.code for one, _ in self.opcodes[1:]] + [0]
        total = 0
        for (one, (form, known)), behind in zip(self.opcodes, following, strict=True):
            self.behind = behind
            if self.wrapper is not None and form != INLINE:
                raise Untraceable
            numbered = self.number is not None
            found = self._take(one, form, known)
            if len(self.below) > _MOST_MARKS:  # each is counted again for every opcode
                raise Untraceable
            self.height = max(self.height, len(self.stack) + sum(map(len, self.below)))
            if form != END:
                pieces.append((bytes(piece), len(piece), tuple(starts), form, found))
                piece, starts = bytearray(), []
            elif not numbered:  # the opcode that turns a number into an array belongs to the hole
                starts.append(len(piece))
                piece += data[one.start : one.end]
                total += one.end - one.start
            if total > _MOST_PIECES:
                raise Untraceable
        pieces.append((bytes(piece), len(piece), tuple(starts), END, None))
        return pieces

    def _take(self, one: Opcode, form: int, known: Any) -> Any:
        """Do what an opcode does; return what is known of the hole in its place."""
        if form == INLINE:
            return self.inline()
        if form == NUMBER:
            if not ATOM_SIZES[one.code] or self.behind != CODES["BINPERSID"]:
                raise Untraceable
            self.number = Node(ARRAY, known.dtype, done=True, numbered=known)
            self.push(self.number)
            return known
        if form in (ATOM, RAW):
            if form != (RAW if one.code in ALIKE else ATOM if ATOM_SIZES[one.code] else END):
                raise Untraceable
            self.hole(CONSTANT if form == ATOM else BYTES)
            return ALIKE.get(one.code)
        if self.number is not None:
            # The number is an array from here on.
            if one.code != CODES["BINPERSID"] or self.stack[-1] is not self.number:
                raise Untraceable
            self.number = None
        else:
            self._do(one, form, known)
        return known

    def _do(self, one: Opcode, form: int, known: Any) -> None:
        if one.code in GETS:
            self.get(one, known if form == GET else None)
        elif one.code in PUTS:
            if known != len(self.memo):
                raise Untraceable
            self.memoize()
        elif ATOM_SIZES[one.code] or one.code in ALIKE or one.code in TEXTS:
            self.push(Node(FIXED, one.start))
        elif one.code in STEPS:
            STEPS[one.code](self, one)
        else:
            raise Untraceable

    # -- values
