# SPDX-License-Identifier: BSD-3-Clause
"""What a loaded model is asked, and whether it answers as the original does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

METHODS: Final = ("predict", "predict_proba", "decision_function", "transform", "score_samples")
_ALIKE: Final = 1e-300


def take(rows: Any, count: int) -> Any:
    """Return `count` rows, from the top and around again."""
    have = rows.shape[0] if hasattr(rows, "shape") else len(rows)
    chosen = [number % have for number in range(count)]
    if hasattr(rows, "iloc"):
        return rows.iloc[chosen].reset_index(drop=True)
    return rows[chosen] if hasattr(rows, "shape") else [rows[one] for one in chosen]


def methods_of(model: Any) -> tuple[str, ...]:
    """Return which of :data:`METHODS` a model has, best first."""
    return tuple(name for name in METHODS if hasattr(model, name))


def is_session(model: Any) -> bool:
    """Tell whether what was loaded is a graph of ONNX."""
    return type(model).__name__ == "InferenceSession"


def ask(model: Any, rows: Any, method: str) -> Any:
    """Return one method's answer.

    Parameters
    ----------
    model : estimator or InferenceSession
        What was loaded.
    rows : rows, or the inputs of a graph
        As the model takes them.
    method : str
        One of :data:`METHODS`; of a graph, the output with this name.
    """
    return model.run([method], rows)[0] if is_session(model) else getattr(model, method)(rows)


def answers(model: Any, rows: Any, methods: tuple[str, ...]) -> dict[str, Any]:
    """Return the answers of all methods; of a dict of arrays, the arrays themselves."""
    if isinstance(model, dict):
        return dict(model)
    if is_session(model):
        there = {one.name for one in model.get_outputs()}
        methods = tuple(name for name in methods if name in there)
    return {name: ask(model, rows, name) for name in methods}


def differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Compare two models' answers.

    Parameters
    ----------
    expected, found : mapping of str to answer
        From :func:`answers`.

    Returns
    -------
    dict
        ``identical``: whether all bits are the same; ``labels_differ``: how many labels are not;
        ``max_relative``: the largest difference of a number, relative to the largest of the answer;
        ``compared``: the methods that both have; ``dtypes_differ``: those whose dtype changed.
    """
    import numpy as np

    labels, largest, identical = 0, 0.0, True
    compared = [name for name in expected if name in found]
    dtypes = []
    for name in compared:
        first, second = _side_by_side(expected[name], found[name])
        if first.shape != second.shape:
            second = second.reshape(first.shape) if first.size == second.size else None
            if second is None:
                return {"shape_differs": name, "identical": False, "compared": compared}
        if first.dtype.kind not in "fc" or second.dtype.kind not in "fc":
            wrong = int(np.sum(_labels(first) != _labels(second)))
            labels, identical = labels + wrong, identical and not wrong
        else:
            if first.dtype != second.dtype:
                dtypes.append(name)
            with np.errstate(invalid="ignore"):
                gap = np.abs(first.astype(float) - second.astype(float))
                gap[(first == second) | (np.isnan(first) & np.isnan(second))] = 0
                finite = np.abs(first[np.isfinite(first)])
            scale = float(finite.max()) if finite.size else 1.0
            worst = float(gap.max()) if gap.size else 0.0
            largest = max(largest, worst / max(scale, _ALIKE))
            same = first.dtype == second.dtype and first.tobytes() == second.tobytes()
            identical = identical and same
    return {
        "identical": identical and bool(compared) and len(compared) == len(expected),
        "labels_differ": labels,
        "max_relative": largest,
        "compared": compared,
        "dtypes_differ": dtypes,
    }


def _side_by_side(first: Any, second: Any) -> tuple[Any, Any]:
    """Return two answers as arrays; of sparse ones with the same pattern, the numbers alone."""
    import numpy as np

    if hasattr(first, "toarray") and hasattr(second, "toarray"):
        one, other = first.tocsr(), second.tocsr()
        pattern = zip((one.indptr, one.indices), (other.indptr, other.indices), strict=True)
        if one.shape == other.shape and all(np.array_equal(a, b) for a, b in pattern):
            return one.data, other.data
    return _dense(first), _dense(second)


def _labels(found: Any) -> Any:
    """Return labels as text; a graph has no booleans for them, but 0 and 1."""
    return (found.astype(int) if found.dtype.kind == "b" else found).astype(str)


def _dense(answer: Any) -> Any:
    import numpy as np

    return np.asarray(answer.toarray() if hasattr(answer, "toarray") else answer)
