# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial store``: every verb once, what it prints, how it ends, and what it never prints."""

import json
import os
import sqlite3
from pathlib import Path

import pytest

import safeserial as ss
from tests.store_cli.conftest import LEGACY


def configure(text):
    folder = Path(os.environ["XDG_CONFIG_HOME"], "safeserial")
    folder.mkdir(parents=True)
    (folder / "config.toml").write_bytes(text)


def test_the_life_of_a_model(store, answer, run):
    newest = answer("list")["entries"]
    assert [(one["name"], one["version"]) for one in newest] == [("churn", 2)]
    assert [one["version"] for one in answer("list", "churn")["entries"]] == [2, 1]
    moved = answer("alias", "churn", "production", "2", "--expect", "1")["aliases"]
    assert [(one["alias"], one["version"], one["counter"]) for one in moved] == [
        ("production", 2, 2)
    ]
    back = answer("rollback", "churn", "production")["aliases"]
    assert back[0]["version"] == 1
    history = answer("history", "churn", "production")["history"]
    assert [one["version"] for one in history] == [1, 2, 1]
    told = [one["action"] for one in answer("history", "churn")["history"]]
    assert told[0] == "rollback"
    assert "publish" in told
    assert answer("yank", "churn:2", "--reason", "leak")["state"] == "yanked"
    assert answer("restore", "churn:2")["state"] == "live"
    assert answer("delete", "churn:2", "--yes")["state"] == "deleted"
    assert answer("gc", "--dry-run")["dry_run"] is True
    assert answer("refresh")["signed"] >= 1
    assert answer("verify")["ok"] is True
    code, out, _ = run("show", "churn@production")
    assert code == 0
    assert out.startswith("churn:1\n")


def test_a_version_comes_out_as_it_went_in(store, run, ring, clean):
    code, out, _ = run("get", "churn:2", "-o", "out.safeserial")
    assert code == 0
    assert ss.load("out.safeserial", keyring=ring) == {"weights": [3]}
    assert (clean / "out.safeserial").read_bytes() == (clean / "second.safeserial").read_bytes()
    assert out.strip() == ss.verify("second.safeserial", keyring=ring).artifact_id


def test_a_hostile_file_is_not_published(store, run, clean):
    (clean / "planted.pkl").write_bytes(b"cos\nsystem\n(S'touch marker'\ntR.")
    code, _, err = run("publish", "churn", "planted.pkl")
    assert code == 1
    assert "most likely the file is hostile" in err
    assert not (clean / "marker").exists()
    assert json.loads(run("list", "churn", "--json")[1])["entries"][0]["version"] == 2


def test_an_artifact_of_a_stranger_is_not_published(store, run):
    ss.dump({"x": 1}, "other.safeserial", keyring=ss.Keyring([ss.HmacKey.generate()]))
    code, _, err = run("publish", "churn", "other.safeserial")
    assert code == 1
    assert "keyring" in err


def test_load_check_says_what_a_service_would_meet(store, run, ring, clean):
    class_of = "ipaddress.IPv4Address"
    (clean / "own.pkl").write_bytes(b"cipaddress\nIPv4Address\n(I1\ntR.")
    assert run("publish", "own", "own.pkl")[0] == 1
    assert run("publish", "own", "own.pkl", "--trust", class_of)[0] == 0
    assert run("load-check", "own")[0] == 1  # it loads only where the name is trusted
    assert run("load-check", "own", "--trust", class_of)[0] == 0
    code, out, _ = run("load-check", "churn", "churn@production", "gone", "--json")
    assert code == 2
    rows = json.loads(out)["versions"]
    assert [row["status"] for row in rows] == ["ok", "ok", "unknown"]


def test_search_and_diff(store, answer, run):
    found = answer("search", "--meta", "team=risk")["entries"]
    assert [one["version"] for one in found] == [2]
    assert answer("search", "nothing-of-that-kind")["entries"] == []
    told = {one["key"] for one in answer("diff", "churn:1", "churn:2")["differences"]}
    assert "team" in told
    assert run("search", "--meta", "name=x")[0] == 2


def test_an_alias_moves_only_from_where_it_is_expected(store, run):
    code, _, err = run("alias", "churn", "production", "2", "--expect", "2")
    assert code == 2
    assert "error:" in err
    code, _, _ = run("alias", "churn", "staging", "2", "--expect", "none")
    assert code == 0
    assert run("alias", "churn", "staging", "--remove")[0] == 0
    assert run("alias", "churn", "staging")[0] == 2  # neither a version nor --remove
    assert run("load-check", "churn@staging")[0] == 2


def test_delete_asks_first(store, run):
    code, _, err = run("delete", "churn:2")
    assert (code, "--yes" in err) == (2, True)
    assert run("load-check", "churn:2")[0] == 0


def test_an_edited_database_is_refused_by_every_reader(store, run, clean):
    run("alias", "churn", "production", "2")
    with sqlite3.connect(clean / "models.db") as connection:
        connection.execute("UPDATE ss_chunk_data SET data = zeroblob(length(data))")
    connection.close()
    assert run("load-check", "churn")[0] == 1
    assert run("get", "churn", "-o", "out.safeserial")[0] == 1
    assert not (clean / "out.safeserial").exists()
    code, out, _ = run("verify")
    assert code == 1
    assert "REFUSED" in out


def test_an_old_copy_of_the_database_is_refused(store, run, clean):
    with sqlite3.connect(clean / "models.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    before = (clean / "models.db").read_bytes()
    assert run("alias", "churn", "production", "2")[0] == 0
    for name in ("models.db-wal", "models.db-shm"):
        (clean / name).unlink(missing_ok=True)
    (clean / "models.db").write_bytes(before)
    code, _, err = run("load-check", "churn@production")
    assert code == 1
    assert "older" in err or "backup" in err
    assert run("forget", "--yes")[0] == 0  # somebody says that it was put back on purpose
    assert run("load-check", "churn@production")[0] == 0


def test_export_import_and_copy(store, answer, run, ring):
    assert answer("export", "-o", "all.set")["versions"] == ["churn:1", "churn:2"]
    other = "sqlite:///other.db"
    assert run("init", "--store", other)[0] == 0
    brought = answer("import", "all.set", "--store", other)
    assert brought["entries"] == {"churn:1": "churn:1", "churn:2": "churn:2"}
    again = answer("import", "all.set", "--store", other)
    assert set(again["skipped"]) == {"churn:1/pickle", "churn:2/pickle"}
    assert "2 were here already" in run("import", "all.set", "--store", other)[2]
    assert run("load-check", "churn@production", "--store", other)[0] == 0
    third = "sqlite:///third.db"
    assert run("init", "--store", third)[0] == 0
    assert answer("copy", "churn:2", "--to", third)["entries"] == {"churn:2": "churn:2"}


def test_the_audit_log_and_its_checkpoint(store, answer, run, clean):
    assert [one["number"] for one in answer("audit", "--limit", "2")["lines"]] == [1, 2]
    assert run("audit", "verify", "--save", "checkpoint")[0] == 0
    run("alias", "churn", "production", "2")
    assert run("audit", "verify", "--checkpoint", "checkpoint")[0] == 0
    with sqlite3.connect(clean / "models.db") as connection:
        connection.execute("DELETE FROM ss_audit WHERE number = 2")
    connection.close()
    code, out, _ = run("audit", "verify", "--checkpoint", "checkpoint")
    assert code == 1
    assert "REFUSED" in out


def test_where_the_store_is(store, run, clean, monkeypatch):
    monkeypatch.delenv("SAFESERIAL_STORE")
    code, _, err = run("list")
    assert (code, "no store was named" in err) == (2, True)
    assert run("list", "--store", store)[0] == 0
    configure(f'[store]\nurl = "{store}"\nactor = "the release robot"\n'.encode())
    assert run("alias", "churn", "production", "2")[0] == 0
    assert "the release robot" in run("history", "churn")[1]


@pytest.mark.parametrize(
    "text", ["store = 1", "[store]\nurl = 7", "[store]\nurl =", "[store]\nkey = 'x'", "\xff"]
)
def test_a_configuration_file_that_is_none(run, ring, text):
    configure(text.encode("latin-1"))
    code, _, err = run("list")
    assert code == 2
    assert "configuration file" in err


SECRET = "s3cr3t-of-the-database"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@127.0.0.1:1/models",
        f"postgresql+psycopg://me@127.0.0.1:1/models?password={SECRET}",
        f"nonsense://me:{SECRET}@127.0.0.1/x",
    ],
)
def test_a_password_is_never_printed_and_never_taken_from_the_command_line(
    run, ring, monkeypatch, url
):
    code, out, err = run("list", "--store", url)
    assert (code, SECRET in out + err) == (2, False)
    assert "command line" in err
    monkeypatch.setenv("SAFESERIAL_STORE", url)
    monkeypatch.setenv("SAFESERIAL_DEBUG", "1")
    code, out, err = run("list")
    assert (code, SECRET in out + err) == (2, False)


def test_no_store_is_made_by_a_typing_error(run, ring, clean):
    code, _, err = run("list", "--store", "sqlite:///nodels.db")
    assert (code, "there is no store" in err) == (2, True)
    (clean / "legacy.pkl").write_bytes(LEGACY)
    assert run("publish", "churn", "legacy.pkl", "--store", "sqlite:///nodels.db")[0] == 2


def test_an_onnx_file_is_published_beside_its_original(store, run, ring):
    onnx = pytest.importorskip("onnx")
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    kind = onnx.TensorProto.FLOAT
    ends = [onnx.helper.make_tensor_value_info(name, kind, [None]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "g", ends[:1], ends[1:])
    imports = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=imports, ir_version=8), "m.onnx")
    assert run("publish", "churn", "m.onnx", "--beside", "2")[0] == 0
    formats = json.loads(run("show", "churn:2", "--json")[1])["files"]
    assert [one["format"] for one in formats] == ["pickle", "onnx"]
