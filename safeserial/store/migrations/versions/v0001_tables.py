# SPDX-License-Identifier: BSD-3-Clause
"""The first schema: models, versions, chunks, channels, the audit log.

Floor 7.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "ss_meta",
        sa.Column("key", sa.String(40), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "ss_models",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("next_version", sa.Integer, nullable=False),
    )
    op.create_table(
        "ss_versions",
        sa.Column("model_id", _Id, sa.ForeignKey("ss_models.id"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("state", sa.String(8), nullable=False),
    )
    _payloads()
    _statements()


def _payloads() -> None:
    op.create_table(
        "ss_files",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("model_id", _Id, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("format", sa.String(40), nullable=False),
        sa.Column("artifact_id", sa.String(64), nullable=False),
        sa.Column("manifest", sa.LargeBinary, nullable=False),
        sa.Column("signatures", sa.LargeBinary, nullable=False),
        sa.Column("statement", sa.LargeBinary, nullable=False),
        sa.Column("statement_signatures", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id", "version"], ["ss_versions.model_id", "ss_versions.version"]
        ),
        sa.UniqueConstraint("model_id", "version", "format"),
    )
    op.create_table(
        "ss_chunks",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("location", sa.Text),
        sa.Column("touched", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "ss_chunk_data",
        sa.Column(
            "digest",
            sa.LargeBinary(32),
            sa.ForeignKey("ss_chunks.digest", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":  # models do not compress, and slices are quick
        op.execute("ALTER TABLE ss_chunk_data ALTER COLUMN data SET STORAGE EXTERNAL")
    op.create_table(
        "ss_file_chunks",
        sa.Column(
            "file_id", _Id, sa.ForeignKey("ss_files.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), sa.ForeignKey("ss_chunks.digest"), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ss_file_chunks_digest", "ss_file_chunks", ["digest"])


def _statements() -> None:
    op.create_table(
        "ss_channels",
        sa.Column("model_id", _Id, sa.ForeignKey("ss_models.id"), primary_key=True),
        sa.Column("alias", sa.String(64), primary_key=True),
        sa.Column("counter", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("statement", sa.LargeBinary, nullable=False),
        sa.Column("signatures", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "ss_channel_moves",
        sa.Column("model_id", _Id, sa.ForeignKey("ss_models.id"), primary_key=True),
        sa.Column("alias", sa.String(64), primary_key=True),
        sa.Column("counter", sa.BigInteger, primary_key=True),
        sa.Column("statement", sa.LargeBinary, nullable=False),
        sa.Column("signatures", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "ss_edges",
        sa.Column("model_id", _Id, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("parent_id", _Id, primary_key=True),
        sa.Column("parent_version", sa.Integer, primary_key=True),
    )
    op.create_index("ss_edges_parent", "ss_edges", ["parent_id", "parent_version"])
    op.create_table(
        "ss_audit",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("model_id", _Id),
        sa.Column("line", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_index("ss_audit_model", "ss_audit", ["model_id", "number"])
    op.create_table(
        "ss_checkpoints",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("statement", sa.LargeBinary, nullable=False),
        sa.Column("signatures", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Do nothing: a store is never taken back before its first schema."""
