# SPDX-License-Identifier: BSD-3-Clause
"""The attacks of test_attacks on a PostgreSQL server, by whoever may do everything there."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass

import psycopg
import pytest
import sqlalchemy as sa

import safeserial as ss
from safeserial import errors
from safeserial.store import engine
from tests.store import test_attacks as attacks
from tests.store.conftest import NUMBERS
from tests.world import CALM, RING

pytestmark = pytest.mark.slow

# PostgreSQL's columns have types: what is no such value cannot be put there.
REFUSED_BY_THE_DATABASE = {
    "update ss_files SET statement=7, signatures='x'",
    "update ss_channels SET statement='{}', counter='many', version='x'",
    "update ss_chunks SET size='large', location=x'00'",
}


@dataclass
class World:
    """A database to be copied, its rows at an earlier moment, a client's later memory."""

    postgres: object
    name: str
    folder: object
    early: dict

    def copy(self) -> str:
        """Return the address of a copy."""
        name = f"copy{next(NUMBERS)}"
        with psycopg.connect(self.postgres.server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {self.name}")
        return self.postgres.server.get_uri(database=name)


class Portable:
    """A connection that takes the SQL of the attacks."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def execute(self, clause, values=None):
        """Run a statement in PostgreSQL's words."""
        text = clause.text
        if text.startswith("PRAGMA"):
            return None
        text = re.sub(r"x'([0-9a-f]*)'", r"'\\x\1'::bytea", text)
        text = re.sub(r"zeroblob\((\d+)\)", r"decode(repeat('00', \1), 'hex')", text)
        if text.startswith("INSERT OR REPLACE INTO ss_channels"):
            text = text.replace(" OR REPLACE", "", 1) + (
                " ON CONFLICT (model_id, alias) DO UPDATE SET counter=:counter, version=:version,"
                " statement=:statement, signatures=:signatures"
            )
        return self._connection.execute(sa.text(text), values or {})


def open_store(url, state) -> ss.Store:
    return ss.Store(url, keyring=RING, policy=CALM, state=state)


@pytest.fixture(scope="module")
def world(postgres, tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    url = postgres.database()
    with open_store(url, folder / "seen.db") as store:
        attacks.begin(store)
    database = engine.make(engine.parse(url))
    early = attacks.tables_of(database)
    database.dispose()
    with open_store(url, folder / "seen.db") as store:
        attacks.go_on(store)
    attacks.sealed(folder / "seen.db")
    return World(postgres, sa.make_url(url).database, folder, early)


@pytest.fixture
def copy(world, tmp_path):
    """Address of a copy of the database, and a copy of the client's memory."""
    shutil.copy(world.folder / "seen.db", tmp_path / "seen.db")
    return world.copy(), tmp_path / "seen.db"


def attacked(url, attack, world) -> None:
    database = engine.make(engine.parse(url))
    try:
        with engine.writing(database) as connection:
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            attack(Portable(connection), world)
    finally:
        database.dispose()


@pytest.mark.parametrize("attack", attacks.ATTACKS, ids=lambda attack: attack.__name__)
def test_rows_that_were_tampered_with(world, copy, attack):
    url, seen = copy
    if attack.__name__ in REFUSED_BY_THE_DATABASE:
        with pytest.raises(errors.StoreError, match=r"type|syntax"):
            attacked(url, attack, world)
        return
    attacked(url, attack, world)
    with open_store(url, seen) as store:
        assert attacks.ask(store) == []
        assert attacks.found_out(store)


def test_the_untouched_store_answers(copy):
    url, seen = copy
    with open_store(url, seen) as store:
        assert attacks.ask(store) == []
        assert store.load("m@production") == {"v": 3}
        assert not attacks.found_out(store)


@pytest.mark.parametrize("memory", [True, False], ids=["client", "stranger"])
@pytest.mark.parametrize("attack", attacks.LOG_ATTACKS, ids=lambda attack: attack.__name__)
def test_the_log_tells_what_was_done_to_it(world, copy, attack, memory):
    url, seen = copy
    attacked(url, attack, world)
    with open_store(url, seen if memory else seen.with_name("new.db")) as store:
        report = store.audit_verify()
        assert not report.ok
        assert report.problems[0].subject.startswith("audit: ")
