# SPDX-License-Identifier: BSD-3-Clause
"""Kernel approximation and kernel ridge."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnxruntime")

from sklearn import kernel_approximation as ka
from sklearn.kernel_ridge import KernelRidge

from tests.converters.harness import require_right


@pytest.mark.parametrize(
    ("kind", "options", "only", "refused"),
    [
        (KernelRidge, {"kernel": "rbf"}, ["plain", "multioutput"], []),
        (KernelRidge, {"kernel": "laplacian", "gamma": 0.05}, ["plain"], []),
        (KernelRidge, {"kernel": "cosine"}, ["plain"], []),
        (KernelRidge, {"kernel": "poly", "gamma": 0.01}, ["plain"], []),
        (KernelRidge, {"kernel": "chi2", "gamma": 0.1}, ["positive"], []),
        (ka.Nystroem, {"random_state": 0, "n_components": 20}, ["plain"], []),
        (ka.RBFSampler, {"random_state": 0}, ["plain"], []),
        (ka.SkewedChi2Sampler, {"random_state": 0}, ["positive"], []),
        (ka.AdditiveChi2Sampler, {"sample_steps": 3}, ["positive", "counts"], []),
        (ka.PolynomialCountSketch, {"random_state": 0, "degree": 3, "coef0": 1}, ["plain"], []),
    ],
)
def test_all_methods_are_right_or_refused_by_name(
    kind: type, options: dict[str, Any], only: list[str], refused: list[tuple[str, str]]
) -> None:
    require_right(lambda: kind(**options), only=only, refused=refused)
