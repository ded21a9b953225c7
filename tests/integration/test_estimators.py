# SPDX-License-Identifier: BSD-3-Clause
"""Every estimator of scikit-learn through the front door: same predictions, no name to trust.

The signed artifact in both formats, and the legacy road for every pickle protocol and joblib
compressor, all under the default policy.
"""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import scipy.sparse as sp

import safeserial as ss
from tests import zoo

# Some estimators warn, whoever unpickles them, that they will go.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
METHODS = ("predict", "predict_proba", "decision_function", "transform", "score_samples")
COMPRESSORS = ("zlib", "gzip", "bz2", "lzma", "xz", "lz4")
SOME = ("GaussianProcessClassifier", "HistGradientBoostingClassifier", "KNeighborsClassifier",
        "RandomForestClassifier", "SVC", "TfidfVectorizer")  # fmt: skip


def outputs(model: Any, data: Any) -> dict[str, Any]:
    """Return what each method of a model says of data; an exception counts as its type."""
    found: dict[str, Any] = {}
    for name in METHODS:
        method = getattr(model, name, None)
        if method is None:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found[name] = method(data)
            except Exception as error:  # noqa: BLE001 - both models must fail alike
                found[name] = type(error)
    return found


def same(one: Any, other: Any) -> bool:
    """Say whether two outputs are equal bit for bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if sp.issparse(one):
        return one.shape == other.shape and one.dtype == other.dtype and (one != other).nnz == 0
    if isinstance(one, np.ndarray):
        if one.dtype != other.dtype or one.shape != other.shape:
            return False
        if one.dtype.hasobject:
            return all(map(same, one.ravel().tolist(), other.ravel().tolist()))
        return one.tobytes() == other.tobytes()
    if hasattr(one, "to_numpy"):
        return same(one.to_numpy(), other.to_numpy())
    return bool(one == other)


def assert_same(model: Any, again: Any, data: Any) -> None:
    """Fail unless two models are of one class and say the same of data."""
    assert type(again) is type(model)
    # A kernel of two arrays takes another path where both are one object, as in the original, which
    # keeps the very array it was fitted on: ask both models about a copy.
    data = copy.deepcopy(data)
    expected, found = outputs(model, data), outputs(again, data)
    assert expected.keys() == found.keys()
    different = [name for name in expected if not same(expected[name], found[name])]
    assert not different


@pytest.fixture(scope="module")
def ring() -> ss.Keyring:
    """Return a ring of one key."""
    return ss.Keyring([ss.HmacKey.generate()])


@pytest.mark.parametrize("name", zoo.names())
def test_signed_artifact_gives_the_same_model(name: str, ring: ss.Keyring, tmp_path: Path) -> None:
    model, data = zoo.fitted(name)
    for form in ("pickle", "joblib"):
        path = tmp_path / f"{form}.safeserial"
        manifest = ss.dump(model, path, keyring=ring, format=form)
        assert manifest.model.class_name == f"{type(model).__module__}.{type(model).__qualname__}"
        assert ss.get_untrusted_types(path) == []
        assert_same(model, ss.load(path, keyring=ring), data)


@pytest.mark.parametrize("name", zoo.names())
def test_legacy_pickle_gives_the_same_model(name: str, tmp_path: Path) -> None:
    model, data = zoo.fitted(name)
    for protocol in range(2, 6):
        path = tmp_path / f"{protocol}.pkl"
        path.write_bytes(pickle.dumps(model, protocol))
        assert_same(model, ss.load_unsigned(path), data)


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("protocol", [0, 1])
def test_text_protocols_load(name: str, protocol: int, tmp_path: Path) -> None:
    model, data = zoo.fitted(name)
    path = tmp_path / "old.pkl"
    path.write_bytes(pickle.dumps(model, protocol))
    assert_same(model, ss.load_unsigned(path), data)


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("compress", [0, *((one, 3) for one in COMPRESSORS)], ids=str)
def test_legacy_joblib_gives_the_same_model(name: str, compress: Any, tmp_path: Path) -> None:
    model, data = zoo.fitted(name)
    path = tmp_path / "old.joblib"
    for protocol in range(2, 6):
        joblib.dump(model, path, compress=compress, protocol=protocol)
        assert_same(model, ss.load_unsigned(path), data)


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("form", ["pickle", "joblib"])
@pytest.mark.parametrize("compression", [*COMPRESSORS, "zstd", ("zlib", 9), ("xz", 1)], ids=str)
def test_compressed_artifact_gives_the_same_model(
    name: str, form: str, compression: Any, ring: ss.Keyring
) -> None:
    model, data = zoo.fitted(name)
    artifact = ss.dumps(model, keyring=ring, format=form, compression=compression)
    assert_same(model, ss.loads(artifact, keyring=ring), data)


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("compression", [None, *COMPRESSORS], ids=str)
def test_unzipped_joblib_payload_opens_with_joblib(
    name: str, compression: Any, ring: ss.Keyring, tmp_path: Path
) -> None:
    import zipfile

    model, data = zoo.fitted(name)
    artifact = ss.dumps(model, keyring=ring, format="joblib", compression=compression)
    with zipfile.ZipFile(io.BytesIO(artifact)) as archive:
        assert archive.testzip() is None
        (member,) = [one for one in archive.namelist() if one.startswith("payload/")]
        plain = tmp_path / Path(member).name
        plain.write_bytes(archive.read(member))
    assert_same(model, joblib.load(plain), data)


def test_loaded_arrays_can_be_written(ring: ss.Keyring) -> None:
    model, _ = zoo.fitted("LinearRegression")
    for form in ("pickle", "joblib"):
        again = ss.loads(ss.dumps(model, keyring=ring, format=form), keyring=ring)
        before = model.coef_.copy()
        again.coef_ += 1
        assert (again.coef_ == before + 1).all()
        assert (model.coef_ == before).all()


def test_shared_objects_stay_shared(ring: ss.Keyring) -> None:
    table = {f"word{number}": number for number in range(5000)}
    numbers = np.arange(10.0)
    model = {"a": table, "b": table, "x": numbers, "y": numbers, "z": [numbers, table]}
    for form in ("pickle", "joblib"):
        again = ss.loads(ss.dumps(model, keyring=ring, format=form), keyring=ring)
        assert again["a"] is again["b"] is again["z"][1]
        assert again["a"] == table
        if form == "pickle":  # joblib itself writes an array each time it meets it
            assert again["x"] is again["y"] is again["z"][0]
