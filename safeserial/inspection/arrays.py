# SPDX-License-Identifier: BSD-3-Clause
"""NumPy's own files: ``.npy`` headers read without NumPy.

Floor 7.  A ``.npy`` file is a Python literal and raw numbers, unless its dtype holds objects: then
it is a pickle, and is surveyed as one.
"""

from __future__ import annotations

import ast
import math
import re
import struct
from typing import Any, Final

from safeserial.errors import CorruptArtifactError, FormatError
from safeserial.inspection import pickles
from safeserial.inspection.assembling import Inspection, assemble, damaged, finding, shown
from safeserial.inspection.content import Content, Part
from safeserial.inspection.report import Finding, Report

MAGIC: Final = b"\x93NUMPY"
_LONGEST_HEADER: Final = 2**18
_DEEPEST: Final = 24
_FIELDS: Final = {"descr", "fortran_order", "shape"}
_CODE: Final = re.compile(
    r"[<>=|]?([?bBhHiIlLqQuefdgFDGcSaUVMmO])([0-9]{0,9})(?:\[[^\]]{1,20}\])?\Z"
)
_LETTERS: Final = {"?": 1, "b": 1, "B": 1, "h": 2, "H": 2, "l": 8, "L": 8, "q": 8, "Q": 8, "e": 2,
                   "d": 8, "g": 16, "F": 8, "D": 16, "G": 32, "M": 8, "m": 8, "O": 8}  # fmt: skip
_MOST: Final = 2**62


def read(content: Content, about: Inspection) -> Report:
    """Report a ``.npy`` file."""
    try:
        fields, start = _header(content)
        shape, size = _shape(fields["shape"]), _itemsize(fields["descr"], 0)
    except CorruptArtifactError as error:
        return assemble(content, about, "npy", [damaged(error)], problem=error)
    objects = size < 0
    details = {
        "dtype": "object" if objects and fields["descr"] in ("|O", "O") else _text(fields["descr"]),
        "shape": "×".join(map(str, shape)) or "a single value",
        "order": "Fortran" if fields["fortran_order"] else "C",
    }
    rest = Part(content, start, content.size - start)
    if objects:
        return _objects(content, about, rest, details)
    return assemble(content, about, "npy", _numbers(rest, math.prod(shape) * size), details=details)


def _numbers(rest: Content, expected: int) -> list[Finding]:
    if expected > rest.size:
        rule = "SS011" if expected > max(2**30, 1000 * rest.size) else "SS006"
        return [finding(rule, f"the array declares {expected} bytes and has {rest.size}")]
    if expected == rest.size:
        return []
    behind = rest.size - expected
    begins = rest.read(expected, 16)
    message = f"{behind} bytes follow the array; they begin with {shown(begins)}"
    if pickles.looks_like_pickle(begins):
        return [finding("SS005", message)]
    level = "note" if begins.startswith(MAGIC) else "warning"
    return [finding("SS023", message, level=level)]  # type: ignore[arg-type]


def _objects(content: Content, about: Inspection, rest: Content, details: dict[str, str]) -> Report:
    inner = pickles.read(rest, about.inside("pickled objects"))
    message = "the array holds Python objects: loading it unpickles them"
    return assemble(
        content, about, "npy", [finding("SS022", message)], members=[inner], details=details
    )


def _header(content: Content) -> tuple[dict[str, Any], int]:
    head = content.read(0, 12)
    version = tuple(head[6:8])
    if head[:6] != MAGIC or version not in ((1, 0), (2, 0), (3, 0)):
        raise CorruptArtifactError(f"not a .npy header of a known version: {shown(head)}")
    wide = version != (1, 0)
    first = 12 if wide else 10
    if len(head) < first:
        raise CorruptArtifactError("the .npy header is cut short")
    (length,) = struct.unpack_from("<I" if wide else "<H", head, 8)
    if length > _LONGEST_HEADER:
        raise CorruptArtifactError(f"the .npy header has {length} bytes")
    raw = content.read(first, length)
    if len(raw) != length:
        raise CorruptArtifactError("the .npy header is cut short")
    fields = _literal(raw.decode("utf-8" if version == (3, 0) else "latin-1", "replace"))
    if not isinstance(fields, dict) or set(fields) != _FIELDS:
        raise CorruptArtifactError("the .npy header is not the one that NumPy writes")
    return fields, first + length


def _literal(text: str) -> object:
    """Read a Python literal: shallow, so that the parser cannot be brought to its limits."""
    depth = deepest = 0
    for one in text:
        depth += (one in "([{") - (one in ")]}")
        deepest = max(deepest, depth)
    # A run of signs or of names nests as well, inside the parser.
    if deepest > _DEEPEST or re.search(r"[-+~^%*/&@]{2}|\b(not|lambda|if|else|for)\b", text):
        raise CorruptArtifactError("the .npy header is nested too deeply")
    try:
        return ast.literal_eval(re.sub(r"(?<=[0-9])L\b", "", text.strip()))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise CorruptArtifactError(f"the .npy header is no literal: {error}"[:200]) from None


def _shape(value: object) -> tuple[int, ...]:
    if not isinstance(value, tuple) or not all(type(one) is int for one in value):
        raise CorruptArtifactError(f"the shape is no tuple of numbers: {shown(value)}")
    if any(not 0 <= one < _MOST for one in value) or len(value) > 64:  # noqa: PLR2004
        raise CorruptArtifactError(f"no array has the shape {shown(value)}")
    return value


def _itemsize(descr: object, depth: int) -> int:
    """Return the bytes of one element, -1 if it holds objects."""
    if isinstance(descr, str):
        match = _CODE.match(descr)
        if match is None:
            raise CorruptArtifactError(f"unknown dtype {shown(descr)}")
        letter, digits = match.groups()
        if letter == "O":
            return -1
        if letter in "Mm":
            return 8
        if not digits:
            return _LETTERS.get(letter, {"i": 4, "I": 4, "f": 4, "c": 1}.get(letter, 0))
        return int(digits) * (4 if letter == "U" else 1)
    if depth > _DEEPEST:
        raise CorruptArtifactError("the dtype is nested too deeply")
    if isinstance(descr, list):
        return _sum([_field(one, depth + 1) for one in descr])
    if isinstance(descr, tuple) and len(descr) == 2:  # noqa: PLR2004
        inner = _itemsize(descr[0], depth + 1)
        return inner if inner < 0 else inner * _count(descr[1])
    raise CorruptArtifactError(f"unknown dtype {shown(descr)}")


def _field(one: object, depth: int) -> int:
    if not isinstance(one, tuple) or len(one) not in (2, 3):
        raise CorruptArtifactError(f"unknown field of a dtype {shown(one)}")
    inner = _itemsize(one[1], depth)
    return inner * _count(one[2]) if len(one) == 3 and inner >= 0 else inner  # noqa: PLR2004


def _count(shape: object) -> int:
    return math.prod(_shape(shape if isinstance(shape, tuple) else (shape,)))


def _sum(sizes: list[int]) -> int:
    return -1 if -1 in sizes else sum(sizes)


def _text(descr: object) -> str:
    return descr if isinstance(descr, str) else shown(descr)[1:-1]


def header_of(content: Content) -> str:
    """Return dtype and shape of a ``.npy`` file in a few words, ``""`` if it is none."""
    try:
        fields, _ = _header(content)
        return f"{_text(fields['descr'])} {'×'.join(map(str, _shape(fields['shape'])))}"
    except FormatError:
        return ""
