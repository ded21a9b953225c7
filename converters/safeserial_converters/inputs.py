# SPDX-License-Identifier: BSD-3-Clause
"""What a converter gets: the table of features, as one matrix or as columns of different dtypes.

Floor 7, beside the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from safeserial_converters import ops
from safeserial_converters.graph import Graph
from safeserial_converters.tensors import Tensor

#: Values of one column.
Numbers = npt.NDArray[np.float64]


class Origin(int):
    """The number of the model's feature that a column is a scaled copy of, and how to go back."""

    back: Callable[[Numbers], Numbers]


def _scaled(origin: int | None, back: Callable[[Numbers], Numbers]) -> Origin | None:
    if origin is None:
        return None
    found = Origin(origin)
    earlier = getattr(origin, "back", None)
    found.back = back if earlier is None else lambda values: earlier(back(values))
    return found


class Inputs:
    """A table under construction: blocks of columns, each a tensor ``[N, k]`` of one dtype.

    Parameters
    ----------
    graph : Graph
        Where it belongs.
    blocks : sequence of Tensor
        Side by side they are the table.  A single tensor of another rank (texts ``[N]``, images)
        stands for itself.
    names : sequence of str, optional
        Names of the columns, where there are any.
    origins : sequence of int or None, optional
        For each column: its number among the *model's* features if it comes from there, unchanged
        or scaled.
    """

    def __init__(
        self,
        graph: Graph,
        blocks: Sequence[Tensor],
        names: Sequence[str] | None = None,
        origins: Sequence[int | None] | None = None,
    ) -> None:
        self.graph = graph
        self.blocks = tuple(blocks)
        self.names = None if names is None else tuple(names)
        self._origins = None if origins is None else tuple(origins)

    @classmethod
    def of(cls, value: Tensor | Inputs, names: Sequence[str] | None = None) -> Inputs:
        """Return a tensor as a table (a table is returned as it is)."""
        return value if isinstance(value, Inputs) else cls(value.graph, [value], names)

    @classmethod
    def beside(cls, graph: Graph, parts: Sequence[Tensor | Inputs]) -> Inputs:
        """Return tables side by side."""
        tables = [cls.of(part) for part in parts]
        names: list[str] | None = [n for one in tables for n in one.names or ()]
        if any(one.names is None for one in tables):
            names = None
        origins = [o for one in tables for o in one.origins]
        return cls(graph, [b for one in tables for b in one.blocks], names, origins)

    @property
    def width(self) -> int:
        """Number of columns."""
        return sum(block.width if block.rank > 1 else 1 for block in self.blocks)

    @property
    def origins(self) -> tuple[int | None, ...]:
        """For each column its number among the model's features, or None."""
        return self._origins if self._origins is not None else (None,) * self.width

    @property
    def tensor(self) -> Tensor:
        """The table as one tensor of its own dtype; an error where the columns differ."""
        if len({block.dtype for block in self.blocks}) > 1:
            raise self.graph.refuse("a step", "it gets strings and numbers in one table")
        return ops.concat(self.blocks, axis=1) if len(self.blocks) > 1 else self.blocks[0]

    def tensor_at_edge(self) -> Tensor:
        """Return the table as one tensor: columns of numbers of different dtypes become reals."""
        kinds = {block.dtype for block in self.blocks}
        return self.tensor if len(kinds) == 1 or "string" in kinds else self.numeric()

    @property
    def has_strings(self) -> bool:
        """Whether any column holds strings."""
        return any(block.dtype == "string" for block in self.blocks)

    def numeric(self) -> Tensor:
        """Return the table as numbers in the profile's dtype (double, unless fast), ``[N, n]``."""
        if self.has_strings:
            raise self.graph.refuse("a step", "it computes with numbers and gets strings")
        parts = [block.cast(self.graph.real) for block in self.blocks]
        return ops.concat(parts, axis=1) if len(parts) > 1 else parts[0]

    def strings(self) -> Tensor:
        """Return the table as strings (``""`` is a missing one)."""
        if any(block.dtype != "string" for block in self.blocks):
            raise self.graph.refuse("a step", "it works on strings and gets numbers")
        return self.tensor

    def column(self, index: int) -> Tensor:
        """Return one column, ``[N, 1]``, in its own dtype."""
        for block in self.blocks:
            width = block.width if block.rank > 1 else 1
            if index < width:
                if block.rank == 1:
                    return ops.reshape(block, (-1, 1), (None, 1))
                return block if width == 1 else ops.columns(block, [index])
            index -= width
        raise AssertionError("no such column")

    def select(self, indices: Iterable[Any]) -> Inputs:
        """Return the table of some columns, in the order given."""
        chosen = [int(i) for i in indices]
        names = None if self.names is None else [self.names[i] for i in chosen]
        origins = [self.origins[i] for i in chosen]
        if chosen == list(range(self.width)):
            return Inputs(self.graph, self.blocks, names, origins)
        if len(self.blocks) == 1:
            return Inputs(self.graph, [ops.columns(self.blocks[0], chosen)], names, origins)
        return Inputs(self.graph, [self.column(i) for i in chosen], names, origins)

    def scaled(self, tensor: Tensor, back: Callable[[int, Numbers], Numbers]) -> Inputs:
        """Return the table after a map of each column by itself that can be undone.

        Parameters
        ----------
        tensor : Tensor
            The new values, as many columns.
        back : callable
            ``(column, values) -> values``, in NumPy: for the thresholds that later steps note.
        """
        origins = [_scaled(origin, partial(back, i)) for i, origin in enumerate(self.origins)]
        return Inputs(self.graph, [tensor], None, origins)

    def note_thresholds(self, column: int, values: Any) -> None:
        """Tell the proof the thresholds at which a column of this table changes a decision.

        Behind scalers they are taken back to what the model is given; and as trees compare in
        single precision, the doubles at which the rounding turns are noted as well.
        """
        origin = self.origins[column]
        if origin is None:
            return
        given = np.asarray(values, np.float64).ravel()
        with np.errstate(all="ignore"):
            below = given.astype(np.float32)
            below = np.where(below > given, np.nextafter(below, np.float32(-np.inf)), below)
            above = np.nextafter(below.astype(np.float32), np.float32(np.inf))
            turns = (below.astype(np.float64) + above.astype(np.float64)) / 2
            every = np.concatenate([given, turns])
            back = getattr(origin, "back", None)
            self.graph.note_thresholds(origin, every if back is None else back(every))
