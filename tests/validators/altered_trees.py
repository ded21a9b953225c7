# SPDX-License-Identifier: BSD-3-Clause
"""Attacks on trees: decision trees, forests, boosting."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import ensemble, tree
from sklearn._loss.loss import HalfBinomialLoss
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree._tree import Tree

from tests.validators.altering import FAR, Alter, Attacks, put
from tests.validators.honest import THREE, X

ATTACKS = Attacks()
attack = ATTACKS.add

# ------------------------------------------------------------------------------------ trees


def classifier() -> Any:
    return tree.DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, THREE)


def forest() -> Any:
    return ensemble.RandomForestClassifier(3, random_state=0).fit(X, THREE)


def retree(model: Any, change: Callable[[dict[str, Any]], None], *arguments: Any) -> None:
    """Give a model's tree another state, as BUILD would."""
    make, old, state = model.tree_.__reduce__()
    state = copy.deepcopy(state)
    change(state)
    model.tree_ = make(*(arguments or old))
    model.tree_.__setstate__(state)


def node(field: str, value: int, at: int = 0) -> Alter:
    def alter(model: Any) -> None:
        def change(state: dict[str, Any]) -> None:
            state["nodes"][field][at] = value

        retree(model, change)

    return alter


for name, field, value, at in [
    ("left child out of range", "left_child", FAR, 0),
    ("right child out of range", "right_child", FAR, 0),
    ("child just past the end", "left_child", 10**4, 0),
    ("child negative", "left_child", -2, 0),
    ("child very negative", "right_child", -FAR, 0),
    ("child is the node itself", "left_child", 0, 0),
    ("child is an ancestor", "left_child", 0, 1),
    ("one child only", "left_child", -1, 0),
    ("feature out of range", "feature", FAR, 0),
    ("feature one too many", "feature", 5, 0),
    ("feature negative", "feature", -1, 0),
    ("child taken twice", "left_child", 3, 0),
]:
    attack(f"tree: {name}", classifier, node(field, value, at))


def build_twice(model: Any) -> None:
    """Build a second time: memory of the right size is kept, and any count taken over."""
    model.tree_.__setstate__({**model.tree_.__getstate__(), "node_count": 10**7})


def tree_state(**values: Any) -> Alter:
    return lambda model: retree(model, lambda state: state.update(values))


attack("tree: node_count too large", classifier, build_twice)
attack("tree: node_count too small", classifier, tree_state(node_count=1))
attack("tree: node_count negative", classifier, tree_state(node_count=-1))
attack("tree: max_depth too small", classifier, tree_state(max_depth=0))
attack("tree: max_depth negative", classifier, tree_state(max_depth=-(2**40)))
attack("tree: max_depth huge", classifier, tree_state(max_depth=2**60))
attack("tree: never built", classifier, lambda m: put(m, tree_=Tree(5, np.array([3]), 1)))
attack("tree: is None", classifier, lambda m: put(m, tree_=None))
attack("tree: is something else", classifier, lambda m: put(m, tree_=classifier()))
attack(
    "tree: more features than the model", classifier,
    lambda m: retree(m, lambda _: None, 50, np.array([3]), 1),
)  # fmt: skip
attack("tree: n_features_in_ too small", classifier, lambda m: put(m, n_features_in_=1))
attack("tree: n_features_in_ missing", classifier, lambda m: vars(m).pop("n_features_in_") and None)
attack("tree: other classes", classifier, lambda m: put(m, classes_=np.array([0, 1])))
attack("tree: other count of classes", classifier, lambda m: put(m, n_classes_=1))
attack("tree: other outputs", classifier, lambda m: put(m, n_outputs_=2))
attack("forest: one tree altered", forest, lambda m: node("left_child", FAR)(m.estimators_[2]))
attack("forest: another width", forest, lambda m: put(m.estimators_[1], n_features_in_=4))
attack("forest: a stranger", forest, lambda m: m.estimators_.append(LogisticRegression()))


def isolation() -> Any:
    model = ensemble.IsolationForest(n_estimators=3, max_features=0.5, random_state=0)
    return model.fit(X)


attack(
    "isolation: columns", isolation,
    lambda m: put(m, estimators_features_=[np.array([0, 99])] * 3),
)  # fmt: skip


def boosted() -> Any:
    return ensemble.GradientBoostingClassifier(n_estimators=3, random_state=0).fit(X, THREE)


def first_stage(model: Any) -> Any:
    return model.estimators_[0, 0]


attack("boosting: node", boosted, lambda m: node("left_child", FAR)(first_stage(m)))
attack("boosting: tree is None", boosted, lambda m: put(first_stage(m), tree_=None))
attack(
    "boosting: tree of outputs",
    boosted,
    lambda m: put(first_stage(m), tree_=forest().estimators_[0].tree_),
)
attack("boosting: stranger", boosted, lambda m: m.estimators_.fill(LogisticRegression()))
attack("boosting: more columns", boosted, lambda m: put(m, estimators_=np.tile(m.estimators_, 4)))
attack("boosting: fewer classes first", boosted, lambda m: put(m.init_, classes_=np.array([0, 1])))
attack(
    "boosting: fewer priors first",
    boosted,
    lambda m: put(m.init_, class_prior_=m.init_.class_prior_[:1]),
)
attack("boosting: fewer columns first", boosted, lambda m: put(m.init_, n_classes_=1))


def first(make: Callable[[Any], Any]) -> Alter:
    """Give a model another estimator to begin with."""
    return lambda m: put(m, init_=make(THREE))


def one_column(target: Any) -> Any:
    """Return a vote that says that it knows three classes; its voter knows one."""
    vote = ensemble.VotingClassifier([("a", DummyClassifier())], voting="soft").fit(X, target)
    vote.estimators_ = [DummyClassifier().fit(X, np.zeros(len(X)))]
    return vote


def one_row(target: Any) -> Any:
    lowest = FunctionTransformer(np.min, kw_args={"axis": 0, "keepdims": True})
    return make_pipeline(lowest, DummyClassifier()).fit(X[:1], target[:1])


def put_first(**values: Any) -> Any:
    bayes = GaussianNB().fit(X, THREE)
    put(bayes, **values)
    return bayes


def turned() -> Any:
    model = ensemble.GradientBoostingRegressor(n_estimators=2, init=Ridge())
    return model.fit(X, THREE * 1.0)


attack("boosting: first turned round", turned, lambda m: put(m.init_, intercept_=np.zeros((1, 1))))
attack("boosting: first a vote", boosted, first(one_column))
attack("boosting: first a pipeline", boosted, first(one_row))
attack(
    "boosting: first a line too few",
    boosted,
    first(lambda y: LogisticRegression().fit(X, y == 1)),
)
attack(
    "boosting: first no priors", boosted, first(lambda y: put_first(class_prior_=np.ones((3, 0))))
)
attack("boosting: first no variance", boosted, first(lambda y: put_first(var_=np.ones((3, 0, 5)))))
attack("boosting: another loss", boosted, lambda m: put(m, _loss=HalfBinomialLoss()))
attack("boosting: another link", boosted, lambda m: put(m._loss, link=FunctionTransformer()))
attack("boosting: a list", boosted, lambda m: put(m, estimators_=m.estimators_.tolist()))


def histogram() -> Any:
    model = ensemble.HistGradientBoostingClassifier(max_iter=2, categorical_features=[0])
    return model.fit(np.column_stack([THREE, X]), THREE)


def leafy(field: str, value: Any, *, only: str = "is_leaf", equal: int = 0) -> Alter:
    """Alter the first node of the first predictor that has such a node."""

    def alter(model: Any) -> None:
        for iteration in model._predictors:
            for one in iteration:
                rows = np.flatnonzero(one.nodes[only] == equal)
                if rows.size:
                    one.nodes[field][rows[0]] = value
                    return

    return alter


def predictor(model: Any) -> Any:
    return model._predictors[0][0]


attack("histogram: left", histogram, leafy("left", 2**31))
attack("histogram: right", histogram, leafy("right", 2**32 - 1))
attack("histogram: loop", histogram, leafy("left", 0))
attack("histogram: feature", histogram, leafy("feature_idx", FAR))
attack("histogram: feature one too many", histogram, leafy("feature_idx", 6))
attack("histogram: feature negative", histogram, leafy("feature_idx", -FAR))
attack("histogram: bitset", histogram, leafy("bitset_idx", 2**31, only="is_categorical", equal=1))
attack(
    "histogram: number by category",
    histogram,
    lambda m: put(m._bin_mapper, is_categorical_=np.zeros(6, "u1")),
)
attack("histogram: no end", histogram, leafy("is_leaf", 0, equal=1))
attack("histogram: no nodes", histogram, lambda m: put(predictor(m), nodes=predictor(m).nodes[:0]))
attack("histogram: nodes is None", histogram, lambda m: put(predictor(m), nodes=None))
attack(
    "histogram: bitsets cut",
    histogram,
    lambda m: (
        [put(p, raw_left_cat_bitsets=np.zeros((0, 8), "u4")) for i in m._predictors for p in i]
        and None
    ),
)
attack("histogram: features", histogram, lambda m: put(m, _n_features=9))
attack(
    "histogram: mapper", histogram, lambda m: put(m._bin_mapper, is_categorical_=np.ones(2, "u1"))
)
attack("histogram: bin", histogram, lambda m: put(m._bin_mapper, missing_values_bin_idx_=900))
attack(
    "histogram: preprocessor",
    histogram,
    lambda m: put(m._preprocessor, transformers_=m._preprocessor.transformers_[:1]),
)
attack("histogram: stranger", histogram, lambda m: put(m, _predictors=[[None] * 3]))
