# SPDX-License-Identifier: BSD-3-Clause
"""Bytes that are hashed while they move: the same digest, whatever the size, and no lost error."""

from __future__ import annotations

import hashlib
import io
import os
import random
import threading
import zlib

import pytest

from safeserial import transfer
from safeserial.errors import CorruptArtifactError
from safeserial.files import BytesSource
from safeserial.transfer import (
    PIECE,
    Checksums,
    HashingThread,
    digest_only,
    private_memory,
    receive,
    send,
)

SIZES = [0, 1, 1000, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 17]
DATA = random.Random(1).randbytes(3 * PIECE + 17)


@pytest.mark.parametrize("size", SIZES)
def test_receiving_and_digesting_agree_with_hashlib(size):
    data = DATA[:size]
    expected = hashlib.sha256(data).hexdigest()
    told: list[int] = []
    room = private_memory(size)
    assert receive(BytesSource(data), room, "sha256", told.append) == expected
    assert room == data
    assert digest_only(BytesSource(data), size, "sha256", told.append) == expected
    assert sum(told) == 2 * size


@pytest.mark.parametrize("size", SIZES)
def test_sending_agrees_with_hashlib(size):
    data = memoryview(DATA)[:size]
    sums, out = Checksums("sha256"), io.BytesIO()
    send([data[: size // 3], data[size // 3 :], memoryview(b"")], out, sums, lambda count: None)
    assert out.getvalue() == data
    assert sums.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert (sums.size, sums.crc32) == (size, zlib.crc32(data))


def test_a_stream_may_take_fewer_bytes_at_a_time():
    class Slow(io.BytesIO):
        def write(self, data):
            return super().write(data[:7])

    out = Slow()
    transfer.write_all(out, DATA[:1000])
    assert out.getvalue() == DATA[:1000]


def test_a_short_source_is_refused_and_leaves_no_thread():
    before = threading.active_count()
    for action in (
        lambda: receive(BytesSource(DATA), private_memory(len(DATA) + 1), "blake3", lambda n: None),
        lambda: digest_only(BytesSource(DATA), len(DATA) + 1, "blake3", lambda n: None),
    ):
        with pytest.raises(CorruptArtifactError):
            action()
    assert threading.active_count() == before


def test_an_error_of_the_caller_or_the_hash_comes_out():
    def fail(piece):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), HashingThread([fail]) as thread:
        for _ in range(20):  # more than are queued: nobody waits for ever
            thread.put(memoryview(b"x"))
    with pytest.raises(KeyError), HashingThread([fail]) as thread:
        thread.put(memoryview(b"x"))
        raise KeyError
    with pytest.raises(OSError), HashingThread([len]):
        raise OSError


def test_a_progress_function_that_stops_the_work():
    def stop(count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        digest_only(BytesSource(DATA), len(DATA), "sha256", stop)


@pytest.mark.parametrize("size", [10, 8 * 2**20])
def test_memory_is_zeroed_and_writable(size):
    memory = private_memory(size)
    assert len(memory) == size
    assert not memory.readonly
    assert not any(memory[:: max(1, size // 100)])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_memory_is_private_even_to_a_child():
    memory = private_memory(8 * 2**20)
    child = os.fork()
    if child == 0:
        memory[0] = 1
        os._exit(0)
    os.waitpid(child, 0)
    assert memory[0] == 0


def test_too_much_memory_is_a_memory_error():
    for size in (2**62, 2**63, 2**70):
        with pytest.raises(MemoryError):
            private_memory(size)
