# SPDX-License-Identifier: BSD-3-Clause
"""LabelPropagation and LabelSpreading: labels of the training rows, weighted by nearness.

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


@converts("sklearn.semi_supervised.LabelPropagation", "sklearn.semi_supervised.LabelSpreading")
def convert_label_propagation(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The label distributions of the training rows, by an RBF kernel or of the nearest ones."""
    if model.kernel not in ("rbf", "knn"):
        raise graph.refuse(model, "its kernel is a Python function")
    train = np.asarray(model.X_.toarray() if hasattr(model.X_, "toarray") else model.X_, np.float64)
    spread = np.asarray(model.label_distributions_, np.float64)
    x = inputs.numeric()

    def proba() -> Tensor:
        if model.kernel == "knn":
            part = graph.convert(model.nn_fit, inputs, step="nn_fit")
            near = part["kneighbors"][1]
            raw = ops.total(ops.gather(graph.constant(spread, graph.real), near), 1)
        else:
            gamma = 1.0 / train.shape[1] if model.gamma is None else float(model.gamma)
            # Far rows have weights below the least normal number, which ONNX Runtime's Exp makes 0.
            half = ops.exp(_squares(x, train) * (-gamma / 2.0))
            raw = (half * half) @ graph.constant(spread, graph.real)
        return raw / ops.total(raw, 1, keep=True)

    return {"predict_proba": proba, "predict": lambda: ops.best_label(model.classes_, proba())}


def _squares(x: Tensor, train: Any) -> Tensor:
    """Return squared distances as ``euclidean_distances`` computes them, never below 0."""
    own = ops.total(x * x, 1, keep=True)
    cross = x @ x.graph.constant(train.T, x.dtype)
    return ops.maximum(cross * -2.0 + own + (train * train).sum(axis=1), 0.0)
