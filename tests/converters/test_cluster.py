# SPDX-License-Identifier: BSD-3-Clause
"""Clusters: nearest centres, trees of centres, pooled features."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnxruntime")

import numpy as np
from sklearn import cluster

from tests.converters.harness import require_right


@pytest.mark.parametrize(
    ("kind", "options", "only", "refused"),
    [
        (cluster.KMeans, {"n_clusters": 4, "random_state": 0}, ["plain", "codes", "frame"], []),
        (cluster.MiniBatchKMeans, {"n_clusters": 4, "random_state": 0}, ["plain"], []),
        (cluster.BisectingKMeans, {"n_clusters": 5, "random_state": 0}, ["plain", "codes"], []),
        (cluster.AffinityPropagation, {"random_state": 0}, ["counts"], []),
        (cluster.MeanShift, {"bandwidth": 6.0, "bin_seeding": True}, ["plain"], []),
        (cluster.Birch, {"threshold": 0.1}, ["plain"], [("*", "transform")]),
        (cluster.FeatureAgglomeration, {}, ["plain"], []),
        (cluster.FeatureAgglomeration, {"pooling_func": np.max}, ["plain"], []),
        (cluster.FeatureAgglomeration, {"pooling_func": np.median}, ["plain"], [("*", "*")]),
    ],
)
def test_all_methods_are_right_or_refused_by_name(
    kind: type, options: dict[str, Any], only: list[str], refused: list[tuple[str, str]]
) -> None:
    require_right(lambda: kind(**options), only=only, refused=refused)
