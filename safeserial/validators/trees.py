# SPDX-License-Identifier: BSD-3-Clause
"""Decision trees: nodes that form a tree, features that exist, values that were allocated.

Floor 5.  ``Tree.predict`` follows ``left_child`` and ``right_child`` and reads column ``feature``
without looking; ``decision_path`` writes into a buffer of ``max_depth + 1`` entries a sample.

All trees of a model, and all estimators that hold them, are checked together.  Where everything
agrees a few comparisons of whole lists show it; where anything does not, each is looked at by
itself to say what is wrong.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from safeserial.validators.asking import LARGEST, are, ensure, is_a, name_of, refuse, whole
from safeserial.validators.nodes import are_deeper, chunks, join, link

_FIELDS: Final = ("left_child", "right_child", "feature")
_sizes: Final = operator.attrgetter(
    "node_count", "capacity", "max_depth", "n_features", "n_outputs", "max_n_classes"
)


def is_tree(value: Any) -> bool:
    """Say whether an object is scikit-learn's compiled tree."""
    return is_a(value, "sklearn.tree._tree", "Tree")


def are_trees(values: Sequence[Any]) -> bool:
    """Say whether all objects are scikit-learn's compiled trees."""
    return are(values, "sklearn.tree._tree", "Tree")


def check_trees(trees: Sequence[Any]) -> None:
    """Check compiled trees.

    Parameters
    ----------
    trees : sequence of sklearn.tree._tree.Tree
        All that a model holds.
    """
    # First of all: every property of a tree hands out `node_count` nodes of its buffer.
    counts, capacities, limits, *widths = zip(*map(_sizes, trees), strict=True)
    outputs = widths[1]
    plain = (
        counts == capacities
        and min(counts) > 0
        and min(limits) >= 0
        and all(map(operator.lt, limits, counts))
        and min(map(min, widths)) > 0
        and max(outputs) == 1
    )
    if not plain:
        for tree in trees:
            _check_sizes(tree)
    for some in chunks(counts):
        _check_nodes(trees[some], np.array(counts[some]), np.array(limits[some]), widths[0][some])


def _check_sizes(tree: Any) -> None:
    count = tree.node_count
    if not 0 < count == tree.capacity:
        refuse(tree, f"says {count} nodes and has memory for {tree.capacity}")
    if not (tree.n_features > 0 and tree.n_outputs > 0 and tree.max_n_classes > 0):
        refuse(tree, "has no features, outputs or classes")
    if not 0 <= tree.max_depth < count:
        refuse(tree, f"says depth {tree.max_depth} and has {count} nodes")
    if tree.n_outputs > 1:
        ensure(tree, tree.n_classes.min() > 0, "has an output of no classes")


def _check_nodes(trees: Sequence[Any], counts: Any, limits: Any, widths: Sequence[int]) -> None:
    nodes = join([tree.__getstate__()["nodes"] for tree in trees], _FIELDS)
    left, right, feature = (nodes[name] for name in _FIELDS)
    is_inner = left != -1
    links = link(trees, counts, is_inner, left, right)
    # `link` has found two children of each inner node, so these are the leaves, if it is as many.
    if np.count_nonzero(right == -1) != len(nodes) - len(links.inner):
        refuse(trees[0], "a node has one child")
    used = feature[links.inner]
    if min(widths) == max(widths):
        exist = not used.size or (used.min() >= 0 and used.max() < widths[0])
    else:
        own = np.repeat(np.array(widths), counts)[links.inner]
        exist = bool(((used >= 0) & (used < own)).all())
    if not exist:
        refuse(trees[0], "a node splits on a feature that does not exist")
    if are_deeper(links, limits):
        refuse(trees[0], "is deeper than its max_depth")


def check_decision_trees(estimators: Sequence[Any]) -> None:
    """Check that tree estimators agree with their compiled trees.

    Parameters
    ----------
    estimators : sequence of BaseDecisionTree
        All that a model holds.
    """
    # One that is not fitted has none: forests keep such a one to make their members from.
    states = [vars(one) for one in estimators if "tree_" in vars(one)]
    if states and not _agree(states):
        for estimator in estimators:
            _check_decision_tree(estimator)


def _agree(states: Sequence[dict[str, Any]]) -> bool:
    """Say whether it is plain that estimators of one output agree with their trees."""
    trees = [state["tree_"] for state in states]
    if not are_trees(trees):
        return False
    _, _, _, widths, outputs, _ = map(list, zip(*map(_sizes, trees), strict=True))
    if max(outputs) != 1:
        return False
    return (
        _are_counts([state.get("n_features_in_") for state in states], widths)
        and _are_counts([state.get("n_outputs_", 1) for state in states], outputs)
        and _know_classes(trees, states)
    )


def _are_counts(said: list[Any], wanted: list[int]) -> bool:
    return (
        {int, np.int64}.issuperset(map(type, said))
        and said == wanted
        and min(wanted) > 0
        and max(wanted) < LARGEST
    )


def _know_classes(trees: Sequence[Any], states: Sequence[dict[str, Any]]) -> bool:
    known = [state["classes_"] for state in states if "classes_" in state]
    if not known:
        return True  # of regressors
    if len(known) != len(states) or set(map(type, known)) != {np.ndarray}:
        return False
    counts = [tree.n_classes.item() for tree in trees]
    return list(map(len, known)) == counts and _are_counts(
        [state.get("n_classes_") for state in states], counts
    )


def _check_decision_tree(estimator: Any) -> None:
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
