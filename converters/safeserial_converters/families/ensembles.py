# SPDX-License-Identifier: BSD-3-Clause
"""Ensembles of any models: bagging and AdaBoost; of trees they are one operator.

Floor 7, beside the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from safeserial_converters import ops, ops_trees
from safeserial_converters.families.trees import ENSEMBLE, nodes_of, single, values_of
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor

TREES = frozenset(
    {"DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor"}
)


def all_trees(estimators: Sequence[Any]) -> bool:
    """Whether all are single trees of scikit-learn of one output."""
    return all(
        type(one).__module__ == "sklearn.tree._classes"
        and type(one).__name__ in TREES
        and one.n_outputs_ == 1
        for one in estimators
    )


def add_up(parts: Sequence[Tensor]) -> Tensor:
    """Add tensors, the first to the second and so on, as the model does."""
    return reduce(lambda left, right: left + right, parts)


# ---------------------------------------------------------------------- bagging


@converts(ENSEMBLE + "BaggingClassifier", ENSEMBLE + "BaggingRegressor")
def convert_bagging(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The mean over the estimators, each on its own columns."""
    if hasattr(model, "classes_"):
        shares = _bagged(model, inputs, _shares_of(model))
        found: dict[str, Any] = {
            "predict_proba": lambda: shares,
            "predict": lambda: ops.best_label(model.classes_, shares),
        }
        if hasattr(model, "decision_function"):
            found["decision_function"] = lambda: _bagged_parts(
                model, inputs, lambda part, _one: part["decision_function"]
            )
        return found
    return {"predict": _bagged(model, inputs, lambda part, _one: part["predict"])}


def _bagged(model: Any, inputs: Inputs, value: Callable[[Any, Any], Tensor]) -> Tensor:
    if not all_trees(model.estimators_):
        return _bagged_parts(model, inputs, value)
    columns = model.estimators_features_
    trees = [
        nodes_of(one).on_columns(chosen)
        for one, chosen in zip(model.estimators_, columns, strict=True)
    ]
    tables = [_spread(model, one) for one in model.estimators_]
    ops_trees.note_thresholds(inputs, trees)
    x = single(inputs)
    summed = add_up([ops_trees.sum_of_trees(x, trees[i:j], tables[i:j]) for i, j in _jobs(model)])
    mean = summed / float(model.n_estimators)
    return mean if hasattr(model, "classes_") else ops.ravel(mean)


def _bagged_parts(model: Any, inputs: Inputs, value: Callable[[Any, Any], Tensor]) -> Tensor:
    graph = inputs.graph
    found = []
    for i, (one, chosen) in enumerate(
        zip(model.estimators_, model.estimators_features_, strict=True)
    ):
        part = graph.convert(one, inputs.select(chosen), step=f"estimators_[{i}]")
        found.append(value(part, one).cast(graph.real))
    return add_up([add_up(found[i:j]) for i, j in _jobs(model)]) / float(model.n_estimators)


def _jobs(model: Any) -> list[tuple[int, int]]:
    """Return the runs of estimators that are summed by themselves: one a job."""
    from sklearn.ensemble._base import _partition_estimators

    _, _, starts = _partition_estimators(model.n_estimators, model.n_jobs)
    return [(int(i), int(j)) for i, j in pairwise(starts) if i < j]


def _spread(model: Any, one: Any) -> npt.NDArray[Any]:
    """Return a tree's leaves over all classes of the ensemble; it may have seen but some."""
    values = values_of(one)
    if not hasattr(model, "classes_"):
        return values
    full = np.zeros((len(values), int(model.n_classes_)))
    full[:, np.asarray(one.classes_, int)] = values
    return full


def _shares_of(model: Any) -> Callable[[Any, Any], Tensor]:
    """Return what an estimator adds: its probabilities, or a vote if it has none."""
    size = int(model.n_classes_)

    def shares(part: Any, one: Any) -> Tensor:
        if not hasattr(one, "predict_proba"):
            return ops.one_hot(part["predict"].cast("int64"), size)
        found: Tensor = part["predict_proba"]
        if len(one.classes_) == size:
            return found
        place = np.zeros((len(one.classes_), size))
        place[np.arange(len(one.classes_)), np.asarray(one.classes_, int)] = 1.0
        return found @ place

    return shares


# ---------------------------------------------------------------------- AdaBoost


@converts(ENSEMBLE + "AdaBoostClassifier")
def convert_ada_classifier(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A weighted vote: for a class its estimator's weight, against each other an even share."""
    count = int(model.n_classes_)
    if count == 1:
        raise graph.refuse(model, "it knows a single class")
    pairs = list(zip(model.estimators_, model.estimator_weights_, strict=False))

    def ballot(hit: npt.NDArray[Any], weight: float) -> npt.NDArray[Any]:
        return np.where(hit, weight, -1 / (count - 1) * weight)

    if all_trees(model.estimators_):
        trees, tables = [nodes_of(one) for one, _ in pairs], []
        for one, weight in pairs:
            chosen = np.asarray(one.classes_)[np.argmax(values_of(one), axis=1)]
            tables.append(ballot(chosen[:, None] == model.classes_, float(weight)))
        ops_trees.note_thresholds(inputs, trees)
        votes = ops_trees.sum_of_trees(single(inputs), trees, tables)
    else:
        ballots = []
        for i, (one, weight) in enumerate(pairs):
            label = graph.convert(one, inputs, step=f"estimators_[{i}]")["predict"]
            code = ops.codes(label, model.classes_)
            ballots.append(
                ops.gather(graph.constant(ballot(np.eye(count, dtype=bool), float(weight))), code)
            )
        votes = add_up(ballots)
    votes = votes / float(model.estimator_weights_.sum())
    if count == 2:
        score = ops.column(votes, 1) - ops.column(votes, 0)
        both = ops.unsqueeze(score, 1)
        return {
            "predict": ops.binary_label(model.classes_, score > 0.0),
            "decision_function": score,
            "predict_proba": ops.softmax(ops.concat([-both, both]) / 2.0),
        }
    return {
        "predict": ops.best_label(model.classes_, votes),
        "decision_function": votes,
        "predict_proba": ops.softmax(votes / float(count - 1)),
    }


@converts(ENSEMBLE + "AdaBoostRegressor")
def convert_ada_regressor(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The weighted median of the estimators' predictions."""
    count = len(model.estimators_)
    if all_trees(model.estimators_):
        trees = [nodes_of(one) for one in model.estimators_]
        ops_trees.note_thresholds(inputs, trees)
        tables = [values_of(one)[:, 0] for one in model.estimators_]
        numbers = ops_trees.leaf_numbers(single(inputs), trees)
        values = ops_trees.leaf_values(numbers, tables, graph.real)
    else:
        parts = [
            graph.convert(one, inputs, step=f"estimators_[{i}]")["predict"]
            for i, one in enumerate(model.estimators_)
        ]
        values = ops.concat([ops.unsqueeze(one.cast(graph.real), 1) for one in parts])
    ordered, index = ops.smallest_k(values, count)
    weights = ops.gather(graph.constant(np.asarray(model.estimator_weights_)[:count]), index)
    below = graph.emit("CumSum", [weights, graph.constant(np.int64(1))], graph.real, weights.shape)
    middle = below >= ops.columns(below, [count - 1]) * 0.5
    place = ops.unsqueeze(ops.argmax(middle.cast("int64"), 1), 1)
    found = graph.emit("GatherElements", [ordered, place], graph.real, (None, 1), axis=1)
    return {"predict": ops.ravel(found)}
