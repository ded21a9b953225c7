# SPDX-License-Identifier: BSD-3-Clause
"""The models that :mod:`safeserial_benchmarks.onnx_speed` converts and runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

MANY: Final = 10_000
FIT: Final = 3_000


@dataclass(frozen=True)
class Subject:
    """A fitted model, the method that is timed, and rows for it."""

    model: Any
    method: str
    sample: Any
    rows: Any


def _numbers() -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    random = np.random.default_rng(0)
    every = random.normal(size=(FIT + MANY, 20)).astype(np.float32)
    signal = every[:FIT, 0] - 2 * every[:FIT, 1] + np.sin(3 * every[:FIT, 2])
    return every[:FIT], np.digitize(signal, [-1.0, 1.0]), every[FIT:]


def _table(rows: int, seed: int) -> Any:
    import pandas as pd

    random = np.random.default_rng(seed)
    words = np.array(["red", "green", "été", "x y", "漢字"], object)
    frame = pd.DataFrame(random.normal(size=(rows, 6)).astype(np.float32), columns=list("abcdef"))
    frame["f"] = frame["f"].where(random.random(rows) < 0.9)  # noqa: PLR2004 - a tenth is missing
    return frame.assign(s=random.choice(words, rows), t=random.choice(words[:3], rows))


def _texts(rows: int, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    words = [f"word{i}" for i in range(3_000)]
    return [" ".join(random.choice(words, 12)) for _ in range(rows)]


def subjects() -> dict[str, Callable[[], Subject]]:
    """Return what makes each model, by name."""
    from sklearn import ensemble, linear_model, neighbors, neural_network, svm
    from sklearn.compose import make_column_transformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    def numeric(model: Any, method: str = "predict_proba") -> Callable[[], Subject]:
        def make() -> Subject:
            x, y, rows = _numbers()
            return Subject(model.fit(x, y), method, x[:200], rows)

        return make

    def mixed() -> Subject:
        columns = make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), list("abcdef")),
            (OneHotEncoder(handle_unknown="ignore"), ["s", "t"]),
        )
        train = _table(FIT, 0)
        model = make_pipeline(columns, linear_model.LogisticRegression())
        target = (train["a"] + (train["s"] == "red") > 0).astype(int)
        return Subject(model.fit(train, target), "predict_proba", train[:200], _table(MANY, 1))

    def words() -> Subject:
        texts = _texts(FIT, 0)
        target = [int("word7 " in one or "word1 " in one) for one in texts]
        model = make_pipeline(TfidfVectorizer(), linear_model.LogisticRegression())
        rows = _texts(MANY, 1)
        return Subject(model.fit(texts, target), "predict_proba", texts[:200], rows)

    scaled = StandardScaler
    return {
        "scaler, logistic": numeric(make_pipeline(scaled(), linear_model.LogisticRegression())),
        "columns, logistic": mixed,
        "tf-idf, logistic": words,
        "forest of 100": numeric(ensemble.RandomForestClassifier(100, random_state=0)),
        "gradient boosting": numeric(
            make_pipeline(scaled(), ensemble.GradientBoostingRegressor(random_state=0)), "predict"
        ),
        "histogram boosting": numeric(ensemble.HistGradientBoostingClassifier(random_state=0)),
        "SVC": numeric(make_pipeline(scaled(), svm.SVC()), "predict"),
        "5 neighbours": numeric(neighbors.KNeighborsClassifier()),
        "MLP": numeric(
            make_pipeline(scaled(), neural_network.MLPClassifier((100,), max_iter=30))
        ),
    }  # fmt: skip
