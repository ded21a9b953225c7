# SPDX-License-Identifier: BSD-3-Clause
"""Files of four gigabytes: told in constant memory, because nothing reads their numbers."""

import io
import json
import struct
import subprocess
import sys
from contextlib import ExitStack

import joblib
import numpy as np
import pytest

import safeserial as ss
from safeserial.errors import LimitExceededError
from safeserial.inspection import content as contents
from tests.inspection import samples

GIB = 2**30
LOOK = """
import json, sys
import safeserial as ss
def peak():
    status = open("/proc/self/status").read()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
ss.inspect(sys.argv[1])
before = peak()
report = ss.inspect(sys.argv[2])
print(json.dumps([report.kind, report.verdict, peak() - before]))
"""


def sparse(path, head, size, tail=b""):
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size)
        file.seek(len(head) + size)
        file.write(tail)
    return path


def npy(path):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({GIB // 2},), }}"
    return sparse(path, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode(),
                  4 * GIB)  # fmt: skip


def joblibbed(path):
    """One array in a dict, its count set to what fills four gigabytes."""
    out = io.BytesIO()
    joblib.dump({"weights": np.zeros(100_000)}, out)
    whole = out.getvalue()
    start = whole.index(bytes(800_000))
    head = whole[:start].replace(struct.pack("<i", 100_000), struct.pack("<i", GIB // 2))
    return sparse(path, head, 4 * GIB, whole[start + 800_000 :])


def pickled(path):
    head = b"\x80\x04]\x94\x8e" + struct.pack("<Q", 4 * GIB)
    return sparse(path, head, 4 * GIB, b"\x94a.")


def safetensors(path):
    facts = {"w": {"dtype": "F32", "shape": [GIB], "data_offsets": [0, 4 * GIB]}}
    text = json.dumps(facts).encode()
    return sparse(path, struct.pack("<Q", len(text)) + text, 4 * GIB)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize("make", [npy, joblibbed, pickled, safetensors])
def test_four_gigabytes_cost_no_memory(tmp_path, make):
    small, large = tmp_path / "small", make(tmp_path / "large")
    small.write_bytes(samples.pickled())
    ended = subprocess.run([sys.executable, "-c", LOOK, small, large],
                           check=True, capture_output=True, timeout=120)  # fmt: skip
    _, verdict, grown = json.loads(ended.stdout)
    assert verdict == "safe"
    assert grown < 16 * 2**20


def test_large_files_are_mapped_only_where_nobody_else_can_cut_them(tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "PRIVATE_UP_TO", 100)
    copies = []
    honest = contents._copied
    monkeypatch.setattr(contents, "_copied", lambda *args: copies.append(1) or honest(*args))
    path = tmp_path / "m"
    path.write_bytes(samples.joblibbed())
    path.chmod(0o600)
    mine = ss.inspect(path)
    assert (mine.verdict, copies) == ("safe", [])
    path.chmod(0o666)
    shared = ss.inspect(path)
    assert copies == [1]
    assert shared.to_dict() == mine.to_dict()


def test_what_is_unpacked_goes_to_a_file_when_it_is_much(monkeypatch, look):
    monkeypatch.setattr(contents, "_SPILLED_FROM", 1000)
    for compress in (3, ("gzip", 3), ("bz2", 3), ("xz", 3)):
        report = look(samples.joblibbed(compress))
        assert report.verdict == "safe"
        assert report.estimator == "sklearn.pipeline.Pipeline"


def test_growing_content_has_an_end():
    with ExitStack() as room:
        growing = contents.Growing(room, 10)
        growing.append(b"12345")
        with pytest.raises(LimitExceededError):
            growing.append(b"123456")


def test_a_file_over_the_policys_limit_is_not_opened(look):
    policy = ss.Policy.default().with_limits(file_size=100)
    report = look(samples.pickled(), policy=policy)
    assert (report.verdict, report.findings[0].rule) == ("cannot tell", "SS007")
    stream = ss.inspect(io.BytesIO(samples.pickled()), policy=policy)
    assert (stream.verdict, stream.findings[0].rule) == ("cannot tell", "SS007")
