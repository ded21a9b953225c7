# SPDX-License-Identifier: BSD-3-Clause
"""Work on many model files at once, on joblib's backends: this machine, Dask or Ray.

Floor 7.  The pieces: items (which files), actions (what is done to one), rows (what came of it),
rings (how a worker comes by its keys), engine (joblib), running (the whole run, resumable).
"""

from __future__ import annotations

from safeserial.bulk.actions import Action as Action
from safeserial.bulk.actions import Convert as Convert
from safeserial.bulk.actions import Inspect as Inspect
from safeserial.bulk.actions import Sign as Sign
from safeserial.bulk.actions import Verify as Verify
from safeserial.bulk.engine import Where as Where
from safeserial.bulk.items import Item as Item
from safeserial.bulk.items import gather as gather
from safeserial.bulk.rings import RingReference as RingReference
from safeserial.bulk.rows import Row as Row
from safeserial.bulk.running import run as run

__all__ = [
    "Action",
    "Convert",
    "Inspect",
    "Item",
    "RingReference",
    "Row",
    "Sign",
    "Verify",
    "Where",
    "gather",
    "run",
]
