# SPDX-License-Identifier: BSD-3-Clause
"""Frames that end inside an opcode, where the C unpickler loses bytes and reads another stream."""

from __future__ import annotations

import io
import pickle
import struct

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier

import safeserial as ss
from safeserial.errors import SafeSerialError
from tests.verifier.streams import round_trip

VALUE = {"weights": [1, 2, 3, "x" * 30], "bias": -0.5, "labels": ("no", "yes"), "big": b"b" * 300}


def unframed(value: object) -> bytes:
    """Return a pickle of protocol 4 without its frame."""
    data = pickle.dumps(value, 4)
    assert data[2] == 0x95
    return data[:2] + data[11:]


def framed(data: bytes, length: int) -> bytes:
    return data[:2] + b"\x95" + struct.pack("<Q", length) + data[2:]


def test_the_unpickler_does_lose_bytes():
    """Were it otherwise, none of this would be needed."""
    plain = unframed(VALUE)
    wrong = 0
    for length in range(1, len(plain) - 2):
        try:
            wrong += pickle.Unpickler(io.BytesIO(framed(plain, length))).load() != VALUE
        except Exception:  # noqa: BLE001 - anything may come of it
            wrong += 1
    assert wrong > 50


@pytest.mark.parametrize("length", range(1, 420, 3))
def test_what_is_verified_is_what_is_loaded(length):
    plain = unframed(VALUE)
    length = min(length, len(plain) - 2)
    assert round_trip(framed(plain, length)) == VALUE


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=6), st.data())
def test_many_frames(lengths, data):
    parts, plain = [], unframed([f"text {i}" for i in range(40)])
    body = plain[2:]
    edges = [0]
    import pickletools

    edges = [position - 2 for _, _, position in pickletools.genops(plain)][1:]
    at = 0
    for length in lengths:
        begin = data.draw(st.sampled_from([e for e in edges if e >= at] or [edges[-1]]))
        parts.append(body[at:begin] + b"\x95" + struct.pack("<Q", length))
        at = begin
    stream = plain[:2] + b"".join(parts) + body[at:]
    try:
        found = round_trip(stream)
    except SafeSerialError:
        return  # frames in each other, or past the end
    assert found == [f"text {i}" for i in range(40)]


def test_hidden_opcodes_are_not_reached(tmp_path, monkeypatch):
    """Behind the end of a frame the unpickler would find a REDUCE inside a string."""
    monkeypatch.chdir(tmp_path)
    hidden = b"cnumpy\nsave\n\x8c\x05pwned\x85R."
    text = b"A" * 40 + hidden + b"B" * 20
    body = b"C" + bytes([len(text)]) + text + b"."
    path = tmp_path / "model.pkl"
    for length in range(1, len(body)):
        path.write_bytes(framed(b"\x80\x04" + body, length))
        assert ss.load_unsigned(path) == text
    assert [one.name for one in tmp_path.iterdir()] == ["model.pkl"]


def test_a_forest_whose_frames_are_cut_short(tmp_path):
    """Frames inside objects that traces verify."""
    x = np.arange(80.0).reshape(40, 2)
    forest = RandomForestClassifier(12, max_depth=2, random_state=0).fit(x, np.arange(40) % 3)
    for protocol in (4, 5):
        plain = unframed(forest) if protocol == 4 else pickle.dumps(forest, 5)
        if protocol == 5:
            plain = plain[:2] + plain[11:]
        for length in range(40, len(plain) - 2, 977):
            path = tmp_path / "model.pkl"
            path.write_bytes(framed(plain, length))
            assert (ss.load_unsigned(path).predict(x) == forest.predict(x)).all()


def test_frames_of_a_stream_inside_another(tmp_path):
    value = np.array(["a", None, "c" * 20], dtype=object)
    path = tmp_path / "model.joblib"
    joblib.dump({"x": value}, path)
    data = path.read_bytes()
    inner = data.rindex(b"\x80\x05\x95") + 3
    for length in range(1, 100, 7):
        path.write_bytes(data[:inner] + struct.pack("<Q", length) + data[inner + 8 :])
        assert (ss.load_unsigned(path)["x"] == value).all()
