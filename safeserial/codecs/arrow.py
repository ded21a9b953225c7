# SPDX-License-Identifier: BSD-3-Clause
"""Arrow's strings, in which pandas 3 keeps text where it has pyarrow, made of checked parts.

Floor 5.  A pickled Arrow array is a type, a length and raw buffers with offsets into each other,
which compiled code follows.  pyarrow's own functions would take any; these take a column of strings
and let Arrow validate every offset and character before anything reads them.
"""

from __future__ import annotations

import functools
from typing import Any, Final, NamedTuple

from safeserial.errors import InvalidStateError
from safeserial.policy import Name

_TYPES: Final = frozenset({"string", "utf8", "large_string", "large_utf8"})
_PARTS: Final = 7  # type, length, nulls, offset, buffers, children, dictionary
_BUFFERS: Final = 3  # which are there, offsets, characters
_MOST: Final = 2**40
_CLASS: Final = {
    ("pandas.arrays", "ArrowStringArray"),
    ("pandas.core.arrays.string_arrow", "ArrowStringArray"),
}
_DATA: Final = ("_pa_array", "_data")


class _Type(NamedTuple):
    name: str


class _Buffer(NamedTuple):
    content: bytes


def _type_for_alias(name: object) -> _Type:
    if not isinstance(name, str) or name not in _TYPES:
        raise InvalidStateError(f"an Arrow array of {str(name)[:40]!r} is not one of strings")
    return _Type(name)


def _py_buffer(content: object) -> _Buffer:
    if not isinstance(content, bytes | bytearray | memoryview):
        raise InvalidStateError("a buffer of Arrow is made of bytes")
    return _Buffer(bytes(content))


def _restore_array(parts: object) -> Any:
    """Return the array of its parts, validated."""
    if type(parts) is not tuple or len(parts) != _PARTS:
        raise InvalidStateError("an Arrow array has other parts")
    kind, length, _, offset, buffers, children, dictionary = parts
    numbers = type(length) is int and type(offset) is int
    if not numbers or not 0 <= length < _MOST or not 0 <= offset < _MOST:
        raise InvalidStateError("an Arrow array has another length")
    childless = children is None or (type(children) in (list, tuple) and not children)
    plain = isinstance(kind, _Type) and dictionary is None and childless
    if not plain or type(buffers) is not list or len(buffers) != _BUFFERS:
        raise InvalidStateError("an Arrow array is not one of strings")
    if not all(one is None or isinstance(one, _Buffer) for one in buffers):
        raise InvalidStateError("an Arrow array has other buffers")
    import pyarrow as pa

    own = [None if one is None else pa.py_buffer(one.content) for one in buffers]
    try:
        # The number of nulls is counted again, not believed.
        array = pa.Array.from_buffers(getattr(pa, kind.name)(), length, own, -1, offset)
        array.validate(full=True)
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise InvalidStateError(f"Arrow does not accept these strings: {error}"[:300]) from None
    return array


def _chunked_array(chunks: object, kind: object = None) -> Any:
    import pyarrow as pa

    if type(chunks) is not list or not all(isinstance(one, pa.Array) for one in chunks):
        raise InvalidStateError("a column of Arrow consists of arrays")
    own = getattr(pa, kind.name)() if isinstance(kind, _Type) else None
    try:
        return pa.chunked_array(chunks, own)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise InvalidStateError(f"Arrow does not accept this column: {error}"[:300]) from None


STAND_INS: Final[dict[Name, Any]] = {
    ("pyarrow.lib", "_restore_array"): _restore_array,
    ("pyarrow.lib", "chunked_array"): _chunked_array,
    ("pyarrow.lib", "py_buffer"): _py_buffer,
    ("pyarrow.lib", "type_for_alias"): _type_for_alias,
}


def is_strings(found: object) -> bool:
    """Say whether an object is pandas' class of Arrow's strings."""
    return isinstance(found, type) and (found.__module__, found.__qualname__) in _CLASS


@functools.cache
def stand_in(kind: type) -> type:
    """Return a class whose instances become arrays of `kind` when given a column and a dtype.

    Parameters
    ----------
    kind : type
        ``pandas.arrays.ArrowStringArray``.

    Returns
    -------
    type
        For the unpickler to make an instance of.  One that is given no state stays what it is, and
        is refused by the validators.
    """
    import pandas as pd
    import pyarrow as pa

    def take(self: Any, state: object) -> None:
        named = state if type(state) is dict else {}
        columns = [named[key] for key in _DATA if key in named]
        dtype: Any = named.get("_dtype")
        if len(columns) != 1 or not isinstance(columns[0], pa.Array | pa.ChunkedArray):
            raise InvalidStateError("an array of strings has one column of Arrow's")
        if type(dtype) is not pd.StringDtype or dtype.storage == "python":
            raise InvalidStateError("an array of strings has a dtype of strings")
        column = columns[0]
        whole = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array(column)
        self.__class__ = kind
        kind.__setstate__(self, {"_pa_array": whole, "_dtype": dtype, "_cache": {}})  # type: ignore[attr-defined]

    return type("Unbuilt", (kind,), {"__setstate__": take, "__module__": __name__})
