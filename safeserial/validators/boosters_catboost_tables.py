# SPDX-License-Identifier: BSD-3-Clause
"""CatBoost's tables of categories: hash tables that end a search, entries that exist.

Floor 5.  A search goes on until it meets an empty bucket, and reads the entry that a bucket names
without comparing it with how many there are.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final, NamedTuple, NoReturn

import numpy as np

from safeserial.validators.boosters_flatbuffers import Buffer, Table

Refuse = Callable[[str], NoReturn]
# How a category was counted; the numbers are CatBoost's.
_BORDERS, _BUCKETS, _BINARIZED_MEAN, _FLOAT_MEAN, _COUNTER, _FREQUENCY = range(6)
_BUCKET: Final = np.dtype([("hash", "<u8"), ("index", "<u4")])
_EMPTY: Final = 2**64 - 1
_LARGE: Final = 2**32 - 1
_MANY: Final = 2**20

Base = tuple[bytes, bytes, bytes, int]


class Ctr(NamedTuple):
    """A feature computed from categories.

    Parameters
    ----------
    base : tuple
        Which features are combined, and how they were counted.
    target : int
        Which class, or border between classes, is asked for.
    """

    base: Base
    target: int


def base_of(table: Table, used: list[bool], floats: int, refuse: Refuse) -> Base:
    """Return what a combination of features is known by.

    Parameters
    ----------
    table : Table
        Of the model or of its tables.
    used : list of bool
        For each categorical feature, whether the model uses it.
    floats : int
        Numerical features.
    refuse : callable
        Takes what is wrong, and raises.
    """
    combined = table.table(0)
    cats = combined.array(0, "<i4")
    splits = combined.array(1, "<u8")  # index and border
    hots = combined.array(2, "<u8")  # index and value
    kind = table.number(1, "b", 0)
    if not _BORDERS <= kind <= _FREQUENCY:
        refuse("has a table of unknown kind")
    for where in (cats, hots.astype("<u4").view("<i4")):
        if any(not (0 <= index < len(used) and used[index]) for index in where.tolist()):
            refuse("combines a categorical feature that does not exist")
    if any(not 0 <= index < floats for index in splits.astype("<u4").view("<i4").tolist()):
        refuse("combines a numerical feature that does not exist")
    return cats.tobytes(), splits.tobytes(), hots.tobytes(), kind


def check_tables(data: memoryview, ctrs: list[Ctr], refuse: Refuse) -> None:
    """Check the tables behind a model's core.

    Parameters
    ----------
    data : memoryview
        All that follows the core.
    ctrs : list of Ctr
        What the model asks of them.
    refuse : callable
        Takes what is wrong, and raises.
    """
    (count,) = struct.unpack_from("<I", data)
    position = 4
    if count > len(data):
        refuse("has more tables than bytes")
    asked: dict[Base, list[int]] = {}
    for ctr in ctrs:
        asked.setdefault(ctr.base, []).append(ctr.target)
    for _ in range(count):
        (size,) = struct.unpack_from("<I", data, position)
        position += 4
        if size == _LARGE or size > len(data) - position:
            refuse("has a table that is cut short")
        root = Buffer(data[position : position + size]).root()
        position += size
        combined = root.table(0)
        key = (
            *(
                combined.table(0).array(slot, form).tobytes()
                for slot, form in enumerate(("<i4", "<u8", "<u8"))
            ),
            combined.number(1, "b", 0),
        )
        if key not in asked:
            refuse("has a table that no feature asks for, or the same twice")
        _check_table(root, key[3], asked.pop(key), refuse)
    if asked or position != len(data):
        refuse("lacks a table, or goes on behind the last")


def _check_table(root: Table, kind: Any, targets: list[int], refuse: Refuse) -> None:
    raw, blob = root.array(1, "u1"), root.array(2, "u1")
    classes = root.number(4, "i", 0)
    if len(raw) % _BUCKET.itemsize:
        refuse("has a malformed table")
    buckets = raw.view(_BUCKET)
    if not len(buckets) or len(buckets) & (len(buckets) - 1):
        refuse("has a table whose length is no power of two")
    taken = buckets["hash"] != _EMPTY
    if taken.all():
        refuse("has a table that a search would not leave")
    if not 0 <= classes < _MANY or min(targets) < 0:
        refuse("has a table of impossible classes")
    if kind in {_BINARIZED_MEAN, _FLOAT_MEAN}:
        width = 8
    elif kind in {_COUNTER, _FREQUENCY}:
        width = 4
    else:
        width = 4 * (max(classes, 2) if kind == _BORDERS else classes)
        if max(targets) >= max(classes, 1) or classes < 1:
            refuse("asks for a class that does not exist")
    entries = buckets["index"][taken]
    if len(blob) % width or (len(entries) and int(entries.max()) >= len(blob) // width):
        refuse("has a table with an entry that does not exist")
