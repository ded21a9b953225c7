# SPDX-License-Identifier: BSD-3-Clause
"""The functions that a FunctionTransformer may apply, and the nodes of each.

Floor 7, beside the command line.  Functions are matched by identity, never called and never read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from safeserial_converters import ops, special
from safeserial_converters.tensors import Tensor

_taught: list[tuple[Any, Callable[..., Tensor]]] = []


def teach(function: Any, operation: Callable[..., Tensor]) -> None:
    """Say which nodes compute a function of your own.

    Parameters
    ----------
    function : callable
        The one in ``FunctionTransformer(function)``.
    operation : callable
        Gets the table as a tensor, and ``kw_args``; returns a tensor.
    """
    _taught.append((function, operation))


def find(function: Any) -> Callable[..., Tensor] | None:
    """Return the operation of a function, or None."""
    known = [*_taught, *_numpy(), *_scipy()]
    return next((operation for one, operation in known if one is function), None)


def _numpy() -> list[tuple[Any, Callable[..., Tensor]]]:
    return [
        (np.log, ops.log),
        (np.log1p, ops.log1p),
        (np.log2, lambda x: ops.log(x) / float(np.log(2))),
        (np.log10, lambda x: ops.log(x) / float(np.log(10))),
        (np.exp, ops.exp),
        (np.exp2, lambda x: ops.exp(x * float(np.log(2)))),
        (np.expm1, ops.expm1),
        (np.sqrt, ops.sqrt),
        (np.cbrt, special.cbrt),
        (np.square, lambda x: x * x),
        (np.absolute, ops.absolute),
        (np.fabs, ops.absolute),
        (np.negative, lambda x: -x),
        (np.positive, lambda x: x),
        (np.reciprocal, lambda x: 1.0 / x),
        (np.sign, partial(ops.unary, "Sign")),
        (np.sin, partial(ops.unary, "Sin")),
        (np.cos, special.cos),
        (np.tan, lambda x: ops.unary("Sin", x) / special.cos(x)),
        (np.arcsin, special.arcsin),
        (np.arccos, special.arccos),
        (np.arctan, special.arctan),
        (np.sinh, special.sinh),
        (np.cosh, special.cosh),
        (np.tanh, ops.tanh),
        (np.arcsinh, special.arcsinh),
        (np.arccosh, special.arccosh),
        (np.arctanh, special.arctanh),
        (np.floor, partial(ops.unary, "Floor")),
        (np.ceil, partial(ops.unary, "Ceil")),
        (np.rint, partial(ops.unary, "Round")),
        (np.trunc, _trunc),
        (np.fix, _trunc),
        (np.round, _round),
        (np.around, _round),
        (np.clip, _clip),
        (np.isnan, ops.isnan),
        (np.isinf, ops.isinf),
        (np.isfinite, lambda x: ~(ops.isnan(x) | ops.isinf(x))),
        (np.nan_to_num, _nan_to_num),
        (np.deg2rad, lambda x: x * float(np.pi / 180)),
        (np.radians, lambda x: x * float(np.pi / 180)),
        (np.rad2deg, lambda x: x * float(180 / np.pi)),
        (np.degrees, lambda x: x * float(180 / np.pi)),
        (np.asarray, lambda x: x),
        (np.array, lambda x: x),
        (np.power, lambda x, x2: x ** float(x2)),
        (np.float_power, lambda x, x2: x ** float(x2)),
    ]


def _scipy() -> list[tuple[Any, Callable[..., Tensor]]]:
    from scipy import special as scipy

    return [
        (scipy.expit, ops.expit),
        (scipy.logit, lambda x: ops.log(x / (1.0 - x))),
        (scipy.log1p, ops.log1p),
        (scipy.expm1, ops.expm1),
        (scipy.cbrt, special.cbrt),
        (scipy.log_expit, lambda x: -ops.log1p(ops.exp(-x))),
        (scipy.boxcox1p, lambda x, lmbda: ops.expm1(ops.log1p(x) * float(lmbda)) / float(lmbda)),
    ]


def _trunc(x: Tensor) -> Tensor:
    return ops.where(x < 0.0, ops.unary("Ceil", x), ops.unary("Floor", x))


def _round(x: Tensor, decimals: int = 0) -> Tensor:
    if decimals == 0:
        return ops.unary("Round", x)
    scale = 10.0 ** abs(int(decimals))
    if decimals < 0:
        return ops.unary("Round", x / scale) * scale
    return ops.unary("Round", x * scale) / scale


def _clip(x: Tensor, a_min: Any = None, a_max: Any = None, **names: Any) -> Tensor:
    low, high = names.pop("min", a_min), names.pop("max", a_max)
    if names:
        raise TypeError(f"clip with {sorted(names)}")
    x = x if low is None else ops.where(x < np.asarray(low), _like(x, low), x)
    return x if high is None else ops.where(x > np.asarray(high), _like(x, high), x)


def _like(x: Tensor, value: Any) -> Tensor:
    return x.graph.constant(np.asarray(value, np.float64), x.dtype)


def _nan_to_num(x: Tensor, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Tensor:
    top = float(np.finfo(x.dtype).max)
    high, low = top if posinf is None else posinf, -top if neginf is None else neginf
    x = ops.where(ops.isnan(x), float(nan), x)
    infinite = ops.isinf(x)
    x = ops.where(infinite & (x > 0.0), float(high), x)
    return ops.where(infinite & (x < 0.0), float(low), x)
