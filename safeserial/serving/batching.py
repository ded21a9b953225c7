# SPDX-License-Identifier: BSD-3-Clause
"""Joining small requests: those that wait for a model while it runs are run together.

Floor 7.  Nothing waits in order to be joined: a request that finds the model idle runs alone, at
once.  Each keeps its own error, and its own time limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from safeserial.serving.runners import Runner
from safeserial.serving.settings import Settings
from safeserial.serving.tensors import Array

Answers = dict[str, Array]
Observe = Callable[[int, int], None]


class BusyError(Exception):
    """Too many requests wait for this model."""


@dataclass
class _Waiting:
    inputs: Mapping[str, Array]
    wanted: tuple[str, ...]
    rows: int | None
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
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    async def ask(self, inputs: Mapping[str, Array], wanted: Sequence[str]) -> Answers:
        """Return the outputs for a request.

        Raises
        ------
        BusyError
            If the queue is full.
        BadRequestError
            If the model does not take these inputs.
        TimeoutError
            If it takes too long.
        """
        rows = self._runner.check(inputs, wanted)
        if len(self._queue) >= self._settings.queue:
            raise BusyError
        answer: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(inputs, tuple(wanted), rows, answer))
        self._start()
        async with asyncio.timeout(self._settings.seconds):
            return await answer

    def _start(self) -> None:
        while self._queue and self._running < self._settings.threads:
            batch = self._take()
            if not batch:
                continue
            self._running += 1
            task = asyncio.get_running_loop().create_task(self._serve(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _take(self) -> list[_Waiting]:
        """Return the first request and those behind it that can be run with it."""
        queue = [one for one in self._queue if not one.answer.done()]  # who gave up, has left
        self._queue = queue
        if not queue:
            return []
        first = queue.pop(0)
        batch, rows = [first], first.rows
        if rows is not None:
            kind = first.kind
            for one in list(queue):
                more = one.rows or 0
                fits = one.rows is not None and rows + more <= self._settings.batch_rows
                if fits and one.kind == kind:
                    queue.remove(one)
                    batch.append(one)
                    rows += more
        return batch

    async def _serve(self, batch: list[_Waiting]) -> None:
        try:
            try:
                found = await asyncio.to_thread(self._run, batch)
            except Exception as error:  # noqa: BLE001 - told to those who asked
                found = [error] * len(batch)
                if len(batch) > 1:  # one bad request must not spoil the others
                    found = [await asyncio.to_thread(self._alone, one) for one in batch]
            for one, answer in zip(batch, found, strict=True):
                if one.answer.done():
                    continue
                if isinstance(answer, Exception):
                    one.answer.set_exception(answer)
                else:
                    one.answer.set_result(answer)
        finally:
            self._running -= 1
            self._start()

    def _alone(self, one: _Waiting) -> Answers | Exception:
        try:
            return self._runner.run(one.inputs, one.wanted)
        except Exception as error:  # noqa: BLE001 - told to who asked
            return error

    def _run(self, batch: list[_Waiting]) -> list[Answers | Exception]:
        first = batch[0]
        self._observe(sum(one.rows or 0 for one in batch), len(batch))
        if len(batch) == 1:
            return [self._runner.run(first.inputs, first.wanted)]
        joined = {
            name: np.concatenate([one.inputs[name] for one in batch]) for name in first.inputs
        }
        outputs = self._runner.run(joined, first.wanted)
        rows = [one.rows or 0 for one in batch]
        if any(len(one) != sum(rows) for one in outputs.values()):
            raise ValueError("the outputs do not have a row for each row of the inputs")
        ends = np.cumsum(rows)
        return [
            {name: one[end - count : end] for name, one in outputs.items()}
            for end, count in zip(ends.tolist(), rows, strict=True)
        ]
