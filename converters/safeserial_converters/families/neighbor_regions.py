# SPDX-License-Identifier: BSD-3-Clause
"""Models of the rows within a radius, of class centres, and kernel densities.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from safeserial_converters import ops
from safeserial_converters.families.kernel_functions import direct, squared_distances
from safeserial_converters.families.neighbor_search import Search, differences, metric_named
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor

NE = "sklearn.neighbors."


def _limit(model: Any, search: Search) -> float:
    """Return the radius as the search compares it: reduced, as the distances are."""
    radius, power = float(model.radius), search.metric.power
    return radius**power if np.isfinite(power) else radius


def _weights_within(model: Any, search: Search, row: Tensor) -> Tensor:
    """Return the weight of each row of the fit for a row, 0 beyond the radius: ``[M]``."""
    metric = search.metric
    reduced = metric.reduced(differences(row, search.points))
    inside = (reduced <= _limit(model, search)).cast(row.dtype)
    if model.weights in (None, "uniform"):
        return inside
    if model.weights != "distance":
        raise row.graph.refuse(model, "its weights are a Python function")
    apart = metric.distance(reduced)
    zero = apart.equal(0.0).cast(row.dtype)
    met = ops.largest(zero, 0) > 0.0
    return ops.where(met, zero, inside / ops.where(apart.equal(0.0), 1.0, apart))


def _sums_within(
    model: Any, inputs: Inputs, graph: Graph, table: npt.NDArray[Any]
) -> tuple[Tensor, Tensor]:
    """Return the weighted sum of `table`'s rows within the radius, and the sum of weights."""
    search = Search.of(model, graph)
    if search.kind == "brute" and model.weights == "distance" and search.metric.name == "euclidean":
        reason = "its brute-force distances are rounding noise where a row is one of the fit"
        raise graph.refuse(model, reason, hint='fit with algorithm="kd_tree"')
    values = graph.constant(np.asarray(table, np.float64)[search.numbers], graph.real)

    def body(row: Tensor) -> list[Tensor]:
        weights = ops.unsqueeze(_weights_within(model, search, row), 1)
        return [ops.total(values * weights, 0), ops.total(weights, 0)]

    found = ops.scan_rows([inputs.numeric()], body)
    return found[0], found[1]


@converts(NE + "RadiusNeighborsRegressor")
def convert_regressor(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The mean within the radius; NaN where there is none."""
    target = np.asarray(model._y, np.float64)
    summed, weight = _sums_within(model, inputs, graph, target.reshape(len(target), -1))
    found = ops.where(weight.equal(0.0), np.nan, summed / ops.where(weight.equal(0.0), 1.0, weight))
    return {"predict": ops.ravel(found) if target.ndim == 1 else found}


@converts(NE + "RadiusNeighborsClassifier")
def convert_classifier(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The votes within the radius; without any the outliers' label, or failure as in the model."""
    many = bool(model.outputs_2d_)
    known = [np.asarray(one) for one in (model.classes_ if many else [model.classes_])]
    codes = np.asarray(model._y).reshape(-1, len(known))
    tables = [np.eye(len(one))[codes[:, k]] for k, one in enumerate(known)]
    votes, weight = _sums_within(model, inputs, graph, np.concatenate(tables, axis=1))
    found = []
    first = 0
    for k, classes in enumerate(known):
        own = ops.columns(votes, range(first, first + len(classes)))
        label = None if model.outlier_label_ is None else np.ravel(model.outlier_label_)[k]
        found.append(_voted(graph, classes, own, weight, label))
        first += len(classes)
    if not many:
        return {"predict": found[0][0], "predict_proba": found[0][1]}
    return {
        "predict": lambda: ops.concat([ops.unsqueeze(one, 1) for one, _ in found]),
        "predict_proba": [shares for _, shares in found],
    }


def _voted(
    graph: Graph, classes: npt.NDArray[Any], votes: Tensor, weight: Tensor, outlier: Any
) -> tuple[Tensor, Tensor]:
    """Return the label of each row, and the shares of the classes."""
    empty = weight.equal(0.0)
    shares = votes / ops.where(empty, 1.0, weight)
    best = ops.where(ops.squeeze(empty, 1), len(classes), ops.argmax(shares, 1))
    if outlier is None:
        # Beyond the last class: the runtime fails where the model raises.
        checked = ops.gather(graph.constant(np.zeros(len(classes)), graph.real), best)
        return ops.labels(classes, best), shares + ops.unsqueeze(checked, 1)
    shares = ops.where(empty, (classes == outlier).astype(np.float64)[None], shares)
    return ops.labels(np.append(classes, np.asarray([outlier], classes.dtype)), best), shares


@converts(NE + "RadiusNeighborsTransformer")
def convert_transformer(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A row for each row, with the distances (or 1) at those within the radius."""
    search = Search.of(model, graph)
    if search.kind == "brute" and model.mode == "distance" and search.metric.name == "euclidean":
        reason = "its brute-force distances are rounding noise where a row is one of the fit"
        raise graph.refuse(model, reason, hint='fit with algorithm="kd_tree"')
    back = np.argsort(search.numbers)

    def body(row: Tensor) -> list[Tensor]:
        reduced = search.metric.reduced(differences(row, search.points))
        inside = reduced <= _limit(model, search)
        value = search.metric.distance(reduced) if model.mode == "distance" else 1.0
        return [ops.gather(ops.where(inside, value, row.graph.constant(0.0, row.dtype)), back)]

    return {"transform": lambda: ops.scan_rows([inputs.numeric()], body)[0]}


@converts(NE + "NearestCentroid")
def convert_centroid(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The nearest centre; scores by the distance in units of the spread within classes."""
    x = inputs.numeric()
    classes = np.asarray(model.classes_)
    if model.metric not in {"euclidean", "manhattan"}:
        raise graph.refuse(model, f"its metric is {model.metric!r}")
    plain = model.metric == "euclidean"

    def apart(rows: Tensor, centres: Any) -> Tensor:
        if plain:
            return squared_distances(rows, centres, shifted=False)
        return direct(rows, centres, lambda d: ops.total(ops.absolute(d), 0))

    def scores() -> Tensor:
        spread = np.where(model.within_class_std_dev_ != 0, model.within_class_std_dev_, 1.0)
        centres = np.asarray(model.centroids_, np.float64) / spread
        far = squared_distances(x / spread, centres) if plain else apart(x / spread, centres)
        prior = np.asarray(2.0 * np.log(model.class_prior_))
        return -(far if plain else far * far) + prior

    even = np.isclose(model.class_prior_, 1 / len(classes)).all()
    found: dict[str, Any] = {
        "predict": lambda: (
            ops.labels(classes, ops.argmin(apart(x, model.centroids_), 1))
            if even
            else ops.best_label(classes, scores())
        )
    }
    if plain:
        found["decision_function"] = lambda: _ratio(scores())
        found["predict_proba"] = lambda: ops.softmax(scores())
    return found


def _ratio(scores: Tensor) -> Tensor:
    if scores.width == 2:
        return ops.column(scores, 1) - ops.column(scores, 0)
    return scores


@converts(NE + "KernelDensity")
def convert_density(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The logarithm of the sum of a kernel over all rows of the fit."""
    from sklearn.neighbors._kd_tree import kernel_norm

    if model.rtol > 1e-12 or model.atol > 0:
        raise graph.refuse(model, "it stops within a tolerance", hint="fit with atol=0 and rtol=0")
    if model.kernel not in {"gaussian", "exponential"}:
        reason = f"beyond the reach of its kernel {model.kernel!r} its tree leaves rounding noise"
        raise graph.refuse(model, reason, hint='fit with kernel="gaussian" or "exponential"')
    x = inputs.numeric()
    metric = metric_named(model, graph, model.metric, dict(model.metric_params or {}))
    points = np.asarray(model.tree_.data, np.float64)
    h = float(model.bandwidth_)
    weights = model.tree_.sample_weight
    heights = np.zeros(len(points)) if weights is None else np.log(np.asarray(weights))
    whole = len(points) if weights is None else float(model.tree_.sum_weight)
    norm = float(kernel_norm(h, points.shape[1], model.kernel, return_log=True)) - float(
        np.log(whole)
    )

    def body(row: Tensor) -> list[Tensor]:
        apart = metric.distance(metric.reduced(differences(row, points)))
        exponent = apart * apart * -0.5 / (h * h) if model.kernel == "gaussian" else -apart / h
        return [ops.logsumexp(exponent + heights, 0, keep=True)]

    return {"score_samples": ops.ravel(ops.scan_rows([x], body)[0] + norm)}
