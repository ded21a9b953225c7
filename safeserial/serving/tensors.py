# SPDX-License-Identifier: BSD-3-Clause
"""Tensors of the Open Inference Protocol: JSON or raw bytes on the wire, NumPy arrays inside.

Floor 7.  https://github.com/kserve/open-inference-protocol (REST, version 2), with Triton's
extension for binary tensors
(https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md).
Everything that arrives is held to its shape and datatype before an array is made of it.
"""

from __future__ import annotations

import functools
import math
import struct
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

DTYPES: Final[dict[str, str]] = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    "BYTES": "O",
}
_ELEMENTS: Final[dict[str, Any]] = {
    "BOOL": bool,
    **{
        f"INT{bits}": Annotated[int, msgspec.Meta(ge=-(2 ** (bits - 1)), le=2 ** (bits - 1) - 1)]
        for bits in (8, 16, 32, 64)
    },
    **{f"UINT{bits}": Annotated[int, msgspec.Meta(ge=0, le=2**bits - 1)] for bits in (8, 16, 32)},
    "UINT64": Annotated[int, msgspec.Meta(ge=0)],
    **{f"FP{bits}": float | None for bits in (16, 32, 64)},
    "BYTES": str | None,
}
_NAMES: Final = {np.dtype(code): name for name, code in DTYPES.items() if name != "BYTES"}
_MAX_DIMENSIONS: Final = 8
_MAX_DIMENSION: Final = 2**31 - 1
_LOOK: Final = 256  # bytes in which the brackets before the first element stand
_BRACKET: Final = ord("[")
_SPACE: Final = b" \t\r\n"
_LENGTH: Final = struct.Struct("<I")


class BadRequestError(Exception):
    """A request that cannot be answered; the client is told why."""


def datatype_of(array: Array) -> str:
    """Return the protocol's name of an array's dtype; text and objects are BYTES."""
    return _NAMES.get(array.dtype.newbyteorder("<"), "BYTES")


def check_shape(name: str, shape: list[int], rows: int) -> int:
    """Return how many elements a shape has.

    Raises
    ------
    BadRequestError
        If it is no shape, or has more elements than `rows`, the most that the body can hold.
    """
    if not 0 < len(shape) <= _MAX_DIMENSIONS or any(one < 0 for one in shape):
        raise BadRequestError(f"input {name!r}: {shape[:_MAX_DIMENSIONS]} is not a shape")
    count = math.prod(shape)
    if math.prod(max(one, 1) for one in shape) > _MAX_DIMENSION:  # also where one of them is 0
        raise BadRequestError(f"input {name!r}: the request does not hold {shape}")
    if count > rows:
        raise BadRequestError(f"input {name!r}: the request does not hold {count} elements")
    return count


def from_json(name: str, datatype: str, shape: list[int], data: msgspec.Raw) -> Array:
    """Return the array of an input written as JSON.

    Parameters
    ----------
    name, datatype : str
        Of the input.
    shape : list of int
        Dimensions.
    data : msgspec.Raw
        A list of elements, flat or nested, in C's order; null is a missing number or text.

    Raises
    ------
    BadRequestError
        If there are more or fewer elements, or one is of another type.
    """
    depth = _depth(data)
    if depth == 0:
        raise BadRequestError(f"input {name!r}: data is a list")
    if depth > max(len(shape), 1) or depth > _MAX_DIMENSIONS:
        raise BadRequestError(f"input {name!r}: data is nested deeper than its shape")
    try:
        values = _decoder(datatype, depth).decode(data)
        with np.errstate(over="ignore"):
            array = np.array(values, DTYPES[datatype])
    except (OverflowError, msgspec.DecodeError, RecursionError, ValueError) as error:
        raise BadRequestError(_why(name, datatype, depth, error)) from None
    if array.size != check_shape(name, shape, array.size) or array.ndim != depth:
        uneven = " nested evenly" if depth > 1 else ""
        raise BadRequestError(f"input {name!r}: data is not elements of {shape[:8]}{uneven}")
    if datatype == "BYTES":
        array[array == None] = ""  # noqa: E711 - elementwise
    return array.reshape(shape)


def _depth(data: msgspec.Raw) -> int:
    """Return how many lists the first element stands in."""
    depth = 0
    for one in memoryview(data)[:_LOOK]:
        if one == _BRACKET:
            depth += 1
        elif one not in _SPACE:
            break
    return depth


@functools.cache
def _decoder(datatype: str, depth: int) -> msgspec.json.Decoder[Any]:
    kind: Any = _ELEMENTS[datatype]
    for _ in range(depth):
        kind = list[kind]
    return msgspec.json.Decoder(kind)


def _why(name: str, datatype: str, depth: int, error: Exception) -> str:
    if isinstance(error, OverflowError):
        return f"input {name!r}: an element is out of {datatype}'s range"
    nested = "" if depth == 1 else ", or data is nested unevenly"
    return f"input {name!r}: an element is not of datatype {datatype}{nested}"


def from_bytes(name: str, datatype: str, shape: list[int], raw: memoryview) -> Array:
    """Return the array of an input that follows the JSON as raw little-endian bytes.

    Raises
    ------
    BadRequestError
        If the bytes do not fit the shape.
    """
    count = check_shape(name, shape, len(raw))
    if datatype == "BYTES":
        return np.array(_texts(name, count, raw), object).reshape(shape)
    dtype = np.dtype(DTYPES[datatype])
    if len(raw) != count * dtype.itemsize:
        raise BadRequestError(
            f"input {name!r}: {len(raw)} bytes are not {count} elements of {datatype}"
        )
    if datatype == "BOOL":
        found: Array = np.frombuffer(raw, "u1") != 0
    else:
        found = np.frombuffer(raw, dtype)
    return found.reshape(shape)


def _texts(name: str, count: int, raw: memoryview) -> list[str]:
    texts: list[str] = []
    position = 0
    try:
        for _ in range(count):
            (length,) = _LENGTH.unpack_from(raw, position)
            start = position + _LENGTH.size
            position = start + length
            if position > len(raw):
                raise BadRequestError(f"input {name!r}: a text ends beyond the request")
            texts.append(str(raw[start:position], "utf-8"))
    except struct.error:
        raise BadRequestError(f"input {name!r}: there are fewer than {count} texts") from None
    except UnicodeDecodeError:
        raise BadRequestError(f"input {name!r}: a text is not UTF-8") from None
    if position != len(raw):
        raise BadRequestError(f"input {name!r}: bytes follow the last text")
    return texts


def to_json(array: Array) -> list[Any]:
    """Return the elements of an output for JSON: flat, numbers that JSON lacks as null."""
    if datatype_of(array) == "BYTES":
        return [_text(one) for one in array.ravel().tolist()]
    if array.dtype.kind == "f":  # what is no number becomes null when it is written
        return array.ravel().astype(np.float64).tolist()
    return array.ravel().tolist()


def to_bytes(array: Array) -> bytes:
    """Return the elements of an output as raw little-endian bytes."""
    if datatype_of(array) == "BYTES":
        texts = [_text(one).encode("utf-8", "surrogatepass") for one in array.ravel().tolist()]
        return b"".join(_LENGTH.pack(len(one)) + one for one in texts)
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
