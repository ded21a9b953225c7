# SPDX-License-Identifier: BSD-3-Clause
"""Many writers at once, writers that are killed, disks that are full, servers that go away."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import safeserial as ss
from safeserial import errors
from tests.world import CALM, MODEL, RING

NOW = datetime.timedelta(0)
ROOT = Path(__file__).parents[2]


def run(*arguments: object):
    command = [sys.executable, "-m", "tests.store.writers", *map(str, arguments)]
    ran = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=1800, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def race(url: str, state: Path, workers: int, count: int, opening) -> None:
    opening().close()
    found = run("race", url, state, workers, count)
    assert found["codes"] == [0] * workers
    told = [word for one in found["told"] for word in one]
    total = workers * count
    assert sorted(version for *_, version in told) == list(range(1, total + 1))
    store = opening()
    listed, after = [], None
    while page := store.list("shared", limit=500, after=after):
        listed += page
        after = page[-1].version
    assert [one.version for one in listed] == list(range(total, 0, -1))
    for worker, number, version in told[:: max(1, total // 20)]:
        assert store.load(f"shared:{version}") == {"worker": worker, "number": number}
    for worker in range(workers):  # each saw its own numbers rise
        own = [version for who, _, version in told if who == worker]
        assert own == sorted(own)
    moves = store.history("shared", "production")
    assert len(moves) == workers * -(-count // 3)
    lines = store.audit_verify()
    assert lines.ok
    assert lines.lines == total + len(moves)
    report = store.verify_all()
    assert report.ok
    assert report.artifacts == total


def test_writers_at_once_lose_nothing(url, seen, opening):
    race(url, seen, 4, 7, opening)


@pytest.mark.slow
def test_eight_processes_of_a_hundred(url, seen, opening):
    race(url, seen, 8, 100, opening)


def test_writers_with_a_memory_of_their_own(url, opening, tmp_path):
    race(url, tmp_path / "seen*.db", 3, 4, opening)


def test_threads_of_one_store(store):
    failed = []

    def work(number):
        try:
            for step in range(4):
                store.publish("m", {"n": number, "s": step})
                store.load("m")
        except Exception as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failed == []
    assert [one.version for one in store.list("m")] == list(range(16, 0, -1))


def kill_at_random(url, seen, opening, kills: int, *blobs: str) -> None:
    options = {"blobs": blobs[0], "large": 1 << 20} if blobs else {}
    opening(**options).close()
    told = run("kill", url, seen, kills, *blobs)
    assert told == sorted(told)
    store = opening(**options)
    versions = store.list("large", limit=1000) if "large" in set(store.names()) else ()
    assert [one.version for one in versions] == list(range(len(versions), 0, -1))
    assert (
        len(told) <= len(versions) <= len(told) + kills
    )  # killed after the commit, before it was told
    report = store.verify_all()
    assert report.ok, report
    if versions:
        assert store.entry("large@production").version == len(versions)
    store.gc(grace=NOW)
    assert store.gc(grace=NOW, dry_run=True).chunks == 0
    assert store.verify_all().ok
    assert store.publish("large", MODEL).version == len(versions) + 1


def test_killed_writers_leave_nothing_half_done(url, seen, opening):
    kill_at_random(url, seen, opening, 12)


def test_killed_writers_and_a_folder_of_payloads(url, seen, opening, tmp_path):
    if url.startswith("postgresql"):
        pytest.skip("the folder is the same on both")
    kill_at_random(url, seen, opening, 8, f"file://{tmp_path / 'blobs'}")
    named = [one for one in (tmp_path / "blobs").rglob("*") if one.is_file()]
    store = opening(blobs=f"file://{tmp_path / 'blobs'}", large=1 << 20)
    for one in store.list("large"):
        store.delete(one.spec) if not one.aliases else None
    store.gc(grace=NOW)
    left = [one for one in (tmp_path / "blobs").rglob("*") if one.is_file()]
    assert len(left) <= 1 <= len(named) + 1


@pytest.mark.slow
def test_three_hundred_kills(url, seen, opening):
    kill_at_random(url, seen, opening, 300)


def test_broken_off_publishing_is_reclaimed(store, sql):
    class StopError(Exception):
        pass

    def stop(done, total):
        if done > total // 2:
            raise StopError

    data = {"data": np.random.default_rng(0).random(3_000_000)}
    with pytest.raises(StopError):
        store.publish("m", data, progress=stop)
    assert list(store.names()) == []
    assert sql("SELECT count(*) FROM ss_chunks")[0][0] >= 8
    assert store.gc().chunks == 0
    assert store.gc(grace=NOW).size >= 8 * 2**20
    assert sql("SELECT count(*) FROM ss_chunks")[0][0] == 0
    store.publish("m", data)
    assert store.verify_all().ok


DISK = """
import json, resource, signal, sys
import numpy as np
import safeserial as ss
from safeserial import errors
from tests.world import CALM, RING
url, state = sys.argv[1:]
store = ss.Store(url, keyring=RING, policy=CALM, state=state)
store.publish("m", {"v": 1}, alias="production")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, resource.RLIM_INFINITY))
try:
    store.publish("m", {"data": np.random.default_rng(0).random(4_000_000)}, alias="production")
except errors.StoreError as error:
    print(json.dumps([type(error).__name__, error.hint]))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
assert store.load("m@production") == {"v": 1}
assert store.verify_all().ok
print(store.publish("m", {"data": np.random.default_rng(0).random(4_000_000)}).version)
assert store.verify_all().ok
"""


def test_a_full_disk(tmp_path, seen):
    url = f"sqlite:///{tmp_path / 'models.db'}"
    ran = subprocess.run(
        [sys.executable, "-c", DISK, url, str(seen)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    told, version = ran.stdout.splitlines()
    assert json.loads(told)[0] == "StoreError"
    assert "disk" in json.loads(told)[1]
    assert version == "2"


class Interrupt:
    """Does something once when so many bytes have been stored."""

    def __init__(self, action) -> None:
        self.action, self.done = action, False

    def __call__(self, done: int, total: int) -> None:
        if not self.done and done > total // 2:
            self.done = True
            self.action()


def test_connections_lost_while_publishing(postgres, tmp_path):
    url = postgres.database()
    store = ss.Store(url, keyring=RING, policy=CALM, state=tmp_path / "seen.db")
    store.publish("m", MODEL, alias="production")
    data = {"data": np.random.default_rng(0).random(4_000_000)}

    def cut():
        import psycopg

        with psycopg.connect(postgres.server.get_uri(), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'safeserial'"
            )

    store.publish("m", data, progress=Interrupt(cut))  # between transactions: reconnected
    assert store.verify_all().ok
    assert store.entry("m").version == 2
    store.close()


def test_a_server_that_goes_away_while_publishing(postgres, tmp_path):
    url = postgres.database()
    store = ss.Store(url, keyring=RING, policy=CALM, state=tmp_path / "seen.db")
    store.publish("m", MODEL, alias="production")
    data = {"data": np.random.default_rng(0).random(4_000_000)}
    try:
        with pytest.raises(errors.StoreError) as caught:
            store.publish("m", data, alias="production", progress=Interrupt(postgres.crash))
        assert "again" in caught.value.hint
        with pytest.raises(errors.StoreError):
            store.load("m")
    finally:
        postgres.start()
    assert store.load("m@production") == MODEL
    assert store.verify_all().ok
    assert store.publish("m", data, alias="production").version == 2
    np.testing.assert_array_equal(store.load("m@production")["data"], data["data"])
    store.close()


def test_a_busy_database_is_waited_for(tmp_path, seen):
    import sqlite3

    url = f"sqlite:///{tmp_path / 'models.db'}"
    with ss.Store(url, keyring=RING, policy=CALM, state=seen) as store:
        store.publish("m", MODEL)
        other = sqlite3.connect(
            tmp_path / "models.db", isolation_level=None, check_same_thread=False
        )
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.5, lambda: other.execute("COMMIT"))
        timer.start()
        assert store.publish("m", MODEL).version == 2
        timer.join()
        other.close()


def test_memory_that_cannot_be_kept(tmp_path):
    (tmp_path / "seen.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(errors.StoreError, match=r"seen\.db"):
        ss.Store(f"sqlite:///{tmp_path / 'm.db'}", keyring=RING, state=tmp_path / "seen.db")


def test_readers_meet_no_false_alarm_while_others_write(store, opening):
    """Many readers and writers of one memory: none takes the newest state for an old one."""
    store.publish("m", {"n": 0}, alias="production")
    failed = []
    done = threading.Event()

    def read():
        reader = opening()
        try:
            while not done.is_set():
                reader.entry("m@production")
                reader.entry("m")
        except Exception as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for one in readers:
        one.start()
    for number in range(12):
        store.publish("m", {"n": number}, alias="production")
    done.set()
    for one in readers:
        one.join()
    assert failed == []
