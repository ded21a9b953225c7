# SPDX-License-Identifier: BSD-3-Clause
"""The index that `search` asks: terms, and the versions that have them.

Floor 7.  `Store.migrate` puts versions of before this step into it when the step is done.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "ss_terms",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("kind", sa.String(120), nullable=False),
        sa.Column("value", sa.String(200), nullable=False),
        sa.UniqueConstraint("kind", "value"),
    )
    op.create_table(
        "ss_postings",
        sa.Column("term_id", _Id, sa.ForeignKey("ss_terms.id"), primary_key=True),
        sa.Column("model_id", _Id, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop them; everything in them follows from the manifests."""
    op.drop_table("ss_postings")
    op.drop_table("ss_terms")
