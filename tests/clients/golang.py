# SPDX-License-Identifier: BSD-3-Clause
"""Go's command, for the tests of the client and of generated projects."""

import os
import shutil
import subprocess

import pytest
from platformdirs import user_cache_path


def toolchain(engine):
    """Return a function that runs Go and what it built.

    What it compiles is kept from run to run, whatever the folder is called; nothing is fetched.
    """
    if not shutil.which("go") or not shutil.which("gcc"):
        pytest.skip("there is no Go here: install golang-go and gcc")
    settings = {
        "GOCACHE": str(user_cache_path("safeserial-clients") / "go-build"),
        "GOFLAGS": "-buildvcs=false",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "LD_LIBRARY_PATH": str(engine),
    }

    def run(*command, cwd, text=None, **more):
        return subprocess.run(
            [*map(str, command)], cwd=cwd, input=text, capture_output=True, text=True, timeout=300,
            check=False, env={**os.environ, **settings, **more},
        )  # fmt: skip

    return run
