# SPDX-License-Identifier: BSD-3-Clause
"""Rules of listed names: each shipped rule exists; what honest models need passes, the rest not."""

from __future__ import annotations

import io
import pickle
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

import safeserial as ss
from safeserial.errors import ForbiddenOperationError
from safeserial.policy import Policy
from safeserial.verifier import admit
from safeserial.verifier.intrinsic import RULES as INTRINSIC
from safeserial.verifier.rules import RULES
from tests.verifier.streams import name, payload, policy, refusal, round_trip, short, stream

MAKER = name("numpy.random._pickle", "__bit_generator_ctor")
CHECKSUM = b"J\xdf\x0a\xf1\x04"
INDEX = name("pandas.core.indexes.base", "_new_Index")
BACKED = name("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked")
PARTIAL = name("functools", "partial")
FRAMES: dict[str, Any] = {
    "frame": pd.DataFrame(
        {
            "numbers": [1.5, 2.0],
            "texts": ["x", "y"],
            "dates": pd.to_datetime(["2020-01-01", "2021-01-01"]),
            "categories": pd.Categorical(["u", "v"]),
            "flags": [True, False],
        }
    ),
    "dated frame": pd.DataFrame({"x": [1.0]}, index=pd.date_range("2020", periods=1)),
    "series": pd.Series(["a", None, 3], dtype=object, name="q"),
    "index": pd.Index(["a", "b"]),
    "range": pd.RangeIndex(5),
    "dates": pd.date_range("2020", periods=3, tz="UTC"),
    "spans": pd.timedelta_range("1D", periods=3),
    "periods": pd.period_range("2020", periods=3, freq="M"),
    "intervals": pd.interval_range(0, 3),
    "levels": pd.MultiIndex.from_product([[1, 2], ["a", "b"]]),
    "category index": pd.CategoricalIndex(["a", "b"]),
    "categorical": pd.Categorical(["u", "v", "u"]),
    "missing numbers": pd.array([1, None], dtype="Int64"),
    "missing texts": pd.array(["a", None], dtype="string"),
    "sparse": pd.arrays.SparseArray([0, 0, 1.0]),
    "timestamp": pd.Timestamp("2020"),
}


def test_every_shipped_rule_is_known() -> None:
    grants = Policy.default().allowlist.grants
    assert {grant.rule for grant in grants.values()} | set(INTRINSIC.values()) <= RULES.keys()


@pytest.mark.parametrize("protocol", [2, 4, 5, None])
@pytest.mark.parametrize("key", FRAMES)
def test_frames_load(key: str, protocol: int | None, tmp_path: Path) -> None:
    path = tmp_path / "frame.pkl"
    if protocol is None:
        joblib.dump(FRAMES[key], path)
    else:
        path.write_bytes(pickle.dumps(FRAMES[key], protocol))
    assert repr(ss.load_unsigned(path)) == repr(FRAMES[key])


@pytest.mark.parametrize(
    "data",
    [
        # A class that has another rule, or none.
        stream(INDEX, name("sklearn.svm._classes", "SVC"), b"}\x86R"),
        stream(INDEX, name("pandas", "DataFrame"), b"}\x86R"),
        stream(BACKED, name("pandas", "Index"), CHECKSUM, b"N\x87R"),
        stream(INDEX, b"N}\x86R"),
        # Arguments that are no dict made here, or bring methods of their own.
        stream(INDEX, name("pandas", "Index"), b")\x86R"),
        stream(INDEX, name("pandas", "Index"), b"}", b"K\x01K\x02s\x86R"),
        stream(
            INDEX,
            *(name("pandas", "Index"), b"}", short("data")),
            *(name("sklearn.svm._classes", "SVC"), b")\x81s\x86R"),
        ),
        stream(
            INDEX, name("pandas", "Index"), b"}", short("data"), name("numpy", "exp"), b"s\x86R"
        ),
        # A state that does not come by BUILD, a checksum that is none.
        stream(BACKED, name("pandas.arrays", "StringArray"), CHECKSUM, b")\x87R"),
        stream(BACKED, name("pandas.arrays", "StringArray"), b"NN\x87R"),
        # A state that ends with what brings methods of its own.
        stream(
            BACKED,
            *(name("pandas.arrays", "StringArray"), CHECKSUM, b"N\x87R"),
            *(name("sklearn.svm._classes", "SVC"), b")\x81\x85b"),
        ),
        # What an array is handed would not be checked.
        stream(name("pandas.arrays", "SparseArray"), b")\x81N)\x86b"),
    ],
)
def test_frames_do_not_lie(data: bytes) -> None:
    assert isinstance(refusal(data), ForbiddenOperationError)


@pytest.mark.parametrize(
    "value", [defaultdict(OrderedDict), defaultdict(list, a=[1]), Counter("a")]
)
def test_factories(value: Any) -> None:
    assert round_trip(pickle.dumps(value, 4)) == value
    if isinstance(value, defaultdict):
        assert round_trip(pickle.dumps(value, 4)).default_factory is value.default_factory


def test_a_factory_is_a_container() -> None:
    data = stream(name("collections", "defaultdict"), name("numpy", "exp"), b"\x85R")
    assert isinstance(refusal(data), ForbiddenOperationError)


@pytest.mark.parametrize(
    "state", [(name("numpy", "exp"), True), (name("builtins", "getattr"), False), (MAKER, False)]
)
def test_what_may_only_be_called_is_not_stored(state: tuple[bytes, bool]) -> None:
    function, allowed = state
    data = [
        stream(PARTIAL, function, b"\x85R(", function, b")}Ntb"),
        stream(b"]", function, b"a"),
        stream(function, b"\x85"),
    ]
    for one in data:
        if allowed:
            admit(payload(one), Policy.default())
        else:
            assert isinstance(refusal(one), ForbiddenOperationError)


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
@pytest.mark.parametrize("protocol", range(6))
def test_random_generators_load(make: Any, protocol: int) -> None:
    made = [make(3), make(4)]
    again = round_trip(pickle.dumps(made, protocol))
    assert [one.uniform() for one in again] == [one.uniform() for one in made]


def test_arguments_of_a_generator_are_not_kept() -> None:
    """The tuple that a constructor was called with is not fetched again to be stored."""
    maker = name("numpy.random._pickle", "__generator_ctor")
    call = maker + MAKER + short("PCG64") + b"\x85R" + MAKER + b"\x86\x94R"
    admit(payload(stream(call)), Policy.default())
    assert isinstance(refusal(stream(call, b"h\x00\x86")), ForbiddenOperationError)
    assert isinstance(refusal(stream(call, b"h\x00\x85\x86")), ForbiddenOperationError)
    # Called with twice it is still only an argument.
    admit(payload(stream(call, maker, b"h\x00R\x86")), Policy.default())
    assert isinstance(refusal(stream(call, maker, b"h\x00Rh\x00\x87")), ForbiddenOperationError)


def test_a_policy_file_may_say_that_a_class_has_slots() -> None:
    state = b"N}" + short("poor_score") + b"\x89s\x86b"
    tags = name("sklearn.utils._tags", "RegressorTags")
    assert round_trip(stream(tags, b")\x81", state)).poor_score is False
    mine = name("tests.verifier.streams", "Stranger") + b")\x81" + state
    assert isinstance(
        refusal(stream(mine), chosen=policy("tests.verifier.streams:Stranger=new build")),
        ForbiddenOperationError,
    )
    slotted = policy("tests.verifier.streams:Stranger=new build/slots")
    admit(payload(stream(mine)), slotted)
    admit(payload(stream(mine)), Policy.default().trusting(["tests.verifier.streams.Stranger"]))


def test_protocol_2_of_a_random_state_in_a_joblib_file() -> None:
    file = io.BytesIO()
    joblib.dump(np.random.RandomState(5), file, protocol=2)
    assert round_trip(file.getvalue(), "joblib").uniform() == np.random.RandomState(5).uniform()


@pytest.mark.parametrize("value", [b"\xff\x00a", bytes(range(256)), b"\xc3" * 300, b"a" * 300])
@pytest.mark.parametrize("protocol", range(3))
def test_bytes_as_text(value: bytes, protocol: int) -> None:
    array = np.frombuffer(value, dtype="u1")
    assert round_trip(pickle.dumps(value, protocol)) == value
    assert np.array_equal(round_trip(pickle.dumps(array, protocol)), array)


@pytest.mark.parametrize("text", ["\u0100", "a\u20ac" * 200, "\xff" * 200 + "\U0001f600", "\udc80"])
def test_text_that_is_no_bytes(text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    for form in (
        b"X" + len(raw).to_bytes(4, "little") + raw,
        short("")[:1] + bytes([2]) + b"\xc4\x80",
    ):
        data = stream(name("_codecs", "encode"), form, short("latin1"), b"\x86R")
        assert isinstance(refusal(data), ForbiddenOperationError)
