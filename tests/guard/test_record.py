# SPDX-License-Identifier: BSD-3-Clause
"""The audit log: one record a load, wherever it goes, and none is lost; and reporting only."""

import datetime
import hashlib
import io
import json
import logging
import os
import pickle
import stat
import sys
import warnings
from fractions import Fraction
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

import safeserial as ss
from safeserial import errors
from tests.guard.doors import BYTES, OneWay, path

LISTED = pickle.dumps(Fraction(1, 2))


def refused(action):
    with pytest.raises(errors.UntrustedTypesError):
        action()


def test_a_record_says_what_happened(evil):
    Path("model.pkl").write_bytes(LISTED)
    with ss.guard(audit=(seen := []).append):
        with Path("model.pkl").open("rb") as file:
            pickle.load(file)
        refused(lambda: pickle.loads(evil))
    good, bad = seen
    line = test_a_record_says_what_happened.__code__.co_firstlineno
    assert good.where == f"{__file__}:{line + 4}"
    assert datetime.datetime.fromisoformat(good.time).tzinfo is datetime.UTC
    assert good.digest == f"sha256:{hashlib.sha256(LISTED).hexdigest()}"
    assert (good.function, good.path, good.size) == ("pickle.load", "model.pkl", len(LISTED))
    assert (good.verdict, good.error, good.globals) == ("allowed", "", ("fractions.Fraction",))
    assert (bad.function, bad.verdict, bad.error) == (
        "pickle.loads",
        "refused",
        "UntrustedTypesError",
    )
    assert bad.globals == ("posix.system",)
    assert "posix.system" in bad.message
    assert bad.process == os.getpid()


def test_one_record_a_load_named_after_the_function_that_was_called(evil):
    with ss.guard(audit=(seen := []).append):
        for data in (LISTED, evil):
            for action in (
                lambda data=data: joblib.load(path("m.joblib", data)),
                lambda data=data: np.load(path("m.npy", data), allow_pickle=True),
                lambda data=data: pd.read_pickle(path("m.pkl", data)),
                lambda data=data: pickle.Unpickler(io.BytesIO(data)).load(),
            ):
                action() if data is LISTED else refused(action)
    names = ["joblib.load", "numpy.load", "pandas.read_pickle", "pickle.Unpickler"]
    assert [one.function for one in seen] == names * 2
    assert [one.path for one in seen] == ["m.joblib", "m.npy", "m.pkl", ""] * 2
    assert {one.where.rpartition(":")[0] for one in seen} == {__file__}


def test_a_path_means_what_it_meant_when_the_guard_was_made(folder, monkeypatch):
    with ss.guard(audit="log.jsonl"):
        monkeypatch.chdir("/")
        pickle.loads(LISTED)
    monkeypatch.chdir(folder)
    assert len(Path("log.jsonl").read_text().splitlines()) == 1


def test_a_file_is_private_and_grows(evil, folder):
    for _ in range(2):
        with ss.guard(audit=folder / "log.jsonl"):
            pickle.loads(LISTED)
            refused(lambda: pickle.loads(evil))
    lines = [json.loads(one) for one in (folder / "log.jsonl").read_text().splitlines()]
    assert [one["verdict"] for one in lines] == ["allowed", "refused"] * 2
    assert stat.S_IMODE((folder / "log.jsonl").stat().st_mode) == 0o600
    assert lines[1]["globals"] == ["posix.system"]


@pytest.mark.parametrize("kind", ["folder", "fifo", "symlink"])
def test_a_log_that_is_no_file_is_refused_at_once(kind, folder):
    {
        "folder": lambda: Path("log").mkdir(),
        "fifo": lambda: os.mkfifo("log"),
        "symlink": lambda: Path("log").symlink_to("elsewhere"),
    }[kind]()
    with pytest.raises(errors.WriteFailedError):
        ss.guard(audit="log")
    assert not Path("elsewhere").exists()


def test_a_logger(evil, caplog):
    caplog.set_level(logging.INFO)
    with ss.guard(audit=logging.getLogger("loads")):
        pickle.loads(LISTED)
        refused(lambda: pickle.loads(evil))
    assert [one.levelname for one in caplog.records] == ["INFO", "WARNING"]
    assert "refused pickle.loads" in caplog.records[1].getMessage()
    assert caplog.records[1].safeserial["error"] == "UntrustedTypesError"


def test_audit_hooks_see_it(evil):
    seen = []
    active = True
    sys.addaudithook(lambda name, args: active and name == "safeserial.guard" and seen.append(args))
    with ss.guard():
        refused(lambda: pickle.loads(evil))
    active = False
    assert [(one[0], one[2]) for one in seen] == [("pickle.loads", "refused")]


def test_a_record_that_cannot_be_delivered(evil):
    def broken(record):
        raise OSError("disk full")

    with ss.guard(audit=broken):
        with pytest.raises(errors.UntrustedTypesError) as caught:
            pickle.loads(evil)
        assert "disk full" in caught.value.__notes__[0]
        with pytest.raises(OSError, match="disk full"):  # no load without its record
            pickle.loads(LISTED)


def test_a_sink_that_unpickles_does_not_call_itself(evil):
    seen = []

    def sink(record):
        seen.append(record.function)
        assert pickle.loads(LISTED) == Fraction(1, 2)
        refused(lambda: pickle.loads(evil))

    with ss.guard(audit=sink):
        pickle._loads(LISTED)
    assert seen == ["pickle.Unpickler"]


@pytest.mark.parametrize("door", BYTES)
def test_reporting_loads_all_the_same_and_says_so(door, evil):
    data = pickle.dumps(Path, 4)
    with ss.guard(on_violation="report", audit=(seen := []).append):
        with pytest.warns(ss.errors.SafeSerialWarning, match=r"would be refused: .*Path") as caught:
            assert BYTES[door](data) is Path
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            BYTES[door](LISTED)
    assert {one.verdict for one in seen} == {"would refuse", "allowed"}
    assert caught[0].filename.endswith(("doors.py", "test_record.py", "shelve.py"))
    assert len(seen) == 2


def test_reporting_runs_what_it_reports(evil):
    with ss.guard(on_violation="report"), pytest.warns(ss.errors.SafeSerialWarning):
        pickle.loads(evil)
    Path("pwned").unlink()


def test_reporting_leaves_one_way_streams_whole():
    data = pickle.dumps(Path, 4)
    with ss.guard(on_violation="report"):
        unpickler = pickle.Unpickler(io.BufferedReader(OneWay(data + LISTED)))
        with pytest.warns(ss.errors.SafeSerialWarning):
            assert unpickler.load() is Path
        assert unpickler.load() == Fraction(1, 2)


def test_errors_keep_nothing_of_the_payload(evil):
    with ss.guard(), pytest.raises(errors.UntrustedTypesError) as caught:
        pickle.loads(evil)
    frames = [caught.value.__traceback__]
    while frames[-1].tb_next is not None:
        frames.append(frames[-1].tb_next)
    assert all("memory" not in one.tb_frame.f_locals for one in frames[1:])
