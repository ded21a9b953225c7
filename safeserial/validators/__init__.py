# SPDX-License-Identifier: BSD-3-Clause
"""Content validation: whether what was reconstructed can be used without reading wild memory.

Floor 5.  The opcode verifier proves what a stream does while it is loaded.  What scikit-learn,
SciPy and pandas do with the numbers afterwards they do in compiled code without bounds checks: one
altered ``left_child`` ends the process at the first ``predict``.  So every object that was built is
looked at once more before anybody else sees it.

Nothing here imports a library: a validator runs only on an object of its library, which is then
already there, and asks questions of that object alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["check_boosters", "validate"]


def validate(model: Any) -> None:
    """Check all native state that can be reached from a reconstructed object.

    Parameters
    ----------
    model : object
        What a codec has decoded.  It is not changed, but for scratch memory that compiled classes
        keep (see :mod:`safeserial.validators.distances`), and the number of features of neighbours
        that were saved before there was one (see :mod:`safeserial.validators.neighbors`).

    Raises
    ------
    InvalidStateError
        If an object's state would make compiled code read or write outside its memory, run for
        ever, or call something else than the methods of its class.
    LimitExceededError
        If there is not enough memory to look.

    Warns
    -----
    SafeSerialWarning
        If a parameter makes the model open files when it is used (not refused: it is what the class
        documents, and only the reader knows whether it was meant).
    """
    from safeserial.validators.walk import Walk  # imports NumPy, which `import safeserial` must not

    Walk().run(model)


def check_boosters(found: Sequence[tuple[type, dict[str, Any]]]) -> None:
    """Check states of boosters before native parsers read them.

    Parameters
    ----------
    found : sequence of (type, dict)
        Classes and the states that they are about to be given.

    Raises
    ------
    InvalidStateError
        If a state is not one that the library itself would have written.
    """
    from safeserial.validators.boosters import check_boosters  # imports NumPy

    check_boosters(found)
