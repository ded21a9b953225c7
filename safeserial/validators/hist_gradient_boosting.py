# SPDX-License-Identifier: BSD-3-Clause
"""Histogram gradient boosting: nodes, category bitsets, and the columns they may read.

Floor 5.  ``TreePredictor`` follows 32-bit node numbers, a column number and two row numbers of
bitset arrays, none of which compiled code checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import numpy as np

from safeserial.validators.asking import (
    LARGEST,
    Array,
    are,
    array,
    derives,
    ensure,
    inside,
    is_a,
    name_of,
    refuse,
    shaped,
    whole,
)
from safeserial.validators.nodes import chunks, join, link

_MODULE: Final = "sklearn.ensemble._hist_gradient_boosting"
_PREDICTOR: Final = (f"{_MODULE}.predictor", "TreePredictor")
_BITSET_WORDS: Final = 8  # 256 categories of one bit each
_FIELDS: Final = ("feature_idx", "left", "right", "is_leaf", "is_categorical")


def check_models(objects: Sequence[Any]) -> None:
    """Check models of histogram gradient boosting, and their trees.

    Parameters
    ----------
    objects : sequence of BaseHistGradientBoosting or TreePredictor
        All that a model holds.  A tree of a boosting model is checked with it, others alone.
    """
    kinds = {kind for kind in set(map(type, objects)) if derives(kind, *_PREDICTOR)}
    alone = {id(one): one for one in objects if type(one) in kinds}
    for model in objects:
        if type(model) not in kinds:
            predictors, categorical = _check_model(model)
            _check_predictors(predictors, categorical)
            for one in predictors:
                alone.pop(id(one), None)
    _check_predictors(list(alone.values()), None)


def _check_predictors(predictors: Sequence[Any], categorical: Array | None) -> None:
    """Check trees, and that those of a model split by categories only where there are any."""
    nodes = [vars(one).get("nodes") for one in predictors]
    counts = [_count(one, own) for one, own in zip(predictors, nodes, strict=True)]
    for some in chunks(counts):
        _check_nodes(predictors[some], nodes[some], np.array(counts[some]), categorical)


def _count(predictor: Any, nodes: Any) -> int:
    if type(nodes) is not np.ndarray or nodes.ndim != 1 or not nodes.size or not nodes.dtype.names:
        refuse(predictor, "nodes is no array of nodes")
    return len(nodes)


def _check_nodes(
    predictors: Sequence[Any], nodes: Sequence[Array], counts: Array, categorical: Array | None
) -> None:
    if len({one.dtype for one in nodes}) > 1:
        refuse(predictors[0], "nodes are of several dtypes")
    joined = join(nodes, _FIELDS)
    feature, left, right, is_leaf, by_category = (joined[name] for name in _FIELDS)
    links = link(predictors, counts, is_leaf == 0, left, right)
    used = feature[links.inner]
    inside(
        predictors[0], used, 0, LARGEST if categorical is None else len(categorical), "feature_idx"
    )
    if not by_category.any():
        return
    if categorical is not None:
        # A row of the bitsets of known categories exists only for features that are categorical.
        chosen = used[by_category[links.inner] != 0]
        ensure(predictors[0], categorical[chosen].all(), "splits a number by categories")
    for predictor, own in zip(predictors, nodes, strict=True):
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


def _check_model(model: Any) -> tuple[list[Any], Array | None]:
    """Check what a model says of itself; return its trees, and which features are categories."""
    state = vars(model)
    if "_predictors" not in state:
        return [], None
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
    iterations = state["_predictors"]
    # An iterator would be gone after one look.
    ensure(model, isinstance(iterations, list), "_predictors is no list")
    ensure(model, set(map(type, iterations)) <= {list}, "an iteration is no list")
    ensure(model, {count}.issuperset(map(len, iterations)), "an iteration has other trees")
    predictors = list(chain.from_iterable(iterations))
    for one in [] if are(predictors, *_PREDICTOR) else predictors:
        ensure(model, is_a(one, *_PREDICTOR), f"one of _predictors is a {name_of(one)}")
    return predictors, categorical


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
