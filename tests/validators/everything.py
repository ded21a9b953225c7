# SPDX-License-Identifier: BSD-3-Clause
"""Models of every estimator and library that the allowlists name, and rows to use them on."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.interpolate as si
import scipy.sparse as sp
import scipy.spatial
import scipy.stats

from tests import pipelines, zoo
from tests.integration import test_other_libraries as others
from tests.validators.subjects import MODELS, REAL, TABLE, X, Y

Made = tuple[Any, Any]
TWO = Y % 2

# Module and class, and what its constructor is given.
_FITTED: tuple[tuple[str, dict[str, Any]], ...] = (
    *((f"lightgbm.{name}", {"n_estimators": 2, "min_child_samples": 3, "verbose": -1, "n_jobs": 1})
      for name in ("LGBMClassifier", "LGBMRegressor")),
    ("xgboost.XGBClassifier", {"n_estimators": 2, "max_depth": 2, "n_jobs": 1}),
    ("xgboost.XGBRegressor", {"n_estimators": 2, "max_depth": 2, "booster": "dart", "n_jobs": 1}),
    ("xgboost.XGBRanker", {"n_estimators": 1, "n_jobs": 1}),
    ("catboost.CatBoostClassifier", {"iterations": 2, "depth": 2, "verbose": 0, "thread_count": 1,
                                     "allow_writing_files": False}),
    ("catboost.CatBoostRegressor", {"iterations": 2, "depth": 2, "verbose": 0, "thread_count": 1,
                                    "allow_writing_files": False}),
    *((f"imblearn.ensemble.{name}", {"n_estimators": 2}) for name in (
        "BalancedBaggingClassifier", "BalancedRandomForestClassifier", "EasyEnsembleClassifier",
        "RUSBoostClassifier")),
    *((f"imblearn.over_sampling.{name}", {}) for name in (
        "SMOTE", "ADASYN", "BorderlineSMOTE", "RandomOverSampler", "SVMSMOTE")),
    *((f"imblearn.under_sampling.{name}", {}) for name in (
        "NearMiss", "TomekLinks", "ClusterCentroids", "RandomUnderSampler")),
)  # fmt: skip
_ENCODERS = (
    "BackwardDifferenceEncoder BaseNEncoder BinaryEncoder CatBoostEncoder CountEncoder GLMMEncoder"
    " GrayEncoder HashingEncoder HelmertEncoder JamesSteinEncoder LeaveOneOutEncoder"
    " MEstimateEncoder OneHotEncoder OrdinalEncoder PolynomialEncoder QuantileEncoder"
    " RankHotEncoder SumEncoder SummaryEncoder TargetEncoder WOEEncoder"
).split()
_NINE = np.arange(9.0)

_OBJECTS: dict[str, Callable[[], Made]] = {
    "periods": lambda: (pd.Series(pd.period_range("2020-01", periods=5, freq="M")), None),
    "spans": lambda: (pd.Series(pd.to_timedelta([1, 2], "h")), None),
    "intervals": lambda: (pd.cut(pd.Series(X[:, 0]), 3), None),
    "interval index": lambda: (pd.interval_range(0, 4), None),
    "dates with freq": lambda: (pd.date_range("2020-01-01", periods=4, freq="B", tz="UTC"), None),
    "texts of pandas": lambda: (pd.Series(["a", None], dtype="string"), None),
    "booleans": lambda: (pd.array([True, None]), None),
    "sparse": lambda: (pd.DataFrame({"a": pd.arrays.SparseArray([0.0, 0.0, 1.0])}), None),
    "columns of levels": lambda: (TABLE.groupby("c", observed=True).agg(["min", "max"]), None),
    "offsets": lambda: ([pd.offsets.MonthEnd(2), pd.Timestamp("2020-01-01", tz="UTC")], None),
    "wide frame": lambda: (
        pd.DataFrame({"a": [1, 2], "b": [1.5, None], "c": ["x", "y"], "d": [True, False]}), None),
    "k-d tree of SciPy": lambda: (scipy.spatial.cKDTree(X), X),
    "KDTree of SciPy": lambda: (scipy.spatial.KDTree(X), X),
    "Delaunay": lambda: (scipy.spatial.Delaunay(X[:, :2]), None),
    "rotation": lambda: (scipy.spatial.transform.Rotation.from_euler("x", [0.5]), None),
    "interp1d": lambda: (si.interp1d(_NINE, _NINE), X[:, 0]),
    "cubic": lambda: (si.CubicSpline(_NINE, _NINE), X[:, 0]),
    "akima": lambda: (si.Akima1DInterpolator(_NINE, _NINE), X[:, 0]),
    "univariate": lambda: (si.UnivariateSpline(_NINE, _NINE), X[:, 0]),
    "bivariate": lambda: (
        si.RectBivariateSpline(_NINE, _NINE, np.outer(_NINE, _NINE)), X[:, 0]),
    "grid": lambda: (si.RegularGridInterpolator((_NINE, _NINE), np.outer(_NINE, _NINE)), X[:, :2]),
    "near": lambda: (si.NearestNDInterpolator(X, REAL), X),
    "linear between": lambda: (si.LinearNDInterpolator(X[:, :2], REAL), X[:, :2]),
    "radial": lambda: (si.RBFInterpolator(X, REAL), X),
    "density of SciPy": lambda: (scipy.stats.gaussian_kde(X[:, 0]), X[:, 0]),
    "frozen": lambda: (scipy.stats.norm(0, 1), X[:, 0]),
    "sparse array": lambda: (sp.csr_array(np.eye(4)), None),
    "dictionary of keys": lambda: (sp.dok_matrix(np.eye(4)), None),
    "polynomial": lambda: (np.polynomial.Polynomial([1.0, 2.0]), X[:, 0]),
    "old polynomial": lambda: (np.poly1d([1.0, 2.0]), X[:, 0]),
    "generators": lambda: (
        [np.random.default_rng(0), np.random.Generator(np.random.MT19937(1)),
         np.random.Generator(np.random.SFC64(1)), np.random.SeedSequence(5)], None),
    "masked records": lambda: (np.ma.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), None),
    "record array": lambda: (np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), None),
}  # fmt: skip


def _by_name(dotted: str, arguments: dict[str, Any], rows: Any) -> Made:
    module, _, name = dotted.rpartition(".")
    model = getattr(importlib.import_module(module), name)(**arguments)
    if name == "XGBRanker":
        return model.fit(rows, TWO, qid=np.zeros(len(rows), int)), rows
    return model.fit(rows, TWO), rows


def _makers() -> Iterator[tuple[str, Callable[[], Made]]]:
    yield from MODELS.items()
    yield from _OBJECTS.items()
    for name in zoo.names():
        yield f"zoo: {name}", lambda name=name: zoo.fitted(name)
    for name, make in pipelines.PIPELINES.items():
        yield f"pipeline: {name}", lambda make=make: _fit(*make())
    for number, name in enumerate(others.IDS):
        yield name, lambda number=number: others.fitted(number)
    for dotted, arguments in _FITTED:
        yield dotted, lambda of=(dotted, arguments): _by_name(*of, X)
    for name in _ENCODERS:
        frame = TABLE.astype({"c": str})
        yield (
            f"encoder: {name}",
            lambda name=name, frame=frame: _by_name(
                f"category_encoders.{name}", {"cols": ["c"]}, frame
            ),
        )


def _fit(model: Any, data: Any, target: Any) -> Made:
    return model.fit(data, target), data


def make_all(names: str = "") -> dict[str, Made]:
    """Return what could be made, where the libraries are there, of those whose name has a part."""
    made: dict[str, Made] = {}
    for name, make in _makers():
        if names not in name:
            continue
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            with contextlib.suppress(ImportError, pytest.skip.Exception):
                made[name] = make()
    return made
