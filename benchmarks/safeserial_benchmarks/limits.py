# SPDX-License-Identifier: BSD-3-Clause
"""How close large files come to what the machine can do, and how many processes share one model.

``verify`` reads a file once and hashes it: its limits are the raw speed of BLAKE3 and of reading.
Sharing is shown by the kernel's proportional set size (``Pss`` in proc_pid_smaps_rollup(5)): a page
that sixteen processes have mapped counts a sixteenth in each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any, Final

import blake3

import safeserial as ss
from safeserial_benchmarks.measure import Contender, Effort, Note, Row, Spread, compare, said
from safeserial_benchmarks.memory import big_model

ONE_THREAD: Final = "BLAKE3, one thread"
ALL_CORES: Final = "BLAKE3, all cores"
READ: Final = "read alone"
MODES: Final = {"safeserial, mapped": "r", "safeserial": ""}
_PIECE: Final = 4 * 2**20


def verifying(payload_bytes: int, folder: Path, effort: Effort) -> list[Row]:
    """Time ``verify`` beside hashing the same bytes in memory, and beside reading them.

    Parameters
    ----------
    payload_bytes : int
        Size of the model's array; it is in memory while this runs.
    folder : path
        An empty folder; the file stays in the page cache, as far as there is room.
    effort : Effort
        When to stop.

    Returns
    -------
    list of Row
        Group ``limits``.
    """
    ring = ss.Keyring([ss.HmacKey.generate()])
    path = folder / "large.safeserial"
    ss.dump(big_model(payload_bytes), path, keyring=ring)
    data = bytearray(min(payload_bytes, 2**30))
    times = path.stat().st_size / len(data)

    def hashed(threads: int) -> None:
        for _ in range(round(times)):
            blake3.blake3(data, max_threads=threads).digest()

    rows = compare(
        "limits",
        f"{payload_bytes / 2**20:,.0f} MiB",
        [
            Contender(ONE_THREAD, lambda: hashed(1)),
            Contender(ALL_CORES, lambda: hashed(blake3.blake3.AUTO)),
            Contender(READ, lambda: _read(path)),
            Contender("safeserial.verify", lambda: ss.verify(path, keyring=ring)),
        ],
        (ONE_THREAD, ALL_CORES, READ),
        effort,
    )
    path.unlink()
    return rows


def _read(path: Path) -> None:
    room = memoryview(bytearray(_PIECE))
    with path.open("rb", buffering=0) as stream:
        while stream.readinto(room):
            pass


def sharing(payload_bytes: int, processes: int, folder: Path, note: Note) -> list[Row]:
    """Load one file in several processes, use all of it, and add up what they hold.

    Parameters
    ----------
    payload_bytes : int
        Size of the model's array.
    processes : int
        How many.
    folder : path
        An empty folder.
    note : callable
        Told what is measured next.

    Returns
    -------
    list of Row
        Group ``sharing``: memory of all processes together, less what they held before loading.
    """
    ring, path = folder / "ring.keys", folder / "shared.safeserial"
    keys = ss.Keyring([ss.HmacKey.generate()])
    keys.save(ring)
    ss.dump(big_model(payload_bytes), path, keyring=keys)
    rows = []
    for contender, mode in MODES.items():
        note(f"sharing: {contender}")
        subject = f"{processes} processes, {payload_bytes / 1e6:,.0f} MB"
        try:
            growth = _held(mode, processes, path, ring)
        except (OSError, ValueError) as error:
            row = Row(group="sharing", subject=subject, contender=contender, error=said(error))
        else:
            row = Row(
                group="sharing", subject=subject, contender=contender, unit="bytes",
                value=Spread.of([growth]), rounds=1,
                ratios={"data": Spread.of([growth / payload_bytes])},
            )  # fmt: skip
        rows.append(row)
    for one in folder.iterdir():
        one.unlink()
    return rows


def _held(mode: str, processes: int, path: Path, ring: Path) -> float:
    command = [sys.executable, "-m", __name__, mode or "none", str(path), str(ring)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    try:
        before = _answers(running, "held")
        for one in running:  # one after another: what counts is what they hold, not how fast
            _answers([one], "load")
        return sum(_answers(running, "held")) - sum(before)
    finally:
        for one in running:
            one.kill()
            one.communicate()


def _answers(running: list[subprocess.Popen[str]], word: str) -> list[float]:
    for one in running:
        _ask(one, word)
    return [float(json.loads(_line(one.stdout))) for one in running]


def _ask(one: subprocess.Popen[str], word: str) -> None:
    if one.stdin is None:
        raise OSError("a process has no input")
    one.stdin.write(word + "\n")
    one.stdin.flush()


def _line(stream: IO[str] | None) -> str:
    line = stream.readline() if stream is not None else ""
    if not line:
        raise OSError("a process ended early")
    return line


def _pss() -> int:
    for line in Path("/proc/self/smaps_rollup").read_text("ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise OSError("this kernel does not tell Pss")


def _main(mode: str, path: Path, ring: Path) -> None:
    """Serve one process of :func:`sharing`: load once, touch every page, answer what is asked."""
    keys = ss.Keyring.load(ring)
    import sklearn.neighbors  # noqa: F401 - what is imported is not what is shared

    model = None
    for line in sys.stdin:
        if line.strip() == "load":
            options: dict[str, Any] = {} if mode == "none" else {"mmap_mode": mode}
            model = ss.load(path, keyring=keys, **options)
        if model is not None:
            vars(model)["_fit_X"].sum()  # touches every page
        print(json.dumps(_pss()), flush=True)


if __name__ == "__main__":
    try:
        _main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    except BrokenPipeError:
        os._exit(0)
