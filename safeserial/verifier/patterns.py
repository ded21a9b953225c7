# SPDX-License-Identifier: BSD-3-Clause
"""Patterns: a trace as regular expressions, so that C finds what differs between like objects.

Floor 4.  Only of traces whose holes are constants of a few bytes, and runs of bytes.  A pattern
says yes only where the trace would: where it does not match, as where a frame begins within the
object, the trace itself is followed.  What must be the same is compared afterwards, and no part of
the expression: to compile a text of some hundred characters takes a millisecond.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from safeserial.verifier.opcodes import ATOM_SIZES, CODES

if TYPE_CHECKING:
    from safeserial.verifier.machine import Machine
    from safeserial.verifier.traces import Piece, Sized

# A match function; the groups of what must be the same, and what that is; those of constants; and
# the opcodes of the run of bytes behind it, None at the end.
Segment = tuple[
    Callable[..., re.Match[bytes] | None],
    tuple[int, ...],
    "bytes | tuple[bytes, ...]",
    tuple[int, ...],
    "bytes | None",
]
# To compile one takes as long as to follow so many traces.
FROM: Final = 32
_LONGEST: Final = 4096
_BYTE, _PAIR = CODES["BININT1"], CODES["BININT2"]
_SHORT_BYTES, _BYTES = CODES["SHORT_BINBYTES"], CODES["BINBYTES"]
_BYTEARRAY: Final = CODES["BYTEARRAY8"]


def _atom() -> bytes:
    """Return an expression of any constant of fixed size: which, says its first byte alone."""
    by_size: dict[int, list[bytes]] = {}
    for code, size in enumerate(ATOM_SIZES):
        if size:
            by_size.setdefault(size, []).append(re.escape(bytes([code])))
    ways = [b"[%s].{%d}" % (b"".join(codes), size - 1) for size, codes in by_size.items()]
    return b"(" + b"|".join(ways) + b")"


_ATOM: Final = _atom()


def of(pieces: Sequence[Piece], atom: int, raw: int, end: int) -> list[Segment] | None:
    """Return the expressions of a trace.

    Parameters
    ----------
    pieces : sequence of Piece
        Of the trace.
    atom, raw, end : int
        Kinds of holes: a constant, a run of bytes, and none.

    Returns
    -------
    list of Segment or None
        One for each run of bytes and one for the end; None if the trace has other holes, or too
        much stands between them.
    """
    if (
        not {one[3] for one in pieces} <= {atom, raw, end}
        or sum(one[1] for one in pieces) > _LONGEST
    ):
        return None
    segments: list[Segment] = []
    texts: list[bytes] = []
    pattern, groups = b"", 0
    for piece, size, _, hole, known in pieces:
        pattern += b"(.{%d})" % size
        texts.append(piece)
        if hole == atom:
            pattern += _ATOM
            groups += 1
            continue
        same = tuple(range(1, 2 * groups + 2, 2))
        wanted = tuple(texts) if groups else texts[0]
        match = re.compile(pattern, re.DOTALL).match
        behind = known if hole == raw else None
        segments.append((match, same, wanted, tuple(range(2, 2 * groups + 1, 2)), behind))
        texts, pattern, groups = [], b"", 0
    return segments


def follow(
    segments: Sequence[Segment],
    machine: Machine,
    here: int,
    registers: list[int],
    edges: list[int],
) -> int:
    """Find what stands in the holes.

    Parameters
    ----------
    segments : sequence of Segment
        Of :func:`of`.
    machine : Machine
        It stands before the object's state.
    here : int
        Where the object's state begins.
    registers : list of int
        Takes the offsets of what stands in the holes.
    edges : list of int
        Takes offsets at which an opcode is known to begin at the end of a frame.

    Returns
    -------
    int
        Offset behind the object; 0 if the trace has to be followed.
    """
    data = machine.data
    for match, same, wanted, groups, alike in segments:
        found = match(data, here)
        if found is None or found.group(*same) != wanted:
            return 0
        registers += map(found.start, groups)
        here = found.end()
        if alike is None:
            return here
        code = data[here]
        if code not in alike:
            return 0
        registers.append(here)
        if code == _SHORT_BYTES:
            here += 2 + data[here + 1]
            continue
        if here == machine.frame_end:
            edges.append(here)
        if code == _BYTEARRAY:
            here += 9 + int.from_bytes(data[here + 1 : here + 9], "little")
        elif code == _BYTES:
            here += 5 + int.from_bytes(data[here + 1 : here + 5], "little")
        else:
            return 0
    return 0


# A call for each run would take longer than all that is done here.
def fit(sized: Sequence[Sized], data: Any, registers: Sequence[Any]) -> bool:  # noqa: C901
    """Say whether it is plain that runs of bytes are as long as their shapes need.

    Parameters
    ----------
    sized : sequence of Sized
        What is asked.
    data : bytes or memoryview
        The stream.
    registers : sequence
        Offsets of constants.

    Returns
    -------
    bool
        False where there is doubt, or anything but small sizes: the rules decide.
    """
    for one in sized:
        known, at = one.dtype.known, registers[one.data]
        if known is None or one.dtype.has_objects or type(at) is not int:
            return False
        size = known.itemsize
        for place in one.dimensions(registers):  # type: ignore[arg-type]
            if type(place) is not int:
                return False
            code = data[place]
            if code == _BYTE:
                size *= data[place + 1]
            elif code == _PAIR:
                size *= data[place + 1] | data[place + 2] << 8
            else:
                return False
        code = data[at]
        if code == _SHORT_BYTES:
            length = data[at + 1]
        elif code == _BYTES:
            length = int.from_bytes(data[at + 1 : at + 5], "little")
        elif code == _BYTEARRAY and not one.exact:
            length = int.from_bytes(data[at + 1 : at + 9], "little")
        else:
            return False
        if not size or size != length:
            return False
    return True
