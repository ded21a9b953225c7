# SPDX-License-Identifier: BSD-3-Clause
"""The joblib codec: exactly what ``joblib.dump`` writes, read back by the C unpickler.

Floor 5.  joblib's own loader is a pickle machine written in Python.  Here the verifier has already
found where each array's bytes lie and put a persistent id in their place, so that CPython's C
unpickler runs the opcodes and the arrays are views of the payload's memory.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Mapping
from typing import Any, Final

from safeserial.codecs import unpickling
from safeserial.codecs.boosters import Boosters
from safeserial.codecs.compression import COMPRESSORS, Compression, choose
from safeserial.codecs.protocol import Encoded
from safeserial.errors import InvalidStateError
from safeserial.strictjson import Json
from safeserial.verifier import Admitted, DType, InlineArray

MEMBER: Final = "payload/model.joblib"
WRAPPER: Final = ("joblib.numpy_pickle", "NumpyArrayWrapper")


class _InertWrapper:
    """Stands for joblib's array wrapper: its state becomes attributes that nobody looks at."""


class JoblibCodec:
    """joblib's format with its compressors, and zstd around it."""

    name = "joblib"

    def encode(self, model: Any, compression: Compression) -> Encoded:
        """Return the payload of `model`.

        Parameters
        ----------
        model : object
            Anything that joblib can dump.
        compression : str, (str, int) or None
            See :func:`safeserial.codecs.compression.choose`.

        Returns
        -------
        Encoded
            One member, which ``joblib.load`` opens (``zstd`` has to be undone first: joblib has no
            such compressor).
        """
        import joblib

        chosen = choose(compression)
        stream = io.BytesIO()
        if chosen is None:
            joblib.dump(model, stream)
            return Encoded({}, {MEMBER: (stream.getbuffer(),)})
        name, level = chosen
        compressor = COMPRESSORS[name]
        options: dict[str, Json] = {"compression": name, "level": level}
        path = MEMBER + compressor.extension
        if name == "zstd":
            joblib.dump(model, stream)
            packed = compressor.compress(stream.getbuffer(), level)
            return Encoded(options, {path: (memoryview(packed),)})
        joblib.dump(model, stream, compress=(name, level))
        return Encoded(options, {path: (stream.getbuffer(),)})

    def decode(self, admitted: Admitted, boosters: Boosters | None = None) -> Any:
        """Build the model; arrays of an uncompressed payload are views of its memory."""
        unpickling.refuse_outdated(admitted)
        boosters = Boosters(forbidden=True) if boosters is None else boosters
        made = [
            None if inline.dtype.code[0] == "O" else _plain(inline) for inline in admitted.arrays
        ]

        def persistent(index: int) -> Any:
            found = made[index]
            if found is None:
                found = made[index] = _objects(admitted.arrays[index], admitted, boosters)
            return found

        # A forest has over a thousand arrays: no function of Python's is called for each.
        nested = any(one is None for one in made)
        model = unpickling.load(
            unpickling.RestrictedUnpickler(
                admitted.stream,
                admitted.names,
                persistent=persistent if nested else made.__getitem__,
                stand_ins={WRAPPER: _InertWrapper},
                boosters=boosters,
            )
        )
        boosters.settle()
        return model

    def export(self, model: Any, members: Mapping[str, memoryview]) -> tuple[str, bytes]:
        """Return the payload's only member as it is."""
        del model
        ((path, data),) = members.items()
        return path.removeprefix("payload/model"), bytes(data)


def _objects(inline: InlineArray, admitted: Admitted, boosters: Boosters) -> Any:
    import numpy as np

    nested = unpickling.load(
        unpickling.RestrictedUnpickler(
            inline.data, admitted.names, persistent=_none, boosters=boosters
        )
    )
    if type(nested) is not np.ndarray or nested.shape != inline.shape:
        raise InvalidStateError("an array of objects is not the one its header describes")
    return nested


def _plain(inline: InlineArray) -> Any:
    import numpy as np

    dtype = _dtype(inline.dtype)
    array: Any = np.ndarray(
        inline.shape, dtype, inline.data, order="F" if inline.order == "F" else "C"
    )
    if not dtype.isnative:  # joblib makes arrays native on load, too
        return array.astype(dtype.newbyteorder("="))
    return array if array.flags.writeable else array.copy(order="K")


@functools.lru_cache(maxsize=256)
def _dtype(verified: DType) -> Any:
    import numpy as np

    if verified.fields:
        return np.dtype(
            {
                "names": [name for name, _, _ in verified.fields],
                "formats": [_dtype(part) for _, part, _ in verified.fields],
                "offsets": [offset for _, _, offset in verified.fields],
                "itemsize": verified.itemsize,
            }
        )
    if verified.element is not None:
        return np.dtype((_dtype(verified.element), verified.shape))
    code = f"{verified.code}[{verified.unit}]" if verified.unit else verified.code
    plain = np.dtype(code)
    return plain.newbyteorder(">") if verified.byteorder == ">" else plain.newbyteorder("<")


def _none(pid: object) -> Any:
    raise InvalidStateError(f"an array of objects refers to persistent id {pid!r}"[:120])
