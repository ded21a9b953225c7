# SPDX-License-Identifier: BSD-3-Clause
"""Non-negative factorizations: the weights of new rows, by the solver of the class.

Floor 7, beside the command line.

Both solvers stop by a measure of the whole batch, so in scikit-learn itself a row's weights depend
a little on the rows beside it.  The graph repeats that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from safeserial_converters import ops
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor

D = "sklearn.decomposition."
#: scikit-learn's, which is float32's whatever the dtype.
EPSILON = float(np.finfo(np.float32).eps)


def _sum(x: Tensor) -> Tensor:
    """Return the sum of all entries, as a scalar."""
    return ops.total(ops.total(x, 1), 0)


def _mean(x: Tensor) -> Tensor:
    return _sum(x) / ops.maximum(_sum(ops.full_like(x, value=1.0)), 1.0)


def _length(x: Tensor) -> Tensor:
    return ops.sqrt(_sum(x * x))


def _regularization(model: Any, features: int) -> tuple[float, float]:
    """Return the factors of the penalties on the weights and on their squares."""
    return (
        features * float(model.alpha_W) * float(model.l1_ratio),
        features * float(model.alpha_W) * (1.0 - float(model.l1_ratio)),
    )


@converts(D + "NMF")
def convert_nmf(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Coordinate descent or multiplicative updates, with the components as they are."""
    graph.note_batch()
    x = inputs.numeric()
    if model.solver == "cd":
        if model.shuffle:
            raise graph.refuse(model, "it takes the coordinates in random order (shuffle=True)")
        return {"transform": lambda: _descend(model, x)}
    return {"transform": lambda: _multiply(model, x)}


def _descend(model: Any, x: Tensor) -> Tensor:
    """Go through the coordinates, each to its minimum, until the violation is small."""
    graph, h = x.graph, np.asarray(model.components_, np.float64)
    sparse, ridge = _regularization(model, h.shape[1])
    gram = h @ h.T + ridge * np.eye(len(h))
    pull = x @ graph.constant(h.T, graph.real)
    if sparse:
        pull = pull - sparse
    wanted = [ops.column(pull, t) for t in range(len(h))]

    def turn(
        i: Tensor, weights: Tensor, first: Tensor, _last: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        columns = [ops.column(weights, t) for t in range(len(h))]
        violation: Tensor | None = None
        for t in range(len(h)):
            slope = -wanted[t]
            for r, column in enumerate(columns):
                slope = slope + column * float(gram[t, r])
            held = ops.where(columns[t].equal(0.0), ops.minimum(slope, 0.0), slope)
            part = ops.total(ops.absolute(held), 0)
            violation = part if violation is None else violation + part
            if gram[t, t] != 0.0:
                columns[t] = ops.maximum(columns[t] - slope / float(gram[t, t]), 0.0)
        assert violation is not None  # there is a component  # noqa: S101
        new = ops.concat([ops.unsqueeze(one, 1) for one in columns])
        first = ops.where(i.equal(0), violation, first)
        going = ~(first.equal(0.0) | (violation / first <= float(model.tol)))
        return going, [new, first, violation]

    zero = graph.constant(np.float64(0.0), graph.real)
    start = ops.full_rows(x, np.zeros(len(h)))
    return ops.loop(int(model.max_iter), [start, zero, zero], turn)[0]


def _start(model: Any, x: Tensor, size: int) -> Tensor:
    level = ops.sqrt(_mean(x) / float(size))
    return ops.full_rows(x, np.ones(size)) * level


def _multiply(model: Any, x: Tensor) -> Tensor:
    """Multiplicative updates; every tenth turn it is seen whether they still help."""
    graph, h = x.graph, np.asarray(model.components_, np.float64)
    beta, tol = float(model._beta_loss), float(model.tol)
    gamma = 1.0 / (2.0 - beta) if beta < 1 else 1.0 / (beta - 1.0) if beta > 2 else 1.0
    update = _updater(model, x, h, beta, gamma)
    start = _start(model, x, len(h))
    at_first = _divergence(x, start, h, beta)

    def turn(i: Tensor, weights: Tensor, before: Tensor) -> tuple[Tensor | None, list[Tensor]]:
        new = update(weights)
        if beta < 1:
            new = ops.where(new < float(np.finfo(np.float64).eps), 0.0, new)
        if tol <= 0:
            return None, [new, before]
        now = _divergence(x, new, h, beta)
        judged = graph.emit("Mod", [i, graph.constant(np.int64(10))], "int64", ()).equal(9)
        small = (before - now) / at_first < tol
        return ~(judged & small), [new, ops.where(judged, now, before)]

    return ops.loop(int(model.max_iter), [start, at_first], turn)[0]


@converts(D + "MiniBatchNMF")
def convert_minibatch(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Multiplicative updates until the weights hardly change."""
    graph.note_batch()
    x, h = inputs.numeric(), np.asarray(model.components_, np.float64)
    update = _updater(model, x, h, float(model._beta_loss), float(model._gamma))
    tol = float(model.tol)

    def turn(_i: Tensor, old: Tensor) -> tuple[Tensor | None, list[Tensor]]:
        new = update(old)
        return (~(_length(new - old) / _length(new) <= tol) if tol > 0 else None), [new]

    def transform() -> Tensor:
        times = int(model._transform_max_iter)
        return ops.loop(times, [_start(model, x, int(model._n_components))], turn)[0]

    return {"transform": transform}


def _updater(
    model: Any, x: Tensor, h: Any, beta: float, gamma: float
) -> Callable[[Tensor], Tensor]:
    """Return one multiplicative update of the weights."""
    graph = x.graph
    sparse, ridge = _regularization(model, h.shape[1])
    across = graph.constant(h.T, graph.real)
    pull = x @ across

    def parts(weights: Tensor) -> tuple[Tensor, Tensor]:
        if beta == 2:
            return pull, weights @ graph.constant(h @ h.T, graph.real)
        plain = weights @ graph.constant(h, graph.real)
        floored = ops.where(plain < EPSILON, EPSILON, plain)
        safe = floored if beta < 2 else plain
        if beta == 1:
            return (x / safe) @ across, ops.full_rows(x, h.sum(axis=1))
        if beta == 0:
            inverse = 1.0 / safe
            above = inverse * inverse * x
        else:
            above = safe ** (beta - 2.0) * x
        base = floored if beta < 1 else plain
        return above @ across, base ** (beta - 1.0) @ across

    def update(weights: Tensor) -> Tensor:
        above, below = parts(weights)
        if sparse > 0:
            below = below + sparse
        if ridge > 0:
            below = below + weights * ridge
        below = ops.where(below.equal(0.0), EPSILON, below)
        step = above / below
        return weights * (step if gamma == 1.0 else step**gamma)

    return update


def _divergence(x: Tensor, weights: Tensor, h: Any, beta: float) -> Tensor:
    """Return the root of twice the divergence of the rows from their reconstruction."""
    made = weights @ x.graph.constant(h, x.dtype)
    if beta == 2:
        return _length(x - made)
    seen = x > EPSILON
    safe = ops.where(made < EPSILON, EPSILON, made)
    own = ops.where(seen, x, 0.0)
    ratio = ops.where(seen, x / safe, 1.0)
    if beta == 1:
        found = _sum(own * ops.log(ratio)) + _sum(made) - _sum(own)
    elif beta == 0:
        count = _sum(ops.full_like(x, value=1.0))
        found = _sum(ops.where(seen, ratio, 0.0)) - count - _sum(ops.log(ratio))
    else:
        crossed = _sum(ops.where(seen, own * safe ** (beta - 1.0), 0.0))
        powers = _sum(ops.where(seen, ops.where(seen, x, 1.0) ** beta, 0.0))
        found = powers - crossed * beta + _sum(made**beta) * (beta - 1.0)
        found = found / (beta * (beta - 1.0))
    return ops.sqrt(ops.maximum(found, 0.0) * 2.0)
