# SPDX-License-Identifier: BSD-3-Clause
"""INSERT ... ON CONFLICT, which SQLite and PostgreSQL spell alike and SQLAlchemy does not.

Floor 7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    replace: Sequence[str] = (),
) -> None:
    """Insert rows; of those whose key is there already, replace some columns or leave them be."""
    if not rows:
        return
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table)
    if replace:
        statement = statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={name: statement.excluded[name] for name in replace},
        )
    else:
        statement = statement.on_conflict_do_nothing()
    connection.execute(statement, list(rows))
