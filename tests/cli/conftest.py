# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of the command line share: a clean environment, a ring, and small files."""

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest
from click.testing import CliRunner

import safeserial as ss
from safeserial.cli.app import app


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def error(self):
        """The two lines of a failure, without their labels; anything else is no failure."""
        lines = self.err.splitlines()
        assert len(lines) == 2, self.err
        assert lines[0].startswith("error: ")
        assert lines[1].startswith("hint: ")
        assert len(lines[1]) > len("hint: ")
        return lines[0].removeprefix("error: "), lines[1].removeprefix("hint: ")


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """Give each test an empty folder and no keyring of the person who runs it."""
    for name in [name for name in os.environ if name.startswith("SAFESERIAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("NO_COLOR", raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run():
    """Run the command line in this process."""

    def invoke(*arguments, stdin=None, env=None):
        result = CliRunner().invoke(app, [str(one) for one in arguments], input=stdin, env=env)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return Ended(result.exit_code, result.stdout, result.stderr)

    return invoke


@pytest.fixture
def program():
    """Run the real program in a process of its own."""

    def start(*arguments, env=None, stdin=b"", python=()):
        command = [sys.executable, *python, "-m", "safeserial", *map(str, arguments)]
        done = subprocess.run(
            command,
            capture_output=True,
            input=stdin,
            check=False,
            env={**os.environ, **(env or {})},
            timeout=120,
        )
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())

    return start


@pytest.fixture
def key():
    """The key that signs."""
    return ss.HmacKey.generate()


@pytest.fixture
def ring(key, clean, monkeypatch):
    """A ring with the key, in the file that the environment names."""
    made = ss.Keyring([key])
    made.save("team.keys")
    monkeypatch.setenv("SAFESERIAL_KEYRING", str(clean / "team.keys"))
    return made


@pytest.fixture
def artifact(ring, clean):
    """A signed artifact of plain data, which needs no library to load."""
    path = clean / "model.safeserial"
    content = {"weights": [1, 2, 3], "bias": "none"}
    ss.dump(content, path, keyring=ring, name="churn", version="1.0", metadata={"team": "risk"})
    return path


@pytest.fixture
def planted(clean):
    """A legacy pickle that would write a file called `marker`."""
    path = clean / "planted.pkl"
    path.write_bytes(b"cos\nsystem\n(S'touch marker'\ntR.")
    return path


@pytest.fixture
def legacy(clean):
    """An honest legacy pickle (protocol 0) of ``{"weights": [1, 2]}``."""
    path = clean / "legacy.pkl"
    path.write_bytes(b"(dp0\nVweights\np1\n(lp2\nI1\naI2\nas.")
    return path
