# SPDX-License-Identifier: BSD-3-Clause
"""Gaussian processes: the tree of kernels, two and more classes."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnxruntime")

from sklearn import gaussian_process as gp
from sklearn.gaussian_process import kernels as k

from tests.converters.harness import require_right


@pytest.mark.parametrize(
    ("kind", "options", "only", "refused"),
    [
        (
            gp.GaussianProcessRegressor,
            {"kernel": k.RBF(3.0) + k.WhiteKernel(), "normalize_y": True, "optimizer": None},
            ["plain", "multioutput"],
            [],
        ),
        (
            gp.GaussianProcessRegressor,
            {
                "kernel": 2.0 * k.Matern(2.0, nu=1.5) + k.DotProduct(),
                "alpha": 0.1,
                "optimizer": None,
            },
            ["plain"],
            [],
        ),
        (
            gp.GaussianProcessRegressor,
            {"kernel": k.Matern(nu=0.5) * k.RationalQuadratic(), "alpha": 0.1, "optimizer": None},
            ["one column"],
            [],
        ),
        (
            gp.GaussianProcessRegressor,
            {
                "kernel": k.ExpSineSquared() ** 2 + k.PairwiseKernel(metric="rbf"),
                "alpha": 1.0,
                "optimizer": None,
            },
            ["one column"],
            [],
        ),
        (
            gp.GaussianProcessRegressor,
            {"kernel": k.Matern(nu=0.7), "alpha": 0.1, "optimizer": None},
            ["one column"],
            [("*", "*")],
        ),
        (gp.GaussianProcessClassifier, {"optimizer": None}, ["binary strings"], []),
        (gp.GaussianProcessClassifier, {"optimizer": None}, ["strings"], [("*", "predict")]),
        (
            gp.GaussianProcessClassifier,
            {"optimizer": None, "multi_class": "one_vs_one"},
            ["multiclass"],
            [("*", "*")],
        ),
    ],
)
def test_all_methods_are_right_or_refused_by_name(
    kind: type, options: dict[str, Any], only: list[str], refused: list[tuple[str, str]]
) -> None:
    require_right(lambda: kind(**options), only=only, refused=refused)
