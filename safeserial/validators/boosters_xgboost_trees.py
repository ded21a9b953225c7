# SPDX-License-Identifier: BSD-3-Clause
"""XGBoost's trees: nodes that form trees, features and groups that exist, categories that fit.

Floor 5.  The lists of all trees are laid end to end and looked at together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn

import numpy as np

from safeserial.validators.asking import Array
from safeserial.validators.boosters_lightgbm_trees import check_depth

Refuse = Callable[[str], NoReturn]
_MANY: Final = 2**31
_DELETED: Final = 2**31 - 1  # split index of a node that pruning took out, default_left set
_ROOT: Final = 2**31 - 1  # what the parent of a root is written as; -1 in trees of vector leaves
_MAX_CATEGORY: Final = 2**24  # beyond that a category is no exact float
_NODES: Final = {
    "left_children": "i",
    "right_children": "i",
    "parents": "i",
    "split_indices": "i",
    "default_left": "ub",
    "split_conditions": "f",
    "base_weights": "f",
    "loss_changes": "f",
    "sum_hessian": "f",
}
_CATEGORIES: Final = ("categories_nodes", "categories_segments", "categories_sizes", "categories")
_KNOWN: Final = frozenset(
    [*_NODES, *_CATEGORIES, "split_type", "leaf_weights", "leaf_child_counts", "id", "tree_param"]
)


def check_trees(model: dict[str, Any], features: int, outputs: int, refuse: Refuse) -> int:
    """Check the trees of a model.

    Parameters
    ----------
    model : dict
        As read.
    features, outputs : int
        What the learner says.
    refuse : callable
        Takes what is wrong, and raises.

    Returns
    -------
    int
        Number of trees.
    """
    trees = model.get("trees")
    said = model.get("gbtree_model_param")
    if not isinstance(trees, list) or not isinstance(said, dict):
        refuse("has no trees")
    count = len(trees)
    if said.get("num_trees") != str(count):
        refuse("has another number of trees than it says")
    parallel = said.get("num_parallel_tree", "1")
    if not (isinstance(parallel, str) and parallel.isdecimal() and 0 < int(parallel) < _MANY):
        refuse("has a malformed num_parallel_tree")
    groups = integers(model.get("tree_info"), "tree_info", refuse)
    if len(groups) != count:
        refuse("has another number of groups than trees")
    if count and not (groups.min() >= 0 and groups.max() < outputs):
        refuse("has a tree for an output that does not exist")
    if "iteration_indptr" in model:
        bounds = integers(model["iteration_indptr"], "iteration_indptr", refuse)
        steps = np.diff(bounds)
        if not len(bounds) or bounds[0] != 0 or bounds[-1] != count or (steps < 0).any():
            refuse("has rounds of trees that do not exist")
    if count:
        _check_nodes(trees, features, outputs, refuse)
    return count


def integers(value: Any, what: str, refuse: Refuse) -> Array:
    """Return a list of integers as an array."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu":
        return value.astype(np.int64)
    if isinstance(value, list) and all(type(one) in {int, bool} for one in value):
        try:
            return np.array(value, dtype=np.int64)
        except OverflowError:
            pass
    return refuse(f"has a malformed {what}")


def _floats(value: Any, what: str, refuse: Refuse) -> Array:
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value
    if isinstance(value, list) and all(type(one) in {int, float} for one in value):
        return np.zeros(len(value))  # any number will do
    return refuse(f"has a malformed {what}")


def _check_nodes(trees: list[Any], features: int, outputs: int, refuse: Refuse) -> None:
    columns: dict[str, list[Array]] = {key: [] for key in [*_NODES, "split_type"]}
    sizes, vectors, deleted = [], [], []
    total = 0
    for index, tree in enumerate(trees):
        if not isinstance(tree, dict) or not tree.keys() <= _KNOWN or tree.get("id") != index:
            refuse(f"has something else in the place of tree {index}")
        nodes, width, gone = _sizes(tree.get("tree_param"), features, refuse)
        if width > 1 and width != outputs:
            refuse(f"has leaves of another width in tree {index}")
        for key, values in _lists(tree, nodes, width, refuse).items():
            columns[key].append(values)
        total += _check_sets(tree, columns["split_type"][-1], refuse)
        sizes.append(nodes)
        vectors.append(width > 1)
        deleted.append(gone)
        if width > 1:
            _check_leaf_weights(tree, width, refuse)
    if total > 2**26 + 64 * sum(sizes):
        refuse("has sets of categories that take too much memory")
    joined = {key: np.concatenate(parts) for key, parts in columns.items() if parts}
    counts = np.array(sizes)
    laid_out = _Nodes(joined, counts, np.array(vectors), np.array(deleted))
    used = _check_links(laid_out, refuse)
    if used.size and not (used.min() >= 0 and used.max() < features):
        refuse("splits on a feature that does not exist")


def _lists(tree: dict[str, Any], nodes: int, width: int, refuse: Refuse) -> dict[str, Array]:
    """Return the lists of a tree, each of as many numbers as there are nodes."""
    found = {}
    for key, kind in _NODES.items():
        if key not in tree and key in {"loss_changes", "sum_hessian"} and width > 1:
            continue  # not written by 2.x
        read = _floats if kind == "f" else integers
        found[key] = read(tree.get(key), key, refuse)
        # An objective of one's own may look for splits in fewer outputs than leaves have.
        many, rest = divmod(len(found[key]), nodes)
        if rest or not 1 <= many <= (width if key == "base_weights" else 1):
            refuse(f"has a {key} of another length")
    types = integers(tree.get("split_type", [0] * nodes), "split_type", refuse)
    if len(types) != nodes or types.min() < 0 or types.max() > 1:
        refuse("has a malformed split_type")
    return {**found, "split_type": types}


def _sizes(param: Any, features: int, refuse: Refuse) -> tuple[int, int, int]:
    found = []
    for key in ("num_nodes", "size_leaf_vector", "num_deleted", "num_feature"):
        text = param.get(key) if isinstance(param, dict) else None
        if not isinstance(text, str) or not text.isdecimal() or not len(text) <= 10:  # noqa: PLR2004
            refuse(f"has a tree without {key}")
        found.append(int(text))
    nodes, width, gone, columns = found
    if not 0 < nodes < _MANY or columns not in {0, features}:
        refuse("has a tree of other features or no nodes")
    return nodes, max(width, 1), gone


def _check_leaf_weights(tree: dict[str, Any], width: int, refuse: Refuse) -> None:
    """Check vector leaves of XGBoost 3.2: the right child of a leaf is its position."""
    if not {"leaf_weights", "loss_changes", "sum_hessian"} <= tree.keys():
        # XGBoost 3.2 reads these without looking whether they are there, and crashes.
        refuse("has vector leaves as XGBoost before 3.2 wrote them: save it anew from that version")
    weights = _floats(tree["leaf_weights"], "leaf_weights", refuse)
    left = integers(tree["left_children"], "left_children", refuse)
    where = integers(tree["right_children"], "right_children", refuse)[left == -1]
    if len(weights) % width or where.min(initial=0) < 0:
        refuse("has leaf weights of another length")
    if where.max(initial=-1) >= len(weights) // width:
        refuse("has a leaf without weights")


class _Nodes:
    """The nodes of all trees, end to end."""

    def __init__(
        self, joined: dict[str, Array], counts: Array, vectors: Array, deleted: Array
    ) -> None:
        self.left, self.right = joined["left_children"], joined["right_children"]
        self.parents, self.features = joined["parents"], joined["split_indices"]
        self.starts = counts.cumsum() - counts
        self.base, self.size = np.repeat(self.starts, counts), np.repeat(counts, counts)
        self.vector = np.repeat(vectors, counts)
        self.own = np.arange(len(self.left)) - self.base
        self.root = self.own == 0
        self.inner = self.left != -1
        marked = (self.features == _DELETED) & (joined["default_left"] != 0)
        self.gone = marked & ~self.root
        self.said_gone = deleted


def _check_links(nodes: _Nodes, refuse: Refuse) -> Array:
    """Check that nodes form trees, and return the features that they split on.

    Each child knows its parent, and the way up ends at a root.
    """
    left, right, parents = nodes.left, nodes.right, nodes.parents
    inner, gone, root, base = nodes.inner, nodes.gone, nodes.root, nodes.base
    if not np.array_equal(np.add.reduceat(gone.astype(np.int64), nodes.starts), nodes.said_gone):
        refuse("has another number of deleted nodes than it says")
    if (inner & gone).any() or ((right != -1) & ~inner & ~nodes.vector & ~gone).any():
        refuse("has a node with one child")
    if not np.isin(parents[root], (_ROOT, -1)).all():
        refuse("has a root with a parent")
    if ((parents < 0) | (parents >= nodes.size))[~root].any():
        refuse("has a node without a parent")
    up = np.where(root, nodes.own, parents) + base
    for children in (left[inner], right[inner]):
        if ((children <= 0) | (children >= nodes.size[inner])).any():
            refuse("has a child out of place")
        where = children + base[inner]
        if (up[where] != np.flatnonzero(inner)).any() or gone[where].any():
            refuse("has a child of two parents")
    alive = ~gone & ~root
    if (left == right)[inner].any() or 2 * int(inner.sum()) != int(alive.sum()):
        refuse("has a node that nothing leads to")
    if not inner[up[alive]].all():
        refuse("has a node that nothing leads to")
    check_depth(np.where(gone, base, up), refuse)
    used: Array = nodes.features[inner]
    return used


def _check_sets(tree: dict[str, Any], types: Array, refuse: Refuse) -> int:
    """Check the sets of categories of a tree, and return how many bytes they will take."""
    if "split_type" not in tree and not any(key in tree for key in _CATEGORIES):
        if types.any():
            refuse("splits on categories that are not there")
        return 0
    nodes, starts, sizes, values = (integers(tree.get(key), key, refuse) for key in _CATEGORIES)
    left = integers(tree["left_children"], "left_children", refuse)
    if not len(nodes) == len(starts) == len(sizes):
        refuse("has malformed sets of categories")
    if not np.array_equal(nodes, np.flatnonzero(types)) or (left[nodes] == -1).any():
        refuse("has sets of categories for other nodes")
    if not len(nodes):
        if len(values):
            refuse("has categories of no node")
        return 0
    ends = starts + sizes
    if (sizes <= 0).any() or (starts < 0).any() or (starts > len(values)).any():
        refuse("has malformed sets of categories")
    if ends[-1] != len(values) or not np.array_equal(starts[1:], ends[:-1]) or starts[0] != 0:
        refuse("has malformed sets of categories")
    if values.min() < 0 or values.max() >= _MAX_CATEGORY:
        refuse("has a category that is none")
    return int(np.maximum.reduceat(values, starts).sum()) // 8


def check_categories(cats: Any, features: int, refuse: Refuse) -> None:
    """Check the categories of the training data, which XGBoost 3.1 and later keep with a model."""
    if cats is None:
        return
    if not isinstance(cats, dict) or cats.keys() != {"enc", "feature_segments", "sorted_idx"}:
        refuse("has malformed categories")
    columns = cats["enc"]
    bounds = integers(cats["feature_segments"], "feature_segments", refuse)
    order = integers(cats["sorted_idx"], "sorted_idx", refuse)
    if not isinstance(columns, list):
        refuse("has malformed categories")
    if not columns:
        if len(order) or bounds.any():
            refuse("has categories of no feature")
        return
    lengths = np.array([_check_column(column, refuse) for column in columns])
    if len(columns) != features or len(bounds) != features + 1 or bounds[0] != 0:
        refuse("has categories of other features")
    if not np.array_equal(np.diff(bounds), lengths) or len(order) != bounds[-1]:
        refuse("has another number of categories than it says")
    where = np.repeat(bounds[:-1], lengths) + order
    if not np.array_equal(np.sort(where), np.arange(len(order))) or (order < 0).any():
        refuse("has categories in no order")
    if (order >= np.repeat(lengths, lengths)).any():
        refuse("has categories in no order")


def _check_column(column: Any, refuse: Refuse) -> int:
    """Return the number of categories of one feature."""
    if not isinstance(column, dict):
        refuse("has malformed categories")
    if column.keys() == {"offsets", "values"}:
        offsets = integers(column["offsets"], "offsets", refuse)
        values = integers(column["values"], "values", refuse)
        if not len(offsets):
            if len(values):
                refuse("has malformed categories")
            return 0
        if offsets[0] != 0 or offsets[-1] != len(values) or (np.diff(offsets) < 0).any():
            refuse("has malformed categories")
        return len(offsets) - 1
    if column.keys() != {"type", "values"}:
        refuse("has malformed categories")
    if type(column["type"]) is not int or not 0 <= column["type"] < 32:  # noqa: PLR2004
        refuse("has malformed categories")
    values = column["values"]
    if isinstance(values, np.ndarray):
        return len(values)
    if isinstance(values, list) and all(type(one) in {int, float} for one in values):
        return len(values)
    return refuse("has malformed categories")
