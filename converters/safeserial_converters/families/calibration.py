# SPDX-License-Identifier: BSD-3-Clause
"""CalibratedClassifierCV: the mean of classifiers whose scores were mapped to probabilities.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from safeserial_converters import ops
from safeserial_converters.families.meta import SCORES, response, response_method
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor

#: What scikit-learn adds to probabilities before it takes their logarithm.
EPSILON: Final = 1e-12


@converts("sklearn.calibration.CalibratedClassifierCV")
def convert_calibrated(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The mean of the probabilities; the class of the largest."""

    def proba() -> Tensor:
        summed: Tensor | None = None
        for i, one in enumerate(model.calibrated_classifiers_):
            with graph.at((*graph.path, f"calibrated_classifiers_[{i}]")):
                found = _calibrated(one, inputs, graph)
            summed = found if summed is None else summed + found
        if summed is None:
            raise graph.refuse(model, "it has no calibrated classifier")
        return summed / float(len(model.calibrated_classifiers_))

    return {"predict_proba": proba, "predict": lambda: ops.best_label(model.classes_, proba())}


def _calibrated(one: Any, inputs: Inputs, graph: Graph) -> Tensor:
    method = response_method(one.estimator, SCORES)
    if method is None:
        raise graph.refuse(one, "its estimator has neither decision_function nor predict_proba")
    part = graph.convert(one.estimator, inputs, step="estimator")
    raw = response(part, method)
    scores = ops.unsqueeze(raw, 1) if raw.rank == 1 else raw
    if one.method in {"sigmoid", "isotonic"}:
        found = _one_by_one(one, scores, graph)
    elif one.method == "temperature":
        found = _tempered(one, method, scores)
    else:
        raise graph.refuse(one, f"its method {one.method!r} has no converter")
    return ops.where((found > 1.0) & (found <= 1.0 + 1e-5), 1.0, found)


def _one_by_one(one: Any, scores: Tensor, graph: Graph) -> Tensor:
    """Map the score of each class by its own calibrator, then make a row's sum 1."""
    count = len(one.classes)
    places = np.searchsorted(one.classes, one.estimator.classes_)
    columns: dict[int, Tensor] = {}
    for i, (place, calibrator) in enumerate(zip(places, one.calibrators, strict=False)):
        score = ops.columns(scores, [i])
        where = int(place) + 1 if count == 2 else int(place)
        columns[where] = _mapped(calibrator, score, graph)
    if count == 2:
        return ops.concat([1.0 - columns[1], columns[1]])
    none = ops.full_rows(scores, np.zeros(1), graph.real)
    proba = ops.concat([columns.get(i, none) for i in range(count)])
    summed = ops.total(proba, 1, keep=True)
    empty = summed.equal(0.0)
    return ops.where(empty, 1.0 / count, proba / ops.where(empty, 1.0, summed))


def _mapped(calibrator: Any, score: Tensor, graph: Graph) -> Tensor:
    if type(calibrator).__name__ == "_SigmoidCalibration":
        return ops.expit(-(score * float(calibrator.a_) + float(calibrator.b_)))
    part = graph.convert(calibrator, score, step="calibrator")
    return ops.unsqueeze(part["predict"], 1)


def _tempered(one: Any, method: str, scores: Tensor) -> Tensor:
    """Divide the logits by a temperature."""
    if scores.width == 1:
        if method == "predict_proba":
            logits = ops.log(ops.concat([1.0 - scores, scores]) + EPSILON)
        else:
            logits = ops.concat([-scores, scores])
    elif method == "predict_proba":
        logits = ops.log(scores + EPSILON)
    else:
        # scikit-learn takes scores for probabilities where a whole batch of them looks so.
        summed = ops.total(scores, 1, keep=True)
        alike = ops.absolute(summed - 1.0) <= 1e-5 + 1e-8
        fit = ops.smallest((alike & (scores >= 0.0) & (scores <= 1.0)).cast("int64"), 1)
        batch = ops.unsqueeze(ops.smallest(fit, 0, keep=True), 1).equal(1)
        logits = ops.where(batch, ops.log(ops.maximum(scores, 0.0) + EPSILON), scores)
    return ops.softmax(logits * float(one.calibrators[0].beta_))
