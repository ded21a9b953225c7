# SPDX-License-Identifier: BSD-3-Clause
"""What the coverage table runs: every estimator class of scikit-learn, with the data that it takes.

Floor 7, beside the command line.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from safeserial_converters import contract, trials
from safeserial_converters.trials import Data

#: Attributes of a class that takes new rows; `fit_predict` alone does not.
INFERENCE: Final = (*contract.METHODS, "apply")


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Parameters
    ----------
    name : str
        Class, or pipeline.
    factory : callable
        Returns the estimator, unfitted.
    data : sequence of Data, optional
        Default: the kinds for its type.
    """

    name: str
    factory: Callable[[], Any]
    data: Sequence[Data] | None = None


def estimator_classes() -> dict[str, type]:
    """Return all public estimator classes with a method for new rows, by name."""
    from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
    from sklearn.utils import all_estimators

    found = dict(all_estimators())
    return {name: kind for name, kind in sorted(found.items()) if _has_inference(kind)}


def fit_only() -> list[str]:
    """Return the names of the classes without any."""
    from sklearn.utils import all_estimators

    return [name for name, kind in all_estimators() if not _has_inference(kind)]


def _has_inference(kind: type) -> bool:
    if kind.__name__ == "FrozenEstimator":  # it has the methods of what is frozen
        return True
    return any(
        callable(getattr(kind, method, None)) or hasattr(kind, method) for method in INFERENCE
    )


def estimator_cases() -> list[Case]:
    """Return a case for each class."""
    return [_case(name, kind) for name, kind in estimator_classes().items()]


def _case(name: str, kind: type) -> Case:
    special = _special()
    if name in special:
        options, data = special[name]
        return Case(name, lambda: _make(kind, options), data)
    return Case(name, lambda: _make(kind, _defaults(name, kind)))


def _make(kind: type, options: dict[str, Any]) -> Any:
    from sklearn.base import clone

    def fresh(value: Any) -> Any:
        ready = hasattr(value, "classes_") or not hasattr(value, "get_params")
        return value if ready else clone(value)

    return kind(**{key: fresh(value) for key, value in options.items()})


def _defaults(name: str, kind: type) -> dict[str, Any]:
    """Return what a class needs, and what keeps its fit short; nothing that makes it easier."""
    from sklearn.linear_model import LogisticRegression, Ridge

    parameters = inspect.signature(kind).parameters
    options: dict[str, Any] = {}
    if "random_state" in parameters:
        options["random_state"] = 0
    base: Any = Ridge() if "Regress" in name or name == "RANSAC" else LogisticRegression()
    for wanted in ("estimator", "base_estimator"):
        if wanted in parameters and parameters[wanted].default is inspect.Parameter.empty:
            options[wanted] = base
    if "estimators" in parameters:
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        tree: Any = DecisionTreeRegressor if "Regressor" in name else DecisionTreeClassifier
        options["estimators"] = [("linear", base), ("tree", tree(max_depth=3, random_state=0))]
    grid = {"param_grid": {"C": [0.1, 1.0]}, "param_distributions": {"C": [0.1, 1.0]}}
    options |= {key: value for key, value in grid.items() if key in parameters}
    if name == "RandomizedSearchCV":
        options["n_iter"] = 2
    if "n_estimators" in parameters:
        options["n_estimators"] = 20
    return options


def _texts(seed: int, rows: int) -> list[str]:
    random = np.random.default_rng(seed)
    words = "the a cat dog École naïve ΩΜΈΓΑΣ 漢字 İstanbul don't 42 New York МИР мир".split()
    return [" ".join(random.choice(words, random.integers(0, 14))) for _ in range(rows)]


def _records(seed: int, rows: int) -> list[dict[str, Any]]:
    """Return dictionaries of numbers and strings, with keys left out; 10 % of strings are rare."""
    random = np.random.default_rng(seed)
    found = []
    for i in range(rows):
        rare = f"w{random.integers(100)}" if random.random() < 0.1 else None
        one = {"a": float(random.normal()), "count": i % 4, "b": rare or "xyz"[i % 3], "é=": "ü=1"}
        found.append({key: value for key, value in one.items() if random.random() < 0.8})
    return found


@functools.cache
def _special() -> dict[str, tuple[dict[str, Any], Sequence[Data] | None]]:
    """Return the classes that take other things than a table of numbers or strings."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    random = np.random.default_rng(0)
    texts = [Data("texts", _texts(0, 200), None, _texts(1, 500))]
    words = random.choice(np.array(["red", "green", "été", "x y"], object), (500, 3))
    strings = [Data("strings", words[:200], None, words[200:])]
    labels = [
        Data("labels", words[:200, 0], None, words[200:, 0]),
        Data("numbers", np.arange(200) % 5, None, np.arange(300) % 5),
    ]
    images = random.normal(size=(30, 8, 7, 3))
    pictures = [Data("images", images[:20], None, images[20:])]
    grey = [*pictures, Data("grey", images[:20, :, :, 0], None, images[20:, :, :, 0])]
    records = _records(0, 200), _records(1, 500)
    x, _, held = trials._matrix(0)  # noqa: SLF001 - the same rows as elsewhere
    atoms = random.normal(size=(4, 6))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    gram = [Data("gram", x @ x.T, None, held @ x.T)]
    numbers = [Data("plain", x, None, held)]
    target = np.digitize(x[:, 0], np.quantile(x[:, 0], [0.33, 0.66]))
    fitted = LogisticRegression(max_iter=1000).fit(x, target)
    mixed = next(one for one in trials.datasets("transformer") if one.name == "categories")
    return {
        "CountVectorizer": ({}, texts),
        "TfidfVectorizer": ({"ngram_range": (1, 2)}, texts),
        "HashingVectorizer": ({"n_features": 2**10}, texts),
        "FeatureHasher": ({"n_features": 2**6, "input_type": "string"}, strings),
        "DictVectorizer": ({}, [Data("dictionaries", records[0], None, records[1])]),
        "PatchExtractor": ({"patch_size": (3, 2)}, grey),
        "LabelEncoder": ({}, labels),
        "LabelBinarizer": ({}, labels),
        "MultiLabelBinarizer": ({}, strings),
        "SparseCoder": ({"dictionary": atoms}, numbers),
        "KernelCenterer": ({}, gram),
        "SelfTrainingClassifier": ({"estimator": LogisticRegression()}, None),
        "FrozenEstimator": ({"estimator": fitted}, [Data("multiclass", x, target, held)]),
        "ColumnTransformer": (
            {
                "transformers": [
                    ("scaled", StandardScaler(), [0, 2]),
                    ("other", MinMaxScaler(), [1]),
                ]
            },
            None,
        ),
        "FeatureUnion": (
            {"transformer_list": [("one", StandardScaler()), ("two", MinMaxScaler())]},
            None,
        ),
        "Pipeline": (
            {"steps": [("scale", StandardScaler()), ("model", LogisticRegression())]},
            [one for one in trials.datasets("classifier") if one.name in {"binary", "strings"}],
        ),
        "OneHotEncoder": ({"handle_unknown": "ignore"}, [*_codes(), mixed]),
        "TransformedTargetRegressor": (
            {"regressor": Ridge(), "func": np.log1p, "inverse_func": np.expm1},
            [one for one in trials.datasets("regressor") if one.name == "positive"],
        ),
        "RadiusNeighborsClassifier": ({"radius": 25.0}, None),
        "RadiusNeighborsRegressor": ({"radius": 25.0}, None),
        "GaussianRandomProjection": ({"n_components": 3, "random_state": 0}, None),
        "SparseRandomProjection": ({"n_components": 3, "random_state": 0}, None),
        "PLSSVD": ({"n_components": 1}, None),
        "RadiusNeighborsTransformer": ({"radius": 5.0}, None),
        "LocalOutlierFactor": ({"novelty": True}, None),  # without it, it takes no new rows
        "DictionaryLearning": ({"random_state": 0, "max_iter": 20}, None),
    }


def _codes() -> list[Data]:
    return [one for one in trials.datasets("transformer") if one.name == "codes"]


def fitted(model: Any, data: Data) -> Any:
    """Return a model fitted to data, or None if it does not take such data."""
    names = list(inspect.signature(type(model).fit).parameters)
    if names[1:2] == ["y"]:  # encoders of labels
        try:
            return model.fit(data.train)
        except Exception:  # noqa: BLE001 - estimators refuse data with any error
            return None
    return trials.fitted(model, data)
