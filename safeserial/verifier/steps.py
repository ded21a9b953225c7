# SPDX-License-Identifier: BSD-3-Clause
"""What the rarer data opcodes do to the abstract stack: one small function each.

Floor 4.  Each takes the machine and its own offset, and returns the offset of the next opcode.
Opcodes that name, make or change objects are in `calls`.
"""

from __future__ import annotations

import re
from typing import Final

from safeserial.errors import CorruptArtifactError
from safeserial.verifier.arrays import nest, nested_arrays
from safeserial.verifier.constants import COUNTED, pieces
from safeserial.verifier.machine import NESTED, Machine, Step, Stop
from safeserial.verifier.memo import hold, put, recall, settle
from safeserial.verifier.opcodes import (
    CODES,
    EASY_KEYS,
    FLOAT_LINE,
    INDEX_LINE,
    INT_LINE,
    LONG_LINE,
    STRING_LINE,
    UNICODE_LINE,
)
from safeserial.verifier.values import (
    DictValue,
    Instance,
    Layout,
    ListValue,
    RawValue,
    RuleBroken,
    SetValue,
    Tuple,
    Unknown,
    Value,
)

_KEPT_PAIRS: Final = 4096
_FEW: Final = 256
_LONG_TEXT, _SHORT_TEXT = 64, 255
_BINUNICODE: Final = CODES["BINUNICODE"]
_LAYOUTS: Final = 4096
_INDEX_BYTES: Final = 4
_CONSTANT: Final = frozenset({int})
_KEPT_ITEMS: Final = 2**17
_LIST_BYTES, _DICT_BYTES, _SET_BYTES = 56, 64, 216
_LOWEST, _HIGHEST = 2, 5


def _proto(machine: Machine, here: int) -> int:
    protocol = machine.data[here + 1]
    if here != machine.start or not _LOWEST <= protocol <= _HIGHEST:
        raise RuleBroken("a protocol from 2 to 5 is given once, at the beginning")
    machine.protocol = protocol
    return here + 2


def _frame(machine: Machine, here: int) -> int:
    machine.frame_end = machine.open_frame(here, machine.frame_end)
    return here + 9


def _stop(machine: Machine, here: int) -> int:
    if len(machine.stack) != 1 or machine.below or here + 1 < machine.frame_end:
        raise ValueError("stop")
    if machine.wrappers:
        raise RuleBroken("a wrapper of joblib has no array behind it")
    if machine.buffers:
        raise CorruptArtifactError("the stream does not use all of its buffers")
    settle(machine)
    raise Stop


def _pop(machine: Machine, here: int) -> int:
    # On an open mark with nothing above it POP closes the mark.
    if not machine.stack and machine.below:
        machine.stack = machine.below.pop()
    else:
        machine.stack.pop()
    return here + 1


def _pop_mark(machine: Machine, here: int) -> int:
    machine.stack = machine.below.pop()
    return here + 1


def _segment(machine: Machine) -> list[Value]:
    items = machine.stack
    machine.stack = machine.below.pop()
    return items


# -- constants


def _counted(machine: Machine, here: int) -> int:
    form = COUNTED[machine.data[here]][1]
    if here == machine.frame_end:
        machine.edges.add(here)  # what is large stands between frames
    if form == "text":
        end = text_end(machine, here)
    else:
        start, length = machine.constants.span(here)
        end = start + length
        if end > len(machine.data) or (form in ("int", "latin1") and length >= 2**31):
            raise ValueError("length")
    machine.stack.append(here)
    return end


def text_end(machine: Machine, here: int) -> int:
    """Return where the text ends whose opcode stands at `here`, after checking its encoding."""
    start, length = machine.constants.span(here)
    if length > len(machine.data) - start:
        raise ValueError("length")
    end, characters = start + length, 0
    for piece in pieces(machine.data, start, end):
        characters += len(piece if piece.isascii() else piece.decode("utf-8", "surrogatepass"))
    if length > _LONG_TEXT and characters != length:
        machine.constants.lengths[here] = characters
    return end


def _line(form: re.Pattern[bytes]) -> Step:
    def step(machine: Machine, here: int) -> int:
        match = form.match(machine.data, here)
        if match is None:
            raise RuleBroken("no pickler writes it in this form")
        machine.stack.append(here)
        return match.end()

    return step


def _next_buffer(machine: Machine, here: int) -> int:
    if machine.depth or not machine.buffers:
        raise RuleBroken("there is no such buffer")
    machine.stack.append(RawValue(len(machine.buffers.pop()), buffer=True))
    return here + 1


def _readonly_buffer(machine: Machine, here: int) -> int:
    if not isinstance(machine.stack[-1], RawValue):
        raise RuleBroken("only a buffer can be made read-only")
    return here + 1


def _persistent(machine: Machine, here: int) -> int:
    stack = machine.stack
    number = machine.constants.integer(stack.pop())
    if not 0 <= number < len(machine.objects):
        raise RuleBroken("persistent ids stand only for the payload's own arrays and columns")
    stack.append(machine.objects[number])
    return here + 1


# -- memo


def _index(machine: Machine, here: int) -> tuple[int, int]:
    match = INDEX_LINE.match(machine.data, here)
    if match is None:
        raise RuleBroken("no pickler writes it in this form")
    return int(match[1]), match.end()


def _get(machine: Machine, here: int) -> int:
    index, end = _index(machine, here)
    machine.stack.append(recall(machine, index))
    return end


def _put(machine: Machine, here: int) -> int:
    index, end = _index(machine, here)
    put(machine, index)
    return end


def _long_get(machine: Machine, here: int) -> int:
    machine.stack.append(recall(machine, _long_index(machine, here)))
    return here + 5


def _long_put(machine: Machine, here: int) -> int:
    put(machine, _long_index(machine, here))
    return here + 5


def _long_index(machine: Machine, here: int) -> int:
    raw = machine.data[here + 1 : here + 5]
    if len(raw) < _INDEX_BYTES:
        raise IndexError
    return int.from_bytes(raw, "little")


def _memoize_after_gap(machine: Machine, here: int) -> int:
    raise RuleBroken("MEMOIZE and PUT are not mixed")


# -- containers


def _tuple(machine: Machine, here: int) -> int:
    items = tuple(_segment(machine))
    machine.context.allocate(_LIST_BYTES + 8 * len(items))
    if not NESTED.isdisjoint(map(type, items)):
        items = hold(machine, items)
    machine.stack.append(items)
    return here + 1


def _list(machine: Machine, here: int) -> int:
    items, made = _segment(machine), ListValue(0, [])
    extend(machine, made, items)
    machine.stack.append(made)
    return here + 1


def _dict(machine: Machine, here: int) -> int:
    items, made = _segment(machine), DictValue(0, [])
    update(machine, made, items)
    machine.stack.append(made)
    return here + 1


def _append(machine: Machine, here: int) -> int:
    item = machine.stack.pop()
    extend(machine, machine.stack[-1], [item])
    return here + 1


def _appends(machine: Machine, here: int) -> int:
    items = _segment(machine)
    extend(machine, machine.stack[-1], items)
    return here + 1


def extend(machine: Machine, target: Value, items: list[Value]) -> None:
    """Append items, as APPENDS does."""
    if isinstance(target, ListValue) and not target.sealed:
        target.count += len(items)
        if target.items is not None and target.count <= _KEPT_ITEMS:
            target.items.extend(items)
            return
        data = machine.data
        for part in (target.items or [], items):
            easy = all(type(item) is int and data[item] in EASY_KEYS for item in part)
            target.easy = target.easy and easy
            target.depth = max(target.depth, nested_arrays(part))
        target.items = None
    elif isinstance(target, Instance) and "s" in target.kind.shape:
        machine.context.allocate(8 * len(items))
        nest(target, items)
    elif not isinstance(target, Unknown):
        raise RuleBroken("items are appended only to lists made in this file")


def _setitem(machine: Machine, here: int) -> int:
    value, key = machine.stack.pop(), machine.stack.pop()
    update(machine, machine.stack[-1], [key, value])
    return here + 1


def _setitems(machine: Machine, here: int) -> int:
    items = machine.stack
    machine.stack = stack = machine.below.pop()
    target = stack[-1]
    if type(target) is DictValue and target.flat == [] and len(items) <= _FEW:
        keys = tuple(items[::2])
        # Offsets only: hashing a key that has not been charged might take for ever.
        if _CONSTANT.issuperset(map(type, keys)) and not target.sealed and not len(items) % 2:
            layout = machine.layouts.get(keys)
            if layout is None and _are_easy(machine, keys):
                layout = Layout()
                if len(machine.layouts) < _LAYOUTS:
                    machine.layouts[keys] = layout
            if layout is not None:
                target.count, target.flat, target.layout = len(keys), items, layout
                return here + 1
    update(machine, target, items)
    return here + 1


def _are_easy(machine: Machine, keys: Tuple) -> bool:
    data, span = machine.data, machine.constants.span
    for key in keys:
        if type(key) is not int:
            return False
        code = data[key]
        # Protocol 2 writes every text with a long length; a short one costs as little as any.
        short = code in EASY_KEYS or (code == _BINUNICODE and span(key)[1] <= _SHORT_TEXT)
        if not short:
            return False
    return True


def update(machine: Machine, target: Value, items: list[Value]) -> None:
    """Set items (key, value, key, …), as SETITEMS does."""
    if len(items) % 2:
        raise ValueError("odd")
    data = machine.data
    for key in items[::2]:
        if type(key) is not int or data[key] not in EASY_KEYS:
            machine.context.keys.charge(key, machine.nests, machine.constants)
    if isinstance(target, DictValue) and not target.sealed:
        target.count += len(items) // 2
        target.layout = None
        if target.flat is not None and target.count <= _KEPT_PAIRS:
            target.flat.extend(items)
        else:
            target.flat = None
    elif isinstance(target, Instance) and "m" in target.kind.shape:
        machine.context.allocate(_DICT_BYTES * len(items) // 2)
        nest(target, items)
    elif not isinstance(target, Unknown):
        raise RuleBroken("items are set only in dicts made in this file")


def _additems(machine: Machine, here: int) -> int:
    items = _segment(machine)
    if not isinstance(machine.stack[-1], SetValue | Unknown):
        raise RuleBroken("members are added only to sets made in this file")
    _charge(machine, items)
    return here + 1


def _frozenset(machine: Machine, here: int) -> int:
    items = _segment(machine)
    machine.context.allocate(_SET_BYTES)
    _charge(machine, items)
    machine.stack.append(machine.nests.frozenset(items))
    return here + 1


def _charge(machine: Machine, items: list[Value]) -> None:
    for item in items:
        machine.context.keys.charge(item, machine.nests, machine.constants)


_STEPS: Final[dict[str, Step]] = {
    "PROTO": _proto,
    "FRAME": _frame,
    "STOP": _stop,
    "POP": _pop,
    "POP_MARK": _pop_mark,
    **dict.fromkeys(("BINUNICODE", "BINUNICODE8", "BINBYTES", "BINBYTES8"), _counted),
    **dict.fromkeys(("BYTEARRAY8", "BINSTRING", "SHORT_BINSTRING", "LONG4"), _counted),
    "INT": _line(INT_LINE),
    "LONG": _line(LONG_LINE),
    "FLOAT": _line(FLOAT_LINE),
    "STRING": _line(STRING_LINE),
    "UNICODE": _line(UNICODE_LINE),
    "NEXT_BUFFER": _next_buffer,
    "READONLY_BUFFER": _readonly_buffer,
    "BINPERSID": _persistent,
    "GET": _get,
    "PUT": _put,
    "LONG_BINGET": _long_get,
    "LONG_BINPUT": _long_put,
    "MEMOIZE": _memoize_after_gap,
    "TUPLE": _tuple,
    "LIST": _list,
    "DICT": _dict,
    "APPEND": _append,
    "APPENDS": _appends,
    "SETITEM": _setitem,
    "SETITEMS": _setitems,
    "ADDITEMS": _additems,
    "FROZENSET": _frozenset,
}
DATA_STEPS: Final[dict[int, Step]] = {CODES[name]: step for name, step in _STEPS.items()}
