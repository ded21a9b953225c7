# SPDX-License-Identifier: BSD-3-Clause
"""Linear models: one affine map, and what each class makes of it.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial_converters import ops, special
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor

LM = "sklearn.linear_model."
REGRESSORS = (
    "ElasticNet ElasticNetCV HuberRegressor Lars LarsCV Lasso LassoCV LassoLars LassoLarsCV "
    "LassoLarsIC LinearRegression MultiTaskElasticNet MultiTaskElasticNetCV MultiTaskLasso "
    "MultiTaskLassoCV OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV QuantileRegressor "
    "Ridge RidgeCV TheilSenRegressor"
).split()
CLASSIFIERS = ("PassiveAggressiveClassifier", "Perceptron")


def affine(x: Tensor, coef: Any, intercept: Any) -> Tensor:
    """Return ``x @ coef.T + intercept``: a vector where `coef` is one, else a matrix."""
    weights = np.asarray(coef.toarray() if hasattr(coef, "toarray") else coef, np.float64)
    offset = np.asarray(intercept, np.float64)
    if weights.ndim == 1:
        product = ops.squeeze(x @ x.graph.constant(weights[:, None], x.dtype, "coef"), 1)
        return product + (offset.reshape(()) if offset.size == 1 else offset)
    return x @ x.graph.constant(weights.T, x.dtype, "coef") + offset


def labels_of(classes: Any, raw: Tensor) -> dict[str, Any]:
    """Return what a linear classifier makes of its scores, ``[N, 1]`` or ``[N, k]``."""
    if raw.width > 1:
        return {"decision_function": raw, "predict": ops.best_label(classes, raw)}
    score = ops.ravel(raw)
    return {"decision_function": score, "predict": ops.binary_label(classes, score > 0.0)}


def one_against_rest(raw: Tensor) -> Tensor:
    """Return the probabilities of scores by the logistic function, normalised over the classes."""
    positive = ops.expit(raw)
    if raw.width == 1:
        return ops.concat([1.0 - positive, positive])
    return shares(positive)


def shares(values: Tensor) -> Tensor:
    """Divide rows by their sum; a row of zeros is spread evenly."""
    summed = ops.total(values, 1, keep=True)
    return ops.where(summed.equal(0.0), 1.0 / values.width, values / summed)


@converts(*(LM + name for name in REGRESSORS))
def convert_linear(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """One affine map."""
    return {"predict": affine(inputs.numeric(), model.coef_, model.intercept_)}


@converts(LM + "SGDRegressor", LM + "PassiveAggressiveRegressor")
def convert_sgd_regressor(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """One affine map; the result is a vector whatever the shape of the coefficients."""
    return {"predict": affine(inputs.numeric(), np.ravel(model.coef_), model.intercept_)}


@converts(LM + "LogisticRegression", LM + "LogisticRegressionCV")
def convert_logistic(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Binary: the logistic function of the score; multinomial: softmax of the scores."""
    raw = affine(inputs.numeric(), model.coef_, model.intercept_)
    mode = getattr(model, "multi_class", "deprecated")  # until scikit-learn 1.7
    rest = mode == "ovr" or (mode != "multinomial" and model.solver == "liblinear")
    if rest or (raw.width == 1 and mode != "multinomial"):
        proba = one_against_rest(raw)
    else:
        proba = ops.softmax(ops.concat([-raw, raw]) if raw.width == 1 else raw)
    return {**labels_of(model.classes_, raw), "predict_proba": proba}


@converts(*(LM + name for name in CLASSIFIERS))
def convert_classifier(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Scores, and the class of the best."""
    return labels_of(model.classes_, affine(inputs.numeric(), model.coef_, model.intercept_))


@converts(LM + "RidgeClassifier", LM + "RidgeClassifierCV")
def convert_ridge_classifier(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Scores, and the class of the best; of multi-label targets each label that scores over 0."""
    raw = affine(inputs.numeric(), model.coef_, model.intercept_)
    if model._label_binarizer.y_type_.startswith("multilabel"):
        return {"decision_function": raw, "predict": (raw > 0.0).cast("int64")}
    if raw.rank == 1:
        raw = ops.unsqueeze(raw, 1)
    return labels_of(model.classes_, raw)


@converts(LM + "SGDClassifier")
def convert_sgd_classifier(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Scores; probabilities for two of its losses."""
    raw = affine(inputs.numeric(), model.coef_, model.intercept_)
    found = labels_of(model.classes_, raw)
    if model.loss == "log_loss":
        found["predict_proba"] = one_against_rest(raw)
    elif model.loss == "modified_huber":
        half = (ops.clip(raw, -1.0, 1.0) + 1.0) / 2.0
        found["predict_proba"] = ops.concat([1.0 - half, half]) if raw.width == 1 else shares(half)
    return found


@converts(LM + "SGDOneClassSVM")
def convert_sgd_one_class(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Distance from the hyperplane; outliers are on its wrong side."""
    score = affine(inputs.numeric(), np.ravel(model.coef_), 0.0)
    decision = score - np.float64(model.offset_.reshape(()))
    return {
        "score_samples": decision + np.float64(model.offset_.reshape(())),
        "decision_function": decision,
        "predict": ops.labels([-1, 1], (decision >= 0.0).cast("int64")),
    }


@converts(*(LM + name for name in ("PoissonRegressor", "GammaRegressor", "TweedieRegressor")))
def convert_glm(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """An affine map and the inverse of the link function."""
    raw = affine(inputs.numeric(), model.coef_, model.intercept_)
    link = type(model._base_loss.link).__name__
    if link == "IdentityLink":
        return {"predict": raw}
    if link == "LogLink":
        return {"predict": ops.exp(raw)}
    raise graph.refuse(model, f"its link function {link} has no converter")


@converts(LM + "BayesianRidge", LM + "ARDRegression")
def convert_bayesian(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """An affine map; on request the standard deviation of the prediction."""
    x = inputs.numeric()

    def deviation() -> Tensor:
        centred = x - np.asarray(model.X_offset_, np.float64)
        if type(model).__name__ == "ARDRegression":
            centred = ops.columns(centred, np.flatnonzero(model.lambda_ < model.threshold_lambda))
        spread = ops.total((centred @ np.asarray(model.sigma_)) * centred)
        return ops.sqrt(spread + 1.0 / float(model.alpha_))

    return {"predict": affine(x, model.coef_, model.intercept_), "predict_std": deviation}


@converts(LM + "RANSACRegressor")
def convert_ransac(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The estimator fitted to the inliers."""
    part = graph.convert(model.estimator_, inputs, step="estimator_")
    return {"predict": lambda: part["predict"]}


@converts("sklearn.isotonic.IsotonicRegression")
def convert_isotonic(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Linear interpolation between the thresholds."""
    x = ops.ravel(inputs.numeric())
    edges = np.asarray(model.X_thresholds_, np.float64)
    heights = np.asarray(model.y_thresholds_, np.float64)
    inputs.note_thresholds(0, edges)
    if model.out_of_bounds == "clip":
        x = ops.clip(x, float(model.X_min_), float(model.X_max_))
    if len(edges) == 1:
        return dict.fromkeys(("predict", "transform"), x * 0.0 + float(heights[0]))
    found = special.interpolate(x, edges, heights)
    if model.out_of_bounds != "clip":
        outside = (x < float(edges[0])) | (x > float(edges[-1]))
        found = ops.where(outside, np.nan, found)
    return {"predict": found, "transform": found}
