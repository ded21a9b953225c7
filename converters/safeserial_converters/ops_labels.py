# SPDX-License-Identifier: BSD-3-Clause
"""Operations with labels, categories and edges.

Floor 7, beside the command line.  Converters use these by way of :mod:`safeserial_converters.ops`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from safeserial_converters.ops_elementwise import gather, isnan, minimum, unsqueeze, where
from safeserial_converters.ops_reductions import argmax, total
from safeserial_converters.tensors import Tensor


def labels(classes: npt.ArrayLike, index: Tensor) -> Tensor:
    """Return the class at each index, as int64 or string (bool and whole numbers as int64)."""
    names = np.asarray(classes)
    if names.dtype.kind in "USOT":
        if not all(isinstance(one, str) for one in names):
            raise index.graph.refuse("a classifier", "its classes are neither numbers nor strings")
        return gather(index.graph.constant(names.astype(object), "string"), index)
    if names.dtype.kind == "f" and not np.array_equal(names, np.floor(names)):
        return gather(index.graph.constant(names, "float64"), index)
    return gather(index.graph.constant(names.astype(np.int64), "int64"), index)


def best_label(classes: npt.ArrayLike, scores: Tensor) -> Tensor:
    """Return the class of the largest score of each row; of equal ones the first."""
    return labels(classes, argmax(scores, 1))


def binary_label(classes: npt.ArrayLike, positive: Tensor) -> Tensor:
    """Return ``classes[1]`` where `positive` (bool, a vector) and ``classes[0]`` elsewhere."""
    return labels(classes, positive.cast("int64"))


def codes(x: Tensor, categories: npt.ArrayLike) -> Tensor:
    """Return the number of each entry among the categories, -1 where it is none of them.

    Strings match exactly (``""`` matches a category ``""``, None or NaN); numbers match by value,
    NaN matches NaN.
    """
    known = np.asarray(categories)
    odd = [one for one in known.ravel() if not _fits(one, x.dtype == "string")]
    if odd:
        raise x.graph.refuse("an encoder", f"a {x.dtype} column has a category {odd[0]!r}")
    if x.dtype == "string":
        keys = ["" if one is None or one != one else str(one) for one in known.ravel()]
        if len(set(keys)) != len(keys):
            raise x.graph.refuse("an encoder", 'both "" and a missing value are categories')
        if not keys:
            return where(isnan(x), x.graph.constant(-1), -1)
        return x.graph.emit(
            "LabelEncoder", [x], "int64", x.shape, domain="ai.onnx.ml",
            keys_strings=keys, values_int64s=list(range(len(keys))), default_int64=-1,
        )  # fmt: skip
    number = known.astype(np.float64).ravel()
    real = x.cast("float64")
    hit = unsqueeze(real, real.rank).equal(number)
    if np.isnan(number).any():
        hit = hit | (unsqueeze(isnan(real), real.rank) & x.graph.constant(np.isnan(number)))
    hit = hit.cast("int64")
    found = total(hit * np.arange(1, len(number) + 1), -1)
    return found - 1


def _fits(category: Any, text: bool) -> bool:  # noqa: FBT001 - private
    if category is None or category != category:
        return True
    return isinstance(category, str) == text


def one_hot(index: Tensor, size: int, dtype: str | None = None) -> Tensor:
    """Return rows with a 1 at each index; an index outside of ``0..size-1`` gives zeros."""
    hit = unsqueeze(index, index.rank).equal(np.arange(size))
    return hit.cast(dtype or index.graph.real)


def searchsorted(edges: npt.ArrayLike, x: Tensor, side: str = "left") -> Tensor:
    """Return :func:`numpy.searchsorted` of each entry, by halving; NaN is behind all edges."""
    bounds = np.asarray(edges, np.float64)
    count = len(bounds)
    size = 1 << max(count, 1).bit_length()
    padded = x.graph.constant(np.append(bounds, np.full(size - count, np.inf)), x.dtype)
    place = (x * 0.0).cast("int64") if count == 0 else None
    step = size // 2
    while step:
        tried = x.graph.constant(np.int64(step)) if place is None else place + step
        edge = gather(padded, tried - 1)
        before = edge < x if side == "left" else edge <= x
        place = (
            before.cast("int64") * step if place is None else place + before.cast("int64") * step
        )
        step //= 2
    assert place is not None  # size is 2 at least  # noqa: S101
    return where(isnan(x), count, minimum(place, count))
