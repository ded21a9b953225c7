# SPDX-License-Identifier: BSD-3-Clause
"""Pipelines, column transformers and unions, with imputers and selectors, as users write them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, SequentialFeatureSelector
from sklearn.impute import IterativeImputer, KNNImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
    TargetEncoder,
)

import safeserial as ss
from safeserial.errors import UnsupportedModelError
from tests.converters.harness import Data, require_right

CITIES = np.array(["Köln", "Nîmes", "Rome", np.nan], object)


def people(rows, seed):
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": random.normal(40, 12, rows),
            "fare": random.lognormal(3, 1, rows),
            "siblings": random.integers(0, 4, rows),
            "member": random.random(rows) < 0.5,
            "city": random.choice(CITIES, rows),
            "sex": random.choice(["m", "f"], rows),
            "class": random.integers(1, 4, rows),
        }
    )
    table.loc[random.random(rows) < 0.1, "age"] = np.nan
    return table


TRAIN, HELD_OUT = people(300, 0), people(800, 1)
TARGET = (
    (TRAIN["fare"] / 20 + (TRAIN["sex"] == "f") - TRAIN["class"] / 2 > 0.7).astype(int).to_numpy()
)
PEOPLE = Data("people", TRAIN, np.array(["lost", "saved"])[TARGET], HELD_OUT)
FARES = Data("fares", TRAIN, TRAIN["fare"].to_numpy() / 3, HELD_OUT)
numeric = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
categorical = make_pipeline(
    SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
)


def of_the_manual(**options):
    return ColumnTransformer(
        [
            ("numbers", numeric, ["age", "fare", "siblings"]),
            ("words", categorical, ["city", "sex", "class"]),
        ],
        **options,
    )


def by_dtype():
    return ColumnTransformer([
        ("n", StandardScaler(), make_column_selector(dtype_include="number")),
        ("c", OneHotEncoder(sparse_output=False, handle_unknown="ignore"),
         make_column_selector(dtype_include=[object, "str"])),
    ]).set_output(transform="pandas")  # fmt: skip


FRAMES = {
    "manual": lambda: make_pipeline(of_the_manual(), LogisticRegression()),
    "remainder": lambda: make_pipeline(
        of_the_manual(remainder="passthrough"), LogisticRegression()
    ),
    "selectors": lambda: make_pipeline(by_dtype(), SimpleImputer(), LogisticRegression()),
    "two tables": lambda: make_pipeline(
        ColumnTransformer(
            [("fill", SimpleImputer(strategy="constant", fill_value="?"), ["city", "sex"])],
            remainder="passthrough", verbose_feature_names_out=False,
        ).set_output(transform="pandas"),
        ColumnTransformer([
            ("o", OneHotEncoder(handle_unknown="ignore"), ["city"]),
            ("p", "passthrough", ["fare", "class"]),
            ("d", "drop", ["age"]),
        ]),
        LogisticRegression(),
    ),
    "target": lambda: make_pipeline(
        ColumnTransformer([
            ("t", TargetEncoder(), ["city", "class"]),
            ("o", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1,
                                 encoded_missing_value=-2), ["sex", "city"]),
        ]),
        LogisticRegression(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_tables_of_mixed_columns(name):
    require_right(FRAMES[name], only=[], also=[PEOPLE])


def test_a_regression_on_a_table():
    require_right(lambda: make_pipeline(of_the_manual(), Ridge()), only=[], also=[FARES])


ARRAYS = {
    "union": lambda: make_pipeline(
        FeatureUnion(
            [("a", StandardScaler()), ("b", PolynomialFeatures(2)), ("c", "passthrough"),
             ("d", "drop")],
            transformer_weights={"a": 2.0},
        ),
        SelectKBest(k=5),
        LogisticRegression(),
    ),
    "rfe": lambda: RFE(LogisticRegression(), n_features_to_select=3),
    "from model": lambda: make_pipeline(
        SelectFromModel(Lasso(0.1)), "passthrough", LogisticRegression()
    ),
    "sequential": lambda: SequentialFeatureSelector(LinearRegression(), n_features_to_select=2),
}  # fmt: skip


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name):
    require_right(ARRAYS[name], only=["multiclass"] if name != "sequential" else ["plain"])


IMPUTERS = {
    "mean": SimpleImputer,
    "with indicator": lambda: SimpleImputer(strategy="median", add_indicator=True),
    "constant": lambda: SimpleImputer(strategy="constant", fill_value=-7),
    "indicator": MissingIndicator,
    "neighbours": lambda: KNNImputer(weights="distance", add_indicator=True, n_neighbors=3),
    "chained": lambda: IterativeImputer(max_iter=3, add_indicator=True),
    "chained, bounded": lambda: IterativeImputer(
        Ridge(), max_iter=2, min_value=-1, max_value=[1, 2, 3, 4, 50, 6], n_nearest_features=3,
        imputation_order="random", random_state=0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", IMPUTERS)
def test_imputers(name):
    require_right(IMPUTERS[name], only=["missing"])


def test_a_column_that_was_never_there_is_dropped_or_kept():
    x = np.random.default_rng(0).normal(size=(200, 3))
    x[:, 1] = np.nan
    x[::9, 2] = np.nan
    data = Data("empty column", x[:100], None, x[100:])
    for kept in (False, True):
        for kind in (SimpleImputer, KNNImputer, IterativeImputer):
            require_right(partial(kind, keep_empty_features=kept), only=[], also=[data])


def test_a_missing_marker_that_is_no_nan():
    x = np.random.default_rng(0).integers(-1, 5, (300, 3)).astype(float)
    words = pd.DataFrame({"a": np.random.default_rng(1).choice(["x", "y", "?"], 200)})
    require_right(
        lambda: SimpleImputer(missing_values=-1, strategy="most_frequent", add_indicator=True),
        only=[],
        also=[Data("marked", x[:150], None, x[150:])],
    )
    require_right(
        lambda: SimpleImputer(missing_values="?", strategy="most_frequent"),
        only=[],
        also=[Data("marked", words[:100], None, words[100:])],
    )


def test_the_step_that_cannot_be_written_is_named():
    model = make_pipeline(
        ColumnTransformer(
            [("deep", make_pipeline(IterativeImputer(sample_posterior=True)), ["age"])]
        ),
        LogisticRegression(),
    ).fit(TRAIN, TARGET)
    with pytest.raises(UnsupportedModelError, match="columntransformer → deep → iterativeimputer"):
        ss.to_onnx(model, TRAIN)


def test_columns_in_another_order_than_in_the_fit():
    model = of_the_manual().fit(TRAIN)
    turned = TRAIN[TRAIN.columns[::-1]]
    result = ss.to_onnx(model, turned)
    assert [one.name for one in result.contract.inputs] == list(turned.columns)
    assert result.report.ok
