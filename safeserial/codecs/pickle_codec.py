# SPDX-License-Identifier: BSD-3-Clause
"""The pickle codec: protocol 5, arrays out of band and aligned, large plain containers as columns.

Floor 5.  Uncompressed, a payload is three members that load without copying an array.  Compressed,
it is one ordinary pickle in one ordinary compressed file.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any, Final

from safeserial.codecs import columns, unpickling
from safeserial.codecs.columns import ColumnWriter
from safeserial.codecs.compression import COMPRESSORS, Compression, choose
from safeserial.codecs.protocol import Encoded
from safeserial.payload import BUFFERS, INDEX, STREAM, aligned, pack_index
from safeserial.strictjson import Json
from safeserial.verifier import Admitted

PROTOCOL: Final = 5


class _ColumnPickler(pickle.Pickler):
    """CPython's pickler that offers large plain containers to a column writer first."""

    def __init__(self, stream: io.BytesIO, writer: ColumnWriter, buffers: list[memoryview]) -> None:
        super().__init__(
            stream, PROTOCOL, buffer_callback=lambda buffer: buffers.append(buffer.raw())
        )
        self._writer = writer

    def persistent_id(self, obj: Any) -> int | None:
        kind = type(obj)
        if (kind is dict or kind is list) and len(obj) >= columns.MIN_LENGTH:
            return self._writer.offer(obj)
        return None


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
        writer = ColumnWriter()
        buffers: list[memoryview] = []
        _ColumnPickler(stream, writer, buffers).dump(model)
        parts = [*buffers, *writer.parts]
        index = pack_index([len(part) for part in parts], writer.kinds)
        return Encoded(
            {"protocol": PROTOCOL},
            {
                STREAM: (stream.getbuffer(),),
                INDEX: (memoryview(index),),
                BUFFERS: _with_gaps(parts),
            },
        )

    def decode(self, admitted: Admitted) -> Any:
        """Build the model; its arrays are writable views of the payload's memory."""
        built: dict[int, Any] = {}

        def persistent(index: int) -> Any:
            if index not in built:
                built[index] = columns.build(admitted.columns[index])
            return built[index]

        return unpickling.load(
            unpickling.RestrictedUnpickler(
                admitted.stream, admitted.names, persistent=persistent, buffers=admitted.buffers
            )
        )

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
