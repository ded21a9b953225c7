# SPDX-License-Identifier: BSD-3-Clause
"""Whatever plain data goes in comes out equal, bit for bit, in every format and compression."""

from __future__ import annotations

import datetime
import importlib.util
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import safeserial as ss
from safeserial import errors, strictjson
from safeserial.keyring import KeyEntry
from tests import world
from tests.world import DAY, KEY, NOW, OTHER, THIRD

relaxed = settings(
    max_examples=60 * world.EFFORT,
    deadline=None,
    derandomize=world.EFFORT == 1,
    suppress_health_check=list(HealthCheck),
)

text = st.text(max_size=20)
plain = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | text
    | st.binary(max_size=50) | st.complex_numbers()
)  # fmt: skip
keys = text | st.integers() | st.tuples(text, st.integers(0, 9))
dtypes = (
    hnp.integer_dtypes(endianness="<") | hnp.floating_dtypes(sizes=(16, 32, 64), endianness="<")
    | hnp.boolean_dtypes() | hnp.complex_number_dtypes(sizes=(64, 128), endianness="<")
    | hnp.unicode_string_dtypes(endianness="<", max_len=8) | hnp.byte_string_dtypes(max_len=8)
    | hnp.datetime64_dtypes(endianness="<") | hnp.timedelta64_dtypes(endianness="<")
)  # fmt: skip


@st.composite
def arrays(draw: Any) -> Any:
    array = draw(
        hnp.arrays(draw(dtypes), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    )
    how = draw(st.sampled_from(["as it is", "fortran", "strided", "transposed", "read only"]))
    if how == "fortran":
        return np.asfortranarray(array)
    if how == "strided" and array.ndim:
        return array[::2]
    if how == "read only":
        array.flags.writeable = False
    return array.T if how == "transposed" else array


long = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(
        lambda start: [max(start - i, -(2**63)) for i in range(1000)]
    ),
    st.floats(allow_nan=False).map(lambda one: [one] * 1001),
    text.map(lambda one: {f"{one}{i}": i for i in range(1000)}),
    text.map(lambda one: {i: f"{one}{i}" for i in range(1000)}),
    text.map(lambda one: [one] * 1000),
    st.integers().map(lambda one: [one, *range(1000)]),
)


def same_as_itself(value: Any) -> bool:
    return world.same(value, value)


objects = st.lists(plain.filter(same_as_itself), max_size=6).map(
    lambda listed: np.array([*listed, None], dtype=object)[:-1]
)
models = st.recursive(
    plain | arrays() | objects | long,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5)
    | st.tuples(inner, inner),
    max_leaves=12,
)  # fmt: skip
orders = st.sampled_from(
    [("pickle", None), ("joblib", None)]
    + [(codec, method) for codec in ("pickle", "joblib")
       for method in ("zlib", "gzip", "bz2", "lzma", "xz", "lz4", "zstd")]
)  # fmt: skip


@relaxed
@given(models)
@pytest.mark.parametrize("codec", ["pickle", "joblib"])
def test_plain_data_round_trips(codec, model):
    data = world.artifact([model], format=codec)
    assert world.same(world.loads(data), [model])


@relaxed
@given(models, orders, st.sampled_from(["blake3", "sha256"]), st.integers(1, 9))
def test_every_compressor_round_trips(model, order, digest, level):
    codec, method = order
    needed = {"lz4": "lz4", "zstd": "zstandard"}.get(method)
    if needed is not None and importlib.util.find_spec(needed) is None:
        return
    compression = None if method is None else (method, level)
    data = world.artifact([model], format=codec, compression=compression, digest=digest)
    assert world.same(world.loads(data), [model])


@relaxed
@given(models)
def test_what_was_loaded_is_saved_as_the_same_payload(model):
    once = world.loads(world.artifact([model]))
    first = world.Parts.of(world.artifact(once))
    again = world.Parts.of(world.artifact(world.loads(first.signed())))
    assert first.members == again.members


def test_what_is_shared_stays_shared():
    words, floats = {f"w{i}": i for i in range(1000)}, np.arange(5.0)
    found = world.loads(world.artifact([words, words, floats, floats]))
    assert found[0] is found[1]
    assert found[2] is found[3]
    found[2][0] = 7  # writable, and its own
    assert floats[0] == 0
    found = world.loads(world.artifact([words, words], format="joblib"))
    assert found[0] is found[1]  # joblib itself writes an array as often as it is met


# JSON --------------------------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=8), inner, max_size=5)
    ),
    max_leaves=30,
)


@relaxed
@given(values)
def test_canonical_json_round_trips(value):
    data = strictjson.encode(value)
    assert data.isascii()
    assert strictjson.decode(data, what="it", limit=2**20) == value


@relaxed
@given(values, st.data())
def test_an_edited_text_is_another_value_or_refused(value, data):
    written = strictjson.encode(value)
    at = data.draw(st.integers(0, len(written)))
    edited = (
        written[:at]
        + data.draw(st.binary(max_size=3))
        + written[at + data.draw(st.integers(0, 3)) :]
    )
    try:
        found = strictjson.decode(edited, what="it", limit=2**20)
    except errors.CorruptArtifactError:
        return
    assert strictjson.encode(found) == edited
    assert (edited == written) == (strictjson.encode(found) == strictjson.encode(value))


@relaxed
@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_refused(data):
    try:
        found = strictjson.decode(data, what="it", limit=2**20)
    except errors.CorruptArtifactError:
        return
    assert strictjson.encode(found) == data


# Keyrings ---------------------------------------------------------------------------------------

entries = st.lists(
    st.tuples(
        st.sampled_from([KEY, OTHER, THIRD]),
        st.sampled_from(["accepted", "retired", "revoked"]),
        st.sampled_from([None, NOW - DAY, NOW + DAY]),
        st.sampled_from([None, NOW - DAY, NOW + DAY]),
        st.text(max_size=20),
    ),
    unique_by=lambda one: one[0].key_id,
    max_size=3,
)


def ring_of(listed: list[Any]) -> ss.Keyring:
    return ss.Keyring(
        KeyEntry(key=key, state=state, not_before=start, not_after=end, reason=reason)
        for key, state, start, end, reason in listed
    )


@relaxed
@given(entries, st.integers(0, 2**40))
def test_a_ring_round_trips_through_its_text(listed, serial):
    ring = ss.Keyring(ring_of(listed).entries, serial=serial)
    again = ss.Keyring._from_text(ring._to_text(), where="here")
    assert again.entries == ring.entries
    assert again.serial == serial


SIGNED = world.artifact()
OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["add", "rotate", "promote", "retire", "revoke"]),
              st.sampled_from([KEY, OTHER, THIRD])), max_size=12,
)  # fmt: skip


@relaxed
@given(OPERATIONS)
def test_changes_of_a_ring_keep_its_promises(operations):
    ring, revoked = ss.Keyring(), set()
    for verb, key in operations:
        before, told = ring.entries, ring.serial
        try:
            argument = key if verb in ("add", "rotate") else key.key_id
            changed = getattr(ring, verb)(argument)
        except errors.KeyringError:
            continue
        assert ring.entries == before, "a ring never changes"
        assert changed.serial == told + 1
        ring = changed
        revoked |= {one.key_id for one in ring.entries if one.state == "revoked"}
        assert sum(one.state == "active" for one in ring.entries) <= 1
        assert {one.key_id for one in ring.entries if one.state == "revoked"} == revoked
    entry = ring.find(KEY.key_id)
    counts = entry is not None and entry.state in ("active", "accepted")
    try:
        world.loads(SIGNED, ring)
    except errors.VerificationError:
        assert not counts
    else:
        assert counts


@relaxed
@given(st.datetimes(timezones=st.timezones()), st.datetimes(timezones=st.timezones()))
def test_any_date_is_a_bound_or_refused(start, end):
    try:
        entry = KeyEntry(key=KEY, state="active", not_before=start, not_after=end)
    except errors.KeyringError:
        return
    now = datetime.datetime.now(datetime.UTC)
    try:
        entry.require_valid(now)
    except errors.VerificationError:
        assert now < start or now > end
    else:
        assert start <= now <= end
