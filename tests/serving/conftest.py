# SPDX-License-Identifier: BSD-3-Clause
"""A real server in a process of its own, on a free port, ended by a signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import safeserial as ss

pytest.importorskip("uvicorn")
pytest.importorskip("onnxruntime")
TOKEN = "only-for-these-tests-0123456789"
KEY = ss.HmacKey(bytes(range(32)))
RING = ss.Keyring([KEY])
X, Y = make_classification(300, 6, n_informative=4, n_classes=3, random_state=0)
FOREST = RandomForestClassifier(20, random_state=0).fit(X, np.array(["no", "perhaps", "yes"])[Y])
FRAME = pd.DataFrame(
    {"age": [20.0, 31.0, None, 47.0] * 20, "town": ["Köln", "Rom", "Paris", None] * 20}
)
MIXED = make_pipeline(
    make_column_transformer(
        (SimpleImputer(), ["age"]), (OneHotEncoder(handle_unknown="ignore"), ["town"])
    ),
    LogisticRegression(),
).fit(FRAME, np.arange(80) % 2)


@dataclass
class Server:
    url: str
    process: subprocess.Popen
    log: Path
    models: dict = field(default_factory=dict)

    def ask(self, path, body=None, **headers):
        """Return status, headers and body of an answer."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def infer(self, model, body, **headers):
        status, _, raw = self.ask(f"/v2/models/{model}/infer", body, **headers)
        return status, json.loads(raw)

    def lines(self):
        return [json.loads(one) for one in self.log.read_text("utf-8").splitlines()]


def start(folder: Path, *arguments: str, log: Path | None = None) -> Server:
    ring = folder / "team.keys"
    if not ring.exists():
        RING.save(ring)
    log = log or folder / f"log-{time.monotonic_ns()}.jsonl"
    environment = {**os.environ, "SAFESERIAL_KEYRING": str(ring), "OMP_NUM_THREADS": "1"}
    environment["XDG_STATE_HOME"] = str(folder / "xdg")  # what this client saw of stores
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "safeserial", "serve", *arguments, "--port", "0"],
            cwd=folder, stdout=subprocess.PIPE, stderr=stderr, env=environment, text=True,
        )  # fmt: skip
    url = process.stdout.readline().strip()
    assert url.startswith("http"), log.read_text("utf-8")
    return Server(url, process, log)


def stop(server: Server) -> int:
    server.process.send_signal(signal.SIGTERM)
    server.process.communicate(timeout=60)
    return server.process.returncode


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("served")
    ss.to_onnx(FOREST, X, place / "forest.safeserial", keyring=RING, name="forest", version="7")
    ss.to_onnx(MIXED, FRAME, place / "mixed.safeserial", keyring=RING)
    ss.dump(FOREST, place / "python.safeserial", keyring=RING)
    ss.dump(MIXED, place / "frame.safeserial", keyring=RING)
    return place


@pytest.fixture(scope="session")
def server(folder):
    running = start(
        folder, "forest.safeserial", "mixed=mixed.safeserial", "python.safeserial",
        "frame.safeserial", "--max-body", "1", "--follow", "0",
    )  # fmt: skip
    yield running
    stop(running)
