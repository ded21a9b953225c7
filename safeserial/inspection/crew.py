# SPDX-License-Identifier: BSD-3-Clause
"""Processes that inspect files, each with a pipe of its own, so that the death of one is one file.

Floor 7.  A worker gets paths and a policy, never a key: signed artifacts are checked where the
keyring is.  Its memory is bounded, and whatever ends it, the next file gets a new one.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import Any, Final, Self

from safeserial.errors import SafeSerialError, UnreadableFileError
from safeserial.files import display
from safeserial.inspection.report import Report
from safeserial.keyring import Keyring
from safeserial.policy import Policy

_LEAST_MEMORY: Final = 2**30
_PATIENCE: Final = 5.0


def examine(path: str, keyring: Keyring | None, policy: Policy) -> Report:
    """Inspect a file; whatever goes wrong is a report."""
    from safeserial.inspection.inspecting import inspect

    try:
        return inspect(path, keyring=keyring, policy=policy)
    except SafeSerialError as error:
        return unknown(path, error)
    except MemoryError:
        hint = "inspect it by itself, on a machine with more memory"
        return unknown(path, UnreadableFileError("there is not enough memory", hint=hint))
    except OSError as error:
        return unknown(path, UnreadableFileError(f"cannot read it: {error.strerror or error}"))
    except Exception as error:  # noqa: BLE001 - a scan of a folder does not end at one file
        hint = "this is a bug of safeserial; inspect the file by itself to see it"
        problem = SafeSerialError(f"inspection failed: {type(error).__name__}", hint=hint)
        return unknown(path, problem)


def unknown(path: str, problem: SafeSerialError, *, size: int = 0) -> Report:
    """Return the report of a file that could not be inspected."""
    return Report(path=path, size=size, kind="unknown", verdict="cannot tell", problem=problem)


class Crew:
    """Workers, idle and busy.

    Parameters
    ----------
    count : int
        How many at most.
    policy : Policy
        Decides the verdicts.
    """

    def __init__(self, count: int, policy: Policy) -> None:
        self._policy = policy
        self._count = count
        self._memory = max(_LEAST_MEMORY, _machine_memory() // (2 * count))
        self._workers: list[_Worker] = []
        self._deaths_at_birth = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._workers:
            one.stop()
        for one in self._workers:
            one.bury()

    def free(self) -> bool:
        """Say whether a file can be handed out."""
        return len(self._workers) < self._count or any(one.path is None for one in self._workers)

    @property
    def barren(self) -> bool:
        """Whether this machine starts no workers at all."""
        return self._deaths_at_birth > self._count

    def give(self, path: str) -> None:
        """Hand a file to an idle worker, or to a new one."""
        for one in [one for one in self._workers if one.path is None]:
            if one.give(path):
                return
            self._workers.remove(one)  # it died while idle: of no file
            one.bury()
        fresh = _Worker(self._policy, self._memory)
        self._workers.append(fresh)
        fresh.give(path)

    def gather(self) -> Iterator[tuple[str, Report | None]]:
        """Wait for some news; yield files with their reports, None for one to be given again."""
        busy: dict[Any, _Worker] = {one.pipe: one for one in self._workers if one.path is not None}
        for pipe in wait(list(busy)):
            one = busy[pipe]
            path = one.path or ""
            try:
                news = one.pipe.recv()
            except (EOFError, OSError):
                self._workers.remove(one)
                born, reason = one.born, one.bury()
                if not born:
                    self._deaths_at_birth += 1
                yield path, (_died(path, reason) if born else None)
                continue
            if news is None:
                one.born = True
            else:
                one.path = None
                yield path, news


class _Worker:
    def __init__(self, policy: Policy, memory: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.path: str | None = None
        self.born = False
        self._process = context.Process(
            target=_serve, args=(theirs, policy, memory), name="safeserial-inspect", daemon=True
        )
        with interrupts_held():
            self._process.start()
        theirs.close()

    def give(self, path: str) -> bool:
        try:
            self.pipe.send(path)
        except OSError:
            if self.born:
                return False
        self.path = path  # a worker that died at birth is met in gather()
        return True

    def stop(self) -> None:
        self._process.terminate()

    def bury(self) -> str:
        self._process.join(_PATIENCE)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        self.pipe.close()
        code = self._process.exitcode or 0
        if code < 0:
            with contextlib.suppress(ValueError):
                return signal.Signals(-code).name
        return f"exit code {code}"


def _died(path: str, reason: str) -> Report:
    hint = "treat the file as hostile: a file that ends the program that looks at it is no accident"
    message = f"the process that inspected {display(path)} died ({reason})"
    return unknown(path, UnreadableFileError(message, hint=hint))


def _serve(pipe: Connection, policy: Policy, memory: int) -> None:
    """Inspect file after file; the life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process decides when to stop
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _bound(memory)
    with contextlib.suppress(EOFError, OSError):
        pipe.send(None)
        while True:
            pipe.send(_sendable(examine(pipe.recv(), None, policy)))


def _sendable(report: Report) -> Report:
    """Return the report with plain dictionaries, which pass through a pipe."""
    return replace(
        report,
        versions=dict(report.versions),
        details=dict(report.details),
        members=tuple(map(_sendable, report.members)),
    )


def _bound(memory: int) -> None:
    """Limit the private memory of this process, where the system can."""
    if sys.platform != "linux":  # elsewhere RLIMIT_DATA does not count what is mapped
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _machine_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 4 * _LEAST_MEMORY


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Let ^C wait: a child is born whole, and a report is written whole."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    old: Iterable[int] = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
