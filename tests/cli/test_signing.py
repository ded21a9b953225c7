# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial sign``, and ``verify`` of files and folders: codes, words, JSON."""

import json
import pty
import subprocess
import sys

import pytest

import safeserial as ss


@pytest.fixture
def pair(clean, monkeypatch):
    """A ring with an EC key, in the file that the environment names."""
    key = ss.EcdsaKey.generate()
    ring = ss.Keyring([key])
    ring.save("pair.keys")
    monkeypatch.setenv("SAFESERIAL_KEYRING", str(clean / "pair.keys"))
    return key


@pytest.fixture
def folder(clean):
    """A folder of two files."""
    (clean / "model").mkdir()
    (clean / "model/config.json").write_text("{}")
    (clean / "model/weights.bin").write_bytes(b"\x01" * 100)
    return clean / "model"


def test_sign_and_verify_files_and_folders(run, pair, folder, legacy):
    signed = run("sign", "model", "legacy.pkl", "--name", "churn", "--version", "2.0")
    assert signed.code == 0
    assert signed.out.splitlines() == ["model.sig", "legacy.pkl.sig"]
    assert pair.key_id in signed.err
    verified = run("verify", "model", "legacy.pkl")
    assert verified.code == 0
    first, second = verified.out.splitlines()
    assert first.startswith("OK  model  churn 2.0  2 files signed by p256-")
    assert second.startswith("OK  legacy.pkl  churn 2.0  1 file signed by")
    (folder / "new.txt").touch()
    refused = run("verify", "model", "legacy.pkl")
    assert refused.code == 1
    assert refused.out.splitlines()[0] == "REFUSED  model  AddedFilesError"
    assert refused.error[0] == "files that nobody signed: new.txt"


def test_json(run, pair, folder):
    signed = json.loads(run("sign", "model", "--json", "--meta", "team=risk").out)
    assert signed["key_id"] == pair.key_id
    assert signed["files"] == [{"path": "model", "signature": "model.sig", "status": "signed"}]
    (folder / ".gitignore").write_text("x\n")
    told = json.loads(run("verify", "model", "--json").out)["files"][0]
    assert told["status"] == "ok"
    assert [one["name"] for one in told["files"]] == ["config.json", "weights.bin"]
    assert told["left_out"] == [".gitignore"]
    assert told["metadata"] == {"team": "risk"}
    assert told["signers"][0]["key_id"] == pair.key_id
    (folder / "weights.bin").write_bytes(b"\x02" * 100)
    told = run("verify", "model", "--json")
    assert told.code == 1
    assert json.loads(told.out)["files"][0]["error"] == "ChangedFilesError"
    failed = run("sign", "nowhere", "model", "--json")
    assert failed.code == 2
    assert [one["status"] for one in json.loads(failed.out)["files"]] == ["failed", "signed"]


def test_what_is_not_covered_or_not_checked_is_said(run, pair, folder, clean):
    (folder / ".gitattributes").write_text("x\n")
    run("sign", "model")
    ss.sign("model", keyring=ss.Keyring([ss.Ed25519Key.generate()]))
    said = run("verify", "model")
    assert said.code == 0
    assert "note: no signature covers .gitattributes" in said.err
    assert "note: not checked, no such key here: ed25519-" in said.err


def test_signatures_of_others_are_dropped_only_when_that_is_said(run, pair, folder):
    ss.sign("model", keyring=ss.Keyring([ss.Ed25519Key.generate()]))
    (folder / "config.json").write_text("[]")
    refused = run("sign", "model")
    assert refused.code == 1
    assert "--drop-others" in refused.error[1]
    assert run("sign", "model", "--drop-others").code == 0
    assert run("verify", "model").code == 0


def test_leave_out(run, pair, folder):
    (folder / "cache").mkdir()
    (folder / "cache/x.pkl").write_text("x")
    assert run("sign", "model", "--leave-out", "cache").code == 0
    refused = run("verify", "model")
    assert refused.code == 1
    assert refused.out.strip().endswith("LeftOutContentError")
    assert run("verify", "model", "--leave-out", "cache").code == 0


def test_another_place_for_the_signature(run, pair, legacy):
    assert run("sign", "legacy.pkl", "--signature", "elsewhere.sig").out.strip() == "elsewhere.sig"
    assert run("verify", "legacy.pkl", "--signature", "elsewhere.sig").code == 0
    assert run("verify", "legacy.pkl").code == 2
    assert run("sign", "a", "b", "--signature", "x.sig").code == 2
    assert run("verify", "a", "b", "--signature", "x.sig").code == 2


def test_misuse(run, pair, legacy):
    assert (
        run("verify", "legacy.pkl", "--identity", "ml@example.org")
        .error[0]
        .startswith("--identity goes with --roots")
    )
    assert run("verify", "legacy.pkl", "--roots", "nowhere.pem", "--identity", "x").code == 2
    assert run("sign", "legacy.pkl", "--meta", "nothing").code == 2
    assert run("sign").code == 2


def test_a_policy_file_is_asked(run, pair, legacy, clean):
    run("sign", "legacy.pkl", "--version", "1.0")
    (clean / "strict.toml").write_text('[[signers]]\nnames = ["*"]\nmin_version = "2.0"\n')
    refused = run("verify", "legacy.pkl", "--policy", "strict.toml")
    assert refused.code == 1
    assert refused.out.strip().endswith("DowngradeError")


def test_names_from_a_signature_do_not_reach_the_terminal_raw(run, pair, legacy):
    run("sign", "legacy.pkl", "--name", "\x1b[31mred\x07")
    out = run("verify", "legacy.pkl").out
    assert "\x1b" not in out
    assert "red" in out


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
def test_a_bar_shows_on_a_terminal(pair, clean):
    with (clean / "large.bin").open("wb") as file:
        file.truncate(80 * 2**20)
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "safeserial", "sign", "large.bin"]
    done = subprocess.Popen(command, stderr=child, stdout=subprocess.PIPE)
    import os

    os.close(child)
    shown = b""
    while True:
        try:
            piece = os.read(parent, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(parent)
    assert done.communicate()[0] == b"large.bin.sig\n"
    assert done.returncode == 0
    assert b"83.9" in shown.replace(b",", b".")


def test_signing_imports_no_library_of_models(pair, legacy):
    program = (
        "import sys; from safeserial.cli.app import app\n"
        "try: app(['sign', 'legacy.pkl'])\n"
        "except SystemExit as end: assert not end.code\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"numpy", "sklearn", "joblib", "scipy"} & set(done.stderr.split())
    assert ss.verify("legacy.pkl")
