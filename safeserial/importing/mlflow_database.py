# SPDX-License-Identifier: BSD-3-Clause
"""MLflow's registry as an SQLite database, read without believing it.

Floor 7.  The file is opened read-only; only tables are read (a view could compute without end), and
what a query may take is bounded.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from safeserial.errors import NotAnArtifactError
from safeserial.files import display
from safeserial.importing.mlflow_files import moment, text_of
from safeserial.importing.mlflow_model import Registered

_LONGEST: Final = 2**20  # bytes of a value
_ROWS: Final = 1_000_000
_STEPS: Final = 20_000  # of SQLite's machine between two looks at the budget
_BUDGET: Final = 50_000
_TABLES: Final = {
    "model_versions": "name version creation_time description current_stage source run_id "
    "storage_location",
    "registered_model_aliases": "name alias version",
    "model_version_tags": "name version key value",
    "params": "run_uuid key value",
    "latest_metrics": "run_uuid key value",
}
_NEWER: Final = frozenset({"storage_location"})  # columns that older ones do not have


def read(path: Path) -> list[Registered]:
    """Return the registered models of a database.

    Parameters
    ----------
    path : Path
        ``mlflow.db``.

    Raises
    ------
    NotAnArtifactError
        If it is no such database.
    """
    try:
        with contextlib.closing(_opened(path)) as connection:
            return _registered(connection)
    except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
        raise NotAnArtifactError(
            f"{display(path)} is no database of MLflow: {str(error)[:200]}",
            hint="give mlflow.db as MLflow wrote it; another database is exported from there",
        ) from None


def _opened(path: Path) -> sqlite3.Connection:
    quoted = path.resolve().as_uri()
    connection = sqlite3.connect(f"{quoted}?mode=ro", uri=True)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA query_only=ON")
    left = _BUDGET

    def spend() -> int:
        nonlocal left
        left -= 1
        return left < 0

    connection.set_progress_handler(spend, _STEPS)
    return connection


def _registered(connection: sqlite3.Connection) -> list[Registered]:
    aliases: dict[tuple[str, int], list[str]] = defaultdict(list)
    for row in _rows(connection, "registered_model_aliases"):
        aliases[str(row["name"]), _number(row["version"])].append(str(row["alias"]))
    tags: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for row in _rows(connection, "model_version_tags"):
        key = str(row["name"]), _number(row["version"])
        tags[key][str(row["key"])] = text_of(row["value"])
    params, metrics = _by_run(connection, "params"), _by_run(connection, "latest_metrics")
    found = []
    for row in _rows(connection, "model_versions"):
        key = str(row["name"]), _number(row["version"])
        run = text_of(row["run_id"])
        said = (text_of(row.get("storage_location")), text_of(row["source"]))
        found.append(
            Registered(
                *key,
                tuple(one for one in said if one),
                run_id=run,
                stage=text_of(row["current_stage"]),
                description=text_of(row["description"]),
                created=moment(row["creation_time"]),
                aliases=tuple(sorted(aliases[key])),
                tags=tags[key],
                params=params[run],
                metrics=metrics[run],
            )
        )
    return [one for one in found if one.stage != "Deleted_Internal"]


def _by_run(connection: sqlite3.Connection, table: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for row in _rows(connection, table):
        found[str(row["run_uuid"])][str(row["key"])] = text_of(row["value"])
    return found


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table that this MLflow has."""
    query = "SELECT type FROM sqlite_master WHERE name = ?"
    kinds = [kind for (kind,) in connection.execute(query, (table,))]
    if kinds != ["table"]:
        if table == "model_versions":
            raise sqlite3.DatabaseError("it has no table model_versions")
        return
    there = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    columns = [one for one in _TABLES[table].split() if one in there or one not in _NEWER]
    query = f"SELECT {', '.join(columns)} FROM {table} LIMIT {_ROWS}"  # noqa: S608 - our own words
    for values in connection.execute(query):
        yield dict(zip(columns, values, strict=True))


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise sqlite3.DatabaseError("a version is no number") from None
