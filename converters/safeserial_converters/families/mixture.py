# SPDX-License-Identifier: BSD-3-Clause
"""Gaussian mixtures: a weighted log density for each component.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial_converters import ops
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor

GM = "sklearn.mixture."


def _densities(model: Any, x: Tensor) -> Tensor:
    """Return the squared Mahalanobis distances to the means, summed as scikit-learn does."""
    graph, means, precision = x.graph, model.means_, model.precisions_cholesky_
    kind = model.covariance_type
    if kind in {"full", "tied"}:
        parts = []
        for k, mean in enumerate(means):
            factor = precision[k] if kind == "full" else precision
            moved = x @ graph.constant(factor, graph.real) - mean @ factor
            parts.append(ops.total(moved * moved, 1, keep=True))
        return ops.concat(parts)
    squared = precision**2
    if kind == "diag":
        linear = x @ graph.constant((means * squared).T, graph.real) * 2.0
        own = (x * x) @ graph.constant(squared.T, graph.real)
        found: Tensor = -linear + np.sum(means**2 * squared, 1) + own
        return found
    linear = x @ graph.constant(means.T, graph.real) * squared * 2.0
    own = ops.total(x * x, 1, keep=True) * squared
    found = -linear + np.sum(means**2, 1) * squared + own
    return found  # noqa: RET504 - typed


def _log_determinants(model: Any) -> Any:
    kind, factor = model.covariance_type, model.precisions_cholesky_
    features = model.means_.shape[1]
    if kind == "full":
        return np.array([np.sum(np.log(np.diag(one))) for one in factor])
    if kind == "tied":
        return np.sum(np.log(np.diag(factor)))
    return np.sum(np.log(factor), axis=1) if kind == "diag" else features * np.log(factor)


def _mixture(model: Any, inputs: Inputs, offset: Any) -> dict[str, Any]:
    x = inputs.numeric()
    base = x.width * np.log(2 * np.pi)
    density = (_densities(model, x) + float(base)) * -0.5 + _log_determinants(model)
    weighted = density + (offset + model._estimate_log_weights())
    shared = ops.logsumexp(weighted, 1, keep=True)
    return {
        "predict": ops.argmax(weighted, 1),
        "predict_proba": ops.exp(weighted - shared),
        "score_samples": ops.squeeze(shared, 1),
    }


@converts(GM + "GaussianMixture")
def convert_gaussian_mixture(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Normal densities and weights."""
    return _mixture(model, inputs, 0.0)


@converts(GM + "BayesianGaussianMixture")
def convert_bayesian_mixture(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The same, under the mean of the posterior of the precisions."""
    from scipy.special import digamma

    features = model.means_.shape[1]
    freedom = np.asarray(model.degrees_of_freedom_)
    steps = np.arange(features)[:, None]
    log_lambda = features * np.log(2.0) + np.sum(digamma(0.5 * (freedom - steps)), 0)
    offset = 0.5 * (log_lambda - features / model.mean_precision_) - 0.5 * features * np.log(
        freedom
    )
    return _mixture(model, inputs, offset)
