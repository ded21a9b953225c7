# SPDX-License-Identifier: BSD-3-Clause
"""Neighbours: ties at the k-th place, both trees, weights, metrics, radius, densities."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnxruntime")

import numpy as np
from sklearn import neighbors

from safeserial_converters import proof
from safeserial_converters.contract import Target
from safeserial_converters.families.neighbor_sort import sort_neighbours
from safeserial_converters.graph import Graph
from tests.converters.harness import Data, require_right


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
        (neighbors.LocalOutlierFactor, {"n_neighbors": 9}, ["plain"], [("*", "*")]),
        (neighbors.RadiusNeighborsTransformer, {"radius": 4}, ["codes"], []),
        (
            neighbors.RadiusNeighborsTransformer,
            {"radius": 4, "mode": "connectivity", "algorithm": "ball_tree"},
            ["counts"],
            [],
        ),
        (
            neighbors.RadiusNeighborsTransformer,
            {"radius": 4, "algorithm": "brute"},
            ["plain"],
            [("*", "*")],
        ),
        (neighbors.RadiusNeighborsRegressor, {"radius": 5}, ["multioutput", "ties"], []),
        (neighbors.RadiusNeighborsRegressor, {"radius": 5, "weights": "distance"}, ["plain"], []),
        (
            neighbors.RadiusNeighborsClassifier,
            {"radius": 5, "outlier_label": "most_frequent"},
            ["binary", "codes", "multioutput"],
            [],
        ),
        (
            neighbors.RadiusNeighborsClassifier,
            {"radius": 5, "outlier_label": 7, "weights": "distance"},
            ["multilabel"],
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


@pytest.mark.parametrize("k", [3, 15, 16, 17, 33, 64])
def test_equal_distances_come_in_the_order_of_the_sort_of_scikit_learn(k: int) -> None:
    sorting = pytest.importorskip("sklearn.utils._sorting")
    sort = getattr(sorting, "_py_simultaneous_sort", None)
    if sort is None:
        pytest.skip("this scikit-learn sorts otherwise")
    graph = Graph(Target(), lambda *_: None)
    values = graph.add_input("values", "float64", (k,))
    best, places = sort_neighbours(values, graph.constant(np.arange(k)), k)
    session = proof.session(graph.build({"b": best, "p": places}, {}).SerializeToString())
    random = np.random.default_rng(k)
    for different in (1, 2, 5, k, 1000):
        for _ in range(20):
            row = random.integers(0, different, k).astype(np.float64)
            ordered, numbers = row.copy(), np.arange(k)
            sort(ordered, numbers, k, use_three_way_partition=False)
            got = session.run(None, {"values": row})
            assert got[0].tolist() == ordered.tolist()
            assert got[1].tolist() == numbers.tolist()


def test_more_neighbours_than_are_sorted_by_insertion() -> None:
    random = np.random.default_rng(0)
    rows = random.integers(0, 3, (80, 3)).astype(np.float64)
    data = Data("codes", rows[:60], None, rows[60:])
    model = neighbors.NearestNeighbors(n_neighbors=20, leaf_size=7)
    require_right(lambda: model, only=[], also=[data], dtypes=["float64"])
