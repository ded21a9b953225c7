# SPDX-License-Identifier: BSD-3-Clause
"""Scalers, binarizers, normalisers, power and quantile transforms.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial_converters import ops, special
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts, inverts
from safeserial_converters.tensors import Tensor

PRE = "sklearn.preprocessing."


@converts(PRE + "StandardScaler")
def convert_standard_scaler(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Centre, then divide."""
    x = inputs.numeric()
    if model.with_mean:
        x = x - model.mean_
    if model.with_std:
        x = x / model.scale_
    centre = model.mean_ if model.with_mean else None
    return {"transform": _scaled(inputs, x, centre, model.scale_ if model.with_std else None)}


def _scaled(inputs: Inputs, x: Tensor, centre: Any, scale: Any) -> Inputs:
    """Return a table that was centred and divided, with the way back."""

    def back(column: int, values: Any) -> Any:
        wide = values if scale is None else values * scale[column]
        return wide if centre is None else wide + centre[column]

    return inputs.scaled(x, back)


@inverts(PRE + "StandardScaler")
def invert_standard_scaler(model: Any, values: Tensor, graph: Graph) -> Tensor:
    """Multiply, then move back."""
    if model.with_std:
        values = values * model.scale_
    return values + np.asarray(model.mean_) if model.with_mean else values


@converts(PRE + "RobustScaler")
def convert_robust_scaler(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Centre, then divide."""
    x = inputs.numeric()
    if model.with_centering:
        x = x - model.center_
    if model.with_scaling:
        x = x / model.scale_
    centre = model.center_ if model.with_centering else None
    return {"transform": _scaled(inputs, x, centre, model.scale_ if model.with_scaling else None)}


@inverts(PRE + "RobustScaler")
def invert_robust_scaler(model: Any, values: Tensor, graph: Graph) -> Tensor:
    """Multiply, then move back."""
    if model.with_scaling:
        values = values * model.scale_
    return values + np.asarray(model.center_) if model.with_centering else values


@converts(PRE + "MinMaxScaler")
def convert_min_max_scaler(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Multiply, then move; clip where asked."""
    x = inputs.numeric() * model.scale_ + model.min_
    if model.clip:
        x = ops.clip(x, float(model.feature_range[0]), float(model.feature_range[1]))
    found = inputs.scaled(x, lambda i, values: (values - model.min_[i]) / model.scale_[i])
    return {"transform": found}


@inverts(PRE + "MinMaxScaler")
def invert_min_max_scaler(model: Any, values: Tensor, graph: Graph) -> Tensor:
    """Move back, then divide."""
    return (values - np.asarray(model.min_)) / np.asarray(model.scale_)


@converts(PRE + "MaxAbsScaler")
def convert_max_abs_scaler(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Divide; clip where asked."""
    x = inputs.numeric() / model.scale_
    x = ops.clip(x, -1.0, 1.0) if getattr(model, "clip", False) else x
    return {"transform": _scaled(inputs, x, None, model.scale_)}


@inverts(PRE + "MaxAbsScaler")
def invert_max_abs_scaler(model: Any, values: Tensor, graph: Graph) -> Tensor:
    """Multiply."""
    return values * np.asarray(model.scale_)


@converts(PRE + "Binarizer")
def convert_binarizer(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """1 above the threshold, else 0."""
    x = inputs.numeric()
    for column in range(inputs.width):
        inputs.note_thresholds(column, [float(model.threshold)])
    return {"transform": (x > float(model.threshold)).cast(graph.real)}


@converts(PRE + "Normalizer")
def convert_normalizer(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Divide each row by its norm; a norm of (nearly) zero counts as 1."""
    x = inputs.numeric()
    if model.norm == "l1":
        norm = ops.total(ops.absolute(x), keep=True)
    elif model.norm == "l2":
        norm = ops.sqrt(ops.total(x * x, keep=True))
    else:
        norm = ops.largest(ops.absolute(x), keep=True)
    tiny = norm < 10 * float(np.finfo(graph.real).eps)
    return {"transform": x / ops.where(tiny, 1.0, norm)}


@converts(PRE + "KernelCenterer")
def convert_kernel_centerer(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Centre a kernel matrix in feature space."""
    k = inputs.numeric()
    rows = ops.total(k, keep=True) / float(model.K_fit_rows_.shape[0])
    return {"transform": k - model.K_fit_rows_ - rows + float(model.K_fit_all_)}


@converts(PRE + "PowerTransformer")
def convert_power_transformer(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Box-Cox or Yeo-Johnson a column, then standardised."""
    x = inputs.numeric()
    transform = box_cox if model.method == "box-cox" else yeo_johnson
    parts = [transform(ops.columns(x, [i]), float(power)) for i, power in enumerate(model.lambdas_)]
    found = ops.concat(parts)
    if model.standardize:
        scaler = model._scaler
        found = graph.convert(scaler, Inputs.of(found), step="scaler")["transform"]
    return {"transform": found}


def box_cox(x: Tensor, power: float) -> Tensor:
    """Return ``scipy.special.boxcox(x, power)``."""
    if abs(power) < 1e-19:
        return ops.log(x)
    return ops.expm1(ops.log(x) * power) / power


def yeo_johnson(x: Tensor, power: float) -> Tensor:
    """Return ``scipy.stats.yeojohnson(x, power)``."""
    tiny = float(np.spacing(1.0))
    up = ops.log1p(ops.where(x >= 0.0, x, 0.0))
    down = ops.log1p(ops.where(x < 0.0, -x, 0.0))
    other = 2.0 - power
    above = up if abs(power) < tiny else ops.expm1(up * power) / power
    below = -down if abs(other) <= tiny else -ops.expm1(down * other) / other
    return ops.where(x >= 0.0, above, ops.where(x < 0.0, below, x))


@inverts(PRE + "PowerTransformer")
def invert_power_transformer(model: Any, values: Tensor, graph: Graph) -> Tensor:
    """Undo the standardisation, then the power."""
    if model.standardize:
        values = invert_standard_scaler(model._scaler, values, graph)
    undo = _undo_box_cox if model.method == "box-cox" else _undo_yeo_johnson
    parts = [undo(ops.columns(values, [i]), float(p)) for i, p in enumerate(model.lambdas_)]
    return ops.concat(parts)


def _undo_box_cox(x: Tensor, power: float) -> Tensor:
    if power == 0:
        return ops.exp(x)
    return ops.exp(ops.log1p(x * power) / power)


def _undo_yeo_johnson(x: Tensor, power: float) -> Tensor:
    tiny = float(np.spacing(1.0))
    up, down = ops.where(x >= 0.0, x, 0.0), ops.where(x < 0.0, x, 0.0)
    other = 2.0 - power
    above = ops.exp(up) - 1.0 if abs(power) < tiny else (up * power + 1.0) ** (1 / power) - 1.0
    below = 1.0 - (ops.exp(-down) if abs(other) <= tiny else (1.0 - down * other) ** (1 / other))
    return ops.where(x >= 0.0, above, below)


@converts(PRE + "QuantileTransformer")
def convert_quantile_transformer(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The mean of the interpolations from below and from above, by column."""
    x = inputs.numeric()
    references = np.asarray(model.references_, np.float64)
    parts = []
    for i, quantiles in enumerate(np.asarray(model.quantiles_, np.float64).T):
        column = ops.columns(x, [i])
        inputs.note_thresholds(i, quantiles[[0, -1]])
        up = special.interpolate(column, quantiles, references)
        down = special.interpolate(-column, -quantiles[::-1], -references[::-1])
        parts.append(_ends(model.output_distribution, column, (up - down) * 0.5, quantiles))
    found = ops.concat(parts)
    if model.output_distribution == "normal":
        found = special.normal_quantile(found, 1e-7)
    return {"transform": ops.where(ops.isnan(x), x, found)}


def _ends(distribution: str, column: Tensor, inner: Tensor, quantiles: Any) -> Tensor:
    low, high = float(quantiles[0]), float(quantiles[-1])
    if distribution == "normal":
        below, above = column - 1e-7 < low, column + 1e-7 > high
    else:
        below, above = column.equal(low), column.equal(high)
    return ops.where(below, 0.0, ops.where(above, 1.0, inner))
