# SPDX-License-Identifier: BSD-3-Clause
"""Several targets: an estimator for each, alone or each using what those before it said.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial_converters import ops
from safeserial_converters.families.meta import response
from safeserial_converters.families.multiclass import parts_of, side_by_side
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor


@converts("sklearn.multioutput.MultiOutputClassifier", "sklearn.multioutput.MultiOutputRegressor")
def convert_multi_output(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Each target on its own."""
    parts = parts_of(model, inputs, graph)

    def predict() -> Tensor:
        found = [one["predict"] for one in parts]
        if len({one.dtype for one in found}) > 1:
            raise graph.refuse(model, "its targets are of different kinds: numbers and strings")
        if any(one.rank != 1 for one in found):
            raise graph.refuse(model, "one of its estimators has several outputs itself")
        return side_by_side(found)

    def predict_proba() -> list[Tensor]:
        return [one["predict_proba"] for one in parts]

    return {"predict": predict, "predict_proba": predict_proba}


@converts("sklearn.multioutput.ClassifierChain", "sklearn.multioutput.RegressorChain")
def convert_chain(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Each target with the answers for those before it as further columns."""
    handed = getattr(model, "chain_method_", "predict")
    parts: list[Any] = []
    table = Inputs(graph, inputs.blocks, None, inputs.origins)
    for i, estimator in enumerate(model.estimators_):
        parts.append(graph.convert(estimator, table, step=f"estimators_[{i}]"))
        if i + 1 < len(model.estimators_):
            said = _answer(graph, model, parts[-1], handed)
            table = Inputs.beside(graph, [table, Inputs.of(said)])
    back = np.argsort(np.asarray(model.order_))

    def output(method: str) -> Tensor:
        found = [_answer(graph, model, one, method) for one in parts]
        return ops.columns(ops.concat(found), back)

    methods = ("predict", "predict_proba", "decision_function")
    return {method: lambda method=method: output(method) for method in methods}


def _answer(graph: Graph, model: Any, part: Any, method: str) -> Tensor:
    """Return one column of reals: what a link says, and what the next one gets."""
    if method == "predict_log_proba":
        said = ops.log(ops.column(part["predict_proba"], 1))
    elif callable(getattr(part.model, method, None)):
        said = response(part, method)
    else:
        raise graph.refuse(model, f"its estimator has no {method}")
    if said.dtype == "string" or said.rank != 1:
        raise graph.refuse(model, f"the {method} of a link is not one number a row")
    return ops.unsqueeze(said.cast(graph.real), 1)
