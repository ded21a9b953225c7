# SPDX-License-Identifier: BSD-3-Clause
"""``.npy`` members: plain numbers and texts, as many bytes as their header says.

Floor 4.  ``numpy.load`` allocates what a header declares before it looks whether it is there.
"""

from __future__ import annotations

import ast
import functools
import math
import re
import struct
from dataclasses import dataclass
from typing import Any, Final

from safeserial import dtypes
from safeserial.errors import CorruptArtifactError, ForbiddenOperationError

_MAGIC: Final = b"\x93NUMPY"
_LONGEST: Final = 10_000  # what NumPy itself accepts
_DEEPEST: Final = 6
_MOST_DIMENSIONS: Final = 32
_FIELDS: Final = {"descr", "fortran_order", "shape"}
_USUAL: Final = re.compile(
    rb"\{'descr': ([^{}]{1,2000}), 'fortran_order': (True|False), "
    rb"'shape': \(((?:[0-9]{1,15},(?: [0-9]{1,15})?)?(?:, [0-9]{1,15}){0,30})\), \} *\n"
)
_SIZE: Final = re.compile(r"[<>|=]?([a-zA-Z?])([0-9]+)")
_PADDING: Final = re.compile(r"\|V[0-9]{1,4}")
_TEXT: Final = re.compile(r"(?:\|S|[<>]U)0")
_WIDE: Final = re.compile(r"[<>](?:f16|c32|f12|c24)")


@dataclass(frozen=True)
class Array:
    """What an array is, without its numbers.

    Parameters
    ----------
    shape : tuple of int
        Dimensions.
    dtype : str
        As NumPy writes it, ``"record"`` for one of several fields.
    start : int
        Where its numbers begin.
    """

    shape: tuple[int, ...]
    dtype: str
    start: int


def examine(data: memoryview) -> Array:
    """Read the header of a ``.npy`` file and compare it with what follows.

    Parameters
    ----------
    data : memoryview
        The whole file.

    Raises
    ------
    ForbiddenOperationError
        If the array holds Python objects.
    CorruptArtifactError
        If it is no such file, of a dtype that is not plain, or has another size than it declares.
    """
    fields, start = _header(data)
    shape = fields["shape"]
    if (
        not isinstance(shape, tuple)
        or len(shape) > _MOST_DIMENSIONS
        or not all(type(one) is int and 0 <= one < 2**48 for one in shape)
        or type(fields["fortran_order"]) is not bool
    ):
        raise CorruptArtifactError("an array has no shape that an array can have")
    descr = fields["descr"]
    size = math.prod(shape) * (fields.get("itemsize") or _itemsize(descr, record=False))
    if size != len(data) - start:
        raise CorruptArtifactError(
            f"an array declares {size} bytes and has {len(data) - start}"[:200]
        )
    return Array(shape, descr if isinstance(descr, str) else "record", start)


def _header(data: memoryview) -> tuple[dict[str, Any], int]:
    head = bytes(data[:12])
    wide = head[6:8] in {b"\x02\x00", b"\x03\x00"}
    if head[:6] != _MAGIC or len(head) < 12 or not (wide or head[6:8] == b"\x01\x00"):  # noqa: PLR2004
        raise CorruptArtifactError("an array is no .npy file of a known version")
    first = 12 if wide else 10
    (length,) = struct.unpack_from("<I" if wide else "<H", head, 8)
    raw = bytes(data[first : first + length]) if length <= _LONGEST else b""
    if len(raw) != length or not length:
        raise CorruptArtifactError("the header of an array is cut short, or too long")
    usual = _USUAL.fullmatch(raw)
    if usual is not None:
        return _usual(usual), first + length
    return _literal(raw.decode("ascii", "replace")), first + length


def _usual(found: re.Match[bytes]) -> dict[str, Any]:
    """Return what a header says that has the form in which NumPy writes it: most of a forest's."""
    descr, itemsize = _known(found[1])
    shape = tuple([int(one) for one in found[3].split(b",") if one.strip()])
    return {
        "descr": descr,
        "itemsize": itemsize,
        "fortran_order": found[2] == b"True",
        "shape": shape,
    }


@functools.lru_cache(maxsize=256)
def _known(text: bytes) -> tuple[object, int]:
    header = b"{'descr': " + text + b", 'fortran_order': False, 'shape': (), }"
    descr = _literal(header.decode("ascii", "replace"))["descr"]
    return descr, _itemsize(descr, record=False)


def _literal(text: str) -> dict[str, Any]:
    # Quotes, brackets, letters, digits: nothing with which a literal could become an expression.
    if not re.fullmatch(r"[A-Za-z0-9_ ,:'\[\](){}<>|=?.\n-]*", text) or _too_deep(text):
        raise CorruptArtifactError("the header of an array is not as NumPy writes it")
    try:
        fields = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        raise CorruptArtifactError("the header of an array is no literal") from None
    if not isinstance(fields, dict) or set(fields) != _FIELDS:
        raise CorruptArtifactError("the header of an array is not as NumPy writes it")
    return fields


def _too_deep(text: str) -> bool:
    depth = deepest = 0
    for one in text:
        depth += (one in "([{") - (one in ")]}")
        deepest = max(deepest, depth)
    return deepest > _DEEPEST or "--" in text or "- -" in text or " not " in text


def _itemsize(descr: object, *, record: bool) -> int:
    if isinstance(descr, str):
        if descr.lstrip("<>|=")[:1] == "O":
            raise ForbiddenOperationError("an array holds pickled objects")
        padding = record and _PADDING.fullmatch(descr)
        if not padding and not dtypes.is_plain(descr) and not _WIDE.fullmatch(descr):
            if _TEXT.fullmatch(descr):
                return 0
            raise CorruptArtifactError(f"an array is of the unknown type {ascii(descr)[:60]}")
        match = _SIZE.match(descr)
        if match is None:
            raise CorruptArtifactError(f"an array is of the unknown type {ascii(descr)[:60]}")
        return int(match[2]) * (4 if match[1] == "U" else 1)
    if isinstance(descr, list) and not record and descr:
        return sum(_field(one) for one in descr)
    raise CorruptArtifactError("an array is of a type that models do not have")


def _field(one: object) -> int:
    if not isinstance(one, tuple) or len(one) not in {2, 3} or type(one[0]) is not str:
        raise CorruptArtifactError("a record has a field that records do not have")
    size = _itemsize(one[1], record=True)
    if len(one) == 2:  # noqa: PLR2004
        return size
    shape = one[2]
    if not isinstance(shape, tuple) or not all(type(n) is int and 0 < n < 2**20 for n in shape):
        raise CorruptArtifactError("a record has a field that records do not have")
    return size * math.prod(shape)
