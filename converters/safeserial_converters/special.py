# SPDX-License-Identifier: BSD-3-Clause
"""Special functions that ONNX Runtime does not have in double, composed of what it has.

Floor 7, beside the command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from safeserial_converters import ops
from safeserial_converters.tensors import Tensor


def polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """Evaluate a polynomial by Horner's rule; the highest power stands first."""
    found = x * float(coefficients[0]) + float(coefficients[1])
    for one in coefficients[2:]:
        found = found * x + float(one)
    return found


def interpolate(x: Tensor, edges: Any, heights: Any) -> Tensor:
    """Return :func:`numpy.interp`: edges rise, and may repeat; outside, the value at the end."""
    edges, heights = np.asarray(edges, np.float64), np.asarray(heights, np.float64)
    steps = np.diff(edges)
    with np.errstate(all="ignore"):
        slopes = np.append(np.where(steps > 0, np.diff(heights) / steps, 0.0), 0.0)
    place = ops.maximum(ops.searchsorted(edges, x, "right") - 1, 0)
    place = ops.minimum(place, len(edges) - 1)

    def at(table: Any) -> Tensor:
        return ops.gather(x.graph.constant(table, x.dtype), place)

    inside = at(slopes) * (ops.maximum(x, float(edges[0])) - at(edges)) + at(heights)
    return ops.where(x >= float(edges[-1]), float(heights[-1]), inside)


# The rational approximations of the normal quantile (Cephes; highest power first), for the middle
# and for tails down to 1e-14.
_MIDDLE: Final = (
    (-5.99633501014107895267e1, 9.80010754185999661536e1, -5.66762857469070293439e1,
     1.39312609387279679503e1, -1.23916583867381258016e0),
    (1.0, 1.95448858338141759834e0, 4.67627912898881538453e0, 8.63602421390890590575e1,
     -2.25462687854119370527e2, 2.00260212380060660359e2, -8.20372256168333339912e1,
     1.59056225126211695515e1, -1.18331621121330003142e0),
)  # fmt: skip
_TAIL: Final = (
    (4.05544892305962419923e0, 3.15251094599893866154e1, 5.71628192246421288162e1,
     4.40805073893200834700e1, 1.46849561928858024014e1, 2.18663306850790267539e0,
     -1.40256079171354495875e-1, -3.50424626827848203418e-2, -8.57456785154685413611e-4),
    (1.0, 1.57799883256466749731e1, 4.53907635128879210584e1, 4.13172038254672030440e1,
     1.50425385692907503408e1, 2.50464946208309415979e0, -1.42182922854787788574e-1,
     -3.80806407691578277194e-2, -9.33259480895457427372e-4),
)  # fmt: skip


def normal_quantile(p: Tensor, limit: float) -> Tensor:
    """Return ``scipy.stats.norm.ppf(p)``, clipped to its value at `limit` on both sides."""
    from scipy import stats

    # The middle starts at exp(-2); the upper tail is the lower one mirrored.
    edge = float(np.exp(-2.0))
    upper = p > 1.0 - edge
    y = ops.where(upper, 1.0 - p, p)
    centred = y - 0.5
    square = centred * centred
    ratio = polynomial(square, _MIDDLE[0]) / polynomial(square, _MIDDLE[1])
    middle = (centred + centred * (square * ratio)) * float(np.sqrt(2 * np.pi))
    x = ops.sqrt(ops.log(ops.maximum(y, limit / 2)) * -2.0)
    z = 1.0 / x
    tail = x - ops.log(x) / x - z * (polynomial(z, _TAIL[0]) / polynomial(z, _TAIL[1]))
    signed = ops.where(y > edge, middle, ops.where(upper, tail, -tail))
    low = float(stats.norm.ppf(limit - np.spacing(1)))
    high = float(stats.norm.ppf(1 - (limit - np.spacing(1))))
    return ops.clip(signed, low, high)


def cos(x: Tensor) -> Tensor:
    """Cosine, by way of the sine: ONNX Runtime 1.20 has no other in double."""
    half = ops.unary("Sin", x * 0.5)
    return 1.0 - half * half * 2.0


_ARCTAN: Final = (
    (-8.750608600031904122785e-1, -1.615753718733365076637e1, -7.500855792314704667340e1,
     -1.228866684490136173410e2, -6.485021904942025371773e1),
    (1.0, 2.485846490142306297962e1, 1.650270098316988542046e2, 4.328810604912902668951e2,
     4.853903996359136964868e2, 1.945506571482613964425e2),
)  # fmt: skip


def arctan(x: Tensor) -> Tensor:
    """Inverse tangent (Cephes: two reductions of the argument, then a rational function)."""
    size = ops.absolute(x)
    far, near = size > float(np.tan(3 * np.pi / 8)), size > 0.66
    reduced = ops.where(near, (size - 1.0) / (size + 1.0), size)
    reduced = ops.where(far, -1.0 / ops.where(far, size, 1.0), reduced)
    start = ops.where(far, np.pi / 2, ops.where(near, x.graph.constant(np.pi / 4, x.dtype), 0.0))
    z = reduced * reduced
    found = start + (reduced + reduced * z * polynomial(z, _ARCTAN[0]) / polynomial(z, _ARCTAN[1]))
    return ops.where(x < 0.0, -found, found)


def arcsin(x: Tensor) -> Tensor:
    """Inverse sine."""
    return arctan(x / ops.sqrt((1.0 - x) * (1.0 + x)))


def arccos(x: Tensor) -> Tensor:
    """Inverse cosine."""
    return arctan(ops.sqrt((1.0 - x) / (1.0 + x))) * 2.0


def sinh(x: Tensor) -> Tensor:
    """Hyperbolic sine."""
    grown = ops.expm1(ops.absolute(x))
    found = (grown + grown / (grown + 1.0)) / 2.0
    return ops.where(x < 0.0, -found, found)


def cosh(x: Tensor) -> Tensor:
    """Hyperbolic cosine."""
    grown = ops.exp(ops.absolute(x))
    return grown / 2.0 + 0.5 / grown


def arcsinh(x: Tensor) -> Tensor:
    """Inverse hyperbolic sine."""
    size = ops.absolute(x)
    found = ops.log1p(size + size * size / (1.0 + ops.sqrt(size * size + 1.0)))
    return ops.where(x < 0.0, -found, found)


def arccosh(x: Tensor) -> Tensor:
    """Inverse hyperbolic cosine."""
    over = x - 1.0
    return ops.log1p(over + ops.sqrt(over * 2.0 + over * over))


def arctanh(x: Tensor) -> Tensor:
    """Inverse hyperbolic tangent."""
    return ops.log1p(x * 2.0 / (1.0 - x)) * 0.5


def cbrt(x: Tensor) -> Tensor:
    """Cube root, with one step of Newton's after the power."""
    size = ops.absolute(x)
    guess = size ** float(1 / 3)
    safe = ops.where(guess.equal(0.0) | ops.isinf(guess), 1.0, guess)
    better = ops.where(safe.equal(guess), guess - (guess - size / (safe * safe)) / 3.0, guess)
    return ops.where(x < 0.0, -better, better)
