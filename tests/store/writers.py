# SPDX-License-Identifier: BSD-3-Clause
"""Processes that write to a store at once, or are killed at it: run with ``python -m``.

One process imports everything and forks the others, so that a test of many takes no minute.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable

import numpy as np

import safeserial as ss
from tests.world import CALM, RING

Tell = Callable[[object], None]


def publish(store: ss.Store, worker: int, count: int, tell: Tell) -> None:
    """Publish, and move an alias with every third one."""
    for number in range(count):
        alias = "production" if number % 3 == 0 else None
        entry = store.publish("shared", {"worker": worker, "number": number}, alias=alias)
        tell([worker, number, entry.version])


def large(store: ss.Store, worker: int, count: int, tell: Tell) -> None:
    """Publish models that take several transactions each."""
    for number in range(count):
        data = np.full(1_500_000, float(number * 1000 + worker))
        data[:: 2**17] = np.arange(len(data[:: 2**17]))
        entry = store.publish("large", {"data": data}, alias="production")
        tell(entry.version)


def fork(work: Callable[..., None], url: str, state: str, *order: int, blobs: str = "") -> tuple:
    """Start a process; return its id and the end of a pipe from which its words come."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    code = 1
    try:
        options = {"blobs": blobs, "large": 1 << 20} if blobs else {}
        store = ss.Store(url, keyring=RING, policy=CALM, state=state, **options)

        def tell(word: object) -> None:
            os.write(writing, json.dumps(word).encode() + b"\n")

        tell("ready")
        work(store, *order, tell)
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def words(reading: int) -> list:
    with os.fdopen(reading) as stream:
        return [json.loads(line) for line in stream if line.endswith("\n")][1:]


def race(url: str, state: str, workers: str, count: str) -> None:
    """Let several processes publish; with ``*`` in `state` each has a memory of its own."""
    started = [
        fork(publish, url, state.replace("*", str(number)), number, int(count))
        for number in range(int(workers))
    ]
    told = [words(reading) for _, reading in started]
    codes = [os.waitpid(process, 0)[1] for process, _ in started]
    print(json.dumps({"codes": codes, "told": told}))


def kill(url: str, state: str, kills: str, blobs: str = "") -> None:
    """Kill writers at random moments, one after the other."""
    source = random.Random(20261122)
    told = []
    for attempt in range(int(kills)):
        process, reading = fork(large, url, state, attempt, 50, blobs=blobs)
        while os.read(reading, 1) != b"\n":
            pass
        time.sleep(source.uniform(0, 0.3))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        with os.fdopen(reading) as stream:
            told += [json.loads(line) for line in stream if line.endswith("\n")]
    print(json.dumps(told))


if __name__ == "__main__":
    {"race": race, "kill": kill}[sys.argv[1]](*sys.argv[2:])
