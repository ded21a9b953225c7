# SPDX-License-Identifier: BSD-3-Clause
"""Models of many trees, of which one is altered."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import ensemble

from tests.validators.honest import THREE, X

MANY, ONE = 300, 171


@functools.cache
def _kept(make: Callable[[], Any]) -> bytes:
    return pickle.dumps(make())


def forest() -> Any:
    return ensemble.RandomForestClassifier(MANY, random_state=0).fit(X, THREE)


def isolation() -> Any:
    model = ensemble.IsolationForest(n_estimators=MANY, max_features=0.5, random_state=0)
    return model.fit(X)


def boosted() -> Any:
    return ensemble.GradientBoostingClassifier(n_estimators=60, random_state=0).fit(X, THREE)


def histogram() -> Any:
    model = ensemble.HistGradientBoostingClassifier(max_iter=60, categorical_features=[0])
    # Labels that have nothing to do with the data: there is always something left to split.
    return model.fit(np.column_stack([THREE, X]), np.random.default_rng(0).permutation(THREE))


def altered(make: Callable[[], Any], change: Callable[[Any], Any]) -> Any:
    model = pickle.loads(_kept(make))
    change(model)
    return model
