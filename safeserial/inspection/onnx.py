# SPDX-License-Identifier: BSD-3-Clause
"""ONNX models: what they need and what they declare, read from the wire without the onnx package.

Floor 7.  A graph of operators is no program, but custom operators are native code, numbers in
other files are paths, and a constant may declare more memory than there is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Final

from safeserial.errors import FormatError, LimitExceededError
from safeserial.inspection.assembling import Inspection, assemble, finding, refusal, shown
from safeserial.inspection.content import Content
from safeserial.inspection.onnx_tensors import HUGE, SHOWN, Model, pair, read_sparse, read_tensor
from safeserial.inspection.report import Report
from safeserial.inspection.wire import BYTES, VARINT, Field, Wire

_MOST_FIELDS: Final = 2_000_000
_DEEPEST: Final = 64
_OWN_DOMAINS: Final = frozenset(
    {"", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview", "ai.onnx.preview.training"}
)
# ModelProto: number to wire type.
_TOP: Final = {1: VARINT, 5: VARINT, **dict.fromkeys((2, 3, 4, 6, 7, 8, 14, 20, 25, 26), BYTES)}
_GRAPH, _OPSET, _METADATA, _TRAINING, _FUNCTION = 7, 8, 14, 20, 25
_PRODUCER: Final = {2: "producer", 3: "version"}
_TYPES: Final = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64",
    8: "string", 9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64",
    14: "complex64", 15: "complex128", 16: "bfloat16",
}  # fmt: skip
_GROWING: Final = frozenset({"ConstantOfShape", "Expand", "Tile", "Resize", "Upsample", "Range"})


def looks_like_onnx(content: Content) -> bool:
    """Say whether the whole content is one ModelProto: known fields only, a graph among them."""
    seen = set()
    try:
        for one in Wire(content, 100_000).fields(0, content.size):
            if _TOP.get(one.number) != one.wire:
                return False
            seen.add(one.number)
    except FormatError:
        return False
    return _GRAPH in seen and bool({1, _OPSET} & seen)


def read(content: Content, about: Inspection) -> Report:
    """Report an ONNX model."""
    model = Model()
    wire = Wire(content, _MOST_FIELDS)
    try:
        for one in wire.fields(0, content.size):
            _top(wire, one, model)
    except FormatError as error:
        model.findings.append(refusal(error))
    _judge(model)
    details = {
        "operator sets": ", ".join(
            f"{domain or 'ai.onnx'} {version}" for domain, version in sorted(model.opsets.items())
        ),
        "inputs": ", ".join(model.inputs[:SHOWN]),
        "outputs": ", ".join(model.outputs[:SHOWN]),
        "nodes": str(sum(model.operators.values())),
        "operators": ", ".join(
            f"{count} {name}" for name, count in model.operators.most_common(12)
        ),
        "graphs": str(model.graphs),
        "constants": f"{model.constants} bytes",
        **{f"metadata {key}": value for key, value in list(model.metadata.items())[:SHOWN]},
    }
    producer = model.texts.get("producer", "")
    return assemble(
        content,
        about,
        "onnx",
        model.findings,
        versions={producer: model.texts.get("version", "")} if producer else {},
        details={key: value for key, value in details.items() if value},
    )


def _quote(text: str) -> str:
    return shown(text)[1:-1]


def _top(wire: Wire, one: Field, model: Model) -> None:
    if one.number == _GRAPH:
        _graph(wire, one, model, 0)
    elif one.number in _PRODUCER:
        model.texts[_PRODUCER[one.number]] = _quote(wire.text(one))
    elif one.number == _METADATA:
        key, value = pair(wire, one)
        if len(model.metadata) < SHOWN:
            model.metadata[_quote(key)] = _quote(value)
    elif one.number in _RARE:
        _RARE[one.number](wire, one, model)


def _opset(wire: Wire, one: Field, model: Model) -> None:
    domain, version = "", 0
    for part in wire.fields(one.start, one.end):
        if part.number == 1:
            domain = _quote(wire.text(part))
        elif part.number == 2:  # noqa: PLR2004
            version = part.value
    model.opsets[domain] = version


def _training(wire: Wire, one: Field, model: Model) -> None:
    for part in wire.fields(one.start, one.end):
        if part.number in (1, 2) and part.wire == BYTES:
            _graph(wire, part, model, 1)


def _function(wire: Wire, one: Field, model: Model) -> None:
    name = domain = ""
    for part in wire.fields(one.start, one.end):
        if part.number == 1:
            name = wire.text(part)
        elif part.number == 10:  # noqa: PLR2004
            domain = wire.text(part)
        elif part.number == 7 and part.wire == BYTES:  # noqa: PLR2004
            _node(wire, part, model, 1)
    model.functions.add(f"{domain}.{name}")


_RARE: Final[dict[int, Callable[[Wire, Field, Model], None]]] = {
    _OPSET: _opset,
    _TRAINING: _training,
    _FUNCTION: _function,
}


def _graph(wire: Wire, one: Field, model: Model, depth: int) -> None:
    if depth > _DEEPEST:
        raise LimitExceededError("the graphs are nested too deeply")
    model.graphs += 1
    for part in wire.fields(one.start, one.end):
        if part.wire != BYTES:
            continue
        if part.number == 1:
            _node(wire, part, model, depth)
        elif part.number == 5:  # noqa: PLR2004 - initializer
            read_tensor(wire, part, model, "")
        elif part.number == 15:  # noqa: PLR2004 - sparse_initializer
            read_sparse(wire, part, model)
        elif part.number in (11, 12) and depth == 0:
            listed = model.inputs if part.number == 11 else model.outputs  # noqa: PLR2004
            if len(listed) < 1000:  # noqa: PLR2004
                listed.append(_value(wire, part))


def _node(wire: Wire, one: Field, model: Model, depth: int) -> None:
    kind = domain = ""
    inputs: list[str] = []
    outputs: list[str] = []
    attributes: list[Field] = []
    for part in wire.fields(one.start, one.end):
        if part.number in (1, 2) and len(inputs) + len(outputs) < 1000:  # noqa: PLR2004
            (inputs if part.number == 1 else outputs).append(wire.text(part))
        elif part.number == 4:  # noqa: PLR2004
            kind = wire.text(part)
        elif part.number == 7:  # noqa: PLR2004
            domain = wire.text(part)
        elif part.number == 5 and part.wire == BYTES:  # noqa: PLR2004
            attributes.append(part)
    name = f"{domain}.{kind}" if domain not in ("", "ai.onnx") else kind
    if len(model.operators) < 10_000 or name in model.operators:  # noqa: PLR2004
        model.operators[_quote(name)] += 1
    model.domains.add(domain[:200])
    if kind in _GROWING:
        model.growing.append((kind, inputs))
    label = outputs[0] if kind == "Constant" and outputs else ""
    for part in attributes:
        _attribute(wire, part, model, depth, label)


def _attribute(wire: Wire, one: Field, model: Model, depth: int, label: str) -> None:
    for part in wire.fields(one.start, one.end):
        if part.wire != BYTES:
            continue
        if part.number in (6, 11):
            _graph(wire, part, model, depth + 1)
        elif part.number in (5, 10):
            read_tensor(wire, part, model, label)
        elif part.number in (22, 23):
            read_sparse(wire, part, model)


def _value(wire: Wire, one: Field) -> str:
    """Return an input or output in words: name, type, shape."""
    name = kind = ""
    dims: list[str] = []
    for part in wire.fields(one.start, one.end):
        if part.number == 1:
            name = wire.text(part)
        elif part.number == 2 and part.wire == BYTES:  # noqa: PLR2004
            for typed in wire.fields(part.start, part.end):
                if typed.number != 1 or typed.wire != BYTES:
                    kind = "no tensor"
                    continue
                kind, dims = _tensor_type(wire, typed)
    return f"{_quote(name)}: {kind}[{'×'.join(dims)}]"


def _tensor_type(wire: Wire, one: Field) -> tuple[str, list[str]]:
    kind = ""
    dims: list[str] = []
    for part in wire.fields(one.start, one.end):
        if part.number == 1:
            kind = _TYPES.get(part.value, f"type {part.value}")
        elif part.number == 2 and part.wire == BYTES:  # noqa: PLR2004
            for dim in wire.fields(part.start, part.end):
                size = "?"
                if dim.wire == BYTES:
                    for value in wire.fields(dim.start, dim.end):
                        number = value.wire == VARINT
                        size = str(value.value) if number else _quote(wire.text(value)) or "?"
                dims.append(size)
                if len(dims) >= 64:  # noqa: PLR2004
                    break
    return kind, dims


def _judge(model: Model) -> None:
    made_here = {one.rpartition(".")[0] for one in model.functions}
    for domain in sorted((model.domains | set(model.opsets)) - _OWN_DOMAINS - made_here):
        message = f"operators of the domain {shown(domain)}, which is not ONNX's own"
        model.findings.append(finding("SS015", message, name=_quote(domain)))
    for kind, inputs in model.growing:
        for name in inputs:
            numbers = model.small.get(name, [])
            size = math.prod(one for one in numbers if one > 0) if numbers else 0
            if size > HUGE:
                message = f"a {kind} makes {size} elements out of {shown(name)}"
                model.findings.append(finding("SS011", message))
    counts = Counter(one.rule for one in model.findings)
    if counts["SS011"] > SHOWN:
        kept = [one for one in model.findings if one.rule == "SS011"][:SHOWN]
        model.findings = [one for one in model.findings if one.rule != "SS011"] + kept
