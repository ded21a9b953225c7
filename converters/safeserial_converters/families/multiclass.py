# SPDX-License-Identifier: BSD-3-Clause
"""Many classes out of binary classifiers: one against the rest, against another, by code words.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial_converters import ops
from safeserial_converters.families.meta import response_method
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import Converted, converts
from safeserial_converters.tensors import Tensor


def parts_of(model: Any, inputs: Inputs, graph: Graph) -> list[Converted]:
    """Convert the binary estimators."""
    return [
        graph.convert(one, inputs, step=f"estimators_[{i}]")
        for i, one in enumerate(model.estimators_)
    ]


def confidence(part: Converted) -> Tensor:
    """Return a vector: how sure a binary estimator is of its positive class."""
    from sklearn.base import is_regressor

    if is_regressor(part.model):
        found: Tensor = part["predict"]
        return found if found.rank == 1 else ops.ravel(found)
    if response_method(part.model, ["decision_function"]):
        score: Tensor = part["decision_function"]
        return score if score.rank == 1 else ops.ravel(score)
    return ops.column(part["predict_proba"], 1)


def threshold_of(estimator: Any) -> float:
    """Return the score above which an estimator means its positive class."""
    from sklearn.base import is_classifier

    scored = hasattr(estimator, "decision_function") and is_classifier(estimator)
    return 0.0 if scored else 0.5


def side_by_side(vectors: list[Tensor]) -> Tensor:
    """Return vectors as the columns of a matrix."""
    return ops.concat([ops.unsqueeze(one, 1) for one in vectors])


@converts("sklearn.multiclass._ConstantPredictor")
def convert_constant(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """What stands in for a classifier where the fit saw a single class."""
    value = float(np.asarray(model.y_).reshape(-1)[0])
    rows = inputs.blocks[0]
    return {
        "predict": ops.full_rows(rows, np.int64(value)),
        "decision_function": ops.full_rows(rows, np.float64(value), graph.real),
        "predict_proba": ops.full_rows(rows, np.array([1 - value, value]), graph.real),
    }


@converts("sklearn.multiclass.OneVsRestClassifier")
def convert_one_vs_rest(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The class whose classifier is surest; of several labels, all that are sure enough."""
    parts = parts_of(model, inputs, graph)
    kind = model.label_binarizer_.y_type_

    def predict() -> Tensor:
        scores = side_by_side([confidence(one) for one in parts])
        if kind == "multiclass":
            return ops.best_label(model.classes_, scores)
        positive = scores > threshold_of(model.estimators_[0])
        if kind.startswith("multilabel"):
            return positive.cast("int64")
        if kind != "binary" or len(parts) != 1 or len(model.classes_) > 2:
            raise graph.refuse(model, f"targets of the type {kind} have no converter")
        one = ops.ravel(positive).cast("int64")
        return ops.labels(model.classes_, one if len(model.classes_) > 1 else one * 0)

    def predict_proba() -> Tensor:
        proba = side_by_side([ops.column(one["predict_proba"], 1) for one in parts])
        if len(parts) == 1:
            proba = ops.concat([1.0 - proba, proba])
        if model.multilabel_:
            return proba
        summed = ops.total(proba, 1, keep=True)
        return proba / ops.where(summed.equal(0.0), 1.0, summed)

    def decision() -> Tensor:
        return (
            confidence(parts[0])
            if len(parts) == 1
            else side_by_side([confidence(one) for one in parts])
        )

    return {"predict": predict, "predict_proba": predict_proba, "decision_function": decision}


@converts("sklearn.multiclass.OneVsOneClassifier")
def convert_one_vs_one(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Votes of all pairs; equal votes are parted by how sure the voters are."""
    if model.pairwise_indices_ is not None:
        raise graph.refuse(model, "it was fitted on a precomputed kernel")
    parts = parts_of(model, inputs, graph)
    count = len(model.classes_)

    def scores() -> Tensor:
        votes: list[Tensor | None] = [None] * count
        sums: list[Tensor | None] = [None] * count
        pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
        for part, (i, j) in zip(parts, pairs, strict=True):
            sure, winner = confidence(part), part["predict"]
            lost = winner.equal(0).cast(graph.real)
            won = winner.equal(1).cast(graph.real)
            for k, vote, weight in ((i, lost, -sure), (j, won, sure)):
                votes[k] = vote if votes[k] is None else votes[k] + vote
                sums[k] = weight if sums[k] is None else sums[k] + weight  # type: ignore[operator]
        total = side_by_side([one for one in sums if one is not None])
        squeezed = total / ((ops.absolute(total) + 1.0) * 3.0)
        return side_by_side([one for one in votes if one is not None]) + squeezed

    def decision() -> Tensor:
        return ops.column(scores(), 1) if count == 2 else scores()

    def predict() -> Tensor:
        if count == 2:
            threshold = threshold_of(model.estimators_[0])
            return ops.binary_label(model.classes_, decision() > threshold)
        return ops.best_label(model.classes_, scores())

    return {"predict": predict, "decision_function": decision}


@converts("sklearn.multiclass.OutputCodeClassifier")
def convert_output_code(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The class with the code word nearest to what the classifiers say."""
    parts = parts_of(model, inputs, graph)

    def predict() -> Tensor:
        said = side_by_side([confidence(one) for one in parts])
        book = np.asarray(model.code_book_, np.float64)
        squares = (book * book).sum(axis=1)
        # As scikit-learn's ArgKmin: without the square of the row, which is the same for all words.
        far = (said @ graph.constant(book.T, graph.real)) * -2.0 + squares
        return ops.labels(model.classes_, ops.argmin(far, 1))

    return {"predict": predict}
