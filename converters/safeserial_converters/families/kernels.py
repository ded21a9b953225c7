# SPDX-License-Identifier: BSD-3-Clause
"""Kernel approximation and kernel ridge regression.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial_converters import ops, special
from safeserial_converters.families.kernel_functions import pairwise_kernel
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor

KA = "sklearn.kernel_approximation."


@converts("sklearn.kernel_ridge.KernelRidge")
def convert_kernel_ridge(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The kernel against the rows of the fit, weighted."""
    values = {"gamma": model.gamma, "degree": model.degree, "coef0": model.coef0}
    x = inputs.numeric()
    kernel = (
        x
        if model.kernel == "precomputed"
        else pairwise_kernel(model, x, model.X_fit_, model.kernel, values)
    )
    dual = np.asarray(model.dual_coef_, np.float64)
    if dual.ndim == 1:
        return {"predict": ops.squeeze(kernel @ graph.constant(dual[:, None], graph.real), 1)}
    return {"predict": kernel @ graph.constant(dual, graph.real)}


@converts(KA + "Nystroem")
def convert_nystroem(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The kernel against a part of the rows of the fit, normalised."""
    values = dict(model.kernel_params or {})
    for name in ("gamma", "coef0", "degree"):
        if getattr(model, name) is not None:
            values[name] = getattr(model, name)
    if model.kernel == "precomputed":
        raise graph.refuse(model, "its kernel is precomputed")
    kernel = pairwise_kernel(model, inputs.numeric(), model.components_, model.kernel, values)
    return {"transform": kernel @ graph.constant(model.normalization_.T, graph.real)}


def _waves(model: Any, x: Tensor) -> Tensor:
    projected = x @ x.graph.constant(model.random_weights_, x.dtype) + model.random_offset_
    return special.cos(projected)


@converts(KA + "RBFSampler")
def convert_rbf_sampler(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Random Fourier features."""
    return {"transform": _waves(model, inputs.numeric()) * float((2.0 / model.n_components) ** 0.5)}


@converts(KA + "SkewedChi2Sampler")
def convert_skewed(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Random Fourier features of the logarithm."""
    moved = ops.log(inputs.numeric() + float(model.skewedness))
    return {"transform": _waves(model, moved) * float(np.sqrt(2.0) / np.sqrt(model.n_components))}


@converts(KA + "AdditiveChi2Sampler")
def convert_additive(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Sines and cosines of the logarithm; zeros stay zeros."""
    x = inputs.numeric()
    interval = model.sample_interval
    if interval is None:
        interval = {1: 0.8, 2: 0.5, 3: 0.4}[model.sample_steps]
    zero = x.equal(0.0)
    safe = ops.where(zero, 1.0, x)
    turn = ops.log(safe) * float(interval)
    parts = [ops.sqrt(x * float(interval))]
    for j in range(1, model.sample_steps):
        factor = ops.sqrt(safe * 2.0 * float(interval) / float(np.cosh(np.pi * j * interval)))
        angle = turn * float(j)
        waves = (special.cos(angle), ops.unary("Sin", angle))
        parts += [ops.where(zero, 0.0, factor * wave) for wave in waves]
    return {"transform": ops.concat(parts)}


@converts(KA + "PolynomialCountSketch")
def convert_sketch(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Products of count sketches in the frequency domain; the transforms are matrices here."""
    x = inputs.numeric() * float(np.sqrt(model.gamma))
    if model.coef0 != 0:
        x = ops.concat([x, ops.full_rows(x, np.array([np.sqrt(model.coef0)]))])
    size = model.n_components
    angle = 2 * np.pi * (np.outer(np.arange(size), np.arange(size)) % size) / size
    cosine, sine = np.cos(angle), np.sin(angle)
    product: tuple[Tensor, Tensor] | None = None
    for hashes, bits in zip(model.indexHash_, model.bitHash_, strict=True):
        sketch = np.zeros((x.width, size))
        sketch[np.arange(x.width), hashes] = bits
        spread = x @ graph.constant(sketch, graph.real)
        real = spread @ graph.constant(cosine, graph.real)
        imaginary = spread @ graph.constant(-sine, graph.real)
        if product is not None:
            a, b = product
            real, imaginary = a * real - b * imaginary, a * imaginary + b * real
        product = real, imaginary
    assert product is not None  # the degree is 1 at least  # noqa: S101
    real, imaginary = product
    back = real @ graph.constant(cosine, graph.real) - imaginary @ graph.constant(sine, graph.real)
    return {"transform": back / float(size)}
