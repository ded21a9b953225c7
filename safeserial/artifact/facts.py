# SPDX-License-Identifier: BSD-3-Clause
"""What can be said of a model without loading it: class, features, classes.

Floor 6.
"""

from __future__ import annotations

from typing import Any, Final

from safeserial.manifest import ModelFacts
from safeserial.strictjson import MAX_INTEGER

MAX_CLASSES: Final = 10_000
MAX_FEATURE_NAMES: Final = 100_000


def describe(model: Any) -> ModelFacts:
    """Return the facts of a model that follow scikit-learn's conventions.

    Parameters
    ----------
    model : object
        Fitted or not, of any library.

    Returns
    -------
    ModelFacts
        What its attributes ``n_features_in_``, ``feature_names_in_`` and ``classes_`` tell; what is
        absent, too long or of another type is left out.
    """
    kind = type(model)
    count = _plain(_attribute(model, "n_features_in_"))
    return ModelFacts(
        class_name=f"{kind.__module__}.{kind.__qualname__}",
        n_features=count if type(count) is int and 0 <= count <= MAX_INTEGER else None,
        feature_names=_names(_attribute(model, "feature_names_in_")),
        classes=_labels(_attribute(model, "classes_")),
    )


def _attribute(model: Any, name: str) -> Any:
    try:
        return getattr(model, name, None)
    except Exception:  # noqa: BLE001 - a property of somebody's class may raise anything
        return None


def _plain(value: Any) -> Any:
    to_python = getattr(value, "item", None)
    return to_python() if callable(to_python) and getattr(value, "shape", None) == () else value


def _listed(values: Any, limit: int) -> list[Any] | None:
    if values is None or isinstance(values, str | bytes):
        return None
    try:
        if not 0 < len(values) <= limit:
            return None
        return [_plain(one) for one in values]
    except Exception:  # noqa: BLE001 - as above
        return None


def _names(values: Any) -> tuple[str, ...] | None:
    listed = _listed(values, MAX_FEATURE_NAMES)
    if listed is None or not all(isinstance(one, str) and _encodes(one) for one in listed):
        return None
    return tuple(str(one) for one in listed)


def _labels(values: Any) -> tuple[str | int | bool, ...] | None:
    listed = _listed(values, MAX_CLASSES)
    if listed is None:
        return None
    labels: list[str | int | bool] = []
    for one in listed:
        if type(one) is bool:
            labels.append(one)
        elif isinstance(one, int) and abs(one) <= MAX_INTEGER:
            labels.append(int(one))
        elif isinstance(one, str) and _encodes(one):
            labels.append(str(one))
        else:
            return None
    return tuple(labels)


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
