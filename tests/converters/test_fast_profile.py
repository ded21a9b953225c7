# SPDX-License-Identifier: BSD-3-Clause
"""profile="fast": single precision inside, near the model, and labelled wherever it is seen."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("onnxruntime")

import numpy as np
import onnx
from sklearn import (
    cluster,
    decomposition,
    discriminant_analysis,
    ensemble,
    linear_model,
    mixture,
    naive_bayes,
    neighbors,
    svm,
    tree,
)
from sklearn import preprocessing as pp
from sklearn.compose import TransformedTargetRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

import safeserial as ss

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(300, 4)).astype(np.float32)
SIGNAL = X[:, 0] - X[:, 1] * X[:, 2]
Y = np.digitize(SIGNAL, [-0.5, 0.7])
TEXTS = [" ".join(RANDOM.choice(["ja", "nein", "été", "漢字"], 5)) for _ in range(300)]
SCALED = pp.StandardScaler
CLASSIFIERS = [
    make_pipeline(SCALED(), linear_model.LogisticRegression()),
    linear_model.RidgeClassifier(),
    linear_model.SGDClassifier(loss="log_loss", random_state=0),
    svm.LinearSVC(random_state=0),
    make_pipeline(pp.MinMaxScaler(), svm.SVC()),
    tree.DecisionTreeClassifier(max_depth=5, random_state=0),
    ensemble.RandomForestClassifier(10, random_state=0),
    ensemble.ExtraTreesClassifier(10, random_state=0),
    ensemble.GradientBoostingClassifier(n_estimators=5, random_state=0),
    ensemble.HistGradientBoostingClassifier(max_iter=5, random_state=0),
    ensemble.AdaBoostClassifier(n_estimators=5, random_state=0),
    ensemble.BaggingClassifier(n_estimators=4, random_state=0),
    ensemble.VotingClassifier(
        [("a", linear_model.LogisticRegression()), ("b", naive_bayes.GaussianNB())], voting="soft"
    ),
    neighbors.KNeighborsClassifier(),
    naive_bayes.GaussianNB(),
    discriminant_analysis.LinearDiscriminantAnalysis(),
    discriminant_analysis.QuadraticDiscriminantAnalysis(),
    MLPClassifier((5,), max_iter=20, random_state=0),
]
REGRESSORS = [
    make_pipeline(pp.PolynomialFeatures(2), linear_model.Ridge()),
    make_pipeline(SCALED(), svm.SVR()),
    ensemble.RandomForestRegressor(10, random_state=0),
    TransformedTargetRegressor(linear_model.Ridge(), transformer=pp.StandardScaler()),
]
OTHERS = [
    make_pipeline(SimpleImputer(), SCALED()),
    decomposition.PCA(2, random_state=0),
    cluster.KMeans(3, n_init=1, random_state=0),
    mixture.GaussianMixture(2, random_state=0),
    ensemble.IsolationForest(n_estimators=10, random_state=0),
]
CASES = (
    [(one, X, Y) for one in CLASSIFIERS]
    + [(one, X, SIGNAL) for one in REGRESSORS]
    + [(one, X, None) for one in OTHERS]
    + [(make_pipeline(TfidfVectorizer(), linear_model.LogisticRegression()), TEXTS, Y)]
)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case[0])[:40])
def test_it_is_near_the_model_and_says_what_it_is(case):
    model, rows, target = case
    model.fit(rows, target)
    result = ss.to_onnx(model, rows, profile="fast", fallback=False)
    assert result.profile == result.report.profile == "fast"
    assert result.report.tolerance.relative == 1e-3
    stored = onnx.load_from_string(result.data)
    facts = {one.key: one.value for one in stored.metadata_props}
    assert facts["safeserial.profile"] == "fast"
    assert json.loads(facts["safeserial.parity"])["profile"] == "fast"
    doubles = [one.name for one in stored.graph.initializer if one.data_type == 11]
    assert rows is TEXTS or not doubles, "it computes in double"
    found = result.run(rows)
    if "predict" in found and target is not SIGNAL:
        assert np.mean(found["predict"] == model.predict(rows)) >= 0.99


def test_the_exact_profile_says_so_too():
    result = ss.to_onnx(pp.StandardScaler().fit(X), X)
    assert result.profile == result.to_dict()["profile"] == "exact"
    assert result.metadata["safeserial.profile"] == "exact"
