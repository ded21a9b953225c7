# SPDX-License-Identifier: BSD-3-Clause
"""What the libraries wrote themselves is never refused, and validation looks at all of it once."""

from __future__ import annotations

import functools
import pickle
import subprocess
import sys
import types
import warnings
from collections import OrderedDict, UserDict, deque
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import Bunch

from safeserial.errors import InvalidStateError, SafeSerialWarning
from safeserial.validators import validate
from tests import zoo
from tests.validators import honest


@pytest.mark.parametrize("name", zoo.names())
@pytest.mark.filterwarnings("ignore::FutureWarning")  # deprecated classes say so when they are made
def test_every_estimator_is_valid(name: str) -> None:
    model, _ = zoo.fitted(name)
    validate(model)
    validate(pickle.loads(pickle.dumps(model)))


@pytest.mark.parametrize("family", honest.FAMILIES)
def test_every_variant_is_valid(family: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = list(honest.FAMILIES[family]())
        again = pickle.loads(pickle.dumps(models))
    for model in again:
        validate(model)
    assert len(again) > 10


def test_validation_changes_nothing() -> None:
    models = [zoo.fitted(name)[0] for name in ("KNeighborsClassifier", "RandomForestClassifier")]
    for model in [*models, *honest.FAMILIES["numbers"]()]:
        before = pickle.dumps(model)
        validate(model)
        assert pickle.dumps(model) == before


class Slotted:
    """Keeps its only attribute in a slot."""

    __slots__ = ("inner",)

    def __init__(self, inner: Any) -> None:
        self.inner = inner


class Both(Slotted):
    """Keeps attributes in a slot of its base and in a dict."""

    outer: Any = None


class Listed(list[Any]):
    """A list that may have attributes."""

    more: Any = None


def listed(value: Any) -> Any:
    found = Listed()
    found.more = value
    return found


def bad() -> Any:
    state = np.random.RandomState(0)
    invalid = state.get_state(legacy=False)
    invalid["state"]["pos"] = 10**6
    state.set_state(invalid)
    return state


def objects(value: Any) -> Any:
    found = np.empty((1, 1), dtype=object)
    found[0, 0] = value
    return found


def record(value: Any) -> Any:
    found = np.zeros(1, dtype=[("number", "f8"), ("thing", "O")])
    found["thing"][0] = value
    return found


def masked(value: Any) -> Any:
    return np.ma.masked_array(objects(value), mask=[[False]])


HOLDERS = {
    "dict": lambda one: {"a": one},
    "key": lambda one: {one: 1},
    "list": lambda one: [1, one],
    "tuple": lambda one: (1, (one,)),
    "set": lambda one: {one},
    "frozenset": lambda one: frozenset([one]),
    "deque": lambda one: deque([one]),
    "OrderedDict": lambda one: OrderedDict(a=one),
    "UserDict": lambda one: UserDict(a=one),
    "Bunch": lambda one: Bunch(a=one),
    "namespace": lambda one: types.SimpleNamespace(a=one),
    "slot": Slotted,
    "slot of a base": Both,
    "list of another class": lambda one: Listed([one]),
    "attribute of a list": listed,
    "partial": lambda one: functools.partial(len, [one]),
    "partial keyword": lambda one: functools.partial(sorted, key=one),
    "objects": objects,
    "record": record,
    "void": lambda one: record(one)[0],
    "masked": masked,
    "attribute": lambda one: StandardScaler(copy=one),
    "step": lambda one: make_pipeline(StandardScaler(), StandardScaler(copy=[one])),
    "generator": lambda one: [np.random.Generator(one._bit_generator)],
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_bad_state_is_found_wherever_it_stands(holder: str) -> None:
    validate(HOLDERS[holder](np.random.RandomState(0)))
    with pytest.raises(InvalidStateError, match="position 1000000"):
        validate(HOLDERS[holder](bad()))


@pytest.mark.parametrize("holder", HOLDERS)
def test_bad_state_is_found_among_many(holder: str) -> None:
    make = HOLDERS[holder]
    alike = [make(np.random.RandomState(0)) for _ in range(30)]
    unlike = [other(np.random.RandomState(0)) for other in HOLDERS.values()]
    one = make(bad())
    # `alike` stands there twice: what was seen already must not hide what was not.
    for first, last in ((alike, alike), (unlike, alike), ([], unlike), (alike, [])):
        validate([*first, *last])
        with pytest.raises(InvalidStateError, match="position 1000000"):
            validate([*first, one, *last])
        with pytest.raises(InvalidStateError, match="position 1000000"):
            validate([first, {"one": (one,)}, last])


@pytest.mark.parametrize("kind", [CountVectorizer, type("Derived", (CountVectorizer,), {})])
@pytest.mark.parametrize("count", [1, 40])
def test_what_a_check_has_read_is_left_out_and_nothing_else(kind: Any, count: int) -> None:
    models = [kind().fit(["one two"]) for _ in range(count)]
    validate(models)
    models[-1].vocabulary_["one"] = 9
    with pytest.raises(InvalidStateError, match="vocabulary_"):
        validate(models)
    models[-1].vocabulary_["one"] = 1
    models[-1].stop_words_ = bad()
    with pytest.raises(InvalidStateError, match="position 1000000"):
        validate(models)


def test_cycles_and_depth_are_walked() -> None:
    loop = DecisionTreeClassifier()
    loop.class_weight = {"a": [loop]}
    deep: Any = bad()
    for _ in range(100_000):
        deep = FrozenEstimator(deep)
    validate(loop)
    with pytest.raises(InvalidStateError):
        validate([loop, deep])
    while type(deep) is FrozenEstimator:  # by hand: freeing it would be the recursion
        deep = deep.estimator


def test_state_that_cannot_be_read_is_invalid() -> None:
    model, _ = zoo.fitted("KMeans")
    model = pickle.loads(pickle.dumps(model))
    model.cluster_centers_ = "none"
    with pytest.raises(InvalidStateError, match="KMeans"):
        validate(model)
    del model.n_features_in_
    with pytest.raises(InvalidStateError, match="KMeans"):
        validate(model)


def test_an_unexpected_error_becomes_invalid_state() -> None:
    model = pickle.loads(pickle.dumps(zoo.fitted("HDBSCAN")[0]))
    model._single_linkage_tree_ = np.zeros(3, dtype=[("other", "i8")])
    with pytest.raises(InvalidStateError, match=r"HDBSCAN: .*left_node"):
        validate(model)


@pytest.mark.parametrize(
    "model",
    [
        CountVectorizer(input="filename"),
        make_pipeline(StandardScaler(), LogisticRegression(), memory="cache"),
    ],
    ids=["filename", "memory"],
)
def test_parameters_that_reach_outside_are_told(model: Any) -> None:
    with pytest.warns(SafeSerialWarning):
        validate(model)


def test_no_library_is_imported_for_a_model_without_it() -> None:
    code = (
        "import sys, numpy; from safeserial.validators import validate;"
        "validate({'weights': numpy.zeros(3), 'names': ['a', 'b']});"
        "print({'sklearn', 'scipy', 'pandas', 'joblib'} & sys.modules.keys())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
