# SPDX-License-Identifier: BSD-3-Clause
"""Imputers and the indicator of what was missing.

Floor 7, beside the command line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from safeserial_converters import ops
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor


def is_missing(x: Tensor, marker: Any) -> Tensor:
    """Return where a tensor has the value that stands for missing."""
    if marker is None or marker != marker or type(marker).__name__ == "NAType":
        return ops.isnan(x)
    if isinstance(marker, str) != (x.dtype == "string"):
        return ops.full_like(x, value=False)
    return x.equal(marker if isinstance(marker, str) else float(marker))


def mask_of(inputs: Inputs, marker: Any) -> Tensor:
    """Return where a table is missing, ``[N, n]``."""
    return ops.concat([is_missing(block, marker) for block in _real(inputs).blocks])


def _real(inputs: Inputs) -> Inputs:
    """Return the table with its numbers in the dtype to compute in."""
    graph = inputs.graph
    blocks = [b if b.dtype == "string" else b.cast(graph.real) for b in inputs.blocks]
    return Inputs(graph, blocks, inputs.names, inputs.origins)


@converts("sklearn.impute.SimpleImputer")
def convert_simple(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The statistic of the column where a value is missing; columns without one are dropped."""
    table = _real(inputs)
    statistics = list(np.ravel(model.statistics_))
    kept = [i for i, one in enumerate(statistics) if model.keep_empty_features or not _is_nan(one)]
    if not kept:
        raise graph.refuse(model, "it has no output columns")
    parts: list[Tensor | Inputs] = []
    if not table.has_strings and len(table.blocks) == 1:
        x = ops.columns(table.tensor, kept)
        fill = np.array([float(statistics[i]) for i in kept])
        filled = ops.where(is_missing(x, model.missing_values), fill, x)
        # What was there stays as it was: so do the columns that thresholds are noted for.
        parts.append(Inputs(graph, [filled], None, [table.origins[i] for i in kept]))
    else:
        for i in kept:
            x = table.column(i)
            one = str(statistics[i]) if x.dtype == "string" else float(statistics[i])
            filled = graph.constant(np.array([[one]]), x.dtype)
            filled = ops.where(is_missing(x, model.missing_values), filled, x)
            parts.append(Inputs(graph, [filled], None, [table.origins[i]]))
    if model.add_indicator:
        parts.append(_indicated(model, mask_of(inputs, model.missing_values)))
    found = Inputs.beside(graph, parts)
    same = len({block.dtype for block in found.blocks}) == 1
    return {"transform": Inputs(graph, [found.tensor], None, found.origins) if same else found}


def _is_nan(value: Any) -> bool:
    return bool(value is None or value != value)


def _indicated(model: Any, mask: Tensor) -> Tensor:
    """Return the columns that an imputer's own indicator adds."""
    return ops.columns(mask, model.indicator_.features_).cast(mask.graph.real)


@converts("sklearn.impute.MissingIndicator")
def convert_indicator(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Where the columns that had missing values in the fit have them now."""
    mask = mask_of(inputs, model.missing_values)
    if model.features == "missing-only":
        mask = ops.columns(mask, model.features_)
    return {"transform": mask}


@converts("sklearn.impute.KNNImputer")
def convert_knn(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The mean of the nearest rows that have the value, by distance over what both rows have."""
    if callable(model.weights) or model.metric != "nan_euclidean":
        raise graph.refuse(model, "its weights or its metric is a Python function")
    if any(_repeats(one) for one in _present(model)):
        reason = (
            "a column repeats a value: of rows that lie equally near, which are taken depends on "
            "the processor"
        )
        raise graph.refuse(model, reason, hint="use a SimpleImputer or an IterativeImputer")
    x = inputs.numeric()
    mask = is_missing(x, model.missing_values)
    distances = _nan_distances(ops.where(mask, 0.0, x), mask, model)
    fitted = np.asarray(model._fit_X, np.float64)
    known = ~np.asarray(model._mask_fit_X)
    parts = []
    for i, valid in enumerate(model._valid_mask):
        column = ops.columns(x, [i])
        if valid:
            donors = np.flatnonzero(known[:, i])
            value = _from_donors(model, distances, donors, fitted[donors, i])
            parts.append(ops.where(ops.columns(mask, [i]), value, column))
        elif model.keep_empty_features:
            parts.append(ops.full_like(column, value=0.0))
    if model.add_indicator:
        parts.append(_indicated(model, mask))
    return {"transform": ops.concat(parts)}


def _present(model: Any) -> Iterator[Any]:
    """Yield the values of each column of the fit."""
    for values, absent in zip(
        np.asarray(model._fit_X, np.float64).T, model._mask_fit_X.T, strict=True
    ):
        yield values[~absent]


def _repeats(values: Any) -> bool:
    return len(np.unique(values)) < len(values)


def _nan_distances(x: Tensor, mask: Tensor, model: Any) -> Tensor:
    """Return distances to the rows of the fit, ``[N, M]``; +inf where no value is in common."""
    absent = np.asarray(model._mask_fit_X)
    y = np.where(absent, 0.0, np.asarray(model._fit_X, np.float64))
    gone = mask.cast(x.dtype)
    squares = x * x
    squared = ops.total(squares, keep=True) + (x @ (-2.0 * y.T)) + (y * y).sum(1)[None]
    squared = ops.maximum(squared, 0.0)
    squared = squared - (squares @ absent.T.astype(np.float64)) - (gone @ (y * y).T)
    shared = (1.0 - gone) @ (~absent).T.astype(np.float64)
    scaled = ops.maximum(squared, 0.0) / ops.maximum(shared, 1.0) * float(y.shape[1])
    return ops.where(shared.equal(0.0), np.inf, ops.sqrt(scaled))


def _from_donors(model: Any, distances: Tensor, donors: Any, values: Any) -> Tensor:
    """Return what the donors give each row, ``[N, 1]``."""
    count = min(int(model.n_neighbors), len(donors))
    near, which = ops.smallest_k(ops.columns(distances, donors), count)
    usable = ~ops.isinf(near)
    if model.weights == "distance":
        zero = near.equal(0.0)
        exact = ops.largest(zero.cast("int64"), 1, keep=True) > 0
        inverse = 1.0 / ops.where(zero | ~usable, 1.0, near)
        weight = ops.where(exact, zero.cast(near.dtype), inverse)
        weight = ops.where(usable, weight, 0.0)
    else:
        weight = usable.cast(near.dtype)
    given = ops.gather(near.graph.constant(values, near.dtype), which)
    summed = ops.total(weight, keep=True)
    mean = ops.total(given * weight, keep=True) / ops.where(summed.equal(0.0), 1.0, summed)
    return ops.where(summed.equal(0.0), float(values.mean()), mean)


@converts("sklearn.impute.IterativeImputer")
def convert_iterative(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The chain of estimators, each filling one column from the others."""
    if model.sample_posterior:
        raise graph.refuse(model, "sample_posterior=True draws random numbers")
    mask = mask_of(inputs, model.missing_values)
    start = graph.convert(model.initial_imputer_, inputs, step="initial_imputer_")["transform"]
    start = Inputs.of(start).numeric()
    empty = np.asarray(model._is_empty_feature)
    if model.keep_empty_features:
        here = mask & graph.constant(~empty[None])
    else:
        here = ops.columns(mask, np.flatnonzero(~empty))
    columns = [ops.columns(start, [i]) for i in range(start.width)]
    if model.n_iter_:
        for feature, neighbours, estimator in model.imputation_sequence_:
            table = Inputs.of(ops.concat([columns[i] for i in neighbours]))
            part = graph.convert(estimator, table, step=f"estimator of column {feature}")
            guess = ops.reshape(part["predict"], (-1, 1), (None, 1))
            low, high = float(model._min_value[feature]), float(model._max_value[feature])
            guess = ops.clip(guess, low, high)
            columns[feature] = ops.where(ops.columns(here, [feature]), guess, columns[feature])
    found = ops.concat(columns)
    if model.add_indicator:
        found = ops.concat([found, _indicated(model, mask)])
    return {"transform": found}
