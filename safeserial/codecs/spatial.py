# SPDX-License-Identifier: BSD-3-Clause
"""SciPy's k-d trees, built anew of their data instead of from a stream.

Floor 5.  ``cKDTree.__setstate__`` copies the nodes of the state into memory and follows their links
at once, before any validator could look.  The data are in the state too, and all that the nodes say
follows from them: so a tree is built again, and the nodes are dropped.
"""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np

from safeserial.errors import InvalidStateError

_CLASSES: Final = {("scipy.spatial._ckdtree", "cKDTree"), ("scipy.spatial._kdtree", "KDTree")}
# The state of all versions: nodes, data, n, m, leafsize, maxes, mins, indices, boxsize, boxes.
_LENGTH: Final = 10
_DATA, _LEAFSIZE, _BOXSIZE = 1, 4, 8


def is_tree(found: object) -> bool:
    """Say whether an object is one of SciPy's classes of k-d trees."""
    return isinstance(found, type) and (found.__module__, found.__qualname__) in _CLASSES


@functools.cache
def stand_in() -> type:
    """Return a class whose instances become a fresh ``scipy.spatial.KDTree`` of a state's data.

    A ``cKDTree`` becomes a ``KDTree`` as well, which is derived from it and the same but in name.

    Returns
    -------
    type
        For the unpickler to make an instance of.  One that is given no state stays what it is, and
        is refused by the validators.
    """
    import scipy.spatial

    tree: Any = scipy.spatial.KDTree

    def build_anew(self: Any, state: object) -> None:
        data, leafsize, boxsize = _read(state)
        tree.__init__(self, data, leafsize=leafsize, boxsize=boxsize)
        self.__class__ = tree

    return type("Unbuilt", (tree,), {"__setstate__": build_anew, "__module__": __name__})


def _read(state: object) -> tuple[Any, int, Any]:
    """Return data, size of leaves and box of a state, if they are what a tree can be built of."""
    if type(state) is not tuple or len(state) != _LENGTH:
        raise InvalidStateError("a k-d tree's state has another shape than SciPy gives it")
    data, leafsize, boxsize = state[_DATA], state[_LEAFSIZE], state[_BOXSIZE]
    if type(data) is not np.ndarray or data.dtype != np.float64 or data.ndim != 2:  # noqa: PLR2004
        raise InvalidStateError("a k-d tree's data are no table of numbers")
    if len(data) and not data.shape[1]:  # of no bytes, and as many points as somebody likes
        raise InvalidStateError("a k-d tree's points have no coordinates")
    if type(leafsize) is not int or leafsize < 1:
        raise InvalidStateError(f"a k-d tree's leaves hold {str(leafsize)[:40]} points")
    fits = type(boxsize) is np.ndarray and boxsize.dtype == np.float64
    if boxsize is not None and not (fits and boxsize.shape == data.shape[1:]):
        raise InvalidStateError("a k-d tree's box has other dimensions than its data")
    return data, leafsize, boxsize
