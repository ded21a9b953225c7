# SPDX-License-Identifier: BSD-3-Clause
"""Files that spend without measure are refused in a moment, and freeing what loads is harmless."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from safeserial import errors
from tests.attacks import further
from tests.attacks.test_corpus import ENVIRONMENT, MEMORY, SECONDS

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="models are written in forks")

PATIENCE = 60


def opened(folder: Path, files: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    """Open files in one process; return what came of each that it outlived."""
    (folder / "here").mkdir()
    names = {}
    for number, (what, data) in enumerate(files.items()):
        path = folder / f"{number}.pkl"
        path.write_bytes(data)
        names[str(path)] = what
    run = subprocess.run(
        [sys.executable, "-m", "tests.attacks.worker", "load"],
        capture_output=True,
        check=False,
        cwd=folder / "here",
        env=ENVIRONMENT,
        input=json.dumps(list(names)),
        text=True,
        timeout=PATIENCE,
    )
    found = [json.loads(line) for line in run.stdout.splitlines()]
    return {names[one["name"]]: one for one in found}


def test_they_are_refused(tmp_path: Path) -> None:
    cases = {case.id: case for case in further.spending()}
    found = opened(tmp_path, {what: case.data for what, case in cases.items()})
    wrong = []
    for what, case in cases.items():
        one = found.get(what, {"kind": "the process ended"})
        kind = getattr(errors, one["kind"], None)
        right = kind is not None and issubclass(kind, case.errors) and one["hint"]
        if not right or one["changed"] or one["seconds"] > SECONDS or one["memory"] > MEMORY:
            wrong.append((what, one))
    assert wrong == []


def test_they_consume_nothing(tmp_path: Path) -> None:
    files = {what: build() for what, build in further.consuming().items()}
    found = opened(tmp_path, files)
    assert found.keys() == files.keys()
    for what, one in found.items():
        assert one["project"], (what, one)
        assert one["hint"], (what, one)
        assert one["seconds"] < SECONDS, (what, one)
        assert one["memory"] < MEMORY, (what, one)
