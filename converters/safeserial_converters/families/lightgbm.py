# SPDX-License-Identifier: BSD-3-Clause
"""LightGBM: its trees out of its own text, compared and summed in double as it does.

Floor 7, beside the command line.  Importing this file imports no LightGBM.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from safeserial_converters import ops, ops_trees
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor
from safeserial_converters.tree_nodes import Tree

#: What LightGBM takes for zero: 1e-35 in single precision.
ZERO: Final = float(np.float32(1e-35))
#: Bits of a node's decision type, and its kinds of missing values.
CATEGORICAL, DEFAULT_LEFT = 1, 2
MISSING_IS_ZERO, MISSING_IS_NAN = 1, 2
#: Objectives by what they make of the raw score.
AS_IT_IS: Final = frozenset(
    "regression regression_l1 huber fair quantile mape lambdarank rank_xendcg custom".split()
)
EXPONENTIAL: Final = frozenset({"poisson", "gamma", "tweedie"})


@converts("lightgbm.LGBMClassifier")
def convert_classifier(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Probabilities of the raw scores, and the class of the best."""
    if callable(model.objective_):
        raise graph.refuse(model, "its objective is a Python function")
    raw, found = _predicted(model.booster_, model, inputs, graph)
    scores = ops.ravel(raw) if raw.width == 1 else raw
    if raw.width == 1:
        found = ops.concat([1.0 - found, found])
    return {
        "predict": ops.best_label(model.classes_, found),
        "predict_proba": found,
        "decision_function": scores,
    }


@converts("lightgbm.LGBMRegressor", "lightgbm.LGBMRanker")
def convert_regressor(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """What the objective makes of the raw score."""
    _, found = _predicted(model.booster_, model, inputs, graph)
    return {"predict": ops.ravel(found)}


@converts("lightgbm.Booster")
def convert_booster(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A bare booster: its ``predict`` gives probabilities or values."""
    _, found = _predicted(model, model, inputs, graph)
    return {"predict": ops.ravel(found) if found.width == 1 else found}


def _predicted(booster: Any, model: Any, inputs: Inputs, graph: Graph) -> tuple[Tensor, Tensor]:
    """Return the raw scores ``[N, k]``, and what the objective makes of them."""
    head, *blocks = booster.model_to_string().split("\nTree=")
    header = _fields(head)
    trees, values = [], []
    kinds: dict[int, set[int]] = {}
    for block in blocks:
        fields = _fields(block)
        if fields.get("is_linear", "0") != "0":
            raise graph.refuse(model, "its leaves hold linear models")
        tree = _tree(fields, kinds)
        trees.append(tree)
        values.append(_numbers(fields, "leaf_value"))
    if not trees:
        raise graph.refuse(model, "it has no trees")
    width = int(header["num_tree_per_iteration"])
    x = _table(booster, model, inputs, kinds, graph)
    _note(inputs, trees)
    rounds = [trees[i : i + width] for i in range(0, len(trees), width)]
    tables = [values[i : i + width] for i in range(0, len(trees), width)]
    raw = ops_trees.sum_of_rounds(x, rounds, tables, ops.full_rows(x, np.zeros(width), graph.real))
    mean = raw / float(len(rounds)) if "average_output" in head.split() else raw  # random forests
    return raw, _converted(mean, header.get("objective", "custom"), model, graph)


def _fields(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _numbers(fields: Mapping[str, str], name: str, kind: type = float) -> npt.NDArray[Any]:
    return np.array([kind(one) for one in fields.get(name, "").split()], dtype=kind)


def _tree(fields: Mapping[str, str], kinds: dict[int, set[int]]) -> Tree:
    """Return one tree; `kinds` gathers for each column how its missing values are told."""
    leaves = int(fields["num_leaves"])
    if leaves == 1:
        nothing = np.zeros(1, np.int64)
        return Tree(nothing - 1, nothing - 1, nothing, nothing * 0.0, nothing.astype(bool))
    count = leaves - 1
    decision = _numbers(fields, "decision_type", int)
    column = _numbers(fields, "split_feature", int)
    threshold = _numbers(fields, "threshold")
    left, right = (_numbers(fields, f"{side}_child", int) for side in ("left", "right"))
    missing = (decision >> 2) & 3
    is_set = (decision & CATEGORICAL).astype(bool)
    # Without a kind of missing value NaN is compared as zero.
    missing_left = np.where(missing == 0, threshold >= 0.0, (decision & DEFAULT_LEFT) > 0) & ~is_set
    sets = {}
    bounds = _numbers(fields, "cat_boundaries", int)
    words = _numbers(fields, "cat_threshold", int)
    for node in range(count):
        kinds.setdefault(int(column[node]), set()).add(-1 if is_set[node] else int(missing[node]))
        if is_set[node]:
            which = int(threshold[node])
            held = words[bounds[which] : bounds[which + 1]].astype("<u4").view(np.uint8)
            chosen = np.flatnonzero(np.unpackbits(held, bitorder="little"))
            sets[node] = [int(one) + 1 for one in chosen]  # codes count from 1
    tail = np.full(leaves, -1)
    return Tree(
        left=np.concatenate([np.where(left < 0, count + ~left, left), tail]),
        right=np.concatenate([np.where(right < 0, count + ~right, right), tail]),
        feature=np.concatenate([column, np.zeros(leaves, np.int64)]),
        threshold=np.concatenate([np.where(is_set, 0.0, threshold), np.zeros(leaves)]),
        missing_left=np.concatenate([missing_left, np.zeros(leaves, bool)]),
        categories=sets,
    )


def _note(inputs: Inputs, trees: list[Tree]) -> None:
    """Tell the proof the thresholds: of numbers, and the categories of sets."""
    ops_trees.note_thresholds(inputs, trees)
    for tree in trees:
        for node, codes in tree.categories.items():
            inputs.note_thresholds(int(tree.feature[node]), np.array(codes[:20], float) - 1.0)


def _table(
    booster: Any, model: Any, inputs: Inputs, kinds: Mapping[int, set[int]], graph: Graph
) -> Tensor:
    """Return the columns as LightGBM compares them: tiny ones zero, zeros missing, codes whole."""
    known = list(booster.pandas_categorical or [])
    texts = [i for i in range(inputs.width) if inputs.column(i).dtype == "string"]
    if len(known) != len(texts):
        raise graph.refuse(
            model, "which columns of the frame were categories cannot be told from their numbers",
            hint="use categories of strings, or whole numbers with categorical_feature=[...]",
        )  # fmt: skip
    plain = all(kind <= {0, MISSING_IS_NAN} for kind in kinds.values()) and not texts
    if plain:
        return _flushed(inputs.numeric())
    columns = []
    for i in range(inputs.width):
        kind = kinds.get(i, {0})
        if len(kind) > 1:
            raise graph.refuse(model, f"column {i} is told missing in more than one way")
        if i in texts:
            number = ops.codes(inputs.column(i), np.array(known[texts.index(i)], object))
            value = ops.where(number < 0, float("nan"), number.cast(graph.real))
        else:
            value = _flushed(inputs.column(i).cast(graph.real))
        if kind == {-1}:
            whole = ops.where(ops.isnan(value), 0.0, value).cast("int64") + 1
            value = ops.where(ops.isnan(value), float("nan"), whole.cast(graph.real))
        elif kind == {MISSING_IS_ZERO}:
            value = ops.where(value.equal(0.0), float("nan"), value)
        columns.append(value)
    return ops.concat(columns)


def _flushed(x: Tensor) -> Tensor:
    """Make zero what LightGBM takes for zero."""
    return ops.where(ops.absolute(x) <= ZERO, 0.0, x)


def _converted(raw: Tensor, objective: str, model: Any, graph: Graph) -> Tensor:
    """Return what an objective makes of raw scores."""
    name, *options = objective.split()
    settings = dict(one.split(":", 1) for one in options if ":" in one)
    slope = float(settings.get("sigmoid", 1.0))
    if name == "multiclass":
        return ops.softmax(raw)
    if name in {"binary", "multiclassova", "cross_entropy"}:
        return ops.expit(raw * slope if slope != 1.0 else raw)
    if name in EXPONENTIAL:
        return ops.exp(raw)
    if name == "cross_entropy_lambda":
        return ops.log1p(ops.exp(raw))
    if name in AS_IT_IS:
        return ops.unary("Sign", raw) * raw * raw if "sqrt" in options else raw
    raise graph.refuse(model, f"its objective {name} has no converter")
