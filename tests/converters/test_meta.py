# SPDX-License-Identifier: BSD-3-Clause
"""Estimators over estimators: calibration, searches, thresholds, chains, targets; and dummies."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - brings the halving searches
from sklearn.feature_extraction.image import PatchExtractor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Perceptron, Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.semi_supervised import LabelPropagation, LabelSpreading, SelfTrainingClassifier

from safeserial.errors import UnsupportedModelError
from safeserial_converters import to_onnx
from tests.converters.harness import Data, datasets, require_right

LR = LogisticRegression
KINDS = ("binary", "strings")
LABELS = ("multilabel",)


@pytest.mark.parametrize(
    "make",
    [
        lambda: CalibratedClassifierCV(LR(), cv=2),
        lambda: CalibratedClassifierCV(LR(), cv=2, method="isotonic"),
        lambda: CalibratedClassifierCV(LR(), cv=2, method="temperature", ensemble=False),
        lambda: CalibratedClassifierCV(Perceptron(), cv=2, method="temperature"),
        lambda: GridSearchCV(LR(), {"C": [0.1, 1]}, cv=2),
        lambda: RandomizedSearchCV(LR(), {"C": [0.1, 1]}, n_iter=2, cv=2),
        lambda: HalvingGridSearchCV(LR(), {"C": [0.1, 1]}, cv=2),
        lambda: OneVsRestClassifier(LR()),
        lambda: OneVsRestClassifier(Ridge()),
        lambda: OneVsOneClassifier(Perceptron()),
        lambda: OutputCodeClassifier(LR(), random_state=0),
        lambda: OutputCodeClassifier(Perceptron(), code_size=4, random_state=0),
        LabelPropagation,
        lambda: LabelSpreading(gamma=0.5),
    ],
)
def test_classifiers(make):
    require_right(make, only=KINDS)


def test_one_vs_rest_of_labels():
    require_right(lambda: OneVsRestClassifier(LR()), only=LABELS)


@pytest.mark.parametrize(
    "make",
    [
        lambda: FixedThresholdClassifier(LR(), threshold=0.3),
        lambda: FixedThresholdClassifier(Perceptron(), pos_label=0),
        lambda: FixedThresholdClassifier(LR(), pos_label=0, response_method="predict_proba"),
        lambda: TunedThresholdClassifierCV(LR(), cv=2),
    ],
)
def test_thresholds(make):
    require_right(make, only=["binary"])


@pytest.mark.parametrize(
    "make",
    [
        lambda: MultiOutputClassifier(LR()),
        lambda: ClassifierChain(LR(), order="random", random_state=1),
        lambda: ClassifierChain(LR(), chain_method="predict_proba", cv=2),
        lambda: ClassifierChain(Perceptron(), chain_method="decision_function"),
        lambda: ClassifierChain(LR(), chain_method="predict_log_proba"),
    ],
)
def test_several_targets(make):
    require_right(make, only=LABELS)


@pytest.mark.parametrize(
    "make", [lambda: MultiOutputRegressor(Ridge()), lambda: RegressorChain(Ridge(), order=[1, 0])]
)
def test_several_numbers(make):
    require_right(make, only=["multioutput"])


def test_transformed_targets():
    logarithm = TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1)
    require_right(lambda: logarithm, only=["positive"])
    scaled = TransformedTargetRegressor(Ridge(), transformer=StandardScaler())
    require_right(lambda: scaled, only=["plain", "multioutput"])


def test_a_function_of_ones_own_is_refused():
    inverse = FunctionTransformer(lambda y: y, lambda y: y * 2, check_inverse=False)
    model = TransformedTargetRegressor(Ridge(), transformer=inverse, check_inverse=False)
    data = next(iter(datasets("regressor")))
    with pytest.raises(UnsupportedModelError, match="transformer_"):
        to_onnx(model.fit(data.train, data.target), data.train)


def test_self_training_and_frozen():
    data = next(one for one in datasets("classifier") if one.name == "multiclass")
    some = np.where(np.arange(len(data.target)) % 3 == 0, -1, data.target)
    require_right(
        lambda: SelfTrainingClassifier(LR(max_iter=1000)),
        only=[],
        also=[Data("some", data.train, some, data.held_out)],
    )
    frozen = LR(max_iter=1000).fit(data.train, data.target)
    require_right(lambda: FrozenEstimator(frozen), only=[], also=[data])


@pytest.mark.parametrize("strategy", ["prior", "most_frequent"])
def test_dummy_classifier(strategy):
    require_right(lambda: DummyClassifier(strategy=strategy), only=[*KINDS, "multioutput"])


def test_dummies_that_draw_are_refused():
    require_right(
        lambda: DummyClassifier(strategy="uniform"), only=KINDS, refused=[("*", "predict")]
    )
    require_right(lambda: DummyClassifier(strategy="stratified"), only=KINDS, refused=[("*", "*")])


def test_dummy_regressor():
    require_right(lambda: DummyRegressor(strategy="quantile", quantile=0.2), only=["multioutput"])
    require_right(lambda: DummyRegressor(strategy="constant", constant=3), only=["plain"])


def test_patches():
    images = np.random.default_rng(0).normal(size=(6, 8, 7, 3))
    for rows in (images, images[..., 0]):
        require_right(
            lambda: PatchExtractor(patch_size=(3, 2)),
            only=[],
            also=[Data("images", rows, None, rows)],
        )
    with pytest.raises(UnsupportedModelError, match="by chance"):
        to_onnx(PatchExtractor(patch_size=(3, 2), max_patches=2).fit(images), images)
