# SPDX-License-Identifier: BSD-3-Clause
"""Gradient boosting: leaves' values added to a start in the order of the rounds.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial_converters import ops, ops_trees
from safeserial_converters.families.trees import ENSEMBLE, nodes_of, single, values_of
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor
from safeserial_converters.tree_nodes import Tree


def classify(model: Any, raw: Tensor, *, positive: Tensor, factor: float = 1.0) -> dict[str, Any]:
    """Return the methods of a boosted classifier with raw scores ``[N, 1]`` or ``[N, classes]``."""
    if raw.width > 1:
        return {
            "predict": ops.best_label(model.classes_, raw),
            "predict_proba": ops.softmax(raw),
            "decision_function": raw,
        }
    likely = ops.expit(raw * factor if factor != 1.0 else raw)
    return {
        "predict": ops.binary_label(model.classes_, positive),
        "predict_proba": ops.concat([1.0 - likely, likely]),
        "decision_function": ops.ravel(raw),
    }


@converts(ENSEMBLE + "GradientBoostingClassifier", ENSEMBLE + "GradientBoostingRegressor")
def convert_gradient_boosting(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Trees in single precision, each value times the learning rate."""
    x = single(inputs)
    rounds = [[nodes_of(one) for one in row] for row in model.estimators_]
    scaled = [
        [model.learning_rate * values_of(one)[:, 0] for one in row] for row in model.estimators_
    ]
    ops_trees.note_thresholds(inputs, [tree for row in rounds for tree in row])
    raw = ops_trees.sum_of_rounds(x, rounds, scaled, _start(model, x, graph))
    if not hasattr(model, "classes_"):
        return {"predict": ops.ravel(raw)}
    factor = 2.0 if model.loss == "exponential" else 1.0
    return classify(
        model, raw, positive=ops.ravel(raw) >= 0.0 if raw.width == 1 else raw, factor=factor
    )


def _start(model: Any, x: Tensor, graph: Graph) -> Tensor:
    """Return what boosting starts from, ``[N, k]``: a constant, or what another model predicts."""
    kind = type(model.init_)
    if isinstance(model.init_, str) or kind.__module__.startswith("sklearn.dummy"):
        nothing = np.zeros((1, model.n_features_in_), np.float32)
        return ops.full_rows(x, model._raw_predict_init(nothing)[0], graph.real)
    if not kind.__module__.startswith(("sklearn.tree", "sklearn.ensemble")):
        raise graph.refuse(
            model, f"its init, a {kind.__name__}, computes in single precision in scikit-learn"
        )
    part = graph.convert(model.init_, x.cast(graph.real), step="init")
    if not hasattr(model, "classes_"):
        found = part["predict"].cast(graph.real)
        return ops.unsqueeze(found, 1) if found.rank == 1 else found
    shares = part["predict_proba"]
    smallest = float(np.finfo(np.float64).eps)
    if model.n_trees_per_iteration_ == 1:
        likely = ops.clip(ops.columns(shares, [1]), smallest, 1 - smallest)
        odds = ops.log(likely / (1.0 - likely))
        return odds * 0.5 if model.loss == "exponential" else odds
    logs = ops.log(ops.clip(shares, smallest, 1 - smallest))
    return logs - ops.mean(logs, 1, keep=True)


@converts(ENSEMBLE + "HistGradientBoostingClassifier", ENSEMBLE + "HistGradientBoostingRegressor")
def convert_hist_gradient_boosting(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Trees in double; NaN, and categories never seen, go where each node sends the missing."""
    table = _prepared(model, inputs, graph)
    rounds = [[_nodes_of(one) for one in row] for row in model._predictors]
    values = [
        [np.asarray(one.nodes["value"])[tree.leaves] for one, tree in zip(row, trees, strict=True)]
        for row, trees in zip(model._predictors, rounds, strict=True)
    ]
    if rounds:
        ops_trees.note_thresholds(table, [tree for row in rounds for tree in row])
    x = table.numeric()
    start = ops.full_rows(x, np.asarray(model._baseline_prediction).reshape(-1), graph.real)
    raw = ops_trees.sum_of_rounds(x, rounds, values, start)
    if hasattr(model, "classes_"):
        return classify(model, raw, positive=ops.ravel(raw) > 0.0 if raw.width == 1 else raw)
    link = type(model._loss.link).__name__
    if link not in {"IdentityLink", "LogLink"}:
        raise graph.refuse(model, f"its link function {link} has no converter")
    found = ops.ravel(raw)
    return {"predict": ops.exp(found) if link == "LogLink" else found}


def _nodes_of(predictor: Any) -> Tree:
    """Return the nodes of one tree of HistGradientBoosting."""
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    sets = {}
    for node in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf):
        words = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
        bits = np.unpackbits(np.asarray(words, "<u4").view(np.uint8), bitorder="little")
        sets[int(node)] = [int(bit) + 1 for bit in np.flatnonzero(bits)]  # codes count from 1
    threshold = np.where([i in sets for i in range(len(leaf))], 0.0, nodes["num_threshold"])
    return Tree(
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=threshold,
        missing_left=nodes["missing_go_to_left"].astype(bool),
        categories=sets,
    )


def _prepared(model: Any, inputs: Inputs, graph: Graph) -> Inputs:
    """Return the table that its trees look at: coded categories first, then the rest."""
    if getattr(model, "is_categorical_", None) is None:
        return inputs
    chosen = np.flatnonzero(model.is_categorical_)
    encoder = model._preprocessor.named_transformers_["encoder"]
    coded: list[Any] = []
    for column, categories in zip(chosen, encoder.categories_, strict=True):
        known = [one for one in categories if one == one and one is not None]
        number = ops.codes(inputs.column(int(column)), np.asarray(known, categories.dtype))
        real = (number + 1).cast(graph.real)  # the operator's sets of small numbers begin at 1
        coded.append(ops.where(number < 0, float("nan"), real))
    rest = np.flatnonzero(~np.asarray(model.is_categorical_))
    return Inputs.beside(graph, [*coded, *([inputs.select(rest)] if len(rest) else [])])
