# SPDX-License-Identifier: BSD-3-Clause
"""Ask one peer about all files: its worker is started anew when a file has ended it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from safeserial_benchmarks.peers.roster import Peer
from safeserial_benchmarks.peers.subjects import Subject

WORKER: Final = Path(__file__).with_name("worker.py")
START: Final = 180.0
SECONDS: Final = 30.0
WARM: Final = 12
Answer = dict[str, Any]


class WorkerError(Exception):
    """The worker of a peer does not start."""


@dataclass
class Asked:
    """What a peer has answered.

    Parameters
    ----------
    answers : dict of str to dict
        By the id of the file: ``outcome``, ``said`` and ``cpu``.
    error : str
        Why there is nothing, or not all; empty if there is all.
    """

    answers: dict[str, Answer] = field(default_factory=dict)
    error: str = ""


class Worker:
    """The process of one peer.

    Parameters
    ----------
    python : path
        Interpreter of its environment.
    key : str
        Which peer.
    honest : list of str
        Files that a loader opens first, so that imports are not measured.
    """

    def __init__(self, python: Path, key: str, honest: list[str]) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NO_ANALYTICS": "1"}
        self._process = subprocess.Popen(
            [str(python), "-I", str(WORKER), key],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**kept, **quiet, "HOME": "/nonexistent"},
        )
        self._rest = b""
        said = self.ask(json.dumps(honest), START)
        if said is None or not said["ready"]:
            self.end()
            raise WorkerError("does not start" if said is None else str(said["said"])[:300])

    def ask(self, line: str, seconds: float) -> Answer | None:
        """Return the answer to one line, None if there is none in time."""
        if self._process.stdin is None or self._process.stdout is None:
            return None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                return None
            more = os.read(self._process.stdout.fileno(), 65536)
            if not more:
                return None
            self._rest += more
        first, _, self._rest = self._rest.partition(b"\n")
        answer: Answer = json.loads(first)
        return answer

    def end(self) -> bool:
        """End the process; return whether it was still running."""
        running = False
        try:
            self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            running = True
            self._process.kill()
        # Closes the pipes; what could not be written any more is lost.
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()
        return running


def ask_all(
    peer: Peer,
    python: Path,
    subjects: Iterable[Subject],
    *,
    minutes: float,
    note: Callable[[str], None],
) -> Asked:
    """Ask a peer about all files that there are in its form.

    Parameters
    ----------
    peer : Peer
        Who.
    python : path
        Interpreter of its environment.
    subjects : iterable of Subject
        Files.  They come in an order that is always the same and has nothing to do with what they
        are: if time runs out, what was asked is a fair sample.
    minutes : float
        When to stop.
    note : callable
        Told how far it is.

    Returns
    -------
    Asked
        Answers, and why they are not all there.
    """
    asked = Asked()
    # An empty path: the model could not be saved in this form.
    mine = [one for one in subjects if peer.form in one.forms]
    random.Random(20261122).shuffle(mine)  # noqa: S311 - an order, no secret
    honest = [
        one.forms[peer.form] for one in mine if one.group == "honest" and one.forms[peer.form]
    ]
    honest = honest if peer.key == "exact" else honest[:WARM]
    worker = None
    end = time.monotonic() + 60 * minutes
    try:
        for number, subject in enumerate(mine):
            if time.monotonic() > end:
                asked.error = f"{minutes:g} minutes were up after {number} of {len(mine)} files"
                break
            path = subject.forms[peer.form]
            if not path:
                asked.answers[subject.id] = {"outcome": "stopped", "said": "cannot be saved"}
                continue
            worker = worker or Worker(python, peer.key, honest)
            answer = worker.ask(path, SECONDS)
            if answer is None:
                ran = worker.end()
                worker = None
                answer = {"outcome": "hung" if ran else "crashed", "said": "no answer"}
            asked.answers[subject.id] = answer
            if number % 100 == 0:
                note(f"{peer.key}: {number} of {len(mine)}")
    except (OSError, WorkerError) as error:
        asked.error = str(error)
    finally:
        if worker is not None:
            worker.end()
    return asked
