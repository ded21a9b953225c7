# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial inspect``: what it shows, what it never shows, and its verdict as an exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import safeserial as ss
from safeserial import environment


@pytest.fixture
def classifier(ring, clean):
    """A signed scikit-learn model with names."""
    pandas = pytest.importorskip("pandas")
    from sklearn.linear_model import LogisticRegression

    table = pandas.DataFrame({"age": [1.0, 2.0, 3.0, 4.0], "size": [4.0, 3.0, 2.0, 1.0]})
    model = LogisticRegression().fit(table, ["no", "no", "yes", "yes"])
    path = clean / "lr.safeserial"
    ss.dump(model, path, keyring=ring, name="lr", version="3")
    return path


def rows(ended):
    """The labelled lines of the report."""
    head, *lines = ended.out.splitlines()
    told = {"verdict": head.partition("  ")[2]}
    for line in lines:
        if line.startswith(("├── ", "└── ")):
            label, _, text = line[4:].partition("  ")
            told.setdefault(label, text.strip())
    return told


def test_a_signed_model(run, classifier, ring):
    ended = run("inspect", classifier)
    assert (ended.code, ended.err) == (0, "")
    told = rows(ended)
    assert told["verdict"] == "safe: loads under this policy"
    assert told["signature"] == f"verified, {ring.active.key_id}"
    assert told["name"] == "lr 3"
    assert told["model"] == "sklearn.linear_model._logistic.LogisticRegression"
    assert told["features"] == "2: age, size"
    assert told["classes"] == "no, yes"
    assert "scikit-learn" in told["packages"]
    assert "all on the allowlist" in told["globals"]
    names = [line for line in ended.out.splitlines() if " yes " in line]
    assert any("LogisticRegression" in line and "build" in line for line in names)


def test_without_a_keyring_it_is_a_claim(run, artifact, monkeypatch):
    monkeypatch.delenv("SAFESERIAL_KEYRING")
    ended = run("inspect", artifact)
    assert ended.code == 0
    assert rows(ended)["signature"].startswith("not checked (no keyring), claims hmac-")
    assert "is a claim" in ended.out


@pytest.mark.parametrize("how", ["option", "environment"])
def test_a_keyring_that_was_named_must_be_there(run, artifact, how):
    option = ["--keyring", "missing"] if how == "option" else []
    ended = run("inspect", artifact, *option, env={"SAFESERIAL_KEYRING": "missing"})
    assert (ended.code, ended.out) == (2, "")
    assert ended.error[0] == "there is no keyring at missing"


def test_a_refused_signature_is_dangerous(run, artifact):
    run("keys", "new", "--keyring", "other.keys")
    ended = run("inspect", artifact, "--keyring", "other.keys")
    assert ended.code == 1
    told = rows(ended)
    assert told["signature"].startswith("refused, claims hmac-")
    assert "SS004" in told["error"]
    assert ended.err.startswith("hint: ")


def test_a_planted_pickle_is_listed_not_run(run, planted):
    ended = run("inspect", planted)
    assert ended.code == 1
    assert rows(ended)["verdict"].startswith(("needs trust", "dangerous"))
    assert "└── NO  os.system  call, byte 0" in ended.out
    assert "SS002" in rows(ended)["error"]
    assert not Path("marker").exists()


def test_nothing_named_is_imported(run):
    Path("m.pkl").write_bytes(b"cantigravity\nfly\n(tR.")
    ended = run("inspect", "m.pkl")
    assert ended.code == 1
    assert "antigravity.fly" in ended.out
    assert "antigravity" not in sys.modules


def test_trusted_names_change_the_verdict(run):
    Path("m.pkl").write_bytes(b"cipaddress\nIPv4Address\n(S'10.0.0.1'\ntR.")
    refused = run("inspect", "m.pkl")
    assert refused.code == 1
    assert "most likely the file is hostile" in refused.err
    assert run("inspect", "m.pkl", "--trust", "ipaddress.IPv4Address").code == 0
    Path("p.toml").write_text('[globals.ipaddress]\nIPv4Address = "new call"\n')
    assert run("inspect", "m.pkl", "--policy", "p.toml").code == 0


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        (b"", "not a model"),
        (b"%PDF-1.7", "not a model"),
        (b"<!DOCTYPE html>", "not a model"),
        (b"\x80\x04]\x94(K", "cannot tell"),
    ],
)
def test_other_files_end_with_2(run, content, verdict):
    Path("m").write_bytes(content)
    ended = run("inspect", "m")
    assert ended.code == 2
    assert rows(ended)["verdict"].startswith(verdict)


def test_an_unreadable_path_is_an_error(run):
    ended = run("inspect", "missing")
    assert (ended.code, ended.out) == (2, "")
    _ = ended.error


def test_json(run, classifier, ring, planted):
    document = json.loads(run("inspect", "--json", classifier).out)
    assert document["verdict"] == "safe"
    assert document["signature"] == "verified"
    assert document["signers"] == [ring.active.key_id]
    assert document["manifest"]["model"]["feature_names"] == ["age", "size"]
    assert {"name", "resolved", "roles", "offset", "allowed"} == set(document["globals"][0])
    ended = run("inspect", "--json", planted)
    assert ended.code == 1
    assert ended.err == ""
    assert json.loads(ended.out)["untrusted"] == ["os.system"]


def test_json_and_requirements_exclude_each_other(run, artifact):
    assert run("inspect", "--json", "--requirements", artifact).code == 2


def test_requirements_are_pins(run, artifact, ring):
    ended = run("inspect", "--requirements", artifact)
    assert (ended.code, ended.err) == (0, "")
    manifest = ss.verify(artifact, keyring=ring).manifest
    assert ended.out.splitlines() == environment.requirements(manifest.environment)
    assert f"numpy=={environment.version('numpy')}" in ended.out.splitlines()


def test_requirements_of_a_stranger_come_with_a_warning_or_not_at_all(run, artifact, monkeypatch):
    run("keys", "new", "--keyring", "other.keys")
    refused = run("inspect", "--requirements", artifact, "--keyring", "other.keys")
    assert (refused.code, refused.out) == (1, "")
    _ = refused.error
    monkeypatch.delenv("SAFESERIAL_KEYRING")
    unchecked = run("inspect", "--requirements", artifact)
    assert unchecked.err.startswith("warning: the signature was not checked")


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("numpy", "1.0 --index-url=x"),
        ("numpy", "1.0\nevil"),
        ("numpy @ x", "1"),
        ("-r other", "1"),
        ("numpy", ""),
    ],
)
def test_requirements_hold_nothing_but_names_and_numbers(run, ring, monkeypatch, name, number):
    honest = environment.capture

    def dishonest(modules):
        import msgspec

        return msgspec.structs.replace(honest(modules), packages={name: number})

    monkeypatch.setattr(environment, "capture", dishonest)
    ss.dump({"a": 1}, "m.safeserial", keyring=ring)
    ended = run("inspect", "--requirements", "m.safeserial")
    assert (ended.code, ended.out) == (1, "")
    _ = ended.error


def test_requirements_of_a_legacy_file_are_unknown(run, legacy):
    ended = run("inspect", "--requirements", legacy)
    assert (ended.code, ended.out) == (2, "")
    assert "does not say" in ended.error[0]


HONEST = b"(dp0\nVweights\np1\n(lp2\nI1\naI2\nas."
HOSTILE = b"cos\nsystem\n(S'touch marker'\ntR."
FOREIGN = b"cmylib\nModel\n)\x81."
CUT = b"\x80\x04]\x94(K"
NAMES = {"safe": HONEST, "dangerous": HOSTILE, "needs trust": FOREIGN, "cannot tell": CUT}


@pytest.fixture
def folder(clean):
    """One file of each verdict, and one that is no model."""
    top = clean / "models"
    (top / "deep").mkdir(parents=True)
    for name, content in NAMES.items():
        (top / "deep" / f"{name}.pkl").write_bytes(content)
    (top / "notes.md").write_text("# notes\n")
    return "models"


def test_a_folder_tells_shortly_what_is_safe(run, folder):
    ended = run("inspect", folder)
    assert ended.code == 1
    assert "models/deep/safe.pkl  safe  pickle (" in ended.out
    assert "notes.md" not in ended.out
    assert ended.out.count("├── ") > 3
    assert "hint  read what these names do" in ended.out
    last = ended.out.splitlines()[-1]
    assert last == "4 files: 1 safe, 1 needs trust, 1 dangerous, 1 cannot tell"
    assert not Path("marker").exists()


def test_a_folder_with_all_files_and_all_facts(run, folder):
    assert "notes.md  not a model" in run("inspect", folder, "--all-files").out
    whole = run("inspect", folder, "--all").out
    assert whole.count("── kind") == 4


def test_several_paths_as_json(run, folder, artifact):
    ended = run("inspect", "--json", artifact, folder, "missing")
    document = json.loads(ended.out)
    assert [Path(one["path"]).name for one in document["reports"]] == [
        "model.safeserial",
        "cannot tell.pkl",
        "dangerous.pkl",
        "needs trust.pkl",
        "safe.pkl",
        "missing",
    ]
    assert document["reports"][0]["signature"] == "verified"
    assert document["summary"]["files"] == 6
    assert document["summary"]["complete"] is True
    assert document["summary"]["verdicts"]["cannot tell"] == 2


def test_a_folder_without_a_model_is_not_safe(run, clean):
    (clean / "empty").mkdir()
    ended = run("inspect", "empty")
    assert (ended.code, ended.out) == (2, "no model\n")
    assert ended.err == "warning: there is no model file here\n"
    assert run("inspect", "empty", "--fail-on", "needs-trust").code == 0
    document = json.loads(run("inspect", "--json", "empty").out)
    assert document["reports"] == []


@pytest.mark.parametrize(
    ("failing", "codes"),
    [
        (None, (0, 1, 1, 2)),
        ("cannot-tell", (0, 1, 1, 2)),
        ("needs-trust", (0, 1, 1, 0)),
        ("dangerous", (0, 0, 1, 0)),
        ("never", (0, 0, 0, 0)),
    ],
)
def test_fail_on(run, folder, failing, codes):
    option = ["--fail-on", failing] if failing else []
    verdicts = ("safe", "needs trust", "dangerous", "cannot tell")
    found = [run("inspect", f"{folder}/deep/{name}.pkl", *option).code for name in verdicts]
    assert tuple(found) == codes
    assert run("inspect", folder, *option).code == (0 if failing == "never" else 1)


def test_what_cannot_be_read_fails_whatever_is_asked_for(run, folder):
    safe = f"{folder}/deep/safe.pkl"
    assert run("inspect", "missing", "--fail-on", "never").code == 2
    assert run("inspect", safe, "missing", "--fail-on", "never").code == 2


def test_a_document_that_is_no_model_is_fine_for_a_gate(run, folder):
    assert run("inspect", f"{folder}/notes.md").code == 2
    assert run("inspect", f"{folder}/notes.md", "--fail-on", "cannot-tell").code == 0


def test_standard_input(run, program, folder):
    ended = run("inspect", "-", stdin=HOSTILE)
    assert ended.code == 1
    assert ended.out.startswith("-  dangerous")
    real = program("inspect", "--json", "-", f"{folder}/deep/safe.pkl", stdin=HONEST)
    assert real.code == 0
    assert json.loads(real.out)["reports"][0]["path"] == "-"


def test_page_and_sarif_as_files(run, folder):
    ended = run("inspect", folder, "--html", "r.html", "--sarif", "r.sarif")
    assert "4 files" in ended.out
    assert "models/deep/dangerous.pkl" in Path("r.html").read_text("utf-8")
    (one_run,) = json.loads(Path("r.sarif").read_text())["runs"]
    places = {
        one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for one in one_run["results"]
    }
    assert "models/deep/needs%20trust.pkl" in places
    assert "models/deep/safe.pkl" not in places


@pytest.mark.parametrize("option", ["--html", "--sarif"])
def test_page_and_sarif_on_standard_output(program, folder, option):
    ended = program("inspect", folder, option, "-")
    assert (ended.code, ended.err) == (1, "")
    if option == "--sarif":
        assert json.loads(ended.out)["version"] == "2.1.0"
    else:
        assert ended.out.startswith("<!doctype html>")
        assert ended.out.endswith("</html>\n")


@pytest.mark.parametrize(
    "options",
    [["--json", "--sarif", "-"], ["--html", "-", "--sarif", "-"], ["--requirements", "--json"]],
)
def test_one_output_has_standard_output(run, folder, options):
    ended = run("inspect", folder, *options)
    assert (ended.code, ended.out) == (2, "")
    _ = ended.error


def test_requirements_are_about_one_file(run, folder):
    assert run("inspect", folder, "--requirements").error[0] == "--requirements is about one file"


def test_a_page_that_cannot_be_written_is_an_error(run, folder):
    ended = run("inspect", folder, "--html", "no/such/folder/r.html")
    assert ended.code == 2
    _ = ended.error


def test_long_lists_are_cut_but_for_all(run):
    body = b"".join(b"cmylib\nName%d\n0" % number for number in range(40))
    Path("m.pkl").write_bytes(body + b"N.")
    short, whole = run("inspect", "m.pkl").out, run("inspect", "m.pkl", "--all").out
    assert "… 28 more (--all shows them)" in short
    assert "--all" not in whole
    assert all(f"mylib.Name{number}  " in whole for number in range(40))


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_interrupted_keeps_what_is_done(folder):
    """^C reaches all processes of the terminal; the second file would take half a minute."""
    top = Path("many")
    top.mkdir()
    (top / "1.pkl").write_bytes(HOSTILE)
    lists = b"](" + b"K\x01" * 500_000 + b"e0"
    (top / "2.pkl").write_bytes(b"\x80\x04" + lists * 100 + b"N.")
    command = [sys.executable, "-m", "safeserial", "inspect", "many", "--json"]
    command += ["--sarif", "r.sarif", "--html", "r.html", "--workers", "1"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # A runner in the background may ignore the signal, and what it starts inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        seen = b""
        while b'"verdict"' not in seen:
            seen += os.read(process.stdout.fileno(), 65536)
        os.killpg(process.pid, signal.SIGINT)
        started = time.monotonic()
        out, err = process.communicate(timeout=60)
    assert time.monotonic() - started < 20
    assert (process.returncode, err) == (130, b"interrupted\n")
    document = json.loads(seen + out)
    assert [one["verdict"] for one in document["reports"]] == ["dangerous"]
    assert document["summary"]["complete"] is False
    (one_run,) = json.loads(Path("r.sarif").read_text())["runs"]
    assert one_run["invocations"] == [{"executionSuccessful": False}]
    assert "not all files were looked at" in Path("r.html").read_text("utf-8")
    until = time.monotonic() + 10
    while (left := alive(process.pid)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not left


def alive(group):
    """The processes of a group that still run; who reaps the dead is the system's business."""
    found = []
    for one in psutil.process_iter(["status"]):
        try:
            if os.getpgid(one.pid) == group and one.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(one.pid)
        except ProcessLookupError:
            continue
    return found
