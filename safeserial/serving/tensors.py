# SPDX-License-Identifier: BSD-3-Clause
"""Tensors of the Open Inference Protocol: JSON or raw bytes on the wire, NumPy arrays inside.

Floor 7.  https://github.com/kserve/open-inference-protocol (REST, version 2), with Triton's
extension for binary tensors
(https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md).
Everything that arrives is held to its shape and datatype before an array is made of it.
"""

from __future__ import annotations

import math
import struct
from typing import Any, Final

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
_NAMES: Final = {np.dtype(code): name for name, code in DTYPES.items() if name != "BYTES"}
_MAX_DIMENSIONS: Final = 8
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
        raise BadRequestError(f"input {name!r}: {shape[:16]} is not a shape")
    count = math.prod(shape)
    if count > rows:
        raise BadRequestError(f"input {name!r}: the request does not hold {count} elements")
    return count


def from_json(name: str, datatype: str, shape: list[int], data: Any) -> Array:
    """Return the array of an input written as JSON.

    Parameters
    ----------
    name, datatype : str
        Of the input.
    shape : list of int
        Dimensions.
    data : list
        Elements, flat or nested, in C's order; null is a missing number or text.

    Raises
    ------
    BadRequestError
        If there are more or fewer elements, or one is of another type.
    """
    flat = _flat(name, data, len(shape))
    if len(flat) != check_shape(name, shape, len(flat)):
        raise BadRequestError(f"input {name!r}: {len(flat)} elements do not have the shape {shape}")
    return _typed(name, datatype, flat).reshape(shape)


def _flat(name: str, data: Any, depth: int) -> list[Any]:
    level = data
    if not isinstance(level, list):
        raise BadRequestError(f"input {name!r}: data is a list")
    for _ in range(depth - 1):
        if not level or not isinstance(level[0], list):
            break
        if not all(isinstance(one, list) for one in level):
            raise BadRequestError(f"input {name!r}: data is nested unevenly")
        level = [one for part in level for one in part]
    return level


def _typed(name: str, datatype: str, flat: list[Any]) -> Array:
    kinds: tuple[type, ...]
    if datatype == "BYTES":
        kinds, values = (str,), ["" if one is None else one for one in flat]
    elif datatype.startswith("FP"):
        kinds, values = (int, float), [math.nan if one is None else one for one in flat]
    else:
        kinds, values = ((bool,) if datatype == "BOOL" else (int,)), flat
    if not all(type(one) in kinds for one in values):
        raise BadRequestError(f"input {name!r}: an element is not of datatype {datatype}")
    try:
        with np.errstate(over="ignore"):
            return np.array(values, DTYPES[datatype])
    except (OverflowError, ValueError):
        raise BadRequestError(f"input {name!r}: an element is out of {datatype}'s range") from None


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
    if array.dtype.kind == "f":
        flat = array.ravel().astype(np.float64)
        whole = np.isfinite(flat)
        if not whole.all():
            return [
                one if good else None
                for one, good in zip(flat.tolist(), whole.tolist(), strict=True)
            ]
        return flat.tolist()
    return array.ravel().tolist()


def to_bytes(array: Array) -> bytes:
    """Return the elements of an output as raw little-endian bytes."""
    if datatype_of(array) == "BYTES":
        texts = [_text(one).encode("utf-8", "surrogatepass") for one in array.ravel().tolist()]
        return b"".join(_LENGTH.pack(len(one)) + one for one in texts)
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
