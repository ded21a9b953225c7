# SPDX-License-Identifier: BSD-3-Clause
"""Ensembles of decision trees: members that take the columns and give the outputs of the whole.

Floor 5.  The trees themselves are checked in :mod:`safeserial.validators.trees`.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from safeserial.validators.asking import (
    Array,
    are,
    array,
    ensure,
    inside,
    name_of,
    refuse,
    shaped,
    whole,
)
from safeserial.validators.first_guess import check_first
from safeserial.validators.trees import are_trees, is_tree

_width: Final = operator.attrgetter("n_features")
_shape: Final = operator.attrgetter("n_features", "n_outputs")
_grid_shape: Final = operator.attrgetter("n_features", "n_outputs", "max_n_classes")


def _trees(forest: Any, members: Sequence[Any]) -> list[Any]:
    trees: list[Any] = [getattr(member, "tree_", None) for member in members]
    if not are_trees(trees):
        stranger = next(
            member for member, tree in zip(members, trees, strict=True) if not is_tree(tree)
        )
        refuse(forest, f"one of estimators_ is a {name_of(stranger)}")
    return trees


def check_forest(forest: Any) -> None:
    """Check that the trees of a forest agree with it."""
    state = vars(forest)
    members = state.get("estimators_")
    if members is None:
        return
    ensure(forest, isinstance(members, list), "estimators_ is no list")
    width = whole(forest, state, "n_features_in_", 1)
    outputs = state.get("n_outputs_")
    for features, own in set(map(_shape, _trees(forest, members))):
        if features != width or (outputs is not None and own != outputs):
            refuse(forest, "one of its trees has other features or outputs")


def check_isolation_forest(forest: Any) -> None:
    """Check that each tree of an IsolationForest reads the columns that are picked for it."""
    state = vars(forest)
    if "estimators_" not in state:
        return
    members, picked = state["estimators_"], state.get("estimators_features_")
    width = whole(forest, state, "n_features_in_", 1)
    ensure(forest, isinstance(members, list) and isinstance(picked, list), "has no lists of trees")
    ensure(forest, len(members) == len(picked), "has more or fewer columns than trees")
    read = list(map(_width, _trees(forest, members)))
    if _are_plain(picked) and list(map(len, picked)) == read:
        inside(forest, np.concatenate(picked), 0, width, "estimators_features_")
        return
    for columns, count in zip(picked, read, strict=True):
        chosen = array(forest, columns, "estimators_features_", kinds="iu", ndim=1)
        shaped(forest, chosen, (count,), "estimators_features_")
        inside(forest, chosen, 0, width, "estimators_features_")


def _are_plain(arrays: Sequence[Any]) -> bool:
    """Say whether these are rows of 64-bit integers, which can be joined as they are."""
    return (
        set(map(type, arrays)) == {np.ndarray}
        and {one.dtype for one in arrays} == {np.dtype(np.int64)}
        and {one.ndim for one in arrays} == {1}
    )


def check_gradient_boosting(model: Any) -> None:
    """Check the grid of trees of a GradientBoosting model.

    ``predict_stages`` reads ``estimators_[i, k].tree_`` as a compiled tree of one value a node,
    even where it is None, and adds to column k of an array that the initial estimator has made.
    """
    state = vars(model)
    if "estimators_" not in state:
        return
    grid: Array = array(model, state["estimators_"], "estimators_", kinds="O", ndim=2)
    width = whole(model, state, "n_features_in_", 1)
    members = grid.ravel().tolist()
    if not are(members, "sklearn.tree._classes", "DecisionTreeRegressor"):
        refuse(model, "one of estimators_ is no DecisionTreeRegressor")
    if not {(width, 1, 1)}.issuperset(map(_grid_shape, _trees(model, members))):
        refuse(model, "one of its trees has other features or outputs")
    classes = len(state["classes_"]) if "classes_" in state else 0
    check_first(model, state, classes)
    columns = classes if classes > 2 else 1  # noqa: PLR2004 - two classes need one column
    shaped(model, grid, (None, columns), "estimators_")
    if "n_trees_per_iteration_" in state:
        ensure(model, state["n_trees_per_iteration_"] == columns, "n_trees_per_iteration_ is wrong")
