# SPDX-License-Identifier: BSD-3-Clause
"""Typed handles of the values in a graph under construction, with Python's operators.

Floor 7, beside the command line: knows the graph only by what a handle asks of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from safeserial_converters.graph import Graph

Shape: TypeAlias = "tuple[int | None, ...]"
Operand: TypeAlias = "Tensor | float | str | npt.NDArray[Any] | np.generic"

FLOATS: Final = ("float32", "float64", "float16")
INTEGERS: Final = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


class Tensor:
    """A value of the graph: its name, its dtype, and its shape as far as it is known.

    Arithmetic adds nodes to the graph.  A Python number or a NumPy array on the other side becomes
    a constant of this tensor's dtype; two tensors must have the same dtype (cast first: nothing
    is promoted behind your back).

    Parameters
    ----------
    graph : Graph
        Where it belongs.
    name : str
        Its name there.
    dtype : str
        NumPy's name of the dtype (``"float64"``, ``"int64"``, ``"bool"`` ...) or ``"string"``.
    shape : tuple of int or None
        One entry a dimension; None where it depends on the number of rows or on the data.
    """

    __slots__ = ("dtype", "graph", "name", "shape")
    __array_ufunc__ = None  # an array on the left leaves the operator to this class

    def __init__(self, graph: Graph, name: str, dtype: str, shape: Shape) -> None:
        self.graph = graph
        self.name = name
        self.dtype = dtype
        self.shape = shape

    def __repr__(self) -> str:
        return f"Tensor({self.name}: {self.dtype}{list(self.shape)})"

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def width(self) -> int:
        """Size of the last dimension; it is an error to ask where it is unknown."""
        size = self.shape[-1] if self.shape else None
        if size is None:
            raise AssertionError(f"{self!r} has no known width")
        return size

    def cast(self, dtype: str) -> Tensor:
        """Return this value in another dtype (itself where it has it already)."""
        if dtype == self.dtype:
            return self
        return self.graph.emit("Cast", [self], dtype, self.shape, to=self.graph.elem_type(dtype))

    def binary(self, op: str, other: Operand, dtype: str | None = None) -> Tensor:
        """Apply a broadcasting operator of two operands."""
        if op in {"Mul", "Div"} and _is_rounded_by_fusion(self, other):
            return _scaled_by_columns(self, op, other)
        right = self.graph.lift(other, self.dtype)
        if right.dtype != self.dtype:
            raise AssertionError(f"{op} of {self!r} and {right!r}: cast one of them")
        shape = broadcast(self.shape, right.shape)
        return self.graph.emit(op, [self, right], dtype or self.dtype, shape)

    def _reflected(self, op: str, other: Operand) -> Tensor:
        return self.graph.lift(other, self.dtype).binary(op, self)

    def __add__(self, other: Operand) -> Tensor:
        return self.binary("Add", other)

    def __radd__(self, other: Operand) -> Tensor:
        return self._reflected("Add", other)

    def __sub__(self, other: Operand) -> Tensor:
        return self.binary("Sub", other)

    def __rsub__(self, other: Operand) -> Tensor:
        return self._reflected("Sub", other)

    def __mul__(self, other: Operand) -> Tensor:
        return self.binary("Mul", other)

    def __rmul__(self, other: Operand) -> Tensor:
        return self.binary("Mul", other)

    def __truediv__(self, other: Operand) -> Tensor:
        return self.binary("Div", other)

    def __rtruediv__(self, other: Operand) -> Tensor:
        return self._reflected("Div", other)

    def __pow__(self, other: Operand) -> Tensor:
        return self.binary("Pow", other)

    def __neg__(self) -> Tensor:
        return self.graph.emit("Neg", [self], self.dtype, self.shape)

    def __matmul__(self, other: Operand) -> Tensor:
        right = self.graph.lift(other, self.dtype)
        shape = (*self.shape[:-1], *right.shape[-1:]) if right.rank > 1 else self.shape[:-1]
        return self.graph.emit("MatMul", [self, right], self.dtype, shape)

    def __lt__(self, other: Operand) -> Tensor:
        return self.binary("Less", other, "bool")

    def __le__(self, other: Operand) -> Tensor:
        return self.binary("LessOrEqual", other, "bool")

    def __gt__(self, other: Operand) -> Tensor:
        return self.binary("Greater", other, "bool")

    def __ge__(self, other: Operand) -> Tensor:
        return self.binary("GreaterOrEqual", other, "bool")

    def equal(self, other: Operand) -> Tensor:
        """Compare for equality; NaN equals nothing."""
        if isinstance(other, str) and self.graph.target.opset < 19:  # which has no Equal of strings
            found = self.graph.emit(
                "LabelEncoder", [self], "int64", self.shape, domain="ai.onnx.ml",
                keys_strings=[other], values_int64s=[1], default_int64=0,
            )  # fmt: skip
            return found.cast("bool")
        return self.binary("Equal", other, "bool")

    def __and__(self, other: Operand) -> Tensor:
        return self.binary("And", other, "bool")

    def __or__(self, other: Operand) -> Tensor:
        return self.binary("Or", other, "bool")

    def __invert__(self) -> Tensor:
        return self.graph.emit("Not", [self], "bool", self.shape)


def _is_rounded_by_fusion(left: Tensor, factor: Operand) -> bool:
    """Whether ONNX Runtime could merge a factor into a MatMul beside it, rounding it to float32."""
    if isinstance(factor, Tensor) or left.dtype != "float64" or left.rank < 2:
        return False
    values = np.ravel(np.asarray(factor))
    if len(values) != 1 or np.ndim(factor) > left.rank or left.shape[-1] is None:
        return False
    # Powers of two, and so their inverses, keep their value.
    return bool(abs(np.frexp(values[0])[0]) != 0.5)


def _scaled_by_columns(left: Tensor, op: str, factor: Any) -> Tensor:
    """Scale by a vector of one number a column, which is never merged; see above."""
    width = left.width
    vector = left.graph.constant(np.full(max(width, 2), np.ravel(factor)[0]), left.dtype)
    known = (*left.shape[:-1], max(width, 2))
    found = left.graph.emit(op, [left, vector], left.dtype, known)
    if width > 1:
        return found
    first = left.graph.constant(np.zeros(1, np.int64))
    return left.graph.emit("Gather", [found, first], left.dtype, left.shape, axis=left.rank - 1)


def broadcast(left: Shape, right: Shape) -> Shape:
    """Return the shape that two operands have together; None wins over 1, a number over None."""
    rank = max(len(left), len(right))
    a = (1,) * (rank - len(left)) + tuple(left)
    b = (1,) * (rank - len(right)) + tuple(right)
    return tuple(_together(one, two) for one, two in zip(a, b, strict=True))


def _together(one: int | None, two: int | None) -> int | None:
    if one == 1:
        return two
    if two in {1, one}:
        return one
    if one is not None and two is not None:
        raise AssertionError(f"dimensions {one} and {two} do not fit")
    return two if one is None else one


def drop_axis(shape: Shape, axis: int, *, keep: bool) -> Shape:
    """Return the shape after a reduction over one axis."""
    axis %= len(shape)
    return (*shape[:axis], *((1,) if keep else ()), *shape[axis + 1 :])


def concat_shape(shapes: Sequence[Shape], axis: int) -> Shape:
    """Return the shape of tensors side by side along an axis."""
    axis %= len(shapes[0])
    known = [shape[axis] for shape in shapes]
    total = None if None in known else sum(size for size in known if size is not None)
    rest = [next((s[i] for s in shapes if s[i] is not None), None) for i in range(len(shapes[0]))]
    return tuple(total if i == axis else size for i, size in enumerate(rest))
