# SPDX-License-Identifier: BSD-3-Clause
"""Process pools work inside of a guard: what their processes say to each other is not verified."""

import io
import multiprocessing
import pickle
from argparse import Namespace
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import joblib
import numpy as np
import pytest

import safeserial as ss
from safeserial import errors

UNLISTED = pickle.dumps(Namespace(a=1))


def work(given):
    """Take and return objects of a class that no policy lists."""
    return Namespace(found=given.number + 1, objects=np.array([given, None], dtype=object))


def large(array):
    return array * 2


def unpickle(data):
    try:
        pickle.load(io.BytesIO(data))
    except errors.UntrustedTypesError:
        return "refused"
    return "loaded"


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_process_pool_executor(method):
    context = multiprocessing.get_context(method)
    with ss.guard(audit=(seen := []).append):
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            found = list(pool.map(work, [Namespace(number=1), Namespace(number=2)]))
        assert unpickle(UNLISTED) == "refused"
    assert [one.found for one in found] == [2, 3]
    assert [one.verdict for one in seen] == ["refused"]


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_joblib_parallel(backend):
    with ss.guard(audit=(seen := []).append):
        parallel = joblib.Parallel(2, backend=backend)
        found = parallel(joblib.delayed(work)(Namespace(number=n)) for n in range(3))
        # Large ones are handed over as files that are mapped.
        arrays = joblib.Parallel(2, backend=backend, max_nbytes=1000)(
            joblib.delayed(large)(np.arange(10_000.0)) for _ in range(2)
        )
        assert unpickle(UNLISTED) == "refused"
    assert [one.found for one in found] == [1, 2, 3]
    np.testing.assert_array_equal(arrays[1], np.arange(10_000.0) * 2)
    assert [one.verdict for one in seen] == ["refused"]


def test_queues_and_pipes():
    here, there = multiprocessing.Pipe()
    with ss.guard():
        here.send(Namespace(a=1))
        assert there.recv() == Namespace(a=1)
    here.close()
    there.close()


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_a_forked_child_is_guarded_too():
    context = multiprocessing.get_context("fork")
    with ss.guard(), ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(unpickle, UNLISTED).result() == "refused"


def test_threads_of_a_pool_are_guarded():
    with ss.guard(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(unpickle, UNLISTED).result() == "refused"


def test_joblib_memory_recomputes_what_is_refused(tmp_path):
    memory = joblib.Memory(tmp_path, verbose=0)
    calls = []

    def compute(n):
        calls.append(n)
        return Namespace(n=n)

    cached = memory.cache(compute, ignore=[])
    assert cached(1) == cached(1) == Namespace(n=1)
    assert calls == [1]
    with ss.guard(audit=(seen := []).append):
        assert cached(1) == Namespace(n=1)
    assert calls == [1, 1]
    assert [one.function for one in seen] == ["joblib.load"]
