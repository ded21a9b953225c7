# SPDX-License-Identifier: BSD-3-Clause
"""Rows at thresholds: at the model's own inputs, also where scalers and imputers stand between."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnxruntime")

import numpy as np
from sklearn import preprocessing as pp
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

import safeserial as ss
from safeserial.errors import ParityError
from safeserial_converters import contract, tree_nodes
from safeserial_converters.draft import build

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(3, 2, size=(200, 3))
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 8).astype(int)
SCALERS = [
    pp.StandardScaler(),
    pp.StandardScaler(with_mean=False),
    pp.MinMaxScaler((-1, 1)),
    pp.MinMaxScaler(clip=True),
    pp.RobustScaler(),
    pp.MaxAbsScaler(),
    SimpleImputer(),
    make_pipeline(SimpleImputer(add_indicator=True), pp.MinMaxScaler(), pp.StandardScaler()),
    ColumnTransformer([("b", pp.StandardScaler(), [2, 0]), ("a", "passthrough", [1])]),
]


def graph_of(model: Any) -> Any:
    return build(model, contract.describe(X), contract.Target(), fallback=False).graph


@pytest.mark.parametrize("scaler", SCALERS, ids=str)
def test_decisions_change_at_what_is_noted(scaler: Any) -> None:
    tree = DecisionTreeClassifier(max_depth=4, random_state=0)
    model = make_pipeline(scaler, tree).fit(X, Y)
    noted = graph_of(model).thresholds
    assert noted
    turned = 0
    for column, groups in noted.items():
        for value in np.concatenate(groups):
            around = value + np.arange(-3, 4) * np.spacing(value)
            rows = np.repeat(X[:40], len(around), axis=0)
            rows[:, column] = np.tile(around, 40)
            leaves = model[-1].apply(model[:-1].transform(rows)).reshape(40, -1)
            turned += int((leaves != leaves[:, :1]).any())
    # Of a threshold and the double at which single precision turns, the second decides.  The way
    # back is rounded: a few are missed.
    assert turned >= 0.4 * sum(len(np.concatenate(one)) for one in noted.values())


@pytest.mark.parametrize("scaler", SCALERS[:6], ids=str)
def test_a_threshold_that_is_off_by_one_is_caught_behind_a_scaler(
    scaler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_pipeline(scaler, DecisionTreeClassifier(random_state=0)).fit(X, Y)
    assert ss.to_onnx(model, X).report.ok
    right = tree_nodes.splits_of
    monkeypatch.setattr(
        tree_nodes,
        "splits_of",
        lambda tree, dtype: np.nextafter(
            right(tree, dtype).astype(np.float32), np.float32(np.inf)
        ).astype(dtype),
    )
    with pytest.raises(ParityError):
        ss.to_onnx(model, X)


def test_what_no_scaler_leads_back_from_is_left_out() -> None:
    model = make_pipeline(pp.Normalizer(), DecisionTreeClassifier(random_state=0))
    assert not graph_of(model.fit(X, Y)).thresholds
