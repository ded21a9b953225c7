# SPDX-License-Identifier: BSD-3-Clause
"""LightGBM as ONNX: objectives, kinds of missing values, categories by number and by name."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from safeserial.errors import UnsupportedModelError
from safeserial_converters import to_onnx
from safeserial_converters.trials import datasets

from .harness import Data, require_right

lightgbm = pytest.importorskip("lightgbm")

QUICK = {"n_estimators": 6, "verbose": -1, "n_jobs": 1}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of feature names that it was not given
        yield


def test_classifier() -> None:
    require_right(lambda: lightgbm.LGBMClassifier(**QUICK))


def test_regressor() -> None:
    require_right(lambda: lightgbm.LGBMRegressor(**QUICK))


@pytest.mark.parametrize(
    "options",
    [
        {"zero_as_missing": True},
        {"use_missing": False},
        {"objective": "multiclassova"},
        {"boosting_type": "dart"},
        {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1},
        {"boosting_type": "goss"},
        {"max_depth": 1, "num_leaves": 2},
        {"min_child_samples": 400},
    ],
)
def test_options_of_the_classifier(options: dict[str, Any]) -> None:
    kinds = ["missing", "strings"] if "objective" in options else ["missing", "counts", "binary"]
    require_right(lambda: lightgbm.LGBMClassifier(**QUICK, **options), only=kinds)


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "poisson"},
        {"objective": "tweedie"},
        {"objective": "quantile"},
        {"reg_sqrt": True},
        {"objective": "mape"},
    ],
)
def test_objectives_of_the_regressor(options: dict[str, Any]) -> None:
    require_right(lambda: lightgbm.LGBMRegressor(**QUICK, **options), only=["positive"])


def test_values_that_it_takes_for_zero() -> None:
    tiny = np.array([0.0, 1e-35, -1e-35, 9e-36, -9e-36, 1.1e-35, 1.0, -1.0, np.nan])
    tiny = np.concatenate([tiny, [np.float32(1e-35), -np.float32(1e-35)]])
    random = np.random.default_rng(0)
    x, held = random.choice(tiny, (600, 2)), random.choice(tiny, (600, 2))
    for options in ({}, {"zero_as_missing": True}):
        require_right(
            lambda: lightgbm.LGBMRegressor(**QUICK, min_child_samples=2, **options),  # noqa: B023
            only=[],
            also=[Data("tiny", x, np.nan_to_num(x[:, 0]) - (x[:, 1] > 0), held)],
        )


def _codes(size: int) -> Data:
    random = np.random.default_rng(size)

    def rows(count: int, low: int, high: int) -> np.ndarray:
        x = np.stack([random.normal(size=count), random.integers(low, high, count)], 1).astype(
            float
        )
        x[random.random(x.shape) < 0.05] = np.nan
        return x

    train = rows(1500, 0, size)
    effect = random.normal(size=size)
    label = np.nan_to_num(train[:, 0]) + effect[np.nan_to_num(train[:, 1]).astype(int)] > 0
    held = rows(2000, -3, size + 40)
    held[::7, 1] += 0.5  # a code is cut to a whole number
    return Data(f"{size} codes", train, label.astype(int), held)


@pytest.mark.parametrize("size", [4, 60, 150])
def test_categories_by_number(size: int) -> None:
    options = {"categorical_feature": [1], "min_data_per_group": 5, "cat_smooth": 1}
    require_right(lambda: lightgbm.LGBMClassifier(**QUICK, **options), only=[], also=[_codes(size)])


def test_categories_by_name() -> None:
    random = np.random.default_rng(1)
    words = np.array(["red", "green", "été", "x y", None], object)

    def rows(count: int, extra: str) -> pd.DataFrame:
        word = pd.Series(random.choice([*words, extra], count))
        return pd.DataFrame({"n": random.normal(size=count), "word": word.astype("category")})

    train, held = rows(800, "red"), rows(500, "unseen")
    target = train["n"].to_numpy() + train["word"].isin(["red", "été"]).to_numpy() * 3.0
    require_right(
        lambda: lightgbm.LGBMRegressor(**QUICK, min_data_per_group=5),
        only=[],
        also=[Data("words", train, target, held)],
    )


def test_a_bare_booster() -> None:
    data = next(iter(datasets("regressor")))
    for objective in ("regression", "binary"):
        target = data.target > 0 if objective == "binary" else data.target
        booster = lightgbm.train(
            {"objective": objective, "verbose": -1}, lightgbm.Dataset(data.train, target), 5
        )
        result = to_onnx(booster, data.train, fallback=False)
        assert result.report.ok
        (got,) = result.session().run(None, result.feed(data.held_out))
        assert np.allclose(got, booster.predict(data.held_out), rtol=1e-12, atol=0)


def test_what_cannot_be_written_is_refused() -> None:
    data = next(iter(datasets("regressor")))
    linear = lightgbm.LGBMRegressor(**QUICK, linear_tree=True).fit(data.train, data.target)
    with pytest.raises(UnsupportedModelError, match="linear"):
        to_onnx(linear, data.train, fallback=False)
    numbered = pd.DataFrame({"n": data.train[:, 0], "k": pd.Categorical(np.arange(300) % 4)})
    model = lightgbm.LGBMRegressor(**QUICK).fit(numbered, data.target)
    with pytest.raises(UnsupportedModelError, match="categories"):
        to_onnx(model, numbered, fallback=False)
