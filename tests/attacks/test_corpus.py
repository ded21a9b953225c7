# SPDX-License-Identifier: BSD-3-Clause
"""Every hostile file of the corpus is refused in time, in little memory, and does nothing.

All of them are opened by one process, which must outlive them.  What they do to an unrestricted
loader is seen in processes of their own: a sample here, all of it in the slow run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from safeserial import errors
from tests.attacks import corpus
from tests.attacks.corpus import Case
from tests.validators.altered import ATTACKS

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="models are written in forks")

ROOT = Path(__file__).parents[2]
SECONDS = 3.0  # a second is what they may take on a quiet machine
MEMORY = 64 * 2**20
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
FAST_PROOFS = (
    "os.system, protocol 4",
    "EXT1, warm cache",
    "BUILD on a compiled class",
    "call builtins.eval",
)


def work(mode: str, folder: Path, *arguments: str, data: str = "") -> Any:
    """Run a worker in a folder of its own."""
    here = folder / "here"
    here.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "tests.attacks.worker", mode, *arguments],
        capture_output=True,
        check=False,
        cwd=here,
        env=ENVIRONMENT,
        input=data,
        text=True,
        timeout=240,
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    """Write the corpus; return path to case."""
    folder = tmp_path_factory.mktemp("corpus")
    written = {}
    for number, case in enumerate([*corpus.legacy(), *corpus.signed()]):
        path = folder / f"{number:04}{'.ssr' if case.signed else '.pkl'}"
        path.write_bytes(case.data)
        written[str(path)] = case
    return written


@pytest.fixture(scope="module")
def outcomes(
    files: dict[str, Case], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, dict[str, Any]]]:
    """Open all files in both modes."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for mode in ("load", "inspect"):
        run = work(mode, tmp_path_factory.mktemp(mode), data=json.dumps(list(files)))
        results = [json.loads(line) for line in run.stdout.splitlines()]
        last = files[list(files)[min(len(results), len(files) - 1)]].id
        assert len(results) == len(files), f"{mode} ended at {last!r}: {run.stderr[-800:]}"
        found[mode] = {one["name"]: one for one in results}
    if where := os.environ.get("SAFESERIAL_CORPUS_REPORT"):
        report = {files[name].id: one for name, one in found["load"].items()}
        Path(where).write_text(json.dumps(report, indent=1), "utf-8")
    return found


def test_there_are_enough(files: dict[str, Case]) -> None:
    assert len(files) >= 500
    assert len({case.id for case in files.values()}) == len(files)
    assert sum(case.id.startswith("state of ") for case in files.values()) > 0.8 * len(ATTACKS)


def test_all_are_refused(files: dict[str, Case], outcomes: dict[str, Any]) -> None:
    wrong = []
    for path, case in files.items():
        one = outcomes["load"][path]
        expected = case.errors
        kind = getattr(errors, one["kind"], None)
        right = one["project"] and kind is not None and issubclass(kind, expected)
        if not right or not one["hint"].strip() or not one["said"].strip():
            wrong.append((case.id, one["kind"], one["said"][:160]))
    assert wrong == []


def test_they_change_nothing(files: dict[str, Case], outcomes: dict[str, Any]) -> None:
    changed = {files[path].id: one["changed"] for path, one in outcomes["load"].items()}
    assert {case: what for case, what in changed.items() if what} == {}


def test_they_take_no_time_and_no_memory(files: dict[str, Case], outcomes: dict[str, Any]) -> None:
    slow = [
        (files[path].id, one["seconds"], one["memory"])
        for path, one in outcomes["load"].items()
        if one["seconds"] > SECONDS or one["memory"] > MEMORY
    ]
    assert slow == []


def test_inspection_is_calm(files: dict[str, Case], outcomes: dict[str, Any]) -> None:
    loud = []
    for path, one in outcomes["inspect"].items():
        types = one["types"]
        calm = one["kind"] == "" and types["project"] and (not types["kind"] or types["hint"])
        if not calm or one["changed"]:
            loud.append((files[path].id, one["said"], types["said"], one["changed"]))
    assert loud == []


def _proof(case: Case, folder: Path) -> bool:
    path = folder / "case"
    path.write_bytes(case.data)
    expression = [case.proof] if case.proof not in ("marker", "crash") else []
    run = work("native", folder, str(path), *expression)
    if case.proof == "marker":
        return any((folder / "here").iterdir())
    return run.returncode == 3 if expression else run.returncode < 0


@pytest.mark.parametrize("which", FAST_PROOFS)
def test_they_work_elsewhere(which: str, tmp_path: Path) -> None:
    groups = (corpus.variants, corpus.opcodes, corpus.states, corpus.gadgets)
    case = next(one for group in groups for one in group() if one.id == which)
    assert _proof(case, tmp_path)


@pytest.mark.slow
def test_all_proofs(tmp_path: Path) -> None:
    failed = []
    groups = (corpus.gadgets, corpus.variants, corpus.names, corpus.opcodes)
    groups += (corpus.states, corpus.arrays, corpus.wrappers)
    for number, case in enumerate([one for group in groups for one in group() if one.proof]):
        folder = tmp_path / str(number)
        folder.mkdir()
        if not _proof(case, folder):
            failed.append(case.id)
    assert failed == []
