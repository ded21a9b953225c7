# SPDX-License-Identifier: BSD-3-Clause
"""Neural networks: activations, multi-label, several targets."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnxruntime")

from sklearn import neural_network as nn

from tests.converters.harness import require_right

SMALL: dict[str, Any] = {"hidden_layer_sizes": (8, 4), "max_iter": 30, "random_state": 0}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize(
    ("kind", "options", "only", "refused"),
    [
        (nn.MLPClassifier, {**SMALL}, ["binary strings", "strings", "multilabel"], []),
        (nn.MLPClassifier, {**SMALL, "activation": "logistic"}, ["multiclass"], []),
        (nn.MLPRegressor, {**SMALL, "activation": "tanh"}, ["plain", "multioutput"], []),
        (nn.MLPRegressor, {**SMALL, "activation": "identity"}, ["plain", "frame"], []),
        (
            nn.BernoulliRBM,
            {"n_components": 4, "random_state": 0, "n_iter": 2},
            ["plain"],
            [("*", "score_samples")],
        ),
    ],
)
def test_all_methods_are_right_or_refused_by_name(
    kind: type, options: dict[str, Any], only: list[str], refused: list[tuple[str, str]]
) -> None:
    require_right(lambda: kind(**options), only=only, refused=refused)
