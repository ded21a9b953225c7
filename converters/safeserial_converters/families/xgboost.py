# SPDX-License-Identifier: BSD-3-Clause
"""XGBoost: trees compared and summed in single precision in their order, as it does.

Floor 7, beside the command line.  Importing this file imports no XGBoost.  Its probabilities are
single precision to the last bit, so the exponential is that of the GNU C library, step by step.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from safeserial_converters import ops, ops_trees
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor
from safeserial_converters.tree_nodes import LESS, Tree

SIGMOID: Final = frozenset({"binary:logistic", "reg:logistic"})
SOFTMAX: Final = frozenset({"multi:softprob", "multi:softmax"})
EXPONENTIAL: Final = frozenset({"count:poisson", "reg:gamma", "reg:tweedie"})
AS_IT_IS: Final = frozenset(
    "reg:squarederror reg:squaredlogerror reg:pseudohubererror reg:absoluteerror reg:quantileerror "
    "rank:pairwise rank:ndcg rank:map".split()
)
#: The exponential: steps of an octave, and the polynomial between them.
STEPS: Final = 32
POLYNOMIAL: Final = (
    float.fromhex("0x1.c6af84b912394p-5") / STEPS**3,
    float.fromhex("0x1.ebfce50fac4f3p-3") / STEPS**2,
    float.fromhex("0x1.62e42ff0c52d6p-1") / STEPS,
)
LOWEST: Final = -4800


@converts("xgboost.XGBClassifier", "xgboost.XGBRFClassifier")
def convert_classifier(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Probabilities in single precision; a class where its own is over one half, or the largest."""
    margin, objective = _margin(model, inputs, graph)
    if objective in SOFTMAX:
        shares = softmax(margin)
        return {"predict_proba": shares, "predict": ops.argmax(shares)}
    if objective not in SIGMOID:
        raise graph.refuse(model, f"its objective {objective} has no converter")
    likely = sigmoid(margin)
    over = likely > 0.5
    if margin.width > 1:  # several labels
        return {"predict_proba": likely, "predict": over.cast(graph.real)}
    both = ops.concat([1.0 - likely, likely])
    return {"predict_proba": both, "predict": ops.ravel(over.cast("int64"))}


@converts("xgboost.XGBRegressor", "xgboost.XGBRFRegressor", "xgboost.XGBRanker")
def convert_regressor(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """What the objective makes of the sum."""
    margin, objective = _margin(model, inputs, graph)
    if objective in SIGMOID:
        margin = sigmoid(margin)
    elif objective in EXPONENTIAL:
        margin = expf(margin)
    elif objective not in AS_IT_IS:
        raise graph.refuse(model, f"its objective {objective} has no converter")
    return {"predict": margin if margin.width > 1 else ops.ravel(margin)}


# ---------------------------------------------------------------------- single precision


def expf(x: Tensor) -> Tensor:
    """Return the exponential of single precision numbers as the GNU C library rounds it."""
    wide = ops.clip(x.cast("float64"), -150.0, 128.0)
    scaled = wide * (STEPS / math.log(2.0))
    whole = ops.unary("Round", scaled)
    rest = scaled - whole
    high = rest * POLYNOMIAL[0] + POLYNOMIAL[1]
    low = rest * POLYNOMIAL[2] + 1.0
    steps = np.arange(LOWEST - 2500, -LOWEST + 2500)
    table = x.graph.constant(np.ldexp(np.exp2((steps % STEPS) / STEPS), steps // STEPS), "float64")
    factor = ops.gather(table, whole.cast("int64") - int(steps[0]))
    return ((high * (rest * rest) + low) * factor).cast("float32")


def sigmoid(x: Tensor) -> Tensor:
    """Return XGBoost's logistic function."""
    return 1.0 / (expf(ops.minimum(-x, 88.7)) + 1.0)


def softmax(x: Tensor) -> Tensor:
    """Return XGBoost's softmax: single precision, but for the sum."""
    shares = expf(x - ops.largest(x, 1, keep=True))
    wide = [ops.columns(shares, [i]).cast("float64") for i in range(shares.width)]
    total = wide[0]
    for one in wide[1:]:
        total = total + one
    return shares / total.cast("float32")


# ---------------------------------------------------------------------- the model


def _margin(model: Any, inputs: Inputs, graph: Graph) -> tuple[Tensor, str]:
    """Return the sums of the trees ``[N, k]`` in single precision, and the objective's name."""
    booster = model.get_booster()
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    gradient, objective = learner["gradient_booster"], learner["objective"]["name"]
    if gradient["name"] != "gbtree":
        raise graph.refuse(model, f"its booster is {gradient['name']}, not gbtree")
    body = gradient["model"]
    trees, values = [], []
    for one in body["trees"][: _end(model, body)]:
        if int(one["tree_param"]["size_leaf_vector"]) > 1:
            raise graph.refuse(model, "its leaves hold vectors")
        tree = _tree(one)
        trees.append(tree)
        values.append(np.array(one["split_conditions"], np.float32)[tree.leaves])
    x = _table(model, learner, inputs, graph)
    ops_trees.note_thresholds(inputs, trees)
    width = max(int(learner["learner_model_param"][name]) for name in ("num_class", "num_target"))
    start = ops.full_rows(x, _base(learner, objective, max(1, width)), "float32")
    return _summed(x, trees, values, body["tree_info"], start), objective


def _end(model: Any, body: Mapping[str, Any]) -> int:
    """Return how many trees count: after early stopping those up to the best round."""
    try:
        best = int(model.best_iteration)
    except AttributeError:
        return len(body["trees"])
    return int(body["iteration_indptr"][best + 1])


def _tree(one: Mapping[str, Any]) -> Tree:
    left, right = np.array(one["left_children"]), np.array(one["right_children"])
    threshold = np.array(one["split_conditions"], np.float32).astype(np.float64)
    missing_left = np.array(one["default_left"], bool)
    sets = {}
    codes = (
        np.array(one["categories"], np.int64) + 1
    )  # the operator's sets of small numbers begin at 1
    for node, start, size in zip(
        one["categories_nodes"], one["categories_segments"], one["categories_sizes"], strict=True
    ):
        # A category of the set goes right: here the sides change places.
        sets[int(node)] = codes[start : start + size].tolist()
        left[node], right[node] = right[node], left[node]
        missing_left[node], threshold[node] = ~missing_left[node], 0.0
    feature = np.where(left < 0, 0, np.array(one["split_indices"]))
    return Tree(left, right, feature, threshold, missing_left, sets, LESS)


def _summed(
    x: Tensor, trees: Sequence[Tree], values: Sequence[Any], groups: Sequence[int], start: Tensor
) -> Tensor:
    """Add each group's trees to its start, in order."""
    columns = []
    for group in range(start.width):
        mine = [i for i in range(len(trees)) if groups[i] == group]
        begin = ops.columns(start, [group])
        if mine:
            tables = [values[i][:, None] for i in mine]
            begin = ops_trees.sum_of_trees(
                x, [trees[i] for i in mine], tables, begin, dtype="float32"
            )
        columns.append(begin)
    return ops.concat(columns)


def _base(learner: Mapping[str, Any], objective: str, width: int) -> npt.NDArray[np.float32]:
    """Return what the sums begin with: the base score, through the inverse of the objective."""
    text = learner["learner_model_param"]["base_score"]
    scores = np.atleast_1d(np.array(json.loads(text), np.float32))
    if objective in SIGMOID:
        odds = np.float32(1) / scores - np.float32(1)
        scores = np.array([-math.log(float(one)) for one in odds], np.float32)
    elif objective in EXPONENTIAL:
        scores = np.array([math.log(float(one)) for one in scores], np.float32)
    return np.broadcast_to(scores, (width,))


def _table(model: Any, learner: Mapping[str, Any], inputs: Inputs, graph: Graph) -> Tensor:
    """Return the columns in single precision; what is missing becomes NaN, codes begin at 1."""
    kinds = learner.get("feature_types") or []
    missing = float("nan") if model.missing is None else float(model.missing)
    names = learner["gradient_booster"]["model"].get("cats", {}).get("enc") or []
    if "c" not in kinds:
        return _single(inputs.numeric(), missing)
    columns = []
    for i, kind in enumerate(kinds):
        column = inputs.column(i)
        known = names[i] if i < len(names) else {}
        if column.dtype == "string":
            code = ops.codes(column, np.array(_texts(known, model, graph), object))
            columns.append(ops.where(code < 0, float("nan"), (code + 1).cast("float32")))
        elif kind == "c" and known.get("values"):
            raise graph.refuse(model, "the categories of a column are numbers that are coded anew")
        else:
            value = _single(column.cast(graph.real), missing)
            columns.append(ops.unary("Floor", value) + 1.0 if kind == "c" else value)
    return ops.concat(columns)


def _single(x: Tensor, missing: float) -> Tensor:
    single = x.cast("float32")
    return single if missing != missing else ops.where(single.equal(missing), float("nan"), single)


def _texts(known: Mapping[str, Any], model: Any, graph: Graph) -> list[str]:
    """Return the categories of a column, kept as bytes and where each begins."""
    data, ends = known.get("values", []), known.get("offsets", [])
    if any(one < 0 or one > 127 for one in data):
        # XGBoost keeps as many bytes as a name has letters, so such names are cut.
        raise graph.refuse(
            model, "a category has letters beyond ASCII, of which XGBoost keeps a part"
        )
    return [bytes(data[i:j]).decode() for i, j in pairwise(ends)]
