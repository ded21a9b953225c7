# SPDX-License-Identifier: BSD-3-Clause
"""Single trees and forests: leaves found in single precision, values averaged in double.

Floor 7, beside the command line.  scikit-learn rounds features to float32 and compares them with
thresholds in double: a threshold rounded down to float32 decides the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from safeserial_converters import ops, ops_trees
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor
from safeserial_converters.tree_nodes import Tree

TREE, ENSEMBLE = "sklearn.tree.", "sklearn.ensemble."


def nodes_of(model: Any) -> Tree:
    """Return the nodes of a fitted tree of scikit-learn."""
    tree = model.tree_
    return Tree(
        left=tree.children_left,
        right=tree.children_right,
        feature=np.maximum(tree.feature, 0),
        threshold=tree.threshold,
        missing_left=np.asarray(tree.missing_go_to_left, bool),
    )


def values_of(model: Any) -> npt.NDArray[Any]:
    """Return what the leaves hold: means, or shares of each class, of each output side by side."""
    tree = model.tree_
    held = tree.value[tree.children_left < 0]
    if not hasattr(model, "classes_"):
        return np.asarray(held[:, :, 0])
    sizes = np.atleast_1d(model.n_classes_)
    return np.concatenate([held[:, k, : int(size)] for k, size in enumerate(sizes)], axis=1)


def single(inputs: Inputs) -> Tensor:
    """Return the features as trees see them."""
    return inputs.numeric().cast("float32")


def label_table(columns: Sequence[Tensor]) -> Tensor:
    """Put vectors of labels side by side; whole and broken numbers meet as reals."""
    if len({one.dtype for one in columns}) > 1:
        columns = [one.cast("float64") for one in columns]
    return ops.concat([ops.unsqueeze(one, 1) for one in columns], axis=1)


def classify(model: Any, shares: Tensor) -> dict[str, Any]:
    """Return the methods of a classifier whose outputs' shares are side by side in one matrix."""
    sizes = np.atleast_1d(model.n_classes_).astype(int)
    if model.n_outputs_ == 1:
        return {"predict": ops.best_label(model.classes_, shares), "predict_proba": shares}
    ends = np.cumsum(sizes)
    parts = [
        ops.columns(shares, range(end - size, end)) for size, end in zip(sizes, ends, strict=True)
    ]
    chosen = [
        ops.best_label(names, part) for names, part in zip(model.classes_, parts, strict=True)
    ]
    return {"predict": label_table(chosen), "predict_proba": parts}


def regress(model: Any, values: Tensor) -> dict[str, Any]:
    """Return the prediction: a vector for one output."""
    return {"predict": ops.ravel(values) if model.n_outputs_ == 1 else values}


@converts(*(TREE + name for name in (
    "DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor",
)))  # fmt: skip
def convert_tree(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The value of the leaf."""
    x, tree = single(inputs), nodes_of(model)
    ops_trees.note_thresholds(inputs, [tree])
    values = ops_trees.sum_of_trees(x, [tree], [values_of(model)])
    found = classify(model, values) if hasattr(model, "classes_") else regress(model, values)
    return {**found, "apply": lambda: ops.ravel(leaf_nodes(x, [tree]))}


@converts(*(ENSEMBLE + name for name in (
    "RandomForestClassifier", "RandomForestRegressor",
    "ExtraTreesClassifier", "ExtraTreesRegressor",
)))  # fmt: skip
def convert_forest(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The mean of the leaves' values, summed in the order of the trees."""
    x, trees = single(inputs), [nodes_of(one) for one in model.estimators_]
    ops_trees.note_thresholds(inputs, trees)
    summed = ops_trees.sum_of_trees(x, trees, [values_of(one) for one in model.estimators_])
    mean = summed / float(len(trees))
    found = classify(model, mean) if hasattr(model, "classes_") else regress(model, mean)
    return {**found, "apply": lambda: leaf_nodes(x, trees)}


def leaf_nodes(x: Tensor, trees: Sequence[Tree]) -> Tensor:
    """Return the node number of the leaf in each tree, ``[N, trees]``."""
    return ops_trees.leaf_values(
        ops_trees.leaf_numbers(x, trees), [t.leaves for t in trees], "int64"
    )


@converts(ENSEMBLE + "RandomTreesEmbedding")
def convert_embedding(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """One column for each leaf of each tree."""
    x, trees = single(inputs), [nodes_of(one) for one in model.estimators_]
    ops_trees.note_thresholds(inputs, trees)
    encoder = model.one_hot_encoder_
    for tree, known in zip(trees, encoder.categories_, strict=True):
        if not np.array_equal(known, tree.leaves):
            raise graph.refuse(model, "its encoder does not know exactly the leaves of its trees")

    def transform() -> Tensor:
        numbers = ops_trees.leaf_numbers(x, trees)
        sizes = [len(tree.leaves) for tree in trees]
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        hot = ops.one_hot(numbers - starts, max(sizes))  # [N, trees, most leaves]
        flat = ops.reshape(hot, (-1, len(trees) * max(sizes)), (None, len(trees) * max(sizes)))
        real = [i * max(sizes) + j for i, size in enumerate(sizes) for j in range(size)]
        return ops.columns(flat, real)

    return {"transform": transform, "apply": lambda: leaf_nodes(x, trees)}


@converts(ENSEMBLE + "IsolationForest")
def convert_isolation_forest(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Mean depth of the leaves; the decision is taken on their sum, where no rounding moves it."""
    from sklearn.ensemble._iforest import _average_path_length

    x, trees, tables = single(inputs), [], []
    for i, (one, columns) in enumerate(
        zip(model.estimators_, model.estimators_features_, strict=True)
    ):
        tree = nodes_of(one).on_columns(columns)
        depth = model._decision_path_lengths[i] + model._average_path_length_per_tree[i] - 1.0
        trees.append(tree)
        tables.append(np.asarray(depth)[tree.leaves][:, None])
    ops_trees.note_thresholds(inputs, trees)
    depths = ops.ravel(ops_trees.sum_of_trees(x, trees, tables))
    denominator = float(len(trees) * _average_path_length([model._max_samples])[0])

    def score(total: npt.NDArray[Any]) -> npt.NDArray[Any]:
        share = total / denominator if denominator else np.ones_like(total)
        return -(2 ** (-share))

    shares = depths / denominator if denominator else depths * 0.0 + 1.0
    scores = -ops.exp(shares * -float(np.log(2.0)))
    lowest = _first_inlier(lambda total: score(total) - model.offset_ >= 0)
    return {
        "score_samples": scores,
        "decision_function": scores - float(model.offset_),
        "predict": ops.labels([-1, 1], (depths >= lowest).cast("int64")),
    }


def _first_inlier(accepts: Any) -> float:
    """Return the smallest sum of depths that is accepted, by halving between adjacent numbers."""
    low, high = 0.0, 1e12
    if accepts(np.array([low]))[0]:
        return -np.inf
    if not accepts(np.array([high]))[0]:
        return np.inf
    while np.nextafter(low, high) < high:
        middle = low + (high - low) / 2
        if accepts(np.array([middle]))[0]:
            high = middle
        else:
            low = middle
    return high
