# SPDX-License-Identifier: BSD-3-Clause
"""The k nearest rows of the fit, and of equally near ones those that scikit-learn's search keeps.

Floor 7, beside the command line.

Distances are summed in scikit-learn's order, so that equal ones are equal here too.  Where the k-th
neighbour is not alone at its distance, which of them is kept depends on the order in which the
search visits them and on its heap: both are repeated then, for that row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from safeserial_converters import ops
from safeserial_converters.families.neighbor_sort import sort_neighbours
from safeserial_converters.graph import Graph
from safeserial_converters.tensors import Tensor


@dataclass(frozen=True)
class Metric:
    """A metric: `reduced` of differences ``[n, M]`` grows with the distance; `back` undoes it."""

    name: str
    reduced: Callable[[Tensor], Tensor]
    distance: Callable[[Tensor], Tensor]
    back: Callable[[Tensor], Tensor]
    power: float


def _same(x: Tensor) -> Tensor:
    return x


def metric_of(model: Any, graph: Graph) -> Metric:
    """Return the metric of a neighbours model.

    Raises
    ------
    UnsupportedModelError
        If it is a function, or one whose sums are not known here.
    """
    return metric_named(model, graph, model.effective_metric_, model.effective_metric_params_ or {})


def metric_named(model: Any, graph: Graph, name: Any, values: dict[str, Any]) -> Metric:
    """Return a metric by scikit-learn's name and parameters."""
    if callable(name):
        raise graph.refuse(model, "its metric is a Python function")
    p = float(values.get("p", 2.0))
    extra = {key for key, one in values.items() if one is not None} - {"p"}
    if extra:
        raise graph.refuse(model, f"its metric has the parameters {', '.join(sorted(extra))}")
    if name in {"euclidean", "l2"} or (name in {"minkowski", "p"} and p == 2.0):
        return Metric("euclidean", lambda d: ops.total(d * d, 0), ops.sqrt, lambda d: d * d, 2.0)
    if name in {"manhattan", "cityblock", "l1"} or (name in {"minkowski", "p"} and p == 1.0):
        return Metric("manhattan", lambda d: ops.total(ops.absolute(d), 0), _same, _same, 1.0)
    if name in {"chebyshev", "infinity"} or (name in {"minkowski", "p"} and np.isinf(p)):
        return Metric("chebyshev", lambda d: ops.largest(ops.absolute(d), 0), _same, _same, np.inf)
    if name in {"minkowski", "p"}:
        return Metric(
            "minkowski", lambda d: ops.total(ops.absolute(d) ** p, 0), lambda r: r ** (1.0 / p),
            lambda d: d**p, p,
        )  # fmt: skip
    raise graph.refuse(model, f"its metric is {name!r}")


def differences(row: Tensor, points: npt.NDArray[Any]) -> Tensor:
    """Return a row minus each of the points, ``[n, M]``; sums over axis 0 go feature by feature."""
    table = np.ascontiguousarray(np.asarray(points, np.float64).T)
    return ops.unsqueeze(row, 1) - row.graph.constant(table, row.dtype, "points")


@dataclass(frozen=True)
class Search:
    """The rows of a fit as they are stored, and the order in which a search visits them."""

    metric: Metric
    points: npt.NDArray[np.float64]
    numbers: npt.NDArray[np.int64]
    tree: Any = None
    kind: str = "brute"

    @classmethod
    def of(cls, model: Any, graph: Graph) -> Search:
        """Read the search of a fitted neighbours model."""
        if model.effective_metric_ == "precomputed":
            raise graph.refuse(model, "its distances are precomputed")
        metric = metric_of(model, graph)
        method = model._fit_method
        if method == "brute":
            fit = model._fit_X
            dense = np.asarray(fit.toarray() if hasattr(fit, "toarray") else fit, np.float64)
            if np.array_equal(dense, np.floor(dense)) or len(np.unique(dense, axis=0)) < len(dense):
                reason = (
                    "whole numbers or repeated rows lie equally near, and which of them brute "
                    "force keeps depends on threads and batch"
                )
                raise graph.refuse(model, reason, hint='fit with algorithm="kd_tree"')
            return cls(metric, dense, np.arange(len(dense)))
        if method not in {"kd_tree", "ball_tree"}:
            raise graph.refuse(model, f"its algorithm is {method!r}")
        tree = model._tree
        data, numbers = (np.asarray(one) for one in tree.get_arrays()[:2])
        return cls(
            metric, np.asarray(data, np.float64)[numbers], numbers.astype(np.int64), tree, method
        )

    def nearest(self, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Return the distances and numbers of the k nearest rows of the fit, ``[N, k]`` each."""

        def body(row: Tensor) -> list[Tensor]:
            reduced = self.metric.reduced(differences(row, self.points))
            near, place = self._pick(row, reduced, k)
            return [self.metric.distance(near), ops.gather(row.graph.constant(self.numbers), place)]

        found = ops.scan_rows([x], body)
        return found[0], found[1]

    def _pick(self, row: Tensor, reduced: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Return the k smallest and their places; of equal ones those that the heap keeps."""
        graph, count = row.graph, len(self.points)
        more = min(k + 1, count)
        values, places = ops.smallest_k(reduced, more)
        if more == 1:
            return values, places
        first = ops.gather(values, np.arange(more - 1))
        equal = first.equal(ops.gather(values, np.arange(1, more))).cast("int64")
        tied = ops.largest(equal, 0) > 0

        def plain() -> list[Tensor]:
            return [ops.gather(one, np.arange(k)) for one in (values, places)]

        def careful() -> list[Tensor]:
            order = self._order_of_visit(row)
            heap, kept = _heap(ops.gather(reduced, order), k)
            best, place = sort_neighbours(heap, kept, k)
            return [best, ops.gather(order, place)]

        yes, results = graph.subgraph([], careful)
        no, _ = graph.subgraph([], plain)
        found = graph.emit_many(
            "If",
            [tied],
            [(one.dtype, one.shape) for one in results],
            then_branch=yes,
            else_branch=no,
        )
        return found[0], found[1]

    def _order_of_visit(self, row: Tensor) -> Tensor:
        """Return the places of the points in the order in which a row's search comes to them."""
        graph, count = row.graph, len(self.points)
        plain = graph.constant(np.arange(count))
        if self.tree is None:
            return plain
        nodes, bounds = (np.asarray(one) for one in self.tree.get_arrays()[2:])
        inner = len(nodes) // 2
        if inner == 0:
            return plain
        lower = self._lower_bounds(row, nodes, bounds)
        left = ops.gather(lower, 2 * np.arange(inner) + 1)
        right = ops.gather(lower, 2 * np.arange(inner) + 2)
        turned = (left > right).cast(graph.real)  # the right child is visited first
        weights, offset = _path_weights(inner)
        rank = ops.squeeze(ops.unsqueeze(turned, 0) @ weights, 0) + offset  # [leaves]
        leaf_of = np.zeros(count, np.int64)
        within = np.zeros(count)
        for leaf, node in enumerate(nodes[inner:]):
            span = slice(int(node["idx_start"]), int(node["idx_end"]))
            leaf_of[span] = leaf
            within[span] = np.arange(span.stop - span.start)
        every = ops.gather(rank, leaf_of) * float(2 ** int(within.max() + 1).bit_length()) + within
        return ops.smallest_k(every, count)[1]

    def _lower_bounds(self, row: Tensor, nodes: Any, bounds: npt.NDArray[Any]) -> Tensor:
        """Return the least reduced distance of a row from each node, as the tree computes it."""
        if self.kind == "ball_tree":
            apart = self.metric.distance(self.metric.reduced(differences(row, bounds[0])))
            return self.metric.back(ops.maximum(apart - nodes["radius"], 0.0))
        below = -differences(row, bounds[0])
        above = differences(row, bounds[1])
        outside = (below + ops.absolute(below)) + (above + ops.absolute(above))
        return self.metric.reduced(outside * 0.5)


def _path_weights(inner: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return how the turns at inner nodes make the rank of each leaf: ``turns @ weights + offset``.

    Every bit of the rank says whether the path took the child that is visited second.
    """
    leaves = inner + 1
    weights, offset = np.zeros((inner, leaves)), np.zeros(leaves)
    for leaf in range(leaves):
        node, value = inner + leaf, 1.0
        while node:
            parent, is_right = (node - 1) // 2, node % 2 == 0
            weights[parent, leaf] = -value if is_right else value
            offset[leaf] += value if is_right else 0.0
            node, value = parent, value * 2.0
    return weights, offset


def _heap(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Push values one by one on a heap of size k; return it, and where in `values` each was."""
    graph = values.graph
    room = 2 * k + 2
    slots = np.arange(room)
    start = [
        graph.constant(np.int64(0)),
        graph.constant(np.where(slots < k, np.inf, -np.inf), values.dtype),
        graph.constant(np.zeros(room, np.int64)),
    ]
    count = values.shape[0] or 0
    positions = graph.constant(np.arange(count))
    depth = max(k.bit_length() - 1, 0)

    def push(
        _turn: Tensor, cursor: Tensor, heap: Tensor, kept: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        wanted = (values < _at(heap, 0)) & (positions >= cursor)
        place = ops.argmax(wanted.cast("int64"), 0)
        going = ops.largest(wanted.cast("int64"), 0) > 0
        value = ops.gather(values, place)
        here, moving = graph.constant(np.int64(0)), going
        new, numbers = heap, kept
        for _ in range(depth):
            left = here * 2 + 1
            a, b = ops.gather(heap, left), ops.gather(heap, left + 1)
            child = ops.where(a >= b, left, left + 1)
            larger = ops.maximum(a, b)
            moving = moving & (value < larger)
            there = here.equal(slots) & moving
            new = ops.where(there, larger, new)
            numbers = ops.where(there, ops.gather(kept, child), numbers)
            here = ops.where(moving, child, here)
        there = here.equal(slots) & going
        new, numbers = ops.where(there, value, new), ops.where(there, place, numbers)
        return going, [place + 1, new, numbers]

    _, heap, kept = ops.loop(count + 1, start, push)
    return ops.gather(heap, np.arange(k)), ops.gather(kept, np.arange(k))


def _at(x: Tensor, index: int) -> Tensor:
    return ops.gather(x, np.int64(index))
