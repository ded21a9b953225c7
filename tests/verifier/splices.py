# SPDX-License-Identifier: BSD-3-Clause
"""Changes streams of like objects opcode by opcode, with an eye to what traces take for granted."""

from __future__ import annotations

import random
import struct

from safeserial.errors import SafeSerialError
from safeserial.payload import STREAM
from safeserial.verifier.constants import COUNTED
from safeserial.verifier.opcodes import CODES, SIZES
from safeserial.verifier.values import Untraced
from tests.verifier.streams import integer, short
from tests.verifier.twice import machine_of

_CONSTANTS = bytes(CODES[name] for name in ("BININT1", "BININT2", "BININT", "BINFLOAT", "NONE"))
_TEXTS = (
    "<",
    ">",
    "|",
    "=",
    "i8",
    "f8",
    "f4",
    "i4",
    "u1",
    "O8",
    "M8",
    "C",
    "F",
    "b",
    "k1",
    "nodes",
)
_GETS = {CODES["BINGET"]: 2, CODES["LONG_BINGET"]: 5}
_PUTS = {CODES["BINPUT"]: 2, CODES["LONG_BINPUT"]: 5}
_MEMOIZE = CODES["MEMOIZE"]
_WIDTHS = {
    **{code: size for code, size in enumerate(SIZES) if size},
    **dict.fromkeys((CODES[f"TUPLE{number}"] for number in (1, 2, 3)), 1),
    **_GETS,
    **_PUTS,
    CODES["PROTO"]: 2,
    CODES["FRAME"]: 9,
}
_BITS = (
    *(b"0", b"(", b"1", b"\x94", b")", b"]", b"]\x94", b"}", b"}\x94", b"N", b"N0", b"(1", b"\x8f"),
    *(b"K\x01a", b"K\x01K\x02s", b"b", b"}b", b"Nb", b")R", b")\x81", b"R", b"\x85", b"\x86"),
    *(b"\x85\x94", b"s", b"u", b"e", b"a", b"t", b"Q", b"K\x00Q", b"K\x01Q", b"2", b"."),
    *(b"(K\x01e", b"(NNu", b"C\x01a", b"\x88", b"(lp0\n", b"(d", b"\x8f(K\x01\x90", b"(N\x91"),
)


def split(data: bytes, format: str = "joblib") -> list[bytes]:
    """Return the opcodes of a stream with their arguments; no frames, and arrays by themselves."""
    cuts: dict[int, int] = {}
    try:
        made = machine_of(format, {STREAM: data})
        try:
            made.run()
        finally:
            cuts = dict(made.cuts)
    except (SafeSerialError, Untraced):
        pass
    found, here = [], 0
    while here < len(data):
        code = data[here]
        if code in COUNTED:
            width, _ = COUNTED[code]
            length = int.from_bytes(data[here + 1 : here + 1 + width], "little")
            end = here + 1 + width + length
        elif code in b"cIFLSVpg":
            end = data.find(b"\n", here) + 1 or len(data)
            if code in b"c":
                end = data.find(b"\n", end) + 1 or len(data)
        else:
            end = here + _WIDTHS.get(code, 1)
        if code != CODES["FRAME"]:
            found.append(data[here:end])
        here = end
        if here in cuts:
            found.append(data[here : cuts[here]])
            here = cuts[here]
    return found


def join(codes: list[bytes], dice: random.Random) -> bytes:
    """Return a stream of opcodes, perhaps with frames in it, right ones or wrong ones."""
    if dice.random() < 0.7:
        return b"".join(codes)
    for _ in range(dice.choice((1, 2, 5))):
        at = dice.randrange(1, len(codes) + 1)
        size = sum(map(len, codes[at : at + dice.choice((0, 1, 3, 20, 100))]))
        size += dice.choice((0, 0, 0, 0, 1, -1))
        codes.insert(at, b"\x95" + struct.pack("<q", size))
    return b"".join(codes)


def splice(data: bytes, other: bytes, dice: random.Random, format: str = "joblib") -> bytes:
    """Return a changed copy of a stream, perhaps with some of another in it."""
    codes = split(data, format)
    strange = split(other, format) if dice.random() < 0.2 else codes
    if dice.random() < 0.6:
        codes = _repeat(codes, strange, dice)
    for _ in range(dice.choice((0, 1, 1, 2, 3))):
        _change(codes, strange, dice, len(codes) // 3)
    return join(codes or [b"N"], dice)


def _repeat(codes: list[bytes], strange: list[bytes], dice: random.Random) -> list[bytes]:
    """Change one of the like objects, and put others like it in the places of those behind it."""
    starts = [at for at, code in enumerate(codes) if code == b"\x81" and codes[at - 1] == b")"]
    starts = [at - 2 for at in starts if at > 2]
    if len(starts) < 3:
        return codes
    classes = [codes[at] for at in starts]
    chosen = dice.choice(classes)
    starts = [at for at in starts if codes[at] == chosen]
    if len(starts) < 3:
        return codes
    first = dice.randrange(1, len(starts) - 1)
    forms = []
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        forms.append(list(codes[starts[first] : starts[first + 1]]))
        for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
            _change(forms[-1], strange, dice, 3)
    # Runs of one form, then of the other.
    each = [one for one in forms for _ in range(dice.choice((3, 4, 5, 7)))]
    each += [dice.choice(forms) for _ in range(dice.choice((0, 2, 4)))]
    found = codes[: starts[first]]
    for one in each:
        copy = list(one)
        for _ in range(dice.choice((0, 1, 1, 2))):
            _alter(copy, dice)
        if dice.random() < 0.15:
            _change(copy, strange, dice, 3)
        found += copy
        if dice.random() < 0.1:
            found += _bits(dice)
    return found + codes[starts[-1] :]


def _bits(dice: random.Random) -> list[bytes]:
    """Return something that changes what stands in the memo."""
    get = b"h" + bytes([dice.randrange(120)])
    return [get, *(dice.choice(_BITS) for _ in range(dice.choice((1, 1, 2)))), b"0"]


def _change(codes: list[bytes], strange: list[bytes], dice: random.Random, after: int) -> None:
    at = dice.randrange(min(after, len(codes)), len(codes) + 1)
    size = dice.choice((1, 1, 1, 2, 4, 12, 40))
    match dice.randrange(12):
        case 0:
            del codes[at : at + size]
        case 1:
            codes[at:at] = codes[at - size : at] if at >= size else []
        case 2:
            begin = dice.randrange(len(strange) + 1)
            codes[at : at + dice.choice((0, size))] = strange[begin : begin + size]
        case 3:
            some, codes[at : at + size] = codes[at : at + size], []
            begin = min(len(codes), at + dice.choice((1, 2, 5)))
            codes[begin:begin] = some
        case 4:
            codes[at:at] = _bits(dice)
        case 5 | 6:
            codes.insert(at, dice.choice(_BITS))
        case 7:
            _memo(codes, dice)
        case _:
            _alter(codes, dice)


def _memo(codes: list[bytes], dice: random.Random) -> None:
    """Ask for another entry of the memo, or write to another."""
    places = [i for i, code in enumerate(codes) if code[0] in (*_GETS, *_PUTS, _MEMOIZE)]
    if not places:
        return
    at = dice.choice(places)
    count = sum(code[0] == _MEMOIZE or code[0] in _PUTS for code in codes[:at])
    near = max(0, count + dice.choice((-3, -2, -1, 0, 0, 1, 2)))
    number = dice.choice((near, dice.randrange(count + 1), dice.randrange(256)))
    short_form = number < 256 and dice.random() < 0.8
    argument = bytes([number]) if short_form else struct.pack("<I", number)
    get = b"h" if short_form else b"j"
    put = b"q" if short_form else b"r"
    if codes[at][0] in _GETS and dice.random() < 0.9:
        codes[at] = get + argument
    else:
        codes[at : at + dice.choice((0, 1))] = [dice.choice((put + argument, b"\x94"))]


def _alter(codes: list[bytes], dice: random.Random) -> None:
    """Put another constant in the place of one."""
    counted = [i for i, code in enumerate(codes) if code[0] in COUNTED]
    plain = [i for i, code in enumerate(codes) if code[0] in _CONSTANTS]
    if plain and (not counted or dice.random() < 0.6):
        at = dice.choice(plain)
        codes[at] = dice.choice(
            (
                *(integer(dice.choice((0, 1, -1, 2, 3, 255, 2**31 - 1))), b"N", b"\x88", b"\x89"),
                *(b"K" + bytes([dice.randrange(256)]), b"M" + dice.randbytes(2), b"M\x01\x00"),
                *(b"G" + struct.pack(">d", dice.random()), b"\x8a\x01\x05", codes[at]),
            )
        )
        return
    if counted:
        at = dice.choice(counted)
        codes[at] = _counted(codes[at], dice)


def _counted(code: bytes, dice: random.Random) -> bytes:
    width, form = COUNTED[code[0]]
    content = code[1 + width :]
    if form == "text":
        return short(dice.choice(_TEXTS)) if dice.random() < 0.8 else short(content[:200] + b"\xc3")
    content = dice.choice((content, content + b"\0", content[:-1], content * 2, content[:8], b""))
    name = dice.choice(("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8", ""))
    chosen = CODES[name] if name else code[0]
    size = COUNTED[chosen][0]
    if len(content) >= 256**size:
        chosen, size = CODES["BINBYTES"], 4
    return bytes([chosen]) + len(content).to_bytes(size, "little") + content
