# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial verify``: one line a file, and three exit codes that scripts can believe."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import safeserial as ss

KEY_ID = r"hmac-[0-9a-f]{32}"


def test_ok_is_one_line(run, artifact, ring):
    ended = run("verify", "model.safeserial")
    assert (ended.code, ended.err) == (0, "")
    pattern = rf"OK  model\.safeserial  churn 1\.0  signed by {KEY_ID}  \(created 20\S+Z\)\n"
    assert re.fullmatch(pattern, ended.out)
    assert ring.active.key_id in ended.out


def test_a_model_without_a_name_goes_by_its_class(run, ring):
    ss.dump({"a": 1}, "plain.safeserial", keyring=ring)
    assert "  builtins.dict  signed by " in run("verify", "plain.safeserial").out


def test_the_option_goes_before_the_environment(run, artifact):
    run("keys", "new", "--keyring", "other.keys")
    assert run("verify", artifact, "--keyring", "other.keys").code == 1
    assert run("verify", artifact, "--keyring", "team.keys").code == 0


def test_without_any_keyring_it_cannot_tell(run, artifact, monkeypatch):
    monkeypatch.delenv("SAFESERIAL_KEYRING")
    ended = run("verify", artifact)
    assert (ended.code, ended.out) == (2, "")
    assert "keys new" in ended.error[1]


def damage(kind, path, run):
    data = bytearray(path.read_bytes())
    if kind == "flipped":
        data[-400] ^= 1
    elif kind == "reworded":
        data = data.replace(b"churn", b"CHURN")
    elif kind == "cut":
        data = data[:-1]
    elif kind == "longer":
        data += b"\0"
    elif kind == "empty":
        data = b""
    elif kind == "text":
        data = b"hello\n" * 100
    elif kind == "stranger":
        stranger = ss.Keyring([ss.HmacKey.generate()])
        data = ss.dumps({"a": 1}, keyring=stranger)
    elif kind in ("retire", "revoke"):
        key_id = ss.Keyring.load("team.keys").active.key_id
        assert run("keys", kind, key_id, "--reason", "tests").code == 0
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("kind", "code", "error"),
    [
        ("cut", 2, "CorruptArtifactError"),
        ("longer", 2, "CorruptArtifactError"),
        ("empty", 2, "NotAnArtifactError"),
        ("text", 2, "NotAnArtifactError"),
        ("stranger", 1, "UnknownKeyError"),
        ("retire", 1, "RetiredKeyError"),
        ("revoke", 1, "RevokedKeyError"),
    ],
)
def test_failures(run, artifact, kind, code, error):
    damage(kind, artifact, run)
    ended = run("verify", artifact)
    word = {1: "REFUSED", 2: "UNKNOWN"}[code]
    assert (ended.code, ended.out) == (code, f"{word}  {artifact}  {error}\n")
    _ = ended.error


@pytest.mark.parametrize("kind", ["flipped", "reworded"])
def test_an_altered_file_is_never_ok(run, artifact, kind):
    damage(kind, artifact, run)
    ended = run("verify", artifact)
    assert ended.code in (1, 2)
    assert "OK" not in ended.out


@pytest.mark.parametrize("name", ["missing", ".", "x" * 5000])
def test_paths_that_cannot_be_read_are_unknown(run, ring, name):
    ended = run("verify", name)
    assert ended.code == 2
    assert ended.out.startswith("UNKNOWN  ")
    _ = ended.error


def test_several_files_each_have_a_line_and_the_worst_decides(run, artifact, ring):
    Path("text").write_text("hello")
    Path("stranger").write_bytes(ss.dumps(1, keyring=ss.Keyring([ss.HmacKey.generate()])))
    words = lambda ended: [line.split()[0] for line in ended.out.splitlines()]
    three = run("verify", artifact, "text", "stranger", artifact)
    assert words(three) == ["OK", "UNKNOWN", "REFUSED", "OK"]
    assert three.code == 1
    assert len(three.err.splitlines()) == 4
    assert run("verify", artifact, "text").code == 2
    assert run("verify", artifact, artifact).code == 0


def test_json_holds_what_the_lines_say(run, artifact, ring):
    ended = run("verify", "--json", "model.safeserial", "missing")
    assert (ended.code, ended.err) == (2, "")
    document = json.loads(ended.out)
    good, bad = document["files"]
    assert good["status"] == "ok"
    assert good["signers"] == [
        {
            "key_id": ring.active.key_id,
            "algorithm": "hmac-sha256",
            "principal": None,
            "roles": [],
        }
    ]
    assert (good["name"], good["version"], good["metadata"]) == ("churn", "1.0", {"team": "risk"})
    verified = ss.verify("model.safeserial", keyring=ring)
    assert good["artifact_id"] == verified.artifact_id
    assert (bad["status"], bad["error"]) == ("unknown", "MissingFileError")
    assert bad["hint"]
    assert ended.out == json.dumps(document, sort_keys=True, indent=2) + "\n"


@pytest.mark.skipif(os.name != "posix", reason="terminals")
@pytest.mark.parametrize("large", [True, False])
def test_a_large_file_shows_progress_to_a_terminal_only(artifact, large):
    code = f"""
import sys
from safeserial.cli import render
render.LARGE = {0 if large else 2**60}
sys.argv = ["safeserial", "verify", "model.safeserial"]
from safeserial.__main__ import main
main()
"""
    leader, follower = os.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=follower,
        env=environment,
        check=False,
        timeout=60,
    )
    os.close(follower)
    try:
        shown = os.read(leader, 65536).decode()
    except OSError:  # nothing was written, and the other end is closed
        shown = ""
    os.close(leader)
    assert done.returncode == 0
    assert done.stdout.startswith(b"OK  ")
    assert ("model.safeserial" in shown) is large
    piped = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, timeout=60
    )
    assert piped.stderr == b""
