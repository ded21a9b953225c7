# SPDX-License-Identifier: BSD-3-Clause
"""CatBoost on numeric features: symmetric trees, borders in single precision, values in double.

Floor 7, beside the command line.  Importing this file imports no CatBoost.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from safeserial_converters import ops, ops_trees
from safeserial_converters.families.trees import single
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor
from safeserial_converters.tree_nodes import Tree

#: Losses by what prediction makes of the sum.
AS_IT_IS: Final = frozenset("RMSE MAE Quantile Huber MAPE Expectile Lq MultiRMSE".split())
EXPONENTIAL: Final = frozenset({"Poisson", "Tweedie", "LogLinQuantile"})
BINARY: Final = frozenset({"Logloss", "CrossEntropy"})


@converts("catboost.CatBoostClassifier")
def convert_classifier(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Binary: the logistic function of the sum; several classes: softmax."""
    raw, loss = _raw(model, inputs, graph)
    if getattr(model, "get_probability_threshold", None) is not None:
        threshold = model.get_probability_threshold()
        if threshold not in {None, 0.5}:
            raise graph.refuse(model, "its probability threshold is not one half")
    if loss in BINARY and raw.width == 1:
        likely = ops.expit(raw)
        return {
            "predict_proba": ops.concat([1.0 - likely, likely]),
            "predict": ops.binary_label(model.classes_, ops.ravel(raw) > 0.0),
        }
    label = ops.unsqueeze(ops.best_label(model.classes_, raw), 1)  # as CatBoost shapes it
    if loss == "MultiClass":
        return {"predict_proba": ops.softmax(raw), "predict": label}
    if loss == "MultiClassOneVsAll":
        return {"predict_proba": ops.expit(raw), "predict": label}
    raise graph.refuse(model, f"its loss {loss} has no converter")


@converts("catboost.CatBoostRegressor", "catboost.CatBoostRanker")
def convert_regressor(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The sum, or its exponential."""
    raw, loss = _raw(model, inputs, graph)
    if type(model).__name__ == "CatBoostRegressor" and loss not in AS_IT_IS | EXPONENTIAL:
        raise graph.refuse(model, f"its loss {loss} has no converter")
    found = ops.exp(raw) if loss in EXPONENTIAL else raw
    return {"predict": found if found.width > 1 else ops.ravel(found)}


def _raw(model: Any, inputs: Inputs, graph: Graph) -> tuple[Tensor, str]:
    """Return the scaled sums of the leaves ``[N, k]`` and the name of the loss."""
    body = _body(model)
    features = body["features_info"]
    others = [name for name in features if name != "float_features" and features[name]]
    if others or inputs.has_strings:
        raise graph.refuse(model, "it has categories, texts or embeddings among its features")
    if "oblivious_trees" not in body:
        raise graph.refuse(model, "its trees are not symmetric (grow_policy)")
    floats = {one["feature_index"]: one for one in features["float_features"]}
    scale, bias = body["scale_and_bias"]
    starts = np.atleast_1d(np.array(bias, np.float64))
    trees, tables = [], []
    for one in body["oblivious_trees"]:
        values = np.array(one["leaf_values"], np.float64)
        depth = len(one.get("splits") or ())
        trees.append(_tree(one.get("splits") or (), floats))
        tables.append(values.reshape(2**depth, -1)[_reversed(depth)])
    if not trees:
        raise graph.refuse(model, "it has no trees")
    ops_trees.note_thresholds(inputs, trees)
    raw = ops_trees.sum_of_trees(single(inputs), trees, tables)
    scaled = raw if scale == 1 else raw * float(scale)
    loss = str(model.get_all_params().get("loss_function", "")).split(":")[0]
    return scaled + starts, loss


def _body(model: Any) -> dict[str, Any]:
    """Return CatBoost's own description of the model, which it only writes to a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.json")
        model.save_model(str(path), format="json")
        found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def _reversed(depth: int) -> npt.NDArray[np.int64]:
    """Return for each leaf, from left to right, its number: the first split is the lowest bit."""
    places = np.arange(2**depth)
    return sum(
        (((places >> (depth - 1 - level)) & 1) << level for level in range(depth)),
        np.zeros(2**depth, np.int64),
    )


def _tree(splits: Any, floats: Mapping[int, Mapping[str, Any]]) -> Tree:
    """Return a symmetric tree: all nodes of a level ask the same."""
    inner = 2 ** len(splits) - 1
    total = 2 * inner + 1
    nodes = np.arange(total)
    level = np.floor(np.log2(nodes + 1)).astype(int)
    chosen = [floats[one["float_feature_index"]] for one in splits]
    columns = np.array([one["flat_feature_index"] for one in chosen] + [0])
    borders = np.array([one["border"] for one in splits] + [0.0], np.float32).astype(np.float64)
    # A missing value is over every border, or over none.
    low = np.array([one["nan_value_treatment"] != "AsTrue" for one in chosen] + [False])
    return Tree(
        left=np.where(nodes < inner, 2 * nodes + 1, -1),
        right=np.where(nodes < inner, 2 * nodes + 2, -1),
        feature=columns[level],
        threshold=borders[level],
        missing_left=low[level],
    )
