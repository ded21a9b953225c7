# SPDX-License-Identifier: BSD-3-Clause
"""NumPy states: a dtype is what its code says, and an array has the bytes that its shape needs.

Floor 4.  A dtype that claims to hold no objects while it does, or a field that lies outside its
element, corrupts memory while the unpickler runs; no check after loading could see it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import Final

from safeserial.verifier.admitted import DType
from safeserial.verifier.constants import Constants
from safeserial.verifier.values import (
    ArrayValue,
    DictValue,
    DTypeValue,
    Instance,
    ListValue,
    RuleBroken,
    Tuple,
    Value,
)

_MAX_DIMENSIONS: Final = 64
_MAX_BYTES: Final = 2**48
_MAX_FIELDS: Final = 4096
_MAX_LEVELS: Final = 32
_MAX_NESTED: Final = 500
# Elements of no bytes cost nothing until somebody looks at each.
_MAX_EMPTY: Final = 2**24
_PLAIN: Final = {
    **{f"{kind}{size}": size for kind in "iu" for size in (1, 2, 4, 8)},
    "b1": 1,
    "f2": 2,
    "f4": 4,
    "f8": 8,
    "f12": 12,
    "f16": 16,
    "c8": 8,
    "c16": 16,
    "c24": 24,
    "c32": 32,
}
_CODE: Final = re.compile(r"O8?|[Mm]8|[SUV](?:0|[1-9][0-9]{0,9})")
_UNITS: Final = frozenset(
    ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "generic"]
)
_OBJECT_FLAGS: Final = 63
_UNICODE_FLAGS: Final = 8
_STRUCT_FLAG: Final = 16
_ALIGNED_FLAG: Final = 128
_PLAIN_STATE: Final = 8
_METADATA_STATE: Final = 9
# None three times, -1, -1, 0.
_USUAL: Final = b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00"
_KEPT: Final = 256
_SIGNED_CHAR: Final = 256
_PAIR, _DTYPE_ARGUMENTS, _UNIT_PARTS = 2, 3, 4


def make_dtype(arguments: Tuple, constants: Constants) -> DTypeValue:
    """Check ``numpy.dtype(code, align=False, copy=True)``.

    Without the copy BUILD would change a dtype that the whole process shares.
    """
    if len(arguments) != _DTYPE_ARGUMENTS:
        raise RuleBroken("numpy.dtype takes a code, False and True")
    code = constants.text(arguments[0])
    if code not in _PLAIN and not _CODE.fullmatch(code):
        raise RuleBroken(f"not the code of a dtype: {code[:40]!r}")
    if constants.value(arguments[1]) not in (False, 0) or constants.value(arguments[2]) != 1:
        raise RuleBroken("numpy.dtype takes a code, False and True")
    return DTypeValue(code)


def build_dtype(dtype: DTypeValue, state: Value, constants: Constants) -> None:
    """Check a dtype's state against its code."""
    if dtype.known is not None or type(state) is not tuple:
        raise RuleBroken("a dtype is built once, from a tuple")
    if len(state) not in (_PLAIN_STATE, _METADATA_STATE):
        raise RuleBroken("a dtype's state has eight or nine parts")
    version, order = constants.integer(state[0]), constants.value(state[1])
    if version != len(state) - 5 or order not in ("<", ">", "|", "="):
        raise RuleBroken("a dtype's state has another form")
    if dtype.code[0] == "V":
        _build_void(dtype, state, constants)
        return
    unit = ""
    if dtype.code in _PLAIN and _is_usual(state, constants):
        size = _PLAIN[dtype.code]
        dtype.align, dtype.flags = _alignment(dtype.code[0], size), 0
    else:
        if not all(constants.is_none(part) for part in state[2:5]):
            raise RuleBroken("only a void dtype has fields")
        size, unit = _scalar_size(dtype, state, constants)
    single = dtype.code[0] in "OS" or size == 1
    if single != (order == "|"):
        raise RuleBroken("the byte order does not fit the dtype")
    dtype.known = known_dtype(dtype.code, "<" if order == "=" else str(order), size, unit)


@functools.lru_cache(_KEPT)
def known_dtype(code: str, byteorder: str, size: int, unit: str = "") -> DType:
    """Return a dtype without fields; equal ones are one object."""
    return DType(code, byteorder, size, (), unit)


def _is_usual(state: Tuple, constants: Constants) -> bool:
    """Say whether behind version and order stand the constants that NumPy writes for a number."""
    at = state[2]
    if type(at) is not int or constants.data[at : at + len(_USUAL)] != _USUAL:
        return False
    return state[3:] == (at + 1, at + 2, at + 3, at + 8, at + 13)


def _alignment(kind: str, size: int) -> int:
    return min(size // 2 if kind == "c" else size, 16)


def _scalar_size(dtype: DTypeValue, state: Tuple, constants: Constants) -> tuple[int, str]:
    code, kind = dtype.code, dtype.code[0]
    size, align, flags = (constants.integer(part) for part in state[5:8])
    unit = ""
    if kind in "SU":
        dtype.align = 4 if kind == "U" else 1
        dtype.flags = _UNICODE_FLAGS if kind == "U" else 0
        itemsize = int(code[1:]) * dtype.align
        expected = (itemsize, dtype.align, dtype.flags)
    else:
        itemsize = 8 if kind in "OMm" else _PLAIN[code]
        dtype.align = _alignment(kind, itemsize)
        dtype.flags = _OBJECT_FLAGS if kind == "O" else 0
        expected = (-1, -1, dtype.flags)
    if (size, align, flags) != expected:
        raise RuleBroken("the dtype's state does not fit its code")
    if kind in "Mm":
        unit = _unit(state, constants)
    elif len(state) == _METADATA_STATE:
        raise RuleBroken("dtypes with metadata are not accepted")
    return itemsize, unit


def _unit(state: Tuple, constants: Constants) -> str:
    metadata = state[-1]
    if len(state) != _METADATA_STATE or type(metadata) is not tuple or len(metadata) != _PAIR:
        raise RuleBroken("a date's dtype needs its unit")
    extra, unit = metadata
    empty = constants.is_none(extra) or (isinstance(extra, DictValue) and extra.count == 0)
    if not empty or type(unit) is not tuple or len(unit) != _UNIT_PARTS:
        raise RuleBroken("a date's dtype needs its unit")
    if constants.raw_length(unit[0]) is None:
        name = constants.text(unit[0])
    else:
        raw = constants.value(unit[0])
        name = raw if isinstance(raw, str) else raw.decode("ascii")
    number, denominator, event = (constants.integer(part) for part in unit[1:])
    if name not in _UNITS or not 1 <= number < 2**31 or (denominator, event) != (1, 1):
        raise RuleBroken("a date's dtype needs its unit")
    return name if number == 1 else f"{number}{name}"


def _build_void(dtype: DTypeValue, state: Tuple, constants: Constants) -> None:
    if constants.value(state[1]) != "|" or len(state) != _PLAIN_STATE:
        raise RuleBroken("a void dtype's state has another form")
    size, align, flags = (constants.integer(part) for part in state[5:8])
    flags %= _SIGNED_CHAR
    if size != int(dtype.code[1:]):
        raise RuleBroken("the dtype's state does not fit its code")
    fields: tuple[tuple[str, DType, int], ...] = ()
    shape: tuple[int, ...] = ()
    expected, alignment = 0, 1
    if not constants.is_none(state[2]):
        expected, alignment, shape = _subarray(dtype, state, size, constants)
    elif type(state[3]) is tuple:
        fields, expected, alignment = _fields(dtype, state, size, constants)
    elif not (constants.is_none(state[3]) and constants.is_none(state[4])):
        raise RuleBroken("a void dtype's state has another form")
    if type(state[3]) is tuple and flags & _ALIGNED_FLAG:
        if align != alignment or size % align:
            raise RuleBroken("an aligned dtype has another alignment")
        flags -= _ALIGNED_FLAG
    elif align != (1 if type(state[3]) is tuple else alignment):
        raise RuleBroken("the dtype's state does not fit its code")
    if flags != expected:
        raise RuleBroken("a dtype's flags do not fit its fields")
    dtype.align, dtype.flags = align, expected
    element = dtype.base[0].known if dtype.base is not None else None
    dtype.known = DType(dtype.code, "|", size, fields, "", element, shape)


def _subarray(
    dtype: DTypeValue, state: Tuple, size: int, constants: Constants
) -> tuple[int, int, tuple[int, ...]]:
    sub = state[2]
    if type(sub) is not tuple or len(sub) != _PAIR or not all(map(constants.is_none, state[3:5])):
        raise RuleBroken("a subarray dtype has an element dtype and a shape")
    base, shape = ready(sub[0]), read_shape(sub[1], constants)
    count = product(shape)
    if base.depth >= _MAX_LEVELS or base.has_objects:
        raise RuleBroken("a subarray dtype has an element dtype and a shape")
    if base.known is None or base.known.itemsize * count != size:
        raise RuleBroken("a subarray dtype's size does not fit its shape")
    dtype.base = (base, count)
    dtype.depth, dtype.leaves = base.depth + 1, base.leaves
    return base.flags, base.align, shape


def _fields(
    dtype: DTypeValue, state: Tuple, size: int, constants: Constants
) -> tuple[tuple[tuple[str, DType, int], ...], int, int]:
    names, table = state[3], state[4]
    if type(names) is not tuple or not isinstance(table, DictValue) or table.pairs is None:
        raise RuleBroken("a structured dtype needs names and fields")
    order = [constants.text(name) for name in names]
    found: dict[str, tuple[DType, int]] = {}
    flags, alignment, leaves, depth = _STRUCT_FLAG, 1, 0, 0
    for key, entry in table.pairs[:_MAX_FIELDS]:
        if type(entry) is not tuple or len(entry) != _PAIR:
            raise RuleBroken("a field is a dtype and an offset")
        part, offset = ready(entry[0]), constants.integer(entry[1])
        if part.has_objects or part.known is None:
            raise RuleBroken("structured dtypes that hold objects are not accepted")
        if offset < 0 or offset + part.known.itemsize > size:
            raise RuleBroken("a field lies outside its element")
        found[constants.text(key)] = (part.known, offset)
        leaves += part.leaves
        depth = max(depth, part.depth + 1)
        if leaves > _MAX_FIELDS or depth > _MAX_LEVELS:
            raise RuleBroken("a structured dtype has too many fields")
        flags |= part.flags
        alignment = max(alignment, part.align)
    if (
        len(set(order)) != len(order)
        or sorted(order) != sorted(found)
        or len(table.pairs) != len(order)
    ):
        raise RuleBroken("a structured dtype's names are not those of its fields")
    dtype.depth, dtype.leaves = depth, max(1, leaves)
    return tuple((name, *found[name]) for name in order), flags, alignment


def ready(value: Value) -> DTypeValue:
    """Return a dtype whose state has been checked."""
    if not isinstance(value, DTypeValue) or value.known is None:
        raise RuleBroken("a complete numpy.dtype is needed here")
    return value


def read_shape(value: Value, constants: Constants) -> tuple[int, ...]:
    """Return a shape of constants; a single number stands for one dimension."""
    if type(value) is tuple and len(value) == 1 and type(value[0]) is int:
        # One dimension, as most: it cannot overflow what the bytes are held to.
        length = constants.integer(value[0])
        if 0 <= length <= _MAX_BYTES:
            return (length,)
    dimensions = value if type(value) is tuple else (value,)
    if len(dimensions) > _MAX_DIMENSIONS:
        raise RuleBroken(f"an array has at most {_MAX_DIMENSIONS} dimensions")
    shape = tuple([constants.integer(one) for one in dimensions])
    size = 1
    for one in shape:
        # NumPy multiplies the other dimensions even where one is zero.
        size *= one or 1
        if one < 0 or size > _MAX_BYTES:
            raise RuleBroken("an array's shape is out of range")
    return shape


def nested_arrays(items: Iterable[Value]) -> int:
    """Return how many arrays of objects, and containers like them, stand in each other in these."""
    return max(
        (
            one.depth
            for one in items
            if type(one) is ArrayValue or (type(one) is Instance and one.kind.shape)
        ),
        default=0,
    )


def nest(outer: Instance, items: Iterable[Value], least: int = 0) -> None:
    """Count how deeply containers stand in each other of which one frees the next."""
    outer.depth = max(outer.depth, 1 + max(least, nested_arrays(items)))
    if outer.depth > _MAX_NESTED:
        raise RuleBroken("containers stand in each other too deeply")


def product(shape: Sequence[int]) -> int:
    """Return the number of elements."""
    count = 1
    for one in shape:
        count *= one
    return count


def check_raw(dtype: DTypeValue, count: int, length: int | None) -> None:
    """Hold the bytes of an array to its dtype and its number of elements."""
    known = dtype.known
    if known is None or dtype.has_objects:
        raise RuleBroken("raw bytes cannot be the data of an array of objects")
    if length is None or count * known.itemsize != length:
        raise RuleBroken("an array's bytes do not fit its shape")
    check_empty(known, count)


def check_empty(known: DType, count: int) -> None:
    """Hold the number of elements that have no bytes to a limit."""
    if not known.itemsize and count > _MAX_EMPTY:
        raise RuleBroken("an array has too many elements of no bytes")


def build_array(array: ArrayValue, state: Value, constants: Constants) -> None:
    """Check the state of an array: ``(1, shape, dtype, is_fortran, bytes or list)``."""
    if array.built or type(state) is not tuple:
        raise RuleBroken("an array is built once, from a tuple")
    if len(state) != (7 if array.masked else 5) or constants.value(state[0]) not in (0, 1):
        raise RuleBroken("an array's state has another form")
    shape, dtype, data = read_shape(state[1], constants), ready(state[2]), state[4]
    if constants.value(state[3]) not in (False, True):
        raise RuleBroken("an array's order is a boolean")
    if dtype.has_objects:
        if not isinstance(data, ListValue) or data.count != product(shape):
            raise RuleBroken("an array of objects needs a list of as many")
        array.depth = 1 + max(data.depth, nested_arrays(data.items or ()))
        if array.depth > _MAX_NESTED:
            # Freeing one frees the next inside it, on the C stack.
            raise RuleBroken("arrays of objects stand in each other too deeply")
    else:
        check_raw(dtype, product(shape), constants.bytes_length(data))
    if array.masked:
        if dtype.known is None or dtype.known.fields or dtype.base is not None:
            raise RuleBroken("masked arrays of structured dtypes are not accepted")
        if constants.bytes_length(state[5]) != product(shape):
            raise RuleBroken("a mask's bytes do not fit its shape")
    array.built, array.dtype, array.shape = True, dtype, shape
