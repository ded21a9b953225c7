# SPDX-License-Identifier: BSD-3-Clause
"""Honest native state in many shapes: what validation must never refuse.

The zoo has each estimator once; here are the options that change what compiled classes keep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.interpolate import BSpline, CubicSpline, make_interp_spline
from sklearn import cluster, decomposition, ensemble, neighbors, preprocessing, svm, tree
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.kernel_approximation import PolynomialCountSketch
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, SGDClassifier
from sklearn.metrics import DistanceMetric

_RNG = np.random.default_rng(3)
X = _RNG.normal(size=(90, 5))
THREE = np.arange(90) % 3
TWO = THREE % 2
BOTH = np.column_stack([THREE, TWO])
REAL = X[:, 0] * 2 + X[:, 1]
REALS = np.column_stack([REAL, X[:, 1]])
SPARSE = sp.csr_matrix(np.where(abs(X) > 0.5, X, 0.0))
GAPS = np.where(_RNG.random(X.shape) < 0.1, np.nan, X)
FRAME = pd.DataFrame(
    {"a": pd.Categorical(list("abc") * 30), "b": X[:, 0], "c": pd.Categorical([1, 2] * 45)}
)


def _trees() -> Iterator[Any]:
    options: list[dict[str, Any]] = [
        {},
        {"ccp_alpha": 0.02},
        {"max_leaf_nodes": 5},
        {"max_depth": 1},
        {"max_leaf_nodes": 9, "ccp_alpha": 0.01},
    ]
    for kind in (tree.DecisionTreeClassifier, tree.ExtraTreeClassifier):
        for option in options:
            model = lambda: kind(random_state=0, **option)  # noqa: B023 - called at once
            yield model().fit(X, THREE)
            yield model().fit(X.astype("f4"), TWO)
            yield model().fit(SPARSE, THREE)
            yield model().fit(X, BOTH)
        yield kind().fit(X, np.zeros(90))
    yield tree.DecisionTreeClassifier().fit(GAPS, THREE)
    for criterion in ("squared_error", "absolute_error", "friedman_mse"):
        yield tree.DecisionTreeRegressor(criterion=criterion).fit(X, REAL)
        yield tree.DecisionTreeRegressor(criterion=criterion).fit(X, REALS)
    for kind in (ensemble.RandomForestClassifier, ensemble.ExtraTreesClassifier):
        yield kind(3).fit(X, BOTH)
        yield kind(3, ccp_alpha=0.02).fit(SPARSE, THREE.astype(str))
    yield ensemble.RandomForestRegressor(3).fit(GAPS, REALS)
    yield ensemble.IsolationForest(n_estimators=3, max_features=0.5).fit(X)
    yield ensemble.RandomTreesEmbedding(3).fit(X)
    yield ensemble.BaggingClassifier(n_estimators=2, max_features=0.5).fit(X, THREE)


def _boosting() -> Iterator[Any]:
    kind = ensemble.GradientBoostingClassifier
    for target in (THREE, TWO):
        yield kind(n_estimators=3).fit(X, target)
        yield kind(n_estimators=3, init="zero", subsample=0.5).fit(SPARSE, target)
        yield kind(n_estimators=3, init=LogisticRegression()).fit(X, target)
    yield ensemble.GradientBoostingRegressor(n_estimators=3, loss="huber").fit(X, REAL)
    yield ensemble.GradientBoostingRegressor(n_estimators=2, init=LinearRegression()).fit(X, REAL)
    histogram = ensemble.HistGradientBoostingClassifier
    for target in (THREE, TWO):
        yield histogram(max_iter=3).fit(GAPS, target)
        yield histogram(max_iter=3, categorical_features="from_dtype").fit(FRAME, target)
        yield histogram(max_iter=3, categorical_features=[0]).fit(
            np.column_stack([THREE, X]), target
        )
        yield histogram(max_iter=3, max_bins=16, early_stopping=True).fit(X, target)
    yield ensemble.HistGradientBoostingRegressor(max_iter=3).fit(X[:5], REAL[:5])
    yield ensemble.HistGradientBoostingRegressor(max_iter=2).fit(X, np.zeros(90))


def _vectors() -> Iterator[Any]:
    for kernel in ("linear", "rbf"):
        for data in (X, SPARSE):
            yield svm.SVC(kernel=kernel).fit(data, THREE)
            yield svm.NuSVC(kernel=kernel).fit(data, TWO)
            yield svm.SVR(kernel=kernel).fit(data, REAL)
            yield svm.SVR(kernel=kernel, epsilon=1000.0).fit(data, REAL)
            yield svm.NuSVR(kernel=kernel).fit(data, REAL)
            yield svm.OneClassSVM(kernel=kernel).fit(data)
    yield svm.SVC(kernel="precomputed").fit(X @ X.T, THREE)
    yield svm.LinearSVC().fit(X, THREE)
    yield svm.LinearSVC(fit_intercept=False).fit(X, TWO)


def _neighbours() -> Iterator[Any]:
    tables = [X, X.astype("f4"), X[:3], X[:1], np.zeros((150, 2)), np.asfortranarray(X)]
    for algorithm in ("kd_tree", "ball_tree", "brute"):
        for data in tables:
            labels = np.arange(len(data)) % 3
            yield neighbors.KNeighborsClassifier(1, algorithm=algorithm).fit(data, labels)
            yield neighbors.NearestNeighbors(algorithm=algorithm, leaf_size=1).fit(data)
        yield neighbors.KNeighborsClassifier(algorithm=algorithm).fit(X, BOTH)
        yield neighbors.KNeighborsRegressor(algorithm=algorithm).fit(X, REALS)
        yield neighbors.RadiusNeighborsClassifier(algorithm=algorithm).fit(X, THREE.astype(str))
        yield neighbors.LocalOutlierFactor(algorithm=algorithm, novelty=True).fit(X)
    metrics: list[tuple[str, dict[str, Any]]] = [
        ("chebyshev", {}),
        ("canberra", {}),
        ("mahalanobis", {"V": np.cov(X.T)}),
        ("seuclidean", {"V": X.var(axis=0)}),
        ("minkowski", {"w": np.ones(5)}),
    ]
    for metric, options in metrics:
        for algorithm in ("ball_tree", "brute"):
            yield neighbors.NearestNeighbors(
                algorithm=algorithm, metric=metric, metric_params=options
            ).fit(X)
    yield neighbors.NearestNeighbors(algorithm="brute").fit(SPARSE)
    yield neighbors.NearestNeighbors(metric="precomputed").fit(abs(X @ X.T))
    yield neighbors.BallTree(X[:, :2], metric="haversine")
    yield neighbors.KDTree(X, sample_weight=np.ones(90), leaf_size=500)
    yield DistanceMetric.get_metric("mahalanobis", V=np.eye(1))


def _encoders() -> Iterator[Any]:
    words = FRAME[["a", "c"]]
    kind = preprocessing.OneHotEncoder
    yield kind().fit(FRAME)
    yield kind(drop="first").fit(words)
    yield kind(drop="if_binary").fit(words)
    yield kind(max_categories=2, handle_unknown="infrequent_if_exist").fit(words)
    yield kind(min_frequency=31, drop="first").fit(words)
    yield kind().fit(GAPS[:, :1].round())
    yield kind(categories=[list("zyx")]).fit(np.array([list("zyx")], dtype=object).T)
    yield kind().fit(np.array([[None, 1], ["a", 2]], dtype=object))
    yield kind().fit(pd.DataFrame({"t": pd.to_datetime(["2020", "2021"]), "u": [True, False]}))
    yield preprocessing.KBinsDiscretizer(3).fit(X)
    yield preprocessing.MultiLabelBinarizer().fit([{1, 2}, {3}])
    for extrapolation in ("constant", "linear", "periodic", "continue", "error"):
        yield preprocessing.SplineTransformer(extrapolation=extrapolation).fit(X)
        yield preprocessing.SplineTransformer(2, degree=1, extrapolation=extrapolation).fit(X)
    yield CountVectorizer(vocabulary=["a", "b"]).fit(["a b"])
    yield TfidfVectorizer(ngram_range=(1, 2)).fit(["aa bb", "bb cc"])
    yield HashingVectorizer(n_features=4).fit(["aa"])
    yield {f"word{number}": number for number in range(50_000)}


def _others() -> Iterator[Any]:
    for kind in (cluster.KMeans, cluster.MiniBatchKMeans, cluster.BisectingKMeans):
        for data in (X, X.astype("f4"), SPARSE):
            yield kind(3, n_init=1).fit(data)
    yield cluster.MiniBatchKMeans(3).partial_fit(X)
    yield cluster.Birch(n_clusters=None).fit(X)
    yield cluster.HDBSCAN(store_centers="both", copy=True).fit(X)
    yield cluster.AffinityPropagation(affinity="precomputed", random_state=0).fit(X @ X.T)
    yield decomposition.MiniBatchNMF(2).fit(abs(X))
    yield decomposition.NMF().fit(abs(X))
    for degree in (0, 2, (0, 1), (1, 1), (2, 3), (3, 3), (4, 70)):
        for apart in (False, True):
            yield preprocessing.PolynomialFeatures(degree, interaction_only=apart).fit(X[:, :3])
    yield preprocessing.PolynomialFeatures((999, 1000), interaction_only=True).fit(
        np.ones((2, 1000))
    )
    yield preprocessing.PolynomialFeatures(3, include_bias=False).fit(X)
    yield PolynomialCountSketch(degree=3, coef0=1).fit(X)
    yield PolynomialCountSketch(n_components=2).fit(SPARSE)
    for target in (THREE, TWO):
        yield LogisticRegression(fit_intercept=False).fit(X, target)
        yield SGDClassifier().fit(X, target).sparsify()
    yield Lasso(fit_intercept=False).fit(X, REALS)


def _frames() -> Iterator[Any]:
    yield from (FRAME, FRAME.set_index("a"), FRAME["a"], FRAME["b"], FRAME.T, FRAME.iloc[::2])
    yield pd.concat([FRAME, FRAME], axis=1)
    yield FRAME.groupby("a", observed=True)["b"].agg(["mean", "std"])
    yield from (pd.DataFrame(), pd.Series(dtype=float), pd.DataFrame(np.zeros((3, 0))))
    yield pd.MultiIndex.from_product([[1, 2], ["a", "b"]])
    yield pd.DataFrame(
        {
            "integers": pd.array([1, None]),
            "sparse": pd.arrays.SparseArray([0, 1]),
            "blocks": pd.arrays.SparseArray([0, 1], kind="block"),
            "periods": pd.period_range("2020", periods=2),
            "times": pd.date_range("2020", periods=2, tz="UTC"),
            "spans": pd.to_timedelta([1, 2]),
            "intervals": pd.interval_range(0, 2),
        }
    )


def _numbers() -> Iterator[Any]:
    for form in ("csr", "csc", "bsr", "coo", "dia", "dok", "lil"):
        for shape in ((5, 7), (0, 3), (4, 0), (1, 1)):
            yield sp.random(*shape, 0.4, format=form)
            yield getattr(sp, f"{form}_array")(sp.random(*shape, 0.4))
    yield from (sp.csr_array(np.arange(4.0)), sp.coo_array(np.arange(4.0)))
    for name in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"):
        generator = np.random.Generator(getattr(np.random, name)(1))
        generator.random(7)
        yield generator
        yield np.random.RandomState(generator.bit_generator)
    yield np.random.SeedSequence(5)
    yield BSpline(np.arange(6.0), np.arange(3.0), 2)
    yield make_interp_spline(np.arange(9.0), X[:9])
    yield CubicSpline(np.arange(9.0), X[:9])
    yield np.ma.masked_array([1.0, 2.0], [True, False])


FAMILIES: dict[str, Callable[[], Iterator[Any]]] = {
    "trees": _trees,
    "boosting": _boosting,
    "vectors": _vectors,
    "neighbours": _neighbours,
    "encoders": _encoders,
    "others": _others,
    "frames": _frames,
    "numbers": _numbers,
}
