# SPDX-License-Identifier: BSD-3-Clause
"""CatBoost as ONNX: numeric features; categories are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from safeserial.errors import UnsupportedModelError
from safeserial_converters import to_onnx
from safeserial_converters.trials import datasets

from .harness import require_right

catboost = pytest.importorskip("catboost")

QUICK = {"iterations": 6, "depth": 4, "verbose": 0, "thread_count": 1, "allow_writing_files": False}


def test_classifier() -> None:
    require_right(
        lambda: catboost.CatBoostClassifier(**QUICK),
        only=[
            "binary",
            "multiclass",
            "strings",
            "binary strings",
            "ties",
            "counts",
            "missing",
            "frame",
        ],
    )


@pytest.mark.parametrize("options", [{"loss_function": "MultiClassOneVsAll"}, {"nan_mode": "Max"}])
def test_options_of_the_classifier(options: dict[str, Any]) -> None:
    require_right(lambda: catboost.CatBoostClassifier(**QUICK, **options), only=["missing"])


@pytest.mark.parametrize("loss", ["RMSE", "MAE", "Poisson", "Huber:delta=2", "Quantile:alpha=0.2"])
def test_regressor(loss: str) -> None:
    require_right(
        lambda: catboost.CatBoostRegressor(**QUICK, loss_function=loss),
        only=["positive"] if loss == "Poisson" else ["plain", "missing", "one column"],
    )


def test_several_outputs() -> None:
    require_right(
        lambda: catboost.CatBoostRegressor(**QUICK, loss_function="MultiRMSE"), only=["multioutput"]
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"grow_policy": "Lossguide"}, "symmetric"),
        ({"cat_features": ["word"]}, "categories"),
        ({"loss_function": "RMSEWithUncertainty"}, "loss"),
    ],
)
def test_what_cannot_be_written_is_refused(options: dict[str, Any], reason: str) -> None:
    data = next(iter(datasets("regressor")))
    frame = pd.DataFrame(data.train, columns=list("abcdef"))
    if "cat_features" in options:
        frame["word"] = np.where(data.train[:, 0] > 0, "high", "low")
    model = catboost.CatBoostRegressor(**{**QUICK, **options}).fit(frame, data.target)
    with pytest.raises(UnsupportedModelError, match=reason):
        to_onnx(model, frame, fallback=False)
