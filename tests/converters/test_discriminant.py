# SPDX-License-Identifier: BSD-3-Clause
"""Discriminant analysis: each solver."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnxruntime")

from sklearn import discriminant_analysis as da

from tests.converters.harness import require_right


@pytest.mark.parametrize(
    ("kind", "options", "only", "refused"),
    [
        (da.LinearDiscriminantAnalysis, {}, ["binary", "strings", "frame"], []),
        (da.LinearDiscriminantAnalysis, {"solver": "eigen", "n_components": 1}, ["multiclass"], []),
        (da.LinearDiscriminantAnalysis, {"solver": "lsqr"}, ["binary"], [("*", "transform")]),
        (da.QuadraticDiscriminantAnalysis, {}, ["binary", "strings", "ties"], []),
    ],
)
def test_all_methods_are_right_or_refused_by_name(
    kind: type, options: dict[str, Any], only: list[str], refused: list[tuple[str, str]]
) -> None:
    require_right(lambda: kind(**options), only=only, refused=refused)
