# SPDX-License-Identifier: BSD-3-Clause
"""Requests that arrive together run together, and each gets its own answer or error."""

from __future__ import annotations

import asyncio
import collections

import numpy as np
import pytest

from safeserial.serving.batching import Batcher, BusyError
from safeserial.serving.runners import PythonRunner
from safeserial.serving.settings import Settings
from tests.serving.conftest import FOREST, MIXED, X


def asked(model, requests, *, rounds=1, **settings):
    """Ask a model in several rounds, all of a round at once; return what came and the runs."""
    runs = []
    batcher = Batcher(
        PythonRunner(model), Settings(**settings), lambda rows, count: runs.append((rows, count))
    )

    async def ask(inputs):
        return await batcher.ask(inputs, ("predict",), 100)

    async def all_rounds():
        found = []
        for _ in range(rounds):
            found = await asyncio.gather(*map(ask, requests), return_exceptions=True)
        return found

    return asyncio.run(all_rounds()), runs


def row(at):
    return {"X": X[at : at + 1]}


def test_what_arrives_together_runs_together():
    found, runs = asked(FOREST, [row(at) for at in range(20)], rounds=3)
    assert [one["predict"].tolist() for one in found] == [[y] for y in FOREST.predict(X[:20])]
    assert (20, 20) in runs
    assert sum(count for _, count in runs) == 60


@pytest.mark.parametrize("threads", [1, 2])
def test_a_bad_request_spoils_no_other(threads):
    bad = {"X": np.full((1, 6), np.inf)}
    requests = [row(0), bad, row(2), row(3), bad]
    found, _ = asked(FOREST, requests, rounds=3, threads=threads)
    kinds = ["answer" if isinstance(one, dict) else type(one).__name__ for one in found]
    assert kinds == ["answer", "ValueError", "answer", "answer", "ValueError"]
    assert found[3]["predict"].tolist() == FOREST.predict(X[3:4]).tolist()


def test_what_differs_in_kind_is_not_joined():
    mixed = [row(0), {"X": X[1:2].astype("f4")}, row(2), {"X": X[3:4].astype("f4")}]
    found, runs = asked(FOREST, mixed, threads=4)
    assert [one["predict"][0] for one in found] == FOREST.predict(X[:4]).tolist()
    assert collections.Counter(runs) == {(2, 2): 2}


def test_a_batch_has_its_bound():
    found, runs = asked(FOREST, [row(at) for at in range(10)], batch_rows=4, threads=1)
    assert len(found) == 10
    assert sorted(runs) == [(2, 2), (4, 4), (4, 4)]


def test_a_full_queue_turns_away():
    found, _ = asked(FOREST, [row(at) for at in range(10)], queue=4)
    kinds = collections.Counter(type(one) for one in found)
    assert kinds == {dict: 4, BusyError: 6}


def test_one_after_the_other_and_then_together():
    """Lone requests run at once; that there are others is noticed again."""
    runs = []
    batcher = Batcher(PythonRunner(MIXED[-1]), Settings(), lambda *one: runs.append(one))
    inputs = {"X": np.zeros((1, MIXED[-1].n_features_in_))}

    async def ask():
        return await batcher.ask(inputs, ("predict",), 10)

    async def all_of_it():
        for _ in range(80):
            await ask()
        for _ in range(40):
            await asyncio.gather(*(ask() for _ in range(6)))

    asyncio.run(all_of_it())
    assert runs[:80] == [(1, 1)] * 80
    assert (6, 6) in runs or (5, 5) in runs
