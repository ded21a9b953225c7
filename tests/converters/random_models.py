# SPDX-License-Identifier: BSD-3-Clause
"""Random models on random data, as hypothesis strategies: what users might come up with.

Numbers that tie, are missing, huge, tiny or all equal; strings in any script; pipelines of one to
three steps with parameters that change what is computed.
"""

# ruff: noqa: E501 - tables of parameters

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from sklearn import (
    cluster,
    decomposition,
    discriminant_analysis,
    ensemble,
    feature_selection,
    impute,
    kernel_approximation,
    linear_model,
    mixture,
    naive_bayes,
    neighbors,
    svm,
    tree,
)
from sklearn import preprocessing as pp
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_extraction import text
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, Pipeline

from tests.converters.harness import Data

ROWS, HELD_OUT = 150, 300
WORDS = [
    "red",
    "GREEN",
    "été",
    "ΩΜΈΓΑ",
    "漢字",
    "x y",
    "don't",
    "İstanbul",
    "a_b",
    "0",
    "1.5",
    "nan",
]


def made(kind: Any, /, **options: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for unfitted estimators of a class."""
    return st.builds(kind, **options)


def of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


YES_NO = st.booleans()
SEED = st.just(0)
SCALERS = [
    made(pp.StandardScaler, with_mean=YES_NO, with_std=YES_NO),
    made(pp.MinMaxScaler, clip=YES_NO),
    made(pp.RobustScaler, quantile_range=of((25.0, 75.0), (5.0, 60.0)), unit_variance=YES_NO),
    made(pp.MaxAbsScaler),
]
EXPANSIONS = [
    made(pp.PowerTransformer, standardize=YES_NO),
    made(pp.QuantileTransformer, n_quantiles=of(7, 50), output_distribution=of("uniform", "normal")),
    made(
        pp.KBinsDiscretizer, n_bins=of(2, 5), encode=of("ordinal", "onehot", "onehot-dense"),
        strategy=of("uniform", "quantile"), quantile_method=st.just("averaged_inverted_cdf"),
    ),
    made(pp.PolynomialFeatures, degree=of(2, 3), interaction_only=YES_NO, include_bias=YES_NO),
    made(pp.SplineTransformer, n_knots=of(3, 5), extrapolation=of("constant", "linear", "continue")),
    made(pp.Normalizer, norm=of("l1", "l2", "max")),
    made(pp.Binarizer, threshold=of(0.0, 1.0)),
    made(decomposition.PCA, n_components=of(1, 2), whiten=YES_NO, random_state=SEED),
    made(decomposition.TruncatedSVD, n_components=of(1, 2), random_state=SEED),
    made(feature_selection.SelectKBest, k=of(1, 2, "all")),
    made(feature_selection.VarianceThreshold),
    made(kernel_approximation.Nystroem, n_components=of(5), random_state=SEED),
    made(kernel_approximation.RBFSampler, n_components=of(5), random_state=SEED),
    made(pp.FunctionTransformer, func=of(None, np.abs, np.cbrt, np.tanh)),
    made(lambda: FeatureUnion([("a", pp.StandardScaler()), ("b", pp.Binarizer())])),
]  # fmt: skip
IMPUTERS = [
    made(
        impute.SimpleImputer, strategy=of("mean", "median", "most_frequent"), add_indicator=YES_NO
    ),
    made(impute.KNNImputer, n_neighbors=of(1, 3), weights=of("uniform", "distance")),
    made(impute.IterativeImputer, max_iter=of(2), random_state=SEED),
]
TREES = {"max_depth": of(2, 5, None), "min_samples_leaf": of(1, 5), "random_state": SEED}
MANY = {**TREES, "n_estimators": of(3, 10)}
BOOST = {"max_iter": of(5), "max_leaf_nodes": of(4, 31), "random_state": SEED}
CLASSIFIERS = [
    made(linear_model.LogisticRegression, C=of(0.1, 10.0), fit_intercept=YES_NO),
    made(linear_model.RidgeClassifier, alpha=of(0.1, 10.0)),
    made(linear_model.SGDClassifier, loss=of("hinge", "log_loss", "modified_huber"), random_state=SEED),
    made(linear_model.Perceptron, random_state=SEED),
    made(svm.LinearSVC, random_state=SEED),
    made(svm.SVC, kernel=of("rbf", "poly", "sigmoid", "linear"), decision_function_shape=of("ovr", "ovo")),
    made(tree.DecisionTreeClassifier, **TREES),
    made(ensemble.RandomForestClassifier, **MANY),
    made(ensemble.ExtraTreesClassifier, **MANY),
    made(ensemble.GradientBoostingClassifier, n_estimators=of(5), random_state=SEED),
    made(ensemble.HistGradientBoostingClassifier, **BOOST),
    made(ensemble.AdaBoostClassifier, n_estimators=of(4), random_state=SEED),
    made(ensemble.BaggingClassifier, n_estimators=of(4), max_features=of(0.5, 1.0), random_state=SEED),
    made(neighbors.KNeighborsClassifier, n_neighbors=of(1, 4), weights=of("uniform", "distance"), p=of(1, 2)),
    made(neighbors.NearestCentroid),
    made(naive_bayes.GaussianNB),
    made(naive_bayes.BernoulliNB, binarize=of(0.0, 1.0)),
    made(discriminant_analysis.LinearDiscriminantAnalysis, solver=of("svd", "lsqr")),
    made(discriminant_analysis.QuadraticDiscriminantAnalysis, reg_param=of(0.1, 0.5)),
    made(MLPClassifier, hidden_layer_sizes=of((4,), (3, 3)), activation=of("relu", "tanh", "logistic"), max_iter=of(20), random_state=SEED),
    made(lambda m: CalibratedClassifierCV(linear_model.RidgeClassifier(), cv=3, method=m), m=of("sigmoid", "isotonic")),
    made(lambda v: ensemble.VotingClassifier([("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier(max_depth=3, random_state=0))], voting=v), v=of("hard", "soft")),
]  # fmt: skip
REGRESSORS = [
    made(linear_model.Ridge, alpha=of(0.1, 10.0)),
    made(linear_model.ElasticNet, alpha=of(0.01, 0.5)),
    made(linear_model.HuberRegressor),
    made(linear_model.BayesianRidge),
    made(svm.SVR, kernel=of("rbf", "poly", "linear")),
    made(tree.DecisionTreeRegressor, **TREES),
    made(ensemble.RandomForestRegressor, **MANY),
    made(ensemble.GradientBoostingRegressor, n_estimators=of(5), random_state=SEED),
    made(ensemble.HistGradientBoostingRegressor, **BOOST),
    made(neighbors.KNeighborsRegressor, n_neighbors=of(1, 4), weights=of("uniform", "distance")),
    made(MLPRegressor, hidden_layer_sizes=of((4,)), max_iter=of(20), random_state=SEED),
    made(PLSRegression, n_components=of(1)),
    made(lambda: TransformedTargetRegressor(linear_model.Ridge(), transformer=pp.StandardScaler())),
]
OTHERS = [
    made(cluster.KMeans, n_clusters=of(2, 4), n_init=of(1), random_state=SEED),
    made(mixture.GaussianMixture, n_components=of(2), covariance_type=of("full", "tied", "diag", "spherical"), random_state=SEED),
    made(ensemble.IsolationForest, n_estimators=of(5), random_state=SEED),
    made(svm.OneClassSVM),
    made(neighbors.LocalOutlierFactor, novelty=st.just(value=True), n_neighbors=of(5, 18)),
]  # fmt: skip


@st.composite
def tables(draw: Any, *, frame: bool) -> tuple[Any, Any]:
    """Return training rows and held-out rows, of numbers in one of the awkward ways."""
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    width = draw(st.integers(2, 4))
    rows = random.normal(size=(ROWS + HELD_OUT, width))
    for i in range(width):
        way = draw(of("plain", "plain", "whole", "coarse", "huge", "tiny", "equal", "far"))
        column = rows[:, i]
        rows[:, i] = {
            "plain": column,
            "whole": np.round(column * 2),
            "coarse": np.round(column, 1),
            "huge": column * 1e9,
            "tiny": column * 1e-9,
            "equal": np.full_like(column, 3.0),
            "far": column + 1e4,
        }[way]
    if draw(of(False, False, True)):
        rows = np.where(random.random(rows.shape) < 0.1, np.nan, rows)
    if not frame:
        return rows[:ROWS], rows[ROWS:]
    words = draw(st.lists(of(*WORDS), min_size=2, max_size=6, unique=True))
    table = pd.DataFrame(rows, columns=[f"n {i}" for i in range(width)])
    for name in ("s", "ß"):
        values = random.choice(np.array(words, object), len(table))
        if draw(of(False, False, True)):
            values = np.where(random.random(len(table)) < 0.1, None, values)
        table[name] = values
    return table[:ROWS], table[ROWS:].reset_index(drop=True)


def _target(draw: Any, train: Any, kind: str) -> Any:
    random = np.random.default_rng(draw(st.integers(0, 100)))
    numbers = train.select_dtypes("number").to_numpy() if hasattr(train, "iloc") else train
    with np.errstate(all="ignore"):
        first = np.nan_to_num(numbers[:, 0])
        signal = first / (np.abs(first).max() or 1.0) + random.normal(0, 0.3, len(first))
    if kind == "regressor":
        return signal * draw(of(1.0, 1e6))
    count = draw(of(2, 3))
    codes = np.digitize(signal, np.quantile(signal, np.arange(1, count) / count))
    return draw(of(np.array(["no", "yes", "maybé"])[codes], codes, codes * 5 - 3))


def _encoders() -> st.SearchStrategy[Any]:
    return st.one_of(
        made(pp.OneHotEncoder, handle_unknown=of("ignore", "infrequent_if_exist"), min_frequency=of(None, 20), drop=of(None, "if_binary")),
        made(pp.OrdinalEncoder, handle_unknown=st.just("use_encoded_value"), unknown_value=of(-1), encoded_missing_value=of(-2, np.nan)),
        made(pp.TargetEncoder, random_state=SEED),
    )  # fmt: skip


@st.composite
def models(draw: Any) -> tuple[Any, Data]:
    """Return an unfitted model, and data for it."""
    kind = draw(of("classifier", "classifier", "regressor", "other"))
    frame = kind != "other" and draw(YES_NO)
    train, held_out = draw(tables(frame=frame))
    target = _target(draw, train, kind)
    steps: list[tuple[str, Any]] = []
    missing = bool(pd.isna(train).to_numpy().any() if frame else np.isnan(train).any())
    numeric: list[tuple[str, Any]] = []
    if missing and draw(of(True, True, False)):
        numeric.append(("imputer", draw(st.one_of(IMPUTERS))))
    if draw(YES_NO):
        numeric.append(("scaler", draw(st.one_of(SCALERS))))
    if draw(YES_NO):
        numeric.append(("step", draw(st.one_of(EXPANSIONS))))
    if frame:
        names = [one for one in train.columns if one.startswith("n ")]
        inner = Pipeline(numeric) if numeric else "passthrough"
        parts = [("numbers", inner, names), ("words", draw(_encoders()), ["s", "ß"])]
        steps.append(("columns", ColumnTransformer(parts, sparse_threshold=draw(of(0.0, 0.3)))))
    else:
        steps += numeric
    last = {"classifier": CLASSIFIERS, "regressor": REGRESSORS, "other": OTHERS}[kind]
    steps.append(("model", draw(st.one_of(last))))
    model = Pipeline(steps) if len(steps) > 1 or draw(YES_NO) else steps[0][1]
    return model, Data(kind, train, target, held_out)


@st.composite
def text_models(draw: Any) -> tuple[Any, Data]:
    """Return a model of texts, and texts in all scripts."""
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    words = [*WORDS, draw(st.text(max_size=6)) or "w"]
    texts = [" ".join(random.choice(words, random.integers(0, 9))) for _ in range(ROWS + HELD_OUT)]
    common: dict[str, Any] = {
        "lowercase": YES_NO, "strip_accents": of(None, "unicode", "ascii"), "binary": YES_NO,
        "analyzer": of("word", "char", "char_wb"), "ngram_range": of((1, 1), (1, 2), (2, 2)),
    }  # fmt: skip
    first = draw(
        st.one_of(
            made(text.CountVectorizer, **common, max_features=of(None, 10), stop_words=of(None, ["red"])),
            made(text.TfidfVectorizer, **common, norm=of("l1", "l2", None), sublinear_tf=YES_NO, use_idf=YES_NO, min_df=of(1, 3)),
            made(text.HashingVectorizer, **common, n_features=st.just(64), alternate_sign=YES_NO),
        )
    )  # fmt: skip
    last = draw(
        st.one_of(
            made(linear_model.LogisticRegression),
            made(tree.DecisionTreeClassifier, **TREES),
            made(naive_bayes.BernoulliNB),
        )
    )
    target = np.array([int("red" in one) for one in texts[:ROWS]])
    target[:2] = 0, 1
    return Pipeline([("texts", first), ("model", last)]), Data(
        "texts", texts[:ROWS], target, texts[ROWS:]
    )
