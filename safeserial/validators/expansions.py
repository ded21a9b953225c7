# SPDX-License-Identifier: BSD-3-Clause
"""Expansions: the number of columns that a transformer makes of each row.

Floor 5.  A degree that was altered makes as many columns as there are combinations of features, and
spends minutes or all memory on them.  Beside the degree an honest state holds their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from safeserial.validators.asking import LARGEST, array, ensure, inside, refuse, shaped, whole

_DEGREES: Final = 2**16  # of a higher one there is no power that is neither 0, 1 nor infinite


def check_polynomial_features(model: Any) -> None:
    """Check that a PolynomialFeatures makes as many columns as it says."""
    state = vars(model)
    if "_max_degree" not in state:
        return  # not fitted, or by a version that looks at nothing here when it transforms
    features = whole(model, state, "n_features_in_", 1)
    high = whole(model, state, "_max_degree", 0, _DEGREES)
    low = whole(model, state, "_min_degree", 0, high + 1)
    apart, bias = bool(state.get("interaction_only")), bool(state.get("include_bias"))
    for key, lowest in (("n_output_features_", low), ("_n_out_full", 0)):
        columns = _columns(features, lowest, high, apart=apart) + bias
        # Neither is shown: there may be more digits than anybody has time for.
        ensure(model, _said(model, state, key) == min(columns, LARGEST), f"{key} is wrong")


def _columns(features: int, low: int, high: int, *, apart: bool) -> int:
    """Return how many products of these degrees there are, or a number not below LARGEST.

    Parameters
    ----------
    features : int
        How many factors there are to choose from.
    low, high : int
        The first and the last degree; degree 0 does not count.
    apart : bool
        Whether each factor may stand in a product but once.
    """
    total = 0
    for degree in range(max(1, low), (min(high, features) if apart else high) + 1):
        total += _choose(features if apart else features + degree - 1, degree)
        if total >= LARGEST:
            break
    return total


def _choose(items: int, chosen: int) -> int:
    """Return the binomial coefficient, or a number not below LARGEST, in at most 62 steps."""
    chosen = min(chosen, items - chosen)
    count = 1
    for step in range(1, chosen + 1):
        count = count * (items - chosen + step) // step  # at least twice what it was
        if count >= LARGEST:
            break
    return count


def _said(model: Any, state: Mapping[str, Any], key: str) -> int:
    value = state.get(key)
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        refuse(model, f"{key} is no integer")
    return min(int(value), LARGEST)


def check_count_sketch(model: Any) -> None:
    """Check that a PolynomialCountSketch has a hash for each degree, of columns that it makes."""
    state = vars(model)
    if "indexHash_" not in state:
        return
    columns = whole(model, state, "n_components", 1)
    # Nothing else says how many columns there are, and so many are made room for.
    made = whole(model, state, "_n_features_out", 1) if "_n_features_out" in state else columns
    ensure(model, made == columns, f"makes {made} columns of {columns} components")
    degree = whole(model, state, "degree", 1)
    places = array(model, state["indexHash_"], "indexHash_", kinds="iu", ndim=2)
    signs = array(model, state.get("bitHash_"), "bitHash_", kinds="iuf", ndim=2)
    shaped(model, places, (degree, None), "indexHash_")
    shaped(model, signs, places.shape, "bitHash_")
    inside(model, places, 0, columns, "indexHash_")
