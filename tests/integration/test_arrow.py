# SPDX-License-Identifier: BSD-3-Clause
"""Strings of pandas where pyarrow keeps them: honest ones load, and no buffer is believed."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import safeserial as ss
from safeserial.errors import InvalidStateError, PolicyError, SafeSerialError
from tests import world

pa = pytest.importorskip("pyarrow")

TEXT = pd.StringDtype("pyarrow")
FRAME = pd.DataFrame(
    {"a": pd.array(["x", "ü", None], dtype=TEXT), "b": [1, 2, 3.0]},
    index=pd.Index(["i", "j", "k"], dtype=TEXT),
)
HONEST = {
    "frame": FRAME,
    "series": FRAME["a"],
    "index": FRAME.index,
    "array": FRAME["a"].array,
    "slice": FRAME["a"].array[1:],
    "nothing": FRAME["a"].array[:0],
    "chunks": pd.concat([FRAME["a"], FRAME["a"]]).array,
    "missing only": pd.array([None, None], dtype=TEXT),
    "categories": pd.Categorical(FRAME["a"]),
}


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("way", [2, 4, 5, "joblib", "signed pickle", "signed joblib"])
def test_honest_strings_load(name, way, tmp_path):
    value, path = HONEST[name], tmp_path / "file"
    if way == "joblib":
        joblib.dump(value, path)
        again = ss.load_unsigned(path)
    elif isinstance(way, int):
        path.write_bytes(pickle.dumps(value, way))
        again = ss.load_unsigned(path)
    else:
        again = world.loads(world.artifact(value, format=way.split()[1]))
    assert type(again) is type(value)
    if hasattr(value, "equals"):
        assert again.equals(value)
    assert list(map(str, np.asarray(again, object).ravel())) == list(
        map(str, np.asarray(value, object).ravel())
    )


class Call:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def column(offsets=(0, 1, 3, 3), text=b"abc", length=3, offset=0, alias="large_string", **changed):
    valid = changed.get("valid", b"\x03")
    raw = np.array(offsets, "<i8").tobytes() if not isinstance(offsets, bytes) else offsets
    held = [None if one is None else Call(pa.py_buffer, one) for one in (valid, raw, text)]
    kind = Call(pa.lib.type_for_alias, alias)
    parts = (
        kind, length, changed.get("nulls", 1), offset, changed.get("buffers", held),
        changed.get("children", []), changed.get("dictionary"),
    )  # fmt: skip
    return Call(pa.lib._restore_array, parts)


def load(value, tmp_path):
    path = tmp_path / "file.pkl"
    path.write_bytes(pickle.dumps(value, 4))
    return ss.load_unsigned(path)


def test_the_honest_column_of_the_attacks_loads(tmp_path):
    assert load(column(), tmp_path).to_pylist() == ["a", "bc", None]


@pytest.mark.parametrize(
    "changed",
    [
        {"offsets": (0, 1, 2**40, 3)}, {"offsets": (0, -1, 3, 3)}, {"offsets": (0, 3, 1, 3)},
        {"offsets": (-8, 1, 3, 3)}, {"offsets": (0, 1)}, {"offsets": b"\0"}, {"offsets": ()},
        {"length": 4}, {"length": 2**39}, {"length": -1}, {"length": 2**70}, {"length": True},
        {"length": 1.0}, {"offset": 3}, {"offset": -1}, {"offset": 2**63}, {"text": b"\xff\xfeb"},
        {"text": b""}, {"text": None}, {"valid": b""}, {"alias": "int64"}, {"alias": "binary"},
        {"alias": "list<item: string>"}, {"buffers": []}, {"buffers": [None, None]},
        {"buffers": [1, 2, 3]}, {"buffers": None}, {"children": [1]}, {"dictionary": 1},
    ],
)  # fmt: skip
def test_columns_that_lie_are_refused(changed, tmp_path):
    error = world.refusal(lambda: load(column(**changed), tmp_path))
    assert isinstance(error, InvalidStateError | PolicyError)


def test_a_wrong_count_of_nulls_is_not_believed(tmp_path):
    assert load(column(nulls=3), tmp_path).null_count == 1


COLUMNS = st.fixed_dictionaries(
    {
        "text": st.binary(max_size=6),
        "length": st.integers(-1, 6),
        "offset": st.integers(-1, 4),
        "valid": st.none() | st.binary(max_size=2),
        "alias": st.sampled_from(["string", "large_utf8"]),
    }
)


@settings(max_examples=150)
@given(st.lists(st.integers(-4, 12), max_size=5), COLUMNS)
def test_any_column_is_whole_or_refused(tmp_path_factory, offsets, parts):
    width = "<i4" if parts["alias"] == "string" else "<i8"
    raw = np.array(offsets, width).tobytes()
    value = column(raw, **parts)
    try:
        again = load(value, tmp_path_factory.mktemp("any"))
    except SafeSerialError as error:
        assert error.hint
        return
    assert len(again.to_pylist()) == parts["length"]


@pytest.mark.parametrize(
    "state",
    [{}, {"_pa_array": 1}, {"_pa_array": np.arange(3)}, {"_pa_array": column()},
     {"_pa_array": column(), "_dtype": pd.StringDtype("python")}, {"_dtype": TEXT},
     {"_pa_array": column(), "_data": column(), "_dtype": TEXT}],
)  # fmt: skip
def test_arrays_of_other_states_are_refused(state, tmp_path):
    class Odd:
        def __reduce__(self):
            return object.__new__, (pd.arrays.ArrowStringArray,), state

    raw = pickle.dumps(Odd(), 2)
    path = tmp_path / "file.pkl"
    path.write_bytes(raw)
    world.refusal(lambda: ss.load_unsigned(path))


def test_an_array_that_was_given_no_state_is_refused(tmp_path):
    path = tmp_path / "file.pkl"
    path.write_bytes(b"\x80\x04\x8c\x0dpandas.arrays\x8c\x10ArrowStringArray\x93)\x81.")
    world.refusal(lambda: ss.load_unsigned(path))
