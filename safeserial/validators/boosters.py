# SPDX-License-Identifier: BSD-3-Clause
"""Gradient boosting models of native libraries: what is asked of a state before C++ reads it.

Floor 5.  Codecs hold such objects back and call `check_boosters` when the stream has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from safeserial.errors import InvalidStateError
from safeserial.validators import (
    boosters_catboost,
    boosters_lightgbm,
    boosters_lightgbm_trees,
    boosters_trial,
    boosters_xgboost,
)
from safeserial.validators.asking import is_a, refuse

MAX_THREADS: Final = boosters_xgboost.MAX_THREADS
# However the libraries spell it.  A runtime that cannot start so many ends the process.
_THREADS: Final = frozenset("n_jobs nthread nthreads num_thread num_threads thread_count".split())
_PARAMETERS: Final = ("_other_params", "_init_params", "kwargs", "params")
_NESTED: Final = 4


def check_boosters(found: Sequence[tuple[type, dict[str, Any]]]) -> None:
    """Check states before their classes are given them.

    Parameters
    ----------
    found : sequence of (type, dict)
        Classes and states; all boosters of a model, since they share a child process.

    Raises
    ------
    InvalidStateError
        If a state is not one that the library itself would have written.
    """
    models = [data for kind, state in found if (data := _check(kind, state)) is not None]
    if models:
        boosters_trial.try_out(models)


def _check(kind: type, state: dict[str, Any]) -> bytes | None:
    """Check one state, and return the bytes that need a trial."""
    names = {(base.__module__, base.__qualname__) for base in kind.__mro__}
    check: Callable[[dict[str, Any]], bytes | None]
    if ("lightgbm.basic", "Booster") in names:
        check = _check_lightgbm
    elif ("xgboost.core", "Booster") in names:
        check = _check_xgboost
    else:
        check = _check_catboost
    return check(state)


def _check_lightgbm(state: dict[str, Any]) -> None:
    text = state.get("_handle", state.get("handle"))
    for key in ("_handle", "handle"):
        if type(state.get(key)) not in {str, type(None)}:
            raise InvalidStateError(f"{boosters_lightgbm_trees.OWNER}: its {key} is no text")
    if state.get("_network", False) is not False:
        raise InvalidStateError(f"{boosters_lightgbm_trees.OWNER}: says that it is on a network")
    if state.get("_Booster__init_predictor") is not None:
        raise InvalidStateError(f"{boosters_lightgbm_trees.OWNER}: has a predictor of its own")
    if text is None:  # C++ takes the handle of nothing for a booster
        raise InvalidStateError(f"{boosters_lightgbm_trees.OWNER}: has no model")
    boosters_lightgbm.check(text)


def _check_xgboost(state: dict[str, Any]) -> None:
    data = state.get("handle", False)
    if type(data) is bytes:
        data = state["handle"] = bytearray(data)  # XGBoost wants what it can write to
    if type(data) is not bytearray:  # C++ takes the handle of nothing for a booster
        raise InvalidStateError(f"{boosters_xgboost.OWNER}: its handle is no bytes")
    boosters_xgboost.check(bytes(data))


def _check_catboost(state: dict[str, Any]) -> bytes | None:
    for key in ("_test_evals", "_test_eval", "_prediction_values_change", "_loss_value_change"):
        if not _is_numbers(state.get(key), 0):
            raise InvalidStateError(f"{boosters_catboost.OWNER}: its {key} is no list of numbers")
    if "__model" not in state:
        return None
    data = state["__model"]
    if type(data) is not bytes:
        raise InvalidStateError(f"{boosters_catboost.OWNER}: its model is no bytes")
    boosters_catboost.check(data)
    return data


def _is_numbers(value: Any, depth: int) -> bool:
    if type(value) in {list, tuple} and depth < _NESTED:
        return all(_is_numbers(one, depth + 1) for one in value)
    kind = type(value)
    return kind in {int, float, type(None)} or kind.__module__ == "numpy"


def refuse_pending(placeholder: Any) -> None:
    """Refuse a booster that a stream makes and gives no state.

    Raises
    ------
    InvalidStateError
        Always.
    """
    raise InvalidStateError(f"a {type(placeholder).__qualname__} was given no state")


def check_estimator(model: Any) -> None:
    """Check an estimator around a booster: what it holds, and how many threads it asks for."""
    state = vars(model)
    booster = state.get("_Booster")
    if booster is not None and not (
        is_a(booster, "lightgbm.basic", "Booster") or is_a(booster, "xgboost.core", "Booster")
    ):
        refuse(model, "its booster is none")
    _check_threads(model, state)
    for key in _PARAMETERS:
        if type(state.get(key)) is dict:
            _check_threads(model, state[key])


def _check_threads(model: Any, values: dict[Any, Any]) -> None:
    for key in _THREADS & values.keys():
        count = values[key]
        if count is None:
            continue
        try:
            fits = -MAX_THREADS <= int(count) <= MAX_THREADS
        except (TypeError, ValueError, OverflowError):
            fits = False
        if not fits:
            refuse(model, f"asks for {str(count)[:40]} threads")
