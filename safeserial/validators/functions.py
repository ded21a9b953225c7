# SPDX-License-Identifier: BSD-3-Clause
"""Functions that a model keeps to call them later, and the keywords that they will be given.

Floor 5.  The functions themselves are of the allowlist; what is left to see is that none of them
writes where a model keeps what has been checked, or is one that checks nothing of its arguments.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from safeserial.validators.asking import ensure, name_of

# Parameters of estimators that become keywords of a function that is called with data.
KEYWORDS: Final = (
    *("kw_args", "inv_kw_args", "metric_params", "kernel_params", "pairwise_kernels_kwargs"),
)
# BisectingKMeans keeps one of them, and calls it on what it has made itself.
_TRUSTING: Final = frozenset({"_kmeans_single_lloyd", "_kmeans_single_elkan"})


def look_into_partial(partial: Any) -> Iterable[Any]:
    """Check a functools.partial; return its function and arguments."""
    check_function(partial, partial.func)
    check_keywords(partial, partial.keywords)
    # By its place, an array may be what the function writes to as well.
    plain = not any(isinstance(one, np.ndarray) for one in partial.args)
    ensure(partial, plain, "is given an array by its place; by its name it could be told apart")
    return [partial.func, *partial.args, *partial.keywords.values()]


def check_transformer(model: Any) -> None:
    """Check the functions of a FunctionTransformer."""
    for name in ("func", "inverse_func"):
        check_function(model, vars(model).get(name))


def check_scorer(scorer: Any) -> None:
    """Check the keywords that a scorer gives to its metric."""
    check_keywords(scorer, vars(scorer).get("_kwargs"))


def check_function(owner: Any, function: Any) -> None:
    """Refuse a function whose compiled part believes the shapes that it is given."""
    trusting = getattr(function, "__name__", "") in _TRUSTING
    ensure(owner, not trusting, "calls a function that is part of a fit, and of nothing else")


def check_keywords(owner: Any, keywords: Any) -> None:
    """Refuse keywords with an `out`: the array may be one of those that have been checked."""
    if keywords is None:
        return
    ensure(owner, isinstance(keywords, dict), f"its keywords are a {name_of(keywords)}")
    ensure(owner, not dict.__contains__(keywords, "out"), "has a function write into an array")
