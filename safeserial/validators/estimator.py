# SPDX-License-Identifier: BSD-3-Clause
"""Instances: attributes that stand in front of methods, and parameters that reach outside.

Floor 5.  An attribute called ``predict`` wins over the method of the class, so a state could swap
what a model does for any function of the allowlist.  Honest instances hold no such attribute: all
estimators of scikit-learn were looked at.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from safeserial.errors import SafeSerialWarning
from safeserial.validators.asking import name_of, refuse
from safeserial.validators.encoders import check_hasher, check_vocabulary
from safeserial.validators.functions import KEYWORDS, check_keywords

MAX_WORKERS: Final = 1024
# Asked of an instance by NumPy, scikit-learn, copy or IPython, where the class has no such method.
_PROTOCOLS: Final = frozenset(
    "__array__ __array_interface__ __array_struct__ __array_namespace__ __dataframe__"
    " __sklearn_clone__ __sklearn_is_fitted__ __sklearn_tags__ __deepcopy__ __copy__"
    " __getstate__ __setstate__"
    " __reduce__ __reduce_ex__ __call__ __len__ __iter__ __getitem__ __class__ __dict__ __getattr__"
    " _repr_html_ _repr_mimebundle_ _ipython_display_".split()
)
# Looked for on an instance with hasattr, by whatever holds an estimator.
_METHODS: Final = frozenset(
    "fit fit_predict fit_transform partial_fit predict predict_proba predict_log_proba"
    " decision_function transform inverse_transform score score_samples get_params set_params"
    " get_feature_names_out sample_y apply decision_path split get_n_splits".split()
)


def reserved_names(kind: type) -> frozenset[str]:
    """Return the names that no attribute of an instance of a class may have.

    Parameters
    ----------
    kind : type
        A class of which there are instances.

    Returns
    -------
    frozenset of str
        Methods and descriptors of the class but for properties, what protocols ask an instance for,
        and of an estimator of scikit-learn everything that its class defines and its constructor
        does not set.
    """
    names = set(_PROTOCOLS)
    for base in kind.__mro__[:-1]:
        names.update(name for name, value in vars(base).items() if _is_method(value))
    if kind.__module__.partition(".")[0] == "sklearn":
        if any(base.__qualname__ == "BaseEstimator" for base in kind.__mro__):
            names |= _METHODS
        for base in kind.__mro__[:-1]:
            names |= vars(base).keys()
        names -= _parameters(kind)
    return frozenset(names)


def _is_method(value: Any) -> bool:
    if isinstance(value, functools.cached_property | property | type):
        # The first keeps its result in the instance, under its own name; the second is looked up
        # before anything that the instance has.
        return False
    return callable(value) or hasattr(type(value), "__get__")


def _parameters(kind: type) -> set[str]:
    """Return names that the constructor sets; Lasso has a default for one in its class too."""
    try:
        return set(inspect.signature(kind).parameters)
    except (TypeError, ValueError):
        return set()


def parameter_checks(kind: type) -> tuple[tuple[str, Callable[[Any, Any], None]], ...]:
    """Return attributes of an estimator's class, and what checks an instance and the value there.

    These are parameters that become keywords of a function, and the number of its workers.
    """
    if not any(base.__qualname__ == "BaseEstimator" for base in kind.__mro__):
        return ()
    parameters = _parameters(kind)
    found: list[str] = [name for name in KEYWORDS if name in parameters]
    if "metric_params" in found:
        found.append("effective_metric_params_")
    workers = [("n_jobs", _check_workers)] if "n_jobs" in parameters else []
    return (*((name, check_keywords) for name in found), *workers)


def _check_workers(model: Any, count: Any) -> None:
    """Refuse more workers than a machine has: joblib starts as many processes as it is told."""
    if isinstance(count, int | np.integer) and count > MAX_WORKERS:
        refuse(model, f"asks for {count} threads or processes")


def check_names(instance: Any, names: frozenset[str]) -> None:
    """Refuse an instance that has an attribute with a reserved name."""
    taken = names & vars(instance).keys()
    if taken:
        refuse(
            instance, f"its state puts {', '.join(sorted(taken))} in the place of the class's own"
        )


def check_vectorizer(model: Any) -> None:
    """Check a vocabulary, and tell of one that takes its texts for names of files."""
    check_vocabulary(model)
    if vars(model).get("input") in {"file", "filename"}:
        _tell(model, f"reads files: input={vars(model)['input']!r}")


def check_hashing_vectorizer(model: Any) -> None:
    """Check the number of columns, and tell of one that takes its texts for names of files."""
    check_hasher(model)
    check_vectorizer(model)


def check_memory(model: Any) -> None:
    """Tell of an estimator that caches on disk when fitted, and unpickles what it finds there."""
    memory = vars(model).get("memory")
    if memory is not None:
        # Anything else has not been looked at yet, and its repr may be anything.
        shown = repr(memory)[:160] if type(memory) is str else name_of(memory)
        _tell(model, f"caches on disk when fitted: memory={shown}")


def _tell(model: Any, what: str) -> None:
    warnings.warn(f"{name_of(model)} {what}", SafeSerialWarning, stacklevel=2)
