# SPDX-License-Identifier: BSD-3-Clause
"""Robust covariance: outliers by their Mahalanobis distance.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from safeserial_converters import ops
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor

#: Up to this many features the sums are written out.
WRITTEN_OUT = 64


def _in_order(x: Tensor, precision: npt.NDArray[np.float64]) -> Tensor:
    """Return ``x' P x`` for each row, summed in SciPy's order.

    The outermost rows of the fit lie on the threshold itself: the last bit decides their label.
    """
    if len(precision) > WRITTEN_OUT:
        turned = x @ x.graph.constant(precision.T, x.dtype)
        return ops.total(turned * x, 1)
    parts = [ops.columns(x, [j]) for j in range(len(precision))]
    turned = parts[0] * precision[:, 0]
    for j in range(1, len(parts)):
        turned = turned + parts[j] * precision[:, j]
    found = parts[0] * ops.columns(turned, [0])
    for j in range(1, len(parts)):
        found = found + parts[j] * ops.columns(turned, [j])
    return ops.squeeze(found, 1)


@converts("sklearn.covariance.EllipticEnvelope")
def convert_envelope(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The squared distance from the centre, turned; outliers are beyond the offset."""
    centred = inputs.numeric() - np.asarray(model.location_)
    precision = np.asarray(model.get_precision(), np.float64)
    squared = _in_order(centred, precision)
    distance = ops.sqrt(ops.maximum(squared, 0.0))
    score = -(distance * distance)
    decision = score - float(model.offset_)
    return {
        "score_samples": score,
        "decision_function": decision,
        "predict": ops.labels([-1, 1], (decision >= 0.0).cast("int64")),
    }
