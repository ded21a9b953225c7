# SPDX-License-Identifier: BSD-3-Clause
"""The clients in other languages: where they stand, and npm's packages, installed once."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import onnxruntime
import pytest
from platformdirs import user_cache_path

from safeserial.files import folder_lock

CLIENTS = Path(__file__).resolve().parents[2] / "converters" / "clients"
VECTORS = CLIENTS / "vectors"
_WHOLE = "whole.txt"  # written when npm is done


@pytest.fixture(scope="session")
def packages():
    """The folder `node_modules` of the Node client; kept from run to run."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        pytest.skip("there is no Node.js here: install node (20.19 or later) and npm")
    lock = CLIENTS / "node" / "package-lock.json"
    name = f"node-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    place = user_cache_path("safeserial-clients") / name
    place.mkdir(parents=True, exist_ok=True)
    with folder_lock(place):
        if not (place / _WHOLE).exists():
            _install(npm, place)
    return place / "node_modules"


def _install(npm, place):
    for name in ("package.json", "package-lock.json"):
        shutil.copy(CLIENTS / "node" / name, place)
    # The engine's own script would fetch a GPU library where it sees a compiler for one.
    settings = {**os.environ, "ONNXRUNTIME_NODE_INSTALL": "skip"}
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(
        command, cwd=place, env=settings, capture_output=True, text=True, timeout=400, check=False
    )
    if done.returncode:
        pytest.skip(f"npm cannot install the client's packages: {done.stderr[-300:]}")
    (place / _WHOLE).write_text("installed\n", encoding="ascii")


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    """A folder with ONNX Runtime's native library under the names that linkers look for."""
    capi = Path(onnxruntime.__file__).parent / "capi"
    libraries = sorted(capi.glob("libonnxruntime.so.*"))
    if not libraries:
        pytest.skip("the installed onnxruntime brings no library that others can link")
    place = tmp_path_factory.mktemp("engine")
    for name in ("libonnxruntime.so.1", "libonnxruntime.so"):
        (place / name).symlink_to(libraries[0])
    return place


@pytest.fixture
def client(packages, tmp_path):
    """A copy of the Node client with its packages."""
    place = tmp_path / "client"
    shutil.copytree(CLIENTS / "node", place, ignore=shutil.ignore_patterns("node_modules"))
    (place / "node_modules").symlink_to(packages, target_is_directory=True)
    return place
