# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of bulk work share: signed and unsigned models, a cluster, the command line."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import safeserial as ss
from safeserial.cli.app import app

LEGACY = b"(dp0\nVweights\np1\n(lp2\nI1\naI2\nas."  # {"weights": [1, 2]} in protocol 0
PLANTED = b"cos\nsystem\n(S'touch marker'\ntR."


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """Give each test an empty folder and no keyring of the person who runs it."""
    for name in [name for name in os.environ if name.startswith("SAFESERIAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def ring(clean):
    """A ring in the file ``team.keys``."""
    made = ss.Keyring([ss.HmacKey.generate()])
    made.save("team.keys")
    return made


@pytest.fixture
def models(clean, ring):
    """A folder of twelve artifacts, one of them changed after it was signed."""
    folder = clean / "models"
    (folder / "sub").mkdir(parents=True)
    for number in range(12):
        place = folder / "sub" if number % 2 else folder
        ss.dump({"weights": [number]}, place / f"{number:02}.safeserial", keyring=ring)
    bad = folder / "sub" / "05.safeserial"
    bad.write_bytes(bad.read_bytes().replace(b"weights", b"height!"))
    (folder / "notes.txt").write_text("no model\n")
    return folder


@pytest.fixture
def legacy(clean):
    """A folder of unsigned files: two models, a planted one, a broken one, a text."""
    folder = clean / "legacy"
    folder.mkdir()
    (folder / "a.pkl").write_bytes(LEGACY)
    (folder / "b.joblib").write_bytes(LEGACY)
    (folder / "broken.pkl").write_bytes(b"\x80\x04no")
    (folder / "planted.pkl").write_bytes(PLANTED)
    (folder / "notes.txt").write_text("no model\n")
    return folder


@pytest.fixture
def run():
    """Run the command line in this process; give exit code, stdout and stderr."""

    def invoke(*arguments):
        result = CliRunner().invoke(app, [str(one) for one in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, result.stdout, result.stderr

    return invoke


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """The address of a Dask scheduler with two workers, each a process of its own, over TCP."""
    pytest.importorskip("distributed")
    folder = tmp_path_factory.mktemp("dask")
    told = folder / "scheduler.json"
    python = [sys.executable, "-W", "ignore", "-m"]
    common = ["--scheduler-file", str(told), "--no-dashboard"]
    worker = ["distributed.cli.dask_worker", *common, "--nthreads", "1", "--nworkers", "1"]
    # Workers have to import what a test defines.
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    commands = [
        ["distributed.cli.dask_scheduler", *common, "--host", "127.0.0.1", "--port", "0"],
        [*worker, "--host", "127.0.0.1", "--name", "one"],
        [*worker, "--host", "127.0.0.1", "--name", "two"],
    ]
    started = [
        subprocess.Popen(
            [*python, *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        for command in commands
    ]
    try:
        yield _address(told)
    finally:
        for process in reversed(started):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _address(told):
    from distributed import Client

    with Client(scheduler_file=str(told), timeout=60, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        return client.scheduler.address
