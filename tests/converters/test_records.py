# SPDX-License-Identifier: BSD-3-Clause
"""Rows that are dictionaries: an input a key, what is absent, what cannot be told apart."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import safeserial as ss
from safeserial.errors import ConversionError, UnsupportedModelError
from safeserial_converters.coverage_cases import _records
from tests.converters.harness import Data, require_right

ROWS = _records(0, 200)
TARGET = np.array([int(one.get("b") == "x") for one in ROWS])


@pytest.mark.parametrize(
    "options", [{}, {"sparse": False}, {"sort": False, "separator": ":"}, {"dtype": np.float32}]
)
def test_its_columns_are_right(options):
    data = Data("dictionaries", ROWS, None, _records(1, 500))
    require_right(lambda: DictVectorizer(**options), only=[], also=[data])


def test_a_pipeline_takes_dictionaries():
    data = Data("dictionaries", ROWS, TARGET, _records(1, 500))
    for last in (LogisticRegression(), RandomForestClassifier(10, random_state=0)):
        require_right(lambda last=last: make_pipeline(DictVectorizer(), last), only=[], also=[data])


def test_the_inputs_are_the_keys():
    result = ss.to_onnx(DictVectorizer().fit(ROWS), ROWS, dtype="float32")
    kinds = {one.name: one.type for one in result.session().get_inputs()}
    assert kinds == {
        "a": "tensor(float)",
        "count": "tensor(float)",
        "b": "tensor(string)",
        "é=": "tensor(string)",
    }
    feed = result.feed([{"b": "x"}, {"a": 2, "unknown": 1}])
    assert np.isnan(feed["a"][0, 0])
    assert feed["a"][1, 0] == 2
    assert feed["b"].tolist() == [["x"], [""]]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"a": 1}, {"a": "x"}], "numbers and strings"),
        ([{"a": float("nan")}], "NaN"),
        ([{"a": ""}], "empty string"),
        ([{"a": ["x", "y"]}], "list"),
        ([{"a": None}], "NoneType"),
        ([{"a": 1j}], "complex"),
        ([{7: 1}], "key 7"),
        ([{}], "empty"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(rows, words):
    with pytest.raises(ConversionError, match=words):
        ss.to_onnx(DictVectorizer().fit(ROWS), rows)


def test_rows_of_another_kind_are_refused_when_they_are_fed():
    result = ss.to_onnx(DictVectorizer().fit(ROWS), ROWS)
    with pytest.raises(ConversionError, match="no number"):
        result.feed([{"a": "x"}])


def test_columns_that_no_key_gives_and_columns_that_two_give():
    model = DictVectorizer().fit(ROWS)
    with pytest.raises(UnsupportedModelError, match="no key of the sample"):
        ss.to_onnx(model, [{"a": 1.0}])
    twice = [{"a": "b=c", "a=b": "c"}]
    with pytest.raises(UnsupportedModelError, match="two keys"):
        ss.to_onnx(DictVectorizer().fit(twice), twice)
    with pytest.raises(UnsupportedModelError, match="dictionaries"):
        ss.to_onnx(model, np.zeros((3, 2)), fallback=False)
