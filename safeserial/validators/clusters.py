# SPDX-License-Identifier: BSD-3-Clause
"""Clusterings: centres as wide as the data, and trees of clusters without loops.

Floor 5.  The assignment step of k-means multiplies rows by centres with the width of the rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial.validators.asking import (
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

_MOST_THREADS = 1024


def check_kmeans(model: Any) -> None:
    """Check the centres of a k-means model."""
    state = vars(model)
    if "_n_threads" in state:
        whole(model, state, "_n_threads", 1, _MOST_THREADS)
    if "cluster_centers_" not in state:
        return
    width = whole(model, state, "n_features_in_", 1)
    centres = array(model, state["cluster_centers_"], "cluster_centers_", kinds="f")
    shaped(model, centres, (None, width), "cluster_centers_")
    ensure(model, len(centres), "has no centres")
    whole(model, state, "_n_threads", 1, _MOST_THREADS)
    if "_counts" in state:
        shaped(model, array(model, state["_counts"], "_counts"), (len(centres),), "_counts")


def check_bisecting(model: Any) -> None:
    """Check the tree by which a BisectingKMeans predicts."""
    state = vars(model)
    if "_bisecting_tree" in state:
        width = whole(model, state, "n_features_in_", 1)
        _check_bisecting_tree(model, state["_bisecting_tree"], width)


def _check_bisecting_tree(model: Any, root: Any, width: int) -> None:
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if not is_a(node, "sklearn.cluster._bisect_k_means", "_BisectingTree"):
            refuse(model, f"a node of its tree is a {name_of(node)}")
        ensure(model, id(node) not in seen, "its tree has a loop")
        seen.add(id(node))
        state = vars(node)
        centre = array(model, state.get("center"), "center", kinds="f")
        shaped(model, centre.reshape(-1), (width,), "center")  # one row where the data was sparse
        children = [state.get("left"), state.get("right")]
        if children != [None, None]:
            waiting += children


def check_birch(model: Any) -> None:
    """Check that each subcluster has a centre, a norm and a label."""
    state = vars(model)
    if "subcluster_centers_" not in state:
        return
    width = whole(model, state, "n_features_in_", 1)
    centres = array(model, state["subcluster_centers_"], "subcluster_centers_", kinds="f")
    shaped(model, centres, (None, width), "subcluster_centers_")
    for name in ("_subcluster_norms", "subcluster_labels_"):
        if name in state:
            shaped(model, array(model, state[name], name), (len(centres),), name)


def check_centers(model: Any) -> None:
    """Check the centres of MeanShift and AffinityPropagation."""
    state = vars(model)
    shape = columns_of(state.get("cluster_centers_"))
    if len(shape) > 1 and shape[0]:
        width = whole(model, state, "n_features_in_", 1)
        ensure(model, shape[1] == width, f"cluster_centers_ has shape {shape}")


def check_hdbscan(model: Any) -> None:
    """Check the hierarchy of an HDBSCAN, which cutting it again follows."""
    tree = vars(model).get("_single_linkage_tree_")
    if tree is None:
        return
    tree = array(model, tree, "_single_linkage_tree_", kinds="V", ndim=1)
    merged = len(tree) + 1 + np.arange(len(tree))  # clusters that exist before each merge
    for side in ("left_node", "right_node"):
        nodes = tree[side]
        inside(model, nodes, 0, 2 * len(tree) + 1, side)
        ensure(model, (nodes < merged).all(), f"{side} names a cluster before it exists")
