# SPDX-License-Identifier: BSD-3-Clause
"""Support vector machines: every kernel, votes, ties, probabilities."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnxruntime")

from sklearn import svm

from tests.converters.harness import require_right


@pytest.mark.parametrize(
    ("kind", "options", "only", "refused"),
    [
        (svm.SVC, {}, ["binary strings", "multiclass", "ties", "frame"], []),
        (
            svm.SVC,
            {"kernel": "linear", "decision_function_shape": "ovo"},
            ["binary", "strings"],
            [],
        ),
        (svm.SVC, {"kernel": "poly", "degree": 2, "coef0": 1.0}, ["multiclass"], []),
        (svm.SVC, {"kernel": "sigmoid"}, ["multiclass", "codes"], []),
        (svm.SVC, {"kernel": lambda a, b: a @ b.T}, ["binary"], [("*", "*")]),
        (svm.NuSVC, {"nu": 0.2, "break_ties": True}, ["binary", "strings", "ties"], []),
        (svm.LinearSVC, {}, ["binary", "strings"], []),
        (svm.SVR, {}, ["plain", "ties", "frame", "one column"], []),
        (svm.SVR, {"kernel": "poly"}, ["plain", "one column"], []),
        (svm.NuSVR, {"gamma": 0.01}, ["plain"], []),
        (svm.LinearSVR, {}, ["plain"], []),
        (svm.OneClassSVM, {}, ["plain", "codes"], []),
    ],
)
def test_all_methods_are_right_or_refused_by_name(
    kind: type, options: dict[str, Any], only: list[str], refused: list[tuple[str, str]]
) -> None:
    require_right(lambda: kind(**options), only=only, refused=refused)


@pytest.mark.filterwarnings("ignore:The `probability` parameter:FutureWarning")
def test_probabilities_of_pairs_are_coupled_as_libsvm_does() -> None:
    require_right(lambda: svm.SVC(probability=True, random_state=0), only=["binary", "strings"])
    require_right(lambda: svm.NuSVC(probability=True, nu=0.2, random_state=0), only=["multiclass"])
