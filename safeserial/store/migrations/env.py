# SPDX-License-Identifier: BSD-3-Clause
"""What Alembic runs to find the database: the connection that the caller opened.

Floor 7.  The caller's transaction holds all steps, so a migration happens wholly or not at all.
"""

from alembic import context

from safeserial.store.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
