# SPDX-License-Identifier: BSD-3-Clause
"""Containers of the standard library whose contents are in no attribute.

Floor 5.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from typing import Any


def look_into_partial(partial: Any) -> Iterable[Any]:
    """Return the function and arguments of a functools.partial."""
    return [partial.func, *partial.args, *partial.keywords.values()]


def contents(obj: Any) -> list[Collection[Any]]:
    """Return what an instance of a builtin container, or of a class derived from one, holds.

    The builtin's own methods are asked, since those of a derived class may do as they please.
    """
    if isinstance(obj, dict):
        return [list(dict.keys(obj)), list(dict.values(obj))]
    for kind in (list, tuple, set, frozenset, deque):
        if isinstance(obj, kind):
            return [list(kind.__iter__(obj))]
    return []
