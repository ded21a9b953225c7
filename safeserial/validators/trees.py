# SPDX-License-Identifier: BSD-3-Clause
"""Decision trees: nodes that form a tree, features that exist, values that were allocated.

Floor 5.  ``Tree.predict`` follows ``left_child`` and ``right_child`` and reads column ``feature``
without looking; ``decision_path`` writes into a buffer of ``max_depth + 1`` entries a sample.  All
trees of a model are checked together: a forest has many small ones, and NumPy costs by the call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from safeserial.validators.asking import (
    Array,
    array,
    columns_of,
    ensure,
    inside,
    is_a,
    name_of,
    refuse,
    shaped,
    whole,
)

_CHUNK = 1 << 18  # nodes checked at one time, which bounds the memory that checking takes


def is_tree(value: Any) -> bool:
    """Say whether an object is scikit-learn's compiled tree."""
    return is_a(value, "sklearn.tree._tree", "Tree")


def check_trees(trees: Sequence[Any]) -> None:
    """Check compiled trees.

    Parameters
    ----------
    trees : sequence of sklearn.tree._tree.Tree
        All that a model holds.
    """
    for tree in trees:
        count = tree.node_count
        # First of all: every property of the tree hands out `node_count` nodes of its buffer.
        if not 0 < count == tree.capacity:
            refuse(tree, f"says {count} nodes and has memory for {tree.capacity}")
        if not (tree.n_features > 0 and tree.n_outputs > 0 and tree.max_n_classes > 0):
            refuse(tree, "has no features, outputs or classes")
        if not 0 <= tree.max_depth < count:
            refuse(tree, f"says depth {tree.max_depth} and has {count} nodes")
        if tree.n_outputs > 1:
            ensure(tree, tree.n_classes.min() > 0, "has an output of no classes")
    for some in chunks(trees, [tree.node_count for tree in trees]):
        _check_nodes(some)


def chunks(items: Sequence[Any], sizes: Sequence[int]) -> Iterator[Sequence[Any]]:
    """Yield runs of `items` of bounded size together, each at least one item long."""
    start = held = 0
    for index, size in enumerate(sizes):
        if held and held + size > _CHUNK:
            yield items[start:index]
            start, held = index, 0
        held += size
    if held:
        yield items[start:]


def _check_nodes(trees: Sequence[Any]) -> None:
    nodes = [tree.__getstate__()["nodes"] for tree in trees]
    left, right, feature = (
        np.concatenate([one[field] for one in nodes])
        for field in ("left_child", "right_child", "feature")
    )
    counts = np.array([len(one) for one in nodes])
    inner = np.flatnonzero(left != -1)
    if not np.array_equal(inner, np.flatnonzero(right != -1)):
        refuse(trees[0], "a node has one child")
    parents = link(trees, counts, inner, left[inner], right[inner])
    widths = np.repeat(np.array([tree.n_features for tree in trees]), counts)
    used = feature[inner]
    if not ((used >= 0) & (used < widths[inner])).all():
        refuse(trees[0], "a node splits on a feature that does not exist")
    starts = counts.cumsum() - counts
    deepest = np.maximum.reduceat(depths(parents, starts), starts)
    if not (deepest <= np.array([tree.max_depth for tree in trees])).all():
        refuse(trees[0], "is deeper than its max_depth")


def link(owners: Sequence[Any], counts: Array, inner: Array, left: Array, right: Array) -> Array:
    """Check that nodes form trees, each stored with parents before children.

    Parameters
    ----------
    owners : sequence of object
        The trees, whose nodes stand one after another.
    counts : ndarray of int
        Nodes of each tree.
    inner : ndarray of int
        Positions of the nodes that have children.
    left, right : ndarray of int
        Their children, counted within each tree.

    Returns
    -------
    ndarray of int
        Position of each node's parent; a root is its own.
    """
    starts = counts.cumsum() - counts
    base = np.repeat(starts, counts)[inner]
    end = np.repeat(starts + counts, counts)[inner]
    left, right = left.astype(np.int64) + base, right.astype(np.int64) + base
    # Parent before child: no loop.  Before the end of its own tree: no other memory.
    bad = (np.minimum(left, right) <= inner) | (np.maximum(left, right) >= end)
    if bad.any():
        where = int(inner[bad.argmax()])
        tree = int(np.searchsorted(starts, where, side="right")) - 1
        refuse(owners[tree], f"node {where - int(starts[tree])} has a child out of place")
    parents = np.full(int(counts.sum()), -1)
    parents[left] = inner
    parents[right] = inner
    parents[starts] = starts
    # As many links as children, and none without: then each child has one parent.  Two parents for
    # one child would double the work at each level wherever all paths are walked.
    if 2 * len(inner) != len(parents) - len(starts) or (parents < 0).any():
        refuse(owners[0], "a node has no parent, or two")
    return parents


def depths(parents: Array, starts: Array) -> Array:
    """Return the depth of each node, by doubling the steps to the root."""
    depth = np.ones_like(parents)
    depth[starts] = 0
    while True:
        further = depth[parents]
        if not further.any():
            return depth
        depth += further
        parents = parents[parents]


def check_decision_tree(estimator: Any) -> None:
    """Check that a tree estimator agrees with its compiled tree."""
    state = vars(estimator)
    if "tree_" not in state:
        return
    tree = state["tree_"]
    if not is_tree(tree):
        refuse(estimator, f"tree_ is a {name_of(tree)}")
    width = whole(estimator, state, "n_features_in_", 1)
    if tree.n_features != width:
        refuse(estimator, f"takes {width} features, its tree {tree.n_features}")
    outputs = state.get("n_outputs_", tree.n_outputs)
    if tree.n_outputs != outputs:
        refuse(estimator, f"has {outputs} outputs, its tree {tree.n_outputs}")
    if "classes_" in state:
        _check_classes(estimator, tree, state["classes_"])


def _check_classes(estimator: Any, tree: Any, classes: Any) -> None:
    counts = tree.n_classes.tolist()
    if [len(one) for one in (classes if isinstance(classes, list) else [classes])] != counts:
        refuse(estimator, "its classes are not those of its tree")
    said = vars(estimator).get("n_classes_", counts)
    if (said if isinstance(said, list) else np.atleast_1d(said).tolist()) != counts:
        refuse(estimator, "n_classes_ is wrong")


def check_forest(forest: Any) -> None:
    """Check that the trees of a forest agree with it."""
    state = vars(forest)
    members = state.get("estimators_")
    if members is None:
        return
    ensure(forest, isinstance(members, list), "estimators_ is no list")
    width = whole(forest, state, "n_features_in_", 1)
    outputs = state.get("n_outputs_")
    for member in members:
        tree: Any = getattr(member, "tree_", None)
        if not is_tree(tree):
            refuse(forest, f"one of estimators_ is a {name_of(member)}")
        if tree.n_features != width or (outputs is not None and tree.n_outputs != outputs):
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
    for member, columns in zip(members, picked, strict=True):
        tree: Any = getattr(member, "tree_", None)
        if not is_tree(tree):
            refuse(forest, f"one of estimators_ is a {name_of(member)}")
        chosen = array(forest, columns, "estimators_features_", kinds="iu", ndim=1)
        shaped(forest, chosen, (tree.n_features,), "estimators_features_")
        inside(forest, chosen, 0, width, "estimators_features_")


def check_gradient_boosting(model: Any) -> None:
    """Check the grid of trees of a GradientBoosting model.

    ``predict_stages`` reads ``estimators_[i, k].tree_`` as a compiled tree of one value a node,
    even where it is None, and adds to column k of an array that the initial estimator has made.
    """
    state = vars(model)
    if "estimators_" not in state:
        return
    grid = array(model, state["estimators_"], "estimators_", kinds="O", ndim=2)
    width = whole(model, state, "n_features_in_", 1)
    for member in grid.ravel().tolist():
        tree: Any = getattr(member, "tree_", None)
        if not (is_a(member, "sklearn.tree._classes", "DecisionTreeRegressor") and is_tree(tree)):
            refuse(model, f"one of estimators_ is a {name_of(member)}")
        if (tree.n_features, tree.n_outputs, tree.max_n_classes) != (width, 1, 1):
            refuse(model, "one of its trees has other features or outputs")
    columns = _columns(model, state)
    shaped(model, grid, (None, columns), "estimators_")
    if "n_trees_per_iteration_" in state:
        ensure(model, state["n_trees_per_iteration_"] == columns, "n_trees_per_iteration_ is wrong")


def _columns(model: Any, state: dict[str, Any]) -> int:
    """Return how many columns the initial estimator's raw predictions have."""
    if "classes_" not in state:
        return 1
    classes = len(state["classes_"])
    first = state.get("init_")
    if first is not None and not isinstance(first, str):
        of_first = columns_of(getattr(first, "classes_", None))
        ensure(model, of_first == (classes,), "init_ knows other classes")
    return 1 if classes <= 2 else classes  # noqa: PLR2004 - two classes need one column
