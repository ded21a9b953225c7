# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of detached signatures share: keys, small files, a forger's bench, real tools."""

import base64
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import joblib
import pytest

import safeserial as ss
from safeserial.detached import bundle, signatures
from safeserial.detached.statement import PAYLOAD_TYPE
from safeserial.envelope import pre_authentication_encoding
from safeserial.signing import signer

EC = ss.EcdsaKey(bytes(range(1, 33)))
ED = ss.Ed25519Key(bytes(range(2, 34)))
MAC = ss.HmacKey(bytes(range(3, 35)))
RING = ss.Keyring([EC])
FILES = {
    "config.json": b'{"layers": 2}',
    "weights/part-1.bin": bytes(range(256)) * 40,
    "weights/part-2.bin": b"\x00" * 5000,
    "sub-x.txt": b"between sub and sub/",
    "sub/\u00e9t\u00e9.txt": "été".encode(),
    "sub/__init__.py": b"",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder ``model`` of a few files, empty ones and nested ones among them."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "model"
    for name, content in FILES.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return place


@pytest.fixture
def plain(tmp_path, monkeypatch):
    """A file ``model.joblib`` of plain data."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "model.joblib"
    joblib.dump({"weights": [1, 2, 3], "bias": "none"}, place)
    return place


@dataclass
class Bench:
    """A signature file taken apart: change `top` or `said`, and put it together again."""

    top: dict
    said: dict

    @classmethod
    def of(cls, path, line=0):
        top = json.loads(Path(path).read_bytes().splitlines()[line])
        return cls(top, json.loads(base64.b64decode(top["dsseEnvelope"]["payload"])))

    @property
    def envelope(self):
        return self.top["dsseEnvelope"]

    @property
    def key(self):
        return self.top["verificationMaterial"]["publicKey"]

    def signed(self, key, text=None):
        """Sign what `said` (or `text`) says, leaving the rest as it is."""
        payload = json.dumps(self.said).encode() if text is None else text
        message = pre_authentication_encoding(PAYLOAD_TYPE, payload)
        value = signer(key, signatures.PURPOSE_DETACHED).sign(message)
        self.envelope["payload"] = base64.b64encode(payload).decode()
        self.envelope["signatures"][0]["sig"] = base64.b64encode(value).decode()
        return self

    def write(self, path):
        Path(path).write_text(json.dumps(self.top) + "\n")


def hint_of(key):
    """How Model Signing names a key."""
    return bundle.hint_of(key.public.to_pem())


def refusal(action):
    """Run an action that must be refused, and return the error."""
    with pytest.raises(ss.errors.SafeSerialError) as caught:
        action()
    assert caught.value.hint
    return caught.value


@pytest.fixture(scope="session")
def model_signing(tmp_path_factory):
    """The real command line of model_signing: returns its exit code and what it says."""
    program = Path(sys.executable).with_name("model_signing")
    if not program.exists():
        pytest.skip("model-signing is not installed: pip install --group test")

    def run(*arguments):
        done = subprocess.run(
            [program, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture(scope="session")
def minisign():
    """The program minisign of Debian."""
    found = shutil.which("minisign")
    return found or pytest.skip("there is no minisign; tools/system_packages.sh installs it")
