# SPDX-License-Identifier: BSD-3-Clause
"""Splines: knots in order, and as many of them as degree and coefficients need.

Floor 5.  Evaluating looks for the interval of each point among the knots, then reads ``k + 1``
knots and coefficients around it.
"""

from __future__ import annotations

import contextlib
import types
from typing import Any, Final

import numpy as np

from safeserial.validators.asking import Array, array, ensure, inside, is_a, name_of, whole

_MAX_DEGREE = 1000
_SPLINE: Final = ("scipy.interpolate._bsplines", "BSpline")


def check_bspline(spline: Any) -> None:
    """Check a BSpline."""
    state = vars(spline)
    _check_maker(spline, state)
    old = "_t" not in state
    for one, today in (("t", "_t"), ("c", "_c")):
        ensure(spline, (one in state) != (today in state), f"has both or none of {one} and {today}")
    degree = whole(spline, state, "k", 0, _MAX_DEGREE)
    knots = array(spline, state.get("t" if old else "_t"), "t", kinds="f", ndim=1)
    values = _coefficients(spline)
    ensure(spline, knots.dtype == np.float64, f"t is of dtype {knots.dtype}")
    ensure(spline, values.ndim > 0, "c is a number")
    ensure(spline, np.isfinite(knots).all(), "a knot is not finite")
    ensure(spline, (knots[1:] >= knots[:-1]).all(), "its knots are out of order")
    count = len(knots) - degree - 1
    ensure(spline, count > degree, f"has {len(knots)} knots for degree {degree}")
    ensure(spline, len(values) >= count, f"has {len(values)} coefficients instead of {count}")
    ensure(spline, knots[degree] < knots[count], "its base interval is empty")
    whole(spline, state, "axis", 0, values.ndim)


def check_ppoly(polynomial: Any) -> None:
    """Check a PPoly, BPoly or CubicSpline."""
    state = _slots(polynomial)
    _check_maker(polynomial, state)
    today = "_x" in state
    breaks = array(polynomial, state.get("_x" if today else "x"), "x", kinds="f", ndim=1)
    values = array(polynomial, state.get("_c" if today else "c"), "c", kinds="fc")
    ensure(polynomial, values.ndim > 1, "c has one dimension")
    ensure(
        polynomial, len(breaks) > 1 and np.isfinite(breaks).all(), "x is too short or not finite"
    )
    steps = np.diff(breaks)
    ensure(polynomial, (steps >= 0).all() or (steps <= 0).all(), "x is out of order")
    ensure(polynomial, values.shape[1] == len(breaks) - 1, f"c has shape {values.shape}")
    ensure(polynomial, values.shape[0] > 0, "has no coefficients")


def _coefficients(spline: Any) -> Array:
    state = vars(spline)
    return array(spline, state.get("c" if "_c" not in state else "_c"), "c", kinds="fc")


def _slots(instance: Any) -> dict[str, Any]:
    """Return what stands in the slots of an instance, which its properties would change."""
    found = {}
    for name, member in _methods(instance):
        if isinstance(member, types.MemberDescriptorType):
            with contextlib.suppress(AttributeError):  # never set
                found[name] = member.__get__(instance)
    return found


def _check_maker(instance: Any, state: dict[str, Any]) -> None:
    """Check the function through which SciPy hands out arrays since 1.15: a plain ``asarray``."""
    if "_asarray" not in state:
        return
    make = state["_asarray"]
    plain = make is np.asarray or (
        type(make) is types.FunctionType
        and make.__name__ == "asarray"
        and make.__module__.startswith("scipy._lib.array_api_compat.")
    )
    ensure(instance, plain, "_asarray is another function")


def check_spline_transformer(model: Any) -> None:
    """Check that a SplineTransformer has a spline of its degree for each feature."""
    state = vars(model)
    if "bsplines_" not in state:
        return
    splines = state["bsplines_"]
    ensure(model, isinstance(splines, list), "bsplines_ is no list")
    ensure(model, len(splines) == whole(model, state, "n_features_in_", 1), "bsplines_ has others")
    degree = whole(model, state, "degree", 0, _MAX_DEGREE)
    for one in splines:
        ensure(model, is_a(one, *_SPLINE), f"one of bsplines_ is a {name_of(one)}")
        ensure(model, vars(one).get("k") == degree, "a spline is of another degree")
        ensure(model, _coefficients(one).ndim == 2, "a spline has no columns")  # noqa: PLR2004
    sizes = np.array([_coefficients(one).shape[1] for one in splines])
    inside(model, sizes, 1, 2**31, "bsplines_")
    ensure(model, (sizes == sizes[0]).all(), "its splines differ in size")


def check_own_call(function: Any) -> None:
    """Check that an interp1d calls one of its own methods, on points and values of one length."""
    state = vars(function)
    own = {name: value for name, value in _methods(function) if name.startswith("_call_")}
    ensure(function, state.get("_call") in own.values(), "_call is no method of its class")
    points = array(function, state.get("x"), "x", kinds="iuf", ndim=1)
    values = array(function, state.get("_y"), "_y", kinds="biufc", ndim=2)
    ensure(function, len(values) == len(points), f"_y has {len(values)} rows for {len(points)} x")


def _methods(instance: Any) -> list[tuple[str, Any]]:
    return [item for base in type(instance).__mro__ for item in vars(base).items()]


def check_grid(grid: Any) -> None:
    """Check that a RegularGridInterpolator has a value for each crossing of its lines."""
    state = vars(grid)
    _check_maker(grid, state)
    for one, today in (("grid", "_grid"), ("values", "_values")):
        ensure(grid, (one in state) != (today in state), f"has both or none of {one} and {today}")
    lines = state.get("_grid", state.get("grid"))
    ensure(grid, type(lines) is tuple and lines, "its grid is no tuple")
    values = array(grid, state.get("_values", state.get("values")), "values", kinds="iufc")
    for line in lines:
        points = array(grid, line, "a line of its grid", kinds="f", ndim=1)
        ensure(grid, points.dtype == np.float64, f"its grid is of dtype {points.dtype}")
        ensure(grid, len(points) and np.isfinite(points).all(), "its grid is not finite")
        ensure(grid, (points[1:] > points[:-1]).all(), "its grid is out of order")
    shape = tuple(len(line) for line in lines)
    ensure(
        grid, values.shape[: len(shape)] == shape, f"has values {values.shape} on a {shape} grid"
    )
