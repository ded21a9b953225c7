# SPDX-License-Identifier: BSD-3-Clause
"""Damaged files of every kind: whatever the bytes, a report comes out and nothing else."""

import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import safeserial as ss
from safeserial.inspection import arrays, onnx, safetensors, zips
from safeserial.inspection.content import Memory
from tests.inspection import samples

KINDS = samples.all_kinds()
VERDICTS = {"safe", "needs trust", "dangerous", "not a model", "cannot tell"}
POLICY = ss.Policy.default().with_limits(decompressed_size=2**24)
quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def check(data):
    report = ss.inspect(io.BytesIO(data), policy=POLICY)
    assert report.verdict in VERDICTS
    assert (report.verdict in ("safe", "needs trust")) == (report.problem is None) or (
        report.verdict == "dangerous"
    )
    for one in report.findings:
        assert one.message.isprintable(), one.message
    json.dumps(report.to_dict())
    return report


@pytest.mark.parametrize("kind", KINDS)
@quick
@given(edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes(kind, edits):
    data = bytearray(KINDS[kind])
    for place, value in edits:
        data[min(int(place * len(data)), len(data) - 1)] = value
    check(bytes(data))


@pytest.mark.parametrize("kind", KINDS)
@quick
@given(first=st.floats(0, 1), last=st.floats(0, 1))
def test_cut_files(kind, first, last):
    data = KINDS[kind]
    check(data[: int(last * len(data))])
    check(data[int(first * 40) :])


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_is_cut_short_is_safe(kind):
    data = KINDS[kind].rstrip(b"\0") if kind == "tar" else KINDS[kind]
    for part in (0.3, 0.6, 0.9):
        assert check(data[: int(part * len(data))]).verdict != "safe", part


@pytest.mark.parametrize("kind", ["npy", "onnx", "safetensors", "gguf", "zip", "tar"])
@quick
@given(tail=st.binary(max_size=300))
def test_headers_before_noise(kind, tail):
    check(KINDS[kind][:12] + tail)


@quick
@given(data=st.binary(max_size=400))
def test_noise(data):
    check(data)


@quick
@given(text=st.text(max_size=200))
def test_texts_in_a_npy_header(text):
    raw = text.encode()
    check(arrays.MAGIC + b"\x02\x00" + len(raw).to_bytes(4, "little") + raw)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["dtype", "shape", "data_offsets", "__loader__", "__class__", "__module__",
                         "content", "__id__", "file", "class_name", "module", "config"]),
        inner, max_size=4,
    ),
    max_leaves=20,
)  # fmt: skip


@quick
@given(tree=json_values)
def test_any_json_as_a_header(tree):
    text = json.dumps(tree).encode()
    check(len(text).to_bytes(8, "little") + text)
    check(samples.zipped([("schema.json", text)]))
    check(samples.zipped([("config.json", text), ("metadata.json", text)]))
    check(samples.zipped([("schema.json", json.dumps(samples.skops_tree(x=tree)))]))


@quick
@given(
    fields=st.lists(
        st.tuples(
            st.sampled_from([1, 2, 5, 6, 7, 8, 9, 13, 14]),
            st.integers(0, 2**64 - 1) | st.binary(max_size=20),
        ),
        max_size=12,
    )
)
def test_any_message_as_a_graph(fields):
    inner = b"".join(samples.field(number, value) for number, value in fields)
    for depth in (inner, samples.field(1, inner), samples.field(1, samples.field(5, inner))):
        check(samples.field(1, 8) + samples.field(7, depth) + samples.field(8, b""))


def test_the_readers_are_the_ones_that_were_meant():
    for kind, reader in (("onnx", onnx.looks_like_onnx), ("gguf", lambda one: one.read(0, 4))):
        assert reader(Memory(KINDS[kind])), kind
    assert safetensors.looks_like_safetensors(KINDS["safetensors"][:16], 200)
    assert zips.end_of_archive(Memory(KINDS["zip"])) > 0
