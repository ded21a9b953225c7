# SPDX-License-Identifier: BSD-3-Clause
"""What is checked for many objects at once is checked of each of them.

Each case alters one of many: an object that only the check of all together can find.
"""

from __future__ import annotations

import copy
import functools
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import ensemble, tree
from sklearn.linear_model import LogisticRegression
from sklearn.tree._tree import Tree

from safeserial.errors import InvalidStateError
from safeserial.validators import nodes, validate
from tests.validators.altered_trees import node, retree, tree_state
from tests.validators.altering import FAR, put
from tests.validators.honest import BOTH, REAL, THREE, TWO, X

MANY, ONE = 300, 171


@functools.cache
def _kept(make: Callable[[], Any]) -> bytes:
    return pickle.dumps(make())


def forest() -> Any:
    return ensemble.RandomForestClassifier(MANY, random_state=0).fit(X, THREE)


def isolation() -> Any:
    model = ensemble.IsolationForest(n_estimators=MANY, max_features=0.5, random_state=0)
    return model.fit(X)


def boosted() -> Any:
    return ensemble.GradientBoostingClassifier(n_estimators=60, random_state=0).fit(X, THREE)


def histogram() -> Any:
    model = ensemble.HistGradientBoostingClassifier(max_iter=60, categorical_features=[0])
    # Labels that have nothing to do with the data: there is always something left to split.
    return model.fit(np.column_stack([THREE, X]), np.random.default_rng(0).permutation(THREE))


def member(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda model: change(model.estimators_[ONE])


def leaf(field: str, value: int) -> Callable[[Any], Any]:
    def change(model: Any) -> None:
        at = int(np.flatnonzero(model.tree_.children_left == -1)[-1])
        node(field, value, at)(model)

    return change


def swap_right(model: Any) -> None:
    """Give one node another's right child: two parents, and none."""
    right = model.tree_.children_right
    inner = np.flatnonzero(right != -1)
    node("right_child", int(right[inner[0]]), int(inner[1]))(model)


def into_next(model: Any) -> None:
    """Let a child be the first node of the tree that stands behind this one."""
    node("right_child", model.tree_.node_count)(model)


def put_one(**values: Any) -> Callable[[Any], Any]:
    return member(lambda one: put(one, **values))


class Stranger(tree.DecisionTreeClassifier):
    """Derived from what stands beside it."""


def stranger(model: Any) -> None:
    one = Stranger()
    vars(one).update(vars(model.estimators_[ONE]))
    node("left_child", FAR)(one)
    model.estimators_[ONE] = one


def shared(model: Any) -> None:
    """One tree in two estimators, the second of which says something else of it."""
    other = copy.copy(model.estimators_[ONE])
    other.n_features_in_ = 4
    model.estimators_.append(other)


FORESTS: dict[str, Callable[[Any], Any]] = {
    **{
        f"{field} {value} at {at}": member(node(field, value, at))
        for field, value, at in [
            ("left_child", FAR, 0), ("left_child", -1, 0), ("left_child", -2, 0),
            ("left_child", 0, 0), ("left_child", 3, 0), ("left_child", 2**63 - 1, 0),
            ("right_child", FAR, 0), ("right_child", -1, 0), ("right_child", -FAR, 0),
            ("right_child", 0, 1), ("right_child", 1, 0), ("right_child", -(2**63), 0),
            ("feature", 5, 0), ("feature", -1, 0), ("feature", -(2**63), 0),
        ]
    },
    "leaf with a left child": member(leaf("left_child", 1)),
    "leaf with a right child": member(leaf("right_child", 1)),
    "right child taken twice": member(swap_right),
    "child in the next tree": member(into_next),
    "depth one too small": member(
        lambda one: retree(one, lambda s: s.update(max_depth=s["max_depth"] - 1))
    ),
    "depth negative": member(tree_state(max_depth=-1)),
    "depth of the node count": member(
        lambda one: retree(one, lambda s: s.update(max_depth=s["node_count"]))
    ),
    "depth huge": member(tree_state(max_depth=2**60)),
    "count too small": member(tree_state(node_count=1)),
    "count negative": member(tree_state(node_count=-1)),
    "never built": put_one(tree_=Tree(5, np.array([3]), 1)),
    "no tree": put_one(tree_=None),
    "tree missing": member(lambda one: vars(one).pop("tree_") and None),
    "tree of other features": member(lambda one: retree(one, lambda _: None, 4, np.array([3]), 1)),
    "tree of no features": member(lambda one: retree(one, lambda _: None, 0, np.array([3]), 1)),
    "counts of classes differ": member(
        lambda one: retree(one, lambda _: None, 5, np.array([2, 3]), 1)
    ),
    "width": put_one(n_features_in_=4),
    "width a boolean": put_one(n_features_in_=True),
    "width a float": put_one(n_features_in_=5.0),
    "width missing": member(lambda one: vars(one).pop("n_features_in_") and None),
    "outputs": put_one(n_outputs_=2),
    "classes": put_one(classes_=np.array([0, 1])),
    "a list of classes": put_one(classes_=[0, 1, 2]),
    "count of classes": put_one(n_classes_=2),
    "counts of classes": put_one(n_classes_=[3, 3]),
    "predict is an attribute": put_one(predict=len),
    "an attribute of another kind": put_one(random_state=Tree(5, np.array([3]), 1)),
    "regressor of another width": lambda m: m.estimators_.append(
        tree.DecisionTreeRegressor().fit(X[:, :4], REAL)
    ),
    "tree of two outputs": lambda m: m.estimators_.append(
        tree.DecisionTreeClassifier().fit(X, BOTH)
    ),
    "stranger": stranger,
    "stranger without a tree": lambda m: m.estimators_.insert(ONE, LogisticRegression()),
    "shared tree": shared,
}  # fmt: skip


def altered(make: Callable[[], Any], change: Callable[[Any], Any]) -> Any:
    model = pickle.loads(_kept(make))
    change(model)
    return model


@pytest.mark.parametrize("name", FORESTS)
def test_one_of_many_trees_is_refused(name: str) -> None:
    with pytest.raises(InvalidStateError):
        validate(altered(forest, FORESTS[name]))


@pytest.mark.parametrize(
    "columns",
    [
        np.array([0, 5]), np.array([-1, 0]), np.array([0]), np.array([[0, 1]]),
        np.array([0.0, 1.0]), [0, 1],
    ],
    ids=str,
)  # fmt: skip
def test_columns_of_one_of_many_are_checked(columns: Any) -> None:
    validate(altered(isolation, lambda m: None))
    with pytest.raises(InvalidStateError):
        validate(altered(isolation, lambda m: m.estimators_features_.__setitem__(ONE, columns)))


def test_a_grid_is_checked_to_its_last_tree() -> None:
    validate(altered(boosted, lambda m: None))
    for change in (
        lambda one: put(one, tree_=None),
        node("right_child", FAR),
        lambda one: retree(one, lambda _: None, 6, np.array([1]), 1),
    ):
        with pytest.raises(InvalidStateError):
            validate(altered(boosted, lambda m, change=change: change(m.estimators_[41, 2])))


def grow(field: str, value: Any, *, only: str = "is_leaf", equal: int = 0) -> Callable[[Any], Any]:
    def change(model: Any) -> None:
        for iteration in model._predictors[41:]:
            for one in iteration:
                rows = np.flatnonzero(one.nodes[only] == equal)
                if rows.size:
                    one.nodes[field][rows[0]] = value
                    return
        raise AssertionError

    return change


def late(model: Any) -> Any:
    return model._predictors[41][1]


def holding_objects(found: Any) -> Any:
    fields = [(name, "O" if name == "left" else found.dtype[name]) for name in found.dtype.names]
    other = np.zeros(len(found), dtype=fields)
    for name in found.dtype.names:
        other[name] = found[name]
    return other


HISTOGRAMS: dict[str, Callable[[Any], Any]] = {
    "left": grow("left", 2**32 - 1),
    "left is the root": grow("left", 0),
    "right": grow("right", 10**4),
    "right is left": grow("right", 1),
    "feature": grow("feature_idx", 6),
    "feature negative": grow("feature_idx", -1),
    "leaf that is none": grow("is_leaf", 0, equal=1),
    "bitset": grow("bitset_idx", 2**31, only="is_categorical", equal=1),
    "number by category": grow("is_categorical", 1, only="feature_idx", equal=3),
    "no nodes": lambda m: put(late(m), nodes=late(m).nodes[:0]),
    "table of nodes": lambda m: put(late(m), nodes=late(m).nodes.reshape(1, -1)),
    "other nodes": lambda m: put(late(m), nodes=late(m).nodes[["left", "right"]]),
    "objects": lambda m: put(late(m), nodes=holding_objects(late(m).nodes)),
    "list of nodes": lambda m: put(late(m), nodes=late(m).nodes.tolist()),
    "stranger": lambda m: m._predictors[41].__setitem__(1, LogisticRegression()),
    "one tree less": lambda m: m._predictors[41].pop() and None,
    "attribute": lambda m: put(late(m), predict=len),
    "alone": lambda m: (grow("left", 2**32 - 1)(m), put(m, extra=m._predictors, _predictors=[])),
}


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_one_of_many_predictors_is_refused(name: str) -> None:
    with pytest.raises(InvalidStateError):
        validate(altered(histogram, HISTOGRAMS[name]))


def test_models_that_differ_are_valid_together() -> None:
    empty = ensemble.RandomForestClassifier(3).fit(X, TWO)
    empty.estimators_ = []
    many = [
        forest(), histogram(), boosted(), isolation(), empty,
        tree.DecisionTreeClassifier(), tree.DecisionTreeClassifier().fit(X, BOTH),
        tree.DecisionTreeClassifier().fit(X, np.zeros(90)),
        tree.DecisionTreeRegressor().fit(X[:, :2], REAL),
        tree.DecisionTreeClassifier(max_leaf_nodes=9).fit(X, THREE),
        ensemble.HistGradientBoostingRegressor(),
    ]  # fmt: skip
    validate(many)
    many[0].estimators_ += [copy.copy(many[0].estimators_[0])] * 2  # the same, and a twin
    validate(many)
    many[8].n_features_in_ = 5
    with pytest.raises(InvalidStateError, match="takes 5 features, its tree 2"):
        validate(many)


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


@pytest.mark.parametrize("size", [0, 1, 1000, 1001, 5000])
@pytest.mark.parametrize("holder", [list, tuple, lambda items: dict(enumerate(items))])
def test_the_last_of_many_is_looked_at(size: int, holder: Callable[[list[Any]], Any]) -> None:
    bad = altered(forest, FORESTS["never built"]).estimators_[ONE]
    validate(holder([1.5] * size))
    for last in (bad, [bad], {1: (bad,)}):
        with pytest.raises(InvalidStateError):
            validate([holder([1.5] * size), holder([*[1.5] * size, last])])
