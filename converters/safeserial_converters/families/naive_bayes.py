# SPDX-License-Identifier: BSD-3-Clause
"""Naive Bayes: a joint log likelihood for each class, and its softmax.

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

NB = "sklearn.naive_bayes."


def of_joint(classes: Any, joint: Tensor) -> dict[str, Any]:
    """Return what a joint log likelihood ``[N, k]`` gives: the best class, and its shares."""
    log_shares = joint - ops.logsumexp(joint, 1, keep=True)
    return {
        "predict": ops.best_label(classes, joint),
        "predict_log_proba": log_shares,
        "predict_proba": ops.exp(log_shares),
    }


@converts(NB + "GaussianNB")
def convert_gaussian(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A normal distribution a feature and class."""
    x = inputs.numeric()
    parts = []
    with np.errstate(all="ignore"):
        for i, prior in enumerate(np.log(model.class_prior_)):
            base = -0.5 * np.sum(np.log(2.0 * np.pi * model.var_[i, :]))
            apart = x - model.theta_[i, :]
            found = ops.total(apart * apart / model.var_[i, :], 1, keep=True) * -0.5
            parts.append((found + float(base)) + float(prior))
    return of_joint(model.classes_, ops.concat(parts))


@converts(NB + "MultinomialNB")
def convert_multinomial(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Counts times log probabilities, and the prior."""
    weights = graph.constant(np.asarray(model.feature_log_prob_).T, graph.real)
    return of_joint(model.classes_, inputs.numeric() @ weights + model.class_log_prior_)


@converts(NB + "ComplementNB")
def convert_complement(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Counts times log probabilities; the prior counts only where there is one class."""
    joint = inputs.numeric() @ graph.constant(np.asarray(model.feature_log_prob_).T, graph.real)
    return of_joint(
        model.classes_, joint + model.class_log_prior_ if len(model.classes_) == 1 else joint
    )


@converts(NB + "BernoulliNB")
def convert_bernoulli(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Present or absent."""
    x = inputs.numeric()
    if model.binarize is not None:
        for i in range(inputs.width):
            inputs.note_thresholds(i, [model.binarize])
        x = (x > float(model.binarize)).cast(graph.real)
    absent = np.log(1 - np.exp(model.feature_log_prob_))
    joint = x @ graph.constant((model.feature_log_prob_ - absent).T, graph.real)
    return of_joint(model.classes_, joint + (model.class_log_prior_ + absent.sum(axis=1)))


@converts(NB + "CategoricalNB")
def convert_categorical(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A table of log probabilities a feature; unknown codes fail as in the model."""
    codes = inputs.numeric().cast("int64")
    joint: Tensor | None = None
    for i, table in enumerate(model.feature_log_prob_):
        index = ops.column(codes, i)
        # The runtime would count negative indices from the end; beyond the end it fails.
        index = ops.where(index < 0, int(table.shape[1]), index)
        part = ops.gather(graph.constant(np.asarray(table).T, graph.real), index)
        joint = part if joint is None else joint + part
    assert joint is not None  # a model has a feature  # noqa: S101
    return of_joint(model.classes_, joint + model.class_log_prior_)
