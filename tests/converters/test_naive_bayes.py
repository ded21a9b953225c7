# SPDX-License-Identifier: BSD-3-Clause
"""Naive Bayes: every distribution."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnxruntime")

from sklearn import naive_bayes as nb

from tests.converters.harness import require_right


@pytest.mark.parametrize(
    ("kind", "options", "only", "refused"),
    [
        (nb.GaussianNB, {}, ["binary", "strings", "ties", "frame"], []),
        (nb.MultinomialNB, {}, ["counts"], []),
        (nb.ComplementNB, {}, ["counts", "codes"], []),
        (nb.BernoulliNB, {}, ["binary strings", "counts"], []),
        (nb.BernoulliNB, {"binarize": 1.5}, ["multiclass", "ties"], []),
        (nb.CategoricalNB, {"min_categories": 40}, ["counts", "codes"], []),
    ],
)
def test_all_methods_are_right_or_refused_by_name(
    kind: type, options: dict[str, Any], only: list[str], refused: list[tuple[str, str]]
) -> None:
    require_right(lambda: kind(**options), only=only, refused=refused)
