# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of the guard share: an empty folder, a model, and a payload that leaves a mark."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

X = np.arange(40.0).reshape(20, 2)


class Marking:
    """Touches a file when it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch pwned",)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not Path("pwned").exists()


@pytest.fixture(scope="session")
def model():
    return RandomForestClassifier(5, random_state=0).fit(X, [0, 1] * 10)


@pytest.fixture(scope="session")
def evil():
    return pickle.dumps(Marking())
