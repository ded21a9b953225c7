# SPDX-License-Identifier: BSD-3-Clause
"""Joining small requests: those that wait for a model while it runs are run together.

Floor 7.  Nothing waits in order to be joined: what has arrived when the model is idle is run.
Brief runs are done in the event loop itself, others in threads.  Each request keeps its own error,
and its own time limit.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from safeserial.serving.runners import Runner
from safeserial.serving.settings import Settings
from safeserial.serving.tensors import Array

Answers = dict[str, Array]
Found = list[Answers | Exception]
Observe = Callable[[int, int], None]
# A run that takes less than this is not worth a thread: handing over costs as much, and a model
# that holds Python's lock would run no sooner there.
_BRIEF_SECONDS: Final = 0.002
_BRIEF_ROWS: Final = 128
_BRIEF_BYTES: Final = 64 * 2**10
_FORGET: Final = 0.9
_PROBE: Final = 16


class BusyError(Exception):
    """Too many requests wait for this model."""


@dataclass(eq=False)
class _Waiting:
    inputs: Mapping[str, Array]
    wanted: tuple[str, ...]
    rows: int | None
    size: int
    answer: asyncio.Future[Answers]

    @property
    def kind(self) -> Any:
        """What has to be equal for two requests to be joined."""
        shapes = [(name, one.dtype, one.shape[1:]) for name, one in sorted(self.inputs.items())]
        return self.wanted, tuple(shapes)


class Batcher:
    """The queue of one model.

    Parameters
    ----------
    runner : Runner
        The model.
    settings : Settings
        Length of the queue, rows of a batch, threads.
    observe : callable
        Told rows and requests of each run.
    """

    def __init__(self, runner: Runner, settings: Settings, observe: Observe) -> None:
        self._runner = runner
        self._settings = settings
        self._observe = observe
        self._queue: list[_Waiting] = []
        self._running = 0
        self._awake = False
        self._cost: float | None = None  # processor time of late small runs, rather too high
        self._lone = 0  # runs of one request since requests were last joined
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="model")

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    async def ask(self, inputs: Mapping[str, Array], wanted: tuple[str, ...], size: int) -> Answers:
        """Return the outputs for a request.

        Parameters
        ----------
        inputs : mapping of str to array
            Tensors by name.
        wanted : tuple of str
            Names of outputs; empty for all.
        size : int
            Bytes of the request.

        Raises
        ------
        BusyError
            If the queue is full.
        BadRequestError
            If the model does not take these inputs.
        """
        rows = self._runner.check(inputs, wanted)
        if len(self._queue) >= self._settings.queue:
            raise BusyError
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        one = _Waiting(inputs, wanted, rows, size, self._loop.create_future())
        if self._is_lonely() and self._is_brief([one]):
            return self._now(one)
        self._queue.append(one)
        self._wake()
        return await one.answer

    def _is_lonely(self) -> bool:
        """Whether requests come one after the other, so that there is nobody to be joined with.

        Every so often one is queued all the same, to see whether that has changed.
        """
        often = self._lone >= _PROBE and self._lone % _PROBE != 0
        return often and not self._queue and self._running == 0

    def _now(self, one: _Waiting) -> Answers:
        self._lone += 1
        (found,) = self._attempt([one])
        if isinstance(found, Exception):
            raise found
        return found

    def _wake(self) -> None:
        """Look into the queue after all that has arrived by now has been read."""
        if not self._awake and self._queue:
            self._awake = True
            cast("asyncio.AbstractEventLoop", self._loop).call_soon(self._start)

    def _start(self) -> None:
        self._awake = False
        while self._queue and self._running < self._settings.threads:
            batch = self._take()
            if not batch:
                continue
            self._lone = self._lone + 1 if len(batch) == 1 else 0
            if self._is_brief(batch):
                self._settle(batch, self._attempt(batch))
                self._wake()  # others have their turn first
                return
            self._running += 1
            loop = cast("asyncio.AbstractEventLoop", self._loop)
            done = loop.run_in_executor(self._pool, self._attempt, batch)
            done.add_done_callback(functools.partial(self._end, batch))

    def _take(self) -> list[_Waiting]:
        """Return the first request and those behind it that can be run with it."""
        queue = [one for one in self._queue if not one.answer.done()]  # who gave up, has left
        self._queue = queue[1:]
        if len(queue) < 2 or queue[0].rows is None:  # noqa: PLR2004 - alone
            return queue[:1]
        first, left = queue[0], []
        batch, rows, kind = [first], first.rows or 0, first.kind
        for one in queue[1:]:
            more = one.rows
            fits = more is not None and rows + more <= self._settings.batch_rows
            if fits and one.kind == kind:
                batch.append(one)
                rows += more or 0
            else:
                left.append(one)
        self._queue = left
        return batch

    def _is_brief(self, batch: list[_Waiting]) -> bool:
        cost = self._cost
        return cost is not None and cost <= _BRIEF_SECONDS and _is_small(batch)

    def _end(self, batch: list[_Waiting], done: asyncio.Future[Found]) -> None:
        self._running -= 1
        self._settle(batch, done.result())
        self._wake()

    def _settle(self, batch: list[_Waiting], found: Found) -> None:
        for one, answer in zip(batch, found, strict=True):
            if one.answer.done():
                continue
            if isinstance(answer, Exception):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)

    def _attempt(self, batch: list[_Waiting]) -> Found:
        """Run a batch; if that fails, one by one: a bad request must not spoil the others."""
        begun = time.thread_time()
        try:
            found = self._run(batch)
        except Exception as error:  # noqa: BLE001 - told to those who asked
            found = [error] if len(batch) == 1 else list(map(self._alone, batch))
        if _is_small(batch):
            spent = time.thread_time() - begun
            self._cost = max(spent, _FORGET * (spent if self._cost is None else self._cost))
        return found

    def _alone(self, one: _Waiting) -> Answers | Exception:
        try:
            return self._runner.run(one.inputs, one.wanted)
        except Exception as error:  # noqa: BLE001 - told to who asked
            return error

    def _run(self, batch: list[_Waiting]) -> Found:
        first = batch[0]
        self._observe(sum(one.rows or 0 for one in batch), len(batch))
        if len(batch) == 1:
            return [self._runner.run(first.inputs, first.wanted)]
        joined = {
            name: np.concatenate([one.inputs[name] for one in batch]) for name in first.inputs
        }
        outputs = self._runner.run(joined, first.wanted)
        ends = list(itertools.accumulate(one.rows or 0 for one in batch))
        if any(len(one) != ends[-1] for one in outputs.values()):
            raise ValueError("the outputs do not have a row for each row of the inputs")
        return [
            {name: array[end - (one.rows or 0) : end] for name, array in outputs.items()}
            for end, one in zip(ends, batch, strict=True)
        ]


def _is_small(batch: list[_Waiting]) -> bool:
    if len(batch) == 1:
        return (batch[0].rows or 1) <= _BRIEF_ROWS and batch[0].size <= _BRIEF_BYTES
    rows, size = sum(one.rows or 1 for one in batch), sum(one.size for one in batch)
    return rows <= _BRIEF_ROWS and size <= _BRIEF_BYTES
