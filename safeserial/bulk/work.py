# SPDX-License-Identifier: BSD-3-Clause
"""What a worker does: a handful of items, each with an outcome, whatever goes wrong.

Floor 7.  Answers are values, never exceptions: how an exception travels differs from one engine to
the next, and one bad file is one row.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from safeserial import __version__
from safeserial.bulk.actions import Action, Facts, explained
from safeserial.bulk.items import SIDECAR, Item
from safeserial.bulk.rings import RingReference, opened
from safeserial.bulk.rows import Row
from safeserial.errors import (
    ParityError,
    PolicyError,
    RollbackError,
    SafeSerialError,
    VerificationError,
)
from safeserial.files import open_regular
from safeserial.keyring import Keyring
from safeserial.transfer import digest_only

_LEAST_MEMORY: Final = 2**30
_REFUSALS: Final = (VerificationError, PolicyError, ParityError, RollbackError)


@dataclass(frozen=True)
class Task:
    """What is asked of the workers of a run; all that they are sent beside items.

    Parameters
    ----------
    action : Action
        What is done to each item.
    ring : RingReference, optional
        Where the keys are.
    job : str
        Names what is asked (see :class:`Row`).
    run : str
        Names this run; what a worker keeps open is kept for one run.
    digests : bool
        Whether rows tell the digest of the file, and an unchanged one is passed over.
    shares : int
        Workers that share this machine's memory; 0 where that is not ours to limit.
    """

    action: Action
    ring: RingReference | None
    job: str
    run: str
    digests: bool = False
    shares: int = 0
    release: str = __version__


@dataclass(frozen=True)
class Answer:
    """What a worker sends back.

    Parameters
    ----------
    number : int
        Of the handful that it was given.
    rows : tuple
        For each item: a row, or None for one that is no model, or has not changed.
    stop : tuple of (str, str), optional
        Message and hint of what stands against any item at all, here.
    """

    number: int
    rows: tuple[Row | None, ...] = ()
    stop: tuple[str, str] | None = None


def work(task: Task, number: int, items: Sequence[Item]) -> Answer:
    """Work on some items, one after the other."""
    if task.release != __version__:
        message = f"worker {_here()} has safeserial {__version__}, this is {task.release}"
        return Answer(number, stop=(message, "install the same version on all workers"))
    with _bounded(task.shares):
        try:
            ring = opened(task.ring, task.run) if task.ring is not None else None
        except (SafeSerialError, OSError) as error:
            message = f"worker {_here()} cannot open the keyring: {error}"
            hint = "the keyring has to be where it is said to be on every worker"
            return Answer(number, stop=(message, getattr(error, "hint", "") or hint))
        return Answer(number, tuple(one_row(task, item, ring) for item in items))


def one_row(task: Task, item: Item, ring: Keyring | None) -> Row | None:
    """Work on one item; whatever happens is its row."""
    begin = time.perf_counter()
    facts: Facts | None
    digest: str | None = None
    told: list[str] = []
    try:
        digest = _digest(item) if task.digests else None
        if digest is not None and digest == item.known:
            return None
        with _heard() as told:
            facts = _done(task.action, item, ring)
    except Exception as error:  # noqa: BLE001 - a bad file is a row, never the end of the run
        refused = isinstance(error, _REFUSALS)
        facts = {"status": "refused" if refused else "unknown", **explained(error)}
    if facts is None:
        return None
    fixed: dict[str, Any] = {
        "path": item.path,
        "action": task.action.name,
        "status": "ok",
        "job": task.job,
        "size": item.size,
        "mtime_ns": item.mtime_ns,
        "seconds": round(time.perf_counter() - begin, 6),
        "worker": _here(),
        "digest": digest,
        "warnings": told or None,
    }
    return Row(**(fixed | facts))


def died(task: Task, item: Item) -> Row:
    """Return the row of an item that ended its worker."""
    return Row(
        path=item.path,
        action=task.action.name,
        status="unknown",
        job=task.job,
        size=item.size,
        mtime_ns=item.mtime_ns,
        error="WorkerDied",
        message="the process that worked on it died",
        hint="treat the file as hostile, or give workers more memory if it is a large one",
    )


def _done(action: Action, item: Item, ring: Keyring | None) -> Facts | None:
    if item.problem is not None:
        raise item.problem
    return action(item, ring)


def _digest(item: Item) -> str | None:
    if item.problem is not None:
        return None
    beside = f"{item.place}{SIDECAR}"
    places = [item.place, beside] if os.path.lexists(beside) else [item.place]
    return "blake3:" + "+".join(map(_blake3, places))


def _blake3(path: str) -> str:
    with open_regular(path) as source:
        return digest_only(source, source.size, "blake3", lambda _: None)


@functools.cache
def _here() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


@contextlib.contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect the warnings about one item, where that can be done without disturbing others."""
    told: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield told  # filters belong to the whole process, and other threads work there
        return
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("default")
        yield told
        told += list(dict.fromkeys(str(one.message)[:500] for one in heard))


@contextlib.contextmanager
def _bounded(shares: int) -> Iterator[None]:
    """Keep ^C for the first process, and memory within a share, in a process of our own."""
    if not shares or threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with _memory(shares):
            yield
    finally:
        # In a worker it stays: between handfuls one would die of ^C in the pool's own code, and say
        # so; the first process ends its workers.  Where a pool could not be had, this is the first.
        if multiprocessing.current_process().name == "MainProcess":
            signal.signal(signal.SIGINT, interrupt)


@contextlib.contextmanager
def _memory(shares: int) -> Iterator[None]:
    if sys.platform != "linux":  # elsewhere RLIMIT_DATA does not count what is mapped
        yield
        return
    import resource

    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    share = max(_LEAST_MEMORY, machine // shares)
    if resource.RLIM_INFINITY not in {soft, share}:
        share = min(soft, share)
    if hard != resource.RLIM_INFINITY:
        share = min(hard, share)
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (share, hard))
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
