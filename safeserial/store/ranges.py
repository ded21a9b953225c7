# SPDX-License-Identifier: BSD-3-Clause
"""Sets of version numbers as sorted pairs ``[first, last]``: short however many were deleted.

Floor 7.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

Ranges = list[list[int]]


def contains(ranges: Sequence[Sequence[int]], number: int) -> bool:
    """Say whether a number is in one of the ranges."""
    place = bisect_right(ranges, number, key=lambda pair: pair[0]) - 1
    return place >= 0 and number <= ranges[place][1]


def add(ranges: Sequence[Sequence[int]], first: int, last: int) -> Ranges:
    """Return the ranges with those numbers in them."""
    pairs = sorted([*([a, b] for a, b in ranges), [first, last]])
    merged: Ranges = []
    for a, b in pairs:
        if merged and a <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], b)
        else:
            merged.append([a, b])
    return merged


def remove(ranges: Sequence[Sequence[int]], number: int) -> Ranges:
    """Return the ranges without a number."""
    found: Ranges = []
    for a, b in ranges:
        if a <= number <= b:
            found += [[a, number - 1]] * (a < number) + [[number + 1, b]] * (number < b)
        else:
            found.append([a, b])
    return found


def newest_outside(highest: int, *groups: Sequence[Sequence[int]]) -> int:
    """Return the highest number up to `highest` that is in none of the groups, or 0."""
    number = highest
    moved = True
    while moved and number > 0:
        moved = False
        for ranges in groups:
            place = bisect_right(ranges, number, key=lambda pair: pair[0]) - 1
            if place >= 0 and number <= ranges[place][1]:
                number, moved = ranges[place][0] - 1, True
    return max(number, 0)


def well_formed(ranges: Sequence[Sequence[int]]) -> bool:
    """Say whether these are sorted, separate pairs of positive numbers."""
    end = 0
    for pair in ranges:
        if len(pair) != 2 or not end < pair[0] <= pair[1]:  # noqa: PLR2004 - a pair
            return False
        end = pair[1]
    return True
