# SPDX-License-Identifier: BSD-3-Clause
"""safetensors files: a JSON header that must account for every byte behind it.

Floor 7.  The format holds numbers only; a file that keeps its rules cannot execute anything.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any, Final

from safeserial.inspection.assembling import Inspection, assemble, damaged, finding, shown
from safeserial.inspection.content import Content
from safeserial.inspection.report import Finding, Report

_LARGEST_HEADER: Final = 100_000_000
_PEEK: Final = 8
_BITS: Final = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "F64": 64, "I64": 64, "U64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
_SHOWN: Final = 20


def looks_like_safetensors(head: bytes, size: int) -> bool:
    """Say whether the first bytes are a header's length and the header's start."""
    if len(head) <= _PEEK or head[_PEEK : _PEEK + 1] != b"{":
        return False
    (length,) = struct.unpack_from("<Q", head)
    return bool(length <= min(_LARGEST_HEADER, max(size, 2**16)) and length > 1)


def read(content: Content, about: Inspection) -> Report:
    """Report a safetensors file."""
    (length,) = struct.unpack("<Q", content.read(0, 8))
    try:
        header = _header(content, length)
    except (ValueError, RecursionError, TypeError) as error:
        return assemble(content, about, "safetensors", [damaged(f"the header: {shown(error)}")])
    metadata = header.pop("__metadata__", {})
    findings = _metadata(metadata)
    places: list[tuple[int, int, str]] = []
    kinds: dict[str, int] = {}
    for name, facts in header.items():
        problem = _tensor(name, facts, content.size - 8 - length, places, kinds)
        if problem and len(findings) < _SHOWN:
            findings.append(damaged(problem))
    findings += _layout(places, content.size - 8 - length)
    known = metadata.items() if isinstance(metadata, dict) else ()
    return assemble(
        content,
        about,
        "safetensors",
        findings,
        details={
            "tensors": str(len(header)),
            "dtypes": ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())),
            "parameters": str(sum(_count(one) for one in header.values())),
            **{
                f"metadata {shown(key)[1:-1]}": shown(value)[1:-1]
                for key, value in list(known)[:_SHOWN]
            },
        },
    )


def _header(content: Content, length: int) -> dict[str, Any]:
    if length > content.size - 8:
        raise ValueError("it is longer than the file")
    header = json.loads(content.read(8, length), object_pairs_hook=_unique)
    if not isinstance(header, dict):
        raise TypeError("it is no object")
    return header


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands in it twice")
    return made


def _metadata(metadata: object) -> list[Finding]:
    if isinstance(metadata, dict) and all(isinstance(one, str) for one in metadata.values()):
        return []
    return [damaged("__metadata__ is no table of texts")]


def _count(facts: object) -> int:
    shape = facts.get("shape") if isinstance(facts, dict) else None
    if isinstance(shape, list) and len(shape) <= 64 and all(type(one) is int for one in shape):  # noqa: PLR2004
        return math.prod(shape) if all(0 <= one < 2**63 for one in shape) else 0
    return 0


def _tensor(
    name: str, facts: Any, size: int, places: list[tuple[int, int, str]], kinds: dict[str, int]
) -> str:
    """Note where a tensor is; return what is wrong with it."""
    if not isinstance(facts, dict) or set(facts) != {"dtype", "shape", "data_offsets"}:
        return f"{shown(name)} has other fields than dtype, shape and data_offsets"
    dtype, shape, offsets = facts["dtype"], facts["shape"], facts["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BITS:
        return f"{shown(name)} has the unknown dtype {shown(dtype)}"
    if not _numbers(shape, 64) or not _numbers(offsets, 2) or len(offsets) != 2:  # noqa: PLR2004
        return f"{shown(name)} has a shape or offsets that are no lists of numbers"
    start, end = offsets
    kinds[dtype] = kinds.get(dtype, 0) + 1
    if not start <= end <= size:
        return f"{shown(name)} reaches over the end of the file"
    places.append((start, end, name))
    if math.prod(shape) * _BITS[dtype] != 8 * (end - start):
        return f"{shown(name)}: its shape and dtype do not fit its {end - start} bytes"
    return ""


def _numbers(value: object, most: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= most
        and all(type(one) is int and 0 <= one < 2**63 for one in value)
    )


def _layout(places: list[tuple[int, int, str]], size: int) -> list[Finding]:
    """Every byte must belong to one tensor."""
    findings, position = [], 0
    for start, end, name in sorted(places):
        if start < position:
            findings.append(finding("SS012", f"{shown(name)} overlaps the tensor before it"))
        elif start > position:
            message = f"{start - position} bytes before {shown(name)} belong to no tensor"
            findings.append(finding("SS006", message, offset=position))
        position = max(position, end)
    if position < size:
        message = f"{size - position} bytes behind the last tensor belong to none"
        findings.append(finding("SS006", message, offset=position))
    return findings[:_SHOWN]
