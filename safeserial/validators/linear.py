# SPDX-License-Identifier: BSD-3-Clause
"""Linear models: coefficients for the features and classes that the model says it has.

Floor 5.  Prediction is NumPy's, which checks; fitting on (``warm_start``, ``partial_fit``) hands
``coef_`` to compiled loops that take their length from the data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial.validators.asking import columns_of, ensure, name_of, refuse, whole


def check_linear(model: Any) -> None:
    """Check the shape of ``coef_`` and ``intercept_``."""
    state = vars(model)
    coefficients = columns_of(state.get("coef_"))
    if not coefficients or "n_features_in_" not in state:
        return
    width = whole(model, state, "n_features_in_", 1)
    # Written out only if refused: shapes take as long to print as all the rest here.
    if not (coefficients[-1] == width and coefficients[0] > 0):
        refuse(model, f"coef_ has shape {coefficients}, {width} features")
    offset = state.get("intercept_")
    offsets = columns_of(offset)
    if offsets:
        targets = coefficients[0] if len(coefficients) > 1 else 1
        # Of two dimensions it would make other answers than there are rows.
        if len(offsets) > 1 or offsets[0] not in {1, targets}:
            refuse(model, f"intercept_ has shape {offsets}")
    elif not isinstance(offset, int | float | np.number | np.ndarray | None):
        refuse(model, f"intercept_ is a {name_of(offset)}")


def check_linear_classifier(model: Any) -> None:
    """Check ``coef_`` against ``classes_`` too."""
    check_linear(model)
    state = vars(model)
    coefficients, classes = columns_of(state.get("coef_")), columns_of(state.get("classes_"))
    if len(coefficients) > 1 and len(classes) == 1:
        rows = {classes[0]} if classes[0] > 2 else {1, classes[0]}  # noqa: PLR2004 - two need one row
        if coefficients[0] not in rows:
            refuse(model, f"coef_ has shape {coefficients}")


def check_dummy(model: Any) -> None:
    """Check that a dummy answers with a column for each class or output.

    A GradientBoosting model adds what its trees say to the columns of its dummy's answer.
    """
    state = vars(model)
    if "constant_" in state:
        shape = (1, whole(model, state, "n_outputs_", 1))
        ensure(model, columns_of(state["constant_"]) == shape, "constant_ has another shape")
    if "classes_" not in state:
        return
    several = isinstance(state["classes_"], list)
    columns = (state["classes_"], state.get("class_prior_"), state.get("n_classes_"))
    for classes, prior, count in zip(*columns, strict=True) if several else [columns]:
        ensure(model, len(classes) == len(prior) == count, "its classes differ in number")


def check_components(model: Any) -> None:
    """Check ``components_`` of a decomposition whose solver is compiled."""
    state = vars(model)
    shape = columns_of(state.get("components_"))
    if not shape or "n_features_in_" not in state:
        return
    width = whole(model, state, "n_features_in_", 1)
    ensure(model, shape[-1] == width, f"components_ has shape {shape}, {width} features")
    if "_n_components" in state:
        ensure(model, shape[0] == state["_n_components"], f"components_ has shape {shape}")
