# SPDX-License-Identifier: BSD-3-Clause
"""Neighbours: ball trees and k-d trees, the data they stand on, and labels that count votes.

Floor 5.  A query walks ``node_data`` as a binary heap, copies ``idx_array`` between two bounds, and
reads rows of ``data`` by it; counting votes adds to a row of scores at the neighbour's label.
"""

from __future__ import annotations

from collections.abc import Iterable
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
from safeserial.validators.distances import check_fits


def is_index(value: Any) -> bool:
    """Say whether an object is a ball tree or a k-d tree of scikit-learn."""
    return is_a(value, "sklearn.neighbors._kd_tree", "KDTree", "KDTree64", "KDTree32") or is_a(
        value, "sklearn.neighbors._ball_tree", "BallTree", "BallTree64", "BallTree32"
    )


def check_index(tree: Any) -> Iterable[Any]:
    """Check a ball tree or k-d tree, and return its metric."""
    data, order, nodes, bounds = (
        np.asarray(getattr(tree, name))
        for name in ("data", "idx_array", "node_data", "node_bounds")
    )
    state = tree.__getstate__()
    leaf_size, levels, count, metric = state[4], state[5], state[6], state[11]
    shaped(tree, order, (len(data),), "idx_array")
    ensure(tree, data.ndim == 2 and data.size, "has no data")  # noqa: PLR2004 - a table
    inside(tree, order, 0, len(data), "idx_array")
    # Each row once: a row twice would be a wrong answer only, but it is never an honest one.
    found = np.zeros(len(data), dtype=bool)
    found[order] = True
    ensure(tree, found.all(), "idx_array repeats a row")
    ensure(tree, leaf_size > 0 and 0 < levels < 62, "its sizes are wrong")  # noqa: PLR2004 - bits
    ensure(tree, len(nodes) == count == 2**levels - 1, f"has {len(nodes)} nodes, {levels} levels")
    is_ball = is_a(tree, "sklearn.neighbors._ball_tree", "BallTree", "BallTree64", "BallTree32")
    shaped(tree, bounds, (1 if is_ball else 2, count, data.shape[1]), "node_bounds")
    _check_ranges(tree, nodes, levels, len(data))
    if state[12] is not None:
        shaped(tree, np.asarray(state[12]), (len(data),), "sample_weight")
    check_fits(tree, metric, data)
    return (metric,)


def _check_ranges(tree: Any, nodes: Array, levels: int, rows: int) -> None:
    """Check level by level that children part the rows of their parent among them."""
    starts, ends, leaf = nodes["idx_start"], nodes["idx_end"], nodes["is_leaf"] != 0
    ensure(tree, starts[0] == 0 and ends[0] == rows, "its root does not hold all rows")
    reached = np.zeros(1, dtype=np.int64)
    for _ in range(levels - 1):
        parents = reached[~leaf[reached]]
        left, right = 2 * parents + 1, 2 * parents + 2
        # So no row is in two leaves, and a query never finds more rows than it has room for.
        parted = (
            (starts[left] == starts[parents])
            & (ends[left] == starts[right])
            & (ends[right] == ends[parents])
            & (starts[left] <= ends[left])
            & (starts[right] <= ends[right])
        )
        ensure(tree, parted.all(), "a node's rows are not those of its children")
        reached = np.concatenate([left, right])
    ensure(tree, leaf[reached].all(), "a node of the last level has children")


_NORMS = frozenset({"X_norm_squared", "Y_norm_squared"})


def check_neighbors(model: Any) -> None:
    """Check that a neighbours model, its rows, its tree and its labels agree."""
    state = vars(model)
    if "_fit_X" not in state:
        return
    shape = columns_of(state["_fit_X"])
    rows = whole(model, state, "n_samples_fit_", 0)
    if "n_features_in_" not in state and len(shape) == 2:  # noqa: PLR2004 - a table
        # Written before 0.24, or made to look so.  Without the number nobody compares it with the
        # rows of a query, and brute force reads as far as those are wide: so it is put there.
        state["n_features_in_"] = shape[1]
    width = whole(model, state, "n_features_in_", 1)
    ensure(model, shape == (rows, width), f"_fit_X has shape {shape} instead of {(rows, width)}")
    for name in ("metric_params", "effective_metric_params_"):
        # Lengths of rows, which compiled code reads one for each row, however many they are.
        given = state.get(name)
        norms = isinstance(given, dict) and not _NORMS.isdisjoint(given)
        ensure(model, not norms, f"{name} has lengths of rows")
    tree = state.get("_tree")
    if tree is not None:
        if not is_index(tree):
            refuse(model, f"_tree is a {name_of(tree)}")
        shaped(model, np.asarray(tree.data), (rows, width), "data of _tree")
    if "classes_" in state:
        _check_labels(model, state, rows)


def _check_labels(model: Any, state: dict[str, Any], rows: int) -> None:
    labels = array(model, state.get("_y"), "_y", kinds="iu")
    classes = state["classes_"]
    several = classes if isinstance(classes, list) else [classes]
    columns = labels.reshape(len(labels), -1)
    shaped(model, columns, (rows, len(several)), "_y")
    for index, one in enumerate(several):
        inside(model, columns[:, index], 0, len(one), "_y")
