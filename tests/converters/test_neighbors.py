# SPDX-License-Identifier: BSD-3-Clause
"""Neighbours: ties at the k-th place, both trees, weights, metrics, radius, densities."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnxruntime")

from sklearn import neighbors

from tests.converters.harness import require_right


@pytest.mark.parametrize(
    ("kind", "options", "only", "refused"),
    [
        (neighbors.KNeighborsClassifier, {}, ["strings", "multilabel", "ties"], []),
        (neighbors.KNeighborsClassifier, {"weights": "distance"}, ["multioutput", "codes"], []),
        (
            neighbors.KNeighborsClassifier,
            {"algorithm": "ball_tree", "n_neighbors": 7},
            ["ties"],
            [],
        ),
        (
            neighbors.KNeighborsClassifier,
            {"n_neighbors": 1, "p": 1, "leaf_size": 5},
            ["ties", "frame"],
            [],
        ),
        (neighbors.KNeighborsClassifier, {"algorithm": "brute"}, ["binary"], [("*", "kneighbors")]),
        (neighbors.KNeighborsClassifier, {"algorithm": "brute"}, ["ties"], [("*", "*")]),
        (neighbors.KNeighborsClassifier, {"metric": "braycurtis"}, ["binary"], [("*", "*")]),
        (neighbors.KNeighborsRegressor, {}, ["multioutput", "ties"], []),
        (neighbors.KNeighborsRegressor, {"p": 3, "weights": "distance"}, ["one column"], []),
        (neighbors.NearestNeighbors, {"metric": "chebyshev"}, ["plain"], []),
        (neighbors.KNeighborsTransformer, {"n_neighbors": 3}, ["plain"], []),
        (neighbors.LocalOutlierFactor, {"novelty": True}, ["plain"], []),
        (neighbors.RadiusNeighborsRegressor, {"radius": 5}, ["multioutput", "ties"], []),
        (neighbors.RadiusNeighborsRegressor, {"radius": 5, "weights": "distance"}, ["plain"], []),
        (
            neighbors.RadiusNeighborsClassifier,
            {"radius": 5, "outlier_label": "most_frequent"},
            ["binary", "codes"],
            [],
        ),
        (neighbors.NearestCentroid, {}, ["strings", "ties"], []),
        (neighbors.NearestCentroid, {"priors": "empirical"}, ["binary", "frame"], []),
        (neighbors.KernelDensity, {"bandwidth": 2.0}, ["plain", "positive"], []),
        (neighbors.KernelDensity, {"kernel": "tophat"}, ["plain"], [("*", "*")]),
        (
            neighbors.NeighborhoodComponentsAnalysis,
            {"random_state": 0, "max_iter": 5},
            ["plain"],
            [],
        ),
    ],
)
def test_all_methods_are_right_or_refused_by_name(
    kind: type, options: dict[str, Any], only: list[str], refused: list[tuple[str, str]]
) -> None:
    require_right(lambda: kind(**options), only=only, refused=refused)
