# SPDX-License-Identifier: BSD-3-Clause
"""Twenty versions under load: no request dropped, no answer of neither version, none tampered."""

from __future__ import annotations

import collections
import json
import threading
import time

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

import safeserial as ss
from tests.serving.conftest import RING, X, start, stop

VERSIONS = 20
CLIENTS = 3
TENSOR = {"name": "X", "shape": [4, 6], "datatype": "FP64", "data": X[:4].ravel().tolist()}


def model(number):
    """Return a model whose every answer is its number."""
    return DummyClassifier(strategy="constant", constant=number).fit(X, np.arange(len(X)) % 30)


class Load:
    """Clients that ask without a pause, and what they were told."""

    def __init__(self, server, name):
        self.seen = collections.Counter()
        self.wrong = []
        self._server, self._name, self._done = server, name, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    def _ask(self):
        while not self._done.is_set():
            try:
                status, answer = self._server.infer(self._name, {"inputs": [TENSOR]})
                found = {one["name"]: one["data"] for one in answer["outputs"]}["predict"]
                if status != 200 or found != [int(answer["model_version"])] * 4:
                    self.wrong.append((status, answer))
                self.seen[answer["model_version"]] += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a request that failed
                self.wrong.append(repr(error))
                return

    def __enter__(self):
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *exc_info):
        self._done.set()
        for one in self._threads:
            one.join()


def version(server, name):
    return json.loads(server.ask(f"/v2/models/{name}")[2])["versions"][0]


def until(condition, load, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert not load.wrong, load.wrong[:3]
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def asked_again(load, count=CLIENTS):
    """Wait until every client had an answer after now."""
    before = load.seen.total()
    until(lambda: load.seen.total() > before + count, load)


def changed(data):
    raw = bytearray(data)
    raw[len(raw) // 2] ^= 1
    return bytes(raw)


def hostile(data):
    """Return files that must never be served, each with a name."""
    stranger = ss.Keyring([ss.HmacKey.generate()])
    yield "changed", changed(data)
    yield "cut off", data[: len(data) // 2]
    yield "empty", b""
    yield "a stranger's", ss.dumps(model(29), keyring=stranger, version="29")
    yield "a plain pickle", b"cos\nsystem\n(S'true'\ntR."


def replace(path, data):
    path.with_suffix(".new").write_bytes(data)
    path.with_suffix(".new").rename(path)


@pytest.mark.parametrize("form", ["python", "onnx"])
def test_a_file_that_changes(tmp_path, form):
    def written(number):
        if form == "python":
            return ss.dumps(model(number), keyring=RING, version=str(number))
        made = tmp_path / "made.safeserial"
        ss.to_onnx(model(number), X, made, keyring=RING, version=str(number))
        return made.read_bytes()

    # Each conversion to ONNX is proved, which takes long; two versions take turns there.
    versions = [written(n) for n in range(1, VERSIONS + 2 if form == "python" else 3)]
    path = tmp_path / "model.safeserial"
    replace(path, versions[0])
    server = start(tmp_path, "model.safeserial", "--follow", "0.05")
    log = server.log
    try:
        with Load(server, "model") as load:
            asked_again(load)
            for turn in range(1, VERSIONS + 1):
                now = turn % len(versions) if form == "onnx" else turn
                replace(path, versions[now])
                until(lambda now=now: version(server, "model") == str(now + 1), load)
                if turn == VERSIONS // 2:
                    for count, (name, data) in enumerate(hostile(versions[0]), 1):
                        replace(path, data)
                        told = lambda n=count: log.read_text().count("model refused") >= n
                        until(told, load)
                        assert version(server, "model") == str(now + 1), name
                    path.unlink()
                    until(lambda n=count + 1: log.read_text().count("model refused") >= n, load)
                    replace(path, versions[now])
            asked_again(load)
    finally:
        stop(server)
    assert load.wrong == []
    assert "29" not in load.seen
    assert len(load.seen) >= (VERSIONS // 2 if form == "python" else 2), load.seen
    offered = [one for one in server.lines() if one["event"] == "model offered"]
    assert len(offered) >= VERSIONS + 1


def test_an_alias_that_moves(tmp_path):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    url, state = f"sqlite:///{tmp_path}/models.db", tmp_path / "state"
    with ss.Store(url, keyring=RING, state=state) as store:
        first = store.publish("churn", model(1))
        store.alias("churn", "production", first.version)
        server = start(tmp_path, "churn@production", "--store", url, "--follow", "0.05")
        try:
            with Load(server, "churn") as load:
                asked_again(load)
                for number in range(2, 5):
                    store.publish("churn", model(number))
                for turn in range(1, VERSIONS + 1):
                    last = str(turn % 4 + 1)
                    store.alias("churn", "production", int(last))
                    until(lambda last=last: version(server, "churn") == last, load)
                # One more, spoilt in the database before the alias moves to it.
                bad = store.publish("churn", model(5))
                engine = sqlalchemy.create_engine(url)
                spoil(engine, sqlalchemy)
                store.alias("churn", "production", bad.version)
                until(lambda: "model refused" in server.log.read_text(), load)
                asked_again(load)
                assert version(server, "churn") == last
                store.alias("churn", "production", 1)
                until(lambda: version(server, "churn") == "1", load)
                asked_again(load)
        finally:
            stop(server)
    assert load.wrong == []
    assert str(bad.version) not in load.seen
    assert set(load.seen) == {"1", "2", "3", "4"}


def spoil(engine, sqlalchemy):
    """Change a byte of the chunk that was written last."""
    with engine.begin() as connection:
        row = connection.execute(
            sqlalchemy.text("SELECT rowid, data FROM ss_chunk_data ORDER BY rowid DESC LIMIT 1")
        ).one()
        connection.execute(
            sqlalchemy.text("UPDATE ss_chunk_data SET data = :data WHERE rowid = :row"),
            {"data": changed(row.data), "row": row.rowid},
        )
    engine.dispose()
