# SPDX-License-Identifier: BSD-3-Clause
"""Lists of like objects: saved as rows, loaded as what they were, whoever else refers to them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster._bisect_k_means import _BisectingTree
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
    VotingRegressor,
)
from sklearn.linear_model import Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.preprocessing import Binarizer

from safeserial.codecs import rows as rows_of_codec
from safeserial.payload import INDEX, Rows, unpack_index
from tests import world

X, Y = make_classification(200, 6, n_informative=4, n_classes=3, random_state=0)
A, B = make_regression(100, 4, n_targets=20, random_state=0)
FITTED = {
    "forest": lambda: RandomForestClassifier(20, random_state=0).fit(X, Y),
    "several outputs": lambda: RandomForestRegressor(16, max_depth=4).fit(A, B),
    "extra trees": lambda: ExtraTreesClassifier(20, max_depth=3).fit(X, Y),
    "isolation": lambda: IsolationForest(n_estimators=20).fit(X),
    "embedding": lambda: RandomTreesEmbedding(20).fit(X),
    "bagging": lambda: BaggingRegressor(n_estimators=20).fit(A, B[:, 0]),
    "boosted stumps": lambda: AdaBoostClassifier(n_estimators=20).fit(X, Y),
    "histograms": lambda: HistGradientBoostingClassifier(max_iter=20).fit(X, Y),
    "ridges": lambda: MultiOutputRegressor(Ridge()).fit(A, B),
}


def unpacked(data: bytes) -> list[object]:
    members = world.Parts.of(data).members
    index = members.get(INDEX)
    buffers = members["payload/buffers.bin"]
    found = unpack_index(memoryview(index), memoryview(buffers)) if index else None
    return list(found.objects) if found else []


def tables(data: bytes) -> list[Rows]:
    return [one for one in unpacked(data) if isinstance(one, Rows)]


def alike(one, other) -> bool:
    """Compare as pickle sees them: with every object's own way of being taken apart."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, np.generic):
        return one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if isinstance(one, np.ndarray | str | int | float | bool | None | type):
        return world.same(one, other)
    return alike(one.__reduce_ex__(4), other.__reduce_ex__(4)) if one is not other else True


@pytest.mark.parametrize("name", FITTED)
def test_a_fitted_model_comes_back_the_same(name):
    model = FITTED[name]()
    data = world.artifact(model)
    assert tables(data), "not written as rows: this test would prove nothing"
    again = world.loads(data)
    assert alike(vars(pickle.loads(pickle.dumps(model))), vars(again))
    rows = (
        A if hasattr(model, "estimators_") and np.ndim(getattr(model, "n_features_in_", 0)) else X
    )
    rows = A if model.n_features_in_ == A.shape[1] else X
    ask = model.predict if hasattr(model, "predict") else model.transform
    answer = again.predict if hasattr(again, "predict") else again.transform
    expected, found = ask(rows), answer(rows)
    if hasattr(expected, "toarray"):
        expected, found = expected.toarray(), found.toarray()
    assert np.array_equal(expected, found)


def test_what_the_trees_share_with_the_model_stays_shared():
    model = GradientBoostingClassifier(n_estimators=20, random_state=0).fit(X, Y)
    again = world.loads(world.artifact(model))
    generators = {id(tree.random_state) for tree in again.estimators_.ravel()}
    assert generators == {id(again._rng)}
    assert np.array_equal(model.predict_proba(X), again.predict_proba(X))


def trees(count: int, **changed) -> list[_BisectingTree]:
    return [
        _BisectingTree(
            **{"center": np.full(2, i / 4), "indices": np.arange(i), "score": i / 8, **changed}
        )
        for i in range(count)
    ]


PAIRS = np.dtype([("a", "<i4"), ("b", "<f8")])


@pytest.mark.parametrize(
    "grown",
    [
        lambda i: np.arange(float(i)),
        lambda i: np.arange(6.0 * i).reshape(i, 2, 3).astype(">f4"),
        lambda i: np.array([(i, i / 2)] * (i % 3), dtype=PAIRS),
        lambda _: np.zeros((0, 4)),
        lambda i: np.array(["x" * 9] * (i % 4)),
        lambda i: np.array(i) if i == 7 else np.arange(float(i)),
        lambda i: np.arange(float(i))[::-1],
        lambda i: np.arange(2.0 * i).reshape(2, i).T,
        lambda i: np.arange(i * 1.0) if i % 2 else np.arange(i),
        lambda i: np.array([None] * i, dtype=object),
    ],
)
def test_arrays_of_different_lengths(grown):
    rows = trees(20)
    for i, row in enumerate(rows):
        row.indices = grown(i)
    again = world.loads(world.artifact(rows))
    assert alike(again, rows)
    flags = [(row.indices.flags.writeable, row.indices.dtype.metadata) for row in rows]
    assert flags == [(row.indices.flags.writeable, row.indices.dtype.metadata) for row in again]
    before = [row.indices.copy() for row in again]
    if again[3].indices.size:
        again[3].indices[...] = again[3].indices[-1]
    others = [i for i in range(20) if i != 3]
    assert all(world.same(before[i], again[i].indices) for i in others)


def test_the_nodes_of_all_trees_are_one_array(monkeypatch):
    model = FITTED["forest"]()
    few = len(unpacked(world.artifact(model)))
    assert few < len(model.estimators_)
    monkeypatch.setattr(rows_of_codec, "_MAX_JOINED", 100)
    data = world.artifact(model)
    assert len(unpacked(data)) > 2 * len(model.estimators_)
    assert alike(world.loads(data), model)


def test_an_object_that_stands_elsewhere_too_is_one_object():
    for before in (True, False):
        rows = trees(20)
        model = [rows[3], rows] if before else [rows, rows[3]]
        again = world.loads(world.artifact(model))
        one, listed = again if before else again[::-1]
        assert listed[3] is one


def test_an_array_that_stands_elsewhere_too_is_one_array():
    rows = trees(20)
    again, outside = world.loads(world.artifact([rows, rows[3].center]))
    assert again[3].center is outside
    shared = np.arange(3.0)
    again = world.loads(world.artifact(trees(20, indices=shared)))
    assert len({id(one.indices) for one in again}) == 1


def test_an_array_that_was_met_before_is_one_array():
    rows = trees(20)
    first, again = world.loads(world.artifact([rows[3].center, rows]))
    assert again[3].center is first


def test_an_array_that_two_attributes_share_is_one_array():
    rows = trees(20)
    for row in rows:
        row.right = row.center
    again = world.loads(world.artifact(rows))
    assert all(row.right is row.center for row in again)
    rows = trees(20)
    shared = rows[0].center
    for row, value in zip(rows, [shared, *(row.center for row in rows[:-1])], strict=True):
        row.right = value
    again = world.loads(world.artifact(rows))
    assert again[0].right is again[0].center
    assert again[1].right is again[0].center


def test_the_byte_order_of_small_arrays_stays():
    rows = [
        _BisectingTree(center=np.arange(2.0).astype(">f8"), indices=None, score=i)
        for i in range(20)
    ]
    again = world.loads(world.artifact(rows))
    assert {row.center.dtype.str for row in again} == {">f8"}


def test_a_common_list_that_is_no_rows_is_looked_at_once(monkeypatch):
    looked = []
    find = rows_of_codec.find
    monkeypatch.setattr(
        rows_of_codec, "find", lambda *given, **more: looked.append(1) or find(*given, **more)
    )
    common = trees(20)
    common[3].score = "odd"
    world.artifact([(i, common) for i in range(15)])
    assert len(looked) == 1


def test_attribute_names_that_are_no_text():
    rows = trees(20)
    for row in rows:
        vars(row)["\ud800"] = 1
    assert alike(world.loads(world.artifact(rows)), rows)


def test_a_thousand_trees_are_rows_too():
    data = world.artifact(trees(1500))
    assert [one.count for one in tables(data)] == [1500]


def test_the_same_object_twice_in_the_list_is_one_object():
    rows = trees(20)
    rows[5] = rows[7]
    again = world.loads(world.artifact(rows))
    assert again[5] is again[7]
    assert again[5] is not again[6]


def test_a_list_that_stands_twice_is_one_list():
    rows = trees(20)
    first, second = world.loads(world.artifact([rows, rows]))
    assert first is second
    inner = [rows[:5], rows[5:10], rows[10:15], rows[15:]] * 1
    again = world.loads(world.artifact([inner, inner[2]]))
    assert again[0][2] is again[1]


def test_objects_of_objects():
    inside = trees(20)
    for one, other in zip(inside, trees(20), strict=True):
        one.left = other
    data = world.artifact(inside)
    [table] = tables(data)
    assert table.count == 20
    assert alike(world.loads(data), inside)


@pytest.mark.parametrize(
    "odd",
    [
        {"center": np.zeros(3)}, {"score": 1}, {"score": None}, {"left": "x"},
        {"center": np.zeros(2, "f4")}, {"center": np.array([1, "a"], object)}, {"more": 1},
        {"indices": [1]}, {"score": float("nan")}, {"score": "a\0b"}, {"score": "\ud800"},
        {"score": 2**70}, {"score": np.float32(1)}, {"score": True}, {"center": np.ma.array([1])},
        {"right": (1, 2)},
    ],
)  # fmt: skip
def test_one_odd_object_among_many(odd):
    rows = trees(20)
    vars(rows[11]).update(odd)
    again = world.loads(world.artifact(rows))
    assert alike(again, rows)


VALUES = st.one_of(
    st.integers(), st.floats(), st.text(max_size=3), st.booleans(), st.none(),
    st.builds(np.int64, st.integers(-9, 9)), st.builds(np.float32, st.floats(width=32)),
)  # fmt: skip
ROWS = st.integers(16, 20)


@settings(max_examples=60)
@given(st.data())
def test_any_attributes(data):
    count = data.draw(ROWS)
    rows = trees(count)
    for key in ("score", "left", "right", "more"):
        one_type = data.draw(st.booleans())
        values = data.draw(st.sampled_from(VALUES.original_strategies)) if one_type else VALUES
        for row in rows:
            setattr(row, key, data.draw(values))
    assert alike(world.loads(world.artifact(rows)), rows)


def test_classes_that_nobody_audited_are_not_written_as_rows():
    class_of_tests = [Stranger(i) for i in range(20)]
    assert not tables(world.artifact(class_of_tests))


class Stranger:
    def __init__(self, number: int) -> None:
        self.number = number


def test_fifteen_are_too_few_and_unfitted_estimators_are_rows():
    assert not tables(world.artifact([Binarizer(threshold=i / 4) for i in range(15)]))
    estimators = [Binarizer(threshold=i / 4) for i in range(16)]
    data = world.artifact(estimators)
    assert [one.count for one in tables(data)] == [16]
    assert [one.threshold for one in world.loads(data)] == [i / 4 for i in range(16)]


def test_named_estimators_are_the_listed_ones():
    voting = VotingRegressor([(f"r{i}", Ridge(alpha=i + 1)) for i in range(16)]).fit(A, B[:, 0])
    again = world.loads(world.artifact(voting))
    assert again.named_estimators_["r3"] is again.estimators_[3]
