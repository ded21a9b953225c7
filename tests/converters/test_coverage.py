# SPDX-License-Identifier: BSD-3-Clause
"""The coverage table: it runs cases in processes of their own, and tells right from wrong."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from safeserial_converters import coverage, coverage_page
from safeserial_converters.coverage_cases import estimator_classes, fit_only
from safeserial_converters.trials import Outcome

PIPELINES = Path(__file__).parent / "pipelines.py"


def test_every_class_is_in_it():
    names = estimator_classes()
    assert {"Ridge", "FrozenEstimator", "HalvingGridSearchCV", "IterativeImputer"} <= set(names)
    assert {"DBSCAN", "TSNE"} <= set(fit_only())
    assert not set(names) & set(fit_only())


def test_there_are_fifty_pipelines_and_each_can_be_fitted_anew():
    cases = coverage.pipeline_cases(PIPELINES)
    assert len(cases) >= 50
    assert len({one.name for one in cases}) == len(cases)
    assert cases[0].factory() is not cases[0].factory()


@pytest.mark.slow
def test_from_one_command(tmp_path, capsys):
    found, page = tmp_path / "found.json", tmp_path / "page.md"
    arguments = ["LabelEncoder", "BernoulliRBM", "-o", str(found), "--page", str(page)]
    assert coverage.main([*arguments, "--kind", "estimator"]) == 0
    rows = {row["name"]: row for row in json.loads(found.read_text("utf-8"))["rows"]}
    assert rows["LabelEncoder"]["verdict"] == {"float32": "right", "float64": "right"}
    assert rows["BernoulliRBM"]["verdict"] == {"float32": "partly", "float64": "partly"}
    assert "| LabelEncoder | `transform` | right | right |" in page.read_text("utf-8")
    assert "2 estimators" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_goes_on_where_another_was_ended(tmp_path, capsys):
    found = tmp_path / "found.json"
    common = ["-o", str(found), "--kind", "estimator", "--resume"]
    assert coverage.main(["LabelEncoder", *common]) == 0
    assert coverage.main(["KernelCenterer", *common]) == 0
    rows = json.loads(found.read_text("utf-8"))["rows"]
    assert [row["name"] for row in rows] == ["KernelCenterer", "LabelEncoder"]
    assert "2 estimators" in capsys.readouterr().out


@pytest.mark.slow
def test_a_case_that_does_not_end_is_ended(capsys):
    assert coverage.main(["LabelEncoder", "--kind", "estimator", "--limit", "0.01"]) == 0
    assert "no result in time" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("verdicts", "judged"),
    [
        (["right", "right"], "right"),
        (["right", "refused"], "partly"),
        (["refused"], "refused"),
        (["right", "caught", "refused"], "caught"),
        (["caught", "right", "wrong"], "wrong"),
        ([], "not tried"),
    ],
)
def test_the_worst_counts(verdicts, judged):
    own = [asdict(Outcome("E", "v", "predict", "float64", one, f"why {one}")) for one in verdicts]
    found = coverage.judge(own)
    assert found["verdict"]["float64"] == judged
    assert found["verdict"]["float32"] == "not tried"


def test_reasons_do_not_break_the_table():
    row = {
        "kind": "estimator", "name": "E", "methods": [], "seconds": 0.1,
        "verdict": {"float64": "refused", "float32": "refused"},
        "reasons": ["UnsupportedModelError: E (step a) cannot be written as ONNX: a|b <x>"],
    }  # fmt: skip
    page = coverage_page.markdown({"versions": {"onnx": "1"}, "rows": [row]})
    assert page.splitlines()[-1] == r"| E |  | refused | refused | a\|b &lt;x> |"
