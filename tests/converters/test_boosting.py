# SPDX-License-Identifier: BSD-3-Clause
"""Gradient boosting as ONNX: losses, starts, missing values, categories seen and unseen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeClassifier

from .harness import Data, require_right


def test_gradient_boosting_classifier() -> None:
    require_right(lambda: GradientBoostingClassifier(n_estimators=8))


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "exponential"},
        {"init": "zero"},
        {"init": RandomForestClassifier(5, random_state=0)},
        {"loss": "exponential", "init": DecisionTreeClassifier(max_depth=2)},
        {"n_iter_no_change": 2, "subsample": 0.7},
    ],
)
def test_losses_and_starts_of_gradient_boosting(options: dict[str, object]) -> None:
    kinds = ["binary", "ties"] if "loss" not in options else ["binary"]
    require_right(
        lambda: GradientBoostingClassifier(n_estimators=6, random_state=0, **options), only=kinds
    )


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "quantile"])
def test_gradient_boosting_regressor(loss: str) -> None:
    require_right(
        lambda: GradientBoostingRegressor(n_estimators=8, loss=loss),
        only=["plain", "ties", "frame"],
    )


def test_a_forest_as_start_of_a_regressor() -> None:
    start = RandomForestRegressor(4, random_state=0)
    require_right(
        lambda: GradientBoostingRegressor(n_estimators=5, init=start), only=["plain", "one column"]
    )


def test_a_start_that_computes_in_single_precision_is_refused() -> None:
    require_right(
        lambda: GradientBoostingRegressor(n_estimators=3, init=Ridge()),
        only=["plain"],
        refused=[("*", "*")],
    )


def test_more_rounds_than_are_summed_at_once() -> None:
    require_right(
        lambda: GradientBoostingClassifier(n_estimators=300, max_depth=1),
        only=["multiclass"],
        dtypes=["float64"],
    )


def test_hist_gradient_boosting_classifier() -> None:
    require_right(lambda: HistGradientBoostingClassifier(max_iter=6))


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "gamma", "quantile"])
def test_hist_gradient_boosting_regressor(loss: str) -> None:
    require_right(
        lambda: HistGradientBoostingRegressor(max_iter=6, loss=loss, quantile=0.3),
        only=["positive"] if loss in {"poisson", "gamma"} else ["plain", "missing", "frame"],
    )


def _codes(size: int, *, missing: float) -> Data:
    random = np.random.default_rng(size)

    def rows(count: int, most: int) -> np.ndarray:
        x = np.stack([random.normal(size=count), random.integers(0, most, count)], 1).astype(float)
        x[random.random(x.shape) < missing] = np.nan
        return x

    train = rows(1500, size)
    effect = random.normal(size=size)
    label = np.nan_to_num(train[:, 0]) + effect[np.nan_to_num(train[:, 1]).astype(int)] > 0
    return Data(f"{size} codes", train, label.astype(int), rows(2000, size + 5))


@pytest.mark.parametrize(("size", "missing"), [(3, 0.0), (12, 0.1), (70, 0.1), (200, 0.05)])
def test_categories_by_number(size: int, missing: float) -> None:
    require_right(
        lambda: HistGradientBoostingClassifier(max_iter=10, categorical_features=[1]),
        only=[],
        also=[_codes(size, missing=missing)],
    )


def _words(*, as_category: bool) -> Data:
    random = np.random.default_rng(3)
    words = np.array(["red", "green", "Blau", "été", "x y", None, "rare"], object)

    def rows(count: int, known: int) -> pd.DataFrame:
        word = pd.Series(words[random.integers(0, known, count)])
        if as_category:  # a category of its own in the rows held out
            word = word.where(word != "rare", "x y" if known < 7 else "rare")
            word = word.astype("category")
        return pd.DataFrame(
            {
                "n": random.normal(size=count),
                "word": word,
                "whole": random.integers(0, 9, count),
            }
        )

    train = rows(600, 6)
    target = np.where(train["word"].isin(["red", "été"]), 1.0, -1.0) + train["n"].to_numpy()
    return Data("words", train, target, rows(1000, 7))


@pytest.mark.parametrize("as_category", [True, False])
def test_categories_by_name(as_category: bool) -> None:
    chosen = "from_dtype" if as_category else ["word", "whole"]
    require_right(
        lambda: HistGradientBoostingRegressor(max_iter=8, categorical_features=chosen),
        only=[],
        also=[_words(as_category=as_category)],
    )


def test_the_older_operator_decides_the_same() -> None:
    require_right(
        lambda: HistGradientBoostingClassifier(max_iter=6), only=["missing", "binary"], ml_opset=5
    )
    require_right(
        lambda: GradientBoostingClassifier(n_estimators=6), only=["multiclass"], ml_opset=1
    )


@pytest.mark.parametrize("ml_opset", [3, 5])
def test_sets_of_categories_in_both_operators(ml_opset: int) -> None:
    for missing in (0.0, 0.2):
        require_right(
            lambda: HistGradientBoostingClassifier(max_iter=4, categorical_features=[1]),
            only=[],
            also=[_codes(12, missing=missing)],
            ml_opset=ml_opset,
        )


def test_the_fast_profile_decides_the_same() -> None:
    require_right(
        lambda: HistGradientBoostingClassifier(max_iter=6),
        only=["missing"],
        dtypes=["float32"],
        profile="fast",
    )
