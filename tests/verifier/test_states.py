# SPDX-License-Identifier: BSD-3-Clause
"""States that BUILD gives: attributes of the object's own, and arrays where methods are called."""

from __future__ import annotations

import io
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KDTree, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

import safeserial as ss
from safeserial.errors import EnvironmentMismatchError, ForbiddenOperationError
from safeserial.policy import Policy
from safeserial.verifier import admit
from tests.verifier.streams import (
    EMPTY_ARRAY,
    array,
    dtype,
    name,
    payload,
    refusal,
    round_trip,
    short,
    stream,
)

NEW = name("sklearn.linear_model._logistic", "LogisticRegression") + b")\x81"
PREDICTOR = name("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor") + b")\x81"
ISOTONIC = name("sklearn.isotonic", "IsotonicRegression") + b")\x81"
BUNCH = name("sklearn.utils._bunch", "Bunch") + b")R"
ORDERED = name("collections", "OrderedDict") + b")R"
FLOATS = array(1, dtype("f8"), short(b"8" * 8))
OBJECTS = array(1, dtype("O8", "|", flags=63), b"](Ne")
PARTIAL = name("functools", "partial") + name("numpy", "exp") + b"\x85R"


def state(*pairs: bytes) -> bytes:
    """A dict of these, and BUILD."""
    return b"}(" + b"".join(pairs) + b"ub"


@pytest.mark.parametrize(
    "key", ["__class__", "__array__", "__dict__", "__setstate__", "__reduce__", "____", "__a__"]
)
def test_names_that_python_looks_up_are_not_set(key: str) -> None:
    long = b"X" + len(key).to_bytes(4, "little") + key.encode()
    for form in (short(key), long, b"V" + key.encode() + b"\n", b"S'" + key.encode() + b"'\n"):
        for given in (
            state(form, b"N"),
            state(form, b"N", short("C"), b"N"),
            b"}" + form + b"Nsb",
            b"(" + form + b"Ndb",
            b"}" + form + b"Ns}\x86b",
            b"}" + form + b"NsN\x86b",
            b"N}" + form + b"Ns\x86b",
            b"}" + form + b"Ns\x85b",
        ):
            assert isinstance(refusal(stream(NEW, given)), ForbiddenOperationError)
    # Through the memo, after an honest key.
    again = state(short("C"), b"\x94N", short(key), b"\x94N")
    assert isinstance(refusal(stream(NEW, again)), ForbiddenOperationError)
    assert isinstance(
        refusal(stream(short(key), b"\x940", NEW, state(b"h\x00", b"N"))), ForbiddenOperationError
    )


@pytest.mark.parametrize("key", ["_sklearn_version", "__a", "a__", "_", "C"])
def test_other_names_are_set(key: str) -> None:
    admit(payload(stream(NEW, state(short(key), b"N"))), Policy.default())


@pytest.mark.parametrize(
    "given",
    [
        # Slots, of a class that has none: setattr, which properties of the class take part in.
        b"N}" + short("C") + b"Ns\x86b",
        b"}}\x86b",
        # Dicts whose keys nobody has read.
        BUNCH + b"b",
        ORDERED + b"b",
        ORDERED + b"(" + short("__class__") + b"Nub",
        b"N" + ORDERED + b"\x86b",
        ORDERED + b"\x85b",
        # What has methods of its own: a __setstate__ may call them.
        NEW + b"b",
        PARTIAL + b"b",
        name("numpy", "exp") + b"b",
        EMPTY_ARRAY + b"b",
        FLOATS + b"b",
        b"\x8fb",
        # Keys that are no strings.
        state(b"K\x01", b"N"),
        state(b"N", b"N"),
        state(short(b"C"), b"N"),
        state(b")", b"N"),
        state(b"(" + short("C") + b"t", b"N"),
    ],
)
def test_states_of_other_forms(given: bytes) -> None:
    assert isinstance(refusal(stream(NEW, given)), ForbiddenOperationError)


def test_a_state_is_read_whole() -> None:
    many = b"".join(short(f"a{n}") + b"\x94K\x01" for n in range(5000))
    assert isinstance(refusal(stream(NEW, state(many))), ForbiddenOperationError)
    slow = b"".join(short(f"a{n}") + b"K\x01" for n in range(5000))
    assert isinstance(refusal(stream(NEW, state(slow))), ForbiddenOperationError)


@pytest.mark.parametrize(
    "value", [EMPTY_ARRAY, OBJECTS, NEW, PARTIAL, BUNCH, b"N", b"]", name("numpy", "exp")]
)
def test_what_is_asked_while_loading_is_an_array(value: bytes) -> None:
    for made, key in (
        (PREDICTOR, "nodes"),
        (ISOTONIC, "X_thresholds_"),
        (ISOTONIC, "y_thresholds_"),
    ):
        assert isinstance(refusal(stream(made, state(short(key), value))), ForbiddenOperationError)
        twice = state(short(key), FLOATS, short(key), value)
        assert isinstance(refusal(stream(made, twice)), ForbiddenOperationError)
        assert isinstance(refusal(stream(made, b")b")), ForbiddenOperationError)
        admit(payload(stream(made, state(short(key), FLOATS))), Policy.default())


@pytest.mark.parametrize("protocol", range(6))
def test_honest_states_load(protocol: int) -> None:
    X, y = np.arange(40.0).reshape(-1, 1), np.arange(40.0)
    models: list[Any] = [
        IsotonicRegression().fit(X, y),
        HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=2).fit(X, y),
    ]
    for model in models:
        again = round_trip(pickle.dumps(model, protocol))
        assert np.array_equal(again.predict(X), model.predict(X))


def test_metadata_requests_are_not_in_states() -> None:
    """Metadata routing names its class attributes with dunders; what is set on objects is not."""
    from sklearn import config_context

    with config_context(enable_metadata_routing=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression().set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        for one in (model, clone(scaler)):
            again = round_trip(pickle.dumps(one, 4))
            assert again.get_metadata_routing().fit.requests == {"sample_weight": True}


class Older(pickle.Pickler):
    """Writes neighbours' indices as scikit-learn did before they had weights."""

    def reducer_override(self, value: Any) -> Any:
        """Leave out the last part."""
        if type(value) is not KDTree:
            return NotImplemented
        return (*value.__reduce__()[:2], value.__getstate__()[:12])


def test_a_shorter_state_of_an_earlier_version_is_named_and_not_used(tmp_path: Path) -> None:
    """Today's __setstate__ reads a thirteenth part, whatever lies there."""
    model = KNeighborsRegressor(algorithm="kd_tree").fit(np.eye(4), np.arange(4))
    file = io.BytesIO()
    Older(file, 2).dump(model)
    path = tmp_path / "older.pkl"
    path.write_bytes(file.getvalue())
    assert ss.inspect(path).verdict == "safe"
    with pytest.raises(EnvironmentMismatchError, match=r"saved under scikit-learn .*KDTree"):
        ss.load_unsigned(path)
    with ss.guard(), path.open("rb") as stream, pytest.raises(EnvironmentMismatchError):
        pickle.load(stream)
