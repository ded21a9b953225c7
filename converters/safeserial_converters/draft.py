# SPDX-License-Identifier: BSD-3-Clause
"""A model becomes a graph: inputs declared, converters run, outputs cast at the edge.

Floor 7, beside the command line.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from safeserial.errors import UnsupportedModelError
from safeserial_converters import contract as contracts
from safeserial_converters import ops, registry
from safeserial_converters.contract import Contract, Target
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.tensors import Tensor


class Draft:
    """A graph that stands and is not proved yet."""

    def __init__(
        self, graph: Any, outputs: Mapping[str, Tensor], methods: Mapping[str, tuple[str, ...]]
    ) -> None:
        self.graph = graph
        self.outputs = dict(outputs)
        self.methods = dict(methods)

    @property
    def outputs_names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return tuple(self.outputs)

    @property
    def engine(self) -> str:
        """Who made the nodes."""
        return "safeserial+skl2onnx" if self.graph.borrowed else "safeserial"

    def data(self, properties: Mapping[str, str]) -> bytes:
        """Return the file's bytes."""
        return bytes(self.graph.build(self.outputs, properties).SerializeToString())


def build(
    model: Any,
    contract: Contract,
    target: Target,
    methods: Sequence[str] | None = None,
    *,
    fallback: bool = True,
    time_limit: float = 600.0,
) -> Draft:
    """Convert a model into a graph; nothing is proved yet.

    Parameters
    ----------
    model : estimator
        Fitted.
    contract : Contract
        Inputs.
    target : Target
        Operator sets and profile.
    methods : sequence of str, optional
        What to reproduce.
    fallback : bool
        Whether skl2onnx may convert parts.
    time_limit : float
        Seconds.

    Raises
    ------
    UnsupportedModelError, ConversionError
        As :func:`to_onnx`.
    """
    wanted = tuple(methods) if methods is not None else contracts.available(model)
    known = {*contracts.METHODS, *contracts.ON_REQUEST}
    missing = [one for one in wanted if one not in known or not _has(model, one)]
    if missing or not wanted:
        raise UnsupportedModelError(
            f"{type(model).__name__} has no {', '.join(missing) or 'method for new rows'}",
            hint=f"methods are: {', '.join(sorted(known))}; the model must be fitted",
        )
    graph = Graph(target, registry.convert, time.monotonic() + time_limit, fallback=fallback)
    blocks = [graph.add_input(one.name, one.dtype, one.shape) for one in contract.inputs]
    names = contract.names if contract.layout in {"frame", "records"} else None
    width = len(blocks) if names else (blocks[0].width if blocks[0].rank > 1 else 1)
    inputs = Inputs(graph, blocks, names, range(width))
    converted = registry.convert(graph, model, inputs)
    outputs: dict[str, Any] = {}
    groups: dict[str, tuple[str, ...]] = {}
    for method in wanted:
        try:
            found = _derived(converted, method)
            tensors = found if isinstance(found, list | tuple) else [found]
            groups[method] = contracts.outputs_of(method, len(tensors))
            finished = [_at_edge(one, contract.dtype) for one in tensors]
        except UnsupportedModelError as error:
            if len(wanted) > 1:
                error.args = (f"{method}: {error}",)
                error.hint = error.hint + "; or choose others with methods=[...]"
            raise
        outputs.update(zip(groups[method], finished, strict=True))
    return Draft(graph, outputs, groups)


def _has(model: Any, method: str) -> bool:
    return method == "predict_std" or callable(getattr(model, method, None))


def _derived(converted: Any, method: str) -> Any:
    if method != "predict_log_proba" or method in converted.methods:
        return converted[method]
    found = converted["predict_proba"]
    return [ops.log(one) for one in found] if isinstance(found, list | tuple) else ops.log(found)


def _at_edge(value: Any, dtype: str) -> Tensor:
    tensor: Tensor = value.tensor_at_edge() if isinstance(value, Inputs) else value
    if tensor.dtype.startswith("float"):
        return tensor.cast(dtype)
    if tensor.dtype in {"string", "int64"}:
        return tensor
    return tensor.cast("int64")
