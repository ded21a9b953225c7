# SPDX-License-Identifier: BSD-3-Clause
"""Polynomial and spline features, and functions as transformers.

Floor 7, beside the command line.
"""

from __future__ import annotations

import math
from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np

from safeserial_converters import functions, ops
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts, inverts
from safeserial_converters.tensors import Tensor

PRE = "sklearn.preprocessing."


@converts(PRE + "PolynomialFeatures")
def convert_polynomial(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Products of columns, each degree from the one before."""
    x = inputs.numeric()
    low, high = model._min_degree, model._max_degree
    choose = combinations if model.interaction_only else combinations_with_replacement
    parts = [ops.full_rows(x, np.ones(1), graph.real)] if model.include_bias else []
    products = x
    known: dict[tuple[int, ...], int] = {(i,): i for i in range(inputs.width)}
    for degree in range(1, high + 1):
        wanted = list(choose(range(inputs.width), degree))
        if not wanted:
            break
        if degree > 1:
            rest = ops.columns(products, [known[one[1:]] for one in wanted])
            products = rest * ops.columns(x, [one[0] for one in wanted])
            known = {one: i for i, one in enumerate(wanted)}
        if degree >= low:
            parts.append(products)
    if not parts:
        raise graph.refuse(model, "it has no output columns")
    return {"transform": ops.concat(parts)}


@converts(PRE + "SplineTransformer")
def convert_splines(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Basis splines as polynomials of the interval in which a value lies, by column."""
    x = inputs.numeric()
    degree = model.degree
    parts = []
    for i, spline in enumerate(model.bsplines_):
        column = ops.column(x, i)
        inputs.note_thresholds(i, np.unique(spline.t))
        found = _extrapolated(model, spline, column, degree)
        if model.extrapolation == "linear" and degree <= 1:
            degree += 1  # as scikit-learn does, for the columns that follow too
        if getattr(model, "handle_missing", "error") == "zeros":
            found = ops.where(ops.unsqueeze(ops.isnan(column), 1), 0.0, found)
        parts.append(found if model.include_bias else ops.columns(found, range(found.width - 1)))
    return {"transform": ops.concat(parts)}


def _extrapolated(model: Any, spline: Any, x: Tensor, degree: int) -> Tensor:
    order = spline.k
    if model.extrapolation in {"continue", "error"}:
        return _pieces(spline, x)
    if model.extrapolation == "periodic":
        first, last = float(spline.t[order]), float(spline.t[spline.t.size - order - 1])
        period = last - first
        if period <= 0:
            return _pieces(spline, x * 0.0)
        moved = x - first
        turn = ops.unary("Floor", moved / period) * period
        return _pieces(spline, ops.where(ops.isnan(x), x, moved - turn) + first)
    low, high = float(spline.t[degree]), float(spline.t[-degree - 1])
    inside = ops.unsqueeze((x >= low) & (x <= high), 1)
    found = ops.where(inside, _pieces(spline, ops.where(ops.isnan(x), low, x)), 0.0)
    count = spline.c.shape[1]
    linear = model.extrapolation == "linear"
    used = degree + 1 if linear and degree <= 1 else degree
    for edge, beyond, kept in (
        (low, x < low, np.arange(count) < used),
        (high, x > high, np.arange(count) >= count - used),
    ):
        value = x.graph.constant(spline(edge)[None], x.dtype)
        if linear:
            value = value + ops.unsqueeze(x - edge, 1) * spline(edge, nu=1)[None]
        here = ops.unsqueeze(beyond, 1) & x.graph.constant(kept[None])
        found = ops.where(here, value, found)
    return found


def _pieces(spline: Any, x: Tensor) -> Tensor:
    """Return the basis functions at `x`, ``[N, n_splines]``."""
    order = spline.k
    knots = np.unique(spline.t[order : spline.t.size - order])
    starts = knots[:-1] if len(knots) > 1 else knots
    table = np.stack(
        [spline(starts, nu=power) / math.factorial(power) for power in range(order, -1, -1)], axis=1
    )
    place = ops.clip(ops.searchsorted(starts, x, "right") - 1, 0, len(starts) - 1)
    local = ops.gather(x.graph.constant(table, x.dtype), place)  # [N, order + 1, n_splines]
    u = ops.unsqueeze(x - ops.gather(x.graph.constant(starts, x.dtype), place), 1)
    found = ops.gather(local, np.int64(0), axis=1)
    for power in range(1, order + 1):
        found = found * u + ops.gather(local, np.int64(power), axis=1)
    return found


@converts(PRE + "FunctionTransformer")
def convert_function(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A function of the allowlist, elementwise; without one, the table as it is."""
    if model.func is None:
        return {"transform": inputs}
    return {"transform": _apply(model, model.func, model.kw_args, inputs, graph)}


@inverts(PRE + "FunctionTransformer")
def invert_function(model: Any, values: Tensor, graph: Graph) -> Tensor:
    """The function that undoes it."""
    if model.inverse_func is None:
        return values
    return _apply(model, model.inverse_func, model.inv_kw_args, Inputs.of(values), graph)


def _apply(model: Any, function: Any, options: Any, inputs: Inputs, graph: Graph) -> Tensor:
    operation = functions.find(function)
    if operation is None:
        name = getattr(function, "__qualname__", None) or getattr(function, "__name__", "?")
        raise graph.refuse(
            model,
            f"its function {getattr(function, '__module__', '?')}.{name} has no operation",
            hint="use a NumPy function, or teach it with safeserial_converters.functions.teach",
        )
    try:
        return operation(inputs.numeric(), **(options or {}))
    except TypeError as error:
        raise graph.refuse(model, f"arguments of its function: {error}") from None
