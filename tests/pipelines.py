# SPDX-License-Identifier: BSD-3-Clause
"""Pipelines as people write them: tables, texts, searches, stacks; small data, fitted on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.decomposition import NMF, PCA, FastICA, LatentDirichletAllocation, TruncatedSVD
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, VarianceThreshold
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import (
    ElasticNet,
    HuberRegressor,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputRegressor
from sklearn.naive_bayes import ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, SVR, LinearSVC, OneClassSVM

ROWS = 60
_RANDOM = np.random.default_rng(0)
NUMBERS = _RANDOM.normal(size=(ROWS, 5))
CLASSES = (NUMBERS[:, 0] + NUMBERS[:, 1] > 0).astype(int)
TARGET = NUMBERS @ np.arange(1.0, 6.0)
HOLES = np.where(_RANDOM.random(NUMBERS.shape) < 0.1, np.nan, NUMBERS)
TEXTS = [
    f"the {'red' if one else 'blue'} fox number {i % 7} jumps" for i, one in enumerate(CLASSES)
]
TABLE = pd.DataFrame(
    {
        "age": np.abs(NUMBERS[:, 0]) * 30,
        "income": np.exp(NUMBERS[:, 1]),
        "city": _RANDOM.choice(["Rome", "Oslo", "Bern"], ROWS),
        "plan": _RANDOM.choice(["a", "b"], ROWS),
        "note": TEXTS,
    }
)
_COLUMNS = ["age", "income"], ["city", "plan"]


def _table(numbers: Any, words: Any, model: Any) -> Pipeline:
    return make_pipeline(
        ColumnTransformer([("numbers", numbers, _COLUMNS[0]), ("words", words, _COLUMNS[1])]), model
    )


def _one_hot() -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="ignore")


def _clean() -> Pipeline:
    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler())


Made = Callable[[], tuple[Any, Any, Any]]
_NUMBERS: dict[str, Callable[[], Any]] = {
    "scaled logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "robust SVC": lambda: make_pipeline(RobustScaler(), SVC(probability=False)),
    "min-max kNN": lambda: make_pipeline(MinMaxScaler(), KNeighborsClassifier(3)),
    "PCA, SVC": lambda: make_pipeline(StandardScaler(), PCA(3), SVC()),
    "whitened PCA, kNN": lambda: make_pipeline(PCA(3, whiten=True), KNeighborsClassifier()),
    "polynomials, logistic": lambda: make_pipeline(
        PolynomialFeatures(2), StandardScaler(), LogisticRegression()
    ),
    "bins, naive Bayes": lambda: make_pipeline(
        KBinsDiscretizer(4, encode="ordinal", quantile_method="linear"), GaussianNB()
    ),
    "k best, forest": lambda: make_pipeline(SelectKBest(k=3), RandomForestClassifier(10)),
    "variance, extra trees": lambda: make_pipeline(VarianceThreshold(), ExtraTreesClassifier(10)),
    "by model, boosting": lambda: make_pipeline(
        SelectFromModel(RandomForestClassifier(5)), GradientBoostingClassifier(n_estimators=5)
    ),
    "RFE, linear SVC": lambda: make_pipeline(
        RFE(LogisticRegression(), n_features_to_select=3), LinearSVC()
    ),
    "quantiles, MLP": lambda: make_pipeline(
        QuantileTransformer(n_quantiles=20), MLPClassifier((8,), max_iter=400, random_state=0)
    ),
    "power, ridge classifier": lambda: make_pipeline(PowerTransformer(), RidgeClassifier()),
    "Nystroem, SGD": lambda: make_pipeline(Nystroem(n_components=20), SGDClassifier()),
    "RBF sampler, logistic": lambda: make_pipeline(
        RBFSampler(n_components=20), LogisticRegression()
    ),
    "union of PCA and best": lambda: make_pipeline(
        make_union(PCA(2), SelectKBest(k=2)), LogisticRegression()
    ),
    "calibrated SVC": lambda: CalibratedClassifierCV(
        make_pipeline(StandardScaler(), LinearSVC()), cv=3
    ),
    "stack": lambda: StackingClassifier(
        [("forest", RandomForestClassifier(5)), ("line", make_pipeline(StandardScaler(), SVC()))],
        LogisticRegression(),
        cv=3,
    ),
    "AdaBoost": lambda: make_pipeline(StandardScaler(), AdaBoostClassifier(n_estimators=5)),
    "normal, one against rest": lambda: make_pipeline(
        Normalizer(), OneVsRestClassifier(LogisticRegression())
    ),
    "log of absolute values": lambda: make_pipeline(
        FunctionTransformer(np.abs), FunctionTransformer(np.log1p), LogisticRegression()
    ),
    "search over C": lambda: GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"logisticregression__C": [0.1, 1]},
        cv=2,
    ),
    "search for a forest": lambda: RandomizedSearchCV(
        RandomForestClassifier(5), {"max_depth": [2, 3, None]}, n_iter=2, cv=2, random_state=0
    ),
    "named steps, passthrough": lambda: Pipeline(
        [("scale", "passthrough"), ("clean", SimpleImputer()), ("tree", RandomForestClassifier(5))]
    ),
    "k-means, logistic": lambda: make_pipeline(KMeans(4, n_init=2), LogisticRegression()),
    "ICA, kNN": lambda: make_pipeline(FastICA(3, random_state=0, tol=0.1), KNeighborsClassifier()),
}
_REGRESSIONS: dict[str, Callable[[], Any]] = {
    "scaled ridge": lambda: make_pipeline(StandardScaler(), Ridge()),
    "splines, linear": lambda: make_pipeline(SplineTransformer(n_knots=4), LinearRegression()),
    "lasso by CV": lambda: make_pipeline(StandardScaler(), LassoCV(cv=3)),
    "elastic net": lambda: make_pipeline(RobustScaler(), ElasticNet()),
    "Huber": lambda: make_pipeline(StandardScaler(), HuberRegressor()),
    "SVR": lambda: make_pipeline(StandardScaler(), SVR()),
    "kNN": lambda: make_pipeline(MinMaxScaler(), KNeighborsRegressor(3)),
    "Gaussian process": lambda: make_pipeline(
        StandardScaler(), GaussianProcessRegressor(RBF() + WhiteKernel(), optimizer=None)
    ),
    "log target": lambda: TransformedTargetRegressor(
        make_pipeline(StandardScaler(), Ridge()),
        func=np.cbrt,
        inverse_func=np.exp,
        check_inverse=False,
    ),
    "bagged trees": lambda: make_pipeline(PCA(3), BaggingRegressor(n_estimators=5)),
    "vote": lambda: VotingRegressor(
        [("ridge", Ridge()), ("forest", RandomForestRegressor(5)), ("near", KNeighborsRegressor())]
    ),
    "boosting": lambda: make_pipeline(StandardScaler(), GradientBoostingRegressor(n_estimators=5)),
}
_HOLED: dict[str, Callable[[], Any]] = {
    "median, logistic": lambda: make_pipeline(_clean(), LogisticRegression()),
    "neighbours, forest": lambda: make_pipeline(KNNImputer(), RandomForestClassifier(5)),
    "indicator": lambda: make_pipeline(
        make_union(SimpleImputer(), MissingIndicator(features="all")), LogisticRegression()
    ),
    "boosting with holes": lambda: HistGradientBoostingClassifier(max_iter=5),
}
_TEXTS: dict[str, Callable[[], Any]] = {
    "tf-idf, logistic": lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()),
    "counts, naive Bayes": lambda: make_pipeline(
        CountVectorizer(ngram_range=(1, 2)), MultinomialNB()
    ),
    "characters, SGD": lambda: make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3)), SGDClassifier()
    ),
    "hashes, linear SVC": lambda: make_pipeline(HashingVectorizer(n_features=64), LinearSVC()),
    "tf-idf, SVD, forest": lambda: make_pipeline(
        TfidfVectorizer(stop_words="english"), TruncatedSVD(3), RandomForestClassifier(5)
    ),
    "topics": lambda: make_pipeline(
        CountVectorizer(), LatentDirichletAllocation(2, max_iter=2), LogisticRegression()
    ),
    "parts": lambda: make_pipeline(
        TfidfVectorizer(), NMF(2, init="nndsvd", max_iter=500), KNeighborsClassifier()
    ),
    "complement": lambda: make_pipeline(CountVectorizer(binary=True), ComplementNB()),
}
_TABLES: dict[str, Callable[[], Any]] = {
    "one-hot, logistic": lambda: _table(_clean(), _one_hot(), LogisticRegression()),
    "ordinal, forest": lambda: _table("passthrough", OrdinalEncoder(), RandomForestClassifier(5)),
    "ordinal, boosting": lambda: _table(
        "passthrough", OrdinalEncoder(), HistGradientBoostingClassifier(max_iter=5)
    ),
    "target encoder": lambda: _table(
        StandardScaler(), TargetEncoder(random_state=0), LogisticRegression()
    ),
    "dropped, scaled": lambda: _table(StandardScaler(), "drop", SVC()),
    "by type of column": lambda: make_pipeline(
        make_column_transformer(
            (StandardScaler(), make_column_selector(dtype_include=float)),
            (_one_hot(), ["city"]),
            (TfidfVectorizer(), "note"),
        ),
        LogisticRegression(),
    ),
    "search over a table": lambda: GridSearchCV(
        _table(_clean(), _one_hot(), RandomForestClassifier(5)),
        {"randomforestclassifier__max_depth": [2, None]},
        cv=2,
    ),
    "min-max, infrequent": lambda: _table(
        MinMaxScaler(),
        OneHotEncoder(min_frequency=0.2, handle_unknown="infrequent_if_exist"),
        KNeighborsClassifier(),
    ),
}
_OTHERS: dict[str, Made] = {
    "counts of a table": lambda: (
        _table(StandardScaler(), _one_hot(), PoissonRegressor()),
        TABLE,
        np.arange(ROWS) % 5,
    ),
    "regression on a table": lambda: (
        _table(_clean(), _one_hot(), HistGradientBoostingRegressor(max_iter=5)),
        TABLE,
        TARGET,
    ),
    "two targets": lambda: (
        make_pipeline(StandardScaler(), MultiOutputRegressor(Ridge())),
        NUMBERS,
        np.c_[TARGET, -TARGET],
    ),
    "chain of labels": lambda: (
        make_pipeline(StandardScaler(), ClassifierChain(LogisticRegression())),
        NUMBERS,
        np.c_[CLASSES, 1 - CLASSES],
    ),
    "words as labels": lambda: (
        make_pipeline(StandardScaler(), LogisticRegression()),
        NUMBERS,
        np.array(["no", "yes"])[CLASSES],
    ),
    "outliers": lambda: (
        make_pipeline(StandardScaler(), IsolationForest(n_estimators=5)),
        NUMBERS,
        None,
    ),
    "novelties": lambda: (
        make_pipeline(StandardScaler(), LocalOutlierFactor(novelty=True)),
        NUMBERS,
        None,
    ),
    "one class": lambda: (make_pipeline(StandardScaler(), OneClassSVM()), NUMBERS, None),
    "mixture": lambda: (make_pipeline(StandardScaler(), GaussianMixture(2)), NUMBERS, None),
}
PIPELINES: dict[str, Made] = {
    **{f"numbers: {k}": lambda f=f: (f(), NUMBERS, CLASSES) for k, f in _NUMBERS.items()},
    **{f"regression: {k}": lambda f=f: (f(), NUMBERS, TARGET) for k, f in _REGRESSIONS.items()},
    **{f"holes: {k}": lambda f=f: (f(), HOLES, CLASSES) for k, f in _HOLED.items()},
    **{f"texts: {k}": lambda f=f: (f(), TEXTS, CLASSES) for k, f in _TEXTS.items()},
    **{f"table: {k}": lambda f=f: (f(), TABLE, CLASSES) for k, f in _TABLES.items()},
    **_OTHERS,
}
