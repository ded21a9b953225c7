# SPDX-License-Identifier: BSD-3-Clause
"""The pickle codec: protocol 5, arrays and large plain containers beside the stream, aligned.

Floor 5.  Uncompressed, a payload is three members that load without copying an array.  Compressed,
it is one ordinary pickle in one ordinary compressed file.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Mapping
from typing import Any, Final

from safeserial.codecs import arrays, columns, unpickling
from safeserial.codecs.arrays import ArrayWriter
from safeserial.codecs.boosters import Boosters
from safeserial.codecs.compression import COMPRESSORS, Compression, choose
from safeserial.codecs.protocol import Encoded
from safeserial.dtypes import encode_dtypes
from safeserial.payload import BUFFERS, INDEX, STREAM, aligned, pack_index
from safeserial.strictjson import Json
from safeserial.verifier import Admitted

PROTOCOL: Final = 5


class _PartsPickler(pickle.Pickler):
    """CPython's pickler that leaves arrays and large plain containers to the index.

    Attributes
    ----------
    buffers : list of memoryview
        Out-of-band buffers of what was pickled after all.
    parts : list of memoryview
        Data of the objects of the index.
    objects : list of bytes
        Their records.
    arrays : ArrayWriter
        Dtypes and shapes.
    """

    def __init__(self, stream: io.BytesIO) -> None:
        self.buffers: list[memoryview] = []
        super().__init__(stream, PROTOCOL, buffer_callback=self._keep)
        self.parts: list[memoryview] = []
        self.objects: list[bytes] = []
        self.arrays = ArrayWriter()
        numpy = sys.modules.get("numpy")  # where it was not imported there are no arrays
        self._array_type = numpy.ndarray if numpy is not None else None
        self._seen: dict[int, tuple[int | None, Any]] = {}

    def _keep(self, buffer: pickle.PickleBuffer) -> None:
        self.buffers.append(buffer.raw())

    def persistent_id(self, obj: Any) -> int | None:
        kind = type(obj)
        if kind is self._array_type or (
            (kind is dict or kind is list) and len(obj) >= columns.MIN_LENGTH
        ):
            known = self._seen.get(id(obj))
            if known is None:
                # Kept alive, so that its identity stays its own until the pickle is done.
                known = self._seen[id(obj)] = (self._take(obj, kind), obj)
            return known[0]
        return None

    def _take(self, obj: Any, kind: type) -> int | None:
        if kind is self._array_type:
            array = self.arrays.describe(obj)
            if array is None:
                return None
            self.objects.append(array[0])
            self.parts.append(array[1])
        else:
            column = columns.describe(obj)
            if column is None:
                return None
            self.objects.append(column[0])
            self.parts.extend(column[1])
        return len(self.objects) - 1


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
        stream = io.BytesIO()
        pickler = _PartsPickler(stream)
        pickler.dump(model)
        parts = [*pickler.buffers, *pickler.parts]
        index = pack_index(
            [len(part) for part in parts],
            pickler.objects,
            pickler.arrays.shapes,
            encode_dtypes(pickler.arrays.dtypes),
        )
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
        parts = admitted.parts
        known = [arrays.build_dtype(dtype) for dtype in parts.dtypes]
        made: list[Any] = arrays.build_all(parts.objects, known)

        def persistent(index: int) -> Any:
            if made[index] is None:
                made[index] = columns.build(parts.objects[index])  # type: ignore[arg-type]
            return made[index]

        # A forest has over a thousand arrays: no function of Python's is called for each.
        columned = any(one is None for one in made)
        boosters = Boosters(forbidden=True) if boosters is None else boosters
        model = unpickling.load(
            unpickling.RestrictedUnpickler(
                admitted.stream,
                admitted.names,
                persistent=persistent if columned else made.__getitem__,
                buffers=parts.buffers,
                boosters=boosters,
            )
        )
        boosters.settle()
        return model

    def export(self, model: Any, members: Mapping[str, memoryview]) -> tuple[str, bytes]:
        """Return an ordinary pickle of the model."""
        del members  # out-of-band buffers are of no use to pickle.load
        return ".pkl", pickle.dumps(model, PROTOCOL)


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
