# SPDX-License-Identifier: BSD-3-Clause
"""XGBoost as ONNX: single precision to the last bit, missing values, categories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from safeserial.errors import UnsupportedModelError
from safeserial_converters import to_onnx
from safeserial_converters.trials import datasets

from .harness import Data, require_right

xgboost = pytest.importorskip("xgboost")

QUICK = {"n_estimators": 6, "n_jobs": 1}


def test_classifier() -> None:
    require_right(lambda: xgboost.XGBClassifier(**QUICK))


def test_regressor() -> None:
    require_right(lambda: xgboost.XGBRegressor(**QUICK))


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "count:poisson"},
        {"objective": "reg:gamma"},
        {"objective": "reg:tweedie"},
        {"objective": "reg:absoluteerror"},
        {"objective": "reg:pseudohubererror", "base_score": 3.5},
        {"objective": "reg:quantileerror", "quantile_alpha": np.array([0.2, 0.8])},
        {"tree_method": "approx", "num_parallel_tree": 2, "subsample": 0.5},
        {"n_estimators": 1, "max_depth": 0, "max_leaves": 1, "gamma": 1e9},
    ],
)
def test_objectives_of_the_regressor(options: dict[str, Any]) -> None:
    require_right(lambda: xgboost.XGBRegressor(**{**QUICK, **options}), only=["positive"])


def test_shares_of_a_regressor() -> None:
    data = next(iter(datasets("regressor")))
    shares = 1 / (1 + np.exp(-data.target))
    require_right(
        lambda: xgboost.XGBRegressor(**QUICK, objective="reg:logistic"),
        only=[],
        also=[Data("shares", data.train, shares, data.held_out)],
    )


def test_a_number_that_stands_for_missing() -> None:
    require_right(lambda: xgboost.XGBClassifier(**QUICK, missing=0.0), only=["counts", "missing"])


def test_early_stopping() -> None:
    data = next(iter(datasets("classifier")))

    model = xgboost.XGBClassifier(n_estimators=60, n_jobs=1, early_stopping_rounds=2)
    model.fit(
        data.train[:200],
        data.target[:200],
        eval_set=[(data.train[200:], data.target[200:])],
        verbose=False,
    )
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    assert to_onnx(model, data.train, fallback=False).report.ok


def test_random_forests() -> None:
    require_right(
        lambda: xgboost.XGBRFClassifier(n_estimators=6, n_jobs=1), only=["binary", "multiclass"]
    )
    require_right(lambda: xgboost.XGBRFRegressor(n_estimators=6, n_jobs=1), only=["plain", "ties"])


@pytest.mark.parametrize("size", [4, 60, 150])
def test_categories_by_number(size: int) -> None:
    random = np.random.default_rng(size)

    def rows(count: int, high: int) -> np.ndarray:
        x = np.stack([random.normal(size=count), random.integers(0, high, count)], 1).astype(float)
        x[random.random(x.shape) < 0.05] = np.nan
        return x

    train = rows(1500, size)
    effect = random.normal(size=size)
    label = np.nan_to_num(train[:, 0]) + effect[np.nan_to_num(train[:, 1]).astype(int)] > 0
    require_right(
        lambda: xgboost.XGBClassifier(
            **QUICK, feature_types=["q", "c"], enable_categorical=True, max_cat_to_onehot=3
        ),
        only=[],
        also=[Data("codes", train, label.astype(int), rows(1000, size + 30))],
    )


@pytest.mark.parametrize("word", ["blue", "été"])
def test_categories_by_name(word: str) -> None:
    random = np.random.default_rng(1)
    words = np.array(["red", "green", word, "x y", None], object)

    def rows(count: int) -> pd.DataFrame:
        column = pd.Series(random.choice(words, count), dtype="category")
        return pd.DataFrame({"n": random.normal(size=count), "word": column})

    train, held = rows(800), rows(500)
    target = train["n"].to_numpy() + train["word"].isin(["red", word]).to_numpy() * 3.0
    require_right(
        lambda: xgboost.XGBRegressor(**QUICK, enable_categorical=True),
        only=[],
        refused=[] if word.isascii() else [("*", "*")],
        also=[Data("words", train, target, held)],
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"booster": "dart"}, "dart"),
        ({"booster": "gblinear"}, "gblinear"),
        ({"multi_strategy": "multi_output_tree"}, "vectors"),
    ],
)
def test_what_cannot_be_written_is_refused(options: dict[str, Any], reason: str) -> None:
    data = next(one for one in datasets("regressor") if one.name == "multioutput")
    target = data.target if "multi_strategy" in options else data.target[:, 0]
    model = xgboost.XGBRegressor(**QUICK, **options).fit(data.train, target)
    with pytest.raises(UnsupportedModelError, match=reason):
        to_onnx(model, data.train, fallback=False)
