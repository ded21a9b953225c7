# SPDX-License-Identifier: BSD-3-Clause
"""Decompositions, cross-decompositions, random projections."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnxruntime")

import numpy as np
from sklearn import cross_decomposition as cd
from sklearn import decomposition as de
from sklearn import random_projection as rp

from tests.converters.harness import Data, require_right


@pytest.mark.parametrize(
    ("kind", "options", "only", "refused"),
    [
        (de.PCA, {}, ["plain", "counts", "frame"], []),
        (de.PCA, {"n_components": 3, "whiten": True}, ["plain"], []),
        (de.IncrementalPCA, {"n_components": 3}, ["plain"], []),
        (de.TruncatedSVD, {"n_components": 2}, ["plain"], []),
        (de.FactorAnalysis, {"n_components": 2}, ["plain"], []),
        (de.FastICA, {"n_components": 3, "random_state": 0}, ["plain"], []),
        (de.SparsePCA, {"n_components": 3, "random_state": 0, "max_iter": 20}, ["plain"], []),
        (
            de.MiniBatchSparsePCA,
            {"n_components": 3, "random_state": 0, "max_iter": 20},
            ["plain"],
            [],
        ),
        (de.KernelPCA, {"n_components": 3, "kernel": "rbf"}, ["plain"], []),
        (de.KernelPCA, {"n_components": 2, "kernel": "poly"}, ["positive"], []),
        (cd.PLSRegression, {}, ["plain", "multioutput"], []),
        (cd.PLSCanonical, {}, ["multioutput"], []),
        (cd.CCA, {}, ["multioutput"], []),
        (rp.GaussianRandomProjection, {"n_components": 3, "random_state": 0}, ["plain"], []),
        (rp.SparseRandomProjection, {"n_components": 3, "random_state": 0}, ["plain"], []),
    ],
)
def test_all_methods_are_right_or_refused_by_name(
    kind: type, options: dict[str, Any], only: list[str], refused: list[tuple[str, str]]
) -> None:
    require_right(lambda: kind(**options), only=only, refused=refused)


def test_pls_svd_is_right_for_several_targets() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 5))
    data = Data(
        "two targets", x, x[:, :2] * 2 + random.normal(size=(300, 2)), random.normal(size=(200, 5))
    )
    require_right(cd.PLSSVD, only=[], also=[data])
