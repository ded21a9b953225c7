# SPDX-License-Identifier: BSD-3-Clause
"""Compiled distance metrics: weights and matrices of the size that their loops assume.

Floor 5.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from safeserial.errors import InvalidStateError
from safeserial.validators.asking import Array, array, ensure, is_a, name_of, refuse

MODULE: Final = "sklearn.metrics._dist_metrics"
BASES: Final = ("DistanceMetric", "DistanceMetric32", "DistanceMetric64")


def check_metric(metric: Any) -> Iterable[Any]:
    """Check a metric, and return what a metric of the user's own calls."""
    state: tuple[Any, ...] = metric.__getstate__()
    array(metric, state[1], "vec", kinds="f", ndim=1)
    matrix = array(metric, state[2], "mat", kinds="f", ndim=2)
    if is_a(metric, MODULE, "MahalanobisDistance32", "MahalanobisDistance64"):
        ensure(metric, matrix.shape[0] == matrix.shape[1] > 0, f"mat has shape {matrix.shape}")
        # It has a buffer that only __setstate__ allocates, and writes to it at each distance: one
        # that was never given a state would write to the address zero.  The same state, once more.
        metric.__setstate__(state)
    return state[3:]


def check_fits(owner: Any, metric: Any, data: Array) -> None:
    """Check that a metric can measure rows of `data`.

    Raises
    ------
    InvalidStateError
        If it is no compiled metric (not even None may stand there), or one for other rows.
    """
    if not is_a(metric, MODULE, *BASES):
        refuse(owner, f"its metric is a {name_of(metric)}")
    check_metric(metric)
    try:
        metric._validate_data(data[:1])  # noqa: SLF001 - its own question, asked once more
    except ValueError as error:
        raise InvalidStateError(
            f"{name_of(owner)}: its metric is for other data ({error})"
        ) from None
