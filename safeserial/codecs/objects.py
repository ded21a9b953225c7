# SPDX-License-Identifier: BSD-3-Clause
"""The objects of an index while it is written: arrays, columns and rows, each with its number.

Floor 5.  What occurs twice in a model is one object: its identity is kept.
"""

from __future__ import annotations

from typing import Any

from safeserial.codecs import columns, rows
from safeserial.codecs.arrays import ArrayWriter
from safeserial.dtypes import encode_dtypes
from safeserial.payload import pack_index


class Objects:
    """Collects what stands beside a stream.

    Attributes
    ----------
    parts : list of memoryview
        Data of the objects.
    """

    def __init__(self) -> None:
        self.parts: list[memoryview] = []
        self._records: list[bytes] = []
        self._arrays = ArrayWriter()
        self._seen: dict[int, tuple[int | None, Any]] = {}

    def array(self, array: Any) -> int | None:
        """Return the number of an array, None if it has to be pickled."""
        known = self._seen.get(id(array))
        if known is None:
            described = self._arrays.describe(array)
            number = None if described is None else self._add(described[0], [described[1]])
            # Kept alive, so that its identity stays its own until the pickle is done.
            known = self._seen[id(array)] = number, array
        return known[0]

    def container(self, container: dict[Any, Any] | list[Any]) -> int | None:
        """Return the number of a large container, None if it has to be pickled."""
        known = self._seen.get(id(container))
        if known is None:
            known = self._seen[id(container)] = self.column(container), container
        return known[0]

    def column(self, container: dict[Any, Any] | list[Any]) -> int | None:
        """Return the number of a new column, None if the values are not plain."""
        described = columns.describe(container)
        return None if described is None else self._add(*described)

    def rows(self, found: rows.Found, container: list[Any]) -> int | None:
        """Return the number of a list that was found to be rows, None if it has to be pickled."""
        described = rows.describe(found, self)
        number = None if described is None else self._add(described[0], [memoryview(described[1])])
        self._seen[id(container)] = number, container
        return number

    def any_of(self, identities: set[int]) -> bool:
        """Say whether one of these objects has a number already."""
        return not identities.isdisjoint(self._seen)

    def known(self, container: list[Any]) -> tuple[int | None, Any] | None:
        """Return the number that a container was given before, in a pair; None if it is new."""
        return self._seen.get(id(container))

    def index(self, buffers: list[memoryview]) -> bytes:
        """Return the index of these out-of-band buffers and of all objects."""
        return pack_index(
            [len(part) for part in (*buffers, *self.parts)],
            self._records,
            self._arrays.shapes,
            encode_dtypes(self._arrays.dtypes),
        )

    def _add(self, record: bytes, parts: list[memoryview]) -> int:
        self._records.append(record)
        self.parts.extend(parts)
        return len(self._records) - 1
