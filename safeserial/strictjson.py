# SPDX-License-Identifier: BSD-3-Clause
"""One JSON text for one value: deterministic writing, and reading that accepts nothing else.

Floor 2.  The canonical form is ASCII, keys sorted, no spaces, no floats, integers within
+/-(2**53 - 1), at most 32 levels deep.  A reader decodes, encodes again and compares, so duplicate
keys, other spellings of a number or a string, and trailing bytes are all one and the same refusal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final, TypeAlias

import msgspec

from safeserial.errors import CorruptArtifactError, LimitExceededError

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 32
_UNREAD: Final = object()
MAX_MARKS = 2**19  # bounds the number of values: 16 MiB of "[],[]," would be 400 MB of objects
_ENCODER = json.JSONEncoder(
    ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False
)


def check_value(value: object, depth: int = 0) -> None:
    """Refuse what the canonical form cannot carry.

    Raises
    ------
    TypeError
        On a float, a non-string key or any other type.
    ValueError
        On an integer beyond 2**53 - 1, text with lone surrogates, or nesting over 32 levels.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        if not value.isascii():
            value.encode()  # a lone surrogate has no UTF-8 form: other languages cannot hold it
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise ValueError(f"integer beyond 2**53 - 1: {value.bit_length()} bits")
    elif isinstance(value, list | tuple):
        _check_items(value, depth)
    elif isinstance(value, dict):
        _check_keys(value)
        _check_items(value.values(), depth)
    elif value is not None:
        raise TypeError(f"{type(value).__name__} is not allowed")


def _check_keys(keys: Iterable[object]) -> None:
    for key in keys:
        if not isinstance(key, str) or not key.isascii():
            raise TypeError(f"keys must be ASCII strings, not {key!r}")


def _check_items(items: Iterable[object], depth: int) -> None:
    for item in items:
        # Nearly all are short texts, for which nothing has to be called.
        if type(item) is not str or depth >= MAX_DEPTH or not item.isascii():
            check_value(item, depth + 1)


def encode(value: object) -> bytes:
    """Return the canonical bytes of `value`, which :func:`check_value` must have accepted."""
    check_value(value)
    try:
        quick = msgspec.json.encode(value, order="sorted")
    except (TypeError, ValueError, RecursionError):  # what it does not know, like subclasses
        quick = b"\\"
    # Where nothing has to be escaped, there is one way to write it.
    if quick.isascii() and b"\\" not in quick and b"\x7f" not in quick:
        return quick
    return _ENCODER.encode(value).encode("ascii")


def check_size(data: bytes, *, what: str, limit: int) -> None:
    """Refuse a text that is too long, or has too many values in it.

    Raises
    ------
    LimitExceededError
        If it has more than `limit` bytes, or more than 2**19 of ``,`` ``[`` and ``{``.
    """
    if len(data) > limit:
        raise LimitExceededError(f"{what} is {len(data)} bytes; the limit is {limit}")
    if sum(map(data.count, (b",", b"[", b"{"))) > MAX_MARKS:
        raise LimitExceededError(f"{what} holds too many values")


def decode(data: bytes, *, what: str, limit: int) -> Json:
    """Read canonical JSON.

    Parameters
    ----------
    data : bytes
        The text, exactly.
    what : str
        What is being read, for the error message.
    limit : int
        Largest accepted size in bytes.

    Returns
    -------
    Json
        The value.

    Raises
    ------
    LimitExceededError
        As :func:`check_size`.
    CorruptArtifactError
        If it is not JSON, or not the canonical form of its value.
    """
    check_size(data, what=what, limit=limit)
    quick = _quickly(data)
    if quick is not _UNREAD:
        return quick  # type: ignore[return-value]
    try:
        value: Json = json.loads(data.decode("ascii"))
        canonical = encode(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise CorruptArtifactError(
            f"{what} is not canonical JSON: {type(error).__name__}"
        ) from None
    if canonical != data:
        raise CorruptArtifactError(f"{what} is JSON, but not in the canonical form")
    return value


def _quickly(data: bytes) -> object:
    """Return the value of a text that is canonical; anything else is for `json`, and its errors."""
    try:
        value: Json = msgspec.json.decode(data)
        return value if encode(value) == data else _UNREAD
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
        return _UNREAD
