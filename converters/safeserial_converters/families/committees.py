# SPDX-License-Identifier: BSD-3-Clause
"""Committees: models side by side whose results are voted on, or learnt from by a last one.

Floor 7, beside the command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from safeserial_converters import ops
from safeserial_converters.families.ensembles import add_up
from safeserial_converters.families.trees import ENSEMBLE, label_table
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import Converted, converts
from safeserial_converters.tensors import Tensor


def _members(model: Any, inputs: Inputs, graph: Graph) -> list[Converted]:
    """Convert the fitted estimators, each under its own name."""
    names = [name for name, one in model.estimators if isinstance(one, str) is False]
    return [
        graph.convert(one, inputs, step=name)
        for name, one in zip(names, model.estimators_, strict=True)
    ]


# ---------------------------------------------------------------------- voting


@converts(ENSEMBLE + "VotingClassifier")
def convert_voting_classifier(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Soft: the mean of the probabilities; hard: the class with most votes, else the first."""
    members = _members(model, inputs, graph)
    classes = model.le_.classes_
    weights = _weights(model, graph)
    if model.voting == "soft":

        def mean() -> Tensor:
            return _average([one["predict_proba"] for one in members], weights)

        def side_by_side() -> Tensor:
            if not model.flatten_transform:
                raise graph.refuse(model, "its transform has the rows in the second dimension")
            return ops.concat([one["predict_proba"] for one in members])

        return {
            "predict_proba": mean,
            "predict": lambda: ops.best_label(classes, mean()),
            "transform": side_by_side,
        }

    def chosen() -> list[Tensor]:
        return [one["predict"].cast("int64") for one in members]

    def votes() -> Tensor:
        hot = [ops.one_hot(one, len(classes)) for one in chosen()]
        even = weights if weights is not None else [1.0] * len(hot)
        return add_up([one * weight for one, weight in zip(hot, even, strict=True)])

    return {
        "predict": lambda: ops.best_label(classes, votes()),
        "transform": lambda: label_table(chosen()),
    }


@converts(ENSEMBLE + "VotingRegressor")
def convert_voting_regressor(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The mean of the predictions."""
    found = [one["predict"].cast(graph.real) for one in _members(model, inputs, graph)]
    return {
        "predict": _average(found, _weights(model, graph)),
        "transform": ops.concat([ops.unsqueeze(one, 1) for one in found]),
    }


def _weights(model: Any, graph: Graph) -> list[float] | None:
    if model._weights_not_none is None:
        return None
    weights = [float(one) for one in model._weights_not_none]
    if min(weights) < 0:
        raise graph.refuse(model, "a weight is negative")
    return weights


def _average(parts: Sequence[Tensor], weights: Sequence[float] | None) -> Tensor:
    """Return the mean as NumPy takes it: weighted, summed in order, divided."""
    if weights is None:
        return add_up(parts) / float(len(parts))
    weighted = [part * weight for part, weight in zip(parts, weights, strict=True)]
    return add_up(weighted) / float(np.sum(weights))


# ---------------------------------------------------------------------- stacking


@converts(ENSEMBLE + "StackingClassifier", ENSEMBLE + "StackingRegressor")
def convert_stacking(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """What the estimators say is the table of the last one."""
    members = _members(model, inputs, graph)
    blocks: list[Any] = []
    for one, method in zip(members, model.stack_method_, strict=True):
        blocks += _columns(model, one[method], method, graph)
    table = Inputs.beside(graph, [*blocks, *([inputs] if model.passthrough else [])])
    found: dict[str, Any] = {"transform": lambda: table}
    last = graph.convert(model.final_estimator_, table, step="final_estimator")
    if not hasattr(model, "classes_"):
        return {**found, "predict": lambda: last["predict"]}
    several = isinstance(model._label_encoder, list)
    found["predict"] = lambda: _decoded(model, last["predict"], several=several)
    if last.has("predict_proba"):
        found["predict_proba"] = lambda: _shares(
            model, last["predict_proba"], graph, several=several
        )
    if last.has("decision_function"):
        found["decision_function"] = lambda: last["decision_function"]
    return found


def _columns(model: Any, result: Any, method: str, graph: Graph) -> list[Tensor]:
    """Return what one estimator adds to the table; of two shares only the second."""
    if isinstance(result, list):
        return [ops.columns(one, range(1, one.width)) for one in result]
    if result.dtype == "string":
        raise graph.refuse(model, "an estimator fitted before predicts strings into its table")
    real = result.cast(graph.real)
    if real.rank == 1:
        return [ops.unsqueeze(real, 1)]
    if method == "predict_proba" and len(getattr(model, "classes_", ())) == 2:
        return [ops.columns(real, range(1, real.width))]
    return [real]


def _decoded(model: Any, index: Tensor, *, several: bool) -> Tensor:
    encoders = model._label_encoder
    if not several:
        return ops.labels(encoders.classes_, index.cast("int64"))
    found = [
        ops.labels(one.classes_, ops.column(index.cast("int64"), i))
        for i, one in enumerate(encoders)
    ]
    return label_table(found)


def _shares(model: Any, shares: Any, graph: Graph, *, several: bool) -> Tensor:
    if not several:
        found: Tensor = shares
        return found
    if not isinstance(shares, list):
        raise graph.refuse(model, "scikit-learn fails on the shares that its last estimator gives")
    return ops.concat([ops.columns(one, [0]) for one in shares])
