# SPDX-License-Identifier: BSD-3-Clause
"""Neural networks: layers of affine maps and activations.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial_converters import ops
from safeserial_converters.families.linear import affine
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor

NN = "sklearn.neural_network."


def _activate(model: Any, name: str, x: Tensor) -> Tensor:
    if name == "identity":
        return x
    if name == "logistic":
        return ops.expit(x)
    if name == "tanh":
        return ops.tanh(x)
    if name == "relu":
        return ops.maximum(x, 0.0)
    if name == "softmax":
        return ops.softmax(x)
    raise x.graph.refuse(model, f"its activation is {name!r}")


def _forward(model: Any, inputs: Inputs) -> Tensor:
    x = inputs.numeric()
    layers = list(zip(model.coefs_, model.intercepts_, strict=True))
    for weights, bias in layers[:-1]:
        x = _activate(
            model, model.activation, x @ np.asarray(weights, np.float64) + np.asarray(bias)
        )
    weights, bias = layers[-1]
    return _activate(
        model, model.out_activation_, x @ np.asarray(weights, np.float64) + np.asarray(bias)
    )


@converts(NN + "MLPRegressor")
def convert_regressor(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The last layer as it is."""
    found = _forward(model, inputs)
    return {"predict": ops.ravel(found) if found.width == 1 else found}


@converts(NN + "MLPClassifier")
def convert_classifier(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The last layer as probabilities."""
    proba = _forward(model, inputs)
    classes = model._label_binarizer.classes_
    kind = model._label_binarizer.y_type_
    if kind.startswith("multilabel"):
        both = ops.concat([1.0 - proba, proba]) if proba.width == 1 else proba
        return {"predict_proba": both, "predict": (proba > 0.5).cast("int64")}
    if proba.width == 1:
        positive = ops.ravel(proba)
        label = ops.binary_label(classes, positive > 0.5)
        return {"predict_proba": ops.concat([1.0 - proba, proba]), "predict": label}
    return {"predict_proba": proba, "predict": ops.best_label(classes, proba)}


@converts(NN + "BernoulliRBM")
def convert_rbm(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The activation of the hidden layer; score_samples draws at random."""
    x = inputs.numeric()

    def score() -> Tensor:
        raise graph.refuse(model, "score_samples flips a feature chosen at random on every call")

    return {
        "transform": ops.expit(affine(x, model.components_, model.intercept_hidden_)),
        "score_samples": score,
    }
