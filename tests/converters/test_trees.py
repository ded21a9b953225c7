# SPDX-License-Identifier: BSD-3-Clause
"""Trees and forests as ONNX: the same leaf for every row, the same sum in the same order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

import safeserial_converters
from safeserial_converters import ops_trees, tree_nodes

from .harness import Data, datasets, require_right


@pytest.mark.parametrize("kind", [DecisionTreeClassifier, ExtraTreeClassifier])
def test_single_classifiers(kind: Any) -> None:
    require_right(lambda: kind(random_state=0))


@pytest.mark.parametrize("kind", [DecisionTreeRegressor, ExtraTreeRegressor])
def test_single_regressors(kind: Any) -> None:
    require_right(lambda: kind(random_state=0))


@pytest.mark.parametrize(
    "options", [{"max_depth": 1}, {"min_impurity_decrease": 1e9}, {"criterion": "absolute_error"}]
)
def test_small_trees(options: dict[str, Any]) -> None:
    require_right(lambda: DecisionTreeRegressor(**options), only=["plain", "multioutput"])


def test_random_forest_classifier() -> None:
    require_right(lambda: RandomForestClassifier(10, random_state=0))


def test_forests_on_ties_and_missing_values() -> None:
    kinds = ["ties", "missing", "binary strings", "counts"]
    require_right(lambda: RandomForestClassifier(20, max_depth=3, random_state=0), only=kinds)
    require_right(lambda: ExtraTreesClassifier(20, random_state=0), only=kinds[:2])


def test_random_forest_regressor() -> None:
    require_right(lambda: RandomForestRegressor(10, random_state=0))


def test_on_request_the_leaves() -> None:
    methods = ["apply", "predict_log_proba"]
    require_right(lambda: RandomForestClassifier(5), only=["multiclass"], methods=methods)
    require_right(DecisionTreeClassifier, only=["missing"], methods=methods)


def test_a_broken_tie_stays_a_tie() -> None:
    """Shares of many trees that meet at one half, on 1 and 2 threads and in every size of batch."""
    random = np.random.default_rng(0)
    x = random.integers(0, 3, (400, 4)).astype(np.float64)
    y = random.integers(0, 2, 400)
    held = random.integers(0, 3, (2000, 4)).astype(np.float64)
    outcomes = require_right(
        lambda: RandomForestClassifier(120, random_state=1),
        only=[],
        also=[Data("grid", x, y, held)],
    )
    assert {one.verdict for one in outcomes} == {"right"}
    model = RandomForestClassifier(120, random_state=1).fit(x, y)
    result = safeserial_converters.to_onnx(model, x[:50])
    session = result.session()
    for rows in (held[:1], held[:49], held[:51], held):
        (got,) = session.run(["predict_proba"], result.feed(rows))
        assert np.array_equal(got, model.predict_proba(rows))


def test_more_trees_than_are_summed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops_trees, "VALUES_A_ROW", 7)
    require_right(
        lambda: RandomForestClassifier(10, random_state=0), only=["multiclass", "multioutput"]
    )


@pytest.mark.parametrize("ml_opset", [1, 5])
def test_the_other_operators_decide_the_same(ml_opset: int) -> None:
    require_right(
        lambda: RandomForestClassifier(10, random_state=0),
        only=["missing", "binary", "multioutput"],
        ml_opset=ml_opset,
    )


def test_thresholds_are_offered_to_the_proof() -> None:
    data = next(iter(datasets("classifier")))
    model = DecisionTreeClassifier(random_state=0).fit(data.train, data.target)
    report = safeserial_converters.to_onnx(model, data.train).report
    assert dict(report.rows)["at thresholds"] == 200


def test_a_graph_that_decides_otherwise_at_a_threshold_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With thresholds a little too high only the rows at thresholds tell."""
    from safeserial.errors import ParityError

    data = next(iter(datasets("classifier")))
    model = DecisionTreeClassifier(random_state=0).fit(data.train, data.target)
    right = tree_nodes.splits_of
    monkeypatch.setattr(
        tree_nodes,
        "splits_of",
        lambda tree, dtype: np.nextafter(right(tree, dtype), np.float32(np.inf)),
    )
    with pytest.raises(ParityError):
        safeserial_converters.to_onnx(model, data.train)


@pytest.mark.parametrize("contamination", ["auto", 0.1])
def test_isolation_forest(contamination: Any) -> None:
    require_right(
        lambda: IsolationForest(
            n_estimators=10, contamination=contamination, max_features=0.7, random_state=0
        ),
        only=["plain", "missing", "frame", "counts"],
    )


def test_isolation_forest_on_its_own_rows() -> None:
    """The offset is the score of a row: at that row the decision hangs on the last bit."""
    train = next(iter(datasets("other"))).train
    require_right(
        lambda: IsolationForest(n_estimators=30, contamination=0.25, random_state=0),
        only=[],
        also=[Data("itself", train, None, train)],
    )


def test_random_trees_embedding() -> None:
    require_right(
        lambda: RandomTreesEmbedding(n_estimators=5, max_depth=3, random_state=0),
        only=["plain", "frame"],
    )
    require_right(
        lambda: RandomTreesEmbedding(n_estimators=3, sparse_output=False, random_state=0),
        only=["counts"],
    )
