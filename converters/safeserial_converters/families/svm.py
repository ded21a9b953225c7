# SPDX-License-Identifier: BSD-3-Clause
"""Support vector machines: a kernel, a vote of pairs of classes, Platt's probabilities.

Floor 7, beside the command line.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from safeserial_converters import ops
from safeserial_converters.families.kernel_functions import any_row, pairwise_kernel
from safeserial_converters.families.linear import affine, labels_of
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor

SVM = "sklearn.svm."
#: What libsvm confines the probability of a pair to.
LEAST_PROBABILITY = 1e-7
#: Turns of its coupling of pairs, at most.
COUPLING_TURNS = 100


@converts(SVM + "LinearSVC")
def convert_linear_svc(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Scores, and the class of the best."""
    return labels_of(model.classes_, affine(inputs.numeric(), model.coef_, model.intercept_))


@converts(SVM + "LinearSVR")
def convert_linear_svr(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """One affine map."""
    return {"predict": affine(inputs.numeric(), np.ravel(model.coef_), np.ravel(model.intercept_))}


@converts(SVM + "SVR", SVM + "NuSVR")
def convert_svr(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """One weighted sum of the kernel."""
    return {"predict": ops.ravel(_sums(model, inputs, graph, _dense(model._dual_coef_).T))}


@converts(SVM + "OneClassSVM")
def convert_one_class(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """One weighted sum of the kernel; outliers have none above 0."""
    score = ops.ravel(_sums(model, inputs, graph, _dense(model._dual_coef_).T))
    return {
        "decision_function": score,
        "score_samples": score + np.float64(np.reshape(model.offset_, ())),
        "predict": ops.labels([-1, 1], (score > 0.0).cast("int64")),
    }


@converts(SVM + "SVC", SVM + "NuSVC")
def convert_svc(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A score for each pair of classes; the class with most votes."""
    count = len(model.classes_)
    raw = _sums(model, inputs, graph, _pair_weights(model))  # positive: the first of the pair
    one_to_one = model.decision_function_shape == "ovo"
    votes = _votes(raw > 0.0, count)
    found: dict[str, Any] = {}
    if count == 2:
        score = -ops.ravel(raw)
        found["decision_function"] = score
        found["predict"] = ops.binary_label(model.classes_, score >= 0.0)
    else:
        confident = raw if one_to_one else _one_to_rest(raw, count)
        found["decision_function"] = confident
        best = confident if model.break_ties and not one_to_one else votes
        found["predict"] = ops.best_label(model.classes_, best)
    if model.break_ties and one_to_one:
        del found["predict"]  # the model itself refuses to
    if np.size(model._probA):
        found["predict_proba"] = lambda: _probabilities(model, raw, count)
    return found


def _dense(values: Any) -> npt.NDArray[np.float64]:
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values, np.float64)


def _sums(model: Any, inputs: Inputs, graph: Graph, weights: npt.NDArray[np.float64]) -> Tensor:
    """Return the kernel of rows and support vectors, weighted, plus the intercepts."""
    kernel = model.kernel
    if callable(kernel):
        raise graph.refuse(model, "its kernel is a Python function")
    x = inputs.numeric()
    if kernel == "precomputed":
        known = ops.columns(x, model.support_)
    else:
        names = {"gamma": model._gamma, "coef0": model.coef0, "degree": model.degree}
        known = pairwise_kernel(model, x, _dense(model.support_vectors_), kernel, names)
    return known @ graph.constant(weights, x.dtype, "dual_coef") + np.ravel(model._intercept_)


def _pair_weights(model: Any) -> npt.NDArray[np.float64]:
    """Return for each pair of classes the weights of all support vectors, 0 for those of others."""
    dual = _dense(model._dual_coef_)
    ends = np.cumsum(model._n_support)
    spans = [slice(end - size, end) for end, size in zip(ends, model._n_support, strict=True)]
    pairs = list(combinations(range(len(spans)), 2))
    weights = np.zeros((dual.shape[1], len(pairs)))
    for column, (i, j) in enumerate(pairs):
        weights[spans[i], column] = dual[j - 1, spans[i]]
        weights[spans[j], column] = dual[i, spans[j]]
    return weights


def _incidence(count: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return which class is the first and which the second of each pair, as rows of 0 and 1."""
    pairs = np.array(list(combinations(range(count), 2)))
    return np.eye(count)[pairs[:, 0]], np.eye(count)[pairs[:, 1]]


def _votes(first_wins: Tensor, count: int) -> Tensor:
    first, second = _incidence(count)
    won = first_wins.cast(first_wins.graph.real)
    return won @ first + (1.0 - won) @ second


def _one_to_rest(raw: Tensor, count: int) -> Tensor:
    """Return votes, and within a third the sum of the scores, that breaks ties."""
    first, second = _incidence(count)
    confidence = raw @ (first - second)
    lost = (raw < 0.0).cast(raw.dtype)
    votes = (1.0 - lost) @ first + lost @ second
    return votes + confidence / ((ops.absolute(confidence) + 1.0) * 3.0)


def _probabilities(model: Any, raw: Tensor, count: int) -> Tensor:
    """Return Platt's probability of each pair, coupled into one of each class (Wu and others)."""
    exponent = raw * np.asarray(model._probA) + np.asarray(model._probB)
    shrunk = ops.exp(-ops.absolute(exponent))
    pair = ops.where(exponent >= 0.0, shrunk, 1.0) / (shrunk + 1.0)
    pair = ops.clip(pair, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    first, second = _incidence(count)
    # wins[n, i, j]: probability of i when it is i or j
    size = count * count
    where_first = np.einsum("pi,pj->pij", first, second).reshape(-1, size)
    where_second = np.einsum("pi,pj->pij", second, first).reshape(-1, size)
    wins = ops.reshape(
        pair @ where_first + (1.0 - pair) @ where_second, (-1, count, count), (None, count, count)
    )
    loses = ops.transpose(wins, (0, 2, 1))
    diagonal = ops.total(loses * loses, 2)  # [N, k]
    matrix = ops.unsqueeze(diagonal, 2) * np.eye(count) - wins * loses
    return _coupled(matrix, diagonal, count)


def _coupled(matrix: Tensor, diagonal: Tensor, count: int) -> Tensor:
    """Minimise ``p' Q p`` over probabilities by libsvm's turns, each row until it is done."""
    even = ops.full_rows(diagonal, np.full(count, 1.0 / count))
    tight = 0.005 / count

    def turn(_turn: Tensor, p: Tensor, _done: Tensor) -> tuple[Tensor, list[Tensor]]:
        slope = ops.squeeze(matrix @ ops.unsqueeze(p, 2), 2)
        value = ops.total(p * slope, 1, keep=True)
        error = ops.largest(ops.absolute(slope - value), 1, keep=True)
        done = error < tight
        new = p
        for t in range(count):
            here = ops.columns(diagonal, [t])
            step = (value - ops.columns(slope, [t])) / here
            new = new + step * np.eye(count)[t]
            value = (
                (value + step * (step * here + ops.columns(slope, [t]) * 2.0))
                / (1.0 + step)
                / (1.0 + step)
            )
            row = ops.gather(matrix, np.int64(t), axis=1)
            slope = (slope + step * row) / (1.0 + step)
            new = new / (1.0 + step)
        going = any_row(~done)
        return going, [ops.where(done, p, new), done.cast("int64")]

    start = (ops.columns(diagonal, [0]) * 0.0).cast("int64")
    turns = max(COUPLING_TURNS, count)
    return ops.loop(turns, [even, start], turn)[0]
