# SPDX-License-Identifier: BSD-3-Clause
"""Operations over an axis: sums, extremes, softmax, the k smallest.

Floor 7, beside the command line.  Converters use these by way of :mod:`safeserial_converters.ops`.
"""

from __future__ import annotations

import numpy as np

from safeserial_converters.ops_elementwise import exp, isinf, log, squeeze, where
from safeserial_converters.tensors import Tensor, drop_axis


def reduce(op: str, x: Tensor, axis: int, *, keep: bool = False) -> Tensor:
    """Apply an ONNX reduction (``"ReduceSum"`` ...) over one axis."""
    axes = x.graph.constant(np.array([axis % x.rank]))
    shape = drop_axis(x.shape, axis, keep=keep)
    return x.graph.emit(op, [x, axes], x.dtype, shape, keepdims=int(keep))


def total(x: Tensor, axis: int = 1, *, keep: bool = False) -> Tensor:
    """Sum over one axis."""
    return reduce("ReduceSum", x, axis, keep=keep)


def mean(x: Tensor, axis: int = 1, *, keep: bool = False) -> Tensor:
    """Mean over one axis."""
    return reduce("ReduceMean", x, axis, keep=keep)


def largest(x: Tensor, axis: int = 1, *, keep: bool = False) -> Tensor:
    """Maximum over one axis."""
    return reduce("ReduceMax", x, axis, keep=keep)


def smallest(x: Tensor, axis: int = 1, *, keep: bool = False) -> Tensor:
    """Minimum over one axis."""
    return reduce("ReduceMin", x, axis, keep=keep)


def argmax(x: Tensor, axis: int = 1) -> Tensor:
    """Index of the maximum; of equal ones the first, as :func:`numpy.argmax`."""
    shape = drop_axis(x.shape, axis, keep=False)
    return x.graph.emit("ArgMax", [x], "int64", shape, axis=axis, keepdims=0)


def argmin(x: Tensor, axis: int = 1) -> Tensor:
    """Index of the minimum; of equal ones the first."""
    shape = drop_axis(x.shape, axis, keep=False)
    return x.graph.emit("ArgMin", [x], "int64", shape, axis=axis, keepdims=0)


def logsumexp(x: Tensor, axis: int = 1, *, keep: bool = False) -> Tensor:
    """Stable ``log(sum(exp(x)))``; a row of -inf gives -inf."""
    top = largest(x, axis, keep=True)
    top = where(isinf(top), 0.0, top)
    summed = log(total(exp(x - top), axis, keep=True)) + top
    return summed if keep else squeeze(summed, axis)


def softmax(x: Tensor, axis: int = 1) -> Tensor:
    """Stable softmax, as ``sklearn.utils.extmath.softmax``."""
    e = exp(x - largest(x, axis, keep=True))
    return e / total(e, axis, keep=True)


def normalize_rows(x: Tensor) -> Tensor:
    """Divide each row by its sum."""
    return x / total(x, 1, keep=True)


def smallest_k(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k smallest of each row in order, and their indices; of equal ones the first."""
    return _top(x, k, largest=0)


def largest_k(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest of each row in order, and their indices; of equal ones the first."""
    return _top(x, k, largest=1)


def _top(x: Tensor, k: int, largest: int) -> tuple[Tensor, Tensor]:
    size = x.graph.constant(np.array([k]))
    shape = (*x.shape[:-1], k)
    found = x.graph.emit_many(
        "TopK", [x, size], [(x.dtype, shape), ("int64", shape)], axis=-1, largest=largest, sorted=1
    )
    return found[0], found[1]
