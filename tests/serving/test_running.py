# SPDX-License-Identifier: BSD-3-Clause
"""A server over time: who may ask, what is refused at the start, new versions, a tidy end."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

import pytest
from sklearn.ensemble import RandomForestClassifier

import safeserial as ss
from tests.serving.conftest import FOREST, KEY, RING, TOKEN, X, start, stop

ROW = {"name": "X", "shape": [1, 6], "datatype": "FP64", "data": X[0].tolist()}


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def test_tokens(folder, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text(f"# one a line\n{TOKEN}\n")
    tokens.chmod(0o600)
    server = start(folder, "forest.safeserial", "--tokens", str(tokens))
    try:
        assert server.ask("/v2/health/live")[0] == 200
        for path in ("/v2/models/forest", "/metrics", "/", "/openapi.json"):
            assert server.ask(path)[0] == 401
            assert server.ask(path, Authorization=f"Bearer {TOKEN}x")[0] == 401
            assert server.ask(path, Authorization=f"Basic {TOKEN}")[0] == 401
            assert server.ask(path, Authorization=f"Bearer {TOKEN}")[0] == 200
        assert TOKEN not in server.log.read_text()
    finally:
        assert stop(server) in (0, -15)


def refused(*arguments, cwd):
    ran = subprocess.run(
        [sys.executable, "-m", "safeserial", "serve", *arguments, "--port", "0"],
        cwd=cwd, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "Traceback" not in ran.stderr
    assert "hint:" in ran.stderr
    return ran.returncode


def test_what_is_not_offered(folder, tmp_path):
    RING.save(tmp_path / "team.keys")
    ring = ["--keyring", "team.keys"]
    data = bytearray((folder / "forest.safeserial").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "changed.safeserial").write_bytes(data)
    stranger = ss.Keyring([ss.HmacKey.generate()])
    ss.dump(FOREST, tmp_path / "stranger.safeserial", keyring=stranger)
    ss.dump({"a": 1}, tmp_path / "dict.safeserial", keyring=RING)
    (tmp_path / "plain.onnx").write_bytes(ss.to_onnx(FOREST, X).data)
    for name in ("changed.safeserial", "stranger.safeserial"):
        assert refused(name, *ring, cwd=tmp_path) == 1, name
    assert refused("plain.onnx", *ring, cwd=tmp_path) == 2
    assert refused("dict.safeserial", *ring, cwd=tmp_path) == 2
    assert refused("missing.safeserial", *ring, cwd=tmp_path) == 2
    assert refused("a b.safeserial", *ring, cwd=tmp_path) == 2


def test_an_onnx_file_with_its_signature_beside_it(folder, tmp_path):
    path = tmp_path / "beside.onnx"
    path.write_bytes(ss.to_onnx(FOREST, X).data)
    ss.sign(path, keyring=RING)
    server = start(folder, str(path))
    try:
        status, answer = server.infer("beside", {"inputs": [ROW]})
        assert status == 200, answer
    finally:
        stop(server)


def test_a_new_file_takes_over_and_a_bad_one_does_not(tmp_path):
    path = tmp_path / "model.safeserial"
    ss.to_onnx(FOREST, X, path, keyring=RING, name="m", version="1")
    server = start(tmp_path, "model.safeserial", "--follow", "0.2")
    answers, done = [], threading.Event()

    def keep_asking():
        while not done.is_set():
            answers.append(server.infer("model", {"inputs": [ROW]})[0])

    def version():
        return json.loads(server.ask("/v2/models/model")[2])["versions"]

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        other = RandomForestClassifier(5, random_state=1).fit(X, FOREST.predict(X))
        ss.to_onnx(other, X, path, keyring=RING, name="m", version="2")
        until(lambda: version() == ["2"])
        stranger = ss.Keyring([ss.HmacKey.generate()])
        ss.to_onnx(FOREST, X, path, keyring=stranger, name="m", version="3")
        until(lambda: "model refused" in server.log.read_text())
        assert version() == ["2"]
    finally:
        done.set()
        asking.join()
        stop(server)
    assert set(answers) == {200}, "a request was dropped"


def test_an_alias_of_a_store_is_followed(tmp_path):
    pytest.importorskip("sqlalchemy")
    state = tmp_path / "state"
    with ss.Store(f"sqlite:///{tmp_path}/models.db", keyring=RING, state=state) as store:
        first = store.publish("churn", FOREST)
        store.alias("churn", "production", first.version)
    server = start(
        tmp_path,
        "churn@production",
        "--store",
        f"sqlite:///{tmp_path}/models.db",
        "--follow",
        "0.2",
    )
    try:
        assert server.infer("churn", {"inputs": [ROW]})[0] == 200
        with ss.Store(f"sqlite:///{tmp_path}/models.db", keyring=RING, state=state) as store:
            second = store.publish("churn", FOREST)
            store.alias("churn", "production", second.version)
        until(lambda: json.loads(server.ask("/v2/models/churn")[2])["versions"] == ["2"])
    finally:
        stop(server)


def test_requests_under_way_are_answered_before_the_end(folder):
    server = start(folder, "python.safeserial")
    found = []
    tensor = {"name": "X", "shape": [300, 6], "datatype": "FP64", "data": X.tolist()}
    asking = [
        threading.Thread(
            target=lambda: found.append(server.infer("python", {"inputs": [tensor]})[0])
        )
        for _ in range(4)
    ]
    for one in asking:
        one.start()
    until(lambda: len(found) >= 1)
    stop(server)
    for one in asking:
        one.join()
    assert found == [200] * 4


def test_a_key_that_is_no_longer_accepted(tmp_path):
    path = tmp_path / "model.safeserial"
    ss.to_onnx(FOREST, X, path, keyring=RING)
    (tmp_path / "none").mkdir()
    ss.Keyring([ss.KeyEntry(key=KEY, state="revoked", reason="lost")]).save(tmp_path / "team.keys")
    assert refused("model.safeserial", "--keyring", "team.keys", cwd=tmp_path) == 1
