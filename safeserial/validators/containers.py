# SPDX-License-Identifier: BSD-3-Clause
"""Containers of the standard library whose contents are in no attribute.

Floor 5.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from typing import Any, Final

import numpy as np

from safeserial.errors import InvalidStateError

CONTAINERS: Final = (dict, list, tuple, set, frozenset, deque, np.ndarray, np.void)


def contents(obj: Any) -> list[Collection[Any]]:
    """Return what an instance of a builtin container, or of a class derived from one, holds.

    The builtin's own methods are asked, since those of a derived class may do as they please.
    """
    if isinstance(obj, np.ndarray | np.void):
        return [np.asarray(obj).ravel().tolist()] if obj.dtype.hasobject else []
    if isinstance(obj, dict):
        return [dict.values(obj), dict.keys(obj)]
    for kind in (list, tuple, set, frozenset, deque):
        if isinstance(obj, kind):
            items: Iterable[Any] = kind.__iter__(obj)  # type: ignore[arg-type]  # obj is of `kind`
            return [list(items)]
    return []


def refuse_discarded(placeholder: Any) -> None:
    """Refuse what stands for a part of a distribution's state anywhere else.

    Raises
    ------
    InvalidStateError
        Always.
    """
    del placeholder
    raise InvalidStateError(
        "numpy.vectorize objects are not restored",
        hint="use a plain function that works on arrays",
    )


def refuse_unbuilt(placeholder: Any) -> None:
    """Refuse what is built of its state, where a stream gives it none.

    Raises
    ------
    InvalidStateError
        Always.
    """
    raise InvalidStateError(f"a {type(placeholder).__mro__[1].__name__} was given no state")
