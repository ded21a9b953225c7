# SPDX-License-Identifier: BSD-3-Clause
"""Generator of the models that are measured: from two kilobytes to 400 MB, each with its own shape.

Every one of them is hard for something else: many small objects (forest), long text (vocabulary),
one large array (neighbors), structured arrays (boosting), nearly nothing (tiny: what remains is the
cost of a call).  What is slow to fit is kept in the user's cache folder between runs.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import platformdirs

SEED: Final = 2026


@dataclass(frozen=True)
class Spec:
    """A model that can be made.

    Parameters
    ----------
    name : str
        For ``--models``.
    title : str
        One line for the report.
    fit : callable
        Takes a scale from 0 to 1, returns the fitted model.
    sample : callable
        Returns something that a loaded model predicts or transforms, to compare with the original.
    kept : bool, default=True
        Whether it is worth keeping between runs.
    """

    name: str
    title: str
    fit: Callable[[float], Any]
    sample: Callable[[], Any]
    kept: bool = True


QUICK_SCALE: Final = 0.01


def answer(model: Any, sample: Any) -> Any:
    """Return what a model says of its sample, as something that compares by bytes."""
    if hasattr(model, "predict"):
        return np.asarray(model.predict(sample)).tobytes()
    transformed = model.transform(sample)
    return transformed.data.tobytes() + transformed.indices.tobytes()


def make(spec: Spec, *, scale: float = 1.0, cache: Path | None = None) -> Any:
    """Return a fitted model.

    Parameters
    ----------
    spec : Spec
        One of :data:`SPECS`.
    scale : float, default=1
        1 for the real one, less for a smaller one.
    cache : path, optional
        Folder of models kept from earlier runs, default the user's cache folder.  It holds plain
        pickles, so nobody else may be able to write there.

    Returns
    -------
    object
        The model.
    """
    if not spec.kept:
        return spec.fit(scale)
    import sklearn

    folder = platformdirs.user_cache_path("safeserial-benchmarks") if cache is None else cache
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = folder / f"{spec.name}-{scale:g}-numpy{np.__version__}-sklearn{sklearn.__version__}.pkl"
    if kept.exists():
        return pickle.loads(kept.read_bytes())
    model = spec.fit(scale)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as stream:
        pickle.dump(model, stream, 5)
    os.replace(stream.name, kept)  # noqa: PTH105 - a name, not a path
    return model


def _numbers(rows: int, columns: int, dtype: Any = np.float64) -> Any:
    return np.random.default_rng(SEED).standard_normal((rows, columns)).astype(dtype, copy=False)


def _labels(data: Any) -> Any:
    return (data[:, 0] + data[:, 1] > 0).astype(np.int64)


def _tiny(scale: float) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    del scale
    data = _numbers(60, 4)
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(data, _labels(data))


def _mixed(rows: int) -> Any:
    """Return a DataFrame with eight numeric and four categorical columns."""
    import pandas as pd

    random = np.random.default_rng(SEED)
    table = pd.DataFrame(_numbers(rows, 8), columns=[f"number{n}" for n in range(8)])
    for column, choices in enumerate((3, 30, 300, 900)):
        words = np.array([f"category {number}" for number in range(choices)], dtype=object)
        table[f"kind{column}"] = random.choice(words, rows)
    return table


def _logistic(scale: float) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    table = _mixed(max(200, int(20_000 * scale)))
    columns = ColumnTransformer(
        [
            ("numeric", make_pipeline(SimpleImputer(), StandardScaler()), list(range(8))),
            ("categorical", OneHotEncoder(handle_unknown="ignore"), list(range(8, 12))),
        ]
    )
    target = _labels(table.iloc[:, :2].to_numpy())
    return make_pipeline(columns, LogisticRegression(max_iter=200)).fit(table, target)


def _forest(scale: float) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    data = _numbers(max(100, int(1000 * scale)), 20)
    trees = max(5, int(300 * scale))
    return RandomForestClassifier(trees, random_state=SEED).fit(data, _labels(data))


def _boosting(scale: float) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    data = _numbers(max(300, int(10_000 * scale)), 20)
    rounds = max(5, int(300 * scale))
    model = HistGradientBoostingClassifier(max_iter=rounds, early_stopping=False, random_state=SEED)
    return model.fit(data, _labels(data))


def _text(scale: float) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = [f"word{number:x}" for number in range(max(2000, int(500_000 * scale)))]
    documents = [" ".join(words[start : start + 100]) for start in range(0, len(words), 50)]
    return TfidfVectorizer().fit(documents)


def _neighbors(scale: float) -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    data = _numbers(max(1000, int(1_000_000 * scale)), 50)
    return KNeighborsClassifier(algorithm="brute").fit(data, _labels(data))


SPECS: Final = (
    Spec("tiny", "scaler and logistic regression, 4 features", _tiny, lambda: _numbers(50, 4)),
    Spec(
        "logistic",
        "ColumnTransformer (8 numeric, 4 categorical), logistic regression",
        _logistic,
        lambda: _mixed(50),
    ),
    Spec("forest", "RandomForestClassifier, 300 trees", _forest, lambda: _numbers(50, 20)),
    Spec(
        "boosting",
        "HistGradientBoostingClassifier, 300 iterations",
        _boosting,
        lambda: _numbers(50, 20),
    ),
    Spec(
        "text",
        "TfidfVectorizer, 500,000 words",
        _text,
        lambda: ["word1 word2 worda word1f4", "word3e8 word5"],
    ),
    Spec(
        "neighbors",
        "KNeighborsClassifier, 400 MB of data",
        _neighbors,
        lambda: _numbers(3, 50),
        kept=False,
    ),
)
