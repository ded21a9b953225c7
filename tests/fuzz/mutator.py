# SPDX-License-Identifier: BSD-3-Clause
"""Changes bytes with an eye to what they are: opcodes, names, lengths, members, compressed data."""

from __future__ import annotations

import io
import pickletools
import random
import struct
from collections.abc import Callable

from safeserial.policy import Policy
from safeserial.verifier import COMPRESSORS
from tests.attacks import packing
from tests.fuzz.targets import UNPACK, join, split
from tests.verifier import splices
from tests.verifier.streams import dtype, integer, name, short

Plain = Callable[[bytes, int], bytes]
_GRANTS = Policy.default().allowlist.grants
# Names that are more than references: they act.
ACTORS = sorted(one for one, grant in _GRANTS.items() if grant.roles & {"call", "new", "build"})
NAMES = sorted(_GRANTS)
NUMBERS = (0, 1, -1, 2, 3, 255, 256, 2**15, 2**31 - 1, -(2**31), 2**32, 2**61 - 1, 2**63, 2**64)
OPCODES = [opcode.code.encode("latin1") for opcode in pickletools.opcodes]
BARE = [o.code.encode("latin1") for o in pickletools.opcodes if o.arg is None]
PIECES = [
    *(b"}\x94", b"]\x94", b")\x81\x94", b")R", b"\x85R", b"\x86R", b"\x87R", b"tR", b"tb", b"sb"),
    *(b"}b", b"Nb", b")b", b"K\0\x85", b"(K\x01K\x02e", b"\x8f(K\x01\x90", b"h\x00", b"h\x01"),
    *(b"q\x00", b"r\0\0\0\0", b"\x95\0\0\0\0\0\0\0\0", b"I01\n", b"L5L\n", b"F1.5\n", b"p0\n"),
    *(
        b"g0\n",
        b"S'a'\n",
        b"Va\n",
        b"U\x01a",
        b"X\1\0\0\0a",
        b"\x8a\1\5",
        b"\x96" + b"\1" + b"\0" * 7,
    ),
    b"ccopy_reg\n_reconstructor\n",
    b"c__builtin__\nobject\n",
    b"c_codecs\nencode\n",
    *map(short, ("latin1", "f8", "O8", "C", "<", "|", "b", "MT19937", "subtype", "dtype", "")),
    *(short(one) for one in (b"", b"b", b"A" * 8)),
    dtype("f8"),
    dtype("O8", "|", flags=63),
]


def opcodes_of(data: bytes) -> list[bytes]:
    """Return the opcodes of a stream with their arguments, frames left out; the rest is one."""
    found, last, code = [], 0, ""
    try:
        for opcode, _, at in pickletools.genops(io.BytesIO(data)):
            if at and code != "FRAME":
                found.append(data[last:at])
            last, code = at or 0, opcode.name
    except Exception:  # noqa: BLE001 - what is no pickle is left as it is
        pass
    return [*found, data[last:]]


def change(data: bytes, dice: random.Random) -> bytes:
    """Return a stream with some opcodes changed."""
    codes = opcodes_of(data)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 5))):
        at, other = dice.randrange(len(codes) + 1), dice.randrange(len(codes) + 1)
        size = dice.choice((1, 1, 2, 4, 12))
        match dice.randrange(9):
            case 0:
                del codes[at : at + size]
            case 1:
                codes[at:at] = codes[other : other + size]
            case 2:
                codes[at : at + size] = codes[other : other + size]
            case 3:
                codes.insert(at, dice.choice(PIECES))
            case 4:
                codes.insert(at, dice.choice(BARE))
            case 5:
                chosen = dice.choice(ACTORS if dice.random() < 0.8 else NAMES)
                codes.insert(at, name(*chosen))
            case 6:
                _rename(codes, dice)
            case 7:
                codes.insert(at, integer(dice.choice(NUMBERS)))
            case _:
                _alter(codes, min(at, len(codes) - 1), dice)
        codes = codes or [b"N"]
    return b"".join(codes)


def _rename(codes: list[bytes], dice: random.Random) -> None:
    """Put another name in the place of one."""
    places = [at for at, code in enumerate(codes) if code[:1] == b"c" or code == b"\x93"]
    if places:
        at = dice.choice(places)
        chosen = name(*dice.choice(ACTORS))
        start = at if codes[at][:1] == b"c" else max(0, at - 2)
        codes[start : at + 1] = [chosen]


def _alter(codes: list[bytes], at: int, dice: random.Random) -> None:
    """Change a number, a length or a letter of one opcode."""
    code = bytearray(codes[at])
    if len(code) in (2, 3, 5) and dice.random() < 0.5:
        number = dice.choice(NUMBERS) % 256 ** (len(code) - 1)
        code[1:] = number.to_bytes(len(code) - 1, "little")
    elif len(code) >= 9 and dice.random() < 0.3:
        code[1:9] = struct.pack("<q", dice.choice((-1, 0, 2**31, 2**62)))
    elif len(code) > 1:
        code[dice.randrange(1, len(code))] = dice.randrange(256)
    codes[at] = bytes(code)


def mutate(target: str, data: bytes, most: int, seed: int, plainly: Plain) -> bytes:
    """Return a changed copy for a target of at most `most` bytes; `plainly` changes any bytes."""
    dice = random.Random(seed)
    if dice.random() < 0.25:
        return plainly(data, most)
    if target == "parts":
        pieces = split(data)
        which = dice.choice((0, 0, 1, 1, 2))
        pieces[which] = change(pieces[0], dice) if which == 0 else _poke(pieces[which], dice)
        return join(pieces)[:most]
    if target == "compressed" and data:
        kind = COMPRESSORS[data[0] % len(COMPRESSORS)]
        try:
            inside = UNPACK[kind](data[1:])
        except Exception:  # noqa: BLE001 - it is damaged already
            return plainly(data, most)
        kind = dice.choice(COMPRESSORS)
        inside = plainly(inside, most) * dice.choice((1, 1, 2, 300))
        packed = packing.COMPRESSORS[kind](inside[: 2**21])
        more = packed * dice.choice((1, 1, 1, 2)) + b"\0" * dice.choice((0, 0, 1))
        return (bytes([COMPRESSORS.index(kind)]) + more)[:most]
    if target == "traces":
        changed = splices.splice(data, data, dice) if data else data
        return changed[:most]
    if target in {"opcodes", "legacy"}:
        return change(data, dice)[:most]
    return _poke(data, dice)[:most] if dice.random() < 0.3 else plainly(data, most)


def _poke(data: bytes, dice: random.Random) -> bytes:
    """Overwrite a whole number."""
    out = bytearray(data)
    size = dice.choice((1, 2, 4, 8))
    if len(out) <= size:
        return data
    at = dice.randrange(len(out) - size)
    at -= at % size if dice.random() < 0.7 else 0
    out[at : at + size] = (dice.choice(NUMBERS) % 256**size).to_bytes(size, "little")
    return bytes(out)


def words() -> list[bytes]:
    """Return the dictionary: opcodes, listed names, what formats are made of."""
    listed = {part for one in ACTORS for part in one}
    texts = (b'"dtype"', b"|O", b"<f8", b"payload/", b"sha256:", b"blake3:", b"null", b"true")
    magics = (b"SSIX0001", b"ndarray\0", b"dict-s-q", b"list-s\0\0", b"PK\x03\x04", b"PK\x01\x02")
    return [
        *OPCODES,
        *PIECES,
        *(short(one) for one in sorted(listed) if len(one) < 256),
        *texts,
        *magics,
    ]
