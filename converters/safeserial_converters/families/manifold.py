# SPDX-License-Identifier: BSD-3-Clause
"""Manifolds: Isomap's extension to new rows.

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
    """Refused: it solves a nearly singular system for each new row."""
    raise graph.refuse(
        model, "its transform solves a nearly singular system of equations for each row"
    )
