# SPDX-License-Identifier: BSD-3-Clause
"""Robust covariance and manifolds."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnxruntime")

from sklearn.covariance import EllipticEnvelope
from sklearn.manifold import Isomap, LocallyLinearEmbedding

from tests.converters.harness import require_right


@pytest.mark.parametrize(
    ("kind", "options", "only", "refused"),
    [
        (EllipticEnvelope, {"random_state": 0}, ["plain", "codes"], []),
        (Isomap, {"n_neighbors": 12}, ["positive"], []),
        (LocallyLinearEmbedding, {}, ["plain"], []),
    ],
)
def test_all_methods_are_right_or_refused_by_name(
    kind: type, options: dict[str, Any], only: list[str], refused: list[tuple[str, str]]
) -> None:
    require_right(lambda: kind(**options), only=only, refused=refused)
