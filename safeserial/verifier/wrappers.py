# SPDX-License-Identifier: BSD-3-Clause
"""Arrays inside joblib streams: checked, cut out, and replaced by persistent ids.

Floor 4.  joblib writes an array's bytes right after the BUILD of a wrapper object, in the middle of
the opcodes.  Cut out, the rest is an ordinary pickle that the C unpickler can read; arrays of
objects are pickles of their own, which are verified here too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from safeserial.errors import UnsupportedVersionError
from safeserial.verifier import arrays
from safeserial.verifier.admitted import InlineArray
from safeserial.verifier.machine import Machine
from safeserial.verifier.opcodes import CODES
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
_FRAME: Final = struct.Struct("<BQ")
_FRAME_CODE: Final = CODES["FRAME"]
_PROTO: Final = bytes([CODES["PROTO"]])


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
    view: memoryview | bytes | None = None
    if dtype.has_objects:
        end, array, view = _objects(machine, here)
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
    if view is None:
        view = memoryview(machine.memory)[start:end]
    machine.context.arrays.append(InlineArray(memoryview(view), known, shape, order))
    machine.cuts.append((here, end))
    machine.stack[-1] = array
    return end


def _parts(machine: Machine, state: Value) -> dict[str, Value]:
    if not isinstance(state, DictValue) or state.pairs is None:
        raise RuleBroken("the wrapper's state is a dict")
    # It names a class that is not to be stored.
    if not state.alone:
        raise RuleBroken("the state of joblib's wrapper is used once")
    state.alone = None
    parts = {machine.constants.text(key): value for key, value in state.pairs}
    if not parts.keys() >= _PARTS or parts.keys() - _PARTS - _OPTIONAL:
        raise RuleBroken("the wrapper's state has other parts than joblib writes")
    if len(parts) != len(state.pairs):
        raise RuleBroken("the wrapper's state names a part twice")
    return parts


def _check_subclass(subclass: Value) -> None:
    if not isinstance(subclass, Global):
        raise RuleBroken("the wrapper names a class of arrays")
    subclass.spent += 1
    subclass.roles.add("reference")
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


def _objects(machine: Machine, here: int) -> tuple[int, Value, memoryview | bytes]:
    """Verify the pickle of an array of objects; return its end, what it leaves, its opcodes."""
    if machine.depth:
        raise RuleBroken("arrays of objects are not nested in each other's streams")
    inner = Machine(machine.data, machine.context, machine.steps, depth=machine.depth + 1)
    end, top = inner.run(here)
    opcodes = transcode(
        memoryview(machine.data)[here:end],
        (),
        [(start - here, stop - here) for start, stop in inner.frames],
        [edge - here for edge in inner.edges],
    )
    if isinstance(top, Unknown):
        return end, UNKNOWN, opcodes
    objects = isinstance(top, ArrayValue) and top.dtype is not None and top.dtype.has_objects
    if not objects:
        raise RuleBroken("an array of objects is needed behind the wrapper")
    return end, top, opcodes


def transcode(
    data: memoryview | bytes,
    cuts: Sequence[tuple[int, int]],
    frames: Sequence[tuple[int, int]] = (),
    edges: Iterable[int] = (),
) -> memoryview | bytes:
    """Return the opcodes with each array replaced by POP, BININT, BINPERSID.

    The C unpickler reads a frame at once, and loses what is left of it when an opcode goes on
    behind its end: from there on it would read something else than was verified.  Where a frame may
    end inside an opcode, all frames are made anew.

    Parameters
    ----------
    data : bytes or memoryview
        The stream.
    cuts : sequence of (int, int)
        Where arrays begin and end, in order.
    frames : sequence of (int, int)
        Where FRAME opcodes stand and where their frames end, in order.
    edges : iterable of int
        Further offsets at which an opcode begins.

    Returns
    -------
    bytes or memoryview
        The stream itself where there is nothing to cut.
    """
    stand_ins = {
        start: (end, _STAND_IN.pack(b"0", b"J", number, b"Q"))
        for number, (start, end) in enumerate(cuts)
    }
    known = {start for start, _ in frames} | set(stand_ins) | set(edges) | {len(data)}
    view = memoryview(data)
    if not all(end in known for _, end in frames):
        return _framed(view, stand_ins, [start for start, _ in frames], known)
    if not cuts:
        return data
    parts: list[memoryview | bytes] = []
    last = 0
    for start, (end, stand_in) in stand_ins.items():
        parts += [view[last:start], stand_in]
        last = end
    parts.append(view[last:])
    return b"".join(parts)


def _framed(
    view: memoryview,
    stand_ins: Mapping[int, tuple[int, bytes]],
    frames: Iterable[int],
    known: set[int],
) -> bytes:
    """Return the opcodes in frames of our own, from one known opcode to the next."""
    left_out = {**stand_ins, **{start: (start + _FRAME.size, b"") for start in frames}}
    first = 2 if view[:1] == _PROTO else 0
    bounds = sorted({first, *known, *(end for end, _ in left_out.values())})
    parts: list[memoryview | bytes] = [view[:first]]
    for start, end in pairwise(bounds):
        begun, stand_in = left_out.get(start, (start, b""))
        size = len(stand_in) + max(0, end - begun)
        if size:
            parts += [_FRAME.pack(_FRAME_CODE, size), stand_in, view[begun:end]]
    return b"".join(parts)
