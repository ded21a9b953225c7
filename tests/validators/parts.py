# SPDX-License-Identifier: BSD-3-Clause
"""Structured damage: a model is pickled with parts of it replaced by something else.

Bytes that are flipped seldom make another stream that holds together.  Here the stream is always
well formed, and what it says is wrong: arguments, states, keys and values of honest objects are
exchanged for other parts of the same model, parts of another one, altered arrays, or plain values.
"""

from __future__ import annotations

import io
import pickle
import random
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import scipy.sparse as sp

PLAIN: tuple[Any, ...] = (
    *(None, True, 0, 1, -1, 7, 10**6, 2**31, 2**40, 2**63 - 1, -(2**63), 2**70),
    *(0.0, 0.5, -1.5, float("inf"), float("nan"), 1j, "", "a", "float32", b"", b"ab"),
    *((), (0,), (None,) * 3, [], [0, 1], {}, {"a": 1}, set(), frozenset({1}), deque([1])),
    *(slice(0, 9), range(10**9), slice(None), Ellipsis, np.float64(1.0), np.int8(-1)),
)
ARRAYS: tuple[Any, ...] = (
    *(np.zeros(0), np.zeros((0, 3)), np.zeros((3, 0)), np.zeros(()), np.arange(6.0), np.eye(3)),
    *(np.full(40, 2**40), np.full(3, -1), np.array(["a", "b"]), np.array(["a", None], object)),
    *(np.zeros(3, "M8[ns]"), np.zeros(3, "?"), np.zeros(3, [("a", "i4"), ("b", "f8")])),
    *(np.zeros(9, "i4"), np.full(9, 99, "i1"), np.full((2, 2), np.nan), np.zeros((2, 2, 2))),
)
OTHERS: tuple[Any, ...] = (
    *(sp.csr_matrix(np.eye(3)), sp.csc_array(np.eye(3)), pd.Index(["a", "b"]), pd.Series([1, 2])),
    *(pd.DataFrame({"a": [1.0]}), pd.Categorical(["a"]), pd.RangeIndex(9), pd.Timestamp(0)),
    *(np.dtype("f4"), np.random.RandomState(0), np.random.default_rng(0), dict, np.ndarray),
)


class _Listing(pickle._Pickler):
    """Remembers everything that it is asked to write."""

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.met: list[Any] = []

    def save(self, obj: Any, save_persistent_id: bool = True) -> Any:
        self.met.append(obj)
        return super().save(obj, save_persistent_id)  # type: ignore[misc]


class _Replacing(pickle._Pickler):
    """Writes other objects in the places of some."""

    def __init__(self, file: io.BytesIO, protocol: int, others: dict[int, Any]) -> None:
        super().__init__(file, protocol)
        self._others = others
        self._count = -1

    def save(self, obj: Any, save_persistent_id: bool = True) -> Any:
        self._count += 1
        obj = self._others.pop(self._count, obj)
        return super().save(obj, save_persistent_id)  # type: ignore[misc]


class Whole:
    """A model, and what a pickler is asked to write of it, in its order."""

    known: ClassVar[list[Whole]] = []

    def __init__(self, model: Any) -> None:
        listing = _Listing(io.BytesIO(), 4)
        listing.dump(model)
        self.model, self.parts = model, listing.met
        self.known.append(self)


def replaced(whole: Whole, dice: random.Random) -> bytes:
    """Return a pickle of a model of which a part is something else, now and then two or three."""
    while True:
        places = [_place(whole, dice) for _ in range(dice.choice((1, 1, 1, 2, 3)))]
        file = io.BytesIO()
        try:
            others = {place: _other(whole.parts[place], whole, dice) for place in places}
            _Replacing(file, dice.choice((2, 4, 5)), others).dump(whole.model)
        except Exception:  # noqa: BLE001 - a pickler that cannot write this: once more
            continue
        return file.getvalue()


def _place(whole: Whole, dice: random.Random) -> int:
    """Choose a part: seldom a name or a key, without which hardly anything loads."""
    while True:
        place = dice.randrange(1, len(whole.parts))
        if not isinstance(whole.parts[place], str | type | Callable) or dice.random() < 0.1:
            return place


def _other(part: Any, whole: Whole, dice: random.Random) -> Any:
    way = dice.random()
    if way < 0.4 and isinstance(part, np.ndarray | int | float | np.number | bytes | tuple | list):
        return _altered(part, dice)
    if way < 0.75:
        # A part of the same kind: of this model, or of any.
        parts = whole.parts if dice.random() < 0.5 else dice.choice(Whole.known).parts
        alike = [one for one in parts if type(one) is type(part)]
        return dice.choice(alike or parts)
    if way < 0.9:
        return dice.choice(dice.choice((PLAIN, ARRAYS, OTHERS)))
    return dice.choice(dice.choice((whole, dice.choice(Whole.known))).parts)


def _altered(part: Any, dice: random.Random) -> Any:
    """Return something of the same kind with other values, or of another length."""
    if isinstance(part, np.ndarray):
        return _altered_array(part, dice)
    if isinstance(part, bytes):
        return dice.choice((part[:-1], part[: len(part) // 2], part + b"\0", part * 2, b""))
    if isinstance(part, tuple | list):
        cut = dice.randrange(len(part) + 1)
        return dice.choice((part[:cut], part[cut:], part + part, part[::-1], type(part)()))
    return dice.choice((-part, part + 1, part - 1, part * 1000, float(part), str(part)))


def _altered_array(array: Any, dice: random.Random) -> Any:
    ways = [
        lambda: array[:-1],
        lambda: array[: len(array) // 2],
        lambda: np.concatenate([array, array]),
        lambda: np.flip(array),
        lambda: array.reshape(-1),
        lambda: array.T + 0,
        lambda: array[None],
        lambda: array.astype("f4"),
        lambda: array.astype("f8"),
        lambda: array.astype("i8"),
        lambda: array.astype("i4"),
        lambda: array.astype("O"),
        lambda: array.astype(array.dtype.newbyteorder()),
        lambda: np.asfortranarray(array),
        lambda: -array,
        lambda: array + 1,
        lambda: array * 1000,
        lambda: np.full_like(array, dice.choice((-1, 2**31 - 1, 10**6, 127, 0))),
        lambda: array[:0],
        lambda: _one_changed(array, dice),
        lambda: _one_changed(array, dice),
        lambda: _one_changed(array, dice),
    ]
    with np.errstate(all="ignore"):
        try:
            return dice.choice(ways)()
        except (TypeError, ValueError, OverflowError, IndexError):
            return array[:0] if array.ndim else np.zeros(2)


def _one_changed(array: Any, dice: random.Random) -> Any:
    changed = array.copy()
    flat = changed.reshape(-1)
    place = dice.randrange(len(flat))
    number = dice.choice((-1, -2, 0, 1, 7, 10**6, 2**31 - 1, 2**40, float("nan")))
    if array.dtype.names:
        flat[dice.choice(array.dtype.names)][place] = number
    else:
        flat[place] = number
    return changed
