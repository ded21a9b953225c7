# SPDX-License-Identifier: BSD-3-Clause
"""Attacks on what looks things up: neighbours, encoders, data frames, attributes."""

from __future__ import annotations

import copy
from collections import UserDict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn import neighbors, preprocessing
from sklearn.cluster._kmeans import _kmeans_single_lloyd
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import DistanceMetric, make_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.validators.altered_numbers import csr, vectors
from tests.validators.altered_trees import classifier
from tests.validators.altering import FAR, Alter, Attacks, put, setting
from tests.validators.honest import FRAME, THREE, X

ATTACKS = Attacks()
attack = ATTACKS.add

# ------------------------------------------------------------------------------------ neighbours


def nearest(kind: str = "kd_tree") -> Any:
    return neighbors.KNeighborsClassifier(algorithm=kind, leaf_size=5, metric="manhattan").fit(
        X, THREE
    )


def ball() -> Any:
    return nearest("ball_tree")


def brute() -> Any:
    return nearest("brute")


def index(position: int, change: Callable[[Any], Any]) -> Alter:
    """Alter one entry of the state of a model's search tree."""

    def alter(model: Any) -> None:
        make, arguments, state = model._tree.__reduce__()
        state = list(copy.deepcopy(state))
        state[position] = change(state[position])
        model._tree = make(*arguments)
        model._tree.__setstate__(tuple(state))

    return alter


for maker in (nearest, ball):
    kind = maker.__name__
    attack(f"{kind}: row out of range", maker, index(1, setting(0, FAR)))
    attack(f"{kind}: row negative", maker, index(1, setting(0, -FAR)))
    attack(f"{kind}: row twice", maker, index(1, setting(0, 1)))
    attack(f"{kind}: rows cut", maker, index(1, lambda rows: rows[:3]))
    attack(
        f"{kind}: end of a node",
        maker,
        index(2, lambda n: setting(len(n) - 1, (0, FAR, 1, 0.0))(n)),
    )
    attack(
        f"{kind}: start of a node",
        maker,
        index(2, lambda n: setting(len(n) - 1, (-FAR, 9, 1, 0.0))(n)),
    )
    attack(
        f"{kind}: last leaf has children",
        maker,
        index(2, lambda n: setting(len(n) - 1, (*n[-1].tolist()[:2], 0, 0.0))(n)),
    )
    attack(
        f"{kind}: all rows in each leaf",
        maker,
        index(2, lambda n: [n["idx_start"].fill(0), n["idx_end"].fill(90)] and n),
    )
    attack(f"{kind}: nodes cut", maker, index(2, lambda n: n[:1]))
    attack(f"{kind}: bounds cut", maker, index(3, lambda b: b[:, :1].copy()))
    attack(f"{kind}: bounds narrow", maker, index(3, lambda b: b[:, :, :1].copy()))
    attack(f"{kind}: levels", maker, index(5, lambda _: 30))
    attack(f"{kind}: nodes counted", maker, index(6, lambda _: 10**6))
    attack(f"{kind}: metric is None", maker, index(11, lambda _: None))
    attack(
        f"{kind}: metric too narrow",
        maker,
        index(11, lambda _: DistanceMetric.get_metric("seuclidean", V=np.ones(2))),
    )
    attack(f"{kind}: weights cut", maker, index(12, lambda _: np.ones(3)))
    attack(f"{kind}: other data", maker, index(0, lambda d: d[:40].copy()))

attack("metric: not square", lambda: DistanceMetric.get_metric("mahalanobis", V=np.eye(3)),
       lambda m: m.__setstate__((2.0, np.zeros(1), np.zeros((3, 1)))))  # fmt: skip
attack("votes: label out of range", brute, lambda m: put(m, _y=m._y + FAR))
attack("votes: label negative", brute, lambda m: put(m, _y=m._y - FAR))
attack("votes: labels cut", brute, lambda m: put(m, _y=m._y[:2]))
attack("votes: classes cut", brute, lambda m: put(m, classes_=m.classes_[:1]))
attack("neighbours: count", brute, lambda m: put(m, n_samples_fit_=FAR))
attack("neighbours: narrow rows", brute, lambda m: put(m, _fit_X=m._fit_X[:, :1].copy()))
attack("neighbours: lengths of rows", brute,
       lambda m: put(m, effective_metric_params_={"Y_norm_squared": np.zeros(1)}))  # fmt: skip
attack("neighbours: another tree", nearest, lambda m: put(m, _tree=neighbors.KDTree(X[:9])))
attack("neighbours: no tree at all", nearest, lambda m: put(m, _tree=classifier()))


# ------------------------------------------------------------------------------------ encoders


def words() -> Any:
    return CountVectorizer().fit(["one two three", "two four"])


def one_hot(**options: Any) -> Any:
    return preprocessing.OneHotEncoder(**options).fit(FRAME[["a", "c"]])


attack("vocabulary: out of range", words, lambda m: m.vocabulary_.update(two=FAR))
attack("vocabulary: negative", words, lambda m: m.vocabulary_.update(two=-1))
attack("vocabulary: no number", words, lambda m: m.vocabulary_.update(two=classifier()))
attack("vocabulary: no dict", words, lambda m: put(m, vocabulary_=[1]))
attack(
    "vocabulary: of records",
    lambda: DictVectorizer().fit([{"a": 1}]),
    lambda m: m.vocabulary_.update(a=FAR),
)
attack(
    "labels: cached",
    lambda: preprocessing.MultiLabelBinarizer().fit([{1}]),
    lambda m: put(m, _cached_dict={1: FAR}),
)
attack("hasher: no columns", FeatureHasher, lambda m: put(m, n_features=0))
attack("one hot: narrow", one_hot, lambda m: put(m, _n_features_outs=[1, 1]))
attack(
    "one hot: out of order",
    one_hot,
    lambda m: put(m, categories_=[m.categories_[0], np.array([2, 1])]),
)
attack(
    "one hot: repeated", one_hot, lambda m: put(m, categories_=[m.categories_[0], np.array([1, 1])])
)
attack(
    "one hot: drops another",
    lambda: one_hot(drop="first"),
    lambda m: put(m, _drop_idx_after_grouping=np.array([99, 99], dtype=object)),
)
attack(
    "one hot: groups elsewhere",
    lambda: one_hot(max_categories=2),
    lambda m: put(m, _default_to_infrequent_mappings=[np.array([FAR] * 3), None]),
)
attack("one hot: features", one_hot, lambda m: put(m, n_features_in_=7))
attack(
    "bins: another encoder",
    lambda: preprocessing.KBinsDiscretizer(3).fit(X),
    lambda m: put(m, _encoder=words()),
)


# ------------------------------------------------------------------------------------ pandas


def categories() -> Any:
    return pd.Categorical(["a", "b"])


def recode(code: int) -> Alter:
    return lambda m: setting(0, code)(m._ndarray) is None


attack("pandas: code", categories, recode(99))
attack("pandas: code negative", categories, recode(-9))
attack(
    "pandas: index code",
    lambda: pd.MultiIndex.from_product([[1, 2], [3]]),
    lambda m: put(m, _codes=[np.array([9, 9], "i1"), np.array([0, 0], "i1")]),
)
attack("pandas: mask", lambda: pd.array([1, None]), lambda m: put(m, _mask=m._mask[:1]))


def misplace(frame: Any) -> None:
    from pandas._libs.internals import BlockPlacement

    frame._mgr.blocks[0].mgr_locs = BlockPlacement(np.array([10**6]))


attack("pandas: placement", lambda: pd.DataFrame({"a": [1.0]}), misplace)

# ------------------------------------------------------------------------------------ containers


def in_itself(holder: list[Any]) -> None:
    holder[0].append({"deeper": holder})


def nested(holder: list[Any]) -> Any:
    for _ in range(500):
        holder = [holder]
    return holder


def side_by_side(holder: list[Any]) -> Any:
    """Return lists nested as deep, each of which is near the top as well."""
    held = [holder]
    for _ in range(500):
        held.append([held[-1]])
    return held


attack("containers: in itself", lambda: [[]], in_itself)
attack("containers: deep", lambda: [[]], nested)
attack("containers: deep, and near the top", lambda: [[]], side_by_side)

# ------------------------------------------------------------------------------------ functions


def function() -> Any:
    return preprocessing.FunctionTransformer(np.add)


for keyword in ("kw_args", "inv_kw_args"):
    attack(
        f"function: {keyword} with out",
        function,
        lambda m, name=keyword: put(m, **{name: {"out": np.zeros(3)}}),
    )
attack("function: keywords of a user", function, lambda m: put(m, kw_args=UserDict(out=1)))
attack("function: part of a fit", function, lambda m: put(m, func=_kmeans_single_lloyd))
attack("function: partly, with out", lambda: None, lambda _: partial(np.add, 1, out=np.zeros(3)))
attack("function: partly, with an array", lambda: None, lambda _: partial(np.divmod, X, X, X))
attack("function: a scorer's", lambda: None, lambda _: make_scorer(np.subtract, out=X))
attack("function: metric with out", brute, lambda m: put(m, effective_metric_params_={"out": X}))
attack("workers: too many", brute, lambda m: put(m, n_jobs=10**6))

# ------------------------------------------------------------------------------------ attributes

for name in (
    "predict",
    "fit",
    "predict_proba",
    "transform",
    "tree_",
    "__call__",
    "__array__",
    "_validate_X_predict",
):
    if name != "tree_":
        attack(f"name: {name}", classifier, lambda m, name=name: put(m, **{name: np.exp}))
attack(
    "name: of a pipeline",
    lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    lambda m: put(m, predict=np.exp),
)
attack("name: of a sparse matrix", csr, lambda m: put(m, dot=np.exp))
attack("name: of a class attribute", vectors, lambda m: put(m, _sparse_kernels=["rbf"]))
attack("name: analyzer", CountVectorizer, lambda m: put(m, build_analyzer=np.exp))
