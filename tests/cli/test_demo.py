# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial demo``: every claim holds, no command ran, nothing stays behind."""

from pathlib import Path

import pytest

import safeserial as ss
from safeserial.cli import attacks, demo

REFUSALS = [
    "DigestMismatchError",
    "BadSignatureError",
    "UnknownKeyError",
    "CorruptArtifactError",
    "UntrustedTypesError",
    "UntrustedTypesError",
]


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """The folder in which temporary folders are made."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def test_the_whole_story_comes_true(program, scratch, clean):
    ended = program("demo")
    assert (ended.code, ended.err) == (0, ""), ended.out
    assert "FAILED" not in ended.out
    assert ended.out.count("predictions equal, bit for bit") == 2
    refusals = [line.split(":")[0].strip() for line in ended.out.splitlines() if "Error: " in line]
    assert refusals == REFUSALS
    assert ended.out.count("hint: ") == len(REFUSALS)
    assert "verified load" in ended.out
    assert "\x1b" not in ended.out
    assert list(scratch.iterdir()) == []
    assert list(clean.iterdir()) == []


@pytest.mark.slow
def test_kept_files_can_be_looked_at(program, run, clean):
    ended = program("demo", "--keep", "kept")
    assert ended.code == 0, ended.out
    kept = {path.name for path in Path("kept").iterdir()}
    assert {"churn.safeserial", "churn-joblib.safeserial", "churn.pkl", "team.keys"} <= kept
    assert "the-attacker-was-here" not in kept
    assert Path("kept/team.keys").stat().st_mode & 0o077 == 0
    ring = ss.Keyring.load("kept/team.keys")
    assert ring.active.key.to_text() not in ended.out
    good = run("verify", "kept/churn.safeserial", "--keyring", "kept/team.keys")
    assert good.code == 0
    again = run("demo", "--keep", "kept")
    assert again.code == 2
    assert "not empty" in again.error[0]


@pytest.mark.parametrize("outcome", ["loaded", "other refusal"])
def test_an_attack_that_ends_otherwise_fails_the_demo(capsys, outcome):
    def load():
        if outcome == "other refusal":
            raise ss.errors.FormatError("no")

    story = demo.Story()
    attacks._try(story, 1, attacks.Attack("t", load, ss.errors.PolicyError))
    assert not story.true
    assert "FAILED  1. t" in capsys.readouterr().out
