# SPDX-License-Identifier: BSD-3-Clause
"""Where fuzzing starts: small honest files of every kind, and the smaller hostile ones."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np
import pandas as pd
import scipy.sparse as sp
import scipy.stats
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from safeserial.verifier import COMPRESSORS
from tests import world
from tests.attacks import corpus, packing
from tests.fuzz.targets import join

_MOST = 3000


def _models() -> list[Any]:
    x = np.arange(12.0).reshape(6, 2)
    y = np.array([0, 1] * 3)
    return [
        LogisticRegression().fit(x, y),
        DecisionTreeClassifier(max_depth=1).fit(x, y),
        KNeighborsClassifier(1, algorithm="kd_tree").fit(x, y),
        CountVectorizer().fit(["aa bb"]),
        [np.array(["a", None], dtype=object), np.float32(1), {1.5: (2, 3)}, frozenset("ab")],
        np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
        np.ma.masked_array([1.0], [True]),
        np.array(["2020"], dtype="M8[ns]"),
        np.random.default_rng(0),
        np.random.RandomState(0),
        pd.DataFrame({"a": [1, 2], "b": pd.Categorical(["x", "y"])}),
        pd.Series([1, None], dtype="Int64"),
        pd.date_range("2020", periods=2, tz="UTC"),
        sp.csr_matrix(np.eye(2)),
        {"p": scipy.stats.uniform(0, 1)},
        {"set": {1, 2}, "bytes": bytearray(b"abc"), "long": 2**80, "none": None, "t": (True, 1.5)},
        world.MODEL,
    ]


def _alike() -> list[list[Any]]:
    """Return lists of objects of one class, long enough to be verified by a trace."""
    x = np.arange(12.0).reshape(6, 2)
    return [
        [LogisticRegression(C=number) for number in range(1, 7)],
        [StandardScaler().fit(x + number) for number in range(5)],
        [DecisionTreeClassifier(max_depth=1).fit(x, np.arange(6) > number) for number in range(4)],
        [make_pipeline(StandardScaler().fit(x + number), Ridge(number)) for number in range(5)],
        [one for (one,) in HistGradientBoostingRegressor(max_iter=5).fit(x, x[:, 0])._predictors],
    ]


def _joblib(model: Any) -> bytes:
    file = io.BytesIO()
    joblib.dump(model, file)
    return file.getvalue()


def seeds(target: str) -> Iterator[bytes]:  # noqa: C901, PLR0912 - a table
    """Yield seeds of a target."""
    if target in {"opcodes", "legacy"}:
        for model in _models():
            yield from (pickle.dumps(model, protocol) for protocol in (0, 2, 4, 5))
            yield _joblib(model)
        groups = (corpus.names, corpus.opcodes, corpus.states, corpus.arrays, corpus.wrappers)
        yield from (case.data for group in groups for case in group() if len(case.data) < _MOST)
    if target == "traces":
        for models in _alike():
            yield from (pickle.dumps(models, protocol) for protocol in (2, 4, 5))
            yield _joblib(models)
    if target == "legacy":
        for compress in packing.COMPRESSORS.values():
            yield compress(_joblib(world.MODEL))
    if target == "artifact":
        yield world.artifact()
        yield from (b"\x01" + json.dumps(world.Parts.of(world.artifact()).manifest).encode(),)
        yield b"\x01" + world.Parts.of(world.artifact(world.arrays())).body
    if target == "parts":
        for model in (*_models(), world.arrays(), {"w": [float(n) for n in range(1100)]}):
            members = world.Parts.of(world.artifact(model)).members
            if len(members) == 3:
                yield join(list(members.values()))
    if target == "compressed":
        for number, kind in enumerate(COMPRESSORS):
            for data in (b"", b"abc" * 50, bytes(40_000)):
                yield bytes([number]) + packing.COMPRESSORS[kind](data)
    if target == "texts":
        yield from (b"{}", b'{"a":[1,null,true,"\\u00e9"]}', b"-9007199254740991")
        yield world.RING._to_text()
