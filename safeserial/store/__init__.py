# SPDX-License-Identifier: BSD-3-Clause
"""The model store: named, versioned, signed models in a database that nobody has to trust.

Floor 7 (extra ``[store]``).  ``store`` is the face; every room behind it does one thing: ``schema``
and ``engine`` speak to the database, ``statements`` are what is signed, ``lastseen`` is what this
client remembers, ``publishing`` writes, ``reading`` resolves and loads.
"""

from safeserial.errors import MissingExtraError

try:
    import alembic as _alembic  # noqa: F401
    import sqlalchemy as _sqlalchemy  # noqa: F401
except ImportError:
    raise MissingExtraError("store", "safeserial.Store") from None

from safeserial.store.entries import (
    ANY as ANY,
)
from safeserial.store.entries import (
    AuditLine as AuditLine,
)
from safeserial.store.entries import (
    AuditReport as AuditReport,
)
from safeserial.store.entries import (
    Channel as Channel,
)
from safeserial.store.entries import (
    CheckReport as CheckReport,
)
from safeserial.store.entries import (
    Difference as Difference,
)
from safeserial.store.entries import (
    Edge as Edge,
)
from safeserial.store.entries import (
    Entry as Entry,
)
from safeserial.store.entries import (
    Problem as Problem,
)
from safeserial.store.entries import (
    StoredFile as StoredFile,
)
from safeserial.store.entries import (
    Swept as Swept,
)
from safeserial.store.entries import (
    Transferred as Transferred,
)
from safeserial.store.store import Store as Store

__all__ = [
    "ANY",
    "AuditLine",
    "AuditReport",
    "Channel",
    "CheckReport",
    "Difference",
    "Edge",
    "Entry",
    "Problem",
    "Store",
    "StoredFile",
    "Swept",
    "Transferred",
]
