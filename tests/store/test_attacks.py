# SPDX-License-Identifier: BSD-3-Clause
"""Whoever can write to the database may destroy it; nobody is made to load another model by it.

Each attack is done to a copy of one store, by SQL, and then everything is asked of it by a client
that has used the store before.  What comes back must be what was published, or an error.
"""

from __future__ import annotations

import datetime
import hashlib
import shutil
import sqlite3
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

import safeserial as ss
from safeserial import errors
from safeserial.store import engine, statements
from safeserial.store.auditing import chained
from tests.world import CALM, KEY, OTHER, RING, artifact

TRUTH = {
    "m:1": {"v": 1},
    "m:3": {"v": 3},
    "m:4": {"v": 4},
    "m@production": {"v": 3},
    "m@staging": {"v": 4},
    "m": {"v": 4},
    "n": {"n": 1},
    "n:1": {"n": 1},
}


@dataclass
class World:
    """A store as it was at two moments, and a client's memory of the later one."""

    folder: object
    early: dict  # rows of the tables, before the last changes

    def copy(self, name: str):
        target = self.folder / name
        target.mkdir()
        for file in ("models.db", "seen.db"):
            shutil.copy(self.folder / file, target / file)
        return target


def open_store(folder, **options) -> ss.Store:
    options = {"keyring": RING, "policy": CALM, "state": folder / "seen.db", **options}
    return ss.Store(f"sqlite:///{folder / 'models.db'}", **options)


def connect(folder):
    return engine.make(engine.parse(f"sqlite:///{folder / 'models.db'}"))


def dump(folder) -> dict:
    database = connect(folder)
    try:
        return tables_of(database)
    finally:
        database.dispose()


def tables_of(database) -> dict:
    with database.begin() as connection:
        tables = ("ss_channels", "ss_checkpoints", "ss_audit", "ss_files", "ss_models")
        return {
            name: [
                dict(row._mapping) for row in connection.execute(sa.text(f"SELECT * FROM {name}"))
            ]
            for name in tables
        }


def flatten(folder) -> None:
    """Bring everything into the one file, so that it can be copied."""
    for name in ("models.db", "seen.db"):
        sealed(folder / name)


def sealed(path) -> None:
    """Bring everything of one database into its one file."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def begin(store: ss.Store) -> None:
    """Publish what is there at the earlier moment."""
    for version in (1, 2):
        store.publish("m", {"v": version}, alias="production")
    store.publish("m", {"v": 3}, alias="staging")
    store.publish("n", {"n": 1}, alias="production")


def go_on(store: ss.Store) -> None:
    """Do what makes it the later moment, and look that all is well."""
    store.alias("m", "production", 3)
    store.yank("m:2", "bad")
    store.publish("m", {"v": 4}, alias="staging")
    for spec, value in TRUTH.items():
        assert store.load(spec) == value


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    with open_store(folder) as store:
        begin(store)
    flatten(folder)
    early = dump(folder)
    shutil.copy(folder / "models.db", folder / "early.db")
    with open_store(folder) as store:
        go_on(store)
    flatten(folder)
    return World(folder, early)


def ask(store: ss.Store) -> list[str]:
    """Ask everything; return what was answered wrongly."""
    wrong = []
    for spec, value in TRUTH.items():
        for verb in (store.load, lambda spec: load_bytes(store, spec)):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error", errors.SafeSerialWarning)
                    found = verb(spec)
            except (errors.SafeSerialError, errors.YankedVersionWarning):
                continue
            if found != value:
                wrong.append(f"{spec} gave {found}")
        try:
            entry = store.entry(spec)
        except errors.SafeSerialError:
            continue
        version = {"m": 4, "m@production": 3, "m@staging": 4}.get(spec) or value.get("v", 1)
        if entry.version != version:
            wrong.append(f"entry({spec}) is {entry.spec}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", errors.SafeSerialWarning)
            store.load("m:2")
        wrong.append("m:2 is not yanked any more")
    except (errors.SafeSerialError, errors.YankedVersionWarning):
        pass
    return wrong


def load_bytes(store: ss.Store, spec: str):
    with store.open(spec) as stream:
        return ss.loads(stream.read(), keyring=RING, policy=CALM)


def found_out(store: ss.Store) -> bool:
    try:
        return not store.verify_all().ok
    except errors.SafeSerialError:
        return True


# What is done ------------------------------------------------------------------------------

Attack = Callable[[sa.Connection, World], object]


def run(connection, *texts, **values):
    for text in texts:
        connection.execute(sa.text(text), values)


FILE = "(SELECT id FROM ss_files WHERE version={} AND model_id=1)"


def swap_versions(c, w):
    run(c, "PRAGMA defer_foreign_keys=ON")
    for a, b in ((1, 99), (3, 1), (99, 3)):
        run(c, f"UPDATE ss_files SET version={b} WHERE model_id=1 AND version={a}")


def swap_columns(*columns):
    def attack(c, w):
        rows = {
            v: c.execute(
                sa.text(
                    f"SELECT {', '.join(columns)} FROM ss_files WHERE model_id=1 AND version={v}"
                )
            ).one()
            for v in (1, 3)
        }
        for v, other in ((1, 3), (3, 1)):
            for name, value in zip(columns, rows[other], strict=True):
                c.execute(
                    sa.text(f"UPDATE ss_files SET {name}=:x WHERE model_id=1 AND version={v}"),
                    {"x": value},
                )

    attack.__name__ = "swap " + " and ".join(columns)
    return attack


def swap_chunks(c, w):
    a, b = (c.execute(sa.text(f"SELECT {FILE.format(v)}")).scalar() for v in (1, 3))
    rows = c.execute(
        sa.text(f"SELECT file_id, position, digest FROM ss_file_chunks WHERE file_id IN ({a},{b})")
    ).all()
    run(c, f"DELETE FROM ss_file_chunks WHERE file_id IN ({a},{b})")
    for row in rows:
        c.execute(
            sa.text("INSERT INTO ss_file_chunks VALUES (:f, :p, :d)"),
            {"f": b if row[0] == a else a, "p": row[1], "d": row[2]},
        )


def swap_chunk_data(c, w):
    rows = c.execute(
        sa.text(
            "SELECT d.digest, d.data FROM ss_chunk_data d"
            " JOIN ss_file_chunks f ON f.digest=d.digest"
            f" WHERE f.position=0 AND f.file_id IN ({FILE.format(1)}, {FILE.format(3)})"
        )
    ).all()
    assert len(rows) == 2
    for row, other in zip(rows, reversed(rows), strict=True):
        c.execute(
            sa.text("UPDATE ss_chunk_data SET data=:d WHERE digest=:k"),
            {"d": other[1], "k": row[0]},
        )


def flip_chunk_bytes(c, w):
    for row in c.execute(sa.text("SELECT digest, data FROM ss_chunk_data")).all():
        data = bytearray(row[1])
        data[len(data) // 2] ^= 4
        c.execute(
            sa.text("UPDATE ss_chunk_data SET data=:d WHERE digest=:k"),
            {"d": bytes(data), "k": row[0]},
        )


def put_channel(c, row):
    c.execute(
        sa.text(
            "INSERT OR REPLACE INTO ss_channels (model_id, alias, counter, version, statement,"
            " signatures) VALUES (:model_id, :alias, :counter, :version, :statement, :signatures)"
        ),
        row,
    )


def early_channel(w, alias, model_id=1):
    return next(
        row
        for row in w.early["ss_channels"]
        if row["alias"] == alias and row["model_id"] == model_id
    )


def replay(alias):
    def attack(c, w):
        put_channel(c, early_channel(w, alias))

    attack.__name__ = f"replay {alias}"
    return attack


def replay_with_counter(c, w):
    """The old statement, under the new number of the row."""
    for alias in ("production", "latest", "staging"):
        put_channel(c, early_channel(w, alias) | {"counter": 99, "version": 4})


def replay_with_history(c, w):
    put_channel(c, early_channel(w, "production"))
    run(c, "DELETE FROM ss_channel_moves WHERE model_id=1 AND alias='production' AND counter>2")


def alias_of_another(c, w):
    row = (
        c.execute(sa.text("SELECT * FROM ss_channels WHERE model_id=1 AND alias='staging'"))
        .one()
        ._mapping
    )
    put_channel(c, dict(row) | {"alias": "production"})


def alias_of_another_model(c, w):
    put_channel(c, early_channel(w, "production", 2) | {"model_id": 1})


def swap_models(c, w):
    run(
        c,
        "UPDATE ss_models SET name='x' WHERE name='m'",
        "UPDATE ss_models SET name='m' WHERE name='n'",
        "UPDATE ss_models SET name='n' WHERE name='x'",
    )


def delete(where):
    def attack(c, w):
        run(c, "PRAGMA defer_foreign_keys=ON", f"DELETE FROM {where}")

    attack.__name__ = f"delete {where}"
    return attack


def update(what):
    def attack(c, w):
        run(c, f"UPDATE {what}")

    attack.__name__ = f"update {what}"
    return attack


def forged_channel(key):
    """A statement that says what the attacker wants, signed by somebody else, or under our name."""

    def attack(c, w):
        store_id = c.execute(sa.text("SELECT value FROM ss_meta WHERE key='store'")).scalar()
        first = c.execute(
            sa.text("SELECT artifact_id FROM ss_files WHERE model_id=1 AND version=1")
        ).scalar()
        now = statements.now()
        said = statements.ChannelStatement(
            store=store_id, created=statements.text(now), model="m", alias="production", version=1,
            artifact=first, counter=50, not_after=statements.text(now + datetime.timedelta(9)),
        )  # fmt: skip
        body, signatures = statements.sign(said, ss.Keyring([key]))
        if key is KEY:  # then without a key: a signature of something else
            signatures = early_channel(w, "production")["signatures"]
        put_channel(
            c,
            {"model_id": 1, "alias": "production", "counter": 50, "version": 1, "statement": body,
             "signatures": signatures},
        )  # fmt: skip

    attack.__name__ = f"forged channel {'by another key' if key is OTHER else 'unsigned'}"
    return attack


def another_store(c, w):
    """Rows of a second store of the same people: of their tests, say, with the same names."""
    folder = w.folder / "second"
    if not folder.exists():
        folder.mkdir()
        with open_store(folder) as store:
            for version in range(1, 5):
                store.publish("m", {"evil": version}, alias="production")
        flatten(folder)
    run(c, "DELETE FROM ss_channels WHERE model_id=1")
    for row in dump(folder)["ss_channels"]:
        put_channel(c, row)
    for row in dump(folder)["ss_files"]:
        c.execute(
            sa.text(
                "UPDATE ss_files SET manifest=:manifest, signatures=:signatures,"
                " statement=:statement, statement_signatures=:statement_signatures,"
                " artifact_id=:artifact_id WHERE model_id=1 AND version=:version"
            ),
            row,
        )


def another_artifact(c, w):
    """A file that the same key signed, for another purpose, in the place of version 1."""
    from safeserial import container, envelope
    from safeserial.files import BytesSource

    source = BytesSource(artifact({"evil": 1}))
    blob = container.read_signatures(source)
    size, _ = envelope.unpack_signatures(blob)
    body = container.read_manifest(source, blob, size)
    c.execute(
        sa.text("UPDATE ss_files SET manifest=:m, signatures=:s, artifact_id=:a WHERE model_id=1"),
        {"m": body, "s": blob.rstrip(b" "), "a": hashlib.sha256(body).hexdigest()},
    )


def huge(column, table, size=40 * 2**20):
    def attack(c, w):
        run(c, f"UPDATE {table} SET {column}=zeroblob({size})")

    attack.__name__ = f"huge {table}.{column}"
    return attack


ATTACKS: list[Attack] = [
    swap_versions,
    swap_columns("manifest", "signatures"),
    swap_columns("statement", "statement_signatures"),
    swap_columns("manifest", "signatures", "statement", "statement_signatures", "artifact_id"),
    swap_columns("signatures"),
    swap_chunks,
    swap_chunk_data,
    flip_chunk_bytes,
    replay("production"),
    replay("staging"),
    replay("latest"),
    replay_with_counter,
    replay_with_history,
    alias_of_another,
    alias_of_another_model,
    swap_models,
    forged_channel(OTHER),
    forged_channel(KEY),
    another_store,
    another_artifact,
    delete("ss_channels WHERE alias='latest'"),
    delete("ss_channels"),
    delete("ss_models WHERE name='m'"),
    delete("ss_files WHERE model_id=1 AND version=4"),
    delete("ss_file_chunks WHERE position=0"),
    delete("ss_chunk_data"),
    update("ss_files SET statement=x'7b7d'"),
    update("ss_files SET manifest=x''"),
    update("ss_files SET signatures=x'00'"),
    update("ss_files SET statement_signatures=x'5b5d'"),
    update("ss_channels SET statement=x'00ff'"),
    update("ss_channels SET signatures=x'5b5d'"),
    update("ss_chunks SET location='../../etc/passwd'"),
    update("ss_chunks SET size=size+1"),
    update("ss_chunks SET size=-1"),
    update("ss_files SET manifest='text'"),
    update("ss_files SET statement=7, signatures='x'"),
    update("ss_channels SET statement='{}', counter='many', version='x'"),
    update("ss_chunk_data SET data='text'"),
    update("ss_chunks SET size='large', location=x'00'"),
    update("ss_models SET name=x'6d' WHERE name='m'"),
    huge("manifest", "ss_files"),
    huge("statement", "ss_files"),
    huge("statement", "ss_channels"),
    huge("data", "ss_chunk_data"),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_rows_that_were_tampered_with(world, attack, request):
    folder = world.copy(hashlib.sha256(request.node.name.encode()).hexdigest()[:12])
    database = connect(folder)
    with database.connect().execution_options(safeserial_writes=True) as connection:
        connection.connection.driver_connection.execute("PRAGMA foreign_keys=OFF")
        with connection.begin():
            attack(connection, world)
    database.dispose()
    with open_store(folder) as store:
        assert ask(store) == []
        assert found_out(store)


def test_the_untouched_store_answers(world):
    with open_store(world.copy("untouched")) as store:
        assert ask(store) == []
        assert store.load("m@production") == {"v": 3}
        assert not found_out(store)


def test_the_whole_database_put_back(world):
    folder = world.copy("restored")
    shutil.copy(world.folder / "early.db", folder / "models.db")
    with open_store(folder) as store:
        assert ask(store) == []
        assert found_out(store)
        with pytest.raises(errors.RollbackError):
            store.load("m@production")
        with pytest.raises(errors.RollbackError):
            store.publish("m", {"v": 5})
        with pytest.raises(errors.RollbackError):
            store.alias("m", "production", 1)
        assert not store.audit_verify().ok


def test_another_store_in_its_place(world):
    folder = world.copy("replaced")
    with open_store(folder):
        pass
    for name in ("models.db", "models.db-wal", "models.db-shm"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(errors.RollbackError, match="gone"):
        open_store(folder)
    with open_store(folder, state=folder / "other.db") as store:
        store.publish("m", {"evil": 1})
    with pytest.raises(errors.RollbackError, match="another store"):
        open_store(folder)
    ss.Store.forget(f"sqlite:///{folder / 'models.db'}", state=folder / "seen.db")
    with open_store(folder) as store:
        assert store.load("m") == {"evil": 1}


def test_a_frozen_store_is_refused_when_its_word_expires(world, monkeypatch):
    folder = world.copy("frozen")
    later = statements.now() + datetime.timedelta(days=91)
    with open_store(folder) as store:
        monkeypatch.setattr(statements, "now", lambda: later)
        for spec in ("m@production", "m"):
            with pytest.raises(errors.RollbackError, match="expired"):
                store.load(spec)
        assert store.load("m:1") == {"v": 1}  # by number nothing is promised about time


def test_refreshing_makes_it_believed_again(world, monkeypatch):
    folder = world.copy("refreshed")
    with open_store(folder, valid_for=datetime.timedelta(days=200)) as store:
        assert store.refresh() == 5
        later = statements.now() + datetime.timedelta(days=150)
        monkeypatch.setattr(statements, "now", lambda: later)
        assert store.load("m@production") == {"v": 3}


def test_a_counter_that_was_turned_publishes_nothing(world):
    for number in (2, 9):
        folder = world.copy(f"turned{number}")
        database = connect(folder)
        with engine.writing(database) as connection:
            run(connection, f"UPDATE ss_models SET next_version={number} WHERE name='m'")
        database.dispose()
        with open_store(folder) as store, pytest.raises(errors.RollbackError):
            store.publish("m", {"v": 5})


def test_a_revoked_key_is_believed_nothing(world):
    folder = world.copy("revoked")
    ring = ss.Keyring([OTHER, KEY]).revoke(KEY.key_id)
    with open_store(folder, keyring=ring) as store:
        for spec in TRUTH:
            with pytest.raises(errors.RevokedKeyError):
                store.load(spec)


# The audit log -----------------------------------------------------------------------------


def relink(c):
    """Compute every digest anew, as somebody without a key can."""
    before = "0" * 64
    for row in c.execute(sa.text("SELECT number, line FROM ss_audit ORDER BY number")).all():
        before = chained(before, row.line)
        c.execute(
            sa.text("UPDATE ss_audit SET digest=:d WHERE number=:n"), {"d": before, "n": row.number}
        )


def edit_line(c, w):
    line = c.execute(sa.text("SELECT line FROM ss_audit WHERE number=3")).scalar()
    changed = bytes(line).replace(b'"actor":"', b'"actor":"x')
    c.execute(sa.text("UPDATE ss_audit SET line=:x WHERE number=3"), {"x": changed})


def edit_line_and_relink(c, w):
    edit_line(c, w)
    relink(c)


def remove_line(c, w):
    run(c, "DELETE FROM ss_audit WHERE number=4")


def remove_line_and_renumber(c, w):
    run(c, "DELETE FROM ss_audit WHERE number=4")
    run(c, "UPDATE ss_audit SET number=number-1 WHERE number>4")
    relink(c)


def cut_the_end(c, w):
    run(c, "DELETE FROM ss_audit WHERE number > (SELECT max(number)-2 FROM ss_audit)")


def cut_to_an_old_checkpoint(c, w):
    last = max(row["number"] for row in w.early["ss_audit"])
    run(c, f"DELETE FROM ss_audit WHERE number > {last}")
    old = next(row for row in w.early["ss_checkpoints"] if row["number"] == 0)
    c.execute(
        sa.text("UPDATE ss_checkpoints SET statement=:statement, signatures=:signatures"), old
    )


def add_a_line(c, w):
    run(
        c,
        "INSERT INTO ss_audit SELECT number+1, model_id, line, digest FROM ss_audit"
        " ORDER BY number DESC LIMIT 1",
    )


def swap_lines(c, w):
    run(c, "UPDATE ss_audit SET number=99 WHERE number=2")
    run(c, "UPDATE ss_audit SET number=2 WHERE number=3")
    run(c, "UPDATE ss_audit SET number=3 WHERE number=99")


def empty_log(c, w):
    run(c, "DELETE FROM ss_audit", "DELETE FROM ss_checkpoints")


LOG_ATTACKS = [
    edit_line,
    edit_line_and_relink,
    remove_line,
    remove_line_and_renumber,
    cut_the_end,
    cut_to_an_old_checkpoint,
    add_a_line,
    swap_lines,
    empty_log,
]


@pytest.mark.parametrize("memory", [True, False], ids=["client", "stranger"])
@pytest.mark.parametrize("attack", LOG_ATTACKS, ids=lambda attack: attack.__name__)
def test_the_log_tells_what_was_done_to_it(world, attack, memory, request):
    folder = world.copy(hashlib.sha256(request.node.name.encode()).hexdigest()[:12])
    database = connect(folder)
    with engine.writing(database) as connection:
        attack(connection, world)
    database.dispose()
    options = {} if memory else {"state": folder / "new.db"}
    with open_store(folder, **options) as store:
        report = store.audit_verify()
        assert not report.ok
        assert report.problems[0].subject.startswith("audit: ")


def test_a_checkpoint_kept_elsewhere_finds_a_log_written_anew_with_the_key(world):
    folder = world.copy("anew")
    with open_store(folder) as store:
        kept = store.audit_verify()
        assert kept.ok
        assert kept.checkpoint
        assert store.audit_verify(checkpoint=kept.checkpoint).ok
    early = world.copy("anew-early")
    shutil.copy(world.folder / "early.db", early / "models.db")
    with open_store(early, state=early / "new.db") as store:
        assert store.audit_verify().ok
        assert not store.audit_verify(checkpoint=kept.checkpoint).ok
        for text in ("", "{}", "[]", '{"statement": 1}', kept.checkpoint.replace("a", "b")):
            if text:
                with pytest.raises(errors.SafeSerialError):
                    store.audit_verify(checkpoint=text)


# Sets --------------------------------------------------------------------------------------


def test_a_set_that_was_changed_is_refused(world, tmp_path):
    folder = world.copy("set")
    with open_store(folder) as store:
        store.export(tmp_path / "set.zip", ["m:1", "n"])
    data = (tmp_path / "set.zip").read_bytes()
    changed = [data[:-1], data + b"\0", data[:5000], b"", artifact()]
    for place in (30, 64, 16_400, 17_000, 20_000, len(data) // 2, len(data) - 40, len(data) - 5):
        edited = bytearray(data)
        edited[place] ^= 1
        changed.append(bytes(edited))
    for number, one in enumerate(changed):
        target = tmp_path / f"t{number}"
        target.mkdir()
        (target / "set.zip").write_bytes(one)
        with open_store(target) as store:
            with pytest.raises(errors.SafeSerialError):
                store.import_(target / "set.zip")
            for name in store.names():
                assert store.load(name) in ({"v": 1}, {"n": 1})
            assert store.verify_all().ok
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    with (
        open_store(stranger, keyring=ss.Keyring([OTHER])) as store,
        pytest.raises(errors.UnknownKeyError),
    ):
        store.import_(tmp_path / "set.zip")
