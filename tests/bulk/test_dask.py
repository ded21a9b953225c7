# SPDX-License-Identifier: BSD-3-Clause
"""Bulk runs on a real Dask cluster: a scheduler and two workers, processes that speak over TCP."""

import os

import pytest

import safeserial as ss
from safeserial import bulk
from tests.bulk import lethal


@pytest.fixture
def hundred(clean, ring):
    folder = clean / "hundred"
    folder.mkdir()
    for number in range(100):
        ss.dump({"weights": [number]}, folder / f"{number:03}.safeserial", keyring=ring)
    bad = folder / "042.safeserial"
    bad.write_bytes(bad.read_bytes().replace(b"weights", b"height!"))
    return folder


def test_both_workers_verify_what_one_process_would(cluster, hundred):
    ring = bulk.RingReference.at("team.keys")
    items = bulk.gather([hundred])
    where = bulk.Where.chosen(None, cluster, None)
    assert where.backend == "dask"
    rows = list(bulk.run(bulk.Verify(), items, keyring=ring, where=where))
    alone = list(bulk.run(bulk.Verify(), items, keyring=ring, where=bulk.Where(jobs=1)))
    outcome = lambda rows: sorted((row.path, row.status, row.artifact_id or "") for row in rows)
    assert outcome(rows) == outcome(alone)
    assert len(rows) == 100
    assert [row.path for row in rows if row.status == "refused"] == [
        str(hundred / "042.safeserial")
    ]
    assert f":{os.getpid()}" not in {row.worker for row in rows}
    assert len({row.worker for row in rows}) == 2


def test_the_command_line_names_a_scheduler(cluster, hundred, run, clean):
    common = ("--keyring", "team.keys", "--scheduler", cluster, "-o", "rows.jsonl")
    code, _, err = run("bulk", "verify", "hundred", *common)
    assert (code, "99 ok, 1 refused" in err) == (1, True)
    code, _, err = run("bulk", "verify", "hundred", *common, "--resume")
    assert (code, "nothing to do" in err) == (1, True)


def test_a_worker_without_the_keyring_says_so(cluster, hundred, monkeypatch):
    from safeserial.bulk import running
    from safeserial.errors import SafeSerialError

    here = bulk.RingReference.at("team.keys")
    elsewhere = bulk.RingReference.at("/nowhere/team.keys")
    # As on another machine: the ring is here, and not where the worker is.
    monkeypatch.setattr(bulk.RingReference, "open", lambda self: ss.Keyring.load(here.place))
    with pytest.raises(SafeSerialError) as caught:
        list(
            running.run(
                bulk.Verify(),
                bulk.gather([hundred]),
                keyring=elsewhere,
                where=bulk.Where("dask", cluster),
            )
        )
    assert "cannot open the keyring" in str(caught.value)


@pytest.mark.slow  # Dask gives a worker's task to three more workers before it gives up
def test_a_file_that_kills_workers_is_one_row(cluster, clean):
    for number in range(12):
        (clean / (f"{number}-lethal" if number == 5 else f"{number}")).write_bytes(b"x")
    action = lethal.Lethal("lethal", os.getpid())
    rows = list(bulk.run(action, bulk.gather(["."]), where=bulk.Where("dask", cluster)))
    assert len(rows) == 12
    assert [row.path for row in rows if row.error == "WorkerDied"] == ["./5-lethal"]


def test_public_halves_are_sent_where_no_keyring_is(cluster, clean, run):
    ring = ss.Keyring([ss.Ed25519Key.generate()])
    ring.save("team.keys")
    (clean / "signed").mkdir()
    for number in range(6):
        ss.dump({"weights": [number]}, clean / "signed" / f"{number}.safeserial", keyring=ring)
    reference = bulk.RingReference.public(ring)
    assert ring.active.key.to_text() not in reference.place
    (clean / "team.keys").rename(clean / "gone.keys")
    where = bulk.Where("dask", cluster)
    rows = list(bulk.run(bulk.Verify(), bulk.gather(["signed"]), keyring=reference, where=where))
    assert [row.status for row in rows] == ["ok"] * 6
    common = ("--scheduler", cluster, "--public-keys")
    assert run("bulk", "verify", "signed", "--keyring", "gone.keys", *common)[0] == 0


def test_the_secret_of_an_hmac_key_is_never_sent(cluster, hundred, run):
    common = ("--keyring", "team.keys", "--scheduler", cluster, "--public-keys")
    code, _, err = run("bulk", "verify", "hundred", *common)
    assert (code, "secrets are not sent" in err) == (2, True)
