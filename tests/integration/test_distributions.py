# SPDX-License-Identifier: BSD-3-Clause
"""Distributions of scipy.stats inside a search: loaded by name, never by their state."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import scipy.stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV

import safeserial as ss

FROZEN = {
    "uniform": scipy.stats.uniform(1, 2),
    "loguniform": scipy.stats.loguniform(1e-3, 10),
    "expon": scipy.stats.expon(scale=3),
    "norm": scipy.stats.norm(loc=1),
    "beta": scipy.stats.beta(2, 3),
    "randint": scipy.stats.randint(1, 50),
    "poisson": scipy.stats.poisson(4),
    "geom": scipy.stats.geom(0.2),
}


def hostile_distribution(marker: Path) -> Any:
    """Return a distribution whose state has a template that writes a file when it is restored."""
    frozen = scipy.stats.uniform(0, 1)
    frozen.dist._parse_arg_template += f"\nopen({str(marker)!r}, 'w').close()\n"
    return frozen


@pytest.mark.parametrize("name", FROZEN)
@pytest.mark.parametrize("protocol", range(6))
def test_frozen_distribution_draws_the_same(name: str, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "frozen.pkl"
    path.write_bytes(pickle.dumps(FROZEN[name], protocol))
    again = ss.load_unsigned(path)
    assert type(again.dist) is type(FROZEN[name].dist)
    expected = FROZEN[name].rvs(20, random_state=3)
    assert np.array_equal(again.rvs(20, random_state=3), expected)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("form", ["pickle", "joblib"])
def test_randomized_search_loads_and_fits_again(form: str) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), np.arange(60) % 2
    spaces: dict[str, Any] = {"C": FROZEN["loguniform"], "max_iter": FROZEN["randint"]}
    search = RandomizedSearchCV(LogisticRegression(solver="liblinear"), spaces, n_iter=3, cv=2,
                                random_state=0).fit(X, y)  # fmt: skip
    ring = ss.Keyring([ss.HmacKey.generate()])
    again = ss.loads(ss.dumps(search, keyring=ring, format=form), keyring=ring)
    assert np.array_equal(again.predict_proba(X), search.predict_proba(X))
    assert again.fit(X, y).best_params_ == search.best_params_


@pytest.mark.parametrize("writer", ["pickle", "joblib"])
def test_code_in_a_distribution_state_never_runs(writer: str, tmp_path: Path) -> None:
    marker, path = tmp_path / "owned", tmp_path / "hostile"
    if writer == "pickle":
        path.write_bytes(pickle.dumps(hostile_distribution(marker)))
        pickle.loads(path.read_bytes())
    else:
        joblib.dump(hostile_distribution(marker), path)
        joblib.load(path)
    assert marker.exists()  # the plant is live: an unrestricted loader ran it
    marker.unlink()
    again = ss.load_unsigned(path)
    assert not marker.exists()
    assert again.cdf(0.5) == 0.5


@pytest.mark.parametrize(
    "stream",
    [
        b"cbuiltins\ngetattr\n(cbuiltins\nlist\nX\x06\x00\x00\x00appendtR.",
        b"cbuiltins\ngetattr\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00uppertR.",
    ],
)
def test_getattr_reaches_nothing_else(stream: bytes, tmp_path: Path) -> None:
    path = tmp_path / "getattr.pkl"
    path.write_bytes(stream)
    with pytest.raises(ss.errors.PolicyError):
        ss.load_unsigned(path)


def test_vectorized_function_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "vectorize.pkl"
    path.write_bytes(pickle.dumps({"f": np.vectorize(len)}))
    with pytest.raises(ss.errors.InvalidStateError, match="vectorize"):
        ss.load_unsigned(path)
