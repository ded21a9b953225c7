# SPDX-License-Identifier: BSD-3-Clause
"""Idioms: runs of opcodes that NumPy's own pickles are made of, taken in one step.

Floor 4.  Half of the opcodes of a small model make arrays: an empty one, its dtype, its state, and
always in the same words.  Where the very bytes stand that the pickler writes, what the machine
would do with them is done here at once, by the same rules' functions; where anything differs,
nothing is done, and the machine goes on opcode by opcode.  Like traces, idioms are used only in a
stream whose memo is added to in order, and not at all where one is verified without traces: tests
hold the two against each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from safeserial.verifier import arrays, numeric
from safeserial.verifier.opcodes import KINDS
from safeserial.verifier.values import (
    Arguments,
    ArrayValue,
    DTypeValue,
    Global,
    RuleBroken,
    Value,
)

if TYPE_CHECKING:
    from safeserial.verifier.machine import Machine

Idiom = Callable[["Machine", int, Global], int]
_NDARRAY: Final = ("numpy", "ndarray")
_MADE_OF: Final = b"C\x01b"
_TUPLE_BYTES, _LIST_BYTES = 64, 56
# More values than an idiom has on the stack at any time.
_HEIGHT: Final = 12
_GET: Final = rb"(?:h(.)|j(.{4}))"
_SKIP: Final = rb"(?:h.|j.{4})"
_NUMBER: Final = rb"(K.|M..|J.{4})"
# An empty array of bytes, which its state fills.
_EMPTY: Final = re.compile(
    _SKIP + _GET + rb"(K\x00)\x85\x94" + _GET + rb"\x87\x94R\x94", re.DOTALL
).match
# One, the shape, the dtype, whether it is in Fortran order, and the bytes, up to their length.
_STATE: Final = re.compile(
    rb"\((K\x01)" + _NUMBER + _NUMBER + rb"?" + _NUMBER + rb"?([\x85\x86\x87])\x94"
    + _GET + rb"([\x88\x89])(C(.)|B(.{4}))",
    re.DOTALL,
).match  # fmt: skip
_BUILT: Final = b"\x94t\x94b"
# The code and two flags of the dtype; its state: three, the byte order, and what never varies.
_DTYPE: Final = re.compile(
    _SKIP + rb"(?:(\x8c\x02[a-z][0-9]\x94)|h(.)|j(.{4}))(\x89)(\x88)\x87\x94R\x94"
    rb"\((K\x03)(?:(\x8c\x01[<>|]\x94)|h(.)|j(.{4}))"
    rb"(NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00)t\x94b",
    re.DOTALL,
).match
_PARTS: Final = (0, 1, 2, 3, 8, 13)


def empty_array(machine: Machine, here: int, function: Global) -> int:
    """Take the call that makes an empty array.

    Parameters
    ----------
    machine : Machine
        At a GET of the function.
    here : int
        Its offset.
    function : Global
        What it gets.

    Returns
    -------
    int
        Offset behind what was taken; 0 if nothing was.
    """
    match = _EMPTY(machine.data, here)
    if match is None or not _may_call(machine, function):
        return 0
    cls = _recalled(machine, match[1], match[2])
    code = _recalled(machine, match[4], match[5])
    if type(cls) is not Global or cls.name != _NDARRAY or cls.grant is None:
        return 0
    if type(code) is not int or machine.data[code : code + len(_MADE_OF)] != _MADE_OF:
        return 0
    shape = (match.start(3),)
    arguments = Arguments((cls, shape, code))
    machine.nests.note(arguments)
    cls.pushed += 1
    cls.spent += 1
    cls.roles.add("reference")
    _called(machine, function)
    made = ArrayValue()
    machine.stack.append(made)
    machine.memo += (shape, arguments, made)
    return _taken(machine, 10, 2 * _TUPLE_BYTES, match.end() - 2, match.end())


def array_state(machine: Machine, here: int, array: ArrayValue) -> int:
    """Take the state of an array of one to three dimensions; otherwise as :func:`empty_array`.

    Parameters
    ----------
    machine : Machine
        At the MARK behind the array.
    here : int
        Its offset.
    array : ArrayValue
        On top of the stack.
    """
    data = machine.data
    match = _STATE(data, here)
    if match is None or not _may_mark(machine):
        return 0
    dtype = _recalled(machine, match[6], match[7])
    if type(dtype) is not DTypeValue or dtype.has_objects:
        return 0
    shape = tuple([match.start(group) for group in (2, 3, 4) if match.start(group) >= 0])
    raw = match.start(9)
    end = match.end() + int.from_bytes(match[10] or match[11], "little")
    if len(shape) != match[5][0] - 0x84 or data[end : end + len(_BUILT)] != _BUILT:
        return 0
    state = (match.start(1), shape, dtype, match.start(8), raw)
    try:
        arrays.build_array(array, state, machine.constants)
    except RuleBroken:
        return 0
    machine.context.allocate(_LIST_BYTES + 8 * len(state))
    machine.nests.note(state)
    if raw == machine.frame_end and match[11]:
        machine.edges.add(raw)  # what is large stands between frames
    machine.memo += (shape, raw, state)
    return _taken(machine, 11 + len(shape), _TUPLE_BYTES, end + 3, end + len(_BUILT))


def number_dtype(machine: Machine, here: int, function: Global) -> int:
    """Take the dtype of numbers, with its state; parameters as :func:`empty_array`."""
    match = _DTYPE(machine.data, here)
    if match is None or not _may_call(machine, function) or not _may_mark(machine):
        return 0
    new_code, new_order = match[1] is not None, match[7] is not None
    code = match.start(1) if new_code else _recalled(machine, match[2], match[3])
    order = match.start(7) if new_order else _recalled(machine, match[8], match[9])
    arguments = (code, match.start(4), match.start(5))
    state = (match.start(6), order, *[match.start(10) + part for part in _PARTS])
    try:
        made = arrays.make_dtype(arguments, machine.constants)
        arrays.build_dtype(made, state, machine.constants)
    except RuleBroken:
        return 0
    _called(machine, function)
    machine.context.allocate(_LIST_BYTES + 8 * len(state))
    machine.stack.append(made)
    machine.memo += (code, arguments, made) if new_code else (arguments, made)
    machine.memo += (order, state) if new_order else (state,)
    opcodes = 20 + new_code + new_order
    return _taken(machine, opcodes, _TUPLE_BYTES, match.end() - 1, match.end())


IDIOMS: Final[dict[Callable[..., Value], Idiom]] = {
    numeric.reconstruct: empty_array,
    numeric.dtype: number_dtype,
}


def _may_call(machine: Machine, function: Global) -> bool:
    grant = function.grant
    return (
        machine.traced
        and machine.kinds is KINDS
        and grant is not None
        and "call" in grant.roles
    )  # fmt: skip


def _may_mark(machine: Machine) -> bool:
    limits = machine.context.limits
    return machine.traced and machine.kinds is KINDS and len(machine.below) < limits.nesting


def _recalled(machine: Machine, short: bytes | None, long: bytes | None) -> Value:
    """Return an entry of the memo, None where there is none or it is not simply given back."""
    index = int.from_bytes(short or long or b"", "little")
    return machine.memo[index] if index < len(machine.memo) else None


def _called(machine: Machine, function: Global) -> None:
    function.pushed += 1
    function.spent += 1
    function.roles.add("call")
    machine.instances += 1


def _taken(machine: Machine, opcodes: int, size: int, last: int, end: int) -> int:
    """Account for so many opcodes, of which the machine counts one; return where they end."""
    machine.replayed += opcodes - 1
    machine.expected += size
    machine.tallest = max(machine.tallest, _HEIGHT)
    machine.position = last
    return end
