# SPDX-License-Identifier: BSD-3-Clause
"""Attacks: honest models with one thing altered in their native state.

Each entry of :data:`ATTACKS` returns the altered model, which no one may use: compiled code would
follow what it holds.  :data:`CRASHES` pairs some of them with a call that does.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.interpolate import BSpline
from sklearn import cluster, ensemble, neighbors, preprocessing, svm, tree
from sklearn.decomposition import NMF
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import DistanceMetric
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree._tree import Tree

from tests.validators.honest import FRAME, REAL, SPARSE, THREE, X

FAR = 10**8
Alter = Callable[[Any], Any]
ATTACKS: dict[str, Callable[[], Any]] = {}


def attack(name: str, make: Callable[[], Any], alter: Alter) -> None:
    def build() -> Any:
        model = pickle.loads(pickle.dumps(make()))
        replaced = alter(model)
        return model if replaced is None or isinstance(replaced, bool) else replaced

    ATTACKS[name] = build


def put(owner: Any, **values: Any) -> None:
    vars(owner).update(values)


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
    """Build a tree a second time: memory of the right size is taken as it is, and so is the count."""
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


def setting(at: Any, value: Any) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array[at] = value
        return array

    return change


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

attack("metric: a matrix that is not square", lambda: DistanceMetric.get_metric("mahalanobis", V=np.eye(3)),
       lambda m: m.__setstate__((2.0, np.zeros(1), np.zeros((3, 1)))))  # fmt: skip
attack("votes: label out of range", brute, lambda m: put(m, _y=m._y + FAR))
attack("votes: label negative", brute, lambda m: put(m, _y=m._y - FAR))
attack("votes: labels cut", brute, lambda m: put(m, _y=m._y[:2]))
attack("votes: classes cut", brute, lambda m: put(m, classes_=m.classes_[:1]))
attack("neighbours: count", brute, lambda m: put(m, n_samples_fit_=FAR))
attack("neighbours: narrow rows", brute, lambda m: put(m, _fit_X=m._fit_X[:, :1].copy()))
attack("neighbours: another tree", nearest, lambda m: put(m, _tree=neighbors.KDTree(X[:9])))
attack("neighbours: no tree at all", nearest, lambda m: put(m, _tree=classifier()))


# ------------------------------------------------------------------------------------ sparse matrices


def csr() -> Any:
    return sp.random(6, 8, 0.5, format="csr", random_state=0)


def form(name: str) -> Callable[[], Any]:
    return lambda: csr().asformat(name)


for name in ("csr", "csc", "bsr"):
    attack(f"{name}: index out of range", form(name), lambda m: put(m, indices=m.indices + FAR))
    attack(
        f"{name}: index one too many",
        form(name),
        lambda m: put(m, indices=setting(0, 8)(m.indices)),
    )
    attack(f"{name}: index negative", form(name), lambda m: put(m, indices=m.indices - FAR))
    attack(
        f"{name}: indptr decreases",
        form(name),
        lambda m: put(m, indptr=setting(1, m.indptr[2] + 1)(m.indptr)),
    )
    attack(
        f"{name}: indptr past the end",
        form(name),
        lambda m: put(m, indptr=setting(-1, FAR)(m.indptr)),
    )
    attack(
        f"{name}: indptr begins late", form(name), lambda m: put(m, indptr=setting(0, 1)(m.indptr))
    )
    attack(f"{name}: indptr short", form(name), lambda m: put(m, indptr=m.indptr[:2]))
    attack(f"{name}: data short", form(name), lambda m: put(m, data=m.data[:1]))
    attack(f"{name}: shape grows", form(name), lambda m: put(m, _shape=(FAR, FAR)))
    attack(f"{name}: shape negative", form(name), lambda m: put(m, _shape=(-1, -1)))
    attack(f"{name}: indices of floats", form(name), lambda m: put(m, indices=m.indices * 1.0))
    attack(f"{name}: data of objects", form(name), lambda m: put(m, data=m.data.astype(object)))
attack("bsr: empty blocks", form("bsr"), lambda m: put(m, data=np.zeros((len(m.data), 0, 1))))
attack("coo: out of range", form("coo"), lambda m: put(m, coords=(m.coords[0], m.coords[1] + FAR)))
attack("coo: negative", form("coo"), lambda m: put(m, coords=(m.coords[0] - FAR, m.coords[1])))
attack("coo: short", form("coo"), lambda m: put(m, coords=(m.coords[0][:1], m.coords[1])))
attack("dia: offsets short", form("dia"), lambda m: put(m, offsets=m.offsets[:1]))
attack("dia: twice", form("dia"), lambda m: put(m, offsets=m.offsets * 0))
attack("dok: key", form("dok"), lambda m: put(m, _dict={(FAR, 0): 1.0}))
attack(
    "lil: column",
    form("lil"),
    lambda m: put(m, rows=setting(0, [FAR])(m.rows), data=setting(0, [1.0])(m.data)),
)
attack("lil: values short", form("lil"), lambda m: put(m, data=setting(0, [])(m.data)))


# ------------------------------------------------------------------------------------ support vectors


def vectors() -> Any:
    return svm.SVC().fit(X, THREE)


def sparse_vectors() -> Any:
    return svm.SVC().fit(SPARSE, THREE)


attack("svm: vectors short", vectors, lambda m: put(m, support_vectors_=m.support_vectors_[:2]))
attack(
    "svm: vectors narrow",
    vectors,
    lambda m: put(m, support_vectors_=m.support_vectors_[:, :1].copy()),
)
attack("svm: counts", vectors, lambda m: put(m, _n_support=m._n_support * 1000))
attack(
    "svm: counts moved",
    vectors,
    lambda m: put(m, _n_support=np.array([FAR, -FAR, len(m.support_)], "i4")),
)
attack(
    "svm: more classes", vectors, lambda m: put(m, _n_support=np.array([*m._n_support, 0], "i4"))
)
attack("svm: coefficients short", vectors, lambda m: put(m, _dual_coef_=m._dual_coef_[:1].copy()))
attack(
    "svm: coefficients narrow", vectors, lambda m: put(m, _dual_coef_=m._dual_coef_[:, :1].copy())
)
attack("svm: intercepts short", vectors, lambda m: put(m, _intercept_=m._intercept_[:1]))
attack("svm: intercepts none", vectors, lambda m: put(m, _intercept_=m._intercept_[:0]))
attack("svm: probabilities short", vectors, lambda m: put(m, _probA=np.ones(1), _probB=np.ones(1)))
attack("svm: probabilities half", vectors, lambda m: put(m, _probA=np.ones(3)))
attack(
    "svm: another kernel",
    lambda: svm.SVC(kernel="precomputed").fit(X @ X.T, THREE),
    lambda m: put(m, kernel="rbf"),
)
attack(
    "svm: support out of range",
    vectors,
    lambda m: put(m, support_=m.support_ + FAR, kernel="precomputed"),
)
attack("svm: another problem", vectors, lambda m: put(m, _impl="epsilon_svr"))
attack("svm: sparse flag", vectors, lambda m: put(m, _sparse=True))
attack(
    "svm: sparse indptr",
    sparse_vectors,
    lambda m: setting(1, FAR)(m.support_vectors_.indptr) is None,
)
attack(
    "svm: sparse index",
    sparse_vectors,
    lambda m: put(m.support_vectors_, indices=m.support_vectors_.indices - FAR),
)
attack(
    "svm: sparse coefficients",
    sparse_vectors,
    lambda m: put(m, _dual_coef_=sp.csr_matrix(m._dual_coef_.shape)),
)
attack(
    "svm: regression counts",
    lambda: svm.SVR().fit(X, REAL),
    lambda m: put(m, _n_support=np.array([1, 1], "i4")),
)


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


# ------------------------------------------------------------------------------------ others


def twister(position: int) -> Alter:
    def alter(model: Any) -> None:
        state = model.get_state(legacy=False)
        state["state"]["pos"] = position
        model.set_state(state)

    return alter


def philox(generator: Any) -> None:
    state = generator.state
    state["buffer_pos"] = -5
    generator.state = state


def spline() -> Any:
    return BSpline(np.arange(9.0), np.arange(5.0), 3)


def means() -> Any:
    return cluster.KMeans(3, n_init=1, random_state=0).fit(X)


attack("twister: far", lambda: np.random.RandomState(0), twister(10**6))
attack("twister: one too many", lambda: np.random.RandomState(0), twister(625))
attack("twister: negative", lambda: np.random.RandomState(0), twister(-1))
attack(
    "twister: in a model",
    lambda: classifier().set_params(random_state=np.random.RandomState(0)),
    lambda m: twister(FAR)(m.random_state),
)
attack("philox: negative", lambda: np.random.Philox(1), philox)
attack("spline: degree", spline, lambda m: put(m, k=500))
attack("spline: degree negative", spline, lambda m: put(m, k=-1))
attack("spline: knots short", spline, lambda m: put(m, _t=m._t[:4]))
attack("spline: coefficients short", spline, lambda m: put(m, _c=m._c[:1]))
attack("spline: knots unsorted", spline, lambda m: put(m, _t=m._t[::-1].copy()))
attack("spline: knot not finite", spline, lambda m: put(m, _t=m._t * np.nan))
attack(
    "splines: one missing",
    lambda: preprocessing.SplineTransformer().fit(X),
    lambda m: m.bsplines_.pop() and None,
)
attack(
    "k-means: narrow", means, lambda m: put(m, cluster_centers_=m.cluster_centers_[:, :1].copy())
)
attack("k-means: none", means, lambda m: put(m, cluster_centers_=m.cluster_centers_[:0]))
attack("k-means: threads", means, lambda m: put(m, _n_threads=-1))
attack(
    "birch: norms",
    lambda: cluster.Birch(n_clusters=None).fit(X),
    lambda m: put(m, _subcluster_norms=m._subcluster_norms[:1]),
)
attack(
    "bisecting: loop",
    lambda: cluster.BisectingKMeans(3, n_init=1).fit(X),
    lambda m: put(m._bisecting_tree, left=m._bisecting_tree),
)
attack(
    "hierarchy: far",
    lambda: cluster.HDBSCAN(copy=True).fit(X),
    lambda m: setting(0, FAR)(m._single_linkage_tree_["left_node"]) is None,
)
attack(
    "linear: narrow",
    lambda: SGDClassifier().fit(X, THREE),
    lambda m: put(m, coef_=m.coef_[:, :1].copy()),
)
attack(
    "linear: rows",
    lambda: LogisticRegression().fit(X, THREE),
    lambda m: put(m, coef_=m.coef_[:1].copy()),
)
attack(
    "components: narrow",
    lambda: NMF(2).fit(abs(X)),
    lambda m: put(m, components_=m.components_[:, :2]),
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


# What these do to a process: an expression of the altered `model` and of some `rows`.
CRASHES: dict[str, str] = {
    "tree: left child out of range": "model.predict(rows)",
    "tree: never built": "model.predict(rows)",
    "boosting: tree is None": "model.predict(rows)",
    "nearest: row out of range": "model.predict(rows)",
    "nearest: metric is None": "model.predict(rows)",
    "votes: label out of range": "model.predict(rows)",
    "csr: index out of range": "model.toarray()",
    "svm: sparse indptr": "model.predict(scipy.sparse.csr_matrix(numpy.ones((9, 5))))",
    "vocabulary: out of range": "model.transform(['two']).toarray()",
    "histogram: feature": "model.predict(numpy.hstack([rows, rows])[:, :6])",
}
