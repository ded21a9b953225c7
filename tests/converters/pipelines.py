# SPDX-License-Identifier: BSD-3-Clause
# ruff: noqa: E501 - a pipeline a line
"""Pipelines as people write them, for the coverage table: mixed columns, texts, searches, stacks, NaN."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, VarianceThreshold
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import (
    ElasticNet,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
)
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputRegressor
from sklearn.naive_bayes import ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
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
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from safeserial_converters.coverage_cases import Case
from safeserial_converters.trials import Data

TRAIN, HELD = 240, 800
NUMBERS = ["age", "fare", "weight"]
WORDS = ["town", "class"]


def _frame(seed: int, rows: int, *, missing: bool) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": random.normal(40, 12, rows).round(1),
            "fare": random.lognormal(3, 1, rows),
            "weight": random.gamma(3, 20, rows),
            "town": random.choice(np.array(["Köln", "Paris", "Łódź", "New York"], object), rows),
            "class": random.choice(
                np.array(["first", "second", "third"], object), rows, p=[0.2, 0.3, 0.5]
            ),
        }
    )
    if missing:
        for name in frame.columns:
            frame.loc[random.random(rows) < 0.1, name] = np.nan
    return frame


def _signal(frame: pd.DataFrame) -> np.ndarray:
    value = (frame["age"].fillna(40) - 40) / 12 - np.log1p(frame["fare"].fillna(20)) / 2
    return (value + (frame["class"] == "first") * 1.5 + (frame["town"] == "Paris")).to_numpy()


def _mixed(*, missing: bool = False) -> dict[str, Data]:
    train, held = _frame(0, TRAIN, missing=missing), _frame(1, HELD, missing=missing)
    signal = _signal(train) + np.random.default_rng(2).normal(0, 0.3, TRAIN)
    return {
        "two": Data("two", train, np.where(signal > np.median(signal), "yes", "no"), held),
        "three": Data("three", train, np.digitize(signal, np.quantile(signal, [0.3, 0.7])), held),
        "number": Data("number", train, signal, held),
        "positive": Data("positive", train, np.exp(signal), held),
    }


def _numbers(*, missing: bool = False) -> dict[str, Data]:
    tables = _mixed(missing=missing)
    found = {}
    for kind, data in tables.items():
        arrays = [part[NUMBERS].to_numpy() for part in (data.train, data.held_out)]
        found[kind] = Data(kind, arrays[0], data.target, arrays[1])
    signal = tables["number"].target
    labels = np.stack([signal > 0, signal > 1, arrays[0][:, 0] > 40], 1).astype(int)
    found["labels"] = Data("labels", arrays[0], labels, arrays[1])
    pair = np.stack([signal, signal**2], 1)
    found["pair"] = Data("pair", arrays[0], pair, arrays[1])
    return found


def _texts() -> Data:
    random = np.random.default_rng(3)
    common = "the a of and is it was film Très bon café naïve Größe МИР мир ΣΟΦΟΣ 漢字 don't 10 x_1".split()
    good, bad = "great lovely superb".split(), "awful dull boring".split()

    def make(rows: int) -> tuple[list[str], np.ndarray]:
        target = random.integers(0, 2, rows)
        made = [
            " ".join(
                random.permutation(
                    [
                        *random.choice(common, random.integers(2, 12)),
                        *random.choice(good if one else bad, random.integers(0, 3)),
                    ]
                )
            )
            for one in target
        ]
        return made, np.where(target, "pos", "neg")

    train, target = make(TRAIN)
    held, _ = make(HELD)
    return Data("texts", train, target, [*held, "", "GREAT!!! film"])


def _columns(*, scale: object = None, sparse: bool = True) -> ColumnTransformer:
    numbers = make_pipeline(SimpleImputer(strategy="median"), scale or StandardScaler())
    words = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=sparse),
    )
    return ColumnTransformer([("numbers", numbers, NUMBERS), ("words", words, WORDS)])


def _ordinal() -> ColumnTransformer:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return ColumnTransformer([("words", encoder, WORDS)], remainder="passthrough")


def _forest(kind: type = RandomForestClassifier, **options: object) -> object:
    return kind(n_estimators=15, random_state=0, **options)


def cases() -> list[Case]:
    """Return the pipelines."""
    lr = LogisticRegression(max_iter=1000)
    full, gaps = _mixed(), _mixed(missing=True)
    plain, holes = _numbers(), _numbers(missing=True)
    texts = [_texts()]
    table = [
        # numbers
        ("scaler, logistic", make_pipeline(StandardScaler(), lr), plain["two"]),
        ("scaler, forest", make_pipeline(StandardScaler(), _forest()), plain["three"]),
        ("min-max, SVC", make_pipeline(MinMaxScaler(), SVC()), plain["three"]),
        ("scaler, SVC with probabilities", make_pipeline(StandardScaler(), CalibratedClassifierCV(SVC(), cv=2, ensemble=False)), plain["two"]),
        ("scaler, linear SVC", make_pipeline(StandardScaler(), LinearSVC()), plain["three"]),
        ("scaler, PCA, logistic", make_pipeline(StandardScaler(), PCA(2), lr), plain["three"]),
        ("polynomials, ridge", make_pipeline(StandardScaler(), PolynomialFeatures(2), Ridge()), plain["number"]),
        ("splines, ridge", make_pipeline(SplineTransformer(n_knots=4), Ridge()), plain["number"]),
        ("power, elastic net", make_pipeline(PowerTransformer(), ElasticNet(alpha=0.01)), plain["number"]),
        ("quantiles, linear", make_pipeline(QuantileTransformer(n_quantiles=50), LinearRegression()), plain["number"]),
        ("robust, k neighbours", make_pipeline(RobustScaler(), KNeighborsClassifier(weights="distance")), plain["three"]),
        ("bins, naive Bayes", make_pipeline(KBinsDiscretizer(5, encode="onehot", quantile_method="averaged_inverted_cdf"), MultinomialNB()), plain["three"]),
        ("log, scaler, logistic", make_pipeline(FunctionTransformer(np.log1p), StandardScaler(), lr), Data("two", np.abs(plain["two"].train), plain["two"].target, np.abs(plain["two"].held_out))),
        ("scaler, MLP", make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=60, random_state=0)), plain["three"]),
        ("scaler, MLP regressor", make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(8,), max_iter=60, random_state=0)), plain["number"]),
        ("Nyström, logistic", make_pipeline(StandardScaler(), Nystroem(n_components=20, random_state=0), lr), plain["two"]),
        ("random features, SGD", make_pipeline(StandardScaler(), RBFSampler(random_state=0), SGDClassifier(random_state=0)), plain["two"]),
        ("scaler, Gaussian process", make_pipeline(StandardScaler(), GaussianProcessRegressor(alpha=0.1)), plain["number"]),
        ("scaler, SVR", make_pipeline(StandardScaler(), SVR()), plain["number"]),
        ("scaler, mixture", make_pipeline(StandardScaler(), GaussianMixture(3, random_state=0)), plain["three"]),
        ("scaler, isolation forest", make_pipeline(StandardScaler(), _forest(IsolationForest)), plain["three"]),
        ("best columns, Gaussian Bayes", make_pipeline(VarianceThreshold(), SelectKBest(k=2), GaussianNB()), plain["three"]),
        ("columns by forest, logistic", make_pipeline(SelectFromModel(_forest(), threshold="median"), lr), plain["three"]),
        ("elimination, tree", make_pipeline(RFE(lr, n_features_to_select=2), DecisionTreeClassifier(max_depth=4)), plain["three"]),
        ("union of PCA and best, logistic", make_pipeline(StandardScaler(), make_union(PCA(2), SelectKBest(k=1)), lr), plain["three"]),
        # missing values
        ("median, gradient boosting", make_pipeline(SimpleImputer(strategy="median"), _forest(GradientBoostingClassifier)), holes["two"]),
        ("mean with indicator, logistic", make_pipeline(SimpleImputer(add_indicator=True), StandardScaler(), lr), holes["two"]),
        ("k neighbours imputer, ridge", make_pipeline(KNNImputer(), StandardScaler(), Ridge()), holes["number"]),
        ("iterative imputer, forest", make_pipeline(IterativeImputer(max_iter=3, random_state=0), _forest(RandomForestRegressor)), holes["number"]),
        ("forest on missing values", make_pipeline(StandardScaler(), _forest()), holes["three"]),
        ("histogram boosting on missing values", make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=20)), holes["three"]),
        # mixed columns
        ("columns, logistic", make_pipeline(_columns(), lr), full["two"]),
        ("columns with gaps, logistic", make_pipeline(_columns(), lr), gaps["two"]),
        ("columns with gaps, three classes", make_pipeline(_columns(), lr), gaps["three"]),
        ("columns with gaps, forest", make_pipeline(_columns(), _forest()), gaps["three"]),
        ("columns with gaps, extra trees", make_pipeline(_columns(sparse=False), _forest(ExtraTreesClassifier)), gaps["two"]),
        ("columns with gaps, gradient boosting", make_pipeline(_columns(), _forest(GradientBoostingRegressor)), gaps["number"]),
        ("columns with gaps, ridge", make_pipeline(_columns(scale=RobustScaler()), Ridge()), gaps["number"]),
        ("columns, histogram boosting", make_pipeline(_ordinal(), HistGradientBoostingClassifier(max_iter=20, categorical_features=[0, 1])), full["two"]),
        ("ordinal codes with gaps, histogram boosting", make_pipeline(_ordinal(), HistGradientBoostingRegressor(max_iter=20)), gaps["number"]),
        ("columns by dtype", make_pipeline(make_column_transformer((StandardScaler(), make_column_selector(dtype_include=np.number)), (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude=np.number))), lr), full["two"]),
        ("target encoder, ridge", make_pipeline(make_column_transformer((TargetEncoder(random_state=0), WORDS), remainder=StandardScaler()), Ridge()), full["number"]),
        ("columns, truncated SVD, k neighbours", make_pipeline(_columns(), TruncatedSVD(3, random_state=0), KNeighborsClassifier()), full["three"]),
        ("columns, Poisson", make_pipeline(_columns(), PoissonRegressor()), full["positive"]),
        ("rare categories grouped", make_pipeline(make_column_transformer((OneHotEncoder(min_frequency=0.25, handle_unknown="infrequent_if_exist"), WORDS), remainder="passthrough"), _forest()), full["two"]),
        ("columns, log of the target", TransformedTargetRegressor(make_pipeline(_columns(), Ridge()), func=np.log1p, inverse_func=np.expm1), full["positive"]),
        # several models
        ("grid search over a pipeline", GridSearchCV(make_pipeline(_columns(), lr), {"logisticregression__C": [0.1, 1]}, cv=2), gaps["two"]),
        ("random search, forest", RandomizedSearchCV(_forest(), {"max_depth": [2, 4]}, n_iter=2, cv=2, random_state=0), plain["three"]),
        ("halving search, SVC", HalvingGridSearchCV(make_pipeline(StandardScaler(), SVC()), {"svc__C": [1, 10]}, cv=2, random_state=0), plain["two"]),
        ("stack of forest and logistic", StackingClassifier([("forest", _forest()), ("linear", make_pipeline(StandardScaler(), lr))], cv=2), plain["three"]),
        ("stack of regressors", StackingRegressor([("forest", _forest(RandomForestRegressor)), ("ridge", Ridge())], cv=2), plain["number"]),
        ("columns, soft vote", make_pipeline(_columns(), VotingClassifier([("forest", _forest()), ("linear", lr)], voting="soft")), gaps["two"]),
        ("vote of regressors", VotingRegressor([("forest", _forest(RandomForestRegressor)), ("ridge", Ridge())]), plain["number"]),
        ("bagged trees", make_pipeline(StandardScaler(), BaggingClassifier(n_estimators=10, random_state=0)), plain["three"]),
        ("calibrated forest", CalibratedClassifierCV(_forest(), cv=2, method="isotonic"), plain["two"]),
        ("columns, calibrated SVM", make_pipeline(_columns(), CalibratedClassifierCV(LinearSVC(), cv=2)), gaps["two"]),
        ("tuned threshold", TunedThresholdClassifierCV(make_pipeline(StandardScaler(), lr), cv=2), plain["two"]),
        ("fixed threshold", FixedThresholdClassifier(make_pipeline(_columns(), lr), threshold=0.3, pos_label="yes"), gaps["two"]),
        ("one against the rest of labels", make_pipeline(StandardScaler(), OneVsRestClassifier(lr)), plain["labels"]),
        ("chain of classifiers", make_pipeline(StandardScaler(), ClassifierChain(lr)), plain["labels"]),
        ("several targets", make_pipeline(StandardScaler(), MultiOutputRegressor(Ridge())), plain["pair"]),
        # texts
        ("tf-idf, logistic", make_pipeline(TfidfVectorizer(), lr), texts[0]),
        ("tf-idf of pairs, linear SVC", make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, stop_words="english"), LinearSVC()), texts[0]),
        ("counts, naive Bayes", make_pipeline(CountVectorizer(), MultinomialNB()), texts[0]),
        ("characters, complement Bayes", make_pipeline(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)), ComplementNB()), texts[0]),
        ("tf-idf without accents, SVD, forest", make_pipeline(TfidfVectorizer(strip_accents="unicode"), TruncatedSVD(5, random_state=0), _forest()), texts[0]),
        ("hashing, SGD", make_pipeline(HashingVectorizer(n_features=2**18), SGDClassifier(random_state=0)), texts[0]),
        ("words and characters, logistic", make_pipeline(FeatureUnion([("words", TfidfVectorizer()), ("chars", TfidfVectorizer(analyzer="char", ngram_range=(1, 2)))]), lr), texts[0]),
        ("grid search, tf-idf", GridSearchCV(make_pipeline(TfidfVectorizer(), lr), {"tfidfvectorizer__min_df": [1, 2]}, cv=2), texts[0]),
    ]  # fmt: skip
    return [_case(name, model, data) for name, model, data in table]


def _case(name: str, model: object, data: Data) -> Case:
    from sklearn.base import clone

    return Case(name, lambda: clone(model), [data])
