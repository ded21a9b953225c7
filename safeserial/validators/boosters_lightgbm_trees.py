# SPDX-License-Identifier: BSD-3-Clause
"""LightGBM's trees: nodes, leaves, features and sets of categories that exist.

Floor 5.  Of all trees of a model at once, whose lists are laid end to end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NoReturn

import numpy as np

from safeserial.errors import InvalidStateError
from safeserial.validators.asking import Array

OWNER: Final = "lightgbm.basic.Booster"
MAX_DEPTH: Final = 5000  # contributions of features are found by recursion, in C++
INTEGERS: Final = re.compile(rb"(?:-?[0-9]{1,10} )*+-?[0-9]{1,10}")
_NUMBER: Final = rb"-?(?:[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]{1,3})?|inf|nan)"
NUMBERS: Final = re.compile(rb"(?:%b )*+%b" % (_NUMBER, _NUMBER))

Tree = dict[bytes, bytes]


def refuse(what: str) -> NoReturn:
    """Refuse a model text.

    Raises
    ------
    InvalidStateError
        Always.
    """
    raise InvalidStateError(
        f"{OWNER}: its model text {what}",
        hint="if LightGBM itself wrote this file, report it with the version that did",
    )


def integers(data: bytes, what: str) -> Array:
    """Return a list of integers as an array."""
    if not INTEGERS.fullmatch(data):
        refuse(f"has a malformed {what}")
    return np.fromstring(data, dtype=np.int64, sep=" ")


def check_features(used: Array | None, features: int) -> None:
    """Check that features which are split on exist."""
    if used is not None and used.size and not (used.min() >= 0 and used.max() < features):
        refuse("splits on a feature that does not exist")


def check_children(left: Array | None, right: Array | None, leaves: Array) -> None:
    """Check that nodes form trees: parents before children, each node and leaf reached once."""
    if left is None or right is None or not left.size:
        return
    nodes = leaves - 1
    first = nodes.cumsum() - nodes
    first_leaf = leaves.cumsum() - leaves
    own = np.arange(left.size)
    children = np.concatenate([left, right])
    parents = np.concatenate([own, own])
    count = np.tile(np.repeat(nodes, nodes), 2)
    start = np.tile(np.repeat(first, nodes), 2)
    leaf_start = np.tile(np.repeat(first_leaf, nodes), 2)
    inner = children >= 0
    if ((children >= count) | (~children > count)).any():
        refuse("has a child out of place")
    reached, by = (children + start)[inner], parents[inner]
    if (reached <= by).any():
        refuse("has a child before its parent")
    ends = (~children + leaf_start)[~inner]
    expected = np.setdiff1d(own, first[nodes > 0], assume_unique=True)
    split = np.repeat(nodes > 0, leaves)
    if not np.array_equal(np.sort(reached), expected):
        refuse("has a node with no parent, or two")
    if not np.array_equal(np.sort(ends), np.flatnonzero(split)):
        refuse("has a leaf with no parent, or two")
    up = own.copy()
    up[reached] = by
    check_depth(up, refuse)


def check_depth(up: Array, refused: Callable[[str], NoReturn]) -> None:
    """Refuse forests deeper than `MAX_DEPTH`, by doubling the steps to the root."""
    far, steps = up, 1
    while steps < MAX_DEPTH:
        far, steps = far[far], steps * 2
    if (up[far] != far).any():
        refused("is too deep")


def check_categories(trees: list[Tree], categorical: Array, nodes: Array, counts: Array) -> None:
    """Check sets of categories: a categorical node's threshold is the position of its set."""
    some = [tree for tree, count in zip(trees, categorical.tolist(), strict=True) if count]
    if nodes.size:
        joined = b" ".join(tree[b"threshold"] for tree in trees if tree.get(b"threshold"))
        picked = np.array(joined.split(b" "), dtype="S26")[nodes]
        text = b" ".join(picked.tolist())
        which = integers(text, "set of categories")
        if (which < 0).any() or (which >= counts[nodes]).any():
            refuse("splits on a set of categories that does not exist")
    for tree, count in zip(some, categorical[categorical > 0].tolist(), strict=True):
        bounds = integers(tree.get(b"cat_boundaries", b""), "cat_boundaries")
        words = integers(tree.get(b"cat_threshold", b""), "cat_threshold")
        steps = np.diff(bounds)
        if len(bounds) != count + 1 or bounds[0] != 0 or bounds[-1] != len(words):
            refuse("has cat_boundaries that do not fit")
        if (steps <= 0).any() or words.min() < 0 or words.max() >= 2**32:
            refuse("has malformed sets of categories")


def check_linear(trees: list[Tree], features: int) -> None:
    """Check the leaves of trees that hold linear models."""
    for tree in trees:
        leaves = int(tree[b"num_leaves"])
        sizes = integers(tree.get(b"num_features", b""), "num_features")
        constants = tree.get(b"leaf_const", b"")
        if len(sizes) != leaves or sizes.min() < 0 or constants.count(b" ") + 1 != leaves:
            refuse("has malformed linear leaves")
        used = tree.get(b"leaf_features", b"").split()
        slopes = tree.get(b"leaf_coeff", b"").split()
        if not len(used) == len(slopes) == int(sizes.sum()):
            refuse("has malformed linear leaves")
        if used:
            check_features(integers(b" ".join(used), "leaf_features"), features)
            if not NUMBERS.fullmatch(b" ".join(slopes)):
                refuse("has a leaf_coeff that is no list of numbers")
