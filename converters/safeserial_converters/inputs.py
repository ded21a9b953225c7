# SPDX-License-Identifier: BSD-3-Clause
"""What a converter gets: the table of features, as one matrix or as columns of different dtypes.

Floor 7, beside the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from safeserial_converters import ops
from safeserial_converters.graph import Graph
from safeserial_converters.tensors import Tensor


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
        For each column: its number among the *model's* features if it comes unchanged from there.
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

    def note_thresholds(self, column: int, values: Any) -> None:
        """Tell the proof the thresholds at which a column of this table changes a decision."""
        self.graph.note_thresholds(self.origins[column], values)
