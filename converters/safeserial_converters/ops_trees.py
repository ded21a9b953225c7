# SPDX-License-Identifier: BSD-3-Clause
"""Decision trees as one operator that finds leaves; sums of leaf values in the model's own order.

Floor 7, beside the command line.  The operator only says *which leaf* a row falls into: the leaves'
values are looked up and summed outside of it, one tree after another, so that neither the number of
threads nor the size of the batch changes the order of an addition, and a tie stays a tie.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from safeserial_converters import ops
from safeserial_converters.inputs import Inputs
from safeserial_converters.tensors import Tensor
from safeserial_converters.tree_nodes import ML_SETS, Tree, attributes, older_attributes

#: Leaf values that one row may hold at a time; more trees are summed piece by piece.
VALUES_A_ROW = 512
#: Leaves that the operator can count in single precision.
MOST_LEAVES = 2**24


def note_thresholds(inputs: Inputs, trees: Sequence[Tree]) -> None:
    """Tell the proof at which values the trees decide."""
    columns = np.concatenate([tree.feature[tree.inner] for tree in trees])
    splits = np.concatenate([tree.threshold[tree.inner] for tree in trees])
    for column in np.unique(columns):
        inputs.note_thresholds(int(column), np.unique(splits[columns == column]))


def leaf_numbers(x: Tensor, trees: Sequence[Tree]) -> Tensor:
    """Return the leaf of each row in each tree, ``[N, trees]``, counted on through the trees.

    Parameters
    ----------
    x : Tensor
        The features; thresholds are rounded down to its dtype, which changes no decision.
    trees : sequence of Tree
        In order.
    """
    graph = x.graph
    if sum(len(tree.leaves) for tree in trees) > MOST_LEAVES:
        raise graph.refuse("an ensemble", "it has more leaves than single precision can count")
    shape = (None, len(trees))
    if graph.target.ml_opset >= ML_SETS:
        found = graph.emit(
            "TreeEnsemble", [x], x.dtype, shape, domain="ai.onnx.ml", **attributes(trees, x.dtype)
        )
    else:
        older = older_attributes(trees, x.dtype, graph)
        found = graph.emit(
            "TreeEnsembleRegressor", [x], "float32", shape, domain="ai.onnx.ml", **older
        )
    return found.cast("int64")


def leaf_values(numbers: Tensor, tables: Sequence[npt.NDArray[Any]], dtype: str) -> Tensor:
    """Look up what leaves hold: tables ``[leaves, k]`` give ``[N, trees, k]``."""
    return ops.gather(numbers.graph.constant(np.concatenate(tables), dtype, "leaves"), numbers)


def in_order(values: Tensor, start: Tensor | None = None) -> Tensor:
    """Sum ``[N, steps, k]`` over the steps, one after another, from `start` ``[N, k]`` on."""
    if start is not None:
        values = ops.concat([ops.unsqueeze(start, 1), values], axis=1)
    steps = values.shape[1]
    if steps is None:
        raise AssertionError("the number of steps is not known")
    if steps > 1:
        axis = values.graph.constant(np.int64(1))
        values = values.graph.emit("CumSum", [values, axis], values.dtype, values.shape)
    return ops.gather(values, np.int64(steps - 1), axis=1)


def sum_of_trees(
    x: Tensor,
    trees: Sequence[Tree],
    tables: Sequence[npt.NDArray[Any]],
    start: Tensor | None = None,
    *,
    dtype: str | None = None,
) -> Tensor:
    """Sum the leaf values of trees in order.

    Parameters
    ----------
    x : Tensor
        Features.
    trees : sequence of Tree
        One after another.
    tables : sequence of array
        For each tree the values of its leaves, ``[leaves, k]``.
    start : Tensor, optional
        ``[N, k]``, what the first tree is added to.
    dtype : str, optional
        To sum in; default: the graph's.
    """
    width = tables[0].shape[1]
    for i, j in _pieces([len(tree.leaves) for tree in trees], width):
        numbers = leaf_numbers(x, trees[i:j])
        start = in_order(leaf_values(numbers, tables[i:j], dtype or x.graph.real), start)
    if start is None:
        raise x.graph.refuse("an ensemble", "it has no trees")
    return start


def sum_of_rounds(
    x: Tensor,
    rounds: Sequence[Sequence[Tree]],
    tables: Sequence[Sequence[npt.NDArray[Any]]],
    start: Tensor,
    *,
    dtype: str | None = None,
) -> Tensor:
    """Sum rounds of boosting: each has a tree, and its leaf values, for every column."""
    width = len(rounds[0]) if rounds else 1
    for i, j in _pieces([sum(len(tree.leaves) for tree in one) for one in rounds], width):
        trees = [tree for one in rounds[i:j] for tree in one]
        values = [table for one in tables[i:j] for table in one]
        found = leaf_values(leaf_numbers(x, trees), values, dtype or x.graph.real)
        shaped = ops.reshape(found, (-1, j - i, width), (None, j - i, width))
        start = in_order(shaped, start)
    return start


def _pieces(leaves: Sequence[int], width: int) -> Iterator[tuple[int, int]]:
    """Yield runs of steps: their values fit a row's share, their leaves can be counted."""
    first, counted = 0, 0
    for i, count in enumerate(leaves):
        if i > first and ((i - first + 1) * width > VALUES_A_ROW or counted + count > MOST_LEAVES):
            yield first, i
            first, counted = i, 0
        counted += count
    if leaves:
        yield first, len(leaves)
