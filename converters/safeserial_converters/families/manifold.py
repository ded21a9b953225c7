# SPDX-License-Identifier: BSD-3-Clause
"""Manifolds: how Isomap and locally linear embedding place new rows.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial_converters import ops
from safeserial_converters.families.neighbors import Neighbourhood
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor

#: Below it, the systems of equations of locally linear embedding lose the digits that are promised.
LEAST_REGULARIZATION = 1e-6


@converts("sklearn.manifold.Isomap")
def convert_isomap(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The shortest ways through the nearest rows of the fit, and kernel PCA of them."""
    if model.n_neighbors is None:
        raise graph.refuse(model, "its neighbours are all within a radius")
    distance, index = Neighbourhood(model.nbrs_, inputs, graph).exact()
    ways = graph.constant(np.asarray(model.dist_matrix_, np.float64), graph.real)

    def shortest(place: Tensor, apart: Tensor) -> list[Tensor]:
        return [ops.smallest(ops.gather(ways, place) + ops.unsqueeze(apart, 1), 0)]

    (found,) = ops.scan_rows([index, distance], shortest)
    part = graph.convert(model.kernel_pca_, found * found * -0.5, step="kernel_pca_")
    return {"transform": lambda: part["transform"]}


@converts("sklearn.manifold.LocallyLinearEmbedding")
def convert_embedding(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The weights that make a row of its nearest rows, and the same weights of their places."""
    if float(model.reg) < LEAST_REGULARIZATION:
        reason = f"with reg={model.reg} its transform solves nearly singular systems of equations"
        raise graph.refuse(model, reason, hint=f"fit with reg={LEAST_REGULARIZATION} or more")
    near = Neighbourhood(model.nbrs_, inputs, graph, int(model.n_neighbors))
    points = graph.constant(np.asarray(model.nbrs_._fit_X, np.float64), graph.real)
    places = graph.constant(np.asarray(model.embedding_, np.float64), graph.real)

    def placed(row: Tensor, index: Tensor) -> list[Tensor]:
        weights = _barycenter(ops.gather(points, index) - row, float(model.reg))
        return [ops.total(ops.gather(places, index) * weights, 0)]

    def transform() -> Tensor:
        _, index = near.found()
        return ops.scan_rows([near.x, index], placed)[0]

    return {"transform": transform}


def _barycenter(apart: Tensor, reg: float) -> Tensor:
    """Return the weights ``[k, 1]`` of points, given less the one that they shall add up to.

    The products of the differences, with something on the diagonal, are positive definite: they are
    eliminated without a search for pivots (Gauss and Jordan), one column a turn.
    """
    graph, size = apart.graph, apart.shape[0] or 0
    products = ops.total(ops.unsqueeze(apart, 1) * ops.unsqueeze(apart, 0), 2)
    trace = ops.total(ops.total(apart * apart, 1), 0)
    extra = ops.where(trace > 0.0, trace * reg, reg)
    eye = graph.constant(np.eye(size), graph.real)
    ones = graph.constant(np.ones((size, 1)), graph.real)
    start = ops.concat([products + eye * extra, ones])

    def eliminate(turn: Tensor, table: Tensor) -> tuple[None, list[Tensor]]:
        pivot = ops.gather(table, turn)
        factor = ops.gather(table, turn, axis=1) / ops.gather(pivot, turn)
        others = ops.where(turn.equal(np.arange(size)), 0.0, factor)
        return None, [table - ops.unsqueeze(others, 1) * ops.unsqueeze(pivot, 0)]

    (solved,) = ops.loop(size, [start], eliminate)
    diagonal = ops.total(ops.columns(solved, range(size)) * eye, 1, keep=True)
    weights = ops.columns(solved, [size]) / diagonal
    return weights / ops.total(weights, 0, keep=True)
