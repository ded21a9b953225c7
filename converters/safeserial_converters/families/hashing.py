# SPDX-License-Identifier: BSD-3-Clause
"""HashingVectorizer: MurmurHash3 of each n-gram is its column; only those that are hit are kept.

Floor 7, beside the command line.  A row has a million columns by default, and some hundred that are
not zero.  :class:`HashedRows` keeps only these; a linear model takes them as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from safeserial_converters import ops, ops_text
from safeserial_converters.families.analyzers import Analyzer, analyzer_of
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.ops_text import PAD
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Operand, Tensor

#: Rows wider than this are not written out: a batch of them would not fit into memory.
WIDEST: Final = 2**14


class HashedRows(Tensor):
    """Rows ``[N, width]`` of which only the columns that are not zero are there.

    Parameters
    ----------
    graph : Graph
        Where it belongs.
    width : int
        Number of columns.
    places, values : Tensor
        ``[N, W]``: columns, which may come several times, and what is added to each.
    counts : Tensor, optional
        The same before `steps`, whole numbers; default: `values`.
    steps : tuple of callable
        What was done to the rows since: ones that cancel each other are summed before it, and give
        nothing, as in scikit-learn.
    """

    __slots__ = ("_dense", "counts", "places", "steps", "values")

    def __init__(
        self,
        graph: Graph,
        width: int,
        places: Tensor,
        values: Tensor,
        *,
        counts: Tensor | None = None,
        steps: tuple[Callable[[Tensor], Tensor], ...] = (),
    ) -> None:
        self._dense = ""
        super().__init__(graph, "", values.dtype, (None, width))
        self.places = places
        self.values = values
        self.counts = values if counts is None else counts
        self.steps = steps

    def _after(self, values: Tensor, step: Callable[[Tensor], Tensor]) -> HashedRows:
        steps = (*self.steps, step)
        return HashedRows(
            self.graph, self.width, self.places, values, counts=self.counts, steps=steps
        )

    @property
    def name(self) -> str:
        """Name of the rows, written out: every other operation than those below comes here."""
        if not self._dense:
            self._dense = self._written_out().name
        return self._dense

    @name.setter
    def name(self, value: str) -> None:
        self._dense = value

    def _written_out(self) -> Tensor:
        if self.width > WIDEST:
            raise self.graph.refuse(
                "HashingVectorizer",
                f"rows of {self.width:,} columns, written out, do not fit into memory",
                hint=f"linear models take them as they are; others need n_features up to {WIDEST}",
            )
        graph = self.graph
        count = graph.emit("Shape", [self.values], "int64", (1,), start=0, end=1)
        shape = ops.concat([count, graph.constant(np.array([self.width]))], axis=0)
        zero = graph.constant(np.zeros(1), self.dtype)
        ground = graph.emit("Expand", [zero, shape], self.dtype, self.shape)
        parts = [ground, self.places, self.counts]
        found = graph.emit(
            "ScatterElements", parts, self.dtype, self.shape, axis=1, reduction="add"
        )
        for step in self.steps:
            found = step(found)
        return found

    def __matmul__(self, other: Operand) -> Tensor:
        right = self.graph.lift(other, self.dtype)
        if self.width <= WIDEST or right.rank != 2:
            return super().__matmul__(right)
        rows = ops.gather(right, self.places)
        return ops.total(rows * ops.unsqueeze(self.values, 2), 1)

    def __mul__(self, other: Operand) -> Tensor:
        if isinstance(other, np.ndarray) and other.shape == (self.width,):  # a weight a column
            weights = ops.gather(self.graph.constant(other, self.dtype), self.places)
            return self._after(self.values * weights, lambda rows: rows * other)
        return super().__mul__(other)

    def normalized(self, norm: str) -> HashedRows:
        """Return rows divided by their norm; row by row, for all pairs of columns are compared."""

        def length(places: Tensor, values: Tensor) -> list[Tensor]:
            same = ops.unsqueeze(places, 1).equal(ops.unsqueeze(places, 0)).cast(self.dtype)
            summed = ops.squeeze(same @ ops.unsqueeze(values, 1), 1)  # of the column of each
            if norm == "l2":
                return [ops.sqrt(ops.total(summed * values, 0))]
            sign = self.graph.emit("Sign", [summed], self.dtype, summed.shape)
            return [ops.total(values * sign, 0)]

        (size,) = ops.scan_rows([self.places, self.values], length)
        size = ops.unsqueeze(ops.where(size.equal(0.0), 1.0, size), 1)
        return self._after(self.values / size, lambda rows: rows / size)


@converts("sklearn.feature_extraction.text.HashingVectorizer")
def convert_hashing(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Each n-gram adds 1 or -1 to the column of its hash."""
    if np.dtype(model.dtype) != np.float64:
        raise graph.refuse(model, f"it computes in {model.dtype}", hint="use dtype=float64")
    analyzer = analyzer_of(model, graph)
    if analyzer.kind == "char_wb" and analyzer.shortest > 3:
        raise graph.refuse(model, "its shortest n-gram is longer than the shortest word")

    def transform() -> Tensor:
        grams = _ngrams(analyzer, inputs.tensor)
        rows = _hashed(model, grams, graph)
        return rows.normalized(model.norm) if model.norm else rows

    return {"transform": transform}


@converts("sklearn.feature_extraction.FeatureHasher")
def convert_feature_hasher(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Rows of strings, each hashed; dictionaries and pairs are no tensors."""
    if model.input_type != "string":
        raise graph.refuse(model, f"it takes rows of the kind {model.input_type!r}, not tensors")
    if np.dtype(model.dtype) != np.float64:
        raise graph.refuse(model, f"it computes in {model.dtype}", hint="use dtype=float64")
    return {"transform": lambda: _hashed(model, inputs.strings(), graph)}


def _ngrams(analyzer: Analyzer, texts: Tensor) -> Tensor:
    """Return the n-grams of each text as strings, a pad where there is none."""
    units = analyzer.strings(texts)
    between = " " if analyzer.kind == "word" else ""
    found = []
    longer, rest = units, units
    for size in range(1, analyzer.longest + 1):
        if size > 1:
            # One column of pads behind, so that a short row keeps a column.
            pad = ops.full_rows(units, np.array([PAD], object), "string")
            rest = ops.concat([ops_text.cut(rest, 1, 2**62), pad])
            gone = longer.equal(PAD) | rest.equal(PAD)
            second = _behind(between, rest) if between else rest
            longer = ops.where(gone, PAD, ops_text.glue(longer, second))
        if size >= analyzer.shortest:
            found.append(longer)
    return ops.concat(found)


def _behind(between: str, strings: Tensor) -> Tensor:
    return ops_text.glue(strings.graph.constant(np.array([[between]], object), "string"), strings)


def _hashed(model: Any, grams: Tensor, graph: Graph) -> HashedRows:
    width = int(model.n_features)
    there = ~grams.equal(PAD)
    code = graph.emit(
        "MurmurHash3", [grams], "int32", grams.shape, domain="com.microsoft", positive=0, seed=0
    ).cast("int64")
    # The one number without a positive counterpart among 32 bits; scikit-learn's answer to it.
    size = ops.where(code.equal(-(2**31)), 2**31 - 1 - (width - 1), ops.absolute(code))
    place = graph.emit("Mod", [size, graph.constant(width)], "int64", grams.shape)
    if getattr(model, "binary", False):
        value = _first_of_each(place, there).cast(graph.real)
    elif model.alternate_sign:
        value = ops.where(there, ops.where(code < 0, -1, 1), 0).cast(graph.real)
    else:
        value = there.cast(graph.real)
    return HashedRows(graph, width, place, value)


def _first_of_each(places: Tensor, there: Tensor) -> Tensor:
    """Whether an entry is the first of its column in its row."""
    graph = places.graph

    def first(row: Tensor, valid: Tensor) -> list[Tensor]:
        same = ops.unsqueeze(row, 1).equal(ops.unsqueeze(row, 0)) & ops.unsqueeze(valid, 0)
        earlier = graph.emit(
            "Trilu",
            [same.cast("int64"), graph.constant(np.int64(-1))],
            "int64",
            same.shape,
            upper=0,
        )
        return [valid & ops.largest(earlier, 1).equal(0)]

    (found,) = ops.scan_rows([places, there], first)
    return found
