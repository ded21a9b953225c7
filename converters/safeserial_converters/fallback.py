# SPDX-License-Identifier: BSD-3-Clause
"""Parts that have no converter here, by way of skl2onnx and what users registered with it.

Floor 7, beside the command line.  Its nodes are taken over into our graph; the proof is the same.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import onnx
from onnx import helper, version_converter

from safeserial.errors import UnsupportedModelError
from safeserial_converters import ops, registry
from safeserial_converters.deadline import within
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.tensors import Tensor

#: What skl2onnx calls the outputs of a classifier, a detector and the rest.
_METHODS = {
    "label": "predict",
    "output_label": "predict",
    "probabilities": "predict_proba",
    "output_probability": "predict_proba",
}
#: Gone from ai.onnx.ml 5; a graph that has them says 3.
_OLD_TREES = {"TreeEnsembleClassifier", "TreeEnsembleRegressor"}


def borrow(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Convert a part with skl2onnx: numeric input, its main methods.

    Raises
    ------
    UnsupportedModelError
        If skl2onnx has no converter either, or fails.
    """
    if inputs.has_strings:
        raise registry.no_converter(graph, model)
    x = inputs.numeric()
    try:
        proto = within(
            max(graph.seconds_left, 0.1),
            lambda: _converted(model, x, graph),
            f"skl2onnx, asked for {type(model).__name__},",
        )
    except UnsupportedModelError:
        raise
    except Exception as error:
        missing = registry.no_converter(graph, model)
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        missing.args = (f"{missing}; skl2onnx: {reason}",)
        raise missing from error
    graph.borrowed.append(type(model).__name__)
    return _named(model, _take_over(graph, proto, x))


def _converted(model: Any, x: Tensor, graph: Graph) -> onnx.ModelProto:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    kind = DoubleTensorType if x.dtype == "float64" else FloatTensorType
    target = {"": min(graph.target.opset, 18), "ai.onnx.ml": 3}
    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        proto = convert_sklearn(
            model,
            initial_types=[("X", kind([None, x.width]))],
            options=options,
            target_opset=target,
        )
        return version_converter.convert_version(proto, graph.target.opset)


def _take_over(graph: Graph, proto: onnx.ModelProto, x: Tensor) -> dict[str, Tensor]:
    """Copy the nodes under fresh names; return the outputs by their old names."""
    body = proto.graph
    fresh = f"part{len(graph.borrowed)}_"
    names = {body.input[0].name: x.name}
    for tensor in body.initializer:
        names[tensor.name] = fresh + tensor.name
        copy = onnx.TensorProto()
        copy.CopyFrom(tensor)
        copy.name = names[tensor.name]
        graph.initializers[copy.name] = copy
    for node in body.node:
        if any(one.type == onnx.AttributeProto.GRAPH for one in node.attribute):
            raise graph.refuse("a part", "skl2onnx writes it with a loop")
        copy_node = onnx.NodeProto()
        copy_node.CopyFrom(node)
        names.update({name: fresh + name for name in node.output if name})
        del copy_node.input[:], copy_node.output[:]
        copy_node.input.extend(names.get(name, name) for name in node.input)
        copy_node.output.extend(names.get(name, name) for name in node.output)
        copy_node.name = f"node_{fresh}{node.output[0]}"
        graph.add_node(copy_node)
    if any(node.op_type in _OLD_TREES for node in body.node):
        graph.target = replace(graph.target, ml_opset=3)
    found = {}
    for output in body.output:
        kind = output.type.tensor_type
        dtype = str(helper.tensor_dtype_to_np_dtype(kind.elem_type))
        dims = [one.dim_value or None for one in kind.shape.dim]
        shape = (None, *dims[1:])
        named = Tensor(graph, names[output.name], "string" if dtype == "object" else dtype, shape)
        found[output.name] = named
    return found


def _named(model: Any, outputs: dict[str, Tensor]) -> dict[str, Any]:
    methods: dict[str, Any] = {}
    main = "predict" if callable(getattr(model, "predict", None)) else "transform"
    for name, tensor in outputs.items():
        method = _METHODS.get(name, main)
        if method == "predict" and tensor.rank > 1 and tensor.shape[-1] in {1, None}:
            tensor = ops.ravel(tensor)  # noqa: PLW2901 - scikit-learn gives a vector
        methods.setdefault(method, tensor)
    return methods
