# SPDX-License-Identifier: BSD-3-Clause
"""DummyClassifier and DummyRegressor: the same answer for every row.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial_converters import ops
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor


@converts("sklearn.dummy.DummyRegressor")
def convert_dummy_regressor(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A constant."""
    value = np.asarray(model.constant_).reshape(-1)
    row = value[0] if model.n_outputs_ == 1 else value
    rows = inputs.blocks[0]
    kind = graph.real if value.dtype.kind == "f" else "int64"
    return {
        "predict": ops.full_rows(rows, row, kind),
        "predict_std": ops.full_rows(rows, np.zeros_like(row, dtype=np.float64), graph.real),
    }


@converts("sklearn.dummy.DummyClassifier")
def convert_dummy_classifier(  # noqa: C901 - two methods in one
    model: Any, inputs: Inputs, graph: Graph
) -> dict[str, Any]:
    """A constant class; by chance only its probabilities, where they are not drawn too."""
    strategy = model._strategy
    single = model.n_outputs_ == 1
    classes = [model.classes_] if single else model.classes_
    priors = [model.class_prior_] if single else model.class_prior_
    constants = [model.constant] if single else model.constant
    if strategy == "constant" and not single:
        constants = np.ravel(model.constant)
    rows = inputs.blocks[0]

    def best(k: int) -> int:
        if strategy == "constant":
            return int(np.flatnonzero(np.asarray(classes[k]) == np.ravel(constants[k])[0])[0])
        return int(np.argmax(priors[k]))

    def predict() -> Tensor:
        if strategy in {"stratified", "uniform"}:
            raise graph.refuse(model, f"its strategy {strategy!r} draws labels by chance")
        index = [best(k) for k in range(len(classes))]
        found = [
            ops.labels(classes[k], ops.full_rows(rows, np.int64(i))) for k, i in enumerate(index)
        ]
        if len({one.dtype for one in found}) > 1:
            raise graph.refuse(model, "its targets are of different kinds: numbers and strings")
        return found[0] if single else ops.concat([ops.unsqueeze(one, 1) for one in found])

    def predict_proba() -> Any:
        if strategy == "stratified":
            raise graph.refuse(model, "its strategy 'stratified' draws labels by chance")
        found = []
        for k, names in enumerate(classes):
            if strategy == "prior":
                row = np.asarray(priors[k], np.float64)
            elif strategy == "uniform":
                row = np.full(len(names), 1.0 / len(names))
            else:
                row = np.eye(len(names))[best(k)]
            found.append(ops.full_rows(rows, row, graph.real))
        return found[0] if single else found

    return {"predict": predict, "predict_proba": predict_proba}
