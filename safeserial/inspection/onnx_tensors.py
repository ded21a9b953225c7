# SPDX-License-Identifier: BSD-3-Clause
"""Constants of an ONNX model: what they declare beside what they have, and where their numbers are.

Floor 7.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from safeserial.inspection.assembling import finding, shown
from safeserial.inspection.report import Finding
from safeserial.inspection.wire import BYTES, Field, Wire, int64s
from safeserial.inspection.zips import escapes

HUGE: Final = 2**31
SHOWN: Final = 30
# Fields of TensorProto that hold numbers; the type of 64-bit numbers has the number of their field.
_DATA: Final = frozenset({4, 5, 6, 7, 9, 10, 11})
_INT64, _RAW = 7, 9
_SMALL: Final = 128


@dataclass
class Model:
    """What has been seen of a model so far."""

    findings: list[Finding] = field(default_factory=list)
    opsets: dict[str, int] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    operators: Counter[str] = field(default_factory=Counter)
    domains: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    small: dict[str, list[int]] = field(default_factory=dict)
    growing: list[tuple[str, list[str]]] = field(default_factory=list)
    places: set[str] = field(default_factory=set)
    graphs: int = 0
    constants: int = 0


def pair(wire: Wire, one: Field) -> tuple[str, str]:
    """Return key and value of a StringStringEntryProto."""
    found = {part.number: wire.text(part) for part in wire.fields(one.start, one.end)}
    return found.get(1, ""), found.get(2, "")


def read_sparse(wire: Wire, one: Field, model: Model) -> None:
    """Look at a sparse constant."""
    dims: list[int] = []
    for part in wire.fields(one.start, one.end):
        if part.number in (1, 2) and part.wire == BYTES:
            read_tensor(wire, part, model, "")
        elif part.number == 3:  # noqa: PLR2004
            dims += wire.packed(part, 64)
    if dims and math.prod(dims) > HUGE:
        message = f"a sparse constant declares {math.prod(dims)} elements"
        model.findings.append(finding("SS011", message))


@dataclass
class _Tensor:
    """What a TensorProto says."""

    name: str
    dims: list[int] = field(default_factory=list)
    kind: int = 0
    held: int = 0
    outside: bool = False
    place: dict[str, str] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)


def read_tensor(wire: Wire, one: Field, model: Model, label: str) -> None:
    """Look at a constant; `label` is its name where it has none of its own."""
    tensor = _Tensor(label)
    for part in wire.fields(one.start, one.end):
        if part.number in _DATA:
            _data(wire, part, tensor)
        else:
            _fact(wire, part, tensor)
    model.constants += tensor.held
    if tensor.kind == _INT64 and tensor.numbers and tensor.name:
        model.small[tensor.name] = tensor.numbers
    if tensor.outside or tensor.place:
        _outside(tensor.place.get("location", ""), tensor.name, model)
    else:
        _check_size(tensor, model)


def _fact(wire: Wire, part: Field, tensor: _Tensor) -> None:
    if part.number == 1:
        tensor.dims += wire.packed(part, 64)
    elif part.number == 2:  # noqa: PLR2004
        tensor.kind = part.value
    elif part.number == 8:  # noqa: PLR2004
        tensor.name = wire.text(part) or tensor.name
    elif part.number == 13 and part.wire == BYTES:  # noqa: PLR2004
        key, value = pair(wire, part)
        tensor.place[key] = value
    elif part.number == 14:  # noqa: PLR2004
        tensor.outside = part.value == 1


def _data(wire: Wire, part: Field, tensor: _Tensor) -> None:
    tensor.held += part.value if part.wire == BYTES else 8
    if part.wire != BYTES or part.value > _SMALL or len(tensor.dims) > 1:
        return
    if part.number == _RAW:
        tensor.numbers = int64s(wire.raw(part, _SMALL))
    elif part.number == _INT64:
        tensor.numbers = wire.packed(part, 16)


def _check_size(tensor: _Tensor, model: Model) -> None:
    if any(one < 0 for one in tensor.dims):
        message = f"the constant {shown(tensor.name)} has a negative shape"
        model.findings.append(finding("SS006", message))
        return
    count = math.prod(tensor.dims)
    # The smallest element is half a byte; an empty text is two.
    if count > 2 * tensor.held + 2**20:
        message = (
            f"the constant {shown(tensor.name)} declares {count} elements and has "
            f"{tensor.held} bytes"
        )
        model.findings.append(finding("SS011", message))


def _outside(location: str, name: str, model: Model) -> None:
    if location in model.places:
        return
    model.places.add(location)
    if not location or escapes(location) or "://" in location:
        message = (
            f"the constant {shown(name)} is to be read from {shown(location)}, which leads out "
            "of the model's folder"
        )
        model.findings.append(finding("SS016", message, level="error"))
    elif len(model.places) <= SHOWN:
        message = f"constants are in the file {shown(location)} beside the model"
        model.findings.append(finding("SS016", message))
