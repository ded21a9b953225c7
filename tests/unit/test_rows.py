# SPDX-License-Identifier: BSD-3-Clause
"""Forms of rows: what is written is read again, and nothing else is read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safeserial.errors import CorruptArtifactError, LimitExceededError
from safeserial.rows import MAX_FORM_BYTES, Constant, Drawn, Form, decode_form, encode_form

plain = st.one_of(
    st.builds(Constant, st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1)),
    st.builds(Constant, st.text(st.characters(exclude_categories=["Cs"]), max_size=8)),
    st.builds(
        Drawn,
        st.sampled_from(["values", "scalars", "arrays", "slices"]),
        st.integers(0, 99),
        st.just(-1),
    ),
    st.builds(Drawn, st.just("runs"), st.integers(0, 99), st.integers(0, 99)),
)
names = st.text("abcdefXYZ_.", min_size=1, max_size=12)
arguments = st.none() | st.lists(plain, min_size=1, max_size=4).map(tuple)


def forms(values):
    state = st.dictionaries(names, values, min_size=1, max_size=5)
    return st.builds(Form, names, names, arguments, state.map(lambda one: tuple(one.items())))


@given(forms(plain | forms(plain | forms(plain))), st.integers(0, 1024))
def test_a_form_comes_back(form, inner):
    assert decode_form(encode_form(form, inner), 100) == (form, inner)


GOOD = {"arguments": None, "class": ["m", "C"], "state": [["a", {"value": 1}]]}


def nested(depth: int) -> dict:
    return GOOD if depth == 1 else {**GOOD, "state": [["a", nested(depth - 1)]]}


@pytest.mark.parametrize(
    "changed",
    [
        {"class": ["m"]}, {"class": ["m", 1]}, {"class": None}, {"class": ["m", "C", "x"]},
        {"state": []}, {"state": None}, {"state": [["a"]]}, {"state": [[1, {"value": 1}]]},
        {"state": [["a", {"value": 1}], ["a", {"value": 2}]]},
        {"state": [["a", {"values": 7}]]}, {"state": [["a", {"values": -1}]]},
        {"state": [["a", {"values": True}]]}, {"state": [["a", {"value": []}]]},
        {"state": [["a", {"value": 1, "values": 1}]]}, {"state": [["a", {"other": 1}]]},
        {"state": [["a", {}]]}, {"state": [["a", 1]]}, {"state": [["a", {"runs": 0}]]},
        {"state": [["a", {"runs": [0, 7]}]]}, {"state": [["a", {"runs": [0]}]]},
        {"state": [["a", {"runs": [0, 1, 2]}]]}, {"state": [["a", {"runs": [0, True]}]]},
        {"state": [["a", {"values": [0, 1]}]]}, {"state": [["a", {"arrays": [0]}]]},
        {"state": [[f"a{i}", {"value": 1}] for i in range(257)]},
        {"arguments": []}, {"arguments": 1}, {"arguments": [GOOD]},
        {"arguments": [{"value": 1}] * 257}, {"more": 1}, {"state": [["a", nested(4)]]},
    ],
)  # fmt: skip
def test_other_forms_are_refused(changed):
    text = {"form": {**GOOD, **changed}, "inner": 0}
    raw = json.dumps(text, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(CorruptArtifactError):
        decode_form(raw, 7)


@pytest.mark.parametrize("inner", [-1, 1025, None, True, "1"])
def test_other_lengths_of_inner_lists_are_refused(inner):
    raw = json.dumps({"form": GOOD, "inner": inner}, sort_keys=True, separators=(",", ":"))
    with pytest.raises(CorruptArtifactError):
        decode_form(raw.encode(), 7)


def test_four_levels_are_the_most():
    whole = {"form": nested(4), "inner": 0}
    raw = json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()
    assert decode_form(raw, 7)[1] == 0


def test_a_long_text_is_not_even_parsed():
    with pytest.raises(LimitExceededError):
        decode_form(b" " * (MAX_FORM_BYTES + 1), 7)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_form_or_refused(raw):
    with pytest.raises(CorruptArtifactError):
        decode_form(raw, 7)
