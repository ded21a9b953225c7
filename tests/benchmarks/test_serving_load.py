# SPDX-License-Identifier: BSD-3-Clause
"""The load benchmark, for real and briefly: its servers answer, its rows say what was measured."""

from __future__ import annotations

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("onnxruntime")

import shutil

import click

from safeserial_benchmarks import serving_load, serving_servers


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_every_contender_is_measured(tmp_path):
    case = serving_load.Case("pipeline", 1, 1)
    (done,) = serving_load.run(tmp_path, seconds=1, rounds=1, cases=[case])
    found = {one.contender: one for one in done}
    expected = {serving_servers.OURS, serving_servers.OURS_PYTHON, serving_servers.BARE}
    assert expected <= set(found)
    assert serving_load.LOOP in found
    for one in found.values():
        assert one.rate > 0
        assert 0 < one.p50 <= one.p99
        assert one.errors == 0
    rows = serving_load.summarize([done])
    bare = next(one for one in rows if one["contender"] == serving_servers.BARE)
    assert bare["of_bare"] == 1
    page = serving_load.page(rows)
    assert page.startswith("**pipeline, 1 row, 1 connection**")
    assert all(name in page for name in found)


def test_what_wrk_is_asked_for_and_what_is_said_without_it(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(click.UsageError, match="apt-get install wrk"):
        serving_load.find_wrk()


def test_each_server_is_asked_in_its_own_form():
    import json

    import numpy as np

    rows = np.array([[1.5, -2.0]], np.float32)
    for title, raw in (
        (serving_servers.BARE, {"rows": [[0.25, 0.75]]}),
        (serving_servers.MLFLOW, {"predictions": [[0.25, 0.75]]}),
        (serving_servers.OURS, {"outputs": [{"shape": [1, 2], "data": [0.25, 0.75]}]}),
    ):
        target = serving_servers.Target(title, {}, None)
        assert b"1.5" in target.body(rows)
        assert target.answer(json.dumps(raw).encode()).tolist() == [[0.25, 0.75]]
