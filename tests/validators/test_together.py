# SPDX-License-Identifier: BSD-3-Clause
"""What is checked for many objects at once is checked of each of them.

Each case alters one of many: an object that only the check of all together can find.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import ensemble, tree
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.linear_model import LogisticRegression
from sklearn.tree._tree import Tree

from safeserial.errors import InvalidStateError
from safeserial.validators import validate
from tests.validators.altered_trees import node, retree, tree_state
from tests.validators.altering import FAR, put
from tests.validators.honest import BOTH, REAL, THREE, TWO, X
from tests.validators.many import ONE, altered, boosted, forest, histogram, isolation


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


@pytest.mark.parametrize("size", [0, 1, 1000, 1001, 5000])
@pytest.mark.parametrize("holder", [list, tuple, lambda items: dict(enumerate(items))])
def test_the_last_of_many_is_looked_at(size: int, holder: Callable[[list[Any]], Any]) -> None:
    bad = altered(forest, FORESTS["never built"]).estimators_[ONE]
    validate(holder([1.5] * size))
    for last in (bad, [bad], {1: (bad,)}):
        with pytest.raises(InvalidStateError):
            validate([holder([1.5] * size), holder([*[1.5] * size, last])])


class Odd(tree.DecisionTreeClassifier, TreePredictor):
    """Derived from two classes of which all instances are checked together."""

    __init__ = tree.DecisionTreeClassifier.__init__


def test_both_checks_of_a_class_of_two_kinds_are_made() -> None:
    one = Odd().fit(X, THREE)
    one.nodes = altered(histogram, lambda _: None)._predictors[0][0].nodes.copy()
    validate([one])
    one.nodes["left"][0] = 10**6
    with pytest.raises(InvalidStateError, match="child out of place"):
        validate([one])
    one.nodes["left"][0] = 1
    node("left_child", FAR)(one)
    with pytest.raises(InvalidStateError, match="child out of place"):
        validate([one])
    put(one, tree_=None)
    with pytest.raises(InvalidStateError, match="tree_ is a"):
        validate([one])
