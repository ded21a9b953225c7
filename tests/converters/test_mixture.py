# SPDX-License-Identifier: BSD-3-Clause
"""Gaussian mixtures: each shape of covariance."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnxruntime")

from sklearn import mixture

from tests.converters.harness import require_right


@pytest.mark.parametrize(
    ("kind", "options", "only", "refused"),
    [
        (
            mixture.GaussianMixture,
            {"n_components": 3, "random_state": 0, "covariance_type": "full"},
            ["plain"],
            [],
        ),
        (
            mixture.GaussianMixture,
            {"n_components": 3, "random_state": 0, "covariance_type": "tied"},
            ["plain"],
            [],
        ),
        (
            mixture.GaussianMixture,
            {"n_components": 3, "random_state": 0, "covariance_type": "diag"},
            ["plain"],
            [],
        ),
        (
            mixture.GaussianMixture,
            {"n_components": 3, "random_state": 0, "covariance_type": "spherical"},
            ["plain"],
            [],
        ),
        (
            mixture.BayesianGaussianMixture,
            {"n_components": 3, "random_state": 0, "covariance_type": "full"},
            ["plain"],
            [],
        ),
        (
            mixture.BayesianGaussianMixture,
            {"n_components": 3, "random_state": 0, "covariance_type": "tied"},
            ["plain"],
            [],
        ),
        (
            mixture.BayesianGaussianMixture,
            {"n_components": 3, "random_state": 0, "covariance_type": "diag"},
            ["plain"],
            [],
        ),
        (
            mixture.BayesianGaussianMixture,
            {"n_components": 3, "random_state": 0, "covariance_type": "spherical"},
            ["plain"],
            [],
        ),
    ],
)
def test_all_methods_are_right_or_refused_by_name(
    kind: type, options: dict[str, Any], only: list[str], refused: list[tuple[str, str]]
) -> None:
    require_right(lambda: kind(**options), only=only, refused=refused)
