# SPDX-License-Identifier: BSD-3-Clause
"""One text for one value, and nothing else is read."""

from __future__ import annotations

import pytest

from safeserial.errors import CorruptArtifactError, LimitExceededError
from safeserial.strictjson import MAX_DEPTH, MAX_INTEGER, decode, encode


def read(text: bytes):
    return decode(text, what="the text", limit=2**20)


def nested(levels: int):
    value: object = 0
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, b"null"),
        ({"b": 1, "a": [True, False]}, b'{"a":[true,false],"b":1}'),
        ({"B": 1, "a": 2, "": 3}, b'{"":3,"B":1,"a":2}'),
        ('é😀/\x7f\x00\n"\\', rb'"\u00e9\ud83d\ude00/\u007f\u0000\n\"\\"'),
        (MAX_INTEGER, b"9007199254740991"),
        (-MAX_INTEGER, b"-9007199254740991"),
        ((1, 2), b"[1,2]"),
        ([], b"[]"),
    ],
)
def test_written_form(value, text):
    assert encode(value) == text
    assert read(text) == (list(value) if isinstance(value, tuple) else value)


@pytest.mark.parametrize(
    "text",
    [
        b"", b" ", b"{", b"[1 ]", b" 1", b"1 ", b"1\n", b"01", b"-0", b"+1", b"1.0", b"1e2", b"1E2",
        b"NaN", b"Infinity", b"-Infinity", b"0x1", b"9007199254740992", b"-9007199254740992",
        b"1" * 5000, b"'a'", b'"\xc3\xa9"', b'"\xff"', b"\xef\xbb\xbf1", b'"\\u00E9"', b'"\\u0041"',
        b'"\\/"', b'"\\ud800"', b'"\t"', b'"\\u000a"', b'{"a":1,"a":1}', b'{"b":1,"a":2}',
        b'{"\\u00e9":1}', b"{a:1}", b"[1,]", b"[1]//", b"[1][2]", b"nul", b"True", b"\x00",
        b'{"a": 1}', b'"a', b'"\x00"', "[1]".encode("utf-16"),
    ],
)  # fmt: skip
def test_every_other_spelling_is_refused(text):
    with pytest.raises(CorruptArtifactError):
        read(text)


@pytest.mark.parametrize("start", [b"[", b'{"a":', b'[{"a":'])
def test_depth_is_refused_before_the_stack_ends(start):
    for text in (start * 100_000, start * 100_000 + b"0" + b"]" * 100_000):
        with pytest.raises(CorruptArtifactError):
            read(text)


def test_nesting_has_a_limit():
    assert read(encode(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    with pytest.raises(ValueError):
        encode(nested(MAX_DEPTH + 1))
    with pytest.raises(CorruptArtifactError):
        read(b"[" * (MAX_DEPTH + 1) + b"0" + b"]" * (MAX_DEPTH + 1))


@pytest.mark.parametrize(
    "value", [1.5, float("nan"), b"x", {1: 2}, {"é": 1}, object(), {1, 2}, 1j, [0.0]]
)
def test_what_json_cannot_hold_exactly_is_a_type_error(value):
    with pytest.raises(TypeError):
        encode(value)


@pytest.mark.parametrize("value", [2**53, -(2**53), "\ud800", ["\udfff"]])
def test_what_other_languages_cannot_hold_is_a_value_error(value):
    with pytest.raises(ValueError):
        encode(value)


def test_length_has_a_limit():
    assert decode(b'"abc"', what="x", limit=5) == "abc"
    with pytest.raises(LimitExceededError):
        decode(b'"abc"', what="x", limit=4)


def test_the_number_of_values_has_a_limit():
    most = b"[" + b"0," * (2**19 - 1) + b"0]"
    assert len(decode(most, what="x", limit=2**24)) == 2**19
    for text in (b"[0," + most[1:], b"[" * (2**19 + 1), b'["' + b"{" * 2**19 + b'"]'):
        with pytest.raises(LimitExceededError):
            decode(text, what="x", limit=2**24)


def test_cycles_end():
    cycle: list[object] = []
    cycle.append(cycle)
    with pytest.raises(ValueError):
        encode(cycle)
