# SPDX-License-Identifier: BSD-3-Clause
"""Models of the nearest rows of the fit: votes, means, densities, outliers.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from safeserial_converters import ops
from safeserial_converters.families.neighbor_search import Search
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor

NE = "sklearn.neighbors."


class Neighbourhood:
    """The k nearest rows of each row, found once for all methods of a model."""

    def __init__(self, model: Any, inputs: Inputs, graph: Graph, k: int | None = None) -> None:
        self.model, self.graph = model, graph
        self.x = inputs.numeric()
        self.search = Search.of(model, graph)
        self.size = int(model.n_neighbors if k is None else k)
        self._found: tuple[Tensor, Tensor] | None = None

    def found(self) -> tuple[Tensor, Tensor]:
        """Return distances and numbers."""
        if self._found is None:
            self._found = self.search.nearest(self.x, self.size)
        return self._found

    def exact(self) -> tuple[Tensor, Tensor]:
        """Return distances and numbers where the distances are digits, not noise."""
        if self.search.kind == "brute" and self.search.metric.name == "euclidean":
            reason = "its brute-force distances are rounding noise where a row is one of the fit"
            raise self.graph.refuse(self.model, reason, hint='fit with algorithm="kd_tree"')
        return self.found()

    def weights(self) -> Tensor | None:
        """Return the weight of each neighbour, or None where all weigh the same."""
        kind = self.model.weights
        if kind in (None, "uniform"):
            return None
        if kind != "distance":
            raise self.graph.refuse(self.model, "its weights are a Python function")
        distance, _ = self.exact()
        infinite = distance.equal(0.0) | ops.isinf(1.0 / distance)
        hit = infinite.cast(self.graph.real)
        met = ops.largest(hit, 1, keep=True) > 0.0
        return ops.where(met, hit, 1.0 / distance)


def _neighbours(near: Neighbourhood) -> dict[str, Any]:
    return {"kneighbors": lambda: list(near.exact())}


@converts(NE + "NearestNeighbors")
def convert_nearest(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Distances and numbers."""
    return _neighbours(Neighbourhood(model, inputs, graph))


def _shares(near: Neighbourhood, codes: npt.NDArray[Any], size: int) -> tuple[Tensor, Tensor]:
    """Return the votes for each class, and their shares."""
    graph, weights = near.graph, near.weights()
    _, index = near.found()
    label = ops.gather(graph.constant(np.asarray(codes, np.int64)), index)
    hits = ops.one_hot(label, size)  # [N, k, classes]
    votes = ops.total(hits if weights is None else hits * ops.unsqueeze(weights, 2), 1)
    return votes, votes / ops.total(votes, 1, keep=True)


@converts(NE + "KNeighborsClassifier")
def convert_classifier(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The class with most votes, of equal ones the first."""
    near = Neighbourhood(model, inputs, graph)
    many = bool(model.outputs_2d_)
    classes = model.classes_ if many else [model.classes_]
    codes = np.asarray(model._y).reshape(len(near.search.points), -1)

    def votes() -> list[tuple[Tensor, Tensor]]:
        return [_shares(near, codes[:, i], len(one)) for i, one in enumerate(classes)]

    def predict() -> Tensor:
        found = [ops.best_label(one, v) for one, (v, _) in zip(classes, votes(), strict=True)]
        return ops.concat([ops.unsqueeze(one, 1) for one in found]) if many else found[0]

    def proba() -> Any:
        found = [share for _, share in votes()]
        return found if many else found[0]

    return {"predict": predict, "predict_proba": proba, **_neighbours(near)}


@converts(NE + "KNeighborsRegressor")
def convert_regressor(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The mean of the neighbours."""
    near = Neighbourhood(model, inputs, graph)
    target = np.asarray(model._y, np.float64)

    def predict() -> Tensor:
        weights = near.weights()
        _, index = near.found()
        values = ops.gather(
            graph.constant(target.reshape(len(target), -1), graph.real), index
        )  # [N, k, t]
        if weights is None:
            found = ops.total(values, 1) / float(near.size)
        else:
            found = ops.total(values * ops.unsqueeze(weights, 2), 1) / ops.total(
                weights, 1, keep=True
            )
        return ops.ravel(found) if target.ndim == 1 else found

    return {"predict": predict, **_neighbours(near)}


@converts(NE + "KNeighborsTransformer")
def convert_transformer(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A row for each row, with the distances (or 1) at its neighbours."""
    near = Neighbourhood(model, inputs, graph)
    extended = Neighbourhood(model, inputs, graph, model.n_neighbors + (model.mode == "distance"))

    def transform() -> Tensor:
        distance, index = extended.exact()
        size = len(near.search.points)

        def spread(place: Tensor, value: Tensor) -> list[Tensor]:
            hits = ops.one_hot(place, size)
            return [ops.total(hits * ops.unsqueeze(value, 1), 0)]

        value = distance if model.mode == "distance" else distance * 0.0 + 1.0
        return ops.scan_rows([index, value], spread)[0]

    return {"transform": transform, **_neighbours(near)}


@converts(NE + "LocalOutlierFactor")
def convert_outliers(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The density around a row beside that around its neighbours."""
    if not model.novelty:
        raise graph.refuse(
            model, "it judges only the rows of its fit", hint="fit with novelty=True"
        )
    near = Neighbourhood(model, inputs, graph, int(model.n_neighbors_))

    def score() -> Tensor:
        distance, index = near.exact()
        edge = np.asarray(model._distances_fit_X_)[:, model.n_neighbors_ - 1]
        reach = ops.maximum(distance, ops.gather(graph.constant(edge, graph.real), index))
        density = 1.0 / (ops.mean(reach, 1, keep=True) + 1e-10)
        ratios = ops.gather(graph.constant(model._lrd, graph.real), index) / density
        return -ops.mean(ratios, 1)

    def decide() -> Tensor:
        return score() - float(model.offset_)

    return {
        "score_samples": score,
        "decision_function": decide,
        "predict": lambda: ops.labels([1, -1], (decide() < 0.0).cast("int64")),
        "kneighbors": lambda: list(near.exact()),
    }


@converts(NE + "NeighborhoodComponentsAnalysis")
def convert_nca(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A projection."""
    return {"transform": inputs.numeric() @ graph.constant(model.components_.T, graph.real)}
