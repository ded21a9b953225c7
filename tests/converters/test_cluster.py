# SPDX-License-Identifier: BSD-3-Clause
"""Clusters: nearest centres, trees of centres, pooled features."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnxruntime")

import numpy as np
from sklearn import cluster

import safeserial as ss
from tests.converters.harness import Data, require_right


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


def test_a_model_that_takes_single_precision_alone() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    model = cluster.KMeans(3, n_init=1, random_state=0).fit(rows)
    result = ss.to_onnx(model, rows)
    assert (result.run(rows)["predict"] == model.predict(rows)).all()
    assert np.allclose(result.run(rows)["transform"], model.transform(rows), rtol=1e-6)


def test_distances_far_from_zero_are_noise_and_refused() -> None:
    random = np.random.default_rng(0)
    centres = random.integers(0, 3, (200, 1)) * 10.0
    for offset, refused in ((0.0, False), (1e5, True)):
        data = Data(
            "far", random.normal(size=(200, 2)) + centres + offset, None, centres[:9, [0, 0]]
        )
        require_right(
            lambda: cluster.KMeans(3, n_init=1, random_state=0),
            only=[], also=[data], dtypes=["float64"],
            refused=[("far", "transform")] if refused else [],
        )  # fmt: skip
