# SPDX-License-Identifier: BSD-3-Clause
"""Hand work to joblib's backends: loky on this machine, Dask or Ray by the address of a scheduler.

Floor 7.  The pools are joblib's.  What is added is what a long run needs of them: the death of a
worker costs the file that caused it and no other, and ^C ends the run at once.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from safeserial.bulk.items import Item
from safeserial.bulk.work import Answer, Task, died, work
from safeserial.errors import SafeSerialError

Backend = Literal["loky", "dask", "ray"]
BACKENDS: Final = ("loky", "dask", "ray")
# What the backends raise when a process is gone; named, since none of them need be installed.
_DEATHS: Final = frozenset(
    {"BrokenProcessPool", "KilledWorker", "WorkerCrashedError", "RayActorError"}
)
_HANDFUL_BYTES: Final = 64 * 2**20
_AHEAD: Final = 4  # handfuls a worker, where results cannot be had one by one
_AFTER_A_DEATH: Final = 4
_PATIENCE: Final = 15


Answered = tuple[tuple[Item, ...], Answer]


@dataclass(frozen=True)
class Where:
    """Where the work is done.

    Parameters
    ----------
    backend : {"loky", "dask", "ray"}, default="loky"
        Processes on this machine, or a cluster.
    scheduler : str, optional
        Address of the cluster: ``tcp://host:8786`` or ``tls://...`` of Dask, ``ray://host:10001``
        or ``auto`` of Ray.
    jobs : int, optional
        Workers on this machine; 1 works in this very process.  Default: one a processor.
    """

    backend: Backend = "loky"
    scheduler: str | None = None
    jobs: int | None = None

    @property
    def remote(self) -> bool:
        """Whether what workers get may leave this machine."""
        return self.backend != "loky"

    @classmethod
    def chosen(cls, backend: str | None, scheduler: str | None, jobs: int | None) -> Where:
        """Return what a caller means.

        Raises
        ------
        SafeSerialError
            If the backend is unknown, or has no scheduler.
        """
        scheduler = scheduler or None
        if backend is None:
            is_ray = scheduler is not None and scheduler.startswith(("ray:", "auto"))
            backend = "loky" if scheduler is None else "ray" if is_ray else "dask"
        if backend == "dask":
            scheduler = scheduler or os.environ.get("DASK_SCHEDULER_ADDRESS")
            hint = "start one with `dask scheduler`, and name it: --scheduler tcp://HOST:8786"
        else:
            scheduler = scheduler or (os.environ.get("RAY_ADDRESS") if backend == "ray" else None)
            hint = "start one with `ray start --head`, and name it: --scheduler auto"
        if backend == "loky":
            if scheduler is not None:
                raise SafeSerialError("loky has no scheduler", hint="--backend dask or ray has")
            return cls("loky", None, jobs)
        if backend not in {"dask", "ray"}:
            known = ", ".join(BACKENDS)
            raise SafeSerialError(f"no backend {backend[:40]!r}", hint=f"there are {known}")
        if scheduler is None:
            raise SafeSerialError(f"{backend} needs the address of a scheduler", hint=hint)
        return cls("dask" if backend == "dask" else "ray", scheduler, jobs)


def each(task: Task, items: Sequence[Item], where: Where) -> Generator[Answered, None, None]:
    """Work on items somewhere.

    Parameters
    ----------
    task : Task
        What is done.
    items : sequence of Item
        In any order.
    where : Where
        By whom.

    Yields
    ------
    (tuple of Item, Answer)
        What was handed out and what came of it, in the order in which it is finished.

    Raises
    ------
    MissingExtraError
        If the backend is not installed.
    SafeSerialError
        If the scheduler cannot be reached, or a worker can do nothing at all.
    """
    with _engine(where) as engine:
        if where.backend == "loky" and engine.jobs > 1:
            task = replace(task, shares=engine.jobs)
        left = list(items)
        most = max(1, min(task.action.most, len(left) // (engine.jobs * _AHEAD)))
        while left:
            run = _Run(task, left, most)
            try:
                yield from run.answers(engine)
            except Exception as error:
                if not _is_death(error):
                    raise _failed(where, error) from error
            else:
                return
            yield from run.singly(engine)
            left = run.untouched
            most = min(most, _AFTER_A_DEATH)


class _Run:
    """Items on their way; it is known at any time which of them a dead worker may have had."""

    def __init__(self, task: Task, items: Sequence[Item], most: int) -> None:
        self._task = task
        self._most = most
        self._waiting = iter(items)
        self._handed: dict[int, tuple[Item, ...]] = {}
        self._numbers = itertools.count()

    @property
    def untouched(self) -> list[Item]:
        return list(self._waiting)

    def answers(self, engine: _Engine) -> Iterator[Answered]:
        """Hand everything out, a handful at a time."""
        with contextlib.closing(engine.answers(self._calls())) as answers:
            for answer in answers:
                yield self._handed.pop(answer.number), answer

    def singly(self, engine: _Engine) -> Iterator[Answered]:
        """Work on what was handed out and not answered, one by one, and tell which kills."""
        suspects = [item for items in self._handed.values() for item in items]
        self._handed.clear()
        for item in suspects:
            try:
                (answer,) = engine.answers([_call(self._task, -1, (item,))])
            except Exception as error:
                if not _is_death(error):
                    raise
                answer = Answer(-1, (died(self._task, item),))
            yield (item,), answer

    def _calls(self) -> Iterator[Any]:
        while handful := self._handful():
            number = next(self._numbers)
            self._handed[number] = handful
            yield _call(self._task, number, handful)

    def _handful(self) -> tuple[Item, ...]:
        chosen: list[Item] = []
        size = 0
        for item in self._waiting:
            chosen.append(item)
            size += item.size
            if len(chosen) >= self._most or size >= _HANDFUL_BYTES:
                break
        return tuple(chosen)


def _call(task: Task, number: int, items: tuple[Item, ...]) -> Any:
    import joblib

    return joblib.delayed(work)(task, number, items)


def _is_death(error: BaseException) -> bool:
    return any(one.__name__ in _DEATHS for one in type(error).__mro__)


def _failed(where: Where, error: Exception) -> SafeSerialError:
    if isinstance(error, SafeSerialError):
        return error
    first = (str(error).splitlines() or [""])[0][:300]
    name = f"the {where.backend} scheduler" if where.remote else "the pool of processes"
    return SafeSerialError(
        f"{name} failed: {type(error).__name__}: {first}",
        hint="what is done is kept: run it again with --resume",
    )


@contextlib.contextmanager
def _engine(where: Where) -> Iterator[_Engine]:
    """Open the backend."""
    import joblib

    with contextlib.ExitStack() as room:
        backend: Any = "loky"
        count = -1 if where.jobs is None else where.jobs
        if where.backend == "dask":
            from safeserial.bulk.clusters import dask_backend

            backend = room.enter_context(dask_backend(where.scheduler or "", _PATIENCE))
        elif where.backend == "ray":
            from safeserial.bulk.clusters import ray_backend

            backend = room.enter_context(ray_backend(where.scheduler or ""))
        room.enter_context(joblib.parallel_config(backend=backend, n_jobs=count))
        yield _Engine(joblib.effective_n_jobs(count), one_by_one=where.backend != "ray")


class _Engine:
    """Calls of joblib, answered in the order of their ends where the backend can tell it."""

    def __init__(self, jobs: int, *, one_by_one: bool) -> None:
        self.jobs = jobs
        self._one_by_one = one_by_one

    def answers(self, calls: Iterable[Any]) -> Generator[Answer, None, None]:
        """Hand out calls, and yield what comes of them."""
        import joblib

        if self._one_by_one:
            results = joblib.Parallel(return_as="generator_unordered", batch_size=1)(calls)
            try:
                for answer in results:  # noqa: UP028 - it must not be closed from outside
                    yield answer
            finally:
                with warnings.catch_warnings():  # joblib warns of what is cancelled, on purpose
                    warnings.simplefilter("ignore")
                    results.close()
            return
        waiting = iter(calls)
        while window := list(itertools.islice(waiting, self.jobs * _AHEAD)):
            yield from joblib.Parallel(batch_size=1)(window)
