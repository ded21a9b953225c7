# SPDX-License-Identifier: BSD-3-Clause
"""Tokens that nearly match, connections that never end, a full queue, an end under load."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
import time

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

import safeserial as ss
from tests.serving.conftest import RING, TOKEN, X, start, stop
from tests.serving.hostile import good, post
from tests.serving.sockets import answers, connect, received

ROW = {"name": "X", "shape": [1, 6], "datatype": "FP64", "data": X[0].tolist()}
PATHS = ("/v2", "/v2/models/forest", "/metrics", "/", "/openapi.json", "/v2/models/forest/infer")


@pytest.fixture(scope="module")
def locked(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("locked")
    (place / "tokens").write_text(f"{TOKEN}\n{TOKEN[::-1]}\n")
    (place / "tokens").chmod(0o600)
    running = start(
        folder, "forest.safeserial", "--tokens", str(place / "tokens"), "--follow", "0",
        log=place / "log",
    )  # fmt: skip
    yield running
    stop(running)


def near_tokens(rng):
    for at in range(len(TOKEN)):
        yield TOKEN[:at] + TOKEN[at + 1 :]
        yield TOKEN[:at] + rng.choice("xY_7") + TOKEN[at:]
        changed = chr(ord(TOKEN[at]) ^ 1)
        yield TOKEN[:at] + changed + TOKEN[at + 1 :]
        yield TOKEN[: at + 1]
    yield from (TOKEN.upper(), TOKEN * 2, f"{TOKEN},{TOKEN}", f'"{TOKEN}"', "*", "", "null")
    yield from (f"{TOKEN} x", f"{TOKEN}\xa0", f"\xff{TOKEN}", TOKEN.encode().hex())


def ask_raw(server, head: bytes):
    with connect(server) as connection:
        connection.sendall(head + b"Connection: close\r\n\r\n")
        return [status for status, _ in answers(received(connection))]


def test_tokens_that_nearly_match(locked):
    rng = random.Random(0)
    tried = 0
    for number, token in enumerate(near_tokens(rng)):
        if token in (TOKEN, TOKEN[::-1]):
            continue
        path = PATHS[number % 5]
        line = f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n"
        assert ask_raw(locked, line.encode("latin-1")) == [401], (path, token)
        tried += 1
    assert tried > 100
    for token in (TOKEN, TOKEN[::-1]):
        line = f"GET /v2 HTTP/1.1\r\nHost: a\r\nAuthorization: bEARER  {token} \r\n"
        assert ask_raw(locked, line.encode()) == [200]
    assert TOKEN not in locked.log.read_text("utf-8")


@pytest.mark.parametrize(
    "head",
    [
        "GET {} HTTP/1.1\r\nHost: a/v2/health/live?\r\n",
        "GET {} HTTP/1.1\r\nHost: a/v2/health/live#\r\n",
        "GET http://a/v2/health/live?{} HTTP/1.1\r\nHost: a\r\n",
        "GET {}?/v2/health/live HTTP/1.1\r\nHost: a\r\n",
        "GET {}/../health/live HTTP/1.1\r\nHost: a\r\n",
        "GET /v2/health/live/..{} HTTP/1.1\r\nHost: a\r\n",
        "GET {} HTTP/1.1\r\nHost: a\r\nX-Original-URL: /v2/health/live\r\n",
        "HEAD {} HTTP/1.1\r\nHost: a\r\n",
        "GET {} HTTP/1.1\r\nHost: [\r\n", "GET {} HTTP/1.0\r\n",
        "GET {} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic T\r\nAuthorization: Bearer T\r\n",
    ],
)  # fmt: skip
def test_no_way_round_a_token(locked, head):
    for path in PATHS[:5]:
        with connect(locked) as connection:
            connection.sendall(head.format(path).encode() + b"Connection: close\r\n\r\n")
            raw = received(connection)
        assert b"forest" not in raw
        assert b"safeserial_requests" not in raw
        (found,) = answers(raw, head_only=head.startswith("HEAD"))
        if head.startswith("GET http:"):  # the path that was asked for is an open one
            assert found[0] == 200
            assert found[1] == b'{"live":true}'
        else:
            assert found[0] in (401, 404), path
    assert ask_raw(locked, post(good()).partition(b"\r\n\r\n")[0] + b"\r\n") == [401]


def ended(connection, seconds=30):
    """Whether the server ends a connection within a time."""
    connection.settimeout(seconds)
    try:
        received(connection)
    except TimeoutError:
        return False
    return True


def test_connections_that_never_end_are_ended(folder, tmp_path):
    server = start(
        folder, "forest.safeserial", "--follow", "0", "--timeout", "3", log=tmp_path / "log"
    )
    starts = (
        b"", b"GET /v2", b"GET /v2 HTTP/1.1\r\nA: ", b"\r\n", post(good())[:-5],
        b"POST /v2/models/forest/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab",
        b"POST /v2/models/forest/infer HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n",
        b"POST /v2/none HTTP/1.1\r\nContent-Length: 999999\r\n\r\n",
        b"GET /v2 HTTP/1.1\r\n\r\n\r\n", b"GET /v2 HTTP/1.1\r\n\r\nGET /v2",
    )  # fmt: skip
    drips = [connect(server) for _ in range(3)]
    slow = [connect(server) for _ in starts]
    stopped = threading.Event()

    def drip():
        for connection in drips:
            connection.sendall(b"GET /v2 HTTP/1.1\r\nA: ")
        while not stopped.wait(0.2):
            for connection in drips:
                with contextlib.suppress(OSError):
                    connection.sendall(b"b")

    dripping = threading.Thread(target=drip)
    try:
        for connection, raw in zip(slow, starts, strict=True):
            connection.sendall(raw)
        dripping.start()
        # Who does not take his answers: the socket's buffers are full soon, then the server's.
        greedy = connect(server)
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.settimeout(0.5)
        page = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"
        with contextlib.suppress(TimeoutError, ConnectionError):
            for _ in range(3000):
                greedy.sendall(page)
        assert server.infer("forest", {"inputs": [ROW]})[0] == 200
        assert all(map(ended, [*slow, *drips]))
        assert server.infer("forest", {"inputs": [ROW]})[0] == 200
    finally:
        stopped.set()
        dripping.join()
        began = time.monotonic()
        stop(server)  # and none of them delays the end
        assert time.monotonic() - began < 30
        for connection in (*slow, *drips, greedy):
            connection.close()


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory):
    """A model of Python whose runs take a while: many neighbours of many points."""
    place = tmp_path_factory.mktemp("slow")
    rng = np.random.default_rng(0)
    points = rng.normal(size=(8_000, 6))
    model = KNeighborsClassifier(500, algorithm="brute").fit(points, rng.integers(3, size=8_000))
    ss.dump(model, place / "slow.safeserial", keyring=RING)
    return place


def rows(count):
    data = np.resize(X, (count, 6)).round(3)
    return {"inputs": [{**ROW, "shape": [count, 6], "data": data.ravel().tolist()}]}


def test_a_full_queue_and_time_that_is_out(slow_model):
    server = start(
        slow_model, "slow.safeserial", "--queue", "2", "--threads", "1", "--batch-rows", "1",
        "--timeout", "0.5", "--follow", "0",
    )  # fmt: skip
    body, found, enough = rows(2_000), [], threading.Event()

    def ask():
        while not enough.is_set():
            found.append(server.infer("slow", body))
            if {503, 504} <= {status for status, _ in found}:
                enough.set()

    asking = [threading.Thread(target=ask) for _ in range(8)]
    try:
        for one in asking:
            one.start()
        assert enough.wait(120), {status for status, _ in found}
        for one in asking:
            one.join()
        assert {status for status, _ in found} <= {200, 503, 504}
        assert {answer["error"] for status, answer in found if status == 503} == {
            "too many requests wait for this model"
        }
        assert server.ask("/v2/health/ready")[0] == 200
    finally:
        enough.set()
        stop(server)


def test_requests_under_way_are_answered_before_the_end(slow_model):
    server = start(
        slow_model, "slow.safeserial", "--follow", "0", "--threads", "1", "--batch-rows", "1"
    )
    found = []

    def ask(count):
        with connect(server) as connection:
            body = json.dumps(rows(count)).encode()
            connection.sendall(post(body, "slow").replace(b"Connection: close\r\n", b""))
            found.append(answers(received(connection)))

    asking = [threading.Thread(target=ask, args=(100 + n,)) for n in range(6)]
    for one in asking:
        one.start()
    until_read(server, 6)
    stop(server)
    for one in asking:
        one.join()
    with pytest.raises(ConnectionError):
        connect(server)
    assert [[status for status, _ in one] for one in found] == [[200]] * 6
    sizes = sorted(json.loads(one[0][1])["outputs"][0]["shape"][0] for one in found)
    assert sizes == list(range(100, 106))


def until_read(server, count):
    """Wait until so many requests wait or run, or have done so."""
    wanted = ("safeserial_waiting_requests{", "safeserial_run_rows_count{")
    end = time.monotonic() + 60
    while time.monotonic() < end:
        lines = server.ask("/metrics")[2].decode().splitlines()
        if sum(float(one.rpartition(" ")[2]) for one in lines if one.startswith(wanted)) >= count:
            return
        time.sleep(0.01)
    raise AssertionError("they were not read")


def test_an_end_by_the_keyboard_is_quiet(folder, tmp_path):
    server = start(folder, "forest.safeserial", "--follow", "0", log=tmp_path / "log")
    assert server.infer("forest", {"inputs": [ROW]})[0] == 200
    server.process.send_signal(2)
    server.process.communicate(timeout=60)
    assert "Traceback" not in server.log.read_text("utf-8")
