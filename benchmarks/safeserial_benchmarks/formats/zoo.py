# SPDX-License-Identifier: BSD-3-Clause
"""The zoo of the format benchmark: models that are hard to keep, each for a reason of its own."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from safeserial_benchmarks import models
from safeserial_benchmarks.formats.preparing import Subject
from safeserial_benchmarks.models import SEED, Spec


def _table(rows: int, columns: int) -> tuple[Any, Any]:
    data = np.random.default_rng(SEED).standard_normal((rows, columns))
    return data, (data[:, 0] * data[:, 1] > 0).astype(np.int64)


def _sample(columns: int) -> Any:
    return np.random.default_rng(SEED + 1).standard_normal((200, columns))


def _stacking(scale: float) -> Any:
    from sklearn.ensemble import (
        GradientBoostingClassifier,
        RandomForestClassifier,
        StackingClassifier,
    )
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    trees = max(5, int(100 * scale))
    parts = [
        ("forest", RandomForestClassifier(trees, random_state=SEED)),
        ("boosting", GradientBoostingClassifier(n_estimators=trees, random_state=SEED)),
        ("svm", make_pipeline(StandardScaler(), SVC(random_state=SEED))),
    ]
    model = StackingClassifier(parts, final_estimator=LogisticRegression(), cv=3)
    return model.fit(*_table(max(200, int(2000 * scale)), 20))


def _gaussian(scale: float) -> Any:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, WhiteKernel

    data, _ = _table(max(100, int(1500 * scale)), 5)
    kernel = RBF(2.0) + WhiteKernel(0.1)
    return GaussianProcessRegressor(kernel, optimizer=None, normalize_y=True).fit(
        data, np.sin(data).sum(axis=1)
    )


def _lightgbm(scale: float) -> Any:
    from lightgbm import LGBMClassifier

    trees = max(5, int(300 * scale))
    model = LGBMClassifier(n_estimators=trees, n_jobs=1, random_state=SEED, verbose=-1)
    return model.fit(*_table(max(300, int(5000 * scale)), 20))


def _xgboost(scale: float) -> Any:
    from xgboost import XGBClassifier

    trees = max(5, int(300 * scale))
    model = XGBClassifier(n_estimators=trees, n_jobs=1, random_state=SEED)
    return model.fit(*_table(max(300, int(5000 * scale)), 20))


def _arrays(scale: float) -> Any:
    random = np.random.default_rng(SEED)
    rows = max(100, int(4000 * scale))
    return {
        f"layer{number}.weight": random.standard_normal((rows, 1000), dtype=np.float32)
        for number in range(4)
    }


_NEEDS: Final = {"lightgbm": "lightgbm", "xgboost": "xgboost"}
SPECS: Final[tuple[Spec, ...]] = (
    *(spec for spec in models.SPECS if spec.name != "neighbors"),
    Spec("stacking", "stacking of forest, boosting and SVM", _stacking, lambda: _sample(20)),
    Spec("gaussian", "GaussianProcessRegressor, 1,500 points", _gaussian, lambda: _sample(5)),
    Spec("lightgbm", "LGBMClassifier, 300 trees", _lightgbm, lambda: _sample(20)),
    Spec("xgboost", "XGBClassifier, 300 trees", _xgboost, lambda: _sample(20)),
    Spec("arrays", "four float32 arrays, 64 MB: no estimator", _arrays, lambda: None, kept=False),
    *(spec for spec in models.SPECS if spec.name == "neighbors"),
)
QUICK: Final = ("tiny", "forest", "text")


def subjects(names: Sequence[str], scale: float) -> list[Subject]:
    """Return models of the zoo.

    Parameters
    ----------
    names : sequence of str
        Their names; empty for all of them.
    scale : float
        1 for the real ones, less for smaller ones.

    Raises
    ------
    KeyError
        With the name that the zoo has not.
    """
    known = {spec.name: spec for spec in SPECS}
    chosen = [known[name] for name in names] if names else [*known.values()]
    return [_subject(spec, scale) for spec in chosen if _there(spec)]


def _there(spec: Spec) -> bool:
    need = _NEEDS.get(spec.name)
    return need is None or importlib.util.find_spec(need) is not None


def _subject(spec: Spec, scale: float) -> Subject:
    return Subject(spec.name, spec.title, lambda: (models.make(spec, scale=scale), spec.sample()))
