# SPDX-License-Identifier: BSD-3-Clause
"""Estimators that hand the work to another: searches, thresholds, frozen ones, transformed targets.

Floor 7, beside the command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from safeserial_converters import ops
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import Converted, converts, invert
from safeserial_converters.tensors import Tensor

SEARCHES = ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV")
THRESHOLDS = ("FixedThresholdClassifier", "TunedThresholdClassifierCV")
SCORES = ("decision_function", "predict_proba")


def handed_on(part: Converted) -> dict[str, Any]:
    """Return the methods of a part as one's own."""
    return {method: lambda method=method: part[method] for method in part.methods}


def response_method(model: Any, methods: Sequence[str]) -> str | None:
    """Return the first of the methods that a model has."""
    return next((one for one in methods if callable(getattr(model, one, None))), None)


def response(part: Converted, method: str) -> Tensor:
    """Return what ``sklearn.utils._response`` makes of a method: of two classes one score a row."""
    found: Tensor = part[method]
    classes = getattr(part.model, "classes_", None)
    two = classes is not None and len(classes) == 2
    return ops.column(found, 1) if method == "predict_proba" and two else found


@converts(*(f"sklearn.model_selection.{name}" for name in SEARCHES))
@converts(*(f"sklearn.model_selection._search_successive_halving.{name}" for name in SEARCHES[2:]))
def convert_search(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The best estimator of a search, refitted."""
    return handed_on(graph.convert(model.best_estimator_, inputs, step="best_estimator_"))


@converts("sklearn.frozen.FrozenEstimator", "sklearn.frozen._frozen.FrozenEstimator")
def convert_frozen(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The estimator that is kept from being fitted again."""
    return handed_on(graph.convert(model.estimator, inputs, step="estimator"))


@converts("sklearn.semi_supervised.SelfTrainingClassifier")
def convert_self_training(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The classifier of the last round."""
    return handed_on(graph.convert(model.estimator_, inputs, step="estimator_"))


@converts(*(f"sklearn.model_selection.{name}" for name in THRESHOLDS))
def convert_threshold(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The score of one class against a threshold of its own."""
    fixed = type(model).__name__ == "FixedThresholdClassifier"
    inner = getattr(model, "estimator_", None) or model.estimator
    part = graph.convert(inner, inputs, step="estimator_")
    wanted = model.response_method
    wishes = SCORES[::-1] if wanted == "auto" else (wanted,)
    label = model.pos_label if fixed else model._curve_scorer._get_pos_label()
    classes = np.asarray(inner.classes_)

    def predict() -> Tensor:
        method = response_method(inner, wishes)
        if method is None:
            raise graph.refuse(model, f"its estimator has none of {', '.join(wishes)}")
        first = label is not None and bool(classes[0] == label)
        if method == "predict_proba":
            score = ops.column(part[method], 0 if first else 1)
        else:
            score = -part[method] if first else part[method]
        threshold = model.threshold if fixed else model.best_threshold_
        if isinstance(threshold, str):  # "auto"
            threshold = 0.5 if method == "predict_proba" else 0.0
        order = classes[::-1] if first else classes
        return ops.binary_label(order, score >= float(threshold))

    return {**handed_on(part), "predict": predict}


@converts("sklearn.compose.TransformedTargetRegressor")
def convert_transformed_target(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A regressor, and what undoes the transform of its target."""
    part = graph.convert(model.regressor_, inputs, step="regressor_")

    def predict() -> Tensor:
        raw: Tensor = part["predict"]
        with graph.at((*graph.path, "transformer_")):
            table = ops.unsqueeze(raw, 1) if raw.rank == 1 else raw
            back = invert(graph, model.transformer_, table)
        flat = model._training_dim == 1 and back.rank > 1 and back.width == 1
        return ops.ravel(back) if flat else back

    return {"predict": predict}
