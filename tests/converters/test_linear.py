# SPDX-License-Identifier: BSD-3-Clause
"""Linear models: every class of the family, on every kind of data it takes."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from sklearn import isotonic, linear_model

import safeserial as ss
from tests.converters.harness import Data, datasets, require_right

CLASSES = ["binary strings", "multiclass", "frame"]
SOON = {
    "LinearRegression": ["plain", "multioutput", "frame"],
    "LogisticRegression": CLASSES,
    "RidgeClassifier": ["multilabel", *CLASSES],
    "SGDClassifier": CLASSES,
    "SGDOneClassSVM": ["plain"],
}
EVERY = sorted(
    name
    for name in linear_model.__all__
    if inspect.isclass(getattr(linear_model, name))
    and hasattr(getattr(linear_model, name), "predict")
)


@pytest.mark.parametrize("name", SOON)
def test_what_users_have_most(name):
    require_right(getattr(linear_model, name), only=SOON[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", SOON)
def test_what_users_have_most_on_all_data(name):
    require_right(getattr(linear_model, name))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(EVERY) - set(SOON)))
def test_all_the_others(name):
    require_right(getattr(linear_model, name))


@pytest.mark.parametrize("loss", ["log_loss", "modified_huber"])
def test_probabilities_of_stochastic_gradient_descent(loss):
    found = require_right(
        lambda: linear_model.SGDClassifier(loss=loss, random_state=0), only=["binary", "multiclass"]
    )
    assert "predict_proba" in {one.method for one in found}


@pytest.mark.parametrize("power", [0.0, 1.0, 1.7, 3.0])
def test_both_links_of_generalised_linear_models(power):
    require_right(lambda: linear_model.TweedieRegressor(power=power), only=["positive"])


def test_standard_deviation_on_request():
    for kind in (linear_model.BayesianRidge, linear_model.ARDRegression):
        require_right(kind, only=["plain"], methods=["predict", "predict_std"])


@pytest.mark.parametrize("outside", ["nan", "clip"])
def test_isotonic_within_and_beyond_the_thresholds(outside):
    regression = {data.name: data for data in datasets("regressor")}["plain"]
    column = Data(
        "vector", regression.train[:, 0], regression.target, regression.held_out[:, 0] * 2
    )
    require_right(
        lambda: isotonic.IsotonicRegression(out_of_bounds=outside, increasing="auto"),
        only=["one column"],
        also=[column],
    )


def test_classes_of_every_dtype():
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 3))
    for classes in ([False, True], [-1, 4], [1.0, 2.0], ["b", "a"], [np.str_("é"), np.str_("e")]):
        y = np.array(classes)[(x[:, 0] > 0).astype(int)]
        model = linear_model.LogisticRegression().fit(x, y)
        result = ss.to_onnx(model, x)
        got = result.run(x)["predict"]
        assert got.dtype == (object if isinstance(classes[0], str) else np.int64)
        assert list(map(str, got)) == [
            str(one) if isinstance(one, str) else str(int(one)) for one in model.predict(x)
        ]
