# SPDX-License-Identifier: BSD-3-Clause
"""Histogram gradient boosting: nodes, category bitsets, and the columns they may read.

Floor 5.  ``TreePredictor`` follows 32-bit node numbers, a column number and two row numbers of
bitset arrays, none of which compiled code checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from safeserial.validators.asking import (
    Array,
    array,
    ensure,
    inside,
    is_a,
    name_of,
    refuse,
    shaped,
    whole,
)
from safeserial.validators.trees import chunks, link

_MODULE = "sklearn.ensemble._hist_gradient_boosting"
_BITSET_WORDS = 8  # 256 categories of one bit each


def check_predictors(predictors: Sequence[Any]) -> None:
    """Check the trees of histogram gradient boosting, each for itself.

    Parameters
    ----------
    predictors : sequence of TreePredictor
        All that a model holds.
    """
    nodes = [_nodes(one) for one in predictors]
    pairs = list(zip(predictors, nodes, strict=True))
    for some in chunks(pairs, [len(one) for one in nodes]):
        _check_nodes(some)


def _nodes(predictor: Any) -> Array:
    nodes = vars(predictor).get("nodes")
    if type(nodes) is not np.ndarray or nodes.ndim != 1 or not nodes.size or not nodes.dtype.names:
        refuse(predictor, "nodes is no array of nodes")
    return nodes


def _join(nodes: Sequence[Array], *fields: str) -> list[Array]:
    return [np.concatenate([one[field] for one in nodes]) for field in fields]


def _check_nodes(pairs: Sequence[Any]) -> None:
    predictors, nodes = [one for one, _ in pairs], [one for _, one in pairs]
    leaf, left, right, feature, categorical = _join(
        nodes, "is_leaf", "left", "right", "feature_idx", "is_categorical"
    )
    counts = np.array([len(one) for one in nodes])
    inner = np.flatnonzero(leaf == 0)
    link(predictors, counts, inner, left[inner], right[inner])
    inside(predictors[0], feature[inner], 0, 2**62, "feature_idx")
    if categorical.any():
        for predictor, own in pairs:
            _check_bitsets(predictor, own)


def _check_bitsets(predictor: Any, nodes: Array) -> None:
    rows = nodes["bitset_idx"][nodes["is_categorical"] != 0]
    if not rows.size:
        return
    for name in ("raw_left_cat_bitsets", "binned_left_cat_bitsets"):
        bitsets = array(predictor, vars(predictor).get(name), name, kinds="u", ndim=2)
        shaped(predictor, bitsets, (None, _BITSET_WORDS), name)
        inside(predictor, rows, 0, len(bitsets), "bitset_idx")


def check_bin_mapper(mapper: Any) -> None:
    """Check that a bin mapper describes each feature once."""
    state = vars(mapper)
    if "bin_thresholds_" not in state:
        return
    thresholds = state["bin_thresholds_"]
    ensure(mapper, isinstance(thresholds, list), "bin_thresholds_ is no list")
    flags = array(mapper, state.get("is_categorical_"), "is_categorical_", kinds="ub", ndim=1)
    bins = array(mapper, state.get("n_bins_non_missing_"), "n_bins_non_missing_", ndim=1)
    ensure(mapper, len(thresholds) == len(flags) == len(bins), "its lists differ in length")
    last = whole(mapper, state, "missing_values_bin_idx_", 2, 256)
    for one in thresholds:
        ensure(mapper, len(array(mapper, one, "bin_thresholds_", ndim=1)) <= last, "has more bins")
    inside(mapper, bins, 0, last + 1, "n_bins_non_missing_")


def check_model(model: Any) -> None:
    """Check that a histogram gradient boosting model agrees with its trees."""
    state = vars(model)
    if "_predictors" not in state:
        return
    width = whole(model, state, "_n_features", 1)
    ensure(model, whole(model, state, "n_features_in_", 1) == width, "n_features_in_ is wrong")
    mapper = state.get("_bin_mapper")
    if not is_a(mapper, f"{_MODULE}.binning", "_BinMapper"):
        refuse(model, f"_bin_mapper is a {name_of(mapper)}")
    categorical = np.asarray(mapper.is_categorical_) != 0
    ensure(model, categorical.shape == (width,), "_bin_mapper has other features")
    _check_preprocessor(model, state.get("_preprocessor"), width)
    count = whole(model, state, "n_trees_per_iteration_", 1)
    if "classes_" in state:
        classes = len(state["classes_"])
        ensure(model, count == (1 if classes <= 2 else classes), "has other classes")  # noqa: PLR2004
    _check_features(model, state["_predictors"], categorical, count)


def _check_features(model: Any, iterations: Any, categorical: Array, count: int) -> None:
    predictors = []
    for one in iterations:
        ensure(model, len(one) == count, "an iteration has more or fewer trees")
        predictors += one
    if not predictors:
        return
    for one in predictors:
        if not is_a(one, f"{_MODULE}.predictor", "TreePredictor"):
            refuse(model, f"one of _predictors is a {name_of(one)}")
    nodes = [_nodes(one) for one in predictors]
    feature, leaf, by_category = _join(nodes, "feature_idx", "is_leaf", "is_categorical")
    is_inner = leaf == 0
    inside(model, feature[is_inner], 0, len(categorical), "feature_idx")
    # A row of the bitsets of known categories exists only for features that are categorical.
    chosen = feature[is_inner & (by_category != 0)]
    ensure(model, categorical[chosen].all(), "splits a number by categories")


def _check_preprocessor(model: Any, preprocessor: Any, width: int) -> None:
    """Check that what prepares the columns gives as many as the trees read."""
    if preprocessor is None:
        return
    if not is_a(preprocessor, "sklearn.compose._column_transformer", "ColumnTransformer"):
        refuse(model, f"_preprocessor is a {name_of(preprocessor)}")
    columns = 0
    for name, step, chosen in preprocessor.transformers_:
        plain = is_a(step, "sklearn.preprocessing._encoders", "OrdinalEncoder") or is_a(
            step, "sklearn.preprocessing._function_transformer", "FunctionTransformer"
        )
        if plain:
            columns += int(array(model, chosen, f"columns of {name}", kinds="b", ndim=1).sum())
        elif not (isinstance(step, str) and step == "drop"):
            refuse(model, f"its preprocessor has a {name_of(step)}")
    ensure(model, columns == width, f"its preprocessor gives {columns} columns instead of {width}")
