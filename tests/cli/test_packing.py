# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial pack`` and ``unpack``: legacy files in, ordinary files out, hostile ones refused."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import pytest

import safeserial as ss

CONTENT = {"weights": [1, 2]}


class Planted:
    """Asks whoever unpickles it to run a command."""

    def __reduce__(self):
        return os.system, ("touch marker",)


def test_pack_checks_signs_and_prints_the_artifact_id(run, legacy, ring):
    ended = run("pack", "legacy.pkl", "-o", "out.safeserial", "--name", "n", "--version", "2")
    assert ended.code == 0
    verified = ss.verify("out.safeserial", keyring=ring)
    assert ended.out == f"{verified.artifact_id}\n"
    assert ended.err.startswith("packed builtins.dict (")
    assert ring.active.key_id in ended.err
    assert (verified.manifest.name, verified.manifest.version) == ("n", "2")
    assert ss.load("out.safeserial", keyring=ring) == CONTENT


def test_metadata_is_signed_as_text(run, legacy, ring):
    run("pack", legacy, "-o", "out", "--meta", "auc=0.93", "--meta", "note=a=b", "--meta", "empty=")
    manifest = ss.verify("out", keyring=ring).manifest
    assert manifest.metadata == {"auc": "0.93", "note": "a=b", "empty": ""}


@pytest.mark.parametrize("format_name", ["pickle", "joblib"])
@pytest.mark.parametrize("compression", [None, "zlib", "xz:1", "bz2:9", "gzip:0"])
def test_formats_and_compressors_go_there_and_back(run, legacy, ring, format_name, compression):
    options = ["--compression", compression] if compression else []
    assert run("pack", legacy, "-o", "out", "--format", format_name, *options).code == 0
    assert ss.verify("out", keyring=ring).manifest.format == format_name
    ended = run("unpack", "out", "-o", "back")
    assert (ended.code, ended.out) == (0, "")
    assert "is not signed" in ended.err
    opened = (
        joblib.load("back") if format_name == "joblib" else pickle.loads(Path("back").read_bytes())
    )
    assert opened == CONTENT


def test_a_joblib_payload_comes_out_byte_for_byte(run, ring):
    joblib.dump(CONTENT, "model.joblib")
    run("pack", "model.joblib", "-o", "out", "--format", "joblib")
    run("unpack", "out", "-o", "back.joblib")
    assert Path("back.joblib").read_bytes() == Path("model.joblib").read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--compression", "rar"], "no compressor called 'rar'"),
        (["--compression", "zlib:11"], "compression level 11"),
        (["--compression", "zlib:fast"], "the level is a digit"),
        (["--compression", "zlib:²"], "the level is a digit"),
        (["--compression", ""], "no compressor called ''"),
        (["--meta", "novalue"], "--meta takes KEY=VALUE"),
        (["--meta", "=x"], "--meta takes KEY=VALUE"),
        (["--meta", "a=1", "--meta", "a=2"], "given twice"),
        (["--meta", "ü=1"], "metadata cannot be signed"),
        (["--name", ""], "name is 1 to 200"),
        (["--name", "a\nb"], "name is 1 to 200"),
        (["--version", "x" * 201], "version is 1 to 200"),
        (["--trust", "os"], "not a dotted name"),
        (["--trust", "*"], "not a dotted name"),
        (["--policy", "legacy.pkl"], "is not TOML"),
    ],
)
def test_arguments_that_make_no_sense_write_nothing(run, legacy, ring, options, message):
    ended = run("pack", legacy, "-o", "out", *options)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.error[0]
    assert not Path("out").exists()


@pytest.mark.parametrize("option", [["--policy", "missing.toml"], ["--keyring", "missing.keys"]])
def test_files_that_are_missing_are_told(run, legacy, ring, option):
    assert run("pack", legacy, "-o", "out", *option).code == 2
    assert not Path("out").exists()


def test_a_planted_pickle_is_refused_and_the_hint_names_what_it_names(run, planted, ring):
    ended = run("pack", "planted.pkl", "-o", "out")
    assert (ended.code, ended.out) == (1, "")
    message, hint = ended.error
    assert "os.system" in message
    assert hint == "models do not use os.system: most likely the file is hostile, do not load it"
    assert not Path("out").exists()
    assert not Path("marker").exists()


def test_a_planted_pickle_is_refused_though_the_right_key_signed_it(run, ring):
    ss.dump(Planted(), "out", keyring=ring)
    assert run("verify", "out").code == 0  # the signature is good, and says only who signed
    ended = run("unpack", "out", "-o", "back")
    assert ended.code == 1
    assert "system" in ended.error[0]
    assert not Path("back").exists()
    assert not Path("marker").exists()


def test_a_policy_file_and_trusted_names_extend_the_allowlist(run, ring):
    Path("m.pkl").write_bytes(b"cipaddress\nIPv4Address\n(S'10.0.0.1'\ntR.")
    refused = run("pack", "m.pkl", "-o", "out")
    assert refused.code == 1
    assert run("pack", "m.pkl", "-o", "out", "--trust", "ipaddress.IPv4Address").code == 0
    Path("p.toml").write_text('[globals.ipaddress]\nIPv4Address = "new call"\n')
    assert run("unpack", "out", "-o", "back.pkl", "--trust", "ipaddress.IPv4Address").code == 0
    assert str(pickle.loads(Path("back.pkl").read_bytes())) == "10.0.0.1"
    assert run("unpack", "out", "-o", "again.pkl", "--policy", "p.toml").code == 0


def test_the_hint_is_what_to_type_if_one_trusts_a_library(run, ring):
    Path("m.pkl").write_bytes(b"cmylib.steps\nCleaner\n(tR.")
    hint = run("pack", "m.pkl", "-o", "out").error[1]
    assert hint == ("read what these names do; if you trust them, add: --trust mylib.steps.Cleaner")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", 2),
        (b"PK\x03\x04" + bytes(60), 2),
        (b"\x80\x04]\x94(K", 2),
        (b"hello", 2),
        (bytes(100), 2),
    ],
)
def test_what_is_no_model_file_is_not_packed(run, ring, content, code):
    Path("m.pkl").write_bytes(content)
    ended = run("pack", "m.pkl", "-o", "out")
    assert (ended.code, ended.out) == (code, "")
    _ = ended.error
    assert not Path("out").exists()


def test_a_ring_without_active_key_is_told_before_anything_is_read(run, legacy, ring):
    run("keys", "retire", ring.active.key_id)
    ended = run("pack", "missing.pkl", "-o", "out")
    assert ended.code == 2
    assert "no active key" in ended.error[0]


def test_an_old_output_survives_a_refusal(run, planted, ring):
    Path("out").write_text("old")
    run("pack", planted, "-o", "out")
    assert Path("out").read_text() == "old"
    run("unpack", planted, "-o", "out")
    assert Path("out").read_text() == "old"


@pytest.mark.parametrize("place", ["missing/out", "."])
def test_places_that_cannot_be_written_are_told(run, legacy, ring, place):
    ended = run("pack", legacy, "-o", place)
    assert ended.code == 2
    _ = ended.error


def test_unpack_refuses_what_verify_refuses(run, artifact):
    run("keys", "new", "--keyring", "other.keys")
    assert run("unpack", artifact, "-o", "back", "--keyring", "other.keys").code == 1
    artifact.write_bytes(artifact.read_bytes()[:-1])
    assert run("unpack", artifact, "-o", "back").code == 2
    assert not Path("back").exists()


def test_unpack_writes_to_a_pipe(program, artifact, ring):
    command = [sys.executable, "-m", "safeserial", "unpack", str(artifact), "-o", "-"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert pickle.loads(done.stdout) == ss.load(artifact, keyring=ring)
    assert done.stderr.startswith(b"unpacked builtins.dict")


@pytest.mark.skipif(os.name != "posix", reason="terminals")
def test_unpack_never_writes_to_a_terminal(artifact):
    leader, follower = os.openpty()
    command = [sys.executable, "-m", "safeserial", "unpack", str(artifact), "-o", "-"]
    done = subprocess.run(command, stdout=follower, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(follower)
    os.close(leader)
    assert done.returncode == 2
    assert b"not written to a terminal" in done.stderr


def test_other_versions_are_one_line_of_talk(program, ring, monkeypatch):
    from safeserial import environment

    monkeypatch.setattr(environment, "version", lambda name: "0.1" if name == "numpy" else None)
    data = ss.dumps(CONTENT, keyring=ring)
    Path("old.safeserial").write_bytes(data)
    ended = program("unpack", "old.safeserial", "-o", "back")
    assert ended.code == 0
    first = ended.err.splitlines()[0]
    assert first.startswith("warning: the model was saved under other versions: numpy 0.1 → ")


def test_the_artifact_id_is_that_of_verify(run, legacy, ring):
    packed = run("pack", legacy, "-o", "out").out.strip()
    document = json.loads(run("verify", "--json", "out").out)
    assert document["files"][0]["artifact_id"] == packed
    manifest = ss.verify("out", keyring=ring).manifest
    assert hashlib.sha256(manifest.encode()).hexdigest() == packed
