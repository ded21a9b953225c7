# SPDX-License-Identifier: BSD-3-Clause
"""Scalers, encoders, binning, polynomials, splines, functions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special
from sklearn import preprocessing as pre

import safeserial as ss
from safeserial.errors import ConversionError, UnsupportedModelError
from safeserial_converters import functions
from tests.converters.harness import Data, require_right

PLAIN = [
    pre.StandardScaler,
    pre.RobustScaler,
    pre.MinMaxScaler,
    pre.MaxAbsScaler,
    pre.Binarizer,
    pre.PolynomialFeatures,
    pre.OneHotEncoder,
    pre.OrdinalEncoder,
    pre.TargetEncoder,
    pre.KBinsDiscretizer,
    pre.PowerTransformer,
    pre.QuantileTransformer,
]


@pytest.mark.parametrize("kind", PLAIN)
def test_with_defaults(kind):
    require_right(kind, only=["codes", "counts"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", PLAIN)
def test_with_defaults_on_all_data(kind):
    require_right(kind)


@pytest.mark.parametrize(
    "factory",
    [
        lambda: pre.StandardScaler(with_mean=False),
        lambda: pre.MinMaxScaler((-1, 3), clip=True),
        lambda: pre.RobustScaler(unit_variance=True, with_centering=False),
        lambda: pre.Normalizer("l1"),
        lambda: pre.Normalizer("max"),
        lambda: pre.Normalizer("l2"),
        lambda: pre.PolynomialFeatures((2, 3), include_bias=False),
        lambda: pre.PolynomialFeatures(4, interaction_only=True),
        lambda: pre.QuantileTransformer(output_distribution="normal", n_quantiles=40),
        lambda: pre.KBinsDiscretizer(encode="ordinal", strategy="uniform"),
        lambda: pre.PowerTransformer("yeo-johnson", standardize=False),
    ],
)
def test_with_other_parameters(factory):
    require_right(factory, only=["counts"])


def test_box_cox_on_positive_values():
    random = np.random.default_rng(0)
    x = random.lognormal(size=(400, 3))
    data = Data("positive values", x[:200], None, x[200:])
    require_right(lambda: pre.PowerTransformer("box-cox"), only=[], also=[data])


@pytest.mark.parametrize("extrapolation", ["constant", "linear", "continue", "periodic"])
@pytest.mark.parametrize("degree", [0, 1, 3])
def test_splines(extrapolation, degree):
    if extrapolation == "periodic" and degree == 0:
        pytest.skip("scikit-learn refuses it")
    require_right(
        lambda: pre.SplineTransformer(degree=degree, extrapolation=extrapolation, n_knots=4),
        only=["plain"],
    )


WORDS = np.array(["red", "green", "Blau", "été", np.nan], object)


def frame(rows, seed):
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "colour": random.choice(WORDS, rows, p=[0.4, 0.3, 0.1, 0.05, 0.15]),
            "size": random.integers(1, 6, rows),
        }
    )


@pytest.mark.parametrize(
    "factory",
    [
        lambda: pre.OneHotEncoder(handle_unknown="ignore"),
        lambda: pre.OneHotEncoder(drop="first", handle_unknown="ignore"),
        lambda: pre.OneHotEncoder(drop="if_binary"),
        lambda: pre.OneHotEncoder(min_frequency=0.15, handle_unknown="infrequent_if_exist"),
        lambda: pre.OneHotEncoder(max_categories=3, drop="first", handle_unknown="ignore"),
        lambda: pre.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        lambda: pre.OrdinalEncoder(encoded_missing_value=-5),
        lambda: pre.OrdinalEncoder(
            dtype=np.int64, encoded_missing_value=9, min_frequency=20,
            handle_unknown="use_encoded_value", unknown_value=99,
        ),
        lambda: pre.TargetEncoder(smooth=2.0),
    ],
)  # fmt: skip
def test_categories_missing_infrequent_and_unseen(factory):
    held_out = frame(300, 2)
    unseen = held_out.copy()
    unseen.loc[::7, "colour"] = "never seen"
    unseen.loc[::5, "size"] = 77
    target = np.random.default_rng(3).normal(size=200)
    data = [Data("frame", frame(200, 1), target, held_out)]
    data.append(Data("unseen", frame(200, 1), target, unseen))
    require_right(factory, only=[], also=data)


def test_labels():
    y = np.array(["b", "a", "c", "a"])
    for kind in (pre.LabelEncoder, pre.LabelBinarizer):
        model = kind().fit(y)
        found = ss.to_onnx(model, y).run(y)["transform"]
        assert np.array_equal(found, model.transform(y))


def test_labels_of_two_classes_and_sets_of_labels():
    two = pre.LabelBinarizer(neg_label=-1, pos_label=2).fit(["n", "y", "y"])
    assert ss.to_onnx(two, np.array(["n", "y"])).run(["y", "n"])["transform"].tolist() == [
        [2],
        [-1],
    ]
    sets = pre.MultiLabelBinarizer().fit([("a", "b"), ("c",)])
    padded = np.array([["a", "c"], ["b", ""], ["", ""]], object)
    found = ss.to_onnx(sets, padded).run(padded)["transform"]
    assert found.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert ss.to_onnx(sets, [("a", "b"), ("c", "a")]).report.ok
    with pytest.raises(ConversionError, match="differ in length"):
        ss.to_onnx(sets, [("a", "b"), ("c",)])


def test_an_empty_string_may_be_a_category():
    words = np.random.default_rng(0).choice(["a", "", "b"], (200, 2)).astype(object)
    require_right(
        lambda: pre.OneHotEncoder(handle_unknown="ignore"),
        only=[],
        also=[Data("empty strings", words[:100], None, words[100:])],
    )


EVERYWHERE = "expm1 sin cos tan arctan sinh cosh tanh arcsinh cbrt square abs sign floor ceil rint"
POSITIVE = "log log1p log2 log10 sqrt exp exp2 reciprocal arccosh"


@pytest.mark.parametrize("name", EVERYWHERE.split() + POSITIVE.split())
def test_functions_to_the_last_digits(name):
    random = np.random.default_rng(0)
    x = np.concatenate([random.normal(size=600) * 3, random.normal(size=300) * 1e-7, [0.0, 1.0]])
    x = np.abs(x) + (1e-9 if name in POSITIVE.split() else 0) if name in POSITIVE.split() else x
    x = x + 1 if name == "arccosh" else x
    model = pre.FunctionTransformer(getattr(np, name)).fit(x[:, None])
    found = ss.to_onnx(model, x[:, None]).run(x[:, None])["transform"][:, 0]
    want = getattr(np, name)(x)
    assert np.max(np.abs(found - want) / np.maximum(np.abs(want), 1e-300)) < 1e-12


@pytest.mark.parametrize("name", ["arcsin", "arccos", "arctanh"])
def test_functions_of_the_unit_interval(name):
    x = np.linspace(-0.999, 0.999, 801)[:, None]
    model = pre.FunctionTransformer(getattr(np, name)).fit(x)
    found = ss.to_onnx(model, x).run(x)["transform"]
    assert np.allclose(found, getattr(np, name)(x), rtol=1e-12, atol=1e-13)


def test_functions_of_scipy_and_with_arguments():
    x = np.random.default_rng(0).normal(size=(50, 2))
    for function, options in (
        (special.expit, None),
        (np.clip, {"a_min": -1, "a_max": 0.5}),
        (np.round, {"decimals": 1}),
    ):
        model = pre.FunctionTransformer(function, kw_args=options).fit(x)
        assert np.allclose(ss.to_onnx(model, x).run(x)["transform"], model.transform(x), rtol=1e-12)


def test_a_function_of_ones_own_is_refused_by_name_and_can_be_taught():
    def halve(x):
        return x / 2

    x = np.ones((4, 2))
    model = pre.FunctionTransformer(halve).fit(x)
    with pytest.raises(UnsupportedModelError, match="halve"):
        ss.to_onnx(model, x, fallback=False)
    functions.teach(halve, lambda t: t / 2.0)
    assert ss.to_onnx(model, x).run(x)["transform"].tolist() == [[0.5, 0.5]] * 4
