# SPDX-License-Identifier: BSD-3-Clause
"""Plain model files with a signature beside them: read once, verified, then the usual loader."""

import json
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest

import safeserial as ss
from safeserial import errors
from safeserial.artifact import matching
from tests.detached.conftest import EC, ED, RING, refusal


def write(kind, path):
    """Write the same arrays in a format."""
    data = {"weights": np.arange(1000.0), "names": ["a", "b"]}
    if kind == "joblib":
        joblib.dump(data, path)
    elif kind == "compressed":
        joblib.dump(data, path, compress=3)
    elif kind == "skops":
        skops = pytest.importorskip("skops.io")
        skops.dump(data, path)
    else:
        path.write_bytes(pickle.dumps(data, protocol=5))


@pytest.mark.parametrize("kind", ["joblib", "compressed", "pickle", "skops"])
@pytest.mark.parametrize("key", [EC, ED], ids=["ec", "ed25519"])
def test_a_signed_file_loads_and_an_altered_one_does_not(kind, key, tmp_path):
    path = tmp_path / f"model.{kind}"
    write(kind, path)
    ring = ss.Keyring([key])
    ss.sign(path, keyring=ring)
    loaded = ss.load(path, keyring=ss.Keyring([key.public]))
    assert loaded["names"] == ["a", "b"]
    assert (loaded["weights"] == np.arange(1000.0)).all()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert type(refusal(lambda: ss.load(path, keyring=ring))) is errors.ChangedFilesError


def test_a_signed_onnx_model_runs(tmp_path):
    pytest.importorskip("onnxruntime")
    from sklearn.linear_model import LinearRegression

    rows = np.arange(20.0).reshape(10, 2)
    model = LinearRegression().fit(rows, rows.sum(axis=1))
    path = tmp_path / "model.onnx"
    ss.to_onnx(model, rows, path)
    ss.sign(path, keyring=RING)
    session = ss.load(path, keyring=RING)
    assert session.get_inputs()


def test_a_good_signature_opens_no_way_round_the_allowlist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pkl"
    path.write_bytes(b"cos\nsystem\n(S'touch marker'\ntR.")
    ss.sign(path, keyring=RING)
    assert ss.verify(path, keyring=RING)  # who signed it is true ...
    error = refusal(lambda: ss.load(path, keyring=RING))  # ... and it is still refused
    assert isinstance(error, errors.PolicyError)
    assert not (tmp_path / "marker").exists()


def test_without_a_signature_the_error_says_so(plain):
    for action in (ss.load, ss.verify):
        error = refusal(lambda action=action: action(plain, keyring=RING))
        assert type(error) is errors.NotAnArtifactError
        assert "model.joblib.sig" in str(error)
        assert "load_unsigned" in error.hint
    error = refusal(lambda: ss.verify(plain, keyring=RING, signature="nowhere.sig"))
    assert type(error) is errors.UnsignedError


def test_an_unsigned_folder_is_refused(folder):
    error = refusal(lambda: ss.verify(folder, keyring=RING))
    assert type(error) is errors.UnreadableFileError
    assert "model.sig" in str(error)


def test_a_broken_symlink_in_the_place_of_the_signature_is_no_way_round_it(plain):
    plain.with_name("model.joblib.sig").symlink_to("nowhere")
    assert type(refusal(lambda: ss.load(plain, keyring=RING))) is errors.UnsignedError


def test_the_file_is_opened_once_and_what_was_hashed_is_what_is_loaded(plain, monkeypatch):
    ss.sign(plain, keyring=RING)
    evil = b"cos\nsystem\n(S'touch marker'\ntR."
    real = matching.require_digests

    def swapped(found, claim):
        plain.unlink()
        plain.write_bytes(evil)  # between the check and the use
        real(found, claim)

    monkeypatch.setattr(matching, "require_digests", swapped)
    assert ss.load(plain, keyring=RING)["weights"] == [1, 2, 3]
    assert plain.read_bytes() == evil
    assert not plain.with_name("marker").exists()


def test_the_file_is_opened_once(plain):
    ring = plain.with_name("ring.keys")
    ss.sign(plain, keyring=RING)
    RING.save(ring)
    program = """
import sys, json
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
import safeserial as ss
ss.load("model.joblib", keyring=ss.Keyring.load("ring.keys"))
print(json.dumps(opened))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=plain.parent,
        check=True,
    )
    opened = json.loads(done.stdout)
    assert opened.count("model.joblib") == 1
    assert opened.count("model.joblib.sig") == 1


def test_formats_that_the_policy_does_not_take(tmp_path):
    path = tmp_path / "model.pkl"
    write("pickle", path)
    ss.sign(path, keyring=RING)
    none = ss.Policy.default().with_formats(["skops"])
    assert type(refusal(lambda: ss.load(path, keyring=RING, policy=none))) is errors.PolicyError
    assert ss.load(path, keyring=RING, policy=none.with_formats(["pickle"]))
    rule = ss.SignerRule(names=("*",), formats=("skops",))
    strict = ss.Policy.default().with_signers([rule])
    for action in (ss.load, ss.verify):
        error = refusal(lambda action=action: action(path, keyring=RING, policy=strict))
        assert type(error) is errors.PolicyError
    fitting = ss.Policy.default().with_signers([ss.SignerRule(names=("*",), formats=("pickle",))])
    assert ss.load(path, keyring=RING, policy=fitting)
    assert ss.verify(path, keyring=RING, policy=fitting)
    (tmp_path / "notes.txt").write_text("no model")
    ss.sign(tmp_path / "notes.txt", keyring=RING)
    error = refusal(lambda: ss.verify(tmp_path / "notes.txt", keyring=RING, policy=fitting))
    assert type(error) is errors.PolicyError


def test_a_signed_file_that_is_no_model_is_refused(tmp_path):
    path = tmp_path / "page.pkl"
    path.write_bytes(b"<!DOCTYPE html>")
    ss.sign(path, keyring=RING)
    assert type(refusal(lambda: ss.load(path, keyring=RING))) is errors.NotAnArtifactError


def test_an_artifact_is_opened_by_its_own_signature(tmp_path):
    path = tmp_path / "model.safeserial"
    ss.dump([1, 2], path, keyring=RING)
    ss.sign(path, keyring=ss.Keyring([ED]))  # of the whole file, for tools that know no artifacts
    assert ss.load(path, keyring=RING) == [1, 2]
    assert ss.verify(path, keyring=RING).manifest.format == "pickle"
    beside = ss.verify(path, keyring=ss.Keyring([ED]), signature=f"{path}.sig")
    assert [one.key_id for one in beside.signers] == [ED.key_id]
