# SPDX-License-Identifier: BSD-3-Clause
"""The benchmark harness runs, every contender has its row, and what fails is a row, not the end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from sklearn.linear_model import LogisticRegression

from safeserial_benchmarks import __main__ as command
from safeserial_benchmarks import models, phases, report, roundtrip
from safeserial_benchmarks.measure import Contender, Effort, Row, Spread, compare

DUMPS = {
    *("pickle.dump", "pickle.dump + fsync", "joblib.dump", "joblib.dump + fsync"),
    *("safeserial.dump (pickle)", "safeserial.dump (joblib)"),
}
LOADS = {"pickle.load", "joblib.load", "safeserial.load (pickle)", "safeserial.load (joblib)"}
LOADS |= {"joblib.load (mapped)", "safeserial.load (mapped)"}
LOADS |= {"safeserial.load_unsigned (pickle)", "safeserial.load_unsigned (joblib)"}
TRIPWIRE = 50  # a tiny model is all overhead; this is for what no machine's noise explains


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """What a quick run of two models and the process starts writes."""
    folder = tmp_path_factory.mktemp("benchmarks")
    output = folder / "results.json"
    words = ["--quick", "--models", "tiny,forest", "--parts", "roundtrip,startup"]
    ran = subprocess.run(
        [sys.executable, "-m", "safeserial_benchmarks", *words, "-o", str(output)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "160"},
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(output.read_text("utf-8")), ran.stdout


def rows_of(document, group, subject):
    return [r for r in document["rows"] if r["group"] == group and r["subject"] == subject]


@pytest.mark.parametrize("model", ["tiny", "forest"])
def test_each_contender_has_its_row(quick, model):
    document, _ = quick
    assert {row["contender"] for row in rows_of(document, "dump", model)} == DUMPS
    assert {row["contender"] for row in rows_of(document, "load", model)} == LOADS
    for row in rows_of(document, "dump", model) + rows_of(document, "load", model):
        assert row["error"] is None, row
        assert row["rounds"] >= 3
        assert 0 < row["value"]["q1"] <= row["value"]["median"] <= row["value"]["q3"]


def test_sharing_and_limits_have_their_rows(tmp_path):
    output = tmp_path / "results.json"
    ran = subprocess.run(
        [sys.executable, "-m", "safeserial_benchmarks", "--quick", "--parts", "limits,sharing",
         "-o", str(output)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    rows = json.loads(output.read_text("utf-8"))["rows"]
    assert [row["error"] for row in rows] == [None] * 6
    held = {r["contender"]: r["ratios"]["data"]["median"] for r in rows if r["group"] == "sharing"}
    assert held["safeserial, mapped"] < held["safeserial"]  # three processes: once, and three times


def test_the_phases_of_a_load(tmp_path):
    times = phases.measure(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), tmp_path, 0.0)
    assert set(times) == set(phases.PHASES)
    assert all(len(one) >= 7 and min(one) >= 0 for one in times.values())
    assert max(times["safeserial.load"]) > 0


def test_each_dump_says_what_it_promises(quick):
    document, _ = quick
    said = {r["contender"]: r["facts"]["durability"] for r in rows_of(document, "dump", "tiny")}
    assert said["pickle.dump"] == roundtrip.CACHED
    assert said["pickle.dump + fsync"] == roundtrip.SYNCED
    assert said["safeserial.dump (pickle)"] == roundtrip.ATOMIC


def test_ratios_are_taken_to_the_references(quick):
    document, _ = quick
    (row,) = [
        r
        for r in rows_of(document, "load", "forest")
        if r["contender"] == "safeserial.load (pickle)"
    ]
    assert set(row["ratios"]) == set(roundtrip.LOAD_REFERENCES)
    assert row["ratios"]["pickle.load"]["median"] < TRIPWIRE


def test_the_start_of_a_process_is_measured(quick):
    document, _ = quick
    found = {row["contender"]: row for row in rows_of(document, "startup", "process")}
    times = {name: row["value"]["median"] for name, row in found.items()}
    assert min(times.values()) > 0
    for name, row in found.items():  # either sign on a busy machine; rounded
        over = row["facts"]["over_bare_seconds"]
        assert over == pytest.approx(times[name] - times["python -c pass"], abs=1e-3)
    assert "safeserial verify (small file)" in found


def test_no_heavy_library_comes_with_a_plain_import(quick):
    document, _ = quick
    (row,) = rows_of(document, "startup", "modules")
    assert row["facts"]["names"] == []


def test_a_result_says_where_it_was_taken(quick):
    document, shown = quick
    assert document["quick"] is True
    assert document["complete"] is True
    assert {"cpu", "cores", "kernel", "python", "libraries", "page_cache"} <= set(
        document["machine"]
    )
    assert "quick run" in shown
    assert "safeserial.load (pickle)" in shown


def test_an_unknown_model_is_a_usage_error():
    ran = subprocess.run(
        [sys.executable, "-m", "safeserial_benchmarks", "--models", "no-such"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "no-such" in ran.stderr


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells the peak")
def test_memory_is_measured_in_processes_of_its_own(tmp_path):
    from safeserial_benchmarks import memory

    notes = []
    rows = memory.run(2**23, tmp_path, notes.append)
    assert {row.contender for row in rows} == set(memory.CONTENDERS)
    assert len(rows) == 2 * len(memory.CONTENDERS) == len(notes)
    assert [row.error for row in rows] == [None] * len(rows)
    assert list(tmp_path.iterdir()) == []


def test_a_contender_that_fails_is_a_row():
    def broken():
        raise OSError("no disk")

    effort = Effort(seconds=0, at_least=2, at_most=2)
    contenders = [Contender("good", lambda: None), Contender("bad", broken)]
    good, bad = compare("load", "x", contenders, ["good"], effort)
    assert good.rounds == 2
    assert good.error is None
    assert bad.value is None
    assert bad.error == "OSError: no disk"


def test_a_job_that_fails_does_not_end_the_run(tmp_path):
    def broken():
        raise MemoryError("too large")

    results = report.Results({}, quick=True)
    done = Row(group="load", subject="good", contender="pickle.load", value=Spread.of([1.0]))
    jobs = [("bad", broken), ("good", lambda: [done])]
    command.measure_all(results, iter(jobs), tmp_path / "out.json")
    assert [row.subject for row in results.rows] == ["bad", "good"]
    assert results.rows[0].error == "MemoryError: too large"
    assert results.complete


def test_an_interrupt_keeps_what_is_done(tmp_path):
    def interrupted():
        raise KeyboardInterrupt

    results = report.Results({}, quick=True)
    done = Row(group="load", subject="good", contender="pickle.load", value=Spread.of([1.0]))
    output = tmp_path / "out.json"
    command.measure_all(results, iter([("good", lambda: [done]), ("x", interrupted)]), output)
    document = json.loads(output.read_text("utf-8"))
    assert [row["subject"] for row in document["rows"]] == ["good"]
    assert document["complete"] is False


def test_failures_are_shown_under_their_table():
    results = report.Results(
        {"cpu": "x", "cores": 1, "kernel": "k", "python": "p", "file_system": None},
        quick=False,
        rows=[Row(group="load", subject="tiny", contender="joblib.load", error="it broke")],
    )
    console = Console(record=True, width=100)
    report.show(results, console)
    assert "failed: tiny, joblib.load: it broke" in console.export_text()


@pytest.mark.parametrize("spec", models.SPECS, ids=lambda spec: spec.name)
def test_every_model_answers_its_sample(spec, tmp_path):
    first = models.make(spec, scale=0.004, cache=tmp_path)
    second = models.make(spec, scale=0.004, cache=tmp_path)
    assert models.answer(first, spec.sample()) == models.answer(second, spec.sample())
    assert bool(list(tmp_path.glob("*.pkl"))) == spec.kept
