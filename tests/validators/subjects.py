# SPDX-License-Identifier: BSD-3-Clause
"""Models that are damaged: small ones whose state compiled code reads, and rows to use them on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import scipy.stats
from scipy.interpolate import BSpline, PchipInterpolator
from sklearn import (
    calibration,
    cluster,
    decomposition,
    ensemble,
    gaussian_process,
    impute,
    isotonic,
    kernel_approximation,
    linear_model,
    manifold,
    mixture,
    model_selection,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

_rng = np.random.default_rng(0)
X = _rng.normal(size=(40, 3))
Y = np.arange(40) % 3
REAL = X[:, 0] * 2 + X[:, 1]
GROUPS = np.column_stack([Y, X])
SPARSE = sp.csr_matrix(np.where(abs(X) > 0.4, X, 0.0))
WORDS = ["aa bb cc dd", "bb cc", "dd dd aa"]
TABLE = pd.DataFrame({"n": X[:, 0], "c": pd.Categorical(list("abcd") * 10)})
MIXED = ColumnTransformer(
    [("n", preprocessing.StandardScaler(), ["n"]), ("c", preprocessing.OneHotEncoder(), ["c"])]
)

MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "tree": lambda: (tree.DecisionTreeClassifier(max_depth=3).fit(X, Y), X),
    "forest": lambda: (ensemble.RandomForestClassifier(2, max_depth=2).fit(X, Y), X),
    "boosting": lambda: (ensemble.GradientBoostingClassifier(n_estimators=2).fit(X, Y), X),
    "isolation": lambda: (ensemble.IsolationForest(n_estimators=2).fit(X), X),
    "histogram": lambda: (
        ensemble.HistGradientBoostingClassifier(
            max_iter=2, min_samples_leaf=4, categorical_features=[0]
        ).fit(GROUPS, Y),
        GROUPS,
    ),
    "k-d tree": lambda: (
        neighbors.KNeighborsClassifier(3, algorithm="kd_tree", leaf_size=3).fit(X, Y),
        X,
    ),
    "ball tree": lambda: (
        neighbors.KNeighborsClassifier(3, algorithm="ball_tree", leaf_size=3).fit(X, Y),
        X,
    ),
    "brute": lambda: (
        neighbors.KNeighborsClassifier(3, algorithm="brute", metric="manhattan").fit(X, Y),
        X,
    ),
    "outliers": lambda: (neighbors.LocalOutlierFactor(5, novelty=True).fit(X), X),
    "density": lambda: (neighbors.KernelDensity(leaf_size=4).fit(X), X),
    "vectors": lambda: (svm.SVC().fit(X, Y), X),
    "one class": lambda: (svm.OneClassSVM().fit(X), X),
    "sparse vectors": lambda: (svm.SVC().fit(SPARSE, Y), SPARSE),
    "calibrated": lambda: (
        calibration.CalibratedClassifierCV(svm.LinearSVC(), cv=2).fit(X, Y),
        X,
    ),
    "k-means": lambda: (cluster.KMeans(3, n_init=1).fit(X), X),
    "birch": lambda: (cluster.Birch(n_clusters=3).fit(X), X),
    "bisecting": lambda: (cluster.BisectingKMeans(3, n_init=1).fit(X), X),
    "dictionary": lambda: (decomposition.MiniBatchDictionaryLearning(2, max_iter=2).fit(X), X),
    "topics": lambda: (decomposition.LatentDirichletAllocation(2, max_iter=2).fit(abs(X)), abs(X)),
    "components": lambda: (decomposition.PCA(2).fit(X), X),
    "isomap": lambda: (manifold.Isomap(n_neighbors=4).fit(X), X),
    "mixture": lambda: (mixture.GaussianMixture(2).fit(X), X),
    "process": lambda: (gaussian_process.GaussianProcessRegressor().fit(X[:15], REAL[:15]), X),
    "logistic": lambda: (linear_model.LogisticRegression().fit(X, Y), X),
    "descent": lambda: (linear_model.SGDClassifier(max_iter=20).fit(X, Y), X),
    "lasso": lambda: (linear_model.Lasso(0.1).fit(X, REAL), X),
    "network": lambda: (neural_network.MLPClassifier((4,), max_iter=5).fit(X, Y), X),
    "bayes": lambda: (naive_bayes.CategoricalNB().fit(GROUPS[:, :1], Y), GROUPS[:, :1]),
    "isotonic": lambda: (isotonic.IsotonicRegression().fit(X[:, 0], REAL), X[:, 0]),
    "kernel": lambda: (kernel_approximation.PolynomialCountSketch(n_components=5).fit(X), X),
    "imputer": lambda: (impute.KNNImputer(n_neighbors=2).fit(X), X),
    "one hot": lambda: (
        preprocessing.OneHotEncoder(sparse_output=False, handle_unknown="ignore").fit(
            GROUPS[:, :1]
        ),
        GROUPS[:, :1],
    ),
    "bins": lambda: (preprocessing.KBinsDiscretizer(3).fit(X), X),
    "targets": lambda: (preprocessing.TargetEncoder(cv=2).fit(GROUPS[:, :1], REAL), GROUPS[:, :1]),
    "quantiles": lambda: (preprocessing.QuantileTransformer(n_quantiles=9).fit(X), X),
    "spline": lambda: (preprocessing.SplineTransformer().fit(X), X),
    "powers": lambda: (preprocessing.PolynomialFeatures().fit(SPARSE), SPARSE),
    "words": lambda: (CountVectorizer().fit(WORDS), WORDS),
    "texts": lambda: (
        pipeline.make_pipeline(TfidfVectorizer(), linear_model.LogisticRegression()).fit(
            WORDS, [0, 1, 0]
        ),
        WORDS,
    ),
    "table": lambda: (
        pipeline.make_pipeline(MIXED, ensemble.ExtraTreesClassifier(2, max_depth=2)).fit(TABLE, Y),
        TABLE,
    ),
    "search": lambda: (
        model_selection.RandomizedSearchCV(
            linear_model.Ridge(), {"alpha": scipy.stats.uniform(0, 1)}, n_iter=2, cv=2
        ).fit(X, REAL),
        X,
    ),
    "csr": lambda: (SPARSE, None),
    "csc": lambda: (SPARSE.tocsc(), None),
    "bsr": lambda: (SPARSE.tobsr(), None),
    "coo": lambda: (SPARSE.tocoo(), None),
    "dia": lambda: (SPARSE[:3].todia(), None),
    "lil": lambda: (SPARSE[:4].tolil(), None),
    "random": lambda: (np.random.RandomState(0), 5),
    "philox": lambda: (np.random.Generator(np.random.Philox(0)), 5),
    "frame": lambda: (TABLE, None),
    "series": lambda: (TABLE["c"], None),
    "dates": lambda: (pd.Series(pd.date_range("2020-01-01", periods=9, tz="UTC")), None),
    "nullable": lambda: (pd.Series([1, None, 3], dtype="Int64"), None),
    "levels": lambda: (TABLE.set_index(["n", "c"]), None),
    "basis": lambda: (BSpline(np.arange(9.0), np.ones(5), 3), X[:, 0]),
    "curve": lambda: (PchipInterpolator(np.arange(9.0), np.arange(9.0)), X[:, 0]),
    "records": lambda: (
        [
            np.array([(1, 2.5, "a")], dtype=[("a", "i4"), ("b", "f8"), ("c", "U3")]),
            np.array(["a", None, 2], dtype=object),
            np.ma.masked_array([1.0, 2.0], [True, False]),
            np.array(["2020-01-01"], dtype="M8[ns]"),
        ],
        None,
    ),
}
