# SPDX-License-Identifier: BSD-3-Clause
"""Decision trees as arrays, and as the attributes of ONNX's two operators for them.

Floor 7, beside the command line.  The operators find leaves: what a leaf gives out is its number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import numpy_helper

#: Modes of the operator's nodes: `value <= split`, `value < split`, and membership of a set.
LEQ, LESS, MEMBER = 0, 1, 6
_MODES = {LEQ: "BRANCH_LEQ", LESS: "BRANCH_LT"}
#: The version of ``ai.onnx.ml`` with sets; that with thresholds in double.
ML_SETS, ML_DOUBLE = 5, 3


@dataclass(frozen=True)
class Tree:
    """One binary tree, in the arrays of scikit-learn.

    Parameters
    ----------
    left, right : array of int
        Children of each node, -1 at leaves.  Node 0 is the root.
    feature : array of int
        Column that a node looks at.
    threshold : array of float
        To the left where ``value <= threshold`` (or ``<``, see `mode`).
    missing_left : array of bool
        Whether NaN goes to the left.
    categories : mapping of int to sequence of int
        Nodes that go left where the column, a code, is one of these.
    mode : int
        `LEQ` or `LESS`.
    """

    left: npt.NDArray[Any]
    right: npt.NDArray[Any]
    feature: npt.NDArray[Any]
    threshold: npt.NDArray[Any]
    missing_left: npt.NDArray[Any]
    categories: Mapping[int, Sequence[int]] = field(default_factory=dict)
    mode: int = LEQ

    @property
    def leaves(self) -> npt.NDArray[Any]:
        """Node numbers of the leaves; a leaf's place in this array is its number."""
        return np.flatnonzero(self.left < 0)

    @property
    def inner(self) -> npt.NDArray[Any]:
        """Node numbers of those that decide."""
        return np.flatnonzero(self.left >= 0)

    def on_columns(self, columns: Sequence[int]) -> Tree:
        """Return the tree for a table of which its own columns are these."""
        where = np.asarray(columns, np.int64)
        return replace(self, feature=np.where(self.left < 0, 0, where[np.maximum(self.feature, 0)]))


def splits_of(tree: Tree, dtype: str) -> npt.NDArray[Any]:
    """Return the thresholds of the inner nodes in a dtype; rounded so that no decision changes."""
    exact = tree.threshold[tree.inner].astype(np.float64)
    if dtype == "float64":
        return np.asarray(exact)
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32)
    # x <= t: the largest single not above t; x < t: the smallest not below.
    end, wrong = (-np.inf, rounded > exact) if tree.mode == LEQ else (np.inf, rounded < exact)
    return np.asarray(np.where(wrong, np.nextafter(rounded, np.float32(end)), rounded))


def attributes(trees: Sequence[Tree], dtype: str) -> dict[str, Any]:
    """Return those of ``TreeEnsemble``: a target a tree, leaves counted on through the trees."""
    parts: dict[str, list[Any]] = {name: [] for name in ("feature", "split", "mode", "missing")}
    parts.update({name: [] for name in ("true", "false", "true_leaf", "false_leaf", "root")})
    weights, targets, members = [], [], []
    nodes = leaves = 0
    for number, tree in enumerate(trees):
        inner, outer = tree.inner, tree.leaves
        parts["root"].append(nodes)
        weights.append(leaves + np.arange(len(outer)))
        targets.append(np.full(len(outer), number))
        if not len(inner):  # the operator wants a decision: both ways lead to the one leaf
            _extend(parts, feature=[0], split=[0.0], mode=[LEQ], missing=[0], true=[leaves],
                    false=[leaves], true_leaf=[1], false_leaf=[1])  # fmt: skip
            nodes, leaves = nodes + 1, leaves + 1
            continue
        place = np.empty(len(tree.left), np.int64)
        place[inner] = nodes + np.arange(len(inner))
        place[outer] = leaves + np.arange(len(outer))
        is_leaf = tree.left < 0
        splits, modes = splits_of(tree, dtype), np.full(len(inner), tree.mode)
        for at, node in enumerate(inner.tolist() if tree.categories else ()):
            if node in tree.categories:
                chosen = tree.categories[node]
                modes[at] = MEMBER if len(chosen) else LEQ
                splits[at] = 0.0 if len(chosen) else -np.inf  # nothing is in an empty set
                members += [*map(float, chosen), np.nan] if len(chosen) else []
        left, right = tree.left[inner], tree.right[inner]
        _extend(parts, feature=tree.feature[inner], split=splits, mode=modes,
                missing=tree.missing_left[inner], true=place[left], false=place[right],
                true_leaf=is_leaf[left], false_leaf=is_leaf[right])  # fmt: skip
        nodes, leaves = nodes + len(inner), leaves + len(outer)
    joined = {
        name: np.concatenate([np.atleast_1d(p) for p in part]) for name, part in parts.items()
    }
    whole = {
        name: values.astype(np.int64).tolist() for name, values in joined.items() if name != "split"
    }
    found = {
        "nodes_featureids": whole["feature"],
        "nodes_splits": numpy_helper.from_array(joined["split"].astype(dtype), "splits"),
        "nodes_modes": numpy_helper.from_array(joined["mode"].astype(np.uint8), "modes"),
        "nodes_truenodeids": whole["true"],
        "nodes_falsenodeids": whole["false"],
        "nodes_trueleafs": whole["true_leaf"],
        "nodes_falseleafs": whole["false_leaf"],
        "nodes_missing_value_tracks_true": whole["missing"],
        "leaf_targetids": np.concatenate(targets).tolist(),
        "leaf_weights": numpy_helper.from_array(np.concatenate(weights).astype(dtype), "leaves"),
        "tree_roots": whole["root"],
        "n_targets": len(trees),
        "aggregate_function": 1,
        "post_transform": 0,
    }
    if members:
        found["membership_values"] = numpy_helper.from_array(np.array(members, dtype), "members")
    return found


def _extend(parts: dict[str, list[Any]], **values: Any) -> None:
    for name, one in values.items():
        parts[name].append(np.asarray(one))


def _without_sets(tree: Tree) -> tuple[Tree, npt.NDArray[Any]]:
    """Return a tree that asks for one category at a time, and the names of its nodes' modes.

    A set becomes a row of nodes, each of which compares with one of its members and leads to the
    same child if they are equal: ONNX Runtime allows for that.  The nodes are added behind the
    others, so that leaves keep their numbers.
    """
    modes = np.where(tree.left < 0, "LEAF", _MODES[tree.mode]).astype(object)
    if not tree.categories:
        return tree, modes
    columns = [tree.left, tree.right, tree.feature, tree.threshold, tree.missing_left]
    left, right, feature, threshold, missing = (one.tolist() for one in columns)
    names = modes.tolist()
    for node, members in tree.categories.items():
        otherwise, place = right[node], node
        if not members:
            threshold[node], names[node] = -np.inf, _MODES[LEQ]  # nothing is in an empty set
        for i, member in enumerate(members):
            if i:
                right[place] = len(left)
                place = len(left)
                left.append(left[node])
                right.append(otherwise)
                feature.append(feature[node])
                threshold.append(0.0)
                missing.append(missing[node])
                names.append("")
            threshold[place], names[place] = float(member), "BRANCH_EQ"
    plain = Tree(
        np.asarray(left),
        np.asarray(right),
        np.asarray(feature),
        np.asarray(threshold),
        np.asarray(missing),
        mode=tree.mode,
    )
    return plain, np.array(names, object)


def older_attributes(trees: Sequence[Tree], dtype: str, graph: Any) -> dict[str, Any]:
    """Return those of ``TreeEnsembleRegressor``: its single precision counts leaves exactly."""
    if dtype == "float64" and graph.target.ml_opset < ML_DOUBLE:
        raise graph.refuse("a tree", "it compares in double, which needs ai.onnx.ml 3")
    plain, modes = zip(*(_without_sets(tree) for tree in trees), strict=True)
    trees = plain
    sizes = [len(tree.left) for tree in trees]
    number = np.repeat(np.arange(len(trees)), sizes)
    node = np.concatenate([np.arange(size) for size in sizes])
    is_leaf = np.concatenate([tree.left < 0 for tree in trees])

    def joined(values: Sequence[npt.NDArray[Any]]) -> list[Any]:
        full = np.zeros(len(node), np.int64)
        full[~is_leaf] = np.concatenate(values)
        return full.tolist()

    splits = np.zeros(len(node), dtype)
    splits[~is_leaf] = np.concatenate([splits_of(tree, dtype) for tree in trees])
    weights = np.arange(np.count_nonzero(is_leaf)).astype(dtype)
    found = {
        "nodes_treeids": number.tolist(),
        "nodes_nodeids": node.tolist(),
        "nodes_featureids": joined([tree.feature[tree.inner] for tree in trees]),
        "nodes_modes": np.concatenate(modes).tolist(),
        "nodes_truenodeids": joined([tree.left[tree.inner] for tree in trees]),
        "nodes_falsenodeids": joined([tree.right[tree.inner] for tree in trees]),
        "nodes_missing_value_tracks_true": joined(
            [tree.missing_left[tree.inner] for tree in trees]
        ),
        "target_treeids": number[is_leaf].tolist(),
        "target_nodeids": node[is_leaf].tolist(),
        "target_ids": number[is_leaf].tolist(),
        "n_targets": len(trees),
        "post_transform": "NONE",
    }
    if dtype == "float64":
        found["nodes_values_as_tensor"] = numpy_helper.from_array(splits, "splits")
        found["target_weights_as_tensor"] = numpy_helper.from_array(weights, "leaves")
    else:
        found["nodes_values"], found["target_weights"] = splits.tolist(), weights.tolist()
    return found
