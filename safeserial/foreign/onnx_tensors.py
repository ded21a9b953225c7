# SPDX-License-Identifier: BSD-3-Clause
"""Constants of an ONNX model: in the file itself, and as many numbers as they declare.

Floor 4.
"""

from __future__ import annotations

import math
import struct
from typing import Final

from safeserial.errors import CorruptArtifactError, ForbiddenOperationError, LimitExceededError
from safeserial.foreign.protobuf import BYTES, FIXED32, FIXED64, VARINT, Field, Message
from safeserial.policy import Limits

# TensorProto.DataType to bits an element.
_BITS: Final = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64,
    15: 128, 16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2,
}  # fmt: skip
_STRING, _INT64 = 8, 7
_DIMS, _TYPE, _STRINGS, _INT64S, _NAME, _RAW = 1, 2, 6, 7, 8, 9
_EXTERNAL, _LOCATION = 13, 14
# Fields of typed numbers to the fewest bytes that one takes.
_TYPED: Final = {4: 4, 5: 1, 7: 1, 10: 8, 11: 1}
_FEW: Final = 64


class _Tensor:
    """What a TensorProto says."""

    def __init__(self) -> None:
        self.dims: list[int] = []
        self.kind = 0
        self.name = ""
        self.raw: Field | None = None
        self.texts = 0
        self.numbers = 0
        self.small: list[int] = []


def examine_tensor(message: Message, one: Field) -> tuple[str, list[int]]:
    """Check a constant.

    Parameters
    ----------
    message : Message
        The model.
    one : Field
        A TensorProto.

    Returns
    -------
    str
        Its name.
    list of int
        Its values, where it has a few of 64 bits.

    Raises
    ------
    ForbiddenOperationError
        If its numbers are in another file.
    CorruptArtifactError
        If it has another number of them than it declares.
    """
    tensor = _Tensor()
    for part in message.fields(one.start, one.end):
        _take(message, part, tensor)
    count = math.prod(tensor.dims)
    if any(dim < 0 for dim in tensor.dims):
        raise CorruptArtifactError("a constant of the ONNX model has a negative shape")
    if tensor.kind == _STRING:
        held = tensor.texts
    elif tensor.raw is not None:
        bits = _BITS.get(tensor.kind)
        if bits is None or tensor.numbers or tensor.texts:
            raise CorruptArtifactError("a constant of the ONNX model is of an unknown type")
        held = count if -(-count * bits // 8) == tensor.raw.value else -1
    else:
        held = count if count <= tensor.numbers else -1
    if held != count:
        raise CorruptArtifactError("a constant of the ONNX model has not what it declares"[:200])
    return tensor.name, _values(message, tensor, count)


def _take(message: Message, part: Field, tensor: _Tensor) -> None:  # noqa: C901 - a table of fields
    number = part.number
    if number == _DIMS:
        tensor.dims += message.numbers(part, _FEW)
        if len(tensor.dims) > _FEW:
            raise CorruptArtifactError("a constant of the ONNX model has too many dimensions")
    elif number == _TYPE and part.wire == VARINT:
        tensor.kind = part.value
    elif number == _NAME:
        tensor.name = message.text(part)
    elif number == _RAW and part.wire == BYTES:
        tensor.raw = part
    elif number == _STRINGS:
        tensor.texts += 1
    elif number in _TYPED:
        # Sub-byte types may stand two or more to a number; so may the halves of complex ones not.
        packs = 4 if tensor.kind in (21, 22, 23, 25, 26) else 1
        tensor.numbers += packs * (part.value // _TYPED[number] if part.wire == BYTES else 1)
        if number == _INT64S and part.value <= 8 * _FEW:
            tensor.small += message.numbers(part, 8 * _FEW)
    elif number == _EXTERNAL or (number == _LOCATION and part.value):
        raise ForbiddenOperationError(
            "a constant of the ONNX model is to be read from another file",
            hint="ask for a model that holds its constants itself",
        )
    elif part.wire in (FIXED32, FIXED64):
        raise CorruptArtifactError("not an ONNX model: a constant has an unknown field")


def _values(message: Message, tensor: _Tensor, count: int) -> list[int]:
    if tensor.kind != _INT64 or count > _FEW:
        return []
    if tensor.raw is not None:
        return list(struct.unpack(f"<{count}q", message.data[tensor.raw.start : tensor.raw.end]))
    return tensor.small


def examine_sparse(message: Message, one: Field, limits: Limits) -> None:
    """Check a sparse constant, which ONNX Runtime makes dense.

    Raises
    ------
    LimitExceededError
        If that would take more than the policy allows.
    """
    dims: list[int] = []
    for part in message.fields(one.start, one.end):
        if part.number in (1, 2) and part.wire == BYTES:
            examine_tensor(message, part)
        elif part.number == 3:  # noqa: PLR2004
            dims += message.numbers(part, _FEW)
    if any(dim < 0 for dim in dims) or 8 * math.prod(dims) > limits.inflation:
        raise LimitExceededError(f"a sparse constant declares {math.prod(dims)} elements"[:200])
