# SPDX-License-Identifier: BSD-3-Clause
"""ONNX models: operators of admitted domains, nothing read from elsewhere, sizes that are true.

Floor 4.  Neither onnx nor ONNX Runtime is imported.  Field numbers are those of onnx.proto
(https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

import math
from typing import Final

from safeserial.errors import (
    CorruptArtifactError,
    ForbiddenOperationError,
    LimitExceededError,
    SafeSerialError,
)
from safeserial.foreign.onnx_tensors import examine_sparse, examine_tensor
from safeserial.foreign.protobuf import BYTES, RUNS, VARINT, Field, Message
from safeserial.policy import Name, Policy

OWN_DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml"})
_MOST_FIELDS: Final = 8_000_000
_DEEPEST: Final = 16
# ModelProto: number to wire type.
_TOP: Final = {1: VARINT, 5: VARINT, **dict.fromkeys((2, 3, 4, 6, 7, 8, 14, 20, 25, 26), BYTES)}
_GRAPH, _OPSET, _METADATA, _TRAINING, _FUNCTION = 7, 8, 14, 20, 25
# What these make is as large as a number among their inputs says.
_GROWING: Final = frozenset(
    "ConstantOfShape Expand Tile Resize Upsample Range OneHot Pad HannWindow HammingWindow "
    "BlackmanWindow".split()
)
_ORT_FORMAT: Final = b"ORTM"
_SETTINGS: Final = "ort_config"
_INPUT, _OUTPUT, _OPERATOR, _ATTRIBUTE, _DOMAIN = 1, 2, 4, 5, 7


def examine(
    data: memoryview, policy: Policy
) -> tuple[memoryview, dict[Name, Name], tuple[str, ...]]:
    """Check an ONNX model against a policy.

    Parameters
    ----------
    data : memoryview
        The whole file.
    policy : Policy
        Its trusted names may be domains of operators (``com.microsoft``), or single operators.

    Returns
    -------
    memoryview
        The file, as given.
    dict of name to name
        Operators of other domains than ONNX's own, as (domain, operator).
    tuple of str
        Domains that the policy does not list, sorted.

    Raises
    ------
    SafeSerialError
        If it is no ONNX model, or one that reads other files, declares what it does not have, or
        is larger than can be looked at.
    """
    walk = _Walk(data, policy)
    try:
        walk.model()
    except SafeSerialError:
        raise
    except (RecursionError, MemoryError):
        raise LimitExceededError("the ONNX model is nested too deeply, or too large") from None
    return data, walk.names, tuple(sorted(walk.untrusted))


def looks_like_onnx(data: memoryview) -> bool:
    """Say whether the bytes are one ModelProto: known fields only, a graph among them."""
    seen = set()
    try:
        for one in Message(data, 100_000).fields(0, len(data)):
            if _TOP.get(one.number) != one.wire:
                return False
            seen.add(one.number)
    except SafeSerialError:
        return False
    return _GRAPH in seen and bool({1, _OPSET} & seen)


class _Walk:
    """One pass over a model."""

    def __init__(self, data: memoryview, policy: Policy) -> None:
        self.message = Message(data, _MOST_FIELDS)
        self.policy = policy
        self.names: dict[Name, Name] = {}
        self.untrusted: set[str] = set()
        self.small: dict[str, list[int]] = {}
        self.growing: list[tuple[str, list[str]]] = []

    def model(self) -> None:
        """Check the ModelProto."""
        data = self.message.data
        if bytes(data[4:8]) == _ORT_FORMAT:
            # ONNX Runtime would take it for its own format, whatever the rest is.
            raise ForbiddenOperationError("the file is in ONNX Runtime's own format")
        graphs = 0
        for one in self.message.fields(0, len(data)):
            if _TOP.get(one.number) != one.wire:
                raise CorruptArtifactError("not an ONNX model: it has a field that models have not")
            if one.number == _GRAPH:
                graphs += 1
                self.graph(one, 0)
            elif one.number in (_TRAINING, _FUNCTION):
                what = "functions of its own" if one.number == _FUNCTION else "training steps"
                raise ForbiddenOperationError(f"the ONNX model has {what}, which are not read here")
            elif one.number == _OPSET:
                self.opset(one)
            elif one.number == _METADATA:
                self.metadata(one)
        if graphs != 1:
            raise CorruptArtifactError(f"not an ONNX model: it has {graphs} graphs")
        self.judge_growing()

    def opset(self, one: Field) -> None:
        """Check an import of operators."""
        domain = ""
        for part in self.message.fields(one.start, one.end):
            if part.number == 1:
                domain = self.message.text(part)
        self.domain(domain, "")

    def domain(self, domain: str, operator: str) -> None:
        """Check a domain of operators, or one operator of it."""
        if domain in OWN_DOMAINS:
            return
        allowed = self.policy.allowlist.dotted
        if operator:
            self.names[domain, operator] = (domain, operator)
        elif any(name.startswith(f"{domain}.") for name in allowed):
            return  # some of its operators are trusted: each is looked at where it is used
        if domain not in allowed and f"{domain}.{operator}" not in allowed:
            self.untrusted.add(ascii(domain)[1:-1][:160])

    def metadata(self, one: Field) -> None:
        """Check a text of the publisher's."""
        for part in self.message.fields(one.start, one.end):
            if part.number == 1 and self.message.text(part) == _SETTINGS:
                raise ForbiddenOperationError("the ONNX model brings settings for ONNX Runtime")

    def graph(self, one: Field, depth: int) -> None:
        """Check a graph and those in its nodes."""
        if depth > _DEEPEST:
            raise LimitExceededError("the graphs of the ONNX model are nested too deeply")
        for part in self.message.fields(one.start, one.end):
            if part.wire != BYTES:
                continue
            if part.number == 1:
                self.node(part, depth)
            elif part.number == 5:  # noqa: PLR2004 - initializer
                self.tensor(part, "")
            elif part.number == 15:  # noqa: PLR2004 - sparse_initializer
                examine_sparse(self.message, part, self.policy.limits)

    def tensor(self, one: Field, label: str) -> None:
        """Check a constant."""
        name, numbers = examine_tensor(self.message, one)
        if numbers:
            self.small[label or name] = numbers

    def node(self, one: Field, depth: int) -> None:
        """Check a node and its attributes."""
        operator = domain = output = ""
        inputs: list[str] = []
        attributes: list[Field] = []
        for part in self.message.fields(one.start, one.end):
            if part.number == _OPERATOR:
                operator = self.message.text(part)
            elif part.number == _DOMAIN:
                domain = self.message.text(part)
            elif part.number == _INPUT and len(inputs) < 64:  # noqa: PLR2004
                inputs.append(self.message.text(part))
            elif part.number == _OUTPUT and not output:
                output = self.message.text(part)
            elif part.number == _ATTRIBUTE:
                attributes.append(part)
        self.domain(domain, operator)
        if operator in _GROWING:
            self.growing.append((operator, inputs))
        for part in attributes:
            self.attribute(part, depth, output if operator == "Constant" else "")

    def attribute(self, one: Field, depth: int, label: str) -> None:
        """Check an attribute; `label` is the constant that it is the value of."""
        if one.wire != BYTES:
            raise CorruptArtifactError("not an ONNX model: an attribute is a number")
        few = label and one.value < 1024  # noqa: PLR2004
        for part in self.message.fields(one.start, one.end, None if few else RUNS):
            if few and part.number in (3, 8) and part.wire in (VARINT, BYTES):
                self.small.setdefault(label, []).extend(self.message.numbers(part, 256))
            if part.wire == BYTES:
                self._nested(part, depth, label)

    def _nested(self, part: Field, depth: int, label: str) -> None:
        if part.number in (6, 11):
            self.graph(part, depth + 1)
        elif part.number in (5, 10):
            self.tensor(part, label)
        elif part.number in (22, 23):
            examine_sparse(self.message, part, self.policy.limits)

    def judge_growing(self) -> None:
        """Refuse what a constant makes larger than the policy allows."""
        most = self.policy.limits.inflation // 4
        for operator, inputs in self.growing:
            for name in inputs:
                size = math.prod(one for one in self.small.get(name, ()) if one > 0)
                if size > most:
                    raise LimitExceededError(
                        f"a {operator} of the ONNX model makes {size} elements"[:200]
                    )
