# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of ``safeserial store`` share: a store in a folder of its own, and a ring."""

import json
import os

import pytest
from click.testing import CliRunner

import safeserial as ss
from safeserial.cli.app import app

LEGACY = b"(dp0\nVweights\np1\n(lp2\nI1\naI2\nas."  # {"weights": [1, 2]} in protocol 0


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """Give each test an empty folder, and no store, memory or keyring of the person who runs it."""
    pytest.importorskip("sqlalchemy")
    for name in [name for name in os.environ if name.startswith("SAFESERIAL_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def ring(clean, monkeypatch):
    """A ring with a key, in the file that the environment names."""
    made = ss.Keyring([ss.HmacKey.generate()])
    made.save("team.keys")
    monkeypatch.setenv("SAFESERIAL_KEYRING", str(clean / "team.keys"))
    return made


@pytest.fixture
def run():
    """Run ``safeserial store`` in this process; give exit code, stdout and stderr."""

    def invoke(*arguments, stdin=None):
        result = CliRunner().invoke(app, ["store", *map(str, arguments)], input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, result.stdout, result.stderr

    return invoke


@pytest.fixture
def answer(run):
    """Run a command with ``--json`` that must succeed, and give its document."""

    def ask(*arguments):
        code, out, err = run(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    return ask


@pytest.fixture
def store(ring, run, monkeypatch, clean):
    """An SQLite store that the environment names, with ``churn:1`` and ``churn:2``."""
    monkeypatch.setenv("SAFESERIAL_STORE", "sqlite:///models.db")
    (clean / "legacy.pkl").write_bytes(LEGACY)
    ss.dump({"weights": [3]}, "second.safeserial", keyring=ring, metadata={"team": "risk"})
    assert run("init")[0] == 0
    assert run("publish", "churn", "legacy.pkl", "--alias", "production")[0] == 0
    assert run("publish", "churn", "second.safeserial")[0] == 0
    return "sqlite:///models.db"
