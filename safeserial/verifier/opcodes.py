# SPDX-License-Identifier: BSD-3-Clause
"""Grammar of pickle streams: how long each opcode is, and the exact form of its argument.

Floor 4.  Protocols 0 to 5, as CPython's picklers write them.  Text arguments are accepted only in
the form that those picklers produce: ``I0x10`` or ``p 1`` mean one thing to the C unpickler and
another to most tools.
"""

from __future__ import annotations

import functools
import re
from typing import Final

NAMES: Final[dict[int, str]] = {
    0x28: "MARK",
    0x2E: "STOP",
    0x30: "POP",
    0x31: "POP_MARK",
    0x32: "DUP",
    0x46: "FLOAT",
    0x49: "INT",
    0x4A: "BININT",
    0x4B: "BININT1",
    0x4C: "LONG",
    0x4D: "BININT2",
    0x4E: "NONE",
    0x50: "PERSID",
    0x51: "BINPERSID",
    0x52: "REDUCE",
    0x53: "STRING",
    0x54: "BINSTRING",
    0x55: "SHORT_BINSTRING",
    0x56: "UNICODE",
    0x58: "BINUNICODE",
    0x61: "APPEND",
    0x62: "BUILD",
    0x63: "GLOBAL",
    0x64: "DICT",
    0x7D: "EMPTY_DICT",
    0x65: "APPENDS",
    0x67: "GET",
    0x68: "BINGET",
    0x69: "INST",
    0x6A: "LONG_BINGET",
    0x6C: "LIST",
    0x5D: "EMPTY_LIST",
    0x6F: "OBJ",
    0x70: "PUT",
    0x71: "BINPUT",
    0x72: "LONG_BINPUT",
    0x73: "SETITEM",
    0x74: "TUPLE",
    0x29: "EMPTY_TUPLE",
    0x75: "SETITEMS",
    0x47: "BINFLOAT",
    0x80: "PROTO",
    0x81: "NEWOBJ",
    0x82: "EXT1",
    0x83: "EXT2",
    0x84: "EXT4",
    0x85: "TUPLE1",
    0x86: "TUPLE2",
    0x87: "TUPLE3",
    0x88: "NEWTRUE",
    0x89: "NEWFALSE",
    0x8A: "LONG1",
    0x8B: "LONG4",
    0x42: "BINBYTES",
    0x43: "SHORT_BINBYTES",
    0x8C: "SHORT_BINUNICODE",
    0x8D: "BINUNICODE8",
    0x8E: "BINBYTES8",
    0x8F: "EMPTY_SET",
    0x90: "ADDITEMS",
    0x91: "FROZENSET",
    0x92: "NEWOBJ_EX",
    0x93: "STACK_GLOBAL",
    0x94: "MEMOIZE",
    0x95: "FRAME",
    0x96: "BYTEARRAY8",
    0x97: "NEXT_BUFFER",
    0x98: "READONLY_BUFFER",
}
CODES: Final = {name: code for code, name in NAMES.items()}

REFUSED: Final = {
    "DUP": "no pickler writes it",
    "PERSID": "persistent ids reach outside the file",
    "INST": "it calls a class of Python 2",
    "OBJ": "it calls a class of Python 2",
    "EXT1": "extension codes name globals behind every allowlist's back",
    "EXT2": "extension codes name globals behind every allowlist's back",
    "EXT4": "extension codes name globals behind every allowlist's back",
}

# What the hot loop of the machine distinguishes; everything else has a handler.  Those before that
# are what most streams mostly are.
FIXED, SHORT_TEXT, BINGET, MEMOIZE, OTHER, TUPLE, MARK, SHORT_RAW = range(8)
EMPTY, NUMBERED, BINPUT, BININT, LONG_BINPUT = range(8, 13)
_FIXED_SIZES: Final = {
    "BININT1": 2,
    "BININT2": 3,
    "BININT": 5,
    "BINFLOAT": 9,
    "NONE": 1,
    "NEWTRUE": 1,
    "NEWFALSE": 1,
}
_TUPLES: Final = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def _kinds(memoize: int) -> bytes:
    kinds = bytearray([OTHER]) * 256
    single = {"SHORT_BINUNICODE": SHORT_TEXT, "MEMOIZE": memoize, "BINGET": BINGET}
    single |= {"SHORT_BINBYTES": SHORT_RAW, "LONG1": SHORT_RAW}
    single |= {"BINPUT": BINPUT, "MARK": MARK}
    for name, kind in single.items():
        kinds[CODES[name]] = kind
    for name in _FIXED_SIZES:
        kinds[CODES[name]] = FIXED
    for name in _TUPLES:
        kinds[CODES[name]] = TUPLE
    for name in ("EMPTY_DICT", "EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_SET"):
        kinds[CODES[name]] = EMPTY
    kinds[CODES["BININT"]] = BININT
    kinds[CODES["LONG_BINPUT"]] = LONG_BINPUT
    kinds[CODES["BINPERSID"]] = NUMBERED
    return bytes(kinds)


KINDS: Final = _kinds(MEMOIZE)
# After a gap in the memo MEMOIZE would take the index of an entry that is set: it gets a handler.
KINDS_AFTER_GAP: Final = _kinds(OTHER)
SIZES: Final = bytes(
    _FIXED_SIZES.get(NAMES.get(code, ""), _TUPLES.get(NAMES.get(code, ""), 0))
    for code in range(256)
)

# Constants that are as long as their opcode says; 0 for all others.
ATOM_SIZES: Final = bytes(_FIXED_SIZES.get(NAMES.get(code, ""), 0) for code in range(256))

# Constants whose value the hash of a dict key or set member cannot be steered with.
EASY_KEYS: Final = frozenset(
    CODES[name]
    for name in (
        *("SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "NONE", "NEWTRUE", "NEWFALSE"),
        *("SHORT_BINBYTES", "SHORT_BINSTRING"),
    )
)
# Long ones cost their length when they are compared with an equal key.
TEXT_KEYS: Final = frozenset(
    CODES[name]
    for name in (
        *("BINUNICODE", "BINUNICODE8", "UNICODE", "BINBYTES", "BINBYTES8"),
        *("STRING", "BINSTRING"),
    )
)
UNHASHABLE: Final = frozenset({CODES["BYTEARRAY8"]})

# Lines of protocols 0 and 1, the opcode included.
MAX_DIGITS: Final = 4300
INT_LINE: Final = re.compile(rb"I(?:0[01]|0|-?[1-9][0-9]{0,18})\n")
LONG_LINE: Final = re.compile(rb"L(0|-?[1-9][0-9]{0,4299})L\n")
FLOAT_LINE: Final = re.compile(
    rb"F(-?(?:[0-9]{1,24}(?:\.[0-9]{1,24})?(?:e[+-]?[0-9]{1,3})?|inf)|nan)\n"
)
# Python 2's repr of a byte string.
STRING_LINE: Final = re.compile(
    rb"S(?:'(?:[^'\\\n]|\\['\\nrt]|\\x[0-9a-f]{2})*+'"
    rb'|"(?:[^"\\\n]|\\["\\nrt]|\\x[0-9a-f]{2})*+")\n'
)
# Raw-unicode-escape.
UNICODE_LINE: Final = re.compile(
    rb"V((?:[^\\\n]|\\u[0-9a-f]{4}|\\U00(?:0[0-9a-f]|10)[0-9a-f]{4})*+)\n"
)
INDEX_LINE: Final = re.compile(rb"[pg](0|[1-9][0-9]{0,9})\n")
GLOBAL_LINES: Final = re.compile(rb"c([^\n]{1,1000})\n([^\n]{1,1000})\n")
NAME: Final = re.compile(r"[A-Za-z_0-9.<>]{1,1000}")

# Batches of "short string, MEMOIZE" and of "short string, MEMOIZE, small constant": most of a
# vocabulary.  The regex engine checks a thousand items in one step.  It tries the lengths one after
# the other, so those of words come first; what is possessive it does not have to remember.
_WORD: Final = 8
_LENGTHS: Final = sorted(range(256), key=lambda length: abs(length - _WORD))


def _text(character: bytes) -> bytes:
    forms = [re.escape(bytes([n])) + character + b"{%d}+" % n for n in _LENGTHS if n]
    return rb"\x8c(?:" + b"|".join([*forms, rb"\x00"]) + rb")"


_ANY: Final = b"."
_ASCII: Final = rb"[\x00-\x7f]"
_SMALL: Final = rb"(?:K.|J.{4}+|M..|G.{8}+)"
# What is in ASCII need be neither counted nor decoded, where it is just so many.
ROUND: Final = 100


# Each takes a tenth of a second to compile, and few files have batches.
@functools.cache
def item(*, pairs: bool) -> re.Pattern[bytes]:
    """Return the form of one member of a batch; its group is the text with its length."""
    kept = _text(_ANY).replace(b"(?:", b"((?:", 1) + b")"
    return re.compile(kept + rb"\x94" + (_SMALL if pairs else b""), re.DOTALL)


@functools.cache
def items(*, pairs: bool) -> re.Pattern[bytes]:
    """Return the form of as many members as there are."""
    one = _text(_ANY) + rb"\x94" + (_SMALL if pairs else b"")
    return re.compile(rb"(?:" + one + rb")++", re.DOTALL)


@functools.cache
def one_round(*, pairs: bool) -> re.Pattern[bytes]:
    """Return the form of `ROUND` members in ASCII."""
    one = _text(_ASCII) + rb"\x94" + (_SMALL if pairs else b"")
    return re.compile(rb"(?:%b){%d}+" % (one, ROUND), re.DOTALL)


@functools.cache
def parted_pair() -> re.Pattern[bytes]:
    """Return the form of a pair with a frame that begins before its number."""
    return re.compile(rb"(" + _text(_ANY) + rb"\x94)\x95.{8}" + _SMALL, re.DOTALL)


# A run of opcodes that push what an equal run pushed before; the states of like objects share them.
SHARED: Final = re.compile(rb"(?:h.|[N\x88\x89]|K.|G.{8}){6,64}+", re.DOTALL).match
