# SPDX-License-Identifier: BSD-3-Clause
"""Decompositions, cross-decompositions and random projections: affine maps, and kernel PCA.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial_converters import ops
from safeserial_converters.families.kernel_functions import pairwise_kernel
from safeserial_converters.families.linear import affine
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts, inverts
from safeserial_converters.tensors import Tensor

D = "sklearn.decomposition."
P = "sklearn.cross_decomposition."


@converts(D + "PCA", D + "IncrementalPCA")
def convert_pca(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A projection, centred afterwards; whitened where asked for."""
    found = inputs.numeric() @ graph.constant(model.components_.T, graph.real)
    found = found - model.mean_.reshape(1, -1) @ model.components_.T
    if model.whiten:
        found = found / _spread(model)
    return {"transform": found, **_pca_scores(model, inputs, graph)}


def _spread(model: Any) -> Any:
    scale = np.sqrt(model.explained_variance_)
    return np.maximum(scale, np.finfo(scale.dtype).eps)


def _pca_scores(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Return the log likelihood of rows where the class has one."""
    if not hasattr(model, "score_samples"):
        return {}

    def score() -> Tensor:
        return _gaussian_scores(model, inputs.numeric())

    return {"score_samples": score}


def _gaussian_scores(model: Any, x: Tensor) -> Tensor:
    """Return the log density of rows under the model's normal distribution."""
    centred = x - model.mean_
    precision = np.asarray(model.get_precision(), np.float64)
    spread = ops.total(centred * (centred @ x.graph.constant(precision, x.dtype)), 1)
    determinant = np.linalg.slogdet(precision)[1]
    return spread * -0.5 - float(0.5 * (x.width * np.log(2.0 * np.pi) - determinant))


@inverts(D + "PCA", D + "IncrementalPCA")
def invert_pca(model: Any, values: Tensor, graph: Graph) -> Tensor:
    """Back to the features."""
    components = model.components_
    if model.whiten:
        components = np.sqrt(model.explained_variance_[:, None]) * components
    found: Tensor = values @ graph.constant(components, graph.real) + model.mean_
    return found


@converts(D + "TruncatedSVD")
def convert_svd(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A projection."""
    return {"transform": inputs.numeric() @ graph.constant(model.components_.T, graph.real)}


@converts(D + "FactorAnalysis")
def convert_factor_analysis(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The expected factors: one affine map of the centred rows."""
    x = inputs.numeric()
    weights = model.components_ / model.noise_variance_
    covariance = np.linalg.inv(np.eye(len(weights)) + weights @ model.components_.T)
    found = (x - model.mean_) @ graph.constant(weights.T, graph.real)
    return {
        "transform": found @ graph.constant(covariance, graph.real),
        "score_samples": lambda: _gaussian_scores(model, x),
    }


@converts(D + "FastICA")
def convert_ica(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A projection, centred before where the model whitens."""
    x = inputs.numeric()
    if model.whiten:
        x = x - model.mean_
    return {"transform": x @ graph.constant(model.components_.T, graph.real)}


@converts(D + "SparsePCA", D + "MiniBatchSparsePCA")
def convert_sparse_pca(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Ridge regression of the centred rows on the components, solved beforehand."""
    components = np.asarray(model.components_, np.float64)
    gram = components @ components.T + float(model.ridge_alpha) * np.eye(len(components))
    solved = np.linalg.solve(gram, components)
    return {"transform": (inputs.numeric() - model.mean_) @ graph.constant(solved.T, graph.real)}


@converts(D + "KernelPCA")
def convert_kernel_pca(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The centred kernel against the rows of the fit, projected."""
    values = {"gamma": model.gamma_, "degree": model.degree, "coef0": model.coef0}
    x = inputs.numeric()
    if model.kernel == "precomputed":
        kernel = x
    else:
        kernel = pairwise_kernel(model, x, model.X_fit_, model.kernel, values)
    centre = model._centerer
    rows = ops.total(kernel, 1, keep=True) / float(len(centre.K_fit_rows_))
    kernel = kernel - centre.K_fit_rows_ - rows + float(centre.K_fit_all_)
    scaled = np.zeros_like(model.eigenvectors_)
    kept = np.flatnonzero(model.eigenvalues_)
    scaled[:, kept] = model.eigenvectors_[:, kept] / np.sqrt(model.eigenvalues_[kept])
    return {"transform": kernel @ graph.constant(scaled, graph.real)}


@converts(*(P + name for name in ("PLSRegression", "PLSCanonical", "CCA")))
def convert_pls(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A regression and a projection of the centred rows."""
    centred = inputs.numeric() - model._x_mean
    found = affine(centred, model.coef_, model.intercept_)
    one = getattr(model, "_predict_1d", False)
    turned = centred / model._x_std
    return {
        "predict": ops.ravel(found) if one else found,
        "transform": turned @ graph.constant(model.x_rotations_, graph.real),
    }


@converts(P + "PLSSVD")
def convert_pls_svd(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A projection of the standardised rows."""
    x = (inputs.numeric() - model._x_mean) / model._x_std
    return {"transform": x @ graph.constant(model.x_weights_, graph.real)}


@converts(
    "sklearn.random_projection.GaussianRandomProjection",
    "sklearn.random_projection.SparseRandomProjection",
)
def convert_projection(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A projection."""
    components = model.components_
    dense = components.toarray() if hasattr(components, "toarray") else components
    return {"transform": inputs.numeric() @ graph.constant(np.asarray(dense).T, graph.real)}
