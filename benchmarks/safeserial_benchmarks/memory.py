# SPDX-License-Identifier: BSD-3-Clause
"""Peak memory of dump and load, each in a fresh process, relative to the size of the model's data.

The process imports and warms up everything first; then the kernel's peak of resident memory is
reset (``/proc/self/clear_refs``, see proc_pid_clear_refs(5)), so that only the call itself is seen.
Where there is no such file (macOS, Windows) the rows say so.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import safeserial as ss
from safeserial_benchmarks.measure import Note, Row, Spread, said

CONTENDERS: Final = ("pickle", "joblib", "safeserial (pickle)", "safeserial (joblib)")
_COLUMNS: Final = 64
_STATUS: Final = Path("/proc/self/status")
_RESET: Final = Path("/proc/self/clear_refs")


def run(payload_bytes: int, folder: Path, note: Note) -> list[Row]:
    """Measure a k-NN model with `payload_bytes` of data.

    Parameters
    ----------
    payload_bytes : int
        Size of its array.
    folder : path
        An empty folder.
    note : callable
        Told what is measured next.

    Returns
    -------
    list of Row
        Group ``memory``: growth of resident memory at its peak, for load over the state before the
        call, for dump over the state with the model in memory.
    """
    ring = folder / "ring.keys"
    ss.Keyring([ss.HmacKey.generate()]).save(ring)
    rows = []
    for contender in CONTENDERS:
        for verb in ("dump", "load"):
            note(f"memory: {verb}, {contender}")
            rows.append(_child(verb, contender, payload_bytes, folder))
    for path in folder.iterdir():
        path.unlink()
    return sorted(rows, key=lambda row: row.subject)


def _child(verb: str, contender: str, payload_bytes: int, folder: Path) -> Row:
    subject = f"{verb} of {payload_bytes / 2**20:,.0f} MiB"
    command = [sys.executable, "-m", __name__, verb, contender, str(payload_bytes), str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        last = (ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"])[-1]
        return Row(group="memory", subject=subject, contender=contender, unit="bytes", error=last)
    before, peak = json.loads(ran.stdout)
    growth = float(peak - before)
    return Row(
        group="memory",
        subject=subject,
        contender=contender,
        unit="bytes",
        value=Spread.of([growth]),
        rounds=1,
        ratios={"data": Spread.of([growth / payload_bytes])},
        facts={"before_bytes": before, "peak_bytes": peak},
    )


def _main(verb: str, contender: str, payload_bytes: int, folder: Path) -> tuple[int, int]:
    """Return resident bytes before the call and at its peak."""
    ring = ss.Keyring.load(folder / "ring.keys")
    small = folder / "small"
    _dump(contender, big_model(2**20), small, ring)
    _load(contender, small, ring)
    path = folder / contender
    model = big_model(payload_bytes) if verb == "dump" else None
    _RESET.write_text("5")
    before = _resident("VmRSS")
    if model is None:
        model = _load(contender, path, ring)
    else:
        _dump(contender, model, path, ring)
    return before, _resident("VmHWM")


def big_model(size: int) -> Any:
    """Return a k-NN model with one array of `size` bytes."""
    import numpy as np
    from sklearn.neighbors import KNeighborsClassifier

    rows = max(8, size // (8 * _COLUMNS))
    data = np.ones((rows, _COLUMNS))
    return KNeighborsClassifier(algorithm="brute").fit(data, np.arange(rows, dtype=np.int8) % 2)


def _dump(contender: str, model: Any, path: Path, ring: ss.Keyring) -> None:
    import joblib

    if contender == "pickle":
        with path.open("wb") as stream:
            pickle.dump(model, stream, 5)
    elif contender == "joblib":
        joblib.dump(model, path)
    else:
        ss.dump(model, path, keyring=ring, format=contender[len("safeserial (") : -1])


def _load(contender: str, path: Path, ring: ss.Keyring) -> Any:
    import joblib

    if contender == "pickle":
        with path.open("rb") as stream:
            return pickle.load(stream)
    if contender == "joblib":
        return joblib.load(path)
    return ss.load(path, keyring=ring)


def _resident(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"this kernel does not tell {field}")


if __name__ == "__main__":
    try:
        _said = _main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    except Exception as _error:  # noqa: BLE001 - the parent makes a row of the last line
        sys.exit(said(_error).splitlines()[0])
    print(json.dumps(_said))
    sys.stdout.flush()
    os._exit(0)  # freeing a gigabyte in order is not what is measured
