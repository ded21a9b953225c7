# SPDX-License-Identifier: BSD-3-Clause
"""Values that models hold beside arrays: methods of str, dates, numbers as keys, nested dtypes."""

from __future__ import annotations

import datetime
import decimal
import fractions
import pickle
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer

import safeserial as ss
from safeserial.errors import ForbiddenOperationError, LimitExceededError, SafeSerialError
from tests.attacks.further import arrays_in_arrays
from tests.verifier.streams import name, refusal, round_trip, short, stream


@pytest.mark.parametrize("protocol", range(6))
def test_a_vectorizer_may_take_texts_apart_by_a_method_of_str(protocol, tmp_path):
    path = tmp_path / "model.pkl"
    model = CountVectorizer(tokenizer=str.split, token_pattern=None, preprocessor=str.lower)
    path.write_bytes(pickle.dumps(model.fit(["a b", "C d"]), protocol))
    loaded = ss.load_unsigned(path)
    assert loaded.tokenizer == str.split
    assert (loaded.transform(["A d"]) != model.transform(["A d"])).nnz == 0


@pytest.mark.parametrize(
    "method", ["format", "join", "__class__", "__reduce__", "mro", "maketrans"]
)
def test_no_other_method_of_str(method):
    data = stream(name("builtins", "getattr"), name("builtins", "str"), short(method), b"\x86R")
    assert isinstance(refusal(data), ForbiddenOperationError)


@pytest.mark.parametrize(
    "value",
    [
        datetime.date(2024, 2, 29),
        datetime.date.max,
        datetime.datetime(2024, 12, 31, 23, 59, 59, 999_999, tzinfo=datetime.UTC, fold=1),
        datetime.time(23, 59, 59, 999_999, fold=1),
        datetime.timedelta(-3, 5, 7),
    ],
)
@pytest.mark.parametrize("protocol", range(6))
def test_dates_load(value, protocol):
    assert round_trip(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("date", b"\x00\x00\x01\x01"),  # ctime() of a year 0 ends the process
        ("date", b"\x07\xe7\x02\x1d"),
        ("date", b"\x07\xe7\x82\x01"),
        ("date", b"\x07\xe7\x01"),
        ("datetime", b"\x07\xe7\x01\x01\x18\x00\x00\x00\x00\x00"),
        ("datetime", b"\x07\xe7\x01\x01\x00\x00\x00\xff\xff\xff"),
        ("time", b"\x18\x00\x00\x00\x00\x00"),
        ("time", b"\x00\x3c\x00\x00\x00\x00"),
    ],
)
def test_no_other_dates(kind, raw):
    data = stream(name("datetime", kind), short(raw), b"\x85R")
    assert isinstance(refusal(data), ForbiddenOperationError)


@pytest.mark.parametrize(
    "keys",
    [
        [np.int64(k) for k in range(20_000)],
        [np.float32(k) for k in range(5_000)],
        [np.str_(k) for k in range(5_000)],
        [np.datetime64(k, "D") for k in range(5_000)],
        [decimal.Decimal(k) / 8 for k in range(5_000)],
        [fractions.Fraction(k, 7) for k in range(5_000)],
        [datetime.date.fromordinal(k) for k in range(1, 5_000)],
        [datetime.timedelta(k) for k in range(5_000)],
    ],
    ids=lambda keys: type(keys[0]).__name__,
)
def test_many_honest_keys(keys: list[Any]):
    assert round_trip(pickle.dumps(dict.fromkeys(keys, 1), 4)) == dict.fromkeys(keys, 1)


def test_keys_of_one_hash_are_few():
    keys = {decimal.Decimal(k * (2**61 - 1) + 1): 0 for k in range(1, 200)}
    assert isinstance(refusal(pickle.dumps(keys, 4)), LimitExceededError)


FIELDS = np.zeros(3, [("a", "f4", (4,)), ("b", [("c", "i2"), ("d", "u1", (2, 2))])])
FIELDS["a"][1], FIELDS["b"]["d"][2] = 7, 9


@pytest.mark.parametrize("how", ["2", "4", "5", "joblib"])
def test_fields_that_are_arrays_come_back_as_they_were(how, tmp_path):
    path = tmp_path / "array"
    if how == "joblib":
        joblib.dump({"x": FIELDS}, path)
    else:
        path.write_bytes(pickle.dumps({"x": FIELDS}, int(how)))
    loaded = ss.load_unsigned(path)["x"]
    assert loaded.dtype == FIELDS.dtype
    assert loaded.tobytes() == FIELDS.tobytes()


def test_arrays_of_objects_may_stand_in_each_other_up_to_a_point():
    array: Any = np.zeros(1)
    for _ in range(50):
        outer = np.empty(1, object)
        outer[0] = array
        array = outer
    assert round_trip(pickle.dumps(array, 4)).shape == (1,)
    found = refusal(arrays_in_arrays(600))
    assert isinstance(found, SafeSerialError)
    assert "too deeply" in str(found)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_dtype_that_was_asked_before(protocol):
    """pandas keeps answers in the dtype, and writes them with it."""
    values = pd.array([1, None], dtype="Int64")
    assert values.dtype.numpy_dtype == np.dtype("i8")
    assert "_cache" in vars(values.dtype)
    assert round_trip(pickle.dumps(values, protocol)).equals(values)
