# SPDX-License-Identifier: BSD-3-Clause
"""Honest models pass: every protocol, every compressor, and what is loaded is what was saved."""

from __future__ import annotations

import io
import pickle
import warnings
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from safeserial.errors import CorruptArtifactError, ForbiddenOperationError
from safeserial.payload import (
    BUFFERS,
    INDEX,
    STREAM,
    Payload,
    aligned,
    column_record,
    pack_index,
)
from safeserial.policy import Policy
from safeserial.verifier import admit, survey
from tests.verifier.streams import load, payload, round_trip

X, Y = make_classification(60, 6, random_state=0)
ESTIMATORS = [
    LogisticRegression(),
    SGDClassifier(loss="modified_huber"),
    RandomForestClassifier(3, random_state=1),
    GradientBoostingClassifier(n_estimators=3),
    HistGradientBoostingClassifier(max_iter=3),
    IsolationForest(n_estimators=3),
    KNeighborsClassifier(algorithm="kd_tree"),
    KNeighborsClassifier(algorithm="ball_tree"),
    MLPClassifier((4,), max_iter=3, early_stopping=True),
    SVC(probability=False),
    GaussianNB(),
    make_pipeline(SimpleImputer(), FunctionTransformer(np.tanh), StandardScaler(), SVC()),
    ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", OneHotEncoder(), slice(2, 3))]),
]
VALUES: list[Any] = [
    None,
    (True, -5, 2**70, 1.5, float("inf"), "é\udc80\n\\", b"\xff\x00", 1e-300, "x" * 300),
    {"a": [1, [2.5, {"b": ()}]], 3: {4, 5, "x"}, (1, "a"): frozenset({1.25, 2})},
    np.arange(12.0).reshape(3, 4),
    np.asfortranarray(np.arange(12).reshape(3, 4)),
    np.array(3.5),
    np.zeros((0, 3)),
    np.array(["a", None, 1.5, {"k": np.arange(3)}], dtype=object),
    np.array(["ab", "c"]),
    np.array([b"ab", b"c"]),
    np.array(["2020-01-01", "2021-01-01"], dtype="M8[D]"),
    np.array([1, 2], dtype="m8[25s]"),
    np.arange(4, dtype=">i4"),
    np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
    np.array([(1, 2.5)], dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    np.ma.array([1.0, 2.0], mask=[0, 1]),
    np.matrix([[1, 2]]),
    np.float32(2.5),
    np.datetime64("2020-01-01"),
    range(3),
    slice(1, None, 2),
    bytearray(b"abc"),
    complex(1, 2),
]


@pytest.fixture(scope="module")
def fitted() -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [estimator.fit(X, Y) for estimator in ESTIMATORS]


def same(a: Any, b: Any) -> bool:
    if isinstance(b, np.ndarray) and not isinstance(b, np.ma.MaskedArray):
        # The byte order of what is loaded is the machine's.
        return a.dtype.newbyteorder("=") == b.dtype.newbyteorder("=") and repr(a.tolist()) == repr(
            b.tolist()
        )
    if isinstance(b, dict):
        return bool(a == b)
    return pickle.dumps(a, 4) == pickle.dumps(b, 4) or repr(a) == repr(b)


def agree(one: Any, other: Any) -> bool:
    if hasattr(one, "predict"):
        return np.array_equal(one.predict(X), other.predict(X))
    return np.array_equal(one.transform(X).toarray(), other.transform(X).toarray())


@pytest.mark.parametrize("protocol", range(6))
def test_estimators_as_pickle(fitted: list[Any], protocol: int) -> None:
    for estimator in fitted:
        assert agree(estimator, round_trip(pickle.dumps(estimator, protocol)))


@pytest.mark.parametrize("compress", [0, 3, "zlib", "gzip", "bz2", "lzma", "xz", "lz4"])
def test_estimators_as_joblib(fitted: list[Any], compress: Any) -> None:
    for estimator in fitted:
        file = io.BytesIO()
        joblib.dump(estimator, file, compress=compress)
        loaded = round_trip(file.getvalue(), "joblib")
        assert agree(estimator, loaded)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:30])
def test_values(value: Any, protocol: int) -> None:
    assert same(round_trip(pickle.dumps(value, protocol)), value)
    file = io.BytesIO()
    joblib.dump(value, file, protocol=protocol)
    loaded = round_trip(file.getvalue(), "joblib")
    assert same(loaded, value)


@pytest.mark.parametrize("generator", [np.random.RandomState(3), np.random.default_rng(3)])
@pytest.mark.parametrize("protocol", range(6))
def test_random_generators(generator: Any, protocol: int) -> None:
    data = pickle.dumps(generator, protocol)
    assert round_trip(data).normal() == pickle.loads(data).normal()


def test_recursive_containers() -> None:
    value: list[Any] = [1]
    value.append((value, {"v": value}))
    for protocol in range(6):
        loaded = round_trip(pickle.dumps(value, protocol))
        assert loaded[1][0] is loaded
        assert loaded[1][1]["v"] is loaded


@pytest.mark.parametrize("texts", ["tok{}", "tök{}", "{:0200d}", "\u65e5\u672c{}"])
def test_large_vocabularies(texts: str) -> None:
    vectorizer = TfidfVectorizer()
    vectorizer.vocabulary_ = {texts.format(i): i for i in range(30_000)}
    vectorizer.names = [text + "!" for text in vectorizer.vocabulary_]
    # Entries of the batch are asked for again, by memo index.
    vectorizer.again = dict.fromkeys(reversed(vectorizer.names[500:900]), 1.5)
    for protocol in (2, 4, 5):
        loaded = round_trip(pickle.dumps(vectorizer, protocol))
        assert loaded.vocabulary_ == vectorizer.vocabulary_
        assert loaded.names == vectorizer.names
        assert loaded.again == vectorizer.again


def test_strings_of_a_batch_are_known_again() -> None:
    texts = [f"feature{i}" for i in range(2000)] + ["f8", "numpy", "dtype"]
    texts_again = pickle.dumps((texts, np.dtype("f8")), 4)
    assert round_trip(texts_again)[1] == np.dtype("f8")
    # "numpy", "dtype" and "f8" come out of the batch's memo entries.
    data = pickle.dumps(texts, 4)
    get = [b"j" + (2000 + n).to_bytes(4, "little") for n in (2, 3, 1)]
    state = b"(K\x03\x8c\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    tail = get[0] + get[1] + b"\x93" + get[2] + b"\x89\x88\x87R" + state + b"\x86."
    framed = data[:2] + data[11:-1] + tail
    assert round_trip(framed) == (texts, np.dtype("f8"))


def test_out_of_band_buffers_and_columns() -> None:
    buffers: list[pickle.PickleBuffer] = []
    columns: list[Any] = [["a", "b"], {"k": 1}]

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> int | None:
            return next((i for i, one in enumerate(columns) if one is value), None)

    file = io.BytesIO()
    arrays = [np.arange(5.0), np.arange(3)]
    Pickler(file, 5, buffer_callback=buffers.append).dump([*arrays, *columns, columns[0]])
    parts = [bytes(one.raw()) for one in buffers]
    parts += [b"a\0b", b"k", (1).to_bytes(8, "little")]
    data = bytearray()
    for part in parts:
        data += b"\0" * (aligned(len(data)) - len(data)) + part
    records = [column_record(b"list-s\0\0", 2), column_record(b"dict-s-q", 1)]
    members = {STREAM: file.getvalue(), BUFFERS: bytes(data)}
    members[INDEX] = pack_index([len(part) for part in parts], records, [], b"")
    views = {name: memoryview(bytearray(raw)) for name, raw in members.items()}
    admitted = admit(Payload("pickle", {}, views, True), Policy.default())
    assert len(admitted.parts.buffers) == len(admitted.parts.objects) == 2
    assert admitted.stream is views[STREAM]
    for stream in (b"\x80\x05K\x02Q.", b"\x80\x05K\x00Q.", b"\x80\x05\x97\x97\x86K\x00QNa\x86."):
        views[STREAM] = memoryview(bytearray(stream))
        with pytest.raises((ForbiddenOperationError, CorruptArtifactError)):
            admit(Payload("pickle", {}, views, True), Policy.default())


def test_joblib_arrays_share_the_payloads_memory() -> None:
    file = io.BytesIO()
    joblib.dump({"a": np.arange(1000.0)}, file)
    one = payload(file.getvalue(), "joblib")
    admitted = admit(one, Policy.default())
    view = next(iter(one.members.values()))
    view[file.getvalue().index(np.float64(999).tobytes())] = 1
    assert load(admitted)["a"][999] != 999


def test_survey_lists_names_calls_and_roles() -> None:
    data = pickle.dumps(FunctionTransformer(np.log1p), 4)
    seen = survey(payload(data), Policy(chosen=Policy.default().allowlist))
    roles = {one.dotted: one.roles for one in seen.globals}
    key = "sklearn.preprocessing._function_transformer.FunctionTransformer"
    assert roles[key] == ("build", "new")
    assert not seen.untrusted
    assert seen.problem is None
    assert roles["numpy.log1p"] == ("reference",)
    assert seen.calls == (key,)
