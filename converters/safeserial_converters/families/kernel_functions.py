# SPDX-License-Identifier: BSD-3-Clause
"""Distances and kernels between rows and the points that a model keeps.

Floor 7, beside the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from safeserial_converters import ops
from safeserial_converters.tensors import Tensor

Array = npt.NDArray[np.float64]


def any_row(flags: Tensor) -> Tensor:
    """Whether any entry of a bool matrix of one column holds, as a scalar."""
    flat = ops.reshape(flags.cast("int64"), (-1,), (None,))
    # A zero in front: a batch of no rows has a maximum too.
    padded = ops.concat([flags.graph.constant(np.zeros(1, np.int64)), flat], axis=0)
    return ops.largest(padded, 0) > 0


def squared_distances(x: Tensor, points: Array, *, shifted: bool = True) -> Tensor:
    """Return squared Euclidean distances ``[N, M]`` by one product of matrices.

    Parameters
    ----------
    x : Tensor
        Rows ``[N, n]``.
    points : array
        The model's, ``[M, n]``.
    shifted : bool
        Move both to the middle of the points first, which keeps digits that ``a² - 2ab + b²`` loses
        otherwise; False to lose them as scikit-learn does.
    """
    points = np.asarray(points, np.float64)
    if shifted and len(points):
        centre = points.mean(axis=0)
        x, points = x - centre, points - centre
    own = ops.total(x * x, 1, keep=True)
    theirs = np.einsum("ij,ij->i", points, points)
    found = own + x @ x.graph.constant(points.T, x.dtype, "points") * -2.0 + theirs
    return ops.maximum(found, 0.0)


def direct(x: Tensor, points: Array, reduce: Callable[[Tensor], Tensor]) -> Tensor:
    """Return ``reduce(row[:, None] - points.T)`` for each row, in memory for one row.

    `reduce` gets ``[n, M]`` and gives ``[M]``; a sum over its first axis adds column by column, in
    the order of the features, as the loops of scikit-learn's trees and of SciPy do.
    """
    table = x.graph.constant(
        np.ascontiguousarray(np.asarray(points, np.float64).T), x.dtype, "points"
    )

    def body(row: Tensor) -> list[Tensor]:
        return [reduce(ops.unsqueeze(row, 1) - table)]

    return ops.scan_rows([x], body)[0]


def direct_squared(x: Tensor, points: Array) -> Tensor:
    """Return squared Euclidean distances from differences, without loss near 0."""
    return direct(x, points, lambda d: ops.total(d * d, 0))


def direct_manhattan(x: Tensor, points: Array) -> Tensor:
    """Return sums of absolute differences."""
    return direct(x, points, lambda d: ops.total(ops.absolute(d), 0))


def _power(x: Tensor, degree: float) -> Tensor:
    """Return a power; whole ones by squaring, as libsvm does."""
    whole = int(degree)
    if whole != degree or not 0 <= whole <= 64:
        return x ** float(degree)
    found: Tensor | None = None
    factor = x
    while whole:
        if whole & 1:
            found = factor if found is None else found * factor
        whole >>= 1
        if whole:
            factor = factor * factor
    return x * 0.0 + 1.0 if found is None else found


def _rows_of_length_one(x: Tensor) -> Tensor:
    length = ops.sqrt(ops.total(x * x, 1, keep=True))
    return x / ops.where(length.equal(0.0), 1.0, length)


def _chi2(x: Tensor, points: Array) -> Tensor:
    """Return ``-sum (x-y)²/(x+y)``, nothing where both are 0."""
    table = x.graph.constant(np.ascontiguousarray(points.T), x.dtype, "points")

    def body(row: Tensor) -> list[Tensor]:
        beside = ops.unsqueeze(row, 1)
        apart, together = beside - table, beside + table
        none = together.equal(0.0)
        part = apart * apart / ops.where(none, 1.0, together)
        return [-ops.total(ops.where(none, 0.0, part), 0)]

    return ops.scan_rows([x], body)[0]


KERNELS = frozenset(
    (
        "linear",
        "poly",
        "polynomial",
        "rbf",
        "sigmoid",
        "laplacian",
        "cosine",
        "chi2",
        "additive_chi2",
    )
)


def pairwise_kernel(  # noqa: PLR0911 - one a kind
    model: Any, x: Tensor, points: Array, name: Any, values: Mapping[str, Any] | None = None
) -> Tensor:
    """Return a kernel of scikit-learn's by its name, between rows and points: ``[N, M]``.

    Parameters
    ----------
    model : object
        Whose it is, for the message.
    x : Tensor
        Rows ``[N, n]``.
    points : array
        ``[M, n]``.
    name : str
        ``"rbf"`` ...
    values : mapping, optional
        ``gamma``, ``coef0``, ``degree``; those absent or None are scikit-learn's defaults.

    Raises
    ------
    UnsupportedModelError
        If it is a function, or another.
    """
    graph = x.graph
    points = np.asarray(points.toarray() if hasattr(points, "toarray") else points, np.float64)
    if not isinstance(name, str) or name not in KERNELS:
        raise graph.refuse(
            model,
            "its kernel is a Python function" if callable(name) else f"its kernel is {name!r}",
        )
    given = {key: one for key, one in (values or {}).items() if one is not None}
    gamma = float(given.get("gamma", 1.0 if name == "chi2" else 1.0 / points.shape[1]))
    coef0 = float(given.get("coef0", 1.0))
    if name == "rbf":
        return ops.exp(squared_distances(x, points) * -gamma)
    if name == "laplacian":
        return ops.exp(direct_manhattan(x, points) * -gamma)
    if name == "chi2":
        return ops.exp(_chi2(x, points) * gamma)
    if name == "additive_chi2":
        return _chi2(x, points)
    if name == "cosine":
        length = np.sqrt(np.einsum("ij,ij->i", points, points))
        points = points / np.where(length == 0, 1.0, length)[:, None]
        return _rows_of_length_one(x) @ graph.constant(points.T, x.dtype, "points")
    product = x @ graph.constant(points.T, x.dtype, "points")
    if name == "linear":
        return product
    scaled = product * gamma + coef0
    return ops.tanh(scaled) if name == "sigmoid" else _power(scaled, float(given.get("degree", 3)))
