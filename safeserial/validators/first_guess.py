# SPDX-License-Identifier: BSD-3-Clause
"""What gradient boosting begins with: an estimator whose answers are as many as the trees add to.

Floor 5.  ``predict_stages`` adds to the array that ``init_`` has answered with, row by row and
column by column, and does not ask how large it is.  So the shape of the answers must follow from
what has been checked: of estimators that compute them from arrays of their own it does, of a
pipeline, a vote or anything else that asks others it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from safeserial.validators.asking import (
    array,
    columns_of,
    ensure,
    is_a,
    name_of,
    refuse,
    shaped,
    whole,
)

_BINARY: Final = ("HalfBinomialLoss", "ExponentialLoss")
_MANY: Final = ("HalfMultinomialLoss",)


def check_first(model: Any, state: Mapping[str, Any], classes: int) -> None:
    """Check loss and initial estimator of a GradientBoosting model.

    Parameters
    ----------
    model : BaseGradientBoosting
        The model.
    state : mapping
        Its attributes.
    classes : int
        How many it tells apart; 0 for a regressor.
    """
    _check_loss(model, state.get("_loss"), classes)
    first = state.get("init_")
    if first is None or isinstance(first, str):
        return  # never fitted, or "zero"
    for named, fits in (_CLASSIFIERS if classes else _REGRESSORS).items():
        if is_a(first, *named):
            if not fits(first, vars(first), classes):
                refuse(model, "init_ answers with another number of columns")
            return
    refuse(model, f"init_ is a {name_of(first)}, of whose answers nobody knows the shape")


def _check_loss(model: Any, loss: Any, classes: int) -> None:
    """Check the loss, which says what of the first answers is taken, and makes others of it."""
    if loss is None:
        return
    kinds = (_BINARY if classes <= 2 else _MANY) if classes else ()  # noqa: PLR2004 - two are one column
    known = type(loss).__module__ == "sklearn._loss.loss"
    fits = type(loss).__name__ in kinds if kinds else type(loss).__name__ not in _MANY
    ensure(model, known and fits, f"_loss is a {name_of(loss)}")
    link = vars(loss).get("link")
    ensure(model, type(link).__module__ == "sklearn._loss.link", f"its link is a {name_of(link)}")


Fits = Callable[[Any, Mapping[str, Any], int], bool]


def _dummy(first: Any, state: Mapping[str, Any], classes: int) -> bool:
    priors = array(first, state.get("class_prior_"), "class_prior_", ndim=1)
    return (
        whole(first, state, "n_outputs_", 1) == 1
        and whole(first, state, "n_classes_", 1) == classes == len(priors)
        and columns_of(state.get("classes_")) == (classes,)
    )


def _constant(first: Any, state: Mapping[str, Any], classes: int) -> bool:
    del classes
    value = array(first, state.get("constant_"), "constant_")
    return whole(first, state, "n_outputs_", 1) == 1 and value.shape == (1, 1)


def _linear_classifier(first: Any, state: Mapping[str, Any], classes: int) -> bool:
    rows = array(first, state.get("coef_"), "coef_", kinds="f", ndim=2).shape[0]
    array(first, np.atleast_1d(np.asarray(state.get("intercept_"))), "intercept_", ndim=1)
    known = columns_of(state.get("classes_")) == (classes,)
    return known and rows == (1 if classes == 2 else classes)  # noqa: PLR2004 - as above


def _linear(first: Any, state: Mapping[str, Any], classes: int) -> bool:
    del classes
    array(first, state.get("coef_"), "coef_", kinds="f", ndim=1)
    offset = array(first, np.asarray(state.get("intercept_")), "intercept_")
    return offset.shape in {(), (1,)}  # of two dimensions it would turn the answers round


def _bayes(first: Any, state: Mapping[str, Any], classes: int) -> bool:
    shape = (classes, whole(first, state, "n_features_in_", 1))
    for name in ("theta_", "var_"):
        shaped(first, array(first, state.get(name), name, kinds="f"), shape, name)
    priors = array(first, state.get("class_prior_"), "class_prior_", kinds="f")
    return priors.shape == (classes,) and columns_of(state.get("classes_")) == (classes,)


def _tree_classifier(first: Any, state: Mapping[str, Any], classes: int) -> bool:
    # That its trees have as many classes, their own check has seen.
    del first
    return state.get("n_outputs_") == 1 and state.get("n_classes_") == classes


def _tree(first: Any, state: Mapping[str, Any], classes: int) -> bool:
    del first, classes
    return bool(state.get("n_outputs_") == 1)


_LINEAR: Final = "sklearn.linear_model"
_CLASSIFIERS: Final[dict[tuple[str, str], Fits]] = {
    ("sklearn.dummy", "DummyClassifier"): _dummy,
    (f"{_LINEAR}._logistic", "LogisticRegression"): _linear_classifier,
    ("sklearn.naive_bayes", "GaussianNB"): _bayes,
    ("sklearn.tree._classes", "DecisionTreeClassifier"): _tree_classifier,
    ("sklearn.ensemble._forest", "ForestClassifier"): _tree_classifier,
}
_REGRESSORS: Final[dict[tuple[str, str], Fits]] = {
    ("sklearn.dummy", "DummyRegressor"): _constant,
    (f"{_LINEAR}._base", "LinearModel"): _linear,
    (f"{_LINEAR}._glm.glm", "_GeneralizedLinearRegressor"): _linear,
    (f"{_LINEAR}._stochastic_gradient", "BaseSGDRegressor"): _linear,
    ("sklearn.tree._classes", "DecisionTreeRegressor"): _tree,
    ("sklearn.ensemble._forest", "ForestRegressor"): _tree,
}
