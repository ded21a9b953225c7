# SPDX-License-Identifier: BSD-3-Clause
"""The Node client runs every vector in both engines, and its command does what it says."""

import json
import os
import re
import shutil
import subprocess

import safeserial as ss
from tests.clients.conftest import VECTORS


def run(*arguments, cwd, text=None):
    return subprocess.run(
        ["node", *map(str, arguments)],
        cwd=cwd, input=text, capture_output=True, text=True, timeout=240, check=False,
        env={**os.environ, "SAFESERIAL_VECTORS": str(VECTORS)},
    )  # fmt: skip


def test_all_vectors_in_both_engines(client):
    done = run("--test", "--test-reporter=tap", "test/", cwd=client)
    assert done.returncode == 0, done.stdout[-4000:]
    cases = len(json.loads((VECTORS / "cases.json").read_text(encoding="utf-8")))
    counted = re.findall(r"^# (\w+) (\d+)$", done.stdout, re.MULTILINE)
    counts = {name: int(number) for name, number in counted}
    assert counts["fail"] == counts["skipped"] == 0
    assert counts["pass"] > cases + 6


def test_a_model_signed_a_moment_ago(client, tmp_path):
    """From Python to Node: a new key, a new signature, a row with a missing value."""
    key = ss.EcdsaKey.generate()
    model = tmp_path / "model.onnx"
    shutil.copy(VECTORS / "mixed" / "model.onnx", model)
    ss.sign(model, keyring=ss.Keyring([key]))
    pem = tmp_path / "sender.pem"
    pem.write_bytes(key.public.to_pem())
    rows = [{"age": None, "fare": 80.5, "town": None, "class": "first"}]
    done = run("src/main.js", model, "--key", pem, cwd=client, text=json.dumps(rows))
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)
    assert answer["label"] in {"low", "middle", "high"}
    assert abs(sum(answer["probabilities"]) - 1) < 1e-9

    told = run("src/main.js", model, "--key", pem, "--show", cwd=client)
    assert json.loads(told.stdout)["signers"] == [key.key_id]
    less = run("src/main.js", model, "--key", pem, cwd=client, text='[{"age": 1}]')
    assert less.returncode == 1
    assert "has no column" in less.stderr
    assert "hint:" in less.stderr

    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    refused = run("src/main.js", model, "--key", pem, cwd=client, text=json.dumps(rows))
    assert refused.returncode == 1
    assert "changed after it was signed" in refused.stderr
    assert not refused.stdout


def test_the_engine_keeps_no_record(client, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    clean = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    model, key = VECTORS / "mixed" / "model.onnx", VECTORS / "keys" / "p256.pem"
    beside = VECTORS / "signed" / "mixed.p256.sig"
    done = subprocess.run(
        ["node", "src/main.js", model, "--key", key, "--signature", beside],
        cwd=client, input='[{"age": 1, "fare": 2, "town": null, "class": "first"}]',
        capture_output=True, text=True, timeout=120, check=False,
        env={**clean, "HOME": str(home), "XDG_CACHE_HOME": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list(home.rglob("*onnxruntime*")) == []
