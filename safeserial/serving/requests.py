# SPDX-License-Identifier: BSD-3-Clause
"""Inference requests and responses of the Open Inference Protocol.

Floor 7.  A request is decoded strictly: unknown fields are ignored, as the protocol says, wrong
types are not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec

from safeserial.serving.tensors import (
    DTYPES,
    Array,
    BadRequestError,
    datatype_of,
    from_bytes,
    from_json,
    to_bytes,
    to_json,
)

HEADER_LENGTH: Final = b"inference-header-content-length"
_MAX_INPUTS: Final = 10_000
_MAX_ID: Final = 256
_DIGITS: Final = 12


_Size = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Tensor(msgspec.Struct):
    name: str
    shape: list[_Size]
    datatype: str
    parameters: dict[str, Any] = {}
    data: msgspec.Raw = msgspec.Raw()  # decoded when its datatype is known


class _Wanted(msgspec.Struct):
    name: str
    parameters: dict[str, Any] = {}


class _Request(msgspec.Struct):
    inputs: list[_Tensor]
    id: str = ""
    parameters: dict[str, Any] = {}
    outputs: list[_Wanted] | None = None


_DECODER: Final = msgspec.json.Decoder(_Request)


@dataclass(frozen=True)
class Request:
    """What a client asks for.

    Parameters
    ----------
    id : str
        The client's own name of the request, given back.
    inputs : mapping of str to array
        Tensors by name.
    outputs : mapping of str to bool, or None
        Names of the outputs that are wanted, and whether in binary form; None for all.
    binary : bool
        Whether outputs that nothing is said of are wanted in binary form.
    """

    id: str
    inputs: Mapping[str, Array]
    outputs: Mapping[str, bool] | None
    binary: bool


def parse(body: bytes, header_length: str | None) -> Request:
    """Read a request.

    Parameters
    ----------
    body : bytes
        Whole, within the server's bound.
    header_length : str, optional
        Value of ``Inference-Header-Content-Length``: where the JSON ends and binary tensors begin.

    Raises
    ------
    BadRequestError
        If it is not a request of the protocol.
    """
    end = len(body)
    if header_length is not None:
        if (
            not header_length.isascii()
            or not header_length.isdigit()
            or len(header_length) > _DIGITS
        ):
            raise BadRequestError("Inference-Header-Content-Length is a number of bytes")
        end = int(header_length)
        if end > len(body):
            raise BadRequestError("the request ends within its JSON")
    try:
        asked = _DECODER.decode(memoryview(body)[:end])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadRequestError(f"not an inference request: {str(error)[:200]}") from None
    if not 0 < len(asked.inputs) <= _MAX_INPUTS or len(asked.id) > _MAX_ID:
        raise BadRequestError("a request has at least one input, and an id of 256 characters")
    inputs = _inputs(asked.inputs, memoryview(body)[end:])
    outputs = None
    binary = asked.parameters.get("binary_data_output") is True
    if asked.outputs:
        outputs = {
            one.name: one.parameters.get("binary_data", binary) is True for one in asked.outputs
        }
        for wanted in asked.outputs:
            if "classification" in wanted.parameters:
                raise BadRequestError("the classification extension is not offered")
    return Request(asked.id, inputs, outputs, binary)


def _inputs(tensors: Sequence[_Tensor], rest: memoryview) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for one in tensors:
        if one.name in found:
            raise BadRequestError(f"input {one.name[:80]!r} is given twice")
        if one.datatype not in DTYPES:
            raise BadRequestError(f"input {one.name[:80]!r}: no datatype {one.datatype[:40]!r}")
        if "shared_memory_region" in one.parameters:
            raise BadRequestError("shared memory is not offered")
        size = one.parameters.get("binary_data_size")
        name = one.name[:80]
        if size is None:
            found[one.name] = from_json(name, one.datatype, one.shape, one.data)
        else:
            if type(size) is not int or not 0 <= size <= len(rest):
                raise BadRequestError(f"input {name!r}: binary_data_size is not what follows")
            found[one.name] = from_bytes(name, one.datatype, one.shape, rest[:size])
            rest = rest[size:]
    if len(rest):
        raise BadRequestError(f"{len(rest)} bytes follow the last input")
    return found


def respond(
    request: Request, model: str, version: str, outputs: Mapping[str, Array]
) -> tuple[bytes, int | None]:
    """Return the body of a response.

    Parameters
    ----------
    request : Request
        What was asked.
    model, version : str
        What answers.
    outputs : mapping of str to array
        In the model's order.

    Returns
    -------
    body : bytes
        JSON, then binary tensors.
    header_length : int or None
        Length of the JSON where binary tensors follow.
    """
    listed, raw = [], []
    for name, array in outputs.items():
        tensor: dict[str, Any] = {
            "name": name,
            "shape": list(array.shape),
            "datatype": datatype_of(array),
        }
        binary = request.binary if request.outputs is None else request.outputs[name]
        if binary:
            raw.append(to_bytes(array))
            tensor["parameters"] = {"binary_data_size": len(raw[-1])}
        else:
            tensor["data"] = to_json(array)
        listed.append(tensor)
    answer: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": listed}
    if request.id:
        answer["id"] = request.id
    head = msgspec.json.encode(answer)
    return (b"".join([head, *raw]), len(head)) if raw else (head, None)
