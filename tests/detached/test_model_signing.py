# SPDX-License-Identifier: BSD-3-Clause
"""OpenSSF Model Signing, both ways, with its real command line; and its faults, not inherited."""

import json
import subprocess
import sys

import pytest

import safeserial as ss
from safeserial import errors
from safeserial.detached.statement import Resource, root_of
from tests.detached.conftest import EC, FILES, RING, Bench, refusal

CURVES = ["P-256", "P-384", "P-521"]


@pytest.fixture(params=CURVES)
def pair(request, tmp_path, monkeypatch):
    """A key on each curve, as the PEM files that their tool reads."""
    monkeypatch.chdir(tmp_path)
    key = ss.EcdsaKey.generate(request.param)
    (tmp_path / "key.pem").write_bytes(key.to_pem())
    (tmp_path / "key.pub").write_bytes(key.public.to_pem())
    return key


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_they_accept_what_we_sign_and_refuse_it_changed(kind, pair, folder, plain, model_signing):
    path = folder if kind == "folder" else plain
    made = ss.sign(path, keyring=ss.Keyring([pair]), name="churn", metadata={"team": "risk"})
    order = ("verify", "key", path, "--public_key", "key.pub", "--signature", made)
    code, said = model_signing(*order)
    assert code == 0, said
    victim = folder / "config.json" if kind == "folder" else plain
    victim.write_bytes(victim.read_bytes() + b" ")
    assert model_signing(*order)[0] != 0


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_we_accept_what_they_sign_and_refuse_it_changed(kind, pair, folder, plain, model_signing):
    path = folder if kind == "folder" else plain
    code, said = model_signing(
        "sign", "key", path, "--private_key", "key.pem", "--signature", f"{path}.sig"
    )
    assert code == 0, said
    ring = ss.Keyring([pair.public])
    verified = ss.verify(path, keyring=ring)
    assert [one.key_id for one in verified.signers] == [pair.key_id]
    expected = sorted(FILES) if kind == "folder" else ["model.joblib"]
    assert sorted(one.name for one in verified.files) == expected
    assert verified.created is None  # their statement has no date
    if kind == "file":
        assert ss.load(path, keyring=ring)["weights"] == [1, 2, 3]
    victim = folder / "config.json" if kind == "folder" else plain
    victim.write_bytes(victim.read_bytes() + b" ")
    assert type(refusal(lambda: ss.verify(path, keyring=ring))) is errors.ChangedFilesError


def test_their_names_and_git_files_are_left_out_as_they_leave_them_out(folder, model_signing):
    (folder.parent / "key.pem").write_bytes(EC.to_pem())
    (folder / ".gitattributes").write_text("*.bin filter=lfs\n")
    (folder / ".github/workflows").mkdir(parents=True)
    (folder / ".github/workflows/ci.yml").write_text("on: push\n")
    inside = folder / "model.sig"  # their own default place is in the folder of the model
    code, said = model_signing(
        "sign", "key", folder, "--private_key", "key.pem", "--signature", inside
    )
    assert code == 0, said
    verified = ss.verify(folder, keyring=RING, signature=inside)
    assert sorted(verified.left_out) == [".gitattributes", ".github", "model.sig"]
    assert sorted(one.name for one in verified.files) == sorted(FILES)


def test_a_renamed_file_still_verifies_and_both_spellings_of_its_name(plain, model_signing):
    made = ss.sign(plain, keyring=RING)
    said = Bench.of(made).said["predicate"]["resources"]
    assert [one["name"] for one in said] == ["."]  # what their release wants
    bench = Bench.of(made)
    bench.said["predicate"]["resources"][0]["name"] = "model.joblib"  # what their text wants
    bench.signed(EC).write(made)
    assert ss.verify(plain, keyring=RING).files[0].name == "model.joblib"
    ss.sign(plain, keyring=RING)
    plain.rename("renamed.joblib")
    made.rename("renamed.joblib.sig")
    assert ss.verify("renamed.joblib", keyring=RING).files[0].name == "renamed.joblib"
    (plain.parent / "key.pub").write_bytes(EC.public.to_pem())
    order = ("verify", "key", "renamed.joblib", "--public_key", "key.pub")
    assert model_signing(*order, "--signature", "renamed.joblib.sig")[0] == 0


# What their release was found to do ------------------------------------------------------------


def sign_by_their_library(folder, config):
    """Sign as their Python interface does it, which can do more than their command line."""
    (folder.parent / "key.pem").write_bytes(EC.to_pem())
    program = (
        "import model_signing.signing as s, model_signing.hashing as h, pathlib;"
        f"c = h.Config().{config};"
        "s.Config().use_elliptic_key_signer(private_key=pathlib.Path('key.pem'))"
        ".set_hashing_config(c)"
        f".sign(pathlib.Path('{folder.name}'), pathlib.Path('{folder.name}.sig'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=folder.parent,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_their_shards_are_refused_by_name_and_not_half_read(folder, model_signing):
    sign_by_their_library(folder, "use_shard_serialization(shard_size=500)")
    said = Bench.of("model.sig").said["predicate"]
    assert "sub/__init__.py" not in json.dumps(said["resources"])  # empty files are not covered
    error = refusal(lambda: ss.verify(folder, keyring=RING))
    assert type(error) is errors.UnsupportedVersionError


def test_a_digest_of_shards_under_the_plain_method_is_refused(folder):
    bench = Bench.of(ss.sign(folder, keyring=RING))
    bench.said["predicate"]["resources"][0]["algorithm"] = "sha256-sharded-500"
    bench.signed(EC).write("model.sig")
    error = refusal(lambda: ss.verify(folder, keyring=RING))
    assert type(error) is errors.UnsupportedVersionError


def test_their_blake2b_is_refused_by_name(folder, model_signing):
    sign_by_their_library(folder, "use_file_serialization(hashing_algorithm='blake2')")
    error = refusal(lambda: ss.verify(folder, keyring=RING))
    assert type(error) is errors.UnsupportedVersionError
    assert "blake2" in str(error)


def test_empty_files_are_covered(folder):
    ss.sign(folder, keyring=RING)
    (folder / "evil_empty.txt").touch()
    added = refusal(lambda: ss.verify(folder, keyring=RING))
    assert type(added) is errors.AddedFilesError
    assert added.names == ("evil_empty.txt",)
    (folder / "evil_empty.txt").unlink()
    (folder / "sub/__init__.py").unlink()
    removed = refusal(lambda: ss.verify(folder, keyring=RING))
    assert type(removed) is errors.RemovedFilesError
    assert removed.names == ("sub/__init__.py",)


def test_an_empty_model_neither_signs_nor_verifies(tmp_path):
    (tmp_path / "empty").mkdir()
    refusal(lambda: ss.sign(tmp_path / "empty", keyring=RING))
    (tmp_path / "empty/one").touch()
    made = ss.sign(tmp_path / "empty", keyring=RING)
    bench = Bench.of(made)
    bench.said["predicate"]["resources"] = []
    bench.said["subject"][0]["digest"]["sha256"] = (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    bench.signed(EC).write(made)
    (tmp_path / "empty/one").unlink()
    error = refusal(lambda: ss.verify(tmp_path / "empty", keyring=RING))
    assert type(error) is errors.CorruptArtifactError


def test_two_folders_of_one_root_digest_are_two(folder):
    ss.sign(folder, keyring=RING)
    before = ss.verify(folder, keyring=RING).artifact_id
    (folder / "config.json").rename(folder / "config.py")
    assert type(refusal(lambda: ss.verify(folder, keyring=RING))) is errors.AddedFilesError
    ss.sign(folder, keyring=RING)
    assert ss.verify(folder, keyring=RING).artifact_id != before


@pytest.mark.parametrize(
    ("field", "value"),
    [("method", "shards"), ("hash_type", "blake2b"), ("hash_type", "blake3"),
     ("allow_symlinks", True), ("shard_size", 500.0)],
)  # fmt: skip
def test_another_way_of_hashing_is_refused(field, value, folder):
    bench = Bench.of(ss.sign(folder, keyring=RING))
    bench.said["predicate"]["serialization"][field] = value
    bench.signed(EC).write("model.sig")
    error = refusal(lambda: ss.verify(folder, keyring=RING))
    assert type(error) is errors.UnsupportedVersionError


@pytest.mark.parametrize("change", ["no hint", "no log", "no keyid", "null keyid", "spaces", "raw"])
def test_what_their_releases_write_differently_is_read(change, folder):
    bench = Bench.of(ss.sign(folder, keyring=RING))
    if change == "no hint":
        del bench.key["hint"]
    if change == "raw":  # of releases up to 1.0
        bench.key.clear()
        bench.key["rawBytes"] = "AAAA"
    if change == "no log":
        del bench.top["verificationMaterial"]["tlogEntries"]
    if change in {"no keyid", "raw"}:
        del bench.envelope["signatures"][0]["keyid"]
    if change == "null keyid":
        bench.envelope["signatures"][0]["keyid"] = None
    if change == "spaces":
        bench.said["predicate"]["resources"].reverse()
        resources = bench.said["predicate"]["resources"]
        root = root_of([Resource(one["name"], one["digest"]) for one in resources])
        bench.said["subject"][0]["digest"]["sha256"] = root
        bench.signed(EC, json.dumps(bench.said, indent=3).encode())
        (folder.parent / "model.sig").write_text(json.dumps(bench.top, indent=2))
    else:
        bench.write("model.sig")
    assert len(ss.verify(folder, keyring=ss.Keyring([EC.public])).files) == len(FILES)
