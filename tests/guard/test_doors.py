# SPDX-License-Identifier: BSD-3-Clause
"""Each door: hostile bytes do nothing, honest ones give what the original gives."""

import io
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

import safeserial as ss
from safeserial import errors
from tests.attacks.forge import Call, Name, dumps
from tests.guard import importer
from tests.guard.conftest import X
from tests.guard.doors import ALL, BYTES, OneWay

ROOT = Path(__file__).parents[2]
PAYLOADS = {
    "os.system": Call(Name("os", "system"), "touch pwned"),
    "eval": Call(Name("builtins", "eval"), "open('pwned', 'w').close()"),
    "subprocess": Call(Name("subprocess", "getoutput"), "touch pwned"),
    "open": Call(Name("builtins", "open"), "pwned", "w"),
    "import": Call(Call(Name("builtins", "getattr"), Name("os", "path"), "os"), "touch pwned"),
}


@pytest.mark.parametrize("door", ALL)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_bytes_do_nothing(door, payload):
    data = dumps(PAYLOADS[payload])
    with ss.guard(), pytest.raises(errors.PolicyError):
        ALL[door](data)
    assert not Path("pwned").exists()


@pytest.mark.parametrize("door", ["pickle.loads", "joblib.load", "numpy.load", "pickle._loads"])
def test_the_payload_is_live(door):
    BYTES[door](dumps(PAYLOADS["os.system"]))
    Path("pwned").unlink()


@pytest.mark.parametrize("door", BYTES)
@pytest.mark.parametrize("protocol", [2, 5])
def test_an_honest_model_predicts_the_same(door, protocol, model):
    if protocol < 4 and door == "pandas.read_pickle, zstd":
        pytest.skip("zstandard's streams have no readline, so pandas cannot read it either")
    data = pickle.dumps(model, protocol)
    with ss.guard():
        found = BYTES[door](data)
    np.testing.assert_array_equal(found.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lz4", 3)])
@pytest.mark.parametrize("opened", [False, True])
def test_joblib_files(model, compress, opened):
    joblib.dump(model, "model.joblib", compress=compress)
    with ss.guard():
        if opened:
            with Path("model.joblib").open("rb") as file:
                found = joblib.load(file)
        else:
            found = joblib.load("model.joblib")
    np.testing.assert_array_equal(found.predict_proba(X), model.predict_proba(X))


def test_joblib_does_not_map_files(model):
    joblib.dump(model, "model.joblib")
    with ss.guard(), pytest.raises(errors.PolicyError, match="mmap_mode") as caught:
        joblib.load("model.joblib", mmap_mode="r")
    assert "without mmap_mode" in caught.value.hint


def test_numpy_arrays_and_archives():
    objects = np.array([1, "two", {"three": 3}], dtype=object)
    np.save("o.npy", objects, allow_pickle=True)
    np.savez("o.npz", objects=objects, numbers=np.arange(3))
    with ss.guard():
        assert np.load("o.npy", allow_pickle=True).tolist() == objects.tolist()
        with np.load("o.npz", allow_pickle=True) as members:
            assert members["objects"].tolist() == objects.tolist()
            assert members["numbers"].tolist() == [0, 1, 2]
        assert np.load("o.npz")["numbers"].tolist() == [0, 1, 2]
        with pytest.raises(ValueError, match="allow_pickle"):
            np.load("o.npy")


def test_an_archive_stays_guarded_after_the_guard_is_closed(evil):
    seen = []
    with ss.guard(audit=seen.append):
        np.savez("o.npz", a=np.array([1], dtype=object))
        members = np.load("o.npz", allow_pickle=True)
    assert members["a"].tolist() == [1]
    assert [one.function for one in seen] == ["numpy.load"]
    members.safeserial_rules  # noqa: B018 - what keeps it so


@pytest.mark.parametrize(
    "ending", ["pkl", "pkl.gz", "pkl.bz2", "pkl.xz", "pkl.zst", "pkl.zip", "pkl.tar"]
)
def test_pandas_frames(ending):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.to_datetime(["2026-01-01"] * 2)})
    frame.to_pickle(f"frame.{ending}")
    with ss.guard():
        pd.testing.assert_frame_equal(pd.read_pickle(f"frame.{ending}"), frame)


@pytest.mark.parametrize("name", importer.__all__)
def test_modules_that_imported_a_function_by_name(name, evil):
    function = {
        "Unpickler": lambda: importer.Unpickler(io.BytesIO(evil)).load(),
        "loads": lambda: importer.loads(evil),
        "load": lambda: importer.load(io.BytesIO(evil)),
        "joblib_load": lambda: importer.joblib_load(io.BytesIO(evil)),
        "numpy_load": lambda: importer.numpy_load(io.BytesIO(evil), allow_pickle=True),
    }[name]
    with ss.guard(), pytest.raises(errors.UntrustedTypesError):
        function()


def test_importers_can_be_left_alone(evil):
    with ss.guard(patch_importers=False):
        importer.loads(evil)
        Path("pwned").unlink()
        with pytest.raises(errors.UntrustedTypesError):
            pickle.loads(evil)


def test_several_pickles_in_one_file(model):
    values = [1, {"a": [2]}, model, "x" * 100_000, None]
    with Path("many.pkl").open("wb") as file:
        for value in values:
            pickle.dump(value, file)
    with ss.guard(), Path("many.pkl").open("rb") as file:
        unpickler = pickle.Unpickler(file)
        assert pickle.load(file) == 1
        assert unpickler.load() == {"a": [2]}
        assert pickle.load(file).n_estimators == 5
        assert pickle.load(file) == "x" * 100_000
        assert pickle.load(file) is None
        with pytest.raises(EOFError):
            pickle.load(file)


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_read_beyond_the_pickle_where_there_is_no_way_back(protocol):
    class Exact:
        """Has read and readline, and counts."""

        def __init__(self, data):
            self.inner = io.BytesIO(data)
            self.read, self.readline = self.inner.read, self.inner.readline

    value = {"a": [1.5, 2**70, "é", b"x" * 300, None, (1, 2)], "b": "y" * 70_000}
    data = pickle.dumps(value, protocol)
    file = Exact(data + b"rest")
    with ss.guard():
        assert pickle.load(file) == value
    assert file.inner.read() == b"rest"


def test_what_follows_in_bytes_is_ignored():
    with ss.guard():
        assert pickle.loads(pickle.dumps([1]) + b"whatever") == [1]


def test_cut_short_and_empty():
    data = pickle.dumps(["text"] * 10)
    with ss.guard():
        for size in range(1, len(data)):
            with pytest.raises(errors.CorruptArtifactError):
                pickle.loads(data[:size])
            with pytest.raises(errors.CorruptArtifactError):
                pickle.load(io.BufferedReader(OneWay(data[:size])))
        for empty in (lambda: pickle.loads(b""), lambda: pickle.load(io.BytesIO())):
            with pytest.raises(EOFError):
                empty()


def test_wrong_arguments_are_what_they_were():
    with ss.guard():
        for wrong in (lambda: pickle.load("path"), lambda: pickle.loads("text"), pickle.load):
            with pytest.raises(TypeError):
                wrong()
        with pytest.raises(TypeError):
            pickle.load(io.StringIO("text"))


def test_buffers_and_bytes_encoding_are_refused_with_a_hint():
    array = np.arange(10)
    buffers = []
    data = pickle.dumps(array, 5, buffer_callback=buffers.append)
    with ss.guard():
        for refused in (
            lambda: pickle.loads(data, buffers=buffers),
            lambda: pickle.load(io.BytesIO(data), buffers=buffers),
            lambda: pickle.Unpickler(io.BytesIO(data), buffers=buffers).load(),
            lambda: pickle.loads(data, encoding="bytes"),
        ):
            with pytest.raises(errors.PolicyError, match="under a guard") as caught:
                refused()
            assert caught.value.hint
        assert pickle.loads(pickle.dumps("é", 2), encoding="latin1") == "é"


def test_a_size_limit_stops_the_reading():
    class Endless(io.RawIOBase):
        count = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            self.count += len(buffer)
            buffer[:] = b"(" * len(buffer)
            return len(buffer)

    file = Endless()
    policy = ss.Policy.default().with_limits(file_size=2**14)
    with ss.guard(policy), pytest.raises(errors.LimitExceededError):
        pickle.load(io.BufferedReader(file))
    assert file.count < 2**17


def test_other_verbs_are_unaffected(model):
    import copy
    import copyreg

    table = dict(copyreg.dispatch_table)
    plain = pickle.dumps(model)
    with ss.guard(audit=(seen := []).append):
        assert pickle.dumps(model) == plain
        again = copy.deepcopy(model)
        stream = io.BytesIO()
        pickle.dump({"f": pickle.loads, "u": pickle.Unpickler}, stream, 0)
    assert copyreg.dispatch_table == table
    assert seen == []
    assert again.n_estimators == 5
    assert pickle.loads(stream.getvalue()) == {"f": pickle.loads, "u": pickle.Unpickler}


def test_safeserials_own_loading_is_not_routed(model):
    ring = ss.Keyring([ss.HmacKey.generate()])
    data = ss.dumps(model, keyring=ring)
    Path("model.pkl").write_bytes(pickle.dumps(model))
    with ss.guard(audit=(seen := []).append):
        assert ss.loads(data, keyring=ring).n_estimators == 5
        assert ss.load_unsigned("model.pkl").n_estimators == 5
    assert seen == []


@pytest.mark.slow  # writing the corpus takes a minute
@pytest.mark.skipif(not hasattr(os, "fork"), reason="models are written in forks")
def test_the_whole_corpus(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "tests.guard.attacked"],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        text=True,
        timeout=500,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    report = json.loads(run.stdout.splitlines()[-1])
    assert report["files"] > 250
    assert report["wrong"] == []
    assert not (tmp_path / "pwned").exists()
