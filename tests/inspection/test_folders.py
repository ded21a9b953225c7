# SPDX-License-Identifier: BSD-3-Clause
"""Many files at once: all of them, in order, nothing outside, and no file ends the inspection."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import socket
from pathlib import Path

import pytest

import safeserial as ss
from safeserial.inspection.folders import count_files, inspect_folder, inspect_many
from tests.inspection.browser import EVIL

HOSTILE = b"cos\nsystem\n(S'touch marker'\ntR."
posix = pytest.mark.skipif(os.name != "posix", reason="files of POSIX")


@pytest.fixture
def folder(tmp_path):
    """Models of three verdicts at two depths, and a file that is none."""
    top = tmp_path / "top"
    (top / "b" / "deep").mkdir(parents=True)
    (top / "a.pkl").write_bytes(pickle.dumps([1, 2]))
    (top / "b" / "deep" / "x.joblib").write_bytes(HOSTILE)
    (top / "b.pkl").write_bytes(pickle.dumps({"a": 1}))
    (top / "c.pkl").write_bytes(b"\x80\x04]\x94(K")
    (top / "notes.md").write_text("# no model\n")
    return top


def told(reports, top):
    return [(Path(one.path).relative_to(top).as_posix(), one.verdict) for one in reports]


EXPECTED = [
    ("a.pkl", "safe"),
    ("b/deep/x.joblib", "dangerous"),
    ("b.pkl", "safe"),
    ("c.pkl", "cannot tell"),
]


@pytest.mark.parametrize("workers", [None, 0, 1, 2])
def test_a_folder(folder, workers):
    assert told(inspect_folder(folder, workers=workers), folder) == EXPECTED


def test_files_that_are_no_models_are_told_if_asked_for(folder):
    every = told(inspect_folder(folder, every=True), folder)
    assert every == [*EXPECTED, ("notes.md", "not a model")]


def test_files_that_were_named_are_always_told(folder):
    (report,) = inspect_many([folder / "notes.md"])
    assert report.verdict == "not a model"


def test_workers_say_the_same_as_this_process(folder):
    alone = [one.to_dict() for one in inspect_folder(folder, workers=0)]
    shared = [one.to_dict() for one in inspect_folder(folder, workers=2)]
    assert alone == shared


def test_more_files_than_are_looked_ahead(tmp_path):
    for number in range(70):
        (tmp_path / f"{number:03}.pkl").write_bytes(pickle.dumps(number))
    reports = told(inspect_folder(tmp_path, workers=2), tmp_path)
    assert reports == [(f"{number:03}.pkl", "safe") for number in range(70)]


def test_progress(folder):
    seen = []
    reports = inspect_folder(folder, progress=lambda done, path: seen.append((done, path)))
    assert len(list(reports)) == 4
    assert [done for done, _ in seen] == [1, 2, 3, 4, 5]
    assert seen[-1][1].endswith("notes.md")
    assert count_files([folder]) == 5


def test_signatures_are_checked_and_no_key_leaves_this_process(folder):
    """A key cannot be pickled, so a worker that were given one would not even start."""
    ring = ss.Keyring([ss.HmacKey.generate()])
    other = ss.Keyring([ss.HmacKey.generate()])
    ss.dump({"a": 1}, folder / "good.safeserial", keyring=ring)
    ss.dump({"a": 1}, folder / "forged.safeserial", keyring=other)
    reports = {Path(one.path).name: one for one in inspect_folder(folder, keyring=ring, workers=1)}
    assert reports["good.safeserial"].signature == "verified"
    assert reports["forged.safeserial"].verdict == "dangerous"
    assert reports["a.pkl"].verdict == "safe"


def test_the_policy_reaches_the_workers(folder):
    policy = ss.Policy.default().with_limits(file_size=5)
    found = told(inspect_folder(folder, policy=policy, workers=1), folder)
    assert {verdict for _, verdict in found} == {"cannot tell"}


def workers():
    """Return what inspection has started; other tests have children of their own here."""
    return [one for one in multiprocessing.active_children() if one.name == "safeserial-inspect"]


@posix
def test_a_worker_that_is_killed_costs_one_file(tmp_path):
    """The first report is yielded while the worker is at the second file."""
    (tmp_path / "1.pkl").write_bytes(pickle.dumps(1))
    lists = b"](" + b"K\x01" * 500_000 + b"e0"
    (tmp_path / "2.pkl").write_bytes(b"\x80\x04" + lists * 40 + b"N.")
    (tmp_path / "3.pkl").write_bytes(pickle.dumps(3))
    reports = inspect_folder(tmp_path, workers=1)
    assert next(reports).verdict == "safe"
    (worker,) = workers()
    os.kill(worker.pid, signal.SIGSEGV)
    second, third = reports
    assert (Path(second.path).name, second.verdict) == ("2.pkl", "cannot tell")
    assert "SIGSEGV" in str(second.problem)
    assert second.problem.hint
    assert (Path(third.path).name, third.verdict) == ("3.pkl", "safe")
    assert not workers()


def test_no_worker_is_left_if_nobody_wants_the_rest(folder):
    reports = inspect_folder(folder, workers=2)
    next(reports)
    assert workers()
    reports.close()
    assert not workers()


@posix
def test_only_regular_files_are_opened(folder):
    os.mkfifo(folder / "fifo.pkl")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s.pkl")[-100:])
        assert told(inspect_folder(folder), folder) == EXPECTED


@posix
def test_links(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.pkl").write_bytes(pickle.dumps(1))
    (folder / "inside.pkl").symlink_to(folder / "a.pkl")
    (folder / "loop").symlink_to(folder)
    (folder / "self.pkl").symlink_to("self.pkl")
    (folder / "broken.pkl").symlink_to("nowhere")
    (folder / "elsewhere").symlink_to(outside)
    (folder / "tool").symlink_to("/bin/sh")
    assert told(inspect_folder(folder), folder) == EXPECTED
    (folder / "z.pkl").symlink_to(outside / "secret.pkl")
    *rest, last = inspect_folder(folder)
    assert told(rest, folder) == EXPECTED
    assert last.verdict == "cannot tell"
    assert "out of the folder" in str(last.problem)
    assert "secret.pkl" in last.problem.hint


@posix
def test_a_folder_that_is_named_may_be_a_link(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    assert told(inspect_folder(tmp_path / "link"), tmp_path / "link") == EXPECTED


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_told(folder):
    (folder / "a.pkl").chmod(0)
    (folder / "b").chmod(0)
    try:
        found = told(inspect_folder(folder), folder)
    finally:
        (folder / "b").chmod(0o700)
    assert found[:2] == [("a.pkl", "cannot tell"), ("b", "cannot tell")]


@pytest.mark.parametrize("path", ["missing", "nul\0l"])
def test_what_is_not_there_is_told(path):
    (report,) = inspect_many([path])
    assert report.verdict == "cannot tell"
    assert report.problem is not None


@posix
@pytest.mark.parametrize("workers", [0, 1])
def test_hostile_names(tmp_path, workers):
    name = EVIL.replace("\0", "").replace("/", "_")
    (tmp_path / name).write_bytes(pickle.dumps(1))
    (tmp_path / "-").write_bytes(pickle.dumps(1))
    reports = list(inspect_folder(tmp_path, workers=workers))
    assert {Path(one.path).name for one in reports} == {name, "-"}
    assert {one.verdict for one in reports} == {"safe"}


@posix
def test_a_path_longer_than_the_system_allows_is_told(tmp_path):
    (tmp_path / "z.pkl").write_bytes(pickle.dumps(1))
    with contextlib.chdir(tmp_path):
        for _ in range(20):
            Path("d" * 250).mkdir()
            os.chdir("d" * 250)
        Path("m.pkl").write_bytes(pickle.dumps(1))
    deep, plain = inspect_folder(tmp_path)
    assert deep.verdict == "cannot tell"
    assert "cannot list" in str(deep.problem)
    assert told([plain], tmp_path) == [("z.pkl", "safe")]
