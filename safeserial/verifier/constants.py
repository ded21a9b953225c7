# SPDX-License-Identifier: BSD-3-Clause
"""Constants of a stream, decoded on demand exactly as the C unpickler would.

Floor 4.  A constant is known by the offset of the opcode that pushes it.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Iterator
from typing import Any, Final

from safeserial.verifier.opcodes import (
    CODES,
    FLOAT_LINE,
    INT_LINE,
    LONG_LINE,
    STRING_LINE,
    UNICODE_LINE,
)
from safeserial.verifier.values import RawValue, RuleBroken, Value

_SHORT, _KEPT, _WIDE = 64, 4096, 4
PIECE: Final = 2**20
# Bytes of a character after its first, at the most.
_CONTINUED: Final = 3
_LATIN1: Final = bytes(range(0xC4))
_SHORT_BYTES: Final = CODES["SHORT_BINBYTES"]
_NONE: Final = CODES["NONE"]
_BYTE, _PAIR, _FOUR = CODES["BININT1"], CODES["BININT2"], CODES["BININT"]
_FLOAT: Final = CODES["BINFLOAT"]
_U2: Final = struct.Struct("<H")
_I4: Final = struct.Struct("<i")
_U4: Final = struct.Struct("<I")
_U8: Final = struct.Struct("<Q")
_F8: Final = struct.Struct(">d")
# Bytes of the length that stands after the opcode, and how the rest is to be read.
_COUNTED: Final = {
    "SHORT_BINUNICODE": (1, "text"),
    "BINUNICODE": (4, "text"),
    "BINUNICODE8": (8, "text"),
    "SHORT_BINBYTES": (1, "bytes"),
    "BINBYTES": (4, "bytes"),
    "BINBYTES8": (8, "bytes"),
    "BYTEARRAY8": (8, "bytearray"),
    "SHORT_BINSTRING": (1, "latin1"),
    "BINSTRING": (4, "latin1"),
    "LONG1": (1, "int"),
    "LONG4": (4, "int"),
}
COUNTED: Final = {CODES[name]: form for name, form in _COUNTED.items()}
_LITERAL: Final = {_NONE: None, CODES["NEWTRUE"]: True, CODES["NEWFALSE"]: False}


class Constants:
    """Decoder of the constants of one stream.

    Parameters
    ----------
    data : bytes or memoryview
        The stream.
    """

    def __init__(self, data: bytes | memoryview) -> None:
        self.data = data
        # Short texts that were asked for: a stream asks for the same few again and again.
        self._texts: dict[int, str] = {}
        # Characters of long texts that are not ASCII, counted when the stream was read.
        self.lengths: dict[int, int] = {}

    def value(self, value: Value) -> Any:  # noqa: C901, PLR0911 - one line for each opcode
        """Return the Python object of a constant."""
        if type(value) is not int:
            if isinstance(value, RawValue) and value.content is not None:
                return value.content
            raise RuleBroken("a constant is needed here")
        data, code = self.data, self.data[value]
        form = COUNTED.get(code)
        if form is not None:
            kept = self._texts.get(value)
            if kept is not None:
                return kept
            start, length = self.span(value)
            found = _decode(form[1], bytes(data[start : start + length]))
            if length <= _SHORT and len(self._texts) < _KEPT and type(found) is str:
                self._texts[value] = found
            return found
        if code in _LITERAL:
            return _LITERAL[code]
        if code == _BYTE:
            return data[value + 1]
        if code == _FOUR:
            return _I4.unpack_from(data, value + 1)[0]
        if code == _PAIR:
            return _U2.unpack_from(data, value + 1)[0]
        if code == _FLOAT:
            return _F8.unpack_from(data, value + 1)[0]
        return self._line(chr(code), value)

    def span(self, offset: int) -> tuple[int, int]:
        """Return start and length of a counted constant."""
        width = COUNTED[self.data[offset]][0]
        if width == 1:
            return offset + 2, self.data[offset + 1]
        form = _U4 if width == _WIDE else _U8
        length: int = form.unpack_from(self.data, offset + 1)[0]
        return offset + 1 + width, length

    def _line(self, code: str, offset: int) -> Any:
        if code == "I" and (match := INT_LINE.match(self.data, offset)):
            digits = match[0][1:-1]
            return digits == b"01" if digits in (b"00", b"01") else int(digits)
        if code == "L" and (match := LONG_LINE.match(self.data, offset)):
            return int(match[1])
        if code == "F" and (match := FLOAT_LINE.match(self.data, offset)):
            return float(match[1])
        if code == "V" and (match := UNICODE_LINE.match(self.data, offset)):
            return match[1].decode("raw-unicode-escape")
        if code == "S" and (match := STRING_LINE.match(self.data, offset)):
            return codecs.escape_decode(match[0][2:-2])[0].decode("latin1")
        raise RuleBroken("a constant is needed here")

    def is_none(self, value: Value) -> bool:
        """Return whether a value is the constant None."""
        return type(value) is int and self.data[value] == _NONE

    def integer(self, value: Value) -> int:
        """Return the int of a constant, never a bool."""
        if type(value) is int and self.data[value] == _BYTE:
            return self.data[value + 1]
        number = self.value(value)
        if type(number) is not int:
            raise RuleBroken("an integer is needed here")
        return number

    def text(self, value: Value) -> str:
        """Return the str of a constant."""
        if type(value) is int and (kept := self._texts.get(value)) is not None:
            return kept
        text = self.value(value)
        if type(text) is not str:
            raise RuleBroken("a string is needed here")
        return text

    def latin1(self, value: Value) -> tuple[int, bytes | None]:
        """Return how many bytes a text stands for, and these if they are few.

        Protocol 2 writes bytes as text of characters below 256.
        """
        code = self.data[value] if type(value) is int else 0
        if code not in COUNTED or COUNTED[code][1] != "text":
            raw = self.text(value).encode("latin1")
            return len(raw), raw
        start, size = self.span(value)  # type: ignore[arg-type]
        # It is UTF-8, or it would not have come so far: only bytes above C3 begin what is not below
        # 256.
        for piece in pieces(self.data, start, start + size):
            if piece.translate(None, _LATIN1):
                raise RuleBroken("a character is above 255")
        if size > PIECE:  # and it was counted, or is ASCII
            return self.lengths.get(value, size), None  # type: ignore[call-overload]
        text = bytes(self.data[start : start + size])
        length = self.lengths.get(value)  # type: ignore[call-overload]
        if length is None:
            length = len(text.decode())
        return length, text.decode().encode("latin1") if length <= _SHORT else None

    def raw_length(self, value: Value) -> int | None:
        """Return the length of bytes (or a Python 2 string), None for anything else."""
        if isinstance(value, RawValue):
            return value.length
        if type(value) is not int:
            return None
        code = self.data[value]
        if code == _SHORT_BYTES:
            return self.data[value + 1]
        if code in COUNTED and COUNTED[code][1] in ("bytes", "bytearray", "latin1"):
            return self.span(value)[1]
        return len(self.value(value)) if code == CODES["STRING"] else None

    def bytes_length(self, value: Value) -> int | None:
        """Return the length of bytes proper, which is what NumPy's states take."""
        if type(value) is int and self.data[value] == _SHORT_BYTES:
            return self.data[value + 1]
        buffer = isinstance(value, RawValue) and value.buffer
        mutable = type(value) is int and self.data[value] == CODES["BYTEARRAY8"]
        return None if buffer or mutable else self.raw_length(value)


def pieces(data: bytes | memoryview, start: int, end: int) -> Iterator[bytes]:
    """Yield UTF-8 a megabyte at a time, cut between characters: there may be gigabytes of it."""
    while end - start > PIECE:
        stop = start + PIECE
        for _ in range(_CONTINUED):
            stop -= data[stop] & 0xC0 == 0x80  # noqa: PLR2004 - within a character
        yield bytes(data[start:stop])
        start = stop
    yield bytes(data[start:end])


def _decode(form: str, raw: bytes) -> Any:
    if form == "text":
        return raw.decode("utf-8", "surrogatepass")
    if form == "latin1":
        return raw.decode("latin1")
    if form == "int":
        return int.from_bytes(raw, "little", signed=True)
    return bytearray(raw) if form == "bytearray" else raw
