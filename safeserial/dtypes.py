# SPDX-License-Identifier: BSD-3-Clause
"""Dtypes of array parts: a closed list of plain element types, and records of these.

Floor 2.  The text is NumPy's array-interface string (https://numpy.org/doc/stable/reference/
arrays.interface.html), so that a reader in any language can tell the bytes; what is not on the list
(objects, long doubles, subarrays, dtypes with metadata) stays in the opcode stream.
"""

from __future__ import annotations

import re
from typing import Final

from safeserial import strictjson
from safeserial.errors import CorruptArtifactError
from safeserial.strictjson import Json

MAX_BYTES: Final = 2**20
MAX_ITEM: Final = 2**24
_PLAIN: Final = re.compile(
    r"\|[b]1|\|[iu]1|[<>][iu][248]|[<>]f[248]|[<>]c(?:8|16)|\|S[1-9][0-9]{0,6}|[<>]U[1-9][0-9]{0,6}"
    r"|[<>][mM]8(?:\[(?:[2-9]|[1-9][0-9]{1,8})?(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?"
)
_SIZE: Final = re.compile(r"[0-9]+")


def is_plain(text: str) -> bool:
    """Say whether a dtype string is on the list."""
    return _PLAIN.fullmatch(text) is not None


def encode_dtypes(dtypes: list[Json]) -> bytes:
    """Return the canonical JSON of a list of dtypes, nothing for an empty one."""
    return strictjson.encode(dtypes) if dtypes else b""


def decode_dtypes(text: bytes) -> tuple[Json, ...]:
    """Read a list of dtypes.

    Parameters
    ----------
    text : bytes
        Canonical JSON, or nothing.

    Returns
    -------
    tuple
        Each a string such as ``"<f8"``, or an object with ``aligned``, ``fields`` (name, string,
        offset) and ``itemsize``.

    Raises
    ------
    CorruptArtifactError
        If one is not on the list, or a field lies outside its record or over another.
    """
    if not text:
        return ()
    listed = strictjson.decode(text, what="the list of dtypes", limit=MAX_BYTES)
    if not isinstance(listed, list) or not listed:
        raise CorruptArtifactError("the list of dtypes is no list")
    for dtype in listed:
        if isinstance(dtype, str):
            _require_plain(dtype)
        else:
            _check_record(dtype)
    return tuple(listed)


def item_size(dtype: Json) -> int:
    """Return the bytes of one element of a checked dtype."""
    if isinstance(dtype, dict):
        size = dtype["itemsize"]
        return size if isinstance(size, int) else 0
    found = _SIZE.search(str(dtype))
    number = int(found[0]) if found else 0
    return 4 * number if "U" in str(dtype) else number


def _require_plain(dtype: Json) -> str:
    if not isinstance(dtype, str) or not is_plain(dtype):
        raise CorruptArtifactError(f"an array has an unknown dtype: {str(dtype)[:80]!r}")
    return dtype


def _check_record(dtype: Json) -> None:
    if not isinstance(dtype, dict) or set(dtype) != {"aligned", "fields", "itemsize"}:
        raise CorruptArtifactError("a record dtype has other entries")
    fields, size = dtype["fields"], dtype["itemsize"]
    if type(dtype["aligned"]) is not bool or not isinstance(fields, list) or not fields:
        raise CorruptArtifactError("a record dtype has no fields")
    if type(size) is not int or not 0 < size <= MAX_ITEM:
        raise CorruptArtifactError("a record dtype has no size")
    names, end = set(), 0
    for entry in fields:
        if not isinstance(entry, list) or len(entry) != 3:  # noqa: PLR2004 - name, dtype, offset
            raise CorruptArtifactError("a field of a record dtype has another form")
        name, plain, offset = entry
        if not isinstance(name, str) or not name or type(offset) is not int or offset < end:
            raise CorruptArtifactError("fields of a record dtype overlap or have no name")
        names.add(name)
        end = offset + item_size(_require_plain(plain))
    if end > size or len(names) != len(fields):
        raise CorruptArtifactError("a field of a record dtype lies outside it")
