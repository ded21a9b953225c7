# SPDX-License-Identifier: BSD-3-Clause
"""Wall time of small processes: the import beside a bare interpreter, and the command line.

Every command is run again and again in turn with ``python -c pass``; the interpreter's own start is
in every one of them, so what counts is the difference within a round.
"""

from __future__ import annotations

import atexit
import dataclasses
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import safeserial as ss
from safeserial_benchmarks.measure import Contender, Effort, Row, Spread, compare, said

HEAVY: Final = ("numpy", "scipy", "sklearn", "joblib", "sqlalchemy", "pandas")
BARE: Final = "python -c pass"
_VERIFY: Final = "safeserial verify (small file)"


def run(folder: Path, effort: Effort) -> list[Row]:
    """Measure the start of small processes.

    Parameters
    ----------
    folder : path
        An empty folder.
    effort : Effort
        When to stop.

    Returns
    -------
    list of Row
        Group ``startup``; the fact ``over_bare_seconds`` is the difference of the medians.
    """
    python = [sys.executable]
    commands = {
        BARE: [*python, "-c", "pass"],
        "import safeserial": [*python, "-c", "import safeserial"],
        "import safeserial; safeserial.verify": [*python, "-c", "import safeserial as s; s.verify"],
        "import safeserial; safeserial.load": [*python, "-c", "import safeserial as s; s.load"],
        "safeserial --version": [*python, "-m", "safeserial", "--version"],
    }
    try:
        artifact, keys = _small_artifact(folder)
    except Exception as error:  # noqa: BLE001 - a contender that fails is a row, not the end
        failed = [Row(group="startup", subject="process", contender=_VERIFY, error=said(error))]
    else:
        failed = []
        commands[_VERIFY] = [
            *python, "-m", "safeserial", "verify", str(artifact), "--keyring", str(keys),
        ]  # fmt: skip
    contenders = [
        Contender(name, lambda command=command: _run(command))  # type: ignore[misc]
        for name, command in commands.items()
    ]
    rows = compare("startup", "process", contenders, (BARE,), effort) + failed
    for path in folder.iterdir():
        path.unlink()
    return [*_over_bare(rows), _imported()]


def _over_bare(rows: list[Row]) -> list[Row]:
    """Add what each process takes beyond a bare interpreter."""
    bare = next((row.value for row in rows if row.contender == BARE), None)
    return [
        dataclasses.replace(row, facts={"over_bare_seconds": row.value.median - bare.median})
        if row.value is not None and bare is not None
        else row
        for row in rows
    ]


def _small_artifact(folder: Path) -> tuple[Path, Path]:
    ring = ss.Keyring([ss.HmacKey.generate()])
    keys, artifact = folder / "ring.keys", folder / "small.safeserial"
    ring.save(keys)
    ss.dump({"weights": list(range(50))}, artifact, keyring=ring)
    return artifact, keys


@functools.cache
def _bytecode() -> str:
    folder = tempfile.mkdtemp(prefix="safeserial-bytecode-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _run(command: list[str]) -> None:
    # An installed program has its bytecode cached, whatever this process was told about writing it.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": _bytecode()}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if ran.returncode:
        last = (ran.stderr.strip().splitlines() or [""])[-1]
        raise RuntimeError(f"exit code {ran.returncode}: {last}")


def _imported() -> Row:
    """Count the heavy libraries that a plain import pulls in: there should be none."""
    program = "import sys, safeserial; print(*{name.partition('.')[0] for name in sys.modules})"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    found = sorted(set(HEAVY) & set(ran.stdout.split()))
    return Row(
        group="startup",
        subject="modules",
        contender="heavy libraries pulled in by import safeserial",
        unit="count",
        value=Spread.of([float(len(found))]),
        rounds=1,
        facts={"names": found},
        error=f"exit code {ran.returncode}" if ran.returncode else None,
    )
