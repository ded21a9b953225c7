# SPDX-License-Identifier: BSD-3-Clause
"""Topics: the share of each in a document, by the E-step of latent Dirichlet allocation.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from safeserial_converters import ops
from safeserial_converters.families.kernel_functions import any_row
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor

_EULER: Final = 0.577215664901532860606512090082402431


def digamma(x: Tensor) -> Tensor:
    """Return digamma as scikit-learn computes it (AS 103: recurrence to 6, then a series)."""
    tiny = x <= 1e-6
    place, found = ops.where(tiny, 6.0, x), x * 0.0
    for _ in range(6):
        low = place < 6.0
        found = ops.where(low, found - 1.0 / place, found)
        place = ops.where(low, place + 1.0, place)
    r = 1.0 / place
    found = found + (ops.log(place) - r * 0.5)
    square = r * r
    inner = square * (1.0 / 252.0) * -1.0 + 1.0 / 120.0
    series = square * inner * -1.0 + 1.0 / 12.0
    return ops.where(tiny, -_EULER - 1.0 / x, found - square * series)


def _expectation(shares: Tensor) -> Tensor:
    """Return ``exp(E[log theta])`` of Dirichlet parameters, one row a document."""
    return ops.exp(digamma(shares) - digamma(ops.total(shares, 1, keep=True)))


@converts("sklearn.decomposition.LatentDirichletAllocation")
def convert_lda(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The shares, each document's until they hardly change."""
    x = inputs.numeric()
    topics = np.asarray(model.exp_dirichlet_component_, np.float64)
    prior, tol = float(model.doc_topic_prior_), float(model.mean_change_tol)
    words, back = (graph.constant(one, graph.real) for one in (topics, topics.T))

    def turn(
        _i: Tensor, shares: Tensor, weights: Tensor, open_: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        norm = weights @ words + float(np.finfo(np.float64).eps)
        new = weights * ((x / norm) @ back) + prior
        change = ops.total(ops.absolute(shares - new), 1, keep=True) / float(len(topics))
        going = open_ & ~(change < tol)
        return any_row(going), [
            ops.where(open_, new, shares),
            ops.where(open_, _expectation(new), weights),
            going,
        ]

    def transform() -> Tensor:
        shares = ops.full_rows(x, np.ones(len(topics)))
        start = [shares, _expectation(shares), ops.full_rows(x, np.ones(1, bool))]
        found = ops.loop(int(model.max_doc_update_iter), start, turn)[0]
        return found / ops.total(found, 1, keep=True)

    return {"transform": transform}
