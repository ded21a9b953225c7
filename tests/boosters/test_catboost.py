# SPDX-License-Identifier: BSD-3-Clause
"""CatBoost models of strangers load after a trial in a child process; damaged ones do not."""

from __future__ import annotations

import pickle
import struct

import numpy as np
import pytest

import safeserial as ss
from safeserial.validators import boosters_catboost, boosters_child, boosters_trial
from safeserial.validators.boosters_flatbuffers import Buffer
from tests.boosters.conftest import BINARY, BY_CATEGORY, CATEGORIES, CLASSES, TARGET, X

cb = pytest.importorskip("catboost")
FEW = {"iterations": 4, "depth": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
MIXED = np.column_stack([X.astype(object), CATEGORIES.astype(str)])


@pytest.fixture(scope="module")
def models():
    return {
        "binary": cb.CatBoostClassifier(**FEW).fit(X, BINARY),
        "multiclass": cb.CatBoostClassifier(**FEW).fit(X, CLASSES),
        "regressor": cb.CatBoostRegressor(**FEW).fit(X, TARGET),
        "nodes": cb.CatBoostRegressor(grow_policy="Depthwise", **FEW).fit(X, TARGET),
        "ranker": cb.CatBoostRanker(**FEW).fit(X, CLASSES, group_id=np.repeat(range(10), 12)),
        "unfitted": cb.CatBoost(FEW),
    }


@pytest.fixture(scope="module")
def categorical():
    return cb.CatBoostRegressor(**{**FEW, "iterations": 30}, cat_features=[5]).fit(
        MIXED, TARGET + 9 * BY_CATEGORY
    )


def test_models_of_a_stranger_predict_as_before(models, categorical, tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps([*models.values(), categorical]))
    *loaded, other = ss.load_unsigned(path)  # one child for all of them
    for old, new in zip(models.values(), loaded, strict=True):
        assert type(old) is type(new)
        if old.is_fitted():
            np.testing.assert_array_equal(new.predict(X), old.predict(X))
    np.testing.assert_array_equal(other.predict(MIXED), categorical.predict(MIXED))


def blob(model) -> bytes:
    return model.__getstate__()["__model"]


def at(model, slot: int, dtype: str, *, where: int, value: int) -> bytes:
    """Return a model with one number of a vector of its trees changed."""
    data = bytearray(blob(model))
    core = Buffer(bytes(data[8 : 8 + struct.unpack_from("<I", data, 4)[0]]))
    vector = core.root().table(1)._target(slot)
    assert vector
    kind = np.dtype(dtype)
    position = 8 + vector + 4 + where * kind.itemsize
    data[position : position + kind.itemsize] = np.array(value, kind).tobytes()
    return bytes(data)


SPLITS, SIZES, STARTS, STEPS, LEAVES, REPACKED = 1, 2, 3, 10, 11, 17


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("binary", (SPLITS, "<i4", 0, 10**6)),
        ("binary", (SPLITS, "<i4", 0, -1)),
        ("binary", (SIZES, "<i4", 0, 30)),
        ("binary", (SIZES, "<i4", 0, -1)),
        ("binary", (STARTS, "<i4", 1, 10**6)),
        ("binary", (REPACKED, "<u2", 0, 60_000)),
        ("nodes", (STEPS, "<u2", 0, 60_000)),
        ("nodes", (STEPS, "<u2", 1, 1)),
        ("nodes", (STEPS, "<u2", 1, 0)),
        ("nodes", (LEAVES, "<u4", 3, 10**6)),
    ],
)
def test_numbers_that_catboost_would_follow_are_refused(models, name, change):
    slot, dtype, where, value = change
    boosters_catboost.check(blob(models[name]))
    with pytest.raises(ss.errors.InvalidStateError):
        boosters_catboost.check(at(models[name], slot, dtype, where=where, value=value))


def test_tables_of_categories(categorical):
    data = blob(categorical)
    boosters_catboost.check(data)
    core = 8 + struct.unpack_from("<I", data, 4)[0]
    assert len(data) > core, "the model has no tables"
    empty = data.index(b"\xff" * 8, core)
    for damaged in (
        data[:-4],
        data + b"\0",
        data[:core] + b"\0\0\0\0" + data[core + 4 :],
        data[:core] + b"\xff\xff\xff\xff" + data[core + 4 :],
        # No bucket is empty any more: a search for an unknown category would not end.
        data[:core] + data[core:].replace(b"\xff" * 8, b"\xfe" * 8),
    ):
        with pytest.raises(ss.errors.InvalidStateError):
            boosters_catboost.check(damaged)
    assert empty > core


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.update(__model=state["__model"][:300]),
        lambda state: state.update(__model=b"CBM1"),
        lambda state: state.update(__model=b""),
        lambda state: state.update(__model="text"),
        lambda state: state.update(__model=12345),
        lambda state: state.update(_test_evals=[["x"]]),
        lambda state: state.update(thread_count=10**9),
    ],
)
def test_state_that_catboost_would_not_write_is_refused(models, change, refused):
    refused(models["binary"], change)


def test_child_that_crashes_or_fails_is_a_refusal(models, tmp_path, monkeypatch):
    for data in (b"CBM1" + bytes(100), blob(models["binary"])[:400], b"nonsense"):
        with pytest.raises(ss.errors.InvalidStateError, match="child process"):
            boosters_trial.try_out([data])
    boosters_trial.try_out([blob(models["binary"]), blob(models["nodes"])])
    crashing = tmp_path / "boosters_trial.py"
    (tmp_path / "boosters_child.py").write_text("import os\nos.kill(os.getpid(), 11)")
    monkeypatch.setattr(boosters_trial, "__file__", str(crashing))
    with pytest.raises(ss.errors.InvalidStateError, match="signal 11"):
        boosters_trial.try_out([blob(models["binary"])])
    (tmp_path / "boosters_child.py").write_text("import time; time.sleep(60)")
    monkeypatch.setattr(boosters_trial, "_TO_START", 0)
    monkeypatch.setattr(boosters_trial, "_TO_TRY", 0.2)
    with pytest.raises(ss.errors.InvalidStateError, match="too long"):
        boosters_trial.try_out([blob(models["binary"])])


def test_child_has_no_environment(tmp_path, monkeypatch, models):
    monkeypatch.setenv("SECRET_OF_THE_PARENT", "x")
    (tmp_path / "boosters_child.py").write_text(
        "import os, sys\n"
        "assert 'SECRET_OF_THE_PARENT' not in os.environ\nassert sys.flags.isolated\n"
        "sys.stdin.buffer.read()\nsys.stdout.write('fine\\n')"
    )
    monkeypatch.setattr(boosters_trial, "__file__", str(tmp_path / "boosters_trial.py"))
    boosters_trial.try_out([blob(models["binary"])])
    assert callable(boosters_child.main)
