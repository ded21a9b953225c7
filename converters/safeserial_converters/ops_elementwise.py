# SPDX-License-Identifier: BSD-3-Clause
"""Operations: shape, and elementwise arithmetic.

Floor 7, beside the command line.  Converters use these by way of :mod:`safeserial_converters.ops`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from safeserial_converters.tensors import Operand, Shape, Tensor, broadcast, concat_shape, drop_axis

# ---------------------------------------------------------------------- shape


def concat(parts: Sequence[Tensor], axis: int = 1) -> Tensor:
    """Put tensors of one dtype side by side."""
    if len(parts) == 1:
        return parts[0]
    shape = concat_shape([part.shape for part in parts], axis)
    return parts[0].graph.emit("Concat", list(parts), parts[0].dtype, shape, axis=axis)


def gather(x: Tensor, indices: Operand, axis: int = 0) -> Tensor:
    """Take the entries at `indices` along an axis, as :func:`numpy.take`."""
    where = x.graph.lift(indices, "int64")
    shape = (*x.shape[:axis], *where.shape, *x.shape[axis + 1 :])
    return x.graph.emit("Gather", [x, where], x.dtype, shape, axis=axis)


def columns(x: Tensor, indices: Sequence[int] | npt.NDArray[Any]) -> Tensor:
    """Take columns of a matrix; it stays a matrix."""
    wanted = [int(i) for i in indices]
    if wanted == list(range(x.width)):
        return x
    return gather(x, np.array(wanted, np.int64), axis=x.rank - 1)


def column(x: Tensor, index: int) -> Tensor:
    """Take one column of a matrix as a vector."""
    return gather(x, np.int64(index), axis=1)


def reshape(x: Tensor, shape: Sequence[int], known: Shape) -> Tensor:
    """Reshape; `known` is the new shape as far as it is known."""
    return x.graph.emit("Reshape", [x, x.graph.constant(np.array(shape, np.int64))], x.dtype, known)


def unsqueeze(x: Tensor, axis: int) -> Tensor:
    """Add a dimension of size 1 at `axis`."""
    axis %= x.rank + 1
    shape = (*x.shape[:axis], 1, *x.shape[axis:])
    return x.graph.emit("Unsqueeze", [x, x.graph.constant(np.array([axis]))], x.dtype, shape)


def squeeze(x: Tensor, axis: int) -> Tensor:
    """Drop a dimension of size 1."""
    shape = drop_axis(x.shape, axis, keep=False)
    axes = x.graph.constant(np.array([axis % x.rank]))
    return x.graph.emit("Squeeze", [x, axes], x.dtype, shape)


def transpose(x: Tensor, order: Sequence[int]) -> Tensor:
    """Permute the dimensions."""
    shape = tuple(x.shape[i] for i in order)
    return x.graph.emit("Transpose", [x], x.dtype, shape, perm=list(order))


def ravel(x: Tensor) -> Tensor:
    """Return a matrix of one column as a vector."""
    return reshape(x, (-1,), (None,))


def full_rows(x: Tensor, values: npt.ArrayLike, dtype: str | None = None) -> Tensor:
    """Return `values` once for each row of `x`: ``[N, *values.shape]``."""
    row = x.graph.constant(np.asarray(values)[None], dtype)
    count = x.graph.emit("Shape", [x], "int64", (1,), start=0, end=1)
    rest = x.graph.constant(np.array(row.shape[1:], np.int64))
    shape = concat([count, rest], axis=0) if row.rank > 1 else count
    return x.graph.emit("Expand", [row, shape], row.dtype, (None, *row.shape[1:]))


def full_like(x: Tensor, *, value: float | bool) -> Tensor:
    """Return a tensor of the shape of `x` with one value everywhere."""
    fill = x.graph.lift(value, "bool" if isinstance(value, bool) else x.dtype)
    shape = x.graph.emit("Shape", [x], "int64", (x.rank,))
    return x.graph.emit("Expand", [fill, shape], fill.dtype, x.shape)


# ---------------------------------------------------------------------- elementwise


def unary(op: str, x: Tensor) -> Tensor:
    """Apply an ONNX operator of one operand that keeps dtype and shape: ``"Exp"``, ``"Abs"`` ..."""
    return x.graph.emit(op, [x], x.dtype, x.shape)


def exp(x: Tensor) -> Tensor:
    """Exponential."""
    return unary("Exp", x)


def log(x: Tensor) -> Tensor:
    """Natural logarithm."""
    return unary("Log", x)


def sqrt(x: Tensor) -> Tensor:
    """Square root."""
    return unary("Sqrt", x)


def absolute(x: Tensor) -> Tensor:
    """Absolute value."""
    return unary("Abs", x)


def expit(x: Tensor) -> Tensor:
    """Logistic function, as ``scipy.special.expit``: ``1 / (1 + exp(-x))``."""
    return 1.0 / (1.0 + exp(-x))


def log1p(x: Tensor) -> Tensor:
    """``log(1 + x)`` without loss near 0 (Kahan's correction of the rounding of ``1 + x``)."""
    u = 1.0 + x
    off = u - 1.0
    small = off.equal(0.0)
    plain = isinf(u) | (u <= 0.0)
    corrected = log(where(small, 1.0, u)) * (x / where(small, 1.0, off))
    return where(small, x, where(plain, log(u), corrected))


def expm1(x: Tensor) -> Tensor:
    """``exp(x) - 1`` without loss near 0 (Kahan's)."""
    u = exp(x)
    off = u - 1.0
    lu = log(u)
    flat = u.equal(1.0)
    plain = absolute(x) > 1.0
    return where(flat, x, where(plain, off, off * (x / where(lu.equal(0.0), 1.0, lu))))


def tanh(x: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return unary("Tanh", x)


def where(condition: Tensor, yes: Operand, no: Operand) -> Tensor:
    """Choose elementwise; a number takes the dtype of the other side."""
    graph = condition.graph
    kind = next((v.dtype for v in (yes, no) if isinstance(v, Tensor)), None)
    a, b = graph.lift(yes, kind), graph.lift(no, kind)
    if a.dtype != b.dtype:
        raise AssertionError(f"where of {a!r} and {b!r}")
    shape = broadcast(condition.shape, broadcast(a.shape, b.shape))
    return graph.emit("Where", [condition, a, b], a.dtype, shape)


def isnan(x: Tensor) -> Tensor:
    """Whether missing: NaN, or ``""`` among strings; never for integers."""
    if x.dtype == "string":
        return x.equal("")
    if not x.dtype.startswith("float"):
        x = x.cast("float64")
    return x.graph.emit("IsNaN", [x], "bool", x.shape)


def isinf(x: Tensor) -> Tensor:
    """Whether infinite."""
    return x.graph.emit("IsInf", [x], "bool", x.shape)


def minimum(x: Tensor, y: Operand) -> Tensor:
    """Elementwise minimum; NaN stays NaN."""
    return x.binary("Min", y)


def maximum(x: Tensor, y: Operand) -> Tensor:
    """Elementwise maximum; NaN stays NaN."""
    return x.binary("Max", y)


def clip(x: Tensor, low: Operand, high: Operand) -> Tensor:
    """Confine to an interval (bounds may be arrays); NaN stays NaN."""
    return where(x < low, low, where(x > high, high, x))
