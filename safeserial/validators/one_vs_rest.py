# SPDX-License-Identifier: BSD-3-Clause
"""One against the rest: members that answer once for each row.

Floor 5.  ``OneVsRestClassifier.predict`` makes a sparse matrix of the places at which a member says
yes, with as many rows as the data, and SciPy does not look whether they are inside.  A member that
tells three classes apart, or is given more rows by a step before it, answers more often.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from safeserial.validators.asking import columns_of, ensure, is_a, name_of, refuse

_DEEPEST: Final = 20
# Where estimators that only ask another one keep it.
_ASKED: Final = ("best_estimator_", "estimator_", "final_estimator_", "estimator")
_PIPELINE: Final = ("sklearn.pipeline", "Pipeline")
_FUNCTION: Final = ("sklearn.preprocessing._function_transformer", "FunctionTransformer")
_SHAPES: Final = frozenset({"log1p", "expm1", "abs", "absolute", "clip", "round", "nan_to_num"})


def check_one_vs_rest(model: Any) -> None:
    """Check the members of a OneVsRestClassifier that answers by a sparse matrix."""
    state = vars(model)
    binarizer = state.get("label_binarizer_")
    if binarizer is None or vars(binarizer).get("y_type_") == "multiclass":
        return
    members = state.get("estimators_")
    ensure(model, isinstance(members, list), "estimators_ is no list")
    for one in members or ():
        _check_member(model, one)


def _check_member(model: Any, member: Any) -> None:
    for _ in range(_DEEPEST):
        if is_a(member, "sklearn.multiclass", "_ConstantPredictor"):
            ensure(model, np.size(vars(member).get("y_")) == 1, "a member has several constants")
            return
        if is_a(member, *_PIPELINE):
            member = _last(model, member)
            continue
        if not hasattr(member, "__dict__"):
            refuse(model, f"one of its members is a {name_of(member)}")
        own = vars(member)
        if "classes_" in own:
            ensure(model, columns_of(own["classes_"]) == (2,), "a member knows other classes")
            return
        asked = [own[name] for name in _ASKED if own.get(name) is not None]
        if not asked:
            return  # a regressor, or what has probabilities alone, of which one column is taken
        member = asked[0]
    refuse(model, "its members ask one another without end")


def _last(model: Any, pipeline: Any) -> Any:
    """Return the last step of a pipeline, of which no other changes the number of rows."""
    steps = vars(pipeline).get("steps")
    plain = isinstance(steps, list) and all(type(one) is tuple and len(one) == 2 for one in steps)  # noqa: PLR2004 - a name and a step
    ensure(model, plain and steps, "a pipeline among its members has no steps")
    for _, step in steps[:-1]:
        if is_a(step, *_FUNCTION):
            function = vars(step).get("func")
            named = getattr(function, "__name__", "") in _SHAPES
            kept = function is None or isinstance(function, np.ufunc) or named
            ensure(model, kept, "a step before one of its members may change the number of rows")
        elif is_a(step, *_PIPELINE):
            _last(model, step)
    return steps[-1][1]
