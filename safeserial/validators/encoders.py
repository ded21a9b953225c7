# SPDX-License-Identifier: BSD-3-Clause
"""Encoders: columns that they put into the index arrays of sparse matrices.

Floor 5.  SciPy does not look at the indices it is given, and writes where they point when such a
matrix becomes dense.  So a vocabulary or a category that names a column outside is an overflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from safeserial.validators.asking import array, ensure, inside, is_a, refuse, whole


def check_vocabulary(model: Any) -> None:
    """Check that all columns of ``vocabulary_`` exist."""
    columns = vars(model).get("vocabulary_")
    if columns is not None:
        check_columns(model, columns, "vocabulary_")


def check_columns(model: Any, columns: Any, what: str) -> None:
    """Check that a dict gives numbers below its own length."""
    ensure(model, isinstance(columns, dict), f"{what} is no dict")
    # One pass in C over half a million terms; a value that is no number raises.
    numbers = np.fromiter(dict.values(columns), np.int64, len(columns))
    inside(model, numbers, 0, len(columns), what)


def check_label_sets(model: Any) -> None:
    """Check the cached columns of a MultiLabelBinarizer."""
    state = vars(model)
    cached = state.get("_cached_dict")
    if cached is not None:
        check_columns(model, cached, "_cached_dict")


def check_hasher(model: Any) -> None:
    """Check that a hasher has columns to hash into: compiled code divides by their number."""
    whole(model, vars(model), "n_features", 1, 2**31)


def check_one_hot(model: Any) -> None:
    """Check that each category of a OneHotEncoder gets a column of its own feature."""
    state = vars(model)
    if "categories_" not in state:
        return
    categories = state["categories_"]
    ensure(model, isinstance(categories, list), "categories_ is no list")
    ensure(model, len(categories) == whole(model, state, "n_features_in_", 1), "has other features")
    sizes = [_count(model, state, index, one) for index, one in enumerate(categories)]
    dropped = _dropped(model, state, sizes)
    widths = state.get("_n_features_outs")
    if isinstance(widths, list):
        wanted = [size - (one is not None) for size, one in zip(sizes, dropped, strict=True)]
        ensure(model, widths == wanted, f"_n_features_outs is {widths} instead of {wanted}")


def _count(model: Any, state: Mapping[str, Any], index: int, categories: Any) -> int:
    """Return how many codes a feature has, after its infrequent categories are grouped."""
    kinds = "biufOSUMmT"
    found = array(model, categories, "categories_", kinds=kinds, ndim=1)
    if found.dtype.kind in "biufMm":
        known = found[~np.isnan(found)] if found.dtype.kind == "f" else found
        # Numbers are looked up by bisection, which is wrong by one or more where they are unsorted.
        ensure(model, (known[1:] > known[:-1]).all(), "categories_ are out of order")
        ensure(model, len(found) - len(known) <= 1, "categories_ repeat")
        if len(known) < len(found):
            ensure(model, np.isnan(found[-1]), "categories_ are out of order")
    if not state.get("_infrequent_enabled"):
        return len(found)
    mapping = state["_default_to_infrequent_mappings"][index]
    if mapping is None:
        return len(found)
    codes = array(model, mapping, "_default_to_infrequent_mappings", kinds="iu", ndim=1)
    size = len(found) - len(state["_infrequent_indices"][index]) + 1
    ensure(model, len(codes) == len(found), "_default_to_infrequent_mappings is too short")
    inside(model, codes, 0, size, "_default_to_infrequent_mappings")
    return size


def _dropped(model: Any, state: Mapping[str, Any], sizes: list[int]) -> list[int | None]:
    """Return the code that each feature drops, None where it drops none."""
    if "_drop_idx_after_grouping" not in state:
        refuse(model, "_drop_idx_after_grouping is missing")
    drops = state["_drop_idx_after_grouping"]
    if drops is None:
        return [None] * len(sizes)
    codes = array(model, drops, "_drop_idx_after_grouping", kinds="iuO", ndim=1)
    found: list[int | None] = codes.tolist()
    ensure(model, len(found) == len(sizes), "_drop_idx_after_grouping is too short")
    for one, size in zip(found, sizes, strict=True):
        ensure(model, one is None or 0 <= one < size, f"drops category {one} of {size}")
    return found


def check_discretizer(model: Any) -> None:
    """Check that a KBinsDiscretizer encodes with scikit-learn's own encoder."""
    encoder = vars(model).get("_encoder")
    module = "sklearn.preprocessing._encoders"
    ensure(model, encoder is None or is_a(encoder, module, "OneHotEncoder"), "_encoder is another")
