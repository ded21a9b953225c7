# SPDX-License-Identifier: BSD-3-Clause
"""Where skops finds the classes that stand in for others while a file is read.

Floor 5.  skops takes classes by module and name only.  Classes whose own ``__setstate__`` must not
run (distributions, k-d trees, boosters) are lent here under a name that is used once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from safeserial.policy import Name

_lent: Final[dict[str, Any]] = {}
_numbers: Final = itertools.count()


@contextmanager
def lent(kinds: Mapping[Name, Any]) -> Iterator[dict[Name, str]]:
    """Lend classes for as long as a file is read.

    Parameters
    ----------
    kinds : mapping of (module, qualname) to class
        Names in the file, and what stands in for them.

    Yields
    ------
    dict
        Names in the file, and the names in this module.
    """
    names = {name: f"stand_in_{next(_numbers)}" for name in kinds}
    _lent.update({names[name]: kind for name, kind in kinds.items()})
    try:
        yield names
    finally:
        for one in names.values():
            del _lent[one]


def __getattr__(name: str) -> Any:
    if name not in _lent:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _lent[name]
