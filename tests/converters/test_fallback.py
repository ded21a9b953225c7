# SPDX-License-Identifier: BSD-3-Clause
"""Classes without a converter of ours: skl2onnx's, as users register them, under the same proof."""

from __future__ import annotations

import json
import time

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")

import numpy as np
import skl2onnx
from skl2onnx.algebra.onnx_ops import OnnxMul
from skl2onnx.common.shape_calculator import calculate_linear_regressor_output_shapes
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import safeserial as ss
from safeserial.errors import ConversionError, ParityError, UnsupportedModelError

X = np.random.default_rng(0).normal(size=(200, 3))
Y = (X[:, 0] > 0).astype(int)


class Scaled(TransformerMixin, BaseEstimator):
    """Multiplies: a third party's, whose converter is right."""

    factor = 0.3

    def fit(self, rows, target=None):
        self.n_features_in_ = rows.shape[1]
        return self

    def transform(self, rows):
        return rows * self.factor


class Wrong(Scaled):
    """One whose converter multiplies by something else where it matters little."""


class Failing(Scaled):
    """One whose converter raises."""


class Endless(Scaled):
    """One whose converter does not end."""


class Unknown(Scaled):
    """One that nobody has a converter for."""


class Summed(RegressorMixin, BaseEstimator):
    """A regressor of a third party."""

    def fit(self, rows, target=None):
        self.n_features_in_ = rows.shape[1]
        return self

    def predict(self, rows):
        return rows.sum(axis=1)


def same_shape(operator):
    operator.outputs[0].type = type(operator.inputs[0].type)(operator.inputs[0].type.shape)


def multiplying(by):
    def convert(scope, operator, container):
        given = operator.inputs[0]
        double = "Double" in type(given.type).__name__
        # One number for all columns, ONNX Runtime would merge into a product of matrices beside it,
        # and round to float32.
        constant = np.full(given.type.shape[1], by, np.float64 if double else np.float32)
        node = OnnxMul(
            given, constant, op_version=container.target_opset, output_names=operator.outputs[:1]
        )
        node.add_to(scope, container)

    return convert


def failing(scope, operator, container):
    raise KeyError("coefficients_")


def endless(scope, operator, container):
    while True:
        time.sleep(0.001)


def summing(scope, operator, container):
    container.add_node(
        "ReduceSum",
        [operator.inputs[0].full_name, _axes(scope, container)],
        [operator.outputs[0].full_name],
        op_version=13,
        keepdims=1,
        name=scope.get_unique_operator_name("ReduceSum"),
    )


def _axes(scope, container):
    name = scope.get_unique_variable_name("axes")
    container.add_initializer(name, 7, [1], [1])
    return name


@pytest.fixture(autouse=True, scope="module")
def registered():
    for kind, shape, function in (
        (Scaled, same_shape, multiplying(0.3)),
        (Wrong, same_shape, multiplying(0.3 + 1e-7)),
        (Failing, same_shape, failing),
        (Endless, same_shape, endless),
        (Summed, calculate_linear_regressor_output_shapes, summing),
    ):
        skl2onnx.update_registered_converter(kind, f"Test{kind.__name__}", shape, function)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_registered_converter_is_used_and_named(tmp_path, dtype):
    out = tmp_path / "m.onnx"
    result = ss.to_onnx(Scaled().fit(X), X, out, dtype=dtype)
    assert result.engine == "safeserial+skl2onnx"
    assert result.metadata["safeserial.engine"] == result.engine
    assert json.loads(result.metadata["safeserial.parity"])["ok"]
    assert out.exists()
    rows = X.astype(dtype)
    assert np.allclose(result.run(rows)["transform"], rows * 0.3, rtol=1e-6)


def test_between_steps_of_ours():
    model = make_pipeline(StandardScaler(), Scaled(), LogisticRegression()).fit(X, Y)
    result = ss.to_onnx(model, X)
    assert result.engine == "safeserial+skl2onnx"
    assert (result.run(X)["predict"] == model.predict(X)).all()
    with pytest.raises(UnsupportedModelError, match="Scaled"):
        ss.to_onnx(model, X, fallback=False)


def test_a_regressor_gives_a_vector():
    result = ss.to_onnx(Summed().fit(X), X)
    assert result.run(X)["predict"].shape == (200,)


def test_one_that_is_wrong_is_caught_and_nothing_is_written(tmp_path):
    out = tmp_path / "m.onnx"
    with pytest.raises(ParityError) as caught:
        ss.to_onnx(Wrong().fit(X), X, out)
    assert 1e-9 < caught.value.max_difference < 1e-6
    assert not list(tmp_path.iterdir())


def test_one_that_fails_says_why_and_one_that_nobody_has_is_named():
    with pytest.raises(UnsupportedModelError, match="coefficients_"):
        ss.to_onnx(Failing().fit(X), X)
    with pytest.raises(UnsupportedModelError, match="Unknown"):
        ss.to_onnx(Unknown().fit(X), X)


def test_one_that_does_not_end_is_ended():
    started = time.monotonic()
    with pytest.raises(ConversionError, match="did not end"):
        ss.to_onnx(Endless().fit(X), X, time_limit=1.0)
    assert time.monotonic() - started < 30
