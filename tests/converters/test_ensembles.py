# SPDX-License-Identifier: BSD-3-Clause
"""Bagging, AdaBoost, voting and stacking as ONNX."""

from __future__ import annotations

from typing import Any

import joblib
import pytest
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from .harness import require_right


def _classifiers() -> list[tuple[str, Any]]:
    return [
        ("lr", LogisticRegression()),
        ("tree", DecisionTreeClassifier(max_depth=3, random_state=0)),
        ("rf", RandomForestClassifier(4, random_state=0)),
    ]


def _regressors() -> list[tuple[str, Any]]:
    return [("ridge", Ridge()), ("tree", DecisionTreeRegressor(max_depth=3, random_state=0))]


def test_bagging_of_trees() -> None:
    require_right(
        lambda: BaggingClassifier(n_estimators=6, max_features=0.7, random_state=0),
        only=["binary", "strings", "ties", "missing", "frame", "codes"],
    )
    require_right(
        lambda: BaggingRegressor(n_estimators=6, max_samples=0.5, random_state=0),
        only=["plain", "multioutput", "missing", "one column"],
    )


def test_bagging_of_trees_that_have_not_seen_every_class() -> None:
    require_right(
        lambda: BaggingClassifier(n_estimators=12, max_samples=3, random_state=0), only=["strings"]
    )


@pytest.mark.parametrize(
    "part", [LogisticRegression(), RidgeClassifier(), RandomForestClassifier(3, random_state=0)]
)
def test_bagging_of_others(part: Any) -> None:
    require_right(
        lambda: BaggingClassifier(part, n_estimators=3, max_features=0.5, random_state=0),
        only=["binary strings", "multiclass"],
    )


def test_bagging_of_regressors() -> None:
    require_right(lambda: BaggingRegressor(Ridge(), n_estimators=3), only=["plain", "multioutput"])


def test_bagging_by_several_jobs() -> None:
    """Each job's estimators are summed by themselves."""
    with joblib.parallel_config("threading"):
        require_right(lambda: BaggingClassifier(n_estimators=7, n_jobs=2), only=["ties"])


def test_ada_boost_classifier() -> None:
    require_right(
        lambda: AdaBoostClassifier(n_estimators=8, random_state=0),
        only=["binary strings", "multiclass", "strings", "ties", "frame"],
    )


@pytest.mark.parametrize("part", [DecisionTreeClassifier(max_depth=2), LogisticRegression()])
def test_ada_boost_of_others(part: Any) -> None:
    require_right(
        lambda: AdaBoostClassifier(part, n_estimators=4, random_state=0), only=["strings", "binary"]
    )


@pytest.mark.parametrize("part", [None, LinearRegression()])
def test_ada_boost_regressor(part: Any) -> None:
    require_right(
        lambda: AdaBoostRegressor(part, n_estimators=7, random_state=0),
        only=["plain", "ties", "frame"],
    )


@pytest.mark.parametrize("weights", [None, [2.0, 1.0, 0.5]])
@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_voting_classifier(voting: str, weights: Any) -> None:
    require_right(
        lambda: VotingClassifier(_classifiers(), voting=voting, weights=weights),
        only=["binary", "strings", "ties", "frame"],
    )


def test_votes_that_tie() -> None:
    require_right(lambda: VotingClassifier(_classifiers()[:2]), only=["multiclass"])
    require_right(
        lambda: VotingClassifier(
            [(f"t{i}", DecisionTreeClassifier(max_depth=4, random_state=i)) for i in range(4)],
            voting="soft",
        ),
        only=["ties"],
    )


def test_voting_without_one_and_in_three_dimensions() -> None:
    require_right(
        lambda: VotingClassifier([*_classifiers(), ("gone", "drop")], voting="soft"),
        only=["binary"],
    )
    require_right(
        lambda: VotingClassifier(_classifiers(), voting="soft", flatten_transform=False),
        only=["binary"],
        refused=[("*", "transform")],
    )


@pytest.mark.parametrize("weights", [None, [2.0, 1.0]])
def test_voting_regressor(weights: Any) -> None:
    require_right(
        lambda: VotingRegressor(_regressors(), weights=weights), only=["plain", "ties", "frame"]
    )


@pytest.mark.parametrize("options", [{}, {"passthrough": True}, {"stack_method": "predict"}])
def test_stacking_classifier(options: dict[str, Any]) -> None:
    require_right(
        lambda: StackingClassifier(_classifiers()[:2], cv=2, **options),
        only=["binary strings", "strings", "frame"],
    )


def test_stacking_of_several_labels() -> None:
    require_right(
        lambda: StackingClassifier(
            _classifiers()[1:], final_estimator=RandomForestClassifier(4, random_state=0), cv=2
        ),
        only=["multilabel", "multiclass"],
    )


@pytest.mark.parametrize("last", [None, RandomForestRegressor(4, random_state=0)])
def test_stacking_regressor(last: Any) -> None:
    require_right(
        lambda: StackingRegressor(
            _regressors(), final_estimator=last, cv=2, passthrough=last is None
        ),
        only=["plain", "ties", "frame"],
    )
