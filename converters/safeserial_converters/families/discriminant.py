# SPDX-License-Identifier: BSD-3-Clause
"""Discriminant analysis: linear scores, and quadratic log posteriors.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial_converters import ops
from safeserial_converters.families.linear import affine, labels_of, one_against_rest
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor

DA = "sklearn.discriminant_analysis."


@converts(DA + "LinearDiscriminantAnalysis")
def convert_lda(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Linear scores; the projection on the discriminants."""
    x = inputs.numeric()
    raw = affine(x, model.coef_, model.intercept_)
    proba = one_against_rest(raw) if raw.width == 1 else ops.softmax(raw)
    found = {
        **labels_of(model.classes_, raw),
        "predict_proba": proba,
        "predict_log_proba": lambda: ops.log(ops.where(proba.equal(0.0), _smallest(graph), proba)),
    }

    def project() -> Tensor:
        if model.solver == "lsqr":
            raise graph.refuse(
                model, "its solver lsqr has no transform", hint="choose other methods"
            )
        centred = x - model.xbar_ if model.solver == "svd" else x
        kept = np.asarray(model.scalings_)[:, : model._max_components]
        return centred @ graph.constant(kept, graph.real)

    found["transform"] = project
    return found


def _smallest(graph: Graph) -> float:
    return float(np.finfo(graph.real).smallest_normal)


@converts(DA + "QuadraticDiscriminantAnalysis")
def convert_qda(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A log posterior for each class."""
    x = inputs.numeric()
    parts = []
    for rotation, scaling, mean in zip(
        model.rotations_, model.scalings_, model.means_, strict=True
    ):
        turned = (x - mean) @ graph.constant(rotation * (scaling**-0.5), graph.real)
        parts.append(ops.total(turned * turned, 1, keep=True))
    spread = np.array([np.sum(np.log(one)) for one in model.scalings_])
    posterior = (ops.concat(parts) + spread) * -0.5 + np.log(model.priors_)
    shares = posterior - ops.logsumexp(posterior, 1, keep=True)
    found = {
        "predict_log_proba": shares,
        "predict_proba": ops.exp(shares),
    }
    if len(model.classes_) == 2:
        score = ops.column(posterior, 1) - ops.column(posterior, 0)
        return {**found, **labels_of(model.classes_, ops.unsqueeze(score, 1))}
    return {**found, **labels_of(model.classes_, posterior)}
