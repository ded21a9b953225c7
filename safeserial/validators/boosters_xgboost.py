# SPDX-License-Identifier: BSD-3-Clause
"""XGBoost's snapshots: held to what its C++ reader and predictor take on trust.

Floor 5.  ``Booster.__setstate__`` hands bytes to a reader that compares few lengths and no index
with what it points into.  Here the model and the configuration beside it say the same, each list
has the length it must have, and nodes, features, groups and categories exist.
"""

from __future__ import annotations

import re
from typing import Any, Final, NoReturn

from safeserial.errors import InvalidStateError
from safeserial.validators import boosters_ubjson
from safeserial.validators.boosters_xgboost_trees import check_categories, check_trees

OWNER: Final = "xgboost.core.Booster"
MAX_THREADS: Final = 1024
_DIGITS: Final = re.compile(r"-?[0-9]{1,20}")
_FLOAT: Final = r"-?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?|inf|nan)"
_BASE_SCORE: Final = re.compile(rf"{_FLOAT}|\[(?:{_FLOAT}(?:,{_FLOAT})*)?\]")
_MANY: Final = 2**31
_MAX_OUTPUTS: Final = 2**20
_POSITIONS: Final = frozenset({"ti+", "tj-"})
_MAX_POSITIONS: Final = 2**20
_LEARNER: Final = {"attributes", "feature_names", "feature_types", "gradient_booster"}
_LEARNER_TOO: Final = {"learner_model_param", "objective"}
_OF_TREES: Final = {"cats", "gbtree_model_param", "iteration_indptr", "tree_info", "trees"}


def refuse(what: str) -> NoReturn:
    """Refuse a snapshot.

    Raises
    ------
    InvalidStateError
        Always.
    """
    raise InvalidStateError(
        f"{OWNER}: its snapshot {what}",
        hint="if XGBoost itself wrote this file, report it with the version that did",
    )


def check(data: bytes) -> None:
    """Check a snapshot before XGBoost sees it.

    Parameters
    ----------
    data : bytes
        What ``Booster.__getstate__`` has under ``handle``.

    Raises
    ------
    InvalidStateError
        If XGBoost would not have written it, or it is in the binary form of XGBoost before 1.6.
    """
    if not data.startswith(b"{"):
        raise InvalidStateError(
            f"{OWNER}: its snapshot is in the binary form of an old XGBoost (before 1.6),"
            " which is not checked here",
            hint="load it in that version, save it as JSON, load that in a newer one, save again",
        )
    snapshot = boosters_ubjson.read(data, refuse)
    model = _table(snapshot, "Model") if "Model" in snapshot else snapshot
    learner = _table(model, "learner")
    if (
        not _LEARNER - {"feature_names", "feature_types"}
        <= learner.keys()
        <= _LEARNER | _LEARNER_TOO
    ):
        refuse("has other parts than a learner")
    facts = _Facts(learner)
    _check_model(_table(learner, "gradient_booster"), facts)
    _check_attributes(_table(learner, "attributes"))
    if "Config" in snapshot:
        _check_config(_table(_table(snapshot, "Config"), "learner"), facts)
    if snapshot.keys() - {"Config", "Model", "learner", "version"}:
        refuse("has unknown parts")


class _Facts:
    """What a learner says of itself; everything else has to agree."""

    def __init__(self, learner: dict[str, Any]) -> None:
        said = _table(learner, "learner_model_param")
        self.features = number(said, "num_feature", 0, _MANY)
        self.classes = number(said, "num_class", 0, _MAX_OUTPUTS)
        self.targets = number(said, "num_target", 1, _MAX_OUTPUTS, default=1)
        self.outputs = max(self.classes, 1) * self.targets
        self.said = said
        if self.classes > 1 and self.targets > 1:
            refuse("has classes and targets")
        score = said.get("base_score")
        if not isinstance(score, str) or not _BASE_SCORE.fullmatch(score):
            refuse("has a malformed base_score")
        if score.startswith("[") and score.count(",") + 1 not in {1, self.outputs}:
            refuse("has a base_score of another length")
        for key in ("feature_names", "feature_types"):
            names = learner.get(key, [])
            if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
                refuse(f"has malformed {key}")
            if len(names) not in {0, self.features}:
                refuse(f"has another number of {key}")
        self.booster = name_of(_table(learner, "gradient_booster"))
        self.objective = _check_objective(_table(learner, "objective"), self)


def _table(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    if not isinstance(found, dict):
        refuse(f"has no {key}")
    return found


def name_of(value: dict[str, Any]) -> str:
    """Return the name of a part."""
    found = value.get("name")
    if not isinstance(found, str):
        refuse("has a part without name")
    return found


def number(
    value: dict[str, Any], key: str, low: int, high: int, *, default: int | None = None
) -> int:
    """Return a parameter: an integer written as text."""
    found = value.get(key)
    if found is None and default is not None:
        return default
    if not isinstance(found, str) or not _DIGITS.fullmatch(found):
        refuse(f"has no integer {key}")
    if not low <= int(found) < high:
        refuse(f"has {key} {found}")
    return int(found)


def _check_objective(objective: dict[str, Any], facts: _Facts) -> str:
    name = name_of(objective)
    for part in objective.values():
        if isinstance(part, dict) and "num_class" in part:
            number(part, "num_class", facts.classes, facts.classes + 1)
    if name.startswith("multi:"):
        param = _table(objective, "softmax_multiclass_param")
        number(param, "num_class", max(facts.classes, 1), facts.classes + 1)
    biases = _check_positions(objective)
    for key, value in objective.items():
        parts = value.values() if isinstance(value, dict) else [value]
        if key not in biases and not all(isinstance(one, str) for one in parts):
            refuse("has a malformed objective")
    return name


def _check_positions(objective: dict[str, Any]) -> frozenset[str]:
    """Check what an unbiased ranker knows of positions, and return where it has it.

    One list is read at places that the length of the other allows.
    """
    param = objective.get("lambdarank_param")
    unbiased = param.get("lambdarank_unbiased", "0") if isinstance(param, dict) else "0"
    if unbiased == "0":
        return frozenset()
    if unbiased != "1" or not objective.keys() >= _POSITIONS:
        refuse("has a malformed objective")
    first, second = (boosters_ubjson_floats(objective[key]) for key in sorted(_POSITIONS))
    if len(first) != len(second) or len(first) > _MAX_POSITIONS:
        refuse("has biases of other positions")
    return _POSITIONS


def _check_model(booster: dict[str, Any], facts: _Facts) -> None:
    if facts.booster == "gblinear":
        model = _table(booster, "model")
        weights = boosters_ubjson_floats(model.get("weights"))
        if len(weights) != (facts.features + 1) * facts.outputs:
            refuse("has another number of weights than features")
        rounds = model.get("boosted_rounds", 0)
        if type(rounds) is not int or not 0 <= rounds < _MANY:
            refuse("has a malformed boosted_rounds")
        return
    inner = booster
    if facts.booster == "dart":
        inner = _table(booster, "gbtree")
        if name_of(inner) != "gbtree":
            refuse("has an unknown kind of booster")
    elif facts.booster != "gbtree":
        refuse("has an unknown kind of booster")
    model = _table(inner, "model")
    if model.keys() - _OF_TREES:
        refuse("has unknown parts in its model")
    trees = check_trees(model, facts.features, facts.outputs, refuse)
    check_categories(model.get("cats"), facts.features, refuse)
    if facts.booster == "dart" and len(boosters_ubjson_floats(booster.get("weight_drop"))) != trees:
        refuse("has another number of weights than trees")


def boosters_ubjson_floats(value: Any) -> Any:
    """Return an array or list of floats."""
    if isinstance(value, list):
        if all(type(one) in {int, float} for one in value):
            return value
    elif getattr(value, "dtype", None) is not None and value.dtype.kind == "f":
        return value
    refuse("has malformed weights")


def _check_attributes(attributes: dict[str, Any]) -> None:
    for key, value in attributes.items():
        if not isinstance(value, str):
            refuse(f"has a malformed attribute {key[:40]!r}")
        if key in {"best_iteration", "best_ntree_limit"}:
            number(attributes, key, 0, _MANY)


def _check_config(config: dict[str, Any], facts: _Facts) -> None:
    trained = _table(config, "learner_train_param")
    booster = _table(config, "gradient_booster")
    objective = _table(config, "objective")
    if trained.get("booster") != facts.booster or name_of(booster) != facts.booster:
        refuse("has the configuration of another kind of booster")
    if name_of(objective) != facts.objective or trained.get("objective") != facts.objective:
        refuse("has the configuration of another objective")
    _check_objective(objective, facts)
    for key, value in _table(config, "learner_model_param").items():
        if key in {"num_class", "num_feature", "num_target"} and facts.said.get(key) != value:
            refuse(f"has a configuration with another {key}")
    _check_settings(config, 0)


def _check_settings(value: Any, depth: int) -> None:
    """Hold a configuration to text, and to threads that a machine can have."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key in {"nthread", "n_jobs", "n_gpus"}:
                number(value, key, -_MANY, MAX_THREADS)
            if key == "num_parallel_tree":
                number(value, key, 1, _MANY)
            _check_settings(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            _check_settings(part, depth + 1)
    elif not isinstance(value, str | bool | int | float | None) and getattr(value, "ndim", 0) != 1:
        refuse("has a malformed configuration")
