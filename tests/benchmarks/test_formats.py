# SPDX-License-Identifier: BSD-3-Clause
"""Formats compared: every format is a row, what it says is what happened, and nothing is lost."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import safeserial as ss
from safeserial.errors import FormatError, UnsupportedModelError
from safeserial_benchmarks.formats import (
    advice,
    asking,
    catalogue,
    changes,
    figures,
    growth,
    loading,
    place,
    preparing,
    results,
    running,
    saving,
)
from safeserial_benchmarks.formats.comparing import FormatComparison

FEW = (
    *("pickle-5", "joblib", "joblib-zstd", "onnx-exact", "safeserial-pickle-hmac"),
    *("safeserial-skops-ed25519", "npz"),
)
TRIPWIRE = 100  # times joblib; the model is tiny and all overhead, and the machine may be busy
BRIEF = preparing.Effort(rounds=1, seconds=0.02, limit=100.0, many=100, many_seconds=0.1)


def a_model():
    X = np.random.default_rng(0).normal(size=(300, 4))
    words = np.where(X[:, 0] > 0, "yes", "no")
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(X, words), X


@pytest.fixture(scope="module")
def measured():
    """A real comparison of a few formats."""
    model, X = a_model()
    forms = catalogue.choose(FEW)
    begun = running.begin(forms, BRIEF, None)
    return running.run(
        [preparing.Subject("tiny", "a title", lambda: (model, X))], forms, BRIEF, begun
    )


def test_each_format_has_its_row(measured):
    assert [row.format for row in measured.rows] == [
        one.key for one in catalogue.FORMATS if one.key in FEW
    ]
    assert {row.format: row.status for row in measured.rows if not row.ok} == {"npz": "cannot hold"}
    assert measured.complete


def test_each_measure_is_there(measured):
    for row in measured.rows:
        if row.ok:
            assert set(row.values) | {"bytes"} == set(results.MEASURES)
            assert all(len(rounds) == 1 for rounds in row.values.values())
            assert min(row.median(name) for name in ("save", "load", "cold_total", "bytes")) > 0


def test_phases_add_up_to_the_cold_start(measured):
    for row in measured.rows:
        if row.ok:
            parts = sum(row.median(name) for name in results.PHASES)
            assert parts == pytest.approx(row.median("cold_total"))


def test_only_what_a_format_needs_is_imported(measured):
    graph, pickled = (measured.row("tiny", name) for name in ("onnx-exact", "pickle-5"))
    assert graph.median("peak_process") < 0.6 * pickled.median("peak_process")


def test_parity_is_told(measured):
    answers = {row.format: figures.parity(row) for row in measured.rows if row.ok}
    assert answers.pop("onnx-exact") != "–"
    assert set(answers.values()) == {"identical"}
    assert measured.row("tiny", "onnx-exact").parity["labels_differ"] == 0


def test_loading_a_signed_artifact_stays_within_reason(measured):
    ours, theirs = (measured.row("tiny", name) for name in ("safeserial-pickle-hmac", "joblib"))
    assert ours.ratio("load", theirs).median < TRIPWIRE


def test_a_document_is_read_as_it_was_written(measured, tmp_path):
    measured.save(tmp_path / "one.json")
    found = results.read(tmp_path / "one.json")
    found.save(tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert [row.format for row in found.rows] == [row.format for row in measured.rows]


HEAD = '{"schema": "safeserial/format-comparison/v1", "machine": {}, "settings": {"rounds": 1}'


def test_the_least_document_is_one(tmp_path):
    (tmp_path / "least.json").write_text(f"{HEAD}}}", "utf-8")
    assert results.read(tmp_path / "least.json").rows == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": "safeserial/format-comparison/v2"}',
        '{"schema": "safeserial/format-comparison/v1"}',
        f'{HEAD}, "rows": [3]}}',
        f'{HEAD}, "rows": [{{"model": "a", "format": "b"}}]}}',
        f'{HEAD}, "formats": {{"a": {{}}}}}}',
        f'{HEAD}, "models": {{"a": {{"title": 1}}}}}}',
        f'{HEAD}, "growth": [{{}}]}}',
        f'{HEAD}, "complete": NaN}}',
        "[" * 100_000,
    ],
)
def test_a_document_that_is_none_is_refused(text, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(text, "utf-8")
    with pytest.raises(FormatError):
        results.read(path)


def test_recommendations_name_what_the_rows_say(measured):
    found = {one.purpose[:12]: one for one in advice.advise(measured, "tiny")}
    assert found["Hand a model"].format.startswith("safeserial-")
    assert found["Use the mode"].format == "onnx-exact"
    assert "× the time of joblib" in " ".join(found["Hand a model"].reasons)
    smallest = min((r for r in measured.rows if r.ok), key=lambda row: row.bytes)
    if measured.formats[smallest.format]["runs_code"] == "yes":
        assert "can run code" in " ".join(found["Keep files s"].reasons)


def test_what_cannot_be_told_apart_shares_the_star():
    def row(form, *values):
        return results.Row(model="m", format=form, status="ok", values={"load": [list(values)]})

    few = results.Comparison(machine={}, settings={})
    few.rows = [row("a", 1.0, 1.2, 1.4), row("b", 1.1, 1.3, 9.0), row("c", 5.0), row("d", 6.0)]
    assert few.leaders("m", "load") == {"a", "b"}
    few.rows = few.rows[:3]
    assert few.leaders("m", "load") == set()  # more than half: nothing to choose


def test_csv_and_markdown_have_a_line_a_row(measured):
    assert len(figures.as_csv(measured).splitlines()) == len(measured.rows) + 1
    assert len(figures.markdown(measured, "tiny").splitlines()) == len(measured.rows) + 2


def test_a_cell_is_no_formula():
    row = results.Row(model="=cmd()", format="pickle-5")
    found = results.Comparison(machine={}, settings={}, rows=[row])
    found.formats = {"pickle-5": catalogue.BY_KEY["pickle-5"].facts()}
    assert "\n'=cmd()," in figures.as_csv(found)


def test_changes_are_told_from_noise(measured):
    assert {one.verdict for one in changes.changes(measured, measured)} == {"same"}
    other = results.Row(model="tiny", format="joblib", status="ok", bytes=10)
    other.values = {"load": [[1.0, 1.0]], "save": [[1e-9, 1e-9]]}
    new = results.Comparison(machine={}, settings={}, rows=[other], formats=measured.formats)
    told = {one.measure: one.verdict for one in changes.changes(measured, new)}
    assert told["load"] == "more"
    assert told["save"] == "less"
    assert "cpu" in changes.different_machines(measured, new)


def test_a_format_that_came_or_went_is_a_change(measured):
    row = results.Row(model="tiny", format="npz", status="ok", bytes=1)
    new = results.Comparison(machine={}, settings={}, rows=[row], formats=measured.formats)
    (change,) = changes.changes(measured, new)
    assert (change.measure, change.old, change.new) == ("status", "cannot hold", "ok")


def test_what_is_done_is_not_done_again(measured, monkeypatch):
    def never(*_, **__):
        raise AssertionError("a process was started")

    monkeypatch.setattr(running.processes, "ask", never)
    before = json.dumps(measured.to_dict())
    forms = catalogue.choose(FEW)
    subject = preparing.Subject("tiny", "a title", never)
    running.run([subject], forms, BRIEF, measured)
    assert json.dumps(measured.to_dict()) == before


def test_a_format_that_is_not_installed_is_a_row(monkeypatch):
    monkeypatch.setattr(catalogue, "_there", lambda name: False)
    form = catalogue.BY_KEY["skops"]
    found = results.Comparison(machine={}, settings={})
    subject = preparing.Subject("m", "m", lambda: pytest.fail("nothing is to be made"))
    running.run([subject], [form], BRIEF, found)
    assert [(row.status, row.error) for row in found.rows] == [("not installed", "needs skops")]


def test_a_model_that_cannot_be_made_is_rows_and_not_the_end():
    def broken():
        raise OSError("no such table")

    forms = catalogue.choose(["pickle-5", "joblib"])
    found = results.Comparison(machine={}, settings={"rounds": 1})
    found.formats = {one.key: one.facts() for one in forms}
    running.run([preparing.Subject("m", "a title", broken)], forms, BRIEF, found)
    assert {(row.status, row.error) for row in found.rows} == {("failed", "OSError: no such table")}
    assert found.complete
    assert "no such table" in str(FormatComparison(found))


def test_a_class_that_other_processes_have_not_is_refused():
    here = type("Here", (), {"__module__": "__main__"})
    sys.modules["__main__"].Here = here
    try:
        with pytest.raises(UnsupportedModelError, match="Here"):
            ss.compare_formats(here(), formats=["pickle-5"], rounds=1)
    finally:
        del sys.modules["__main__"].Here
    with pytest.raises(UnsupportedModelError, match="another process"):
        ss.compare_formats(lambda: None, formats=["pickle-5"])


def test_an_unknown_format_is_refused_with_those_there_are():
    with pytest.raises(FormatError) as caught:
        ss.compare_formats({}, formats=["pikle"])
    assert "pickle-5" in caught.value.hint


def test_arrays_are_held_by_the_formats_for_arrays():
    arrays = {"w": np.arange(12.0).reshape(3, 4), "b": np.ones(3, np.float32)}
    names = ["npz", "safetensors", "skops"]
    found = ss.compare_formats(arrays, formats=names, rounds=1, quick=True, name="arrays")
    assert {row.format: row.status for row in found.rows} == {
        "skops": "cannot hold",
        "npz": "ok",
        "safetensors": "ok",
    }
    assert all(row.parity["identical"] for row in found.rows if row.ok)
    assert "identical" in found._repr_html_()
    assert "identical" in str(found)


@pytest.mark.parametrize(
    ("first", "second", "labels", "identical"),
    [
        ([1.0, np.nan], [1.0, np.nan], 0, True),
        ([1.0, 2.0], [1.0, 2.5], 0, False),
        (["a", "b"], ["a", "c"], 1, False),
        ([True, False], [1, 0], 0, True),
        ([True, False], [1, 1], 1, False),
        ([1.0, np.inf], [1.0, -np.inf], 0, False),
    ],
)
def test_differences_are_seen(first, second, labels, identical):
    found = asking.differences({"predict": np.array(first)}, {"predict": np.array(second)})
    assert found["labels_differ"] == labels
    assert found["identical"] is identical


class Marker:
    """Leaves a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize(
    "form", [one for one in catalogue.FORMATS if one.holds == "anything"], ids=lambda one: one.key
)
def test_what_runs_code_is_what_is_said_to(form, tmp_path):
    """Save an object whose loading leaves a mark; the file is the format's own in every way."""
    if form.missing:
        pytest.skip(f"{form.label} is not installed")
    place.make_keys(tmp_path)
    (tmp_path / "facts.json").write_text('{"trusted": []}', "utf-8")
    mark, here = tmp_path / "mark", place.Place(tmp_path)
    here.output(form.key).mkdir()
    try:
        saving.save(form, Marker(str(mark)), here, here.output(form.key))
        loading.loader(form, here)().close()
    except ss.errors.SafeSerialError:
        refused = True
    else:
        refused = False
    assert mark.exists() is (form.code == "yes")
    assert refused is (form.code != "yes")


def test_rows_are_taken_around_again():
    assert asking.take(["a", "b"], 5) == ["a", "b", "a", "b", "a"]
    assert asking.take(np.arange(3), 4).tolist() == [0, 1, 2, 0]


def test_an_exponent_is_fitted_over_the_larger_half():
    rows = [
        results.Row(
            model=f"trees={n}",
            format="joblib",
            status="ok",
            bytes=n**2,
            values={"load": [[n * 1e-3]]},
        )
        for n in (1, 10, 100, 1000)
    ]
    found = results.Comparison(machine={}, settings={}, rows=rows)
    found.formats = {"joblib": {"label": "joblib"}}
    fits = {
        one["measure"]: one["exponent"] for one in growth.fits(found, {"trees": (1, 10, 100, 1000)})
    }
    assert fits == {"load": pytest.approx(1.0), "bytes": pytest.approx(2.0)}


def test_the_sizes_of_growth_are_models_that_answer():
    points = {"payload (bytes)": (2**16,), "trees": (3,), "vocabulary (words)": (200,)}
    for subject in growth.subjects(points):
        model, rows = subject.make()
        method = asking.methods_of(model)[0]
        assert len(np.atleast_1d(asking.ask(model, rows, method).shape)) >= 1


def test_displays_plot_every_kind(measured):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    from safeserial_benchmarks import FormatComparisonDisplay

    for kind in ("pareto", "cold_start", "memory"):
        shown = FormatComparisonDisplay.from_results(FormatComparison(measured), kind=kind)
        assert shown.figure_ is shown.ax_.figure
        assert shown.ax_.get_title() == "tiny"
        shown.figure_.canvas.draw()
        plt.close(shown.figure_)
    assert "<table>" in shown._repr_html_()
    with pytest.raises(FormatError):
        shown.plot(kind="pie")


# ------------------------------------------------------------------------------------ command line


def bench(*words, **options):
    command = [sys.executable, "-m", "safeserial", "bench", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_a_model_file_is_measured_and_shown_again(tmp_path):
    model, X = a_model()
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    np.save(tmp_path / "rows.npy", X)
    words = ["--quick", "--rounds", "1", "--formats", "pickle-5,joblib", "-o", "out.json"]
    ran = bench("model.pkl", "--sample", "rows.npy", *words, "--csv", "out.csv", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "joblib" in ran.stdout
    assert "★" in ran.stdout
    again = bench("--from", "out.json", "--compare", "out.json", "--json", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    document = json.loads(again.stdout)
    assert [row["status"] for row in document["rows"]] == ["ok", "ok"]
    other = bench("tiny", "--rounds", "2", "-o", "out.json", cwd=tmp_path)
    assert other.returncode == 2
    assert "--fresh" in other.stderr


def test_mistakes_are_two_lines(tmp_path):
    for words in (["no-such-model"], ["--from", "x.json"], ["tiny", "--formats", "pikle"]):
        ran = bench(*words, cwd=tmp_path)
        assert ran.returncode == 2
        assert "hint:" in ran.stderr
        assert "Traceback" not in ran.stderr


def test_without_its_extra_the_command_says_what_to_type(tmp_path):
    block = "import sys; sys.modules['pyperf'] = None"
    (tmp_path / "sitecustomize.py").write_text(block, "utf-8")
    ran = bench("tiny", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert ran.returncode == 2
    assert "pip install 'safeserial-toolkit[bench]'" in ran.stderr


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals of POSIX")
def test_an_interrupt_keeps_what_is_done(tmp_path):
    words = [
        "tiny",
        "logistic",
        "--quick",
        "--rounds",
        "9",
        "--formats",
        "pickle-5",
        "-o",
        "o.json",
    ]
    # A runner may have told its children to ignore SIGINT.
    start = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from safeserial.__main__ import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", start, "bench", *words],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    output, end = tmp_path / "o.json", time.monotonic() + 100
    while not (output.exists() and results.read(output).row("tiny", "pickle-5").rounds):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    found = results.read(output)
    assert not found.complete
    assert found.row("tiny", "pickle-5").rounds >= 1
    assert b"go on with" in told
