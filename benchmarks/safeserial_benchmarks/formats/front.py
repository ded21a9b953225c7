# SPDX-License-Identifier: BSD-3-Clause
"""The formats that no other beats in both size and load time, and whose names fit into a plot."""

from __future__ import annotations

import math
from typing import Final

from safeserial_benchmarks.formats.results import Row

_FAR: Final = (0.17, 0.075)  # of the plot's width and height: room for a label
_FIRST: Final = (
    *("safeserial-pickle-hmac", "joblib", "pickle-5", "onnx-exact", "skops"),
    *("joblib-lzma", "joblib-lz4", "safeserial-onnx-hmac", "safeserial-joblib-hmac"),
)


def front(rows: list[Row]) -> list[Row]:
    """Return the rows that no other beats in both size and load time, by load time."""
    known = [row for row in rows if row.median("load") and row.bytes]
    ordered = sorted(known, key=lambda row: (row.median("load") or 0, row.bytes or 0))
    kept: list[Row] = []
    for row in ordered:
        if not kept or (row.bytes or 0) < (kept[-1].bytes or 0):
            kept.append(row)
    return kept


def labelled(rows: list[Row], on_front: list[Row]) -> list[Row]:
    """Return the rows whose names fit beside their marks without covering another name."""
    wanted = [row for key in _FIRST for row in rows if row.format == key]
    wanted = [row for row in wanted if row in on_front] + [r for r in wanted if r not in on_front]
    wanted += [row for row in on_front if row not in wanted]
    wide = _span([row.median("load") or 1 for row in rows])
    high = _span([float(row.bytes or 1) for row in rows])
    chosen: list[Row] = []
    for row in wanted:
        if all(_apart(row, other, wide, high) for other in chosen):
            chosen.append(row)
    return chosen


def _span(values: list[float]) -> float:
    return max(math.log(max(values) / min(values)), 0.05)


def _apart(row: Row, other: Row, wide: float, high: float) -> bool:
    across = abs(math.log((row.median("load") or 1) / (other.median("load") or 1))) / wide
    up = abs(math.log((row.bytes or 1) / (other.bytes or 1))) / high
    return across > 2 * _FAR[0] or up > _FAR[1]
