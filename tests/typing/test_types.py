# SPDX-License-Identifier: BSD-3-Clause
"""The types say what the design says: a payload that was not admitted cannot be decoded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

USED_RIGHT = """
from typing import Any
import safeserial as ss
from safeserial.codecs import get
from safeserial.verifier import Admitted

def decode(admitted: Admitted) -> Any:
    return get(admitted.format).decode(admitted)

def names(path: str, ring: ss.Keyring) -> list[str]:
    verified: ss.Verified = ss.verify(path, keyring=ring)
    return [one.key_id for one in verified.signers]
"""
STEP_LEFT_OUT = """
from typing import Any
from safeserial.artifact.trust import Verified
from safeserial.codecs import get
from safeserial.keys import PublicKey
from safeserial.payload import Payload
from safeserial.signing import HmacSigner, PairSigner

def a_public_key_is_no_secret(key: PublicKey) -> None:
    HmacSigner(key, "artifact-signature")
    PairSigner(key)

def verified_is_not_admitted(verified: Verified) -> Any:
    return get("pickle").decode(verified)

def payload_is_not_admitted(payload: Payload) -> Any:
    return get("pickle").decode(payload)
"""


def mypy(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Check one file with mypy."""
    (folder / "example.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder), "example.py"]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


def test_right_use_checks(tmp_path):
    run = mypy(tmp_path, USED_RIGHT)
    assert run.returncode == 0, run.stdout


def test_a_step_left_out_is_a_type_error(tmp_path):
    run = mypy(tmp_path, STEP_LEFT_OUT)
    wrong = [line for line in run.stdout.splitlines() if 'expected "Admitted"' in line]
    assert len(wrong) == 2, run.stdout
    for wanted in ("HmacKey", "PrivateKey"):
        assert f'has incompatible type "PublicKey"; expected "{wanted}"' in run.stdout
