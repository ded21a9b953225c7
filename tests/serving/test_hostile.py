# SPDX-License-Identifier: BSD-3-Clause
"""Ten thousand broken requests: no crash, no answer of 5xx, no growth, nothing logged."""

from __future__ import annotations

import collections
import concurrent.futures
import json

import psutil
import pytest

from tests.serving.conftest import FOREST, X, start, stop
from tests.serving.hostile import CANARY, MODELS, attack
from tests.serving.sockets import perform

ROW = {"name": "X", "shape": [1, 6], "datatype": "FP64", "data": X[0].tolist()}
GROWTH = 64 * 2**20
WARM = range(-200, 0)


@pytest.fixture
def hostile_server(folder, tmp_path):
    running = start(
        folder, "forest.safeserial", "mixed.safeserial", "python.safeserial", "frame.safeserial",
        "--max-body", "1", "--follow", "0", "--timeout", "60", log=tmp_path / "log",
    )  # fmt: skip
    yield running
    stop(running)


def assert_well(server):
    assert server.process.poll() is None, server.log.read_text("utf-8", "replace")[-2000:]
    status, answer = server.infer("forest", {"inputs": [ROW]})
    assert status == 200, answer
    assert answer["outputs"][0]["data"] == FOREST.predict(X[:1]).tolist()
    for model in MODELS:
        assert server.ask(f"/v2/models/{model}/ready")[0] == 200


def storm(server, seeds):
    """Carry attacks out, a few at a time; return how often each status came."""
    statuses = collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for seed, found in zip(seeds, pool.map(lambda one: perform(server, attack(one)), seeds)):  # noqa: B905 - pool.map stops with the seeds
            assert all(status < 500 for status in found), (seed, found, attack(seed).kind)
            statuses.update(found)
    return statuses


def assert_withstood(server, count, first=0):
    assert_well(server)
    process = psutil.Process(server.process.pid)
    storm(server, WARM)  # what is imported and grows once
    before = process.memory_info().rss
    statuses = storm(server, range(first, first + count))
    grown = process.memory_info().rss - before
    assert_well(server)
    assert grown <= GROWTH, f"{grown / 2**20:.0f} MiB"
    assert statuses[400] > count / 4  # they did arrive
    assert statuses[200] > 0
    assert {404, 405, 413, 431} <= set(statuses)
    log = server.log.read_text("utf-8")
    assert CANARY not in log
    events = collections.Counter(json.loads(line)["event"] for line in log.splitlines())
    assert set(events) <= {"model offered", "request", "server", "warning"}, events


def test_broken_requests(hostile_server):
    assert_withstood(hostile_server, 2000)


@pytest.mark.slow
def test_ten_thousand_broken_requests(hostile_server):
    assert_withstood(hostile_server, 10_000, first=10_000)
    assert ask_by_the_document(hostile_server, 100) >= 1000


def test_requests_made_from_the_servers_own_document(hostile_server):
    assert_well(hostile_server)
    assert ask_by_the_document(hostile_server, 12) >= 100
    assert_well(hostile_server)


def ask_by_the_document(server, examples):
    """Ask every operation with what its schema admits and what not; return how often."""
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis import checks

    document = json.loads(server.ask("/openapi.json")[2])
    schema = schemathesis.openapi.from_dict(document)
    asked = collections.Counter()
    held_to = [
        checks.not_a_server_error,
        *checks.CHECKS.get_by_names(
            ["status_code_conformance", "content_type_conformance", "response_schema_conformance"]
        ),
    ]

    def ask(operation, mode, parameters):
        @given(case=operation.as_strategy(mode, path_parameters=parameters))
        @settings(
            max_examples=examples if "{" in operation.path else 2, deadline=None, database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def run(case):
            response = case.call(base_url=server.url)
            case.validate_response(response, checks=held_to)
            asked[response.status_code] += 1

        run()

    wrong, right = schemathesis.GenerationMode.NEGATIVE, schemathesis.GenerationMode.POSITIVE
    for result in schema.get_all_operations():
        operation = result.ok()
        ask(operation, right, None)
        if operation.method == "post":
            ask(operation, wrong, None)
            for model in MODELS[:2]:
                for mode in (right, wrong):
                    ask(operation, mode, {"model": model, "version": "7"})
    assert asked[400] > examples
    assert asked[404] > examples
    return asked.total()
