# SPDX-License-Identifier: BSD-3-Clause
"""What to_onnx promises: inputs, outputs, metadata, the proof, and what happens when it fails."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import onnx
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import safeserial as ss
from safeserial.errors import ConversionError, ParityError, UnsupportedModelError
from safeserial_converters import contract, converts, deadline, ops
from safeserial_converters.draft import build
from safeserial_converters.parity import compare

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(200, 3))
Y = np.array(["no", "yes"])[(X[:, 0] + X[:, 1] > 0).astype(int)]
MODEL = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_array_is_one_input_and_methods_are_outputs(dtype):
    result = ss.to_onnx(MODEL, X, dtype=dtype)
    session = result.session()
    (given,) = session.get_inputs()
    kind = {"float32": "tensor(float)", "float64": "tensor(double)"}[dtype]
    assert (given.name, given.type, given.shape) == ("X", kind, ["N", 3])
    assert {one.name: one.type for one in session.get_outputs()} == {
        "predict": "tensor(string)",
        "predict_proba": kind,
        "decision_function": kind,
    }


def test_the_samples_own_dtype_is_the_default():
    assert ss.to_onnx(MODEL, X.astype(np.float32)).contract.dtype == "float32"
    assert ss.to_onnx(MODEL, X).contract.dtype == "float64"
    whole = contract.describe(np.array([[1, 2]]))
    assert whole.inputs[0].dtype == "int64"
    assert whole.dtype == "float64"


def test_a_frame_is_an_input_a_column():
    frame = pd.DataFrame({
        "a": [1.5, 2], "n": [1, 2], "f": np.array([1, 2], np.float32), "b": [True, False],
        "s": ["x", None], "c": pd.Categorical(["u", "v"]), "k": pd.Categorical([3, 4]),
        "i": pd.array([1, None], "Int64"),
    })  # fmt: skip
    made = contract.describe(frame)
    kinds = {one.name: one.dtype for one in made.inputs}
    assert kinds == {
        "a": "float64", "n": "int64", "f": "float32", "b": "bool", "s": "string", "c": "string",
        "k": "float64", "i": "float64",
    }  # fmt: skip
    feed = made.feed(frame)
    assert all(value.shape == (2, 1) for value in feed.values())
    assert feed["s"].tolist() == [["x"], [""]]
    assert np.isnan(feed["i"][1, 0])
    numbers = {one.name: one.dtype for one in contract.describe(frame, "float32").inputs}
    assert numbers["a"] == numbers["n"] == numbers["f"] == "float32"


@pytest.mark.parametrize(
    "sample",
    [
        np.array([["a", 1]], object),
        np.array(3.0),
        pd.DataFrame({"when": pd.to_datetime(["2026-01-01"])}),
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        np.array([[1j]]),
    ],
)
def test_a_sample_that_no_tensor_holds_is_refused(sample):
    with pytest.raises(ConversionError):
        ss.to_onnx(MODEL, sample)


def test_facts_travel_in_the_file(tmp_path):
    result = ss.to_onnx(MODEL, X, tmp_path / "m.onnx")
    assert result.path == tmp_path / "m.onnx"
    stored = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(stored, full_check=True)
    facts = {one.key: one.value for one in stored.metadata_props}
    assert json.loads(facts["safeserial.classes"]) == ["no", "yes"]
    assert facts["safeserial.model"] == "sklearn.pipeline.Pipeline"
    assert facts["safeserial.task"] == "classifier"
    assert json.loads(facts["safeserial.parity"])["ok"] is True
    assert "scikit-learn" in json.loads(facts["safeserial.versions"])


def test_a_keyring_makes_it_a_signed_artifact(tmp_path):
    ring = ss.Keyring([ss.HmacKey.generate()])
    out = tmp_path / "m.safeserial"
    result = ss.to_onnx(MODEL, X, out, keyring=ring, name="churn", version="1")
    verified = ss.verify(out, keyring=ring)
    assert (verified.manifest.format, verified.manifest.name) == ("onnx", "churn")
    assert result.data in out.read_bytes()


def test_fewer_methods_and_methods_on_request():
    assert ss.to_onnx(MODEL, X, methods=["predict"]).outputs == ("predict",)
    found = ss.to_onnx(MODEL, X, methods=["predict_log_proba"]).run(X)
    assert np.allclose(found["predict_log_proba"], MODEL.predict_log_proba(X))
    with pytest.raises(UnsupportedModelError, match="transform"):
        ss.to_onnx(MODEL, X, methods=["transform"])


def test_the_report_reads_in_all_its_forms():
    report = ss.to_onnx(MODEL, X).report
    assert report.ok
    assert report.max_difference < 1e-12
    assert json.loads(report.to_json())["methods"][0]["label_mismatches"] == 0
    assert "<table>" in report._repr_html_()
    assert dict(report.rows)["missing"] == 0  # the model refuses NaN
    assert "predict" in str(report)


@converts(f"{__name__}.Wrong")
def convert_wrong(model, inputs, graph):
    return {"transform": inputs.numeric() * 1.0001}


@converts(f"{__name__}.Slow")
def convert_slow(model, inputs, graph):
    x = inputs.numeric()
    while True:
        x = x + 1.0


class Wrong(TransformerMixin, BaseEstimator):
    def fit(self, x, y=None):
        return self

    def transform(self, x):
        return np.asarray(x) * 1.0


class Slow(Wrong):
    pass


class Unknown(Wrong):
    pass


def test_a_graph_that_differs_is_not_written(tmp_path):
    out = tmp_path / "m.onnx"
    with pytest.raises(ParityError) as caught:
        ss.to_onnx(Wrong(), X, out)
    assert caught.value.max_difference == pytest.approx(1e-4, rel=0.01)
    assert not out.exists()


def test_a_class_without_converter_is_named_and_subclasses_need_their_own():
    with pytest.raises(UnsupportedModelError, match=r"step unknown.*Unknown"):
        ss.to_onnx(make_pipeline(StandardScaler(), Unknown()).fit(X), X, fallback=False)


def test_a_conversion_that_does_not_end_is_stopped():
    with pytest.raises(ConversionError, match="too long"):
        ss.to_onnx(Slow(), X, time_limit=0.3)

    def forever():
        while True:
            time.sleep(0.001)

    with pytest.raises(ConversionError, match="did not end"):
        deadline.within(0.2, forever, "it")
    assert deadline.within(5, lambda: 3, "it") == 3


def test_the_fast_profile_computes_in_single_precision_and_says_so():
    exact, fast = ss.to_onnx(MODEL, X), ss.to_onnx(MODEL, X, profile="fast")
    assert fast.report.profile == "fast"
    assert fast.report.max_difference > exact.report.max_difference
    casts = [
        node for node in onnx.load_from_string(fast.data).graph.node if node.op_type == "MatMul"
    ]
    assert casts


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(ConversionError):
        ss.to_onnx(MODEL, X, profile="slow")
    with pytest.raises(ConversionError):
        ss.to_onnx(MODEL, X, dtype="int32")


def test_a_model_that_is_not_fitted_is_refused_as_such():
    with pytest.raises(ConversionError, match="not fitted"):
        ss.to_onnx(LinearRegression(), X)


@pytest.mark.parametrize("opset", [18, 19, 20, 21])
def test_older_operator_sets(opset):
    result = ss.to_onnx(MODEL, X, opset=opset)
    assert {
        one.version for one in onnx.load_from_string(result.data).opset_import if not one.domain
    } == {opset}


def test_control_flow_and_shared_constants():
    target = contract.Target()
    description = contract.describe(X)

    @converts(f"{__name__}.Wrong")
    def rows_and_turns(model, inputs, graph):
        x = inputs.numeric()
        (doubled,) = ops.scan_rows([x], lambda row: [row * 2.0])
        (turned,) = ops.loop(3, [doubled], lambda i, state: (None, [state + 1.0]))
        return {"transform": (turned - 3.0) / 2.0}

    try:
        draft = build(Wrong(), description, target)
        model = onnx.load_from_string(draft.data({}))
        assert [one.op_type for one in model.graph.node][:2] == ["Scan", "Loop"]
        assert len(model.graph.initializer) == len(
            {one.raw_data for one in model.graph.initializer}
        )
        result = ss.to_onnx(Wrong(), X)
        assert np.allclose(result.run(X)["transform"], X)
    finally:
        converts(f"{__name__}.Wrong")(convert_wrong)


def test_comparison_sees_labels_nan_and_shapes():
    a, b = np.array([1.0, np.nan, 3.0]), np.array([1.0, 2.0, np.inf])
    assert compare("m", a, a).label_mismatches == 0
    assert compare("m", a, b).label_mismatches == 2
    assert compare("m", a[:2], b).max_rel == float("inf")
    assert (
        compare("m", np.array(["a", ""], object), np.array(["a", None], object)).label_mismatches
        == 0
    )
    tiny = compare("m", np.array([1e-8]), np.array([2e-8]))
    assert tiny.max_rel == pytest.approx(0.5)


def test_importing_the_package_imports_nothing_heavy():
    script = "import sys, safeserial_converters; print(*{n.partition('.')[0] for n in sys.modules})"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"onnx", "onnxruntime", "sklearn", "numpy", "skl2onnx"} & set(run.stdout.split())
