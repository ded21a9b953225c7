# SPDX-License-Identifier: BSD-3-Clause
"""Depths of trees, of which scikit-learn makes buffers, are counted exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import tree

from safeserial.errors import InvalidStateError
from safeserial.validators import nodes, validate
from tests.validators.altered_trees import retree
from tests.validators.honest import X
from tests.validators.many import MANY, ONE, forest


def chain(length: int) -> Any:
    """Return a tree of which each right child has children."""
    model = tree.DecisionTreeRegressor().fit(np.arange(3.0)[:, None], np.arange(3.0))
    size = 2 * length + 1

    def change(state: dict[str, Any]) -> None:
        new = np.zeros(size, dtype=state["nodes"].dtype)
        new["left_child"] = new["right_child"] = -1
        inner = np.arange(0, size - 1, 2)
        new["left_child"][inner], new["right_child"][inner] = inner + 1, inner + 2
        values = np.zeros((size, 1, 1))
        state.update(nodes=new, values=values, node_count=size, max_depth=length)

    retree(model, change)
    return model


@pytest.mark.parametrize("length", [1, 127, 128, 129, 5000])
def test_depth_is_exact_however_it_is_counted(length: int) -> None:
    others = [chain(1), chain(3), tree.DecisionTreeRegressor().fit(X, np.zeros(90))]
    validate([*others, chain(length), *others])
    small = chain(length)
    retree(small, lambda state: state.update(max_depth=length - 1))
    with pytest.raises(InvalidStateError, match="deeper than its max_depth"):
        validate([*others, small, *others])


def test_depths_of_all_trees_of_a_forest_are_what_the_library_counts() -> None:
    trees = [one.tree_ for one in forest().estimators_]
    joined = nodes.join(
        [one.__getstate__()["nodes"] for one in trees], ("left_child", "right_child")
    )
    counts = np.array([one.node_count for one in trees])
    left = joined["left_child"]
    links = nodes.link(trees, counts, left != -1, left, joined["right_child"])
    counted = np.concatenate([one.compute_node_depths() - 1 for one in trees])
    assert np.array_equal(nodes.depths(links), counted)
    limits = np.array([one.max_depth for one in trees])
    assert not nodes.are_deeper(links, limits)
    for index in (0, ONE, MANY - 1):
        less = limits.copy()
        less[index] -= 1
        assert nodes.are_deeper(links, less)
