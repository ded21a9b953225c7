# SPDX-License-Identifier: BSD-3-Clause
"""Model repositories of Triton: their configuration is what Triton's own definition reads."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import safeserial as ss
from safeserial.errors import ConversionError

X, Y = load_iris(return_X_y=True)
MODEL = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)


def configuration(folder):
    pytest.importorskip("tritonclient.grpc")
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    text = (folder / "config.pbtxt").read_text("utf-8")
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def test_a_repository_has_the_graph_and_its_description(tmp_path):
    result = ss.to_triton(MODEL, X, tmp_path, name="iris")
    assert result.path == tmp_path / "iris" / "1" / "model.onnx"
    found = configuration(tmp_path / "iris")
    session = onnxruntime.InferenceSession(result.path, providers=["CPUExecutionProvider"])
    assert [one.name for one in found.input] == [one.name for one in session.get_inputs()]
    assert [one.name for one in found.output] == [one.name for one in session.get_outputs()]
    assert list(found.input[0].dims) == [-1, 4]
    assert (found.name, found.platform, found.max_batch_size) == ("iris", "onnxruntime_onnx", 0)
    labels = session.run(["predict"], {"X": X})[0]
    assert np.array_equal(labels, MODEL.predict(X))


def test_names_of_columns_in_any_script(tmp_path):
    frame = pd.DataFrame({'größe "x"\\': [1.0, 2.0, 3.0] * 5, "город": ["a", "b", "c"] * 5})
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["город"]), remainder="passthrough"),
        LogisticRegression(),
    ).fit(frame, [0, 1, 1] * 5)
    ss.to_triton(model, frame, tmp_path, name="m")
    found = configuration(tmp_path / "m")
    assert [one.name for one in found.input] == list(frame.columns)


def test_the_next_one_is_the_next_version(tmp_path):
    ss.to_triton(MODEL, X, tmp_path)
    again = ss.to_triton(MODEL, X, tmp_path)
    assert again.path == tmp_path / "pipeline" / "2" / "model.onnx"
    other = LogisticRegression(max_iter=500).fit(X[:, :2], Y)
    with pytest.raises(ConversionError, match="other inputs"):
        ss.to_triton(other, X[:, :2], tmp_path, name="pipeline")
    assert not (tmp_path / "pipeline" / "3").exists()


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".", "-a", "a b"])
def test_names_that_are_no_folder(tmp_path, name):
    with pytest.raises(ConversionError):
        ss.to_triton(MODEL, X, tmp_path, name=name)
    assert not list(tmp_path.iterdir())
