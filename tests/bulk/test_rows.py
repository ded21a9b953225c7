# SPDX-License-Identifier: BSD-3-Clause
"""Rows on disk: whatever a writer was doing when it was killed, whole rows stay and no other."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from safeserial.bulk import Row, gather
from safeserial.bulk.items import placed
from safeserial.bulk.rows import RowsFile, line
from safeserial.errors import SafeSerialError

texts = st.text(max_size=20) | st.sampled_from(["\udcff", "a\nb", "\x1b[2J", "\0", "é"])
rows = st.builds(
    Row,
    path=texts,
    action=st.just("verify"),
    status=st.sampled_from(["ok", "refused", "unknown"]),
    job=texts,
    size=st.integers(0, 2**60),
    seconds=st.floats(0, 1e6),
    message=st.none() | texts,
    signers=st.none() | st.lists(texts, max_size=3),
)
quickly = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))


@quickly
@given(st.lists(rows, min_size=1, max_size=6), st.data())
def test_a_torn_journal_keeps_its_whole_rows(tmp_path_factory, written, data):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    lines = [line(one).encode() + b"\n" for one in written]
    cut = data.draw(st.integers(0, sum(map(len, lines))))
    path.write_bytes(b"".join(lines)[:cut])
    whole, end = 0, 0
    while whole < len(lines) and end + len(lines[whole]) <= cut:
        end += len(lines[whole])
        whole += 1
    with RowsFile(str(path), resume=True) as file:
        assert file.old == {one.path: one for one in written[:whole]}
        file.add(written[-1])
    with RowsFile(str(path), resume=True) as file:
        assert file.old == {one.path: one for one in [*written[:whole], written[-1]]}


@quickly
@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_an_error_of_ours(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_bytes(data + b"\n" + b"[" * 100_000 + b"\n")
    with pytest.raises(SafeSerialError), RowsFile(str(path), resume=True):
        pass
    assert path.read_bytes().startswith(data)  # what is not ours is left as it was


@quickly
@given(st.lists(rows, max_size=5, unique_by=lambda one: one.path))
def test_parquet_takes_any_row(tmp_path_factory, written):
    pytest.importorskip("pyarrow")
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    with RowsFile(str(path), resume=False) as file:
        for one in written:
            file.add(one)
    with RowsFile(str(path), resume=True) as file:
        assert len(file.old) == len(written)
        assert sorted(one.size for one in file.old.values()) == sorted(one.size for one in written)


def test_two_runs_do_not_write_the_same_rows(tmp_path):
    path = str(tmp_path / "rows.jsonl")
    with RowsFile(path, resume=False), pytest.raises(SafeSerialError) as caught:
        RowsFile(path, resume=True).__enter__()
    assert "another run" in str(caught.value)


names = st.sampled_from(
    ["a.pkl", "a.joblib", "a", "b.pkl", "sub/a.pkl", "sub/b.c.pkl", "a.pkl.joblib"]
)


@quickly
@given(st.sets(names, min_size=1), st.booleans())
def test_no_two_outputs_are_one(tmp_path_factory, chosen, into):
    top = tmp_path_factory.mktemp("items")
    for name in chosen:
        (top / name).parent.mkdir(exist_ok=True)
        (top / name).touch()
    made = placed(gather([top]), ".onnx", str(top / "out") if into else None)
    outputs = [one.output for one in made]
    assert len(set(outputs)) == len(chosen)
    assert all(one.endswith(".onnx") for one in outputs)


def test_files_of_two_folders_do_not_write_over_each_other(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.pkl").touch()
    items = gather([tmp_path / "one", tmp_path / "two"])
    assert len({one.output for one in placed(items, ".onnx", None)}) == 2
    with pytest.raises(SafeSerialError) as caught:
        placed(items, ".onnx", str(tmp_path / "out"))
    assert "m.onnx" in str(caught.value) or "m.pkl.onnx" in str(caught.value)
