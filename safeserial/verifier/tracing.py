# SPDX-License-Identifier: BSD-3-Clause
"""Learning a trace: what the opcodes of two objects of one class have in common.

Floor 4.  Both objects have just been verified opcode by opcode.  They are compared opcode by
opcode: where they differ in a constant there is a hole, and where they differ in anything else
there is nothing to be learnt.  `Writer` judges what is found, and turns it into a trace.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from safeserial.verifier.judging import STEPS
from safeserial.verifier.machine import Machine
from safeserial.verifier.nodes import ALIKE, TEXTS, Opcode, Untraceable
from safeserial.verifier.opcodes import ATOM_SIZES, CODES, KINDS
from safeserial.verifier.traces import (
    ATOM,
    END,
    GET,
    GETS,
    INLINE,
    NUMBER,
    PUT,
    PUTS,
    RAW,
    Numbered,
)
from safeserial.verifier.values import ArrayValue, Kind, RuleBroken, Value
from safeserial.verifier.writing import Writer

# Objects of more opcodes are their own justification; of fewer, not worth it.
_MOST, _LEAST = 2000, 12
_MOST_LESSONS: Final = 16
# A lesson costs as much as some objects: it must be likely that there are many, and the less has
# come of it so far, the longer the next one has to wait.
FROM, PACE = 8, 2
# What is known of a class takes memory: of so many at a time something is kept.
_MOST_KINDS: Final = 32
# Objects stand in objects: all that is read again is held to about what was read at all.
_AGAIN_FROM: Final = 2**16
_FRAME, _BINPERSID = CODES["FRAME"], CODES["BINPERSID"]

# Bytes of an opcode with its argument, where these are always as many.
_WIDTHS: Final = {
    **dict.fromkeys(STEPS, 1),
    **{code: size for code, size in enumerate(ATOM_SIZES) if size},
    **GETS,
    **PUTS,
    _FRAME: 9,
}


@dataclass(slots=True)
class _Object:
    """One object as it was written."""

    opcodes: list[Opcode]
    base: int


@dataclass(slots=True)
class Lessons:
    """What is known of how objects of one class are written, before and beside their trace."""

    due: int
    seen: int = 0
    lessons: int = 0
    wait: int = 1
    last: _Object | None = None
    holes: set[int] = field(default_factory=set)


def learn(machine: Machine, kind: Kind, end: int) -> None:
    """Take in an object that has just been given its state.

    Parameters
    ----------
    machine : Machine
        After the BUILD of the object that ``kind.begun`` names.
    kind : Kind
        Its class.
    end : int
        Offset after that BUILD.
    """
    begun, kind.begun = kind.begun, None
    if begun is None or not machine.traced or machine.kinds is not KINDS:
        return
    lessons = kind.lessons
    if lessons is None:
        lessons = kind.lessons = Lessons(FROM)
    lessons.seen += 1
    if lessons.seen < lessons.due or lessons.lessons >= _MOST_LESSONS:
        return
    made, start, base = begun
    machine.reread += end - start
    if machine.reread > end - machine.start + _AGAIN_FROM:
        return
    lessons.lessons += 1
    _keep(machine, kind)
    last, lessons.last = lessons.last, None
    try:
        opcodes = _opcodes(machine, start, end)
        found = _Object(opcodes, base)
        if last is not None:
            forms = _compare(machine, last, found, lessons.holes)
            kind.trace = Writer(machine, made, base, list(zip(opcodes, forms, strict=True))).write()
            # What has missed was learnt from: the next one may wait a little longer.
            lessons.due, lessons.wait = lessons.seen + lessons.wait, PACE * lessons.wait
        lessons.last = found
    except (Untraceable, RuleBroken, LookupError, ValueError, OverflowError, struct.error):
        lessons.due = PACE * lessons.seen


def _keep(machine: Machine, kind: Kind) -> None:
    """Make room for what is known of a class: a file can open one name as a thousand classes."""
    if kind in machine.taught:
        return
    if len(machine.taught) >= _MOST_KINDS:
        oldest = machine.taught.pop(0)
        oldest.trace = oldest.lessons = None
    machine.taught.append(kind)


def _opcodes(machine: Machine, start: int, end: int) -> list[Opcode]:
    data, here = machine.data, start
    inline = {first: last for first, last in machine.cuts[-_MOST:] if first >= start}
    found: list[Opcode] = []
    while here < end:
        code = data[here]
        if width := _WIDTHS.get(code):
            after = here + width
        elif code in TEXTS or code in ALIKE:
            after = sum(machine.constants.span(here))
        else:
            raise Untraceable
        if code != _FRAME:
            found.append(Opcode(code, here, after))
        here = after
        if here in inline:
            found.append(Opcode(Opcode.INLINE, here, inline[here]))
            here = inline[here]
        if len(found) > _MOST:
            raise Untraceable
    if len(found) < _LEAST or here != end:
        raise Untraceable
    return found


def _compare(
    machine: Machine, old: _Object, new: _Object, holes: set[int]
) -> list[tuple[int, Value]]:
    """Return the kind of hole for each opcode, END where all objects have the same bytes."""
    if len(old.opcodes) != len(new.opcodes):
        raise Untraceable
    forms: list[tuple[int, Value]] = []
    codes = [one.code for one in new.opcodes[1:]] + [0]
    for position, (one, two) in enumerate(zip(old.opcodes, new.opcodes, strict=True)):
        known: Value = None
        form = _form(machine, (one, old.base), (two, new.base))
        if form == END and position in holes:
            # Only a constant: what was learnt before may have been of another form.
            form = RAW if two.code in ALIKE else ATOM if ATOM_SIZES[two.code] else END
        if form in (ATOM, RAW):
            holes.add(position)
            if codes[position] == _BINPERSID:
                form, known = NUMBER, _numbered(machine, two)
        elif form in (GET, PUT):
            known = _index(machine, two) - new.base
        forms.append((form, known))
    return forms


def _numbered(machine: Machine, one: Opcode) -> Numbered:
    """Return what arrays beside the stream have in common: their type."""
    value = machine.objects[machine.constants.integer(one.start)]
    if type(value) is not ArrayValue or not value.built or value.dtype is None:
        raise Untraceable
    return Numbered(value.dtype)


def _index(machine: Machine, one: Opcode) -> int:
    return int.from_bytes(machine.data[one.start + 1 : one.end], "little")


def _form(machine: Machine, old: tuple[Opcode, int], new: tuple[Opcode, int]) -> int:
    (one, base), (two, later) = old, new
    data = machine.data
    if one.code == two.code == Opcode.INLINE:
        return INLINE
    for group, form in ((GETS, GET), (PUTS, PUT)):
        if one.code in group and two.code in group:
            first, second = _index(machine, one), _index(machine, two)
            if first >= base and first - base == second - later:
                return form
            if form == GET and first == second < base and one.code == two.code:
                return END
            raise Untraceable
    if one.code == two.code and data[one.start : one.end] == data[two.start : two.end]:
        return END
    if one.code >= 0 <= two.code and ATOM_SIZES[one.code] and ATOM_SIZES[two.code]:
        return ATOM
    if ALIKE.get(one.code, one) == ALIKE.get(two.code, two):
        return RAW
    raise Untraceable
