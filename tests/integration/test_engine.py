# SPDX-License-Identifier: BSD-3-Clause
"""ONNX Runtime keeps nothing in the home folder of whoever loads or converts a model here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

VECTORS = Path(__file__).resolve().parents[2] / "converters" / "clients" / "vectors"
LOAD = """
import sys
import safeserial as ss
from safeserial.keys import key_from_pem
ring = ss.Keyring([]).add(key_from_pem(open(sys.argv[1], "rb").read()))
assert ss.load(sys.argv[2], keyring=ring).get_inputs()
"""
CONVERT = """
import numpy as np
import safeserial as ss
from sklearn.preprocessing import StandardScaler
assert ss.to_onnx(StandardScaler().fit(np.eye(3)), np.eye(3)).report.ok
"""


@pytest.mark.parametrize("program", [LOAD, CONVERT], ids=["load", "convert"])
def test_nothing_is_kept_of_what_was_run(program, tmp_path):
    clean = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    model = tmp_path / "model.onnx"
    shutil.copy(VECTORS / "mixed" / "model.onnx", model)
    shutil.copy(VECTORS / "signed" / "mixed.p256.sig", tmp_path / "model.onnx.sig")
    done = subprocess.run(
        [sys.executable, "-c", program, str(VECTORS / "keys" / "p256.pem"), str(model)],
        env={**clean, "HOME": str(tmp_path), "XDG_CACHE_HOME": ""},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [one for one in tmp_path.rglob("*") if "onnxruntime" in one.name] == []
