# SPDX-License-Identifier: BSD-3-Clause
"""The comparison with peers asks them for real, sees harm, and a peer that fails is a row."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

from safeserial_benchmarks.peers import roster, summary
from safeserial_benchmarks.peers.driver import Asked, ask_all
from safeserial_benchmarks.peers.subjects import Subject

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")

PEERS = {peer.key: peer for peer in roster.PEERS}
FILES = {
    "runs": b"cos\nsystem\n(X\x0b\0\0\0touch pwnedtR.",
    "ends": b"csignal\nraise_signal\n(K\x09tR.",
    "leaves": b"cbuiltins\nexit\n)R.",
    "sleeps": b"ctime\nsleep\n(K\x3ctR.",
    "half": b"\x80\x04K",
}


@pytest.fixture
def files(tmp_path):
    found = []
    for name, data in {**FILES, "honest": pickle.dumps({"a": [1, 2.5, "b"]}, 4)}.items():
        path = tmp_path / f"{name}.pkl"
        path.write_bytes(data)
        group = name if name == "honest" else "opcodes"
        found.append(Subject(id=name, group=group, forms={"pickle": str(path)}))
    return found


def ask(key, files, python=sys.executable):
    return ask_all(PEERS[key], Path(python), files, minutes=2, note=lambda _: None)


def outcomes(asked):
    return {name: answer["outcome"] for name, answer in asked.answers.items()}


def test_harm_is_seen_and_not_suffered(files):
    here = {one.name for one in Path.cwd().iterdir()}
    asked = ask("native", files)
    assert asked.error == ""
    assert outcomes(asked) == {
        "runs": "acted",
        "ends": "crashed",
        "leaves": "acted",
        "sleeps": "hung",
        "half": "stopped",
        "honest": "passed",
    }
    assert {one.name for one in Path.cwd().iterdir()} == here


@pytest.mark.parametrize("key", ["safeserial", "exact", "safeserial-inspect"])
def test_what_refuses_is_counted_so(key, files):
    asked = ask(key, files)
    assert asked.error == ""
    found = outcomes(asked)
    assert found.pop("honest") == "passed"
    assert found.pop("half") in ("stopped", "gave up")
    assert set(found.values()) == {"stopped"}


@pytest.mark.parametrize("key", ["picklescan", "modelscan", "fickling", "modelaudit"])
def test_scanners_of_others(key, files):
    # Usually they are not installed here: they have environments of their own.
    pytest.importorskip(key, reason=f"{key} is not installed beside this project")
    asked = ask(key, files)
    assert asked.error == ""
    assert outcomes(asked)["runs"] == "stopped"


def test_a_peer_that_is_not_there_is_a_row(files):
    absent = ask("torch", [Subject(id="x", group="opcodes", forms={"torch": "x"})])
    missing = ask("picklescan", files, python="/nonexistent/python")
    assert missing.error
    assert missing.answers == {}
    peers = [PEERS["torch"], PEERS["picklescan"]]
    document = summary.summarize(files, peers, {"torch": absent, "picklescan": missing})
    assert [row["key"] for row in document["peers"]] == ["torch", "picklescan"]
    assert missing.error in summary.table(document)


def test_kinds_and_shares(files):
    answers = {"runs": "acted", "ends": "crashed", "half": "stopped", "honest": "passed"}
    native = Asked({name: {"outcome": one, "said": ""} for name, one in answers.items()})
    scan = dict.fromkeys(answers, "stopped") | {"honest": "passed", "ends": "gave up"}
    other = Asked({name: {"outcome": one, "said": "", "cpu": 0.002} for name, one in scan.items()})
    chosen = [one for one in files if one.id in answers]
    peers = [PEERS["native"], PEERS["picklescan"]]
    document = summary.summarize(chosen, peers, {"native": native, "picklescan": other})
    assert document["kinds"] == {"code": 1, "crash": 1, "malformed": 1, "honest": 1}
    rows = summary.table(document).splitlines()
    assert rows[2].split(" | ")[1:7] == ["0 %", "0 %", "–", "100 %", "2", "100 %"]
    assert rows[3].split(" | ")[1:] == [
        "100 %",
        "0 % (+ 100 %)",
        "–",
        "100 %",
        "n/a",
        "100 %",
        "2 |",
    ]


def test_each_file_has_the_same_id_once():
    assert len(PEERS) == len(roster.PEERS)
    assert all(peer.purpose and peer.rule for peer in roster.PEERS)
    assert all("==" in peer.packages[0] for peer in roster.PEERS if peer.packages)
