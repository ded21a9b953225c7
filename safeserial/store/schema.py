# SPDX-License-Identifier: BSD-3-Clause
"""The tables, as the newest migration leaves them; nothing in them is believed unsigned.

Floor 7.  docs/reference/store-schema.md says what each is for.  Every name begins with ``ss_``, so
that a store can share a database with other programs.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

REVISION: Final = "0002"
VERSION_TABLE: Final = "ss_revision"
CHUNK: Final = 2**20

# SQLite numbers rows by itself only in a column of exactly this type.
_Id: Final = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

meta = Table(
    "ss_meta",
    metadata,
    Column("key", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)
models = Table(
    "ss_models",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("next_version", Integer, nullable=False),
)
versions = Table(
    "ss_versions",
    metadata,
    Column("model_id", _Id, ForeignKey("ss_models.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("state", String(8), nullable=False),
)
files = Table(
    "ss_files",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("model_id", _Id, nullable=False),
    Column("version", Integer, nullable=False),
    Column("format", String(40), nullable=False),
    Column("artifact_id", String(64), nullable=False),
    Column("manifest", LargeBinary, nullable=False),
    Column("signatures", LargeBinary, nullable=False),
    Column("statement", LargeBinary, nullable=False),
    Column("statement_signatures", LargeBinary, nullable=False),
    ForeignKeyConstraint(["model_id", "version"], ["ss_versions.model_id", "ss_versions.version"]),
    UniqueConstraint("model_id", "version", "format"),
)
chunks = Table(
    "ss_chunks",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("location", Text),
    Column("touched", BigInteger, nullable=False),
)
# Beside `ss_chunks`, since SQLite writes a whole row anew when one of its columns changes.
chunk_data = Table(
    "ss_chunk_data",
    metadata,
    Column(
        "digest",
        LargeBinary(32),
        ForeignKey("ss_chunks.digest", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("data", LargeBinary, nullable=False),
)
file_chunks = Table(
    "ss_file_chunks",
    metadata,
    Column("file_id", _Id, ForeignKey("ss_files.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("digest", LargeBinary(32), ForeignKey("ss_chunks.digest"), nullable=False),
    Index("ss_file_chunks_digest", "digest"),
    sqlite_with_rowid=False,
)
channels = Table(
    "ss_channels",
    metadata,
    Column("model_id", _Id, ForeignKey("ss_models.id"), primary_key=True),
    Column("alias", String(64), primary_key=True),
    Column("counter", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("statement", LargeBinary, nullable=False),
    Column("signatures", LargeBinary, nullable=False),
)
channel_moves = Table(
    "ss_channel_moves",
    metadata,
    Column("model_id", _Id, ForeignKey("ss_models.id"), primary_key=True),
    Column("alias", String(64), primary_key=True),
    Column("counter", BigInteger, primary_key=True),
    Column("statement", LargeBinary, nullable=False),
    Column("signatures", LargeBinary, nullable=False),
)
edges = Table(
    "ss_edges",
    metadata,
    Column("model_id", _Id, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("parent_id", _Id, primary_key=True),
    Column("parent_version", Integer, primary_key=True),
    Index("ss_edges_parent", "parent_id", "parent_version"),
)
terms = Table(
    "ss_terms",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("kind", String(120), nullable=False),
    Column("value", String(200), nullable=False),
    UniqueConstraint("kind", "value"),
)
postings = Table(
    "ss_postings",
    metadata,
    Column("term_id", _Id, ForeignKey("ss_terms.id"), primary_key=True),
    Column("model_id", _Id, primary_key=True),
    Column("version", Integer, primary_key=True),
    sqlite_with_rowid=False,
)
audit = Table(
    "ss_audit",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("model_id", _Id),
    Column("line", LargeBinary, nullable=False),
    Column("digest", String(64), nullable=False),
    Index("ss_audit_model", "model_id", "number"),
)
# Number 0 is the newest and moves with every line; the others stay.
checkpoints = Table(
    "ss_checkpoints",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("statement", LargeBinary, nullable=False),
    Column("signatures", LargeBinary, nullable=False),
)
