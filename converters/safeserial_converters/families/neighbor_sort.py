# SPDX-License-Identifier: BSD-3-Clause
"""The order in which scikit-learn's neighbour searches put equally near rows.

Floor 7, beside the command line.

A heap of neighbours is sorted by quicksort (two-way partitions, the median of three as the pivot)
down to fifteen entries, and then by insertion.  Among equal distances the first is not stable: it
is repeated here, step by step.  Where its recursion would be cut off as too deep, the orders can
differ; the proof sees to that.
"""

from __future__ import annotations

import numpy as np

from safeserial_converters import ops
from safeserial_converters.tensors import Tensor

#: Up to here the sort is by insertion alone, which is stable.
SMALL = 15


def sort_neighbours(values: Tensor, numbers: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Sort distances ``[k]`` and the numbers beside them as scikit-learn does."""
    if k > SMALL:
        values, numbers = _partition(values, numbers, k)
    best, slot = ops.smallest_k(values, k)
    return best, ops.gather(numbers, slot)


def _partition(values: Tensor, numbers: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Partition until no segment has more than fifteen entries."""
    graph = values.graph
    low, high = graph.constant(np.zeros(k, np.int64)), graph.constant(np.full(k, k))

    def turn(
        _turn: Tensor, values: Tensor, numbers: Tensor, low: Tensor, high: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        large = (high - low) > SMALL
        place = ops.argmax(large.cast("int64"), 0)
        start, end = ops.gather(low, place), ops.gather(high, place)
        row = _Row(values, numbers, k)
        row.order_three(start, (end - start) / 2 + start, end - 1)
        middle = row.cross(start + 1, end - 2, ops.gather(row.values, end - 1))
        row.swap(middle, end - 1)
        inside = (row.places >= start) & (row.places < end)
        before, after = row.places < middle, row.places > middle
        new_high = ops.where(before, middle, ops.where(after, high, middle + 1))
        new_low = ops.where(before, low, ops.where(after, middle + 1, middle))
        new_low, new_high = ops.where(inside, new_low, low), ops.where(inside, new_high, high)
        left = ops.largest((new_high - new_low), 0) > SMALL
        return left, [row.values, row.numbers, new_low, new_high]

    found = ops.loop(k, [values, numbers, low, high], turn)
    return found[0], found[1]


class _Row:
    """Values and numbers that change places together."""

    def __init__(self, values: Tensor, numbers: Tensor, k: int) -> None:
        self.values, self.numbers, self.k = values, numbers, k
        self.places = values.graph.constant(np.arange(k))

    def swap(self, a: Tensor, b: Tensor, when: Tensor | None = None) -> None:
        """Exchange what is at two places."""
        order = ops.where(self.places.equal(a), b, ops.where(self.places.equal(b), a, self.places))
        if when is not None:
            order = ops.where(when, order, self.places)
        self.values = ops.gather(self.values, order)
        self.numbers = ops.gather(self.numbers, order)

    def _above(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.gather(self.values, a) > ops.gather(self.values, b)

    def order_three(self, first: Tensor, middle: Tensor, last: Tensor) -> None:
        """Put the least of three first, the median last, and the largest in the middle."""
        self.swap(first, last, self._above(first, last))
        raised = self._above(last, middle)
        self.swap(last, middle, raised)
        self.swap(first, last, raised & self._above(first, last))

    def cross(self, i: Tensor, j: Tensor, pivot: Tensor) -> Tensor:
        """Exchange what stands on the wrong sides, from both ends, and return where they meet."""

        def turn(
            _turn: Tensor, i: Tensor, j: Tensor, values: Tensor, numbers: Tensor
        ) -> tuple[Tensor, list[Tensor]]:
            row = _Row(values, numbers, self.k)
            between = (row.places >= i) & (row.places <= j)
            stops = ops.where(between & ~(values < pivot), row.places, j + 1)
            left = ops.where(i > j, i, ops.smallest(stops, 0))
            between = (row.places >= left) & (row.places <= j)
            stops = ops.where(between & ~(values > pivot), row.places, left - 1)
            right = ops.where(left > j, j, ops.largest(stops, 0))
            going = left < right
            row.swap(left, right, going)
            step = going.cast("int64")
            return going, [left + step, right - step, row.values, row.numbers]

        i, _, self.values, self.numbers = ops.loop(self.k, [i, j, self.values, self.numbers], turn)
        return i
