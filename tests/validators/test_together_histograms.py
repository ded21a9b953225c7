# SPDX-License-Identifier: BSD-3-Clause
"""Trees of histogram gradient boosting are checked together, and each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from safeserial.errors import InvalidStateError
from safeserial.validators import validate
from tests.validators.altering import put
from tests.validators.honest import THREE, X
from tests.validators.many import altered, histogram


def grow(field: str, value: Any, *, only: str = "is_leaf", equal: int = 0) -> Callable[[Any], Any]:
    def change(model: Any) -> None:
        for iteration in model._predictors[41:]:
            for one in iteration:
                rows = np.flatnonzero(one.nodes[only] == equal)
                if rows.size:
                    one.nodes[field][rows[0]] = value
                    return
        raise AssertionError

    return change


def late(model: Any) -> Any:
    return model._predictors[41][1]


def holding_objects(found: Any) -> Any:
    fields = [(name, "O" if name == "left" else found.dtype[name]) for name in found.dtype.names]
    other = np.zeros(len(found), dtype=fields)
    for name in found.dtype.names:
        other[name] = found[name]
    return other


HISTOGRAMS: dict[str, Callable[[Any], Any]] = {
    "left": grow("left", 2**32 - 1),
    "left is the root": grow("left", 0),
    "right": grow("right", 10**4),
    "right is left": grow("right", 1),
    "feature": grow("feature_idx", 6),
    "feature negative": grow("feature_idx", -1),
    "leaf that is none": grow("is_leaf", 0, equal=1),
    "bitset": grow("bitset_idx", 2**31, only="is_categorical", equal=1),
    **{
        f"number {at} by category": grow("is_categorical", 1, only="feature_idx", equal=at)
        for at in range(1, 6)
    },
    "no nodes": lambda m: put(late(m), nodes=late(m).nodes[:0]),
    "table of nodes": lambda m: put(late(m), nodes=late(m).nodes.reshape(1, -1)),
    "other nodes": lambda m: put(late(m), nodes=late(m).nodes[["left", "right"]]),
    "objects": lambda m: put(late(m), nodes=holding_objects(late(m).nodes)),
    "list of nodes": lambda m: put(late(m), nodes=late(m).nodes.tolist()),
    "stranger": lambda m: m._predictors[41].__setitem__(1, LogisticRegression()),
    "trees that can be counted once": lambda m: put(m, _predictors=iter(m._predictors)),
    "trees by name": lambda m: m._predictors.__setitem__(41, dict.fromkeys(m._predictors[41])),
    "one tree less": lambda m: m._predictors[41].pop() and None,
    "attribute": lambda m: put(late(m), predict=len),
    "alone": lambda m: (grow("left", 2**32 - 1)(m), put(m, extra=m._predictors, _predictors=[])),
}


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_one_of_many_predictors_is_refused(name: str) -> None:
    with pytest.raises(InvalidStateError):
        validate(altered(histogram, HISTOGRAMS[name]))


def test_a_category_may_be_split_as_a_number() -> None:
    """One more flag than the others on a leaf or less on a node changes results, and no more."""
    rows = np.column_stack([THREE, X])
    for field, value, only, equal in (
        ("is_categorical", 0, "is_categorical", 1),
        ("bin_threshold", 255, "is_categorical", 1),
        ("num_threshold", np.nan, "is_leaf", 0),
    ):
        model = altered(histogram, grow(field, value, only=only, equal=equal))
        validate(model)
        assert model.predict(rows).shape == (len(rows),)


def test_a_category_needs_its_row_of_bits() -> None:
    def leaf_of_late(model: Any) -> Any:
        for iteration in model._predictors[41:]:
            for one in iteration:
                if len(one.raw_left_cat_bitsets):
                    leaf = int(np.flatnonzero(one.nodes["is_leaf"])[0])
                    one.nodes["is_categorical"][leaf] = 1
                    return one, leaf
        raise AssertionError

    model = altered(histogram, lambda _: None)
    one, leaf = leaf_of_late(model)
    validate(model)  # a leaf splits nothing
    one.nodes["bitset_idx"][leaf] = len(one.raw_left_cat_bitsets)
    with pytest.raises(InvalidStateError, match="bitset_idx"):
        validate(model)
