# SPDX-License-Identifier: BSD-3-Clause
"""Write models and tables under the libraries of another year, with what they say of the data.

Run once in an environment of its own for each year, with nothing of safeserial in it::

    python -m venv elder
    elder/bin/pip install scikit-learn==1.2.2 "numpy==1.24.*" "pandas==1.5.*" "scipy==1.10.*"
    elder/bin/python tests/golden/elder/make.py

The others are of scikit-learn 1.3.2 (numpy 1.26, pandas 2.0, scipy 1.11), 1.5.2 (numpy 2.0, pandas
2.2), 1.7.2 (numpy 2.3, pandas 2.3) and 1.8.0 (numpy 2.3, pandas 3.0).
"""

import json
import pathlib
import pickle
import warnings

import numpy as np
import pandas as pd
import sklearn
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import GammaRegressor, PoissonRegressor, TweedieRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import SplineTransformer
from sklearn.svm import SVC

warnings.simplefilter("ignore")
random = np.random.default_rng(0)
X = random.random((30, 2))
y = (X.sum(axis=1) > 1).astype(int)
three = np.digitize(X[:, 0], [0.3, 0.6])
target = X.sum(axis=1) + 0.1
MODELS = {
    "forest": RandomForestClassifier(2, max_depth=2, random_state=0).fit(X, y),
    "boosting": GradientBoostingClassifier(n_estimators=2, max_depth=1, random_state=0).fit(X, y),
    "boosting3": GradientBoostingClassifier(n_estimators=2, max_depth=1, random_state=0).fit(
        X, three
    ),
    "boosted": GradientBoostingRegressor(n_estimators=2, max_depth=1, random_state=0).fit(
        X, target
    ),
    "histogram": HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=3).fit(X, target),
    "quantile": HistGradientBoostingRegressor(
        loss="quantile", quantile=0.3, max_iter=2, min_samples_leaf=3
    ).fit(X, target),
    "poisson": PoissonRegressor().fit(X, target),
    "gamma": GammaRegressor().fit(X, target),
    "tweedie": TweedieRegressor(power=1.5).fit(X, target),
    "search": GridSearchCV(SVC(), {"C": [1, 2]}, cv=2).fit(X, y),
    "spline": SplineTransformer(n_knots=3).fit(X),
    "neighbours": KNeighborsClassifier(3).fit(X, y),
}
TABLES = {
    "gaps": pd.DataFrame(
        {
            "i": pd.array([1, None], dtype="Int64"),
            "f": pd.array([0.5, None], dtype="Float64"),
            "b": pd.array([True, None], dtype="boolean"),
            "s": pd.array(["a", None], dtype="string"),
        }
    ),
    "categories": pd.DataFrame({"c": pd.Categorical(["a", "b", "a"], ordered=True)}),
    "times": pd.DataFrame(
        {"d": pd.date_range("2020", periods=2, tz="UTC"), "t": pd.to_timedelta([1, 2], unit="h")}
    ),
    "periods": pd.Series([1, 2], index=pd.period_range("2020", periods=2, freq="D")),
    "moments": [pd.Timestamp("2020"), pd.Timedelta(1, "h"), pd.NaT, pd.NA],
    "indexes": [pd.Index([1, 2]), pd.Index([0.5]), pd.MultiIndex.from_product([[1, 2], ["a"]])],
}

folder = pathlib.Path(__file__).parent / f"sklearn-{sklearn.__version__}"
folder.mkdir(exist_ok=True)
said = {}
for name, model in MODELS.items():
    (folder / f"{name}.pkl").write_bytes(pickle.dumps(model, 4))
    ask = model.transform if name == "spline" else model.predict
    said[name] = np.asarray(ask(X[:8]), dtype=float).tolist()
for name, table in TABLES.items():
    (folder / f"{name}.pkl").write_bytes(pickle.dumps(table, 4))
    said[name] = repr(table)
(folder / "said.json").write_text(json.dumps(said, indent=1) + "\n")
(folder.parent / "rows.json").write_text(json.dumps(X[:8].tolist()) + "\n")
