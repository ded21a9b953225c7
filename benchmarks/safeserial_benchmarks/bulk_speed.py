# SPDX-License-Identifier: BSD-3-Clause
"""Bulk work on a real Dask cluster beside one process: ``-m safeserial_benchmarks.bulk_speed``.

A scheduler and workers are started as processes that speak over TCP; rounds are interleaved, and
start-up of the command counts.
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

import safeserial as ss

_KEYS: Final = "team.keys"


@click.command()
@click.option("--files", "count", type=click.IntRange(1), default=10_000, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
@click.option("--action", type=click.Choice(["verify", "inspect"]), multiple=True)
def main(count: int, rounds: int, workers: int, action: tuple[str, ...]) -> None:
    """Measure one process, loky and Dask on a folder of small artifacts."""
    with tempfile.TemporaryDirectory(prefix="safeserial-bulk-") as name, contextlib.chdir(name):
        size = _make(Path("models"), count)
        with _cluster(Path("cluster"), workers) as scheduler:
            ways = {
                "one process": ["--jobs", "1"],
                f"loky, {workers} processes": ["--jobs", str(workers)],
                f"Dask, {workers} workers over TCP": ["--scheduler", scheduler],
            }
            table = Table("action", "engine", "seconds, median (all)", "files/s", "speed-up")
            for what in action or ("verify", "inspect"):
                found = _measure(what, ways, rounds)
                base = statistics.median(found["one process"])
                for way, seconds in found.items():
                    middle = statistics.median(seconds)
                    every = ", ".join(f"{one:.1f}" for one in seconds)
                    speed = f"{base / middle:.2f} x"
                    table.add_row(
                        what, way, f"{middle:.1f} ({every})", f"{count / middle:.0f}", speed
                    )
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    console = Console()
    console.print(
        f"{count} artifacts, {size / 1e6:.0f} MB, {os.cpu_count()} processors, load {load}"
    )
    console.print(table)


def _make(folder: Path, count: int) -> int:
    """Write artifacts of four models into a hundred folders; return their bytes."""
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    ring = ss.Keyring([ss.HmacKey.generate()])
    ring.save(_KEYS)
    features, target = load_iris(return_X_y=True)
    models = [LogisticRegression(max_iter=500).fit(features, target)]
    for trees in (5, 10, 20):
        forest = RandomForestClassifier(n_estimators=trees, random_state=0)
        models.append(forest.fit(features, target))
    data = [ss.dumps(one, keyring=ring) for one in models]
    for number in range(count):
        place = folder / f"{number % 100:02}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:06}.safeserial").write_bytes(data[number % 4])
    return sum(len(data[number % 4]) for number in range(count))


@contextlib.contextmanager
def _cluster(folder: Path, workers: int) -> Iterator[str]:
    """Start a scheduler and workers of one thread each; yield the scheduler's address."""
    from distributed import Client

    folder.mkdir()
    told = folder / "scheduler.json"
    common = ["--scheduler-file", str(told), "--no-dashboard", "--host", "127.0.0.1"]
    worker = ["dask_worker", *common, "--nthreads", "1", "--nworkers", "1"]
    commands = [["dask_scheduler", *common, "--port", "0"]] + [worker] * workers
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", f"distributed.cli.{command[0]}", *command[1:]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for command in commands
    ]
    try:
        with Client(scheduler_file=str(told), timeout=120) as client:  # type: ignore[no-untyped-call]
            client.wait_for_workers(workers, timeout=120)
            address = str(client.scheduler.address)
        yield address
    finally:
        for process in reversed(started):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _measure(what: str, ways: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {way: [] for way in ways}
    rows = Path("rows.jsonl")
    for _ in range(rounds):
        for way, options in ways.items():
            command = [sys.executable, "-m", "safeserial", "bulk", what, "models"]
            command += ["--keyring", _KEYS, "-o", str(rows), *options]
            begin = time.perf_counter()
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
            found[way].append(time.perf_counter() - begin)
            rows.unlink()
    return found


if __name__ == "__main__":
    main()
