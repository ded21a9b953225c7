# SPDX-License-Identifier: BSD-3-Clause
"""Containers inside of containers: none holds itself, and they do not go deeper than is read.

Floor 5.  Python stops a recursion in time; compiled code that takes nested lists apart, as Arrow
does of values that pandas hands it, goes on until the stack is full.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any, Final

import numpy as np

from safeserial.validators.asking import refuse
from safeserial.validators.containers import CONTAINERS, contents

# As deep as the verifier lets those nest whose freeing frees the next (verifier/arrays.py).  What
# `pickle` writes is no deeper, as it gives up at half the interpreter's limit of recursion.
MAX_NESTED: Final = 500


def is_container(kind: type) -> bool:
    """Say whether instances of a class hold others outside of their attributes."""
    return issubclass(kind, CONTAINERS)


def check_nesting(objects: Iterable[Any]) -> None:
    """Refuse containers that hold themselves, or nest too deep, through nothing but containers.

    Parameters
    ----------
    objects : iterable of object
        All that a model holds; those that are no containers do not count.
    """
    depths: dict[int, int] = {}  # 0 while what a container holds is being looked at
    for one in objects:
        if is_container(type(one)) and id(one) not in depths:
            _measure(one, depths)


def _measure(outermost: Any, depths: dict[int, int]) -> None:
    depths[id(outermost)] = 0
    path: list[tuple[Any, list[Any]]] = [(outermost, _inner(outermost))]
    while path:
        container, waiting = path[-1]
        while waiting and depths.get(id(waiting[-1]), 0):
            waiting.pop()
        if not waiting:
            path.pop()
            inner = (depths[id(one)] for one in _inner(container))
            depths[id(container)] = 1 + max(inner, default=0)
            if depths[id(container)] > MAX_NESTED:
                refuse(container, f"containers are nested more than {MAX_NESTED} deep")
            continue
        following = waiting.pop()
        if id(following) in depths:
            refuse(following, "holds itself")
        depths[id(following)] = 0
        path.append((following, _inner(following)))


def _inner(container: Any) -> list[Any]:
    """Return the containers that a container holds."""
    if type(container) is np.ndarray and not container.dtype.hasobject:
        return []
    held = chain.from_iterable(contents(container))
    return [one for one in held if is_container(type(one))]
