# SPDX-License-Identifier: BSD-3-Clause
"""The pickle codec: protocol 5, arrays and large plain containers beside the stream, aligned.

Floor 5.  Uncompressed, a payload is three members that load without copying an array.  Compressed,
it is one ordinary pickle in one ordinary compressed file.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from safeserial.codecs import arrays, columns, rows, unpickling
from safeserial.codecs.boosters import Boosters
from safeserial.codecs.compression import COMPRESSORS, Compression, choose
from safeserial.codecs.objects import Objects
from safeserial.codecs.protocol import Encoded
from safeserial.codecs.rows import MIN_ROWS
from safeserial.payload import BUFFERS, INDEX, STREAM, Column, Parts, Rows, aligned
from safeserial.strictjson import Json
from safeserial.verifier import Admitted

PROTOCOL: Final = 5
_MAX_TABLES: Final = 64


class _Entangled(Exception):  # noqa: N818 - not an error: the model is pickled without rows
    """Something outside of rows refers to an object, or to a small array, inside."""


class _PartsPickler(pickle.Pickler):
    """CPython's pickler that leaves arrays, large plain containers and rows to the index.

    Attributes
    ----------
    buffers : list of memoryview
        Out-of-band buffers of what was pickled after all.
    objects : Objects
        What the index describes.
    """

    def __init__(self, stream: io.BytesIO, *, with_rows: bool, sliced: bool) -> None:
        self.buffers: list[memoryview] = []
        super().__init__(stream, PROTOCOL, buffer_callback=self._keep)
        self.objects = Objects()
        numpy = sys.modules.get("numpy")  # where it was not imported there are no arrays
        self._array_type = numpy.ndarray if numpy is not None else None
        # Objects that stand in rows: who meets one of them again finds that it is shared.
        self._owned: set[int] = set()
        self._found: list[rows.Found] = []  # keeps identities from being given to others
        self._tables = _MAX_TABLES if with_rows else 0
        # Lists that are no rows: who refers to one a thousand times has it looked at once.
        self._plain: dict[int, Any] = {}
        self._sliced = sliced

    def _keep(self, buffer: pickle.PickleBuffer) -> None:
        self.buffers.append(buffer.raw())

    def persistent_id(self, obj: Any) -> int | None:
        if self._owned and id(obj) in self._owned:
            raise _Entangled
        kind = type(obj)
        if kind is self._array_type:
            return self.objects.array(obj)
        if (kind is dict or kind is list) and len(obj) >= MIN_ROWS:
            if len(obj) >= columns.MIN_LENGTH:
                number = self.objects.container(obj)
                if number is not None:
                    return number
            if kind is list and self._tables and id(obj) not in self._plain:
                number = self._rows(obj)
                if number is None:
                    self._plain[id(obj)] = obj
                return number
        return None

    def _rows(self, container: list[Any]) -> int | None:
        known = self.objects.known(container)
        if known is not None and known[0] is not None:
            return known[0]
        found = rows.find(container, self._array_type, sliced=self._sliced)
        if found is None:
            return None
        if self.objects.any_of(found.owned):
            raise _Entangled
        self._tables -= 1
        # A copy of the memo is all that the pickler gives to see; tables are few.
        met = self.memo.copy()
        if not (found.owned.isdisjoint(met) and found.owned.isdisjoint(self._owned)):
            return None
        number = self.objects.rows(found, container)
        if number is not None:
            self._owned |= found.owned
            self._found.append(found)
        return number


class PickleCodec:
    """Protocol 5 with out-of-band buffers and columns."""

    name = "pickle"

    def encode(self, model: Any, compression: Compression) -> Encoded:
        """Return the payload of `model`.

        Parameters
        ----------
        model : object
            Anything that pickles.
        compression : str, (str, int) or None
            See :func:`safeserial.codecs.compression.choose`.

        Returns
        -------
        Encoded
            Views of the model's arrays where it is not compressed: it must not change until they
            are written.
        """
        chosen = choose(compression)
        if chosen is not None:
            name, level = chosen
            compressor = COMPRESSORS[name]
            packed = compressor.compress(pickle.dumps(model, PROTOCOL), level)
            path = STREAM + compressor.extension
            options: dict[str, Json] = {"compression": name, "level": level, "protocol": PROTOCOL}
            return Encoded(options, {path: (memoryview(packed),)})
        stream, pickler = _pickled(model)
        parts = [*pickler.buffers, *pickler.objects.parts]
        index = pickler.objects.index(pickler.buffers)
        return Encoded(
            {"protocol": PROTOCOL},
            {
                STREAM: (stream.getbuffer(),),
                INDEX: (memoryview(index),),
                BUFFERS: _with_gaps(parts),
            },
        )

    def decode(self, admitted: Admitted, boosters: Boosters | None = None) -> Any:
        """Build the model; its arrays are writable views of the payload's memory."""
        unpickling.refuse_outdated(admitted)
        boosters = Boosters(forbidden=True) if boosters is None else boosters
        made = _Made(admitted.parts, unpickling.finder(admitted.names, boosters=boosters))
        model = unpickling.load(
            unpickling.RestrictedUnpickler(
                admitted.stream,
                admitted.names,
                persistent=made.by_number(),
                buffers=admitted.parts.buffers,
                boosters=boosters,
            )
        )
        boosters.settle()
        return model

    def export(self, model: Any, members: Mapping[str, memoryview]) -> tuple[str, bytes]:
        """Return an ordinary pickle of the model."""
        del members  # out-of-band buffers are of no use to pickle.load
        return ".pkl", pickle.dumps(model, PROTOCOL)


class _Made:
    """The objects of an index, each made when the stream first asks for it."""

    def __init__(self, parts: Parts, find: Callable[[str, str], Any]) -> None:
        self._parts = parts.objects
        self._find = find
        known = [arrays.build_dtype(dtype) for dtype in parts.dtypes]
        self._made: list[Any] = arrays.build_all(parts.objects, known)

    def by_number(self) -> Callable[[int], Any]:
        """Return what finds an object by its number."""
        # A forest has over a thousand arrays: no function of Python's is called for each.
        return self.get if any(one is None for one in self._made) else self._made.__getitem__

    def get(self, number: int) -> Any:
        """Return the object with a number."""
        found = self._made[number]
        if found is None:
            part = self._parts[number]
            if isinstance(part, Rows):
                found = rows.build(part, self.get, self._find)
            elif isinstance(part, Column):
                found = columns.build(part)
            self._made[number] = found
        return found


def _pickled(model: Any) -> tuple[io.BytesIO, _PartsPickler]:
    """Pickle with rows where nothing in them is shared with the rest, else without."""
    for with_rows, sliced in ((True, True), (True, False), (False, False)):
        stream = io.BytesIO()
        pickler = _PartsPickler(stream, with_rows=with_rows, sliced=sliced)
        try:
            pickler.dump(model)
        except _Entangled:
            continue
        break
    return stream, pickler


def _with_gaps(parts: list[memoryview]) -> tuple[memoryview, ...]:
    """Put zeros between parts so that each begins at a multiple of 64."""
    pieces: list[memoryview] = []
    position = 0
    for part in parts:
        gap = aligned(position) - position
        if gap:
            pieces.append(_ZEROS[:gap])
        pieces.append(part)
        position += gap + len(part)
    return tuple(pieces)


_ZEROS: Final = memoryview(bytes(64))
