# SPDX-License-Identifier: BSD-3-Clause
"""Find where the first pickle of a stream ends, without interpreting it and without its rest.

Floor 4.  ``pickle.load(file)`` reads one pickle and leaves the file behind its STOP; the opcode
verifier wants exactly that pickle.  This walk knows only how long opcodes are.  Nothing rests on
it: the bytes that it cuts off are verified as a stream that has to end with them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Final

from safeserial.errors import CorruptArtifactError
from safeserial.verifier.opcodes import CODES, NAMES

_STOP, _FRAME = CODES["STOP"], CODES["FRAME"]
_FIXED: Final = {
    **dict.fromkeys(("BININT1", "BINGET", "BINPUT", "PROTO", "EXT1"), 1),
    **dict.fromkeys(("BININT2", "EXT2"), 2),
    **dict.fromkeys(("BININT", "LONG_BINGET", "LONG_BINPUT", "EXT4"), 4),
    "BINFLOAT": 8,
}
# Bytes of the length that stands before the data.
_COUNTED: Final = {
    **dict.fromkeys(("SHORT_BINUNICODE", "SHORT_BINBYTES", "SHORT_BINSTRING", "LONG1"), 1),
    **dict.fromkeys(("BINUNICODE", "BINBYTES", "BINSTRING", "LONG4"), 4),
    **dict.fromkeys(("BINUNICODE8", "BINBYTES8", "BYTEARRAY8"), 8),
}
_LINES: Final = {
    **dict.fromkeys(("FLOAT", "INT", "LONG", "STRING", "UNICODE", "PERSID", "GET", "PUT"), 1),
    **dict.fromkeys(("GLOBAL", "INST"), 2),
}
_ARGUMENTS: Final = {CODES[name]: size for name, size in _FIXED.items()}
_LENGTHS: Final = {CODES[name]: size for name, size in _COUNTED.items()}
_LINE_COUNTS: Final = {CODES[name]: count for name, count in _LINES.items()}
_BARE: Final = set(NAMES) - {_STOP, _FRAME, *_ARGUMENTS, *_LENGTHS, *_LINE_COUNTS}


def _any(codes: set[int]) -> bytes:
    return b"[" + b"".join(re.escape(bytes([code])) for code in sorted(codes)) + b"]"


@functools.cache
def _run() -> re.Pattern[bytes]:
    """Return the form of all opcodes but STOP, FRAME and those with long arguments."""
    forms = [_any(_BARE)]
    for size in (1, 2, 4, 8):
        codes = {code for code, length in _ARGUMENTS.items() if length == size}
        forms.append(_any(codes) + b".{%d}" % size)
    for size in (1, 4):
        codes = {code for code, length in _LENGTHS.items() if length == size}
        high = rb"\0" * (size - 1)
        texts = [re.escape(bytes([n])) + high + b".{%d}" % n for n in range(256)]
        forms.append(_any(codes) + b"(?:" + b"|".join(texts) + b")")
    for count in (1, 2):
        codes = {code for code, lines in _LINE_COUNTS.items() if lines == count}
        forms.append(_any(codes) + rb"(?:[^\n]*+\n){%d}" % count)
    return re.compile(b"(?:" + b"|".join(forms) + b")++", re.DOTALL)


def end_of_pickle(data: bytearray, more: Callable[[int], None]) -> int:
    """Return the offset after the STOP of the pickle that `data` begins with.

    Parameters
    ----------
    data : bytearray
        What has been read of the stream so far; may be empty.
    more : callable
        Appends at least so many bytes to `data`, for 0 those up to the end of a line, or raises if
        there are none.

    Returns
    -------
    int
        At most ``len(data)``.

    Raises
    ------
    CorruptArtifactError
        If there is a byte that is no opcode where one should be.
    """
    here, opcodes = 0, _run().match
    while True:
        if (run := opcodes(data, here)) is not None:
            here = run.end()
        _reach(data, here + 1, more)
        code = data[here]
        if code == _STOP:
            return here + 1
        if code in _LINE_COUNTS:
            end = here + 1
            for _ in range(_LINE_COUNTS[code]):
                end = _line_end(data, end, more)
        elif code == _FRAME:
            end = here + 9
            _reach(data, end, more)
            # What a frame says of its length is there, or no unpickler reads the stream.
            _reach(data, end + int.from_bytes(data[here + 1 : end], "little"), more)
        elif code in _LENGTHS:
            start = here + 1 + _LENGTHS[code]
            _reach(data, start, more)
            end = start + int.from_bytes(data[here + 1 : start], "little")
        elif code in _BARE or code in _ARGUMENTS:
            end = here + 1 + _ARGUMENTS.get(code, 0)
        else:
            raise CorruptArtifactError(f"byte {here} is not a pickle opcode: {code:#04x}")
        _reach(data, end, more)
        here = end


def _reach(data: bytearray, end: int, more: Callable[[int], None]) -> None:
    while len(data) < end:
        more(end - len(data))


def _line_end(data: bytearray, start: int, more: Callable[[int], None]) -> int:
    seen = start
    while (end := data.find(b"\n", seen)) < 0:
        seen = max(start, len(data))
        more(0)
    return end + 1
