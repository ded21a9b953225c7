# SPDX-License-Identifier: BSD-3-Clause
"""Array parts: NumPy arrays beside the opcode stream, described by a table instead of by opcodes.

Floor 5.  A forest has over a thousand arrays, each a dozen opcodes in protocol 5; here each is one
persistent id, and its bytes lie aligned in the payload's memory, where the loaded array stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from safeserial import dtypes
from safeserial.errors import InvalidStateError
from safeserial.payload import MAX_DIMENSIONS, ArrayPart, Column, Rows, array_record

if TYPE_CHECKING:
    import numpy as np

    from safeserial.strictjson import Json

_EMPTY: Final = memoryview(b"")


class ArrayWriter:
    """Describes arrays for the index.

    Attributes
    ----------
    dtypes : list
        The dtypes met so far, in the form of :mod:`safeserial.dtypes`.
    shapes : list of int
        Dimensions of all arrays so far.
    """

    def __init__(self) -> None:
        self.dtypes: list[Json] = []
        self.shapes: list[int] = []
        self._known: dict[Any, int | None] = {}

    def describe(self, array: np.ndarray[Any, Any]) -> tuple[bytes, memoryview] | None:
        """Return record and bytes of an array, None if it has to be pickled."""
        flags = array.flags
        fortran = flags.f_contiguous and not flags.c_contiguous
        if not (flags.c_contiguous or fortran) or array.ndim > MAX_DIMENSIONS:
            return None
        position = self._position(array.dtype)
        if position is None:
            return None
        self.shapes.extend(array.shape)
        record = array_record(
            position, array.ndim, fortran=bool(fortran), writable=bool(flags.writeable)
        )
        data = (array.T if fortran else array).reshape(-1).view("u1").data if array.size else _EMPTY
        return record, memoryview(data).cast("B")

    def _position(self, dtype: np.dtype[Any]) -> int | None:
        # Equal dtypes may differ in metadata and alignment, which the key has to tell apart.
        key = (dtype, dtype.isalignedstruct)
        if dtype.metadata is not None:
            return None
        if key not in self._known:
            text = _text(dtype)
            self._known[key] = None if text is None else len(self.dtypes)
            if text is not None:
                self.dtypes.append(text)
        return self._known[key]


def _text(dtype: np.dtype[Any]) -> Json:
    if dtype.fields is None:
        return dtype.str if dtypes.is_plain(dtype.str) and dtype.subdtype is None else None
    fields: list[Json] = []
    end = 0
    for name in dtype.names or ():
        part, offset, *title = dtype.fields[name]
        plain = part.fields is None and part.subdtype is None and dtypes.is_plain(part.str)
        if title or not plain or offset < end or part.metadata is not None:
            return None
        fields.append([name, part.str, int(offset)])
        end = offset + part.itemsize
    if not fields or dtype.itemsize > dtypes.MAX_ITEM or not all(dtype.names or ()):
        return None
    return {"aligned": dtype.isalignedstruct, "fields": fields, "itemsize": dtype.itemsize}


def build_dtype(text: Json) -> np.dtype[Any]:
    """Return NumPy's dtype of a checked description.

    Raises
    ------
    InvalidStateError
        If NumPy does not take it.
    """
    import numpy as np

    try:
        if not isinstance(text, dict):
            return np.dtype(str(text))
        fields: Any = text["fields"]
        names, formats, offsets = zip(*fields, strict=True)
        layout = {
            "names": list(names),
            "formats": list(formats),
            "offsets": list(offsets),
            "itemsize": text["itemsize"],
        }
        return np.dtype(layout, align=bool(text["aligned"]))  # type: ignore[call-overload,no-any-return]
    except (TypeError, ValueError) as error:
        raise InvalidStateError(f"NumPy does not accept a dtype of the index: {error}") from None


def build_all(
    parts: Sequence[ArrayPart | Column | Rows], known: Sequence[np.dtype[Any]]
) -> list[np.ndarray[Any, Any] | None]:
    """Return the arrays of parts, views of the payload's memory, and None for all others."""
    import numpy as np

    made: list[np.ndarray[Any, Any] | None] = []
    for part in parts:
        if not isinstance(part, ArrayPart):
            made.append(None)
            continue
        dtype, shape, order, writable, data = part
        array: np.ndarray[Any, Any] = np.ndarray(
            shape, known[dtype], data, order="F" if order == "F" else "C"
        )
        if not writable:
            array.flags.writeable = False
        made.append(array)
    return made
