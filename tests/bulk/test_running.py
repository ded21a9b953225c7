# SPDX-License-Identifier: BSD-3-Clause
"""Bulk runs on this machine: a row for each file, whatever happens to it, and going on later."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import safeserial as ss
from safeserial import bulk
from safeserial.bulk import engine
from safeserial.errors import KeyringError, SafeSerialError
from tests.bulk import lethal

HERE = bulk.Where(jobs=1)
TWO = bulk.Where(jobs=2)


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def names(folder):
    return sorted(one.name for one in Path(folder).iterdir())


def verify(run, folder, *more):
    return run("bulk", "verify", folder, "--keyring", "team.keys", "--jobs", "1", *more)


def test_each_file_has_a_row_and_a_bad_one_ends_nothing(run, models, clean):
    code, out, err = verify(run, models, "-o", "rows.jsonl")
    rows = rows_of(clean / "rows.jsonl")
    assert code == 1
    assert len(rows) == 12
    bad = [row for row in rows if row["status"] != "ok"]
    assert [(row["error"], row["status"]) for row in bad] == [("DigestMismatchError", "refused")]
    assert bad[0]["path"].endswith("05.safeserial")
    assert "05.safeserial" in out  # the bad one is told on the screen
    assert "00.safeserial" not in out
    assert "11 ok, 1 refused" in err
    assert {row["signers"][0] for row in rows if row["status"] == "ok"} == {
        ss.Keyring.load("team.keys").active.key_id
    }


def test_unsigned_models_in_a_folder_are_told_and_other_files_are_not(run, legacy, ring):
    code, out, _ = verify(run, legacy, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code in {1, 2}
    told = sorted(Path(row["path"]).name for row in rows)
    assert told == ["a.pkl", "b.joblib", "broken.pkl", "planted.pkl"]
    assert "ok" not in {row["status"] for row in rows}
    code, out, _ = verify(run, legacy / "notes.txt", "--json")  # but if it is named
    assert (code, json.loads(out)["status"]) == (2, "unknown")


def test_inspect_tells_what_each_holds_and_runs_none_of_it(run, legacy, clean):
    code, out, _ = run("bulk", "inspect", legacy, "--jobs", "1", "--json")
    rows = {Path(one["path"]).name: one for one in map(json.loads, out.splitlines())}
    assert code == 1
    assert {name: row["verdict"] for name, row in rows.items()} == {
        "a.pkl": "safe",
        "b.joblib": "safe",
        "broken.pkl": rows["broken.pkl"]["verdict"],
        "planted.pkl": "dangerous",
    }
    assert rows["broken.pkl"]["status"] != "ok"
    assert not (clean / "marker").exists()


def test_sign_vouches_only_for_what_the_policy_loads(run, legacy, ring, clean):
    code, _, _ = run(
        "bulk", "sign", legacy, "--keyring", "team.keys", "--jobs", "1", "--into", "signed"
    )
    assert code == 1
    assert names("signed") == ["a.safeserial", "b.safeserial"]
    assert ss.load("signed/a.safeserial", keyring=ring) == {"weights": [1, 2]}
    assert ss.verify("signed/b.safeserial", keyring=ring).manifest.name == "b"
    assert not (clean / "marker").exists()


def test_originals_that_differ_in_their_ending_do_not_write_over_each_other(run, clean, ring):
    (clean / "in").mkdir()
    for name in ("m.pkl", "m.joblib"):
        (clean / "in" / name).write_bytes(b"(dp0\nVfrom\np1\nV%s\np2\ns." % name.encode())
    common = ("--keyring", "team.keys", "--jobs", "1", "--into", "out")
    assert run("bulk", "sign", "in", *common)[0] == 0
    assert names("out") == ["m.joblib.safeserial", "m.pkl.safeserial"]
    assert ss.load("out/m.pkl.safeserial", keyring=ring) == {"from": "m.pkl"}


def test_convert_proves_each_and_goes_on_after_one_that_cannot_be(run, clean, ring):
    from sklearn.linear_model import LinearRegression

    (clean / "in").mkdir()
    model = LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    ss.dump(model, "in/line.safeserial", keyring=ring)
    ss.dump({"no": "model"}, "in/none.safeserial", keyring=ring)
    common = ("--keyring", "team.keys", "--jobs", "1", "-o", "rows.jsonl")
    code, _, _ = run("bulk", "convert", "in", "--to", "onnx", "--into", "out", *common)
    rows = {Path(row["path"]).name: row for row in rows_of(clean / "rows.jsonl")}
    assert code == 2
    assert rows["line.safeserial"]["difference"] < 1e-9
    assert rows["none.safeserial"]["error"] == "ConversionError"
    assert names("out") == ["line.onnx"]


def test_resume_does_what_is_left_and_what_has_changed(run, models, clean, ring):
    first = verify(run, models, "-o", "rows.jsonl")
    text = (clean / "rows.jsonl").read_bytes()
    kept = text.splitlines(keepends=True)[:5]
    (clean / "rows.jsonl").write_bytes(b"".join(kept) + b'{"path": "torn')  # a killed writer
    changed = json.loads(kept[0])["path"]
    ss.dump({"weights": ["new"]}, changed, keyring=ring, name="new")
    _, _, err = verify(run, models, "-o", "rows.jsonl", "--resume")
    assert "8 files" in err
    rows = rows_of(clean / "rows.jsonl")
    assert len(rows) == len({row["path"] for row in rows}) == 12
    assert next(row for row in rows if row["path"] == changed)["name"] == "new"
    code, _, err = verify(run, models, "-o", "rows.jsonl", "--resume")
    assert "nothing to do" in err
    assert code == first[0] == 1  # what was refused before is still refused


def test_resume_by_digest_sees_what_size_and_time_hide(run, models, clean, ring):
    path = models / "00.safeserial"
    verify(run, models, "-o", "rows.jsonl", "--digest")
    facts = path.stat()
    path.write_bytes(path.read_bytes().replace(b"weights", b"height!"))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    _, _, err = verify(run, models, "-o", "rows.jsonl", "--digest", "--resume")
    assert "1 files" in err
    rows = {row["path"]: row for row in rows_of(clean / "rows.jsonl")}
    assert rows[str(path)]["status"] == "refused"


def test_rows_of_another_question_are_not_taken_for_answers(run, models, clean):
    verify(run, models, "-o", "rows.jsonl")
    (clean / "team.keys").unlink()
    ss.Keyring([ss.HmacKey.generate()]).save("team.keys")
    code, _, err = verify(run, models, "-o", "rows.jsonl", "--resume")
    assert (code, "12 refused" in err) == (1, True)


def test_rows_are_not_written_over(run, models, clean):
    verify(run, models, "-o", "rows.jsonl")
    before = (clean / "rows.jsonl").read_bytes()
    code, _, err = verify(run, models, "-o", "rows.jsonl")
    assert (code, "there are rows already" in err, "--resume" in err) == (2, True, True)
    assert (clean / "rows.jsonl").read_bytes() == before


def test_parquet_holds_the_same_rows_and_resumes(run, models, clean):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    verify(run, models, "-o", "rows.parquet")
    table = pd.read_parquet(clean / "rows.parquet")
    assert sorted(table["status"].value_counts().items()) == [("ok", 11), ("refused", 1)]
    assert table["signers"].dropna().iloc[0][0].startswith("hmac-")
    _, _, err = verify(run, models, "-o", "rows.parquet", "--resume")
    assert "nothing to do" in err
    assert len(pd.read_parquet(clean / "rows.parquet")) == 12
    assert [one for one in names(".") if "rows" in one] == ["rows.parquet"]


def test_a_file_that_is_no_rows_is_left_alone(run, models, clean):
    (clean / "rows.jsonl").write_text('{"precious": 1}\n')
    code, _, err = verify(run, models, "-o", "rows.jsonl", "--resume")
    assert (code, "is no row" in err) == (2, True)
    assert (clean / "rows.jsonl").read_text() == '{"precious": 1}\n'


def test_processes_get_no_key_and_find_the_same(models):
    ring = bulk.RingReference.at("team.keys")
    alone = list(bulk.run(bulk.Verify(), bulk.gather([models]), keyring=ring, where=HERE))
    crew = list(bulk.run(bulk.Verify(), bulk.gather([models]), keyring=ring, where=TWO))
    outcome = lambda rows: sorted((row.path, row.status, row.artifact_id or "") for row in rows)
    assert outcome(alone) == outcome(crew)
    assert {row.worker for row in crew}.isdisjoint({row.worker for row in alone})


def test_a_file_that_ends_its_process_is_one_row(clean):
    for number in range(24):
        name = f"{number}-lethal" if number in {3, 17} else f"{number}"
        (clean / name).write_bytes(b"x")
    action = lethal.Lethal("lethal", os.getpid())
    rows = list(bulk.run(action, bulk.gather(["."]), where=TWO))
    assert len(rows) == 24
    died = [row for row in rows if row.error is not None]
    assert sorted((row.path, row.error) for row in died) == [
        ("./17-lethal", "WorkerDied"),
        ("./3-lethal", "WorkerDied"),
    ]


def test_a_ring_in_memory_is_not_sent_anywhere(ring):
    from safeserial.bulk.rings import referred

    with pytest.raises(KeyringError) as caught:
        referred(ring)
    assert "path" in caught.value.hint


def test_nothing_that_goes_to_a_worker_or_into_a_row_holds_a_secret(models, ring, clean):
    import pickle

    from safeserial.bulk.work import Task

    secret = ring.active.key.to_text()
    reference = bulk.RingReference.at("team.keys")
    task = Task(bulk.Verify(), reference, "job", "run")
    sent = pickle.dumps((task, bulk.gather([models])))
    assert secret.encode() not in sent
    (clean / "models" / f"{secret.replace('/', '_')}.safeserial").write_bytes(b"no")
    rows = list(bulk.run(bulk.Verify(), bulk.gather([models]), keyring=reference, where=HERE))
    from safeserial.bulk.rows import line

    assert all(secret.rpartition(":")[2] not in line(row) for row in rows)


def test_a_keyring_that_a_worker_does_not_find_ends_the_run(models, clean):
    from safeserial.bulk.work import Task, work

    task = Task(bulk.Verify(), bulk.RingReference.at("gone.keys"), "job", "run")
    answer = work(task, 0, bulk.gather([models]))
    assert answer.rows == ()
    assert "cannot open the keyring" in answer.stop[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--scheduler", "tcp://127.0.0.1:1", "--backend", "loky"), "loky has no scheduler"),
        (("--backend", "dask"), "needs the address"),
        (("--backend", "ray"), "needs the address"),
        (("--resume",), "rows of the run before"),
    ],
)
def test_misuse(run, models, monkeypatch, arguments, message):
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    code, _, err = run("bulk", "verify", models, "--keyring", "team.keys", *arguments)
    assert code == 2
    assert message in err


def test_an_output_is_never_written_over_an_original(run, models, clean):
    code, _, err = run("bulk", "convert", "models/00.safeserial", "--to", "skops")
    assert code in {0, 1, 2}
    assert ss.verify("models/00.safeserial", keyring=ss.Keyring.load("team.keys"))
    (clean / "m.skops").write_bytes(b"x")
    code, _, err = run("bulk", "convert", "m.skops", "--to", "skops")
    assert (code, "written over" in err) == (2, True)
    assert (clean / "m.skops").read_bytes() == b"x"


def test_an_interrupt_keeps_what_is_done(clean, ring):
    folder = clean / "many"
    folder.mkdir()
    # Slow to inspect, one by one: sets of hard keys, hashed as the unpickler would.
    slow = b"\x80\x04](" + b"".join(b"M" + i.to_bytes(2, "little") for i in range(65536)) + b"e."
    for number in range(40):
        (folder / f"{number:03}.pkl").write_bytes(slow)
    command = [sys.executable, "-m", "safeserial", "bulk", "inspect", "many", "--jobs", "2"]
    rows = clean / "rows.jsonl"
    with subprocess.Popen(
        [*command, "-o", "rows.jsonl"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # A runner in the background may ignore the signal, and what it starts inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        while not (rows.exists() and rows.stat().st_size) and process.poll() is None:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.decode().splitlines()[-1] == "interrupted"
    assert "Traceback" not in err.decode() + out.decode()
    done = rows_of(rows)
    assert 0 < len(done) < 40
    ended = subprocess.run([*command, "-o", "rows.jsonl", "--resume"], check=False, timeout=120)
    assert ended.returncode == 0
    assert len({row["path"] for row in rows_of(rows)}) == 40


def test_a_backend_that_fails_as_a_whole_is_an_error(models, monkeypatch):
    monkeypatch.setattr(engine, "_PATIENCE", 2)
    where = bulk.Where("dask", "tcp://no.such.host.invalid:1")
    pytest.importorskip("distributed")
    with pytest.raises(SafeSerialError) as caught:
        list(bulk.run(bulk.Verify(), bulk.gather([models]), where=where))
    assert "Dask scheduler" in str(caught.value)


@pytest.fixture
def store(clean, ring, monkeypatch):
    pytest.importorskip("sqlalchemy")
    monkeypatch.setenv("XDG_STATE_HOME", str(clean / "state"))
    from safeserial.store import Store

    with Store("sqlite:///models.db", keyring=ring) as opened:
        for number in range(3):
            opened.publish("churn", {"weights": [number]})
        opened.publish("risk", {"weights": [9]})
        yield opened


def test_the_versions_of_a_store_are_items_too(run, store, clean):
    common = ("--store", "sqlite:///models.db", "--keyring", "team.keys", "--jobs", "1")
    code, _, _ = run("bulk", "verify", *common, "-o", "rows.jsonl")
    rows = {row["path"]: row for row in rows_of(clean / "rows.jsonl")}
    assert (code, sorted(rows)) == (0, ["churn:1", "churn:2", "churn:3", "risk:1"])
    assert rows["churn:3"]["artifact_id"] == store.entry("churn:3").artifact_id
    store.publish("churn", {"weights": ["new"]})
    _, _, err = run("bulk", "verify", *common, "-o", "rows.jsonl", "--resume")
    assert "1 files" in err
    code, out, _ = run("bulk", "inspect", "churn", *common, "--json")
    assert (code, len(out.splitlines())) == (0, 4)
    assert {json.loads(line)["verdict"] for line in out.splitlines()} == {"safe"}
    assert run("bulk", "sign", "churn", *common)[0] == 2


def test_a_conversion_of_a_version_stands_beside_it(run, store, ring):
    pytest.importorskip("skops")
    from sklearn.linear_model import LinearRegression

    store.publish("line", LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0]))
    common = ("--store", "sqlite:///models.db", "--keyring", "team.keys", "--jobs", "1")
    assert run("bulk", "convert", "line", "--to", "skops", *common)[0] == 0
    assert store.entry("line:1").formats == ("pickle", "skops")
    assert store.load("line:1", format="skops").predict([[2.0]]) == pytest.approx([5.0])
    _, _, err = run("bulk", "convert", "line", "--to", "skops", *common)
    assert "nothing to do" in err


def test_a_password_of_a_store_is_not_sent_to_a_cluster(monkeypatch):
    import pickle

    from safeserial.bulk.stored import Stored, StoreReference
    from safeserial.errors import StoreError

    monkeypatch.delenv("SAFESERIAL_STORE", raising=False)
    reference = StoreReference("postgresql://me:***@host/models", "")
    assert b"secret" not in pickle.dumps(Stored(bulk.Verify(), reference))
    with pytest.raises(StoreError) as caught:
        reference.open(None, bulk.Verify().policy)
    assert "SAFESERIAL_STORE" in caught.value.hint


@pytest.mark.parametrize("how", [(), ("--digest",)])
def test_resume_sees_that_only_the_signature_beside_a_file_has_changed(run, clean, ring, how):
    (clean / "in").mkdir()
    (clean / "in" / "m.pkl").write_bytes(b"(dp0\nVweights\np1\n(lp2\nI1\naI2\nas.")
    assert verify(run, "in", "-o", "rows.jsonl", *how)[0] != 0  # nobody signed it
    ss.sign("in/m.pkl", keyring=ring)
    assert verify(run, "in", "-o", "rows.jsonl", "--resume", *how)[0] == 0
    (clean / "in" / "m.pkl.sig").unlink()
    assert verify(run, "in", "-o", "rows.jsonl", "--resume", *how)[0] != 0
