# SPDX-License-Identifier: BSD-3-Clause
"""Step through pickle opcodes without following them: for constants, and for PyTorch.

Floor 7.  The opcode verifier decides what a pickle may do; it refuses persistent ids, of which
PyTorch's files are made, and it keeps no constants.  This walk knows how long each opcode is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# Bytes of argument; "n" ends with a newline, "1" "4" "8" count their bytes, "nn" is two lines.
_FIXED: Final = {
    **dict.fromkeys(
        b"(.012NQRabdelostu)}]\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98", 0
    ),
    **dict.fromkeys(b"Khq\x80\x82", 1),
    **dict.fromkeys(b"M\x83", 2),
    **dict.fromkeys(b"Jjr\x84", 4),
    **dict.fromkeys(b"G\x95", 8),
}
_LINES: Final = {**dict.fromkeys(b"FILPSVgp", 1), **dict.fromkeys(b"ci", 2)}
_COUNTED: Final = {
    **dict.fromkeys(b"CU\x8a\x8c", "<B"),
    **dict.fromkeys(b"BTX\x8b", "<I"),
    **dict.fromkeys(b"\x8d\x8e\x96", "<Q"),
}
_TEXT: Final = frozenset(b"X\x8c\x8dUTSV")
_BYTES: Final = frozenset(b"CB\x8e\x96")
_LONGEST_LINE: Final = 4096
_NEAR, _STEPS, _GIVEN = 2048, 40, 4
STOP: Final = ord(".")


@dataclass(frozen=True)
class Step:
    """One opcode.

    Parameters
    ----------
    code : int
        Its byte.
    offset : int
        Where it is.
    argument : bytes
        Without its length or newline; cut at 4 KiB.
    end : int
        Where the next one is.
    """

    code: int
    offset: int
    argument: bytes
    end: int


def walk(stream: memoryview, start: int = 0, most: int = 2**24) -> Iterator[Step]:
    """Yield opcodes up to STOP.

    Raises
    ------
    ValueError
        If there is an unknown opcode, the stream is cut short, or `most` is not enough.
    """
    position, size = start, len(stream)
    for _ in range(most):
        if position >= size:
            raise ValueError("the stream is cut short")
        code = stream[position]
        first, last, end = _argument(stream, code, position + 1)
        if end > size:
            raise ValueError("the stream is cut short")
        yield Step(code, position, bytes(stream[first : min(last, first + _LONGEST_LINE)]), end)
        if code == STOP:
            return
        position = end
    raise ValueError("the stream has too many opcodes")


def _argument(stream: memoryview, code: int, here: int) -> tuple[int, int, int]:
    """Return where the argument begins and ends, and where the next opcode is."""
    if code in _FIXED:
        end = here + _FIXED[code]
        return here, end, end
    if code in _COUNTED:
        form = _COUNTED[code]
        first = here + struct.calcsize(form)
        if first > len(stream):
            return first, first, first
        (count,) = struct.unpack_from(form, stream, here)
        return first, first + count, first + count
    if code not in _LINES:
        raise ValueError(f"unknown opcode {code:#x}")
    piece = bytes(stream[here : here + 2 * _LONGEST_LINE])
    last = -1
    for _ in range(_LINES[code]):
        last = piece.find(b"\n", last + 1)
        if last < 0:
            raise ValueError("a line does not end")
    return here, here + last, here + last + 1


def text_of(step: Step) -> str | None:
    """Return the text that an opcode pushes, None if it pushes none."""
    if step.code not in _TEXT:
        return None
    text = step.argument.decode("utf-8", "replace")
    return text.strip("'\"") if step.code == ord("S") else text


def constants_at(stream: memoryview, offset: int) -> list[str | bytes]:
    """Return the first few constants that are pushed after a name, up to the call.

    Nothing is proved by them: they are shown so that a person sees what a call is about.
    """
    given: list[str | bytes] = []
    near = stream[offset : offset + _NEAR]
    try:
        for step in walk(near, most=_STEPS):
            text = text_of(step)
            if text is not None:
                given.append(text)
            elif step.code in _BYTES:
                given.append(step.argument)
            if len(given) == _GIVEN or step.code in b"Rbo\x81\x92.":
                break
    except ValueError:
        pass
    return given
