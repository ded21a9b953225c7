# SPDX-License-Identifier: BSD-3-Clause
"""Random damage: load, validate and use altered pickles, each in a process of its own.

Run as a program: ``python mutate.py SEED COUNT`` prints a JSON object that counts how far the
copies came and names those that died by a signal.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import resource
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn import cluster, ensemble, neighbors, preprocessing, svm, tree
from sklearn.feature_extraction.text import CountVectorizer

from safeserial.errors import InvalidStateError, LimitExceededError
from safeserial.validators import validate

METHODS = (
    "predict predict_proba decision_function transform decision_path apply kneighbors toarray"
    " tocsc score_samples random_sample".split()
)
MEMORY, SECONDS = 3 * 2**30, 20
LOADED, REFUSED, VALID, USED = b"L", b"R", b"V", b"U"

_rng = np.random.default_rng(0)
X = _rng.normal(size=(40, 3))
Y = np.arange(40) % 3
GROUPS = np.column_stack([Y, X])
SPARSE = sp.csr_matrix(np.where(abs(X) > 0.4, X, 0.0))

MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "tree": lambda: (tree.DecisionTreeClassifier(max_depth=3).fit(X, Y), X),
    "forest": lambda: (ensemble.RandomForestClassifier(2, max_depth=2).fit(X, Y), X),
    "boosting": lambda: (ensemble.GradientBoostingClassifier(n_estimators=2).fit(X, Y), X),
    "isolation": lambda: (ensemble.IsolationForest(n_estimators=2).fit(X), X),
    "histogram": lambda: (
        ensemble.HistGradientBoostingClassifier(
            max_iter=2, min_samples_leaf=4, categorical_features=[0]
        ).fit(GROUPS, Y),
        GROUPS,
    ),
    "k-d tree": lambda: (
        neighbors.KNeighborsClassifier(3, algorithm="kd_tree", leaf_size=3).fit(X, Y),
        X,
    ),
    "ball tree": lambda: (
        neighbors.KNeighborsClassifier(3, algorithm="ball_tree", leaf_size=3).fit(X, Y),
        X,
    ),
    "brute": lambda: (
        neighbors.KNeighborsClassifier(3, algorithm="brute", metric="manhattan").fit(X, Y),
        X,
    ),
    "vectors": lambda: (svm.SVC().fit(X, Y), X),
    "sparse vectors": lambda: (svm.SVC().fit(SPARSE, Y), SPARSE),
    "k-means": lambda: (cluster.KMeans(3, n_init=1).fit(X), X),
    "one hot": lambda: (
        preprocessing.OneHotEncoder(sparse_output=False, handle_unknown="ignore").fit(
            GROUPS[:, :1]
        ),
        GROUPS[:, :1],
    ),
    "words": lambda: (CountVectorizer().fit(["aa bb cc dd"]), ["aa dd"]),
    "spline": lambda: (preprocessing.SplineTransformer().fit(X), X),
    "csr": lambda: (SPARSE, None),
    "bsr": lambda: (SPARSE.tobsr(), None),
    "random": lambda: (np.random.RandomState(0), 5),
}


def damage(data: bytes, generator: random.Random) -> bytes:
    """Return a copy with one to three bytes, or one whole number, replaced."""
    changed = bytearray(data)
    if generator.random() < 0.3:
        number = generator.choice([-1, -2, 2**31 - 1, 2**31, 2**40, 10**6, 7])
        at = generator.randrange(2, len(data) - 9)
        changed[at : at + 8] = number.to_bytes(8, "little", signed=True)
        return bytes(changed)
    for _ in range(generator.randint(1, 3)):
        changed[generator.randrange(2, len(data) - 1)] = generator.randrange(256)
    return bytes(changed)


def use(model: Any, data: Any) -> None:
    """Call whatever the model has; Python's exceptions are no matter."""
    for name in METHODS:
        try:
            method = getattr(model, name)
            method() if data is None else method(data)
        except Exception:  # noqa: BLE001 - only signals count
            continue


def child(data: bytes, rows: Any, pipe: int) -> None:
    """Load, validate, use; tell through the pipe how far it went."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.alarm(SECONDS)
    try:
        model = pickle.loads(data)
    except BaseException:  # noqa: BLE001 - damaged beyond loading
        return
    os.write(pipe, LOADED)
    try:
        validate(model)
    except (InvalidStateError, LimitExceededError):
        os.write(pipe, REFUSED)
        return
    os.write(pipe, VALID)
    use(model, rows)
    os.write(pipe, USED)


def trial(data: bytes, rows: Any) -> tuple[str, int]:
    """Run one copy in a fork; return how far it went, and the signal that ended it."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            child(data, rows, writing)
        except BaseException:  # noqa: BLE001 - anything that validate lets through but refusals
            os._exit(3)
        os._exit(0)
    os.close(writing)
    stages = os.read(reading, 16)
    while more := os.read(reading, 16):
        stages += more
    os.close(reading)
    _, status = os.waitpid(process, 0)
    ended = -status if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    return stages.decode(), os.WTERMSIG(status) if ended < 0 else ended


def main(seed: int, count: int) -> None:
    """Damage `count` copies and print the tally."""
    warnings.simplefilter("ignore")
    os.close(2)
    os.open(os.devnull, os.O_WRONLY)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    generator = random.Random(seed)
    honest = {name: make() for name, make in MODELS.items()}
    files = {name: (pickle.dumps(model), rows) for name, (model, rows) in honest.items()}
    stages: Counter[str] = Counter()
    died = []
    for number in range(count):
        name = generator.choice(sorted(files))
        data, rows = files[name]
        came, ended = trial(damage(data, generator), rows)
        stages[came] += 1
        if ended:
            died.append([name, number, came, ended])
    print(json.dumps({"stages": stages, "died": died}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
