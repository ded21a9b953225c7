# SPDX-License-Identifier: BSD-3-Clause
"""Arrays inside joblib streams: checked, cut out, and replaced by persistent ids.

Floor 4.  joblib writes an array's bytes right after the BUILD of a wrapper object, in the middle of
the opcodes.  Cut out, the rest is an ordinary pickle that the C unpickler can read; arrays of
objects are pickles of their own, which are verified here too.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from safeserial.errors import UnsupportedVersionError
from safeserial.verifier import arrays
from safeserial.verifier.admitted import InlineArray
from safeserial.verifier.machine import Machine
from safeserial.verifier.use import WRAPPERS
from safeserial.verifier.values import (
    UNKNOWN,
    ArrayValue,
    DictValue,
    DTypeValue,
    Global,
    RuleBroken,
    Unknown,
    Value,
)

NAMES: Final = WRAPPERS
REFUSED: Final = frozenset(
    (module, name)
    for module in (
        *("joblib.numpy_pickle_compat", "joblib.numpy_pickle"),
        *("sklearn.externals.joblib.numpy_pickle_compat", "sklearn.externals.joblib.numpy_pickle"),
    )
    for name in ("NDArrayWrapper", "ZNDArrayWrapper")
)
_SUBCLASSES: Final = frozenset({("numpy", "ndarray"), ("numpy", "matrix"), ("numpy", "memmap")})
_PARTS: Final = frozenset({"subclass", "shape", "order", "dtype"})
_OPTIONAL: Final = frozenset({"allow_mmap", "numpy_array_alignment_bytes"})
_MAX_ALIGNMENT: Final = 128
# POP the inert wrapper, push the array's number, ask for it.
_STAND_IN: Final = struct.Struct("<1s1si1s")


def too_old(name: str) -> UnsupportedVersionError:
    """Return the refusal of wrappers that open other files."""
    return UnsupportedVersionError(
        f"the file was written by joblib before 0.10, whose {name} opens other files",
        hint="load it where it was made, with its own joblib, and save it again",
    )


def read(machine: Machine, state: Value, here: int) -> int:
    """Check the wrapper that has just been built and the array behind it.

    Parameters
    ----------
    machine : Machine
        With the wrapper on top of its stack; the array takes its place.
    state : Value
        The wrapper's state.
    here : int
        Offset after BUILD.

    Returns
    -------
    int
        Offset after the array.
    """
    parts = _parts(machine, state)
    shape = arrays.read_shape(parts["shape"], machine.constants)
    order = machine.constants.text(parts["order"])
    if type(parts["shape"]) is not tuple or order not in ("C", "F"):
        raise RuleBroken("an array's shape is a tuple and its order C or F")
    _check_subclass(parts["subclass"])
    if machine.frame_end > here:
        raise ValueError("frame")
    dtype = arrays.ready(parts["dtype"])
    array: Value
    if dtype.has_objects:
        end, array = _objects(machine, here)
        start = here
        if isinstance(array, ArrayValue) and array.shape != shape:
            raise RuleBroken("an array has another shape than its wrapper")
    else:
        alignment = parts.get("numpy_array_alignment_bytes")
        start = padding_end(machine, padding_most(machine, alignment), here)
        end = start + _length(dtype, shape)
        made = ArrayValue()
        made.built, made.dtype, made.shape = True, dtype, shape
        array = made
    if end > len(machine.data):
        raise IndexError
    known = dtype.known
    if known is None:
        raise RuleBroken("a complete numpy.dtype is needed here")
    view = memoryview(machine.data)[start:end]
    machine.context.arrays.append(InlineArray(view, known, shape, order))
    machine.cuts.append((here, end))
    machine.stack[-1] = array
    return end


def _parts(machine: Machine, state: Value) -> dict[str, Value]:
    if not isinstance(state, DictValue) or state.pairs is None:
        raise RuleBroken("the wrapper's state is a dict")
    parts = {machine.constants.text(key): value for key, value in state.pairs}
    if not parts.keys() >= _PARTS or parts.keys() - _PARTS - _OPTIONAL:
        raise RuleBroken("the wrapper's state has other parts than joblib writes")
    if len(parts) != len(state.pairs):
        raise RuleBroken("the wrapper's state names a part twice")
    return parts


def _check_subclass(subclass: Value) -> None:
    if not isinstance(subclass, Global):
        raise RuleBroken("the wrapper names a class of arrays")
    # A class that is not listed is reported as such.
    if subclass.grant is not None and subclass.name not in _SUBCLASSES:
        raise RuleBroken("the wrapper names a class of arrays")


def padding_most(machine: Machine, alignment: Value) -> int:
    """Return the largest padding that an alignment allows, 0 where there is none."""
    if alignment is None or machine.constants.is_none(alignment):
        return 0
    most = machine.constants.integer(alignment)
    if not 1 <= most <= _MAX_ALIGNMENT:
        raise RuleBroken("an array's padding is longer than its alignment")
    return most


def padding_end(machine: Machine, most: int, here: int) -> int:
    """Return where the padding in front of an array ends."""
    if not most:
        return here
    length = machine.data[here]
    if length > most:
        raise RuleBroken("an array's padding is longer than its alignment")
    end = here + 1 + length
    if machine.data[here + 1 : end] != b"\xff" * length:
        raise RuleBroken("an array's padding holds something")
    return end


def _length(dtype: DTypeValue, shape: tuple[int, ...]) -> int:
    if dtype.known is None or dtype.base is not None:
        raise RuleBroken("the dtype of an array is not a subarray")
    arrays.check_empty(dtype.known, arrays.product(shape))
    return arrays.product(shape) * dtype.known.itemsize


def _objects(machine: Machine, here: int) -> tuple[int, Value]:
    if machine.depth:
        raise RuleBroken("arrays of objects are not nested in each other's streams")
    inner = Machine(machine.data, machine.context, machine.steps, depth=machine.depth + 1)
    end, top = inner.run(here)
    if isinstance(top, Unknown):
        return end, UNKNOWN
    objects = isinstance(top, ArrayValue) and top.dtype is not None and top.dtype.has_objects
    if not objects:
        raise RuleBroken("an array of objects is needed behind the wrapper")
    return end, top


def transcode(data: memoryview | bytes, cuts: Sequence[tuple[int, int]]) -> memoryview | bytes:
    """Return the opcodes with each array replaced by POP, BININT, BINPERSID.

    Parameters
    ----------
    data : bytes or memoryview
        The stream.
    cuts : sequence of (int, int)
        Where arrays begin and end, in order.

    Returns
    -------
    memoryview or bytes
        The stream itself where there is nothing to cut.
    """
    if not cuts:
        return data
    parts: list[memoryview | bytes] = []
    view, last = memoryview(data), 0
    for number, (start, end) in enumerate(cuts):
        parts += [view[last:start], _STAND_IN.pack(b"0", b"J", number, b"Q")]
        last = end
    parts.append(view[last:])
    return b"".join(parts)
