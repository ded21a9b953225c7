# SPDX-License-Identifier: BSD-3-Clause
"""JSON and base64 that other programs wrote: any spelling of a value, but only one value.

Floor 5.  Other tools write other spaces and another order of keys, so the canonical form of
`strictjson` cannot be asked for.  What two readers could read differently is refused: keys that
occur twice, base64 with spare bits or in another alphabet, NaN, lone surrogates.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Final

from safeserial.errors import (
    CorruptArtifactError,
    DuplicateKeyError,
    EncodingError,
    LimitExceededError,
    SafeSerialError,
)
from safeserial.strictjson import check_size

MAX_DEPTH: Final = 16
Fields = dict[str, Any]


def decode(data: bytes, *, what: str, limit: int) -> Any:
    """Read a JSON text.

    Parameters
    ----------
    data : bytes
        UTF-8.
    what : str
        What is being read, for the error message.
    limit : int
        Largest accepted size in bytes.

    Returns
    -------
    object
        Dicts, lists, texts, numbers, booleans and None.

    Raises
    ------
    LimitExceededError
        If it is too long, has too many values, or is nested deeper than 16 levels.
    DuplicateKeyError
        If an object has a key twice.
    CorruptArtifactError
        If it is not JSON.
    """
    check_size(data, what=what, limit=limit)

    def unique(pairs: list[tuple[str, Any]]) -> Fields:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise DuplicateKeyError(f"{what} has a key twice in one object")
        return found

    def refuse(constant: str) -> None:
        raise CorruptArtifactError(f"{what} holds {constant}, which JSON does not have")

    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse)
    except SafeSerialError:
        raise
    except RecursionError:
        raise LimitExceededError(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise CorruptArtifactError(f"{what} is not JSON: {type(error).__name__}") from None
    _check_depth(value, what)
    return value


def _check_depth(value: Any, what: str) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        if not inner:
            return
        level = inner
    raise LimitExceededError(f"{what} is nested deeper than {MAX_DEPTH} levels")


def fields(value: Any, what: str, *, needed: str, optional: str = "") -> Fields:
    """Return an object that has these fields and no others.

    Parameters
    ----------
    value : object
        From :func:`decode`.
    what : str
        For the error message.
    needed, optional : str
        Names, separated by spaces.

    Raises
    ------
    CorruptArtifactError
        If it is no object, lacks a field or has another one.
    """
    if not isinstance(value, dict):
        raise CorruptArtifactError(f"{what} is no JSON object")
    missing = set(needed.split()) - set(value)
    unknown = set(value) - set(needed.split()) - set(optional.split())
    if missing or unknown:
        words = "lacks" if missing else "has the unknown field"
        raise CorruptArtifactError(f"{what} {words} {min(missing or unknown)[:80]!r}")
    return value


def text(value: Any, what: str, *, limit: int = 4096) -> str:
    """Return a text that every program can hold.

    Raises
    ------
    CorruptArtifactError
        If it is no text, too long, or has lone surrogates.
    """
    if not isinstance(value, str) or len(value) > limit:
        raise CorruptArtifactError(f"{what} is not a text of up to {limit} characters")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise CorruptArtifactError(f"{what} holds half a character") from None
    return value


def listed(value: Any, what: str, *, limit: int) -> list[Any]:
    """Return a list of up to `limit` items.

    Raises
    ------
    CorruptArtifactError, LimitExceededError
        If it is no list, or a longer one.
    """
    if not isinstance(value, list):
        raise CorruptArtifactError(f"{what} is no list")
    if len(value) > limit:
        raise LimitExceededError(f"{what} has {len(value)} items; the limit is {limit}")
    return value


def from_base64(value: Any, what: str) -> bytes:
    """Return the bytes of a text in standard base64, padded, with no spare bits set.

    Raises
    ------
    EncodingError
        If it is in another form.
    """
    try:
        data = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        raise EncodingError(f"{what} is not base64") from None
    if not data or base64.b64encode(data).decode("ascii") != value:
        raise EncodingError(f"{what} is not in the canonical form of base64")
    return data
