# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial inspect``: what it shows, what it never shows, and its verdict as an exit code."""

import json
import sys
from pathlib import Path

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
    lines = [line for line in ended.out.split("\n\n")[0].splitlines() if line.startswith("  ")]
    return {line[2:].partition("  ")[0]: line[2:].partition("  ")[2].strip() for line in lines}


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
    assert "LogisticRegression" in ended.out.partition("ALLOWED")[2]


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
    assert told["problem"].startswith("UnknownKeyError: ")
    assert ended.err.startswith("hint: ")


def test_a_planted_pickle_is_listed_not_run(run, planted):
    ended = run("inspect", planted)
    assert ended.code == 1
    assert rows(ended)["verdict"].startswith(("needs trust", "dangerous"))
    assert "NO" in ended.out
    assert "os.system" in ended.out
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


@pytest.mark.parametrize("name", ["missing", "."])
def test_unreadable_paths_are_errors(run, name):
    ended = run("inspect", name)
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
