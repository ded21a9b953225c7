# SPDX-License-Identifier: BSD-3-Clause
"""Estimators of feature_engine, mlxtend and skrub through the front door, none of them trusted.

Each is fitted, written by pickle, by joblib and as a signed artifact, loaded under the default
policy, and says of its data what the original says.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import pickle
import warnings
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import safeserial as ss

pytestmark = pytest.mark.filterwarnings("ignore")
ROWS = 80
METHODS = ("predict", "predict_proba", "transform")


@functools.cache
def table() -> pd.DataFrame:
    """Return columns of every kind: numbers, categories, days."""
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "n1": random.random(ROWS) * 5 + 1,
            "n2": random.random(ROWS) + 1,
            "n3": random.integers(1, 9, ROWS).astype(float),
            "small": random.random(ROWS),
            "c1": random.choice(list("abc"), ROWS),
            "c2": random.choice(["xx yarn", "yy zebra"], ROWS),
            "day": pd.date_range("2020-01-01", periods=ROWS, freq="h"),
        }
    )


def target(*, number: bool = False) -> pd.Series:
    """Return two classes, or a number for each row."""
    values = table().n1 + table().n2
    return values if number else (values > 4.5).astype(int)


NUMBERS = ["n1", "n2", "n3"]
WORDS = ["c1", "c2"]
_CLASSIFIER = functools.partial(LogisticRegression, max_iter=500)
# module and class, columns (one name: a Series; None: an array), arguments, whether y is a number
Case = tuple[str, Any, dict[str, Any], bool]


def _cases(prefix: str, columns: Any, names: str) -> list[Case]:
    return [(f"{prefix}.{name}", columns, {}, False) for name in names.split()]


FEATURE_ENGINE: list[Case] = [
    *_cases("feature_engine.creation", NUMBERS, "CyclicalFeatures"),
    ("feature_engine.creation.MathFeatures", NUMBERS,
     {"variables": ["n1", "n2"], "func": ["sum", "mean", np.std]}, False),
    ("feature_engine.creation.RelativeFeatures", NUMBERS,
     {"variables": ["n1"], "reference": ["n2"], "func": ["sub", "div"]}, False),
    ("feature_engine.creation.DecisionTreeFeatures", NUMBERS, {}, True),
    *_cases("feature_engine.datetime", ["day"], "DatetimeFeatures"),
    *_cases("feature_engine.discretisation", NUMBERS,
            "EqualFrequencyDiscretiser EqualWidthDiscretiser GeometricWidthDiscretiser"),
    ("feature_engine.discretisation.ArbitraryDiscretiser", NUMBERS,
     {"binning_dict": {"n1": [0, 2, 4, np.inf]}}, False),
    ("feature_engine.discretisation.DecisionTreeDiscretiser", NUMBERS, {}, True),
    *_cases("feature_engine.encoding", WORDS,
            "CountFrequencyEncoder MeanEncoder OneHotEncoder OrdinalEncoder RareLabelEncoder"
            " StringSimilarityEncoder WoEEncoder"),
    ("feature_engine.encoding.DecisionTreeEncoder", WORDS, {"regression": False}, False),
    *_cases("feature_engine.imputation", NUMBERS,
            "AddMissingIndicator ArbitraryNumberImputer DropMissingData EndTailImputer"
            " MeanMedianImputer"),
    *_cases("feature_engine.imputation", WORDS, "CategoricalImputer"),
    ("feature_engine.imputation.RandomSampleImputer", NUMBERS, {"random_state": 0}, False),
    *_cases("feature_engine.outliers", NUMBERS, "OutlierTrimmer Winsorizer"),
    ("feature_engine.outliers.ArbitraryOutlierCapper", NUMBERS,
     {"max_capping_dict": {"n1": 4}}, False),
    ("feature_engine.preprocessing.MatchCategories", WORDS,
     {"variables": WORDS, "ignore_format": True}, False),
    *_cases("feature_engine.preprocessing", NUMBERS, "MatchVariables"),
    *_cases("feature_engine.scaling", NUMBERS, "MeanNormalizationScaler"),
    *_cases("feature_engine.selection", NUMBERS,
            "DropConstantFeatures DropCorrelatedFeatures DropDuplicateFeatures"
            " DropHighPSIFeatures MRMR SelectByTargetMeanPerformance SmartCorrelatedSelection"),
    ("feature_engine.selection.DropFeatures", NUMBERS, {"features_to_drop": ["n3"]}, False),
    *[(f"feature_engine.selection.{name}", NUMBERS, {"estimator": _CLASSIFIER()}, False)
      for name in ("ProbeFeatureSelection", "RecursiveFeatureAddition",
                   "RecursiveFeatureElimination", "SelectByShuffling",
                   "SelectBySingleFeaturePerformance")],
    ("feature_engine.selection.SelectByInformationValue", WORDS, {"threshold": 0.0}, False),
    ("feature_engine.text.TextFeatures", WORDS, {"variables": ["c2"]}, False),
    ("feature_engine.timeseries.forecasting.LagFeatures", NUMBERS, {"periods": 2}, False),
    ("feature_engine.timeseries.forecasting.WindowFeatures", NUMBERS, {"window": 3}, False),
    *_cases("feature_engine.timeseries.forecasting", NUMBERS, "ExpandingWindowFeatures"),
    *_cases("feature_engine.transformation", NUMBERS,
            "ArcSinhTransformer BoxCoxTransformer LogCpTransformer LogTransformer PowerTransformer"
            " ReciprocalTransformer YeoJohnsonTransformer"),
    *_cases("feature_engine.transformation", ["small"], "ArcsinTransformer"),
    ("feature_engine.wrappers.SklearnTransformerWrapper", NUMBERS,
     {"transformer": StandardScaler()}, False),
    ("feature_engine.pipeline.Pipeline", NUMBERS,
     {"steps": [("scale", StandardScaler()), ("model", _CLASSIFIER())]}, False),
]  # fmt: skip

MLXTEND: list[Case] = [
    *_cases("mlxtend.classifier", None,
            "Adaline LogisticRegression MultiLayerPerceptron OneRClassifier Perceptron"
            " SoftmaxRegression"),
    ("mlxtend.classifier.EnsembleVoteClassifier", None, {"clfs": [_CLASSIFIER()] * 2}, False),
    *[(f"mlxtend.classifier.{name}", None,
       {"classifiers": [_CLASSIFIER()] * 2, "meta_classifier": _CLASSIFIER()}, False)
      for name in ("StackingClassifier", "StackingCVClassifier")],
    *[(f"mlxtend.regressor.{name}", None,
       {"regressors": [LinearRegression()] * 2, "meta_regressor": LinearRegression()}, True)
      for name in ("StackingRegressor", "StackingCVRegressor")],
    ("mlxtend.regressor.LinearRegression", None, {}, True),
    ("mlxtend.feature_extraction.RBFKernelPCA", None, {"n_components": 2}, False),
    ("mlxtend.cluster.Kmeans", None, {"k": 2, "random_seed": 1}, False),
    *_cases("mlxtend.feature_extraction", None,
            "LinearDiscriminantAnalysis PrincipalComponentAnalysis"),
    *[(f"mlxtend.feature_selection.{name}", None, {"estimator": _CLASSIFIER(), "cv": 2}, False)
      for name in ("SequentialFeatureSelector", "ExhaustiveFeatureSelector")],
    ("mlxtend.feature_selection.ColumnSelector", None, {"cols": [0, 1]}, False),
    *_cases("mlxtend.preprocessing", None, "CopyTransformer DenseTransformer MeanCenterer"),
]  # fmt: skip

SKRUB: list[Case] = [
    *_cases("skrub", [*NUMBERS, *WORDS, "day"], "TableVectorizer Cleaner"),
    *_cases("skrub", NUMBERS, "SquashingScaler DropSimilar"),
    *_cases("skrub", "c1", "MinHashEncoder ToCategorical"),
    ("skrub.GapEncoder", "c2", {"n_components": 2, "random_state": 0}, False),
    ("skrub.StringEncoder", "c2", {"n_components": 1, "random_state": 0}, False),
    *_cases("skrub", "day", "DatetimeEncoder ToDatetime"),
    *[("skrub.DatetimeEncoder", "day", {"periodic_encoding": way}, False)
      for way in ("circular", "spline")],
    *_cases("skrub", "n1", "ToFloat"),
    *_cases("skrub", WORDS, "SimilarityEncoder"),
    ("skrub.SelectCols", NUMBERS, {"cols": ["n1"]}, False),
    ("skrub.DropCols", NUMBERS, {"cols": ["n1"]}, False),
    ("skrub.ApplyToCols", NUMBERS, {"transformer": StandardScaler()}, False),
    ("skrub.AggJoiner", [*NUMBERS, "c1"],
     {"aux_table": table()[["c1", "n1"]], "key": "c1", "operations": "mean"}, False),
]  # fmt: skip
EVERY = [*FEATURE_ENGINE, *MLXTEND, *SKRUB]


@functools.cache
def fitted(number: int) -> tuple[Any, Any]:
    """Return the estimator of a case, fitted, and its data; skip where its library is absent."""
    dotted, columns, arguments, numeric = EVERY[number]
    module, _, name = dotted.rpartition(".")
    pytest.importorskip(module.partition(".")[0])
    make = getattr(importlib.import_module(module), name)
    data: Any = table()[NUMBERS].to_numpy() if columns is None else table()[columns]
    wanted: Any = target(number=numeric)
    wanted = wanted.to_numpy() if columns is None else wanted
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        model = make(**arguments)
        if name in {"RBFKernelPCA", "MeanCenterer", "Kmeans"}:
            model.fit(data)
        elif hasattr(model, "fit_transform") and isinstance(columns, str):
            model.fit_transform(data)
        else:
            model.fit(data, wanted)
    return model, data


def outputs(model: Any, data: Any) -> dict[str, Any]:
    """Return what a model says of data."""
    said = {}
    for name in METHODS:
        with contextlib.suppress(AttributeError):
            said[name] = getattr(model, name)(data.copy())
    return said


def same(one: Any, other: Any) -> bool:
    """Say whether two outputs are equal."""
    if isinstance(one, pd.DataFrame | pd.Series):
        return bool(one.equals(other))
    return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def assert_same(model: Any, again: Any, data: Any) -> None:
    """Fail unless two models are of one class and say the same, something at least."""
    assert type(again) is type(model)
    expected, found = outputs(model, data), outputs(again, data)
    assert expected
    assert expected.keys() == found.keys()
    assert all(same(expected[name], found[name]) for name in expected)


def _names(case: Case) -> str:
    return case[0] + "".join(f"-{v}" for k, v in case[2].items() if k == "periodic_encoding")


IDS = [_names(case) for case in EVERY]


@pytest.mark.parametrize("number", range(len(EVERY)), ids=IDS)
def test_an_estimator_comes_back_the_same(number: int, tmp_path: Path) -> None:
    model, data = fitted(number)
    ring = ss.Keyring([ss.HmacKey.generate()])
    for protocol in (2, 5):
        path = tmp_path / f"{protocol}.pkl"
        path.write_bytes(pickle.dumps(model, protocol))
        assert_same(model, ss.load_unsigned(path), data)
    joblib.dump(model, tmp_path / "model.joblib")
    assert_same(model, ss.load_unsigned(tmp_path / "model.joblib"), data)
    for form in ("pickle", "joblib"):
        path = tmp_path / f"{form}.safeserial"
        ss.dump(model, path, keyring=ring, format=form)
        assert_same(model, ss.load(path, keyring=ring), data)


def test_a_transaction_encoder_comes_back_the_same(tmp_path: Path) -> None:
    preprocessing = pytest.importorskip("mlxtend.preprocessing")
    baskets = [["milk", "bread"], ["eggs"], ["milk", "eggs"]]
    model = preprocessing.TransactionEncoder().fit(baskets)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    assert np.array_equal(ss.load_unsigned(path).transform(baskets), model.transform(baskets))


def test_selectors_come_back_the_same(tmp_path: Path) -> None:
    s = pytest.importorskip("skrub.selectors")
    chosen = [
        s.numeric(), s.string() | s.any_date(), s.glob("n*"), s.regex("c[0-9]"), s.all() - "n1",
        ~s.cols("n1"), s.has_nulls(), s.cardinality_below(4), s.numeric() & s.cols("n2"),
    ]  # fmt: skip
    path = tmp_path / "selectors.pkl"
    path.write_bytes(pickle.dumps(chosen))
    again = ss.load_unsigned(path)
    assert [one.expand(table()) for one in again] == [one.expand(table()) for one in chosen]


def test_a_learner_of_skrub_is_refused_for_its_setstate_unpickles(tmp_path: Path) -> None:
    skrub = pytest.importorskip("skrub")
    learner = skrub.X(table()[NUMBERS]).skb.apply(StandardScaler()).skb.make_learner()
    path = tmp_path / "learner.pkl"
    path.write_bytes(pickle.dumps(learner))
    with pytest.raises(ss.errors.UntrustedTypesError) as caught:
        ss.load_unsigned(path)
    assert any(name.endswith("SkrubLearner") for name in caught.value.types)


@pytest.mark.parametrize("func", ["to_clipboard", ["sum", "to_pickle"], "plot", "__class__", 7])
def test_math_features_call_no_method_but_one_that_sums_up(func: Any, tmp_path: Path) -> None:
    creation = pytest.importorskip("feature_engine.creation")
    model = creation.MathFeatures(variables=["n1", "n2"], func=["sum"])
    model.func = func
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    with pytest.raises(ss.errors.InvalidStateError, match="func"):
        ss.load_unsigned(path)


def test_a_dtype_that_remembers_the_index_it_goes_with(tmp_path: Path) -> None:
    values = pd.array([3, None, 1], dtype="Int64")
    pd.Index(values)  # from here on the dtype, of which there is one, knows the class
    path = tmp_path / "series.pkl"
    for made in (pd.Series(values), pd.Index(values), pd.DataFrame({"a": values}, index=values)):
        path.write_bytes(pickle.dumps(made))
        assert made.equals(ss.load_unsigned(path))


def test_skops_keeps_factories_of_dicts_and_frames(tmp_path: Path) -> None:
    ring = ss.Keyring([ss.HmacKey.generate()])
    for kept in (defaultdict(OrderedDict, a=OrderedDict(b=1)), FunctionTransformer(pd.DataFrame)):
        again = ss.loads(ss.dumps(kept, keyring=ring, format="skops"), keyring=ring)
        assert repr(again) == repr(kept)
