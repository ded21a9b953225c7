# SPDX-License-Identifier: BSD-3-Clause
"""Loading with `mmap_mode`: verified where it lies, shared between processes, never written to."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier

import safeserial as ss
from safeserial.errors import DigestMismatchError, PolicyError, UnreadableFileError
from tests import world

X, Y = make_classification(500, 8, random_state=0)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.safeserial"
    ss.dump(KNeighborsClassifier(algorithm="brute").fit(X, Y), path, keyring=world.RING)
    path.chmod(0o600)
    return path


def load(path, mode):
    return ss.load(path, keyring=world.RING, mmap_mode=mode)


@pytest.mark.parametrize("mode", ["r", "c"])
def test_a_mapped_model_answers_the_same(file, mode):
    model = load(file, mode)
    assert np.array_equal(model.predict(X), KNeighborsClassifier().fit(X, Y).predict(X))
    assert model._fit_X.flags.writeable is (mode == "c")


def test_writing_to_a_mapped_array_never_reaches_the_file(file):
    before = file.read_bytes()
    load(file, "c")._fit_X[:] = 7
    assert file.read_bytes() == before
    with pytest.raises(ValueError, match="read-only"):
        load(file, "r")._fit_X[:] = 7


@pytest.mark.parametrize("mode", ["r", "c"])
def test_a_forest_can_be_mapped(tmp_path, mode):
    forest = RandomForestClassifier(20, random_state=0).fit(X, Y)
    path = tmp_path / "forest.safeserial"
    ss.dump(forest, path, keyring=world.RING)
    assert np.array_equal(load(path, mode).predict_proba(X), forest.predict_proba(X))


@pytest.mark.parametrize("mode", ["r", "c"])
def test_each_byte_of_a_mapped_file_is_verified(file, mode):
    whole = file.read_bytes()
    place = whole.index(X.tobytes())
    for offset in (0, 1, 4096, X.nbytes - 1):
        changed = bytearray(whole)
        changed[place + offset] ^= 1
        file.write_bytes(changed)
        with pytest.raises(DigestMismatchError):
            load(file, mode)


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
@pytest.mark.parametrize("permissions", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_change_is_not_mapped(file, permissions):
    file.chmod(permissions)
    with pytest.raises(UnreadableFileError) as caught:
        load(file, "r")
    assert "chmod" in caught.value.hint
    assert load(file, None) is not None


@pytest.mark.parametrize("mode", ["r+", "w+", "", True, 1])
def test_other_modes_are_refused(file, mode):
    with pytest.raises(PolicyError):
        load(file, mode)


@pytest.mark.parametrize("order", [{"format": "joblib"}, {"compression": "zlib"}])
def test_what_cannot_be_mapped_says_so(tmp_path, order):
    path = tmp_path / "model.safeserial"
    ss.dump(world.arrays(), path, keyring=world.RING, **order)
    with pytest.raises(PolicyError, match="cannot be mapped"):
        load(path, "r")


def test_an_artifact_without_arrays_can_be_mapped(tmp_path):
    path = tmp_path / "model.safeserial"
    ss.dump({"a": 1}, path, keyring=world.RING)
    assert load(path, "r") == {"a": 1}


CHILD = """
import sys
import safeserial as ss
from tests import world
model = ss.load(sys.argv[1], keyring=world.RING, mmap_mode="r")
model.predict(model._fit_X[:4])
print(float(model._fit_X.sum()), flush=True)
sys.stdin.readline()
shared = private = 0
for line in open("/proc/self/smaps"):
    name, _, value = line.partition(":")
    if sys.argv[1] in line:
        inside = True
    elif "-" in name and " " in name.strip():
        inside = False
    elif inside and name.startswith("Private"):
        private += int(value.split()[0])
    elif inside and name.startswith("Shared"):
        shared += int(value.split()[0])
print(shared, private, flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processes_share_one_copy(tmp_path):
    rows = np.random.default_rng(0).normal(size=(100_000, 40))  # 32 MB
    path = tmp_path / "model.safeserial"
    model = KNeighborsClassifier(algorithm="brute").fit(rows, np.arange(len(rows)) % 2)
    ss.dump(model, path, keyring=world.RING)
    # The sentinel before the first mapping line keeps `inside` defined.
    program = "inside = False\n" + CHILD
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    try:
        sums = {one.stdout.readline() for one in children}
        assert len(sums) == 1
        for one in children:
            one.stdin.write("\n")
            one.stdin.flush()
        figures = [tuple(map(int, one.stdout.readline().split())) for one in children]
    finally:
        for one in children:
            one.communicate("\n")
    for shared, private in figures:
        assert shared * 1024 > 0.9 * rows.nbytes
        assert private * 1024 < 0.1 * rows.nbytes
