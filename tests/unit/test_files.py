# SPDX-License-Identifier: BSD-3-Clause
"""Reading what is not ours without waiting; writing ours whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from safeserial import files
from safeserial.errors import (
    CorruptArtifactError,
    LimitExceededError,
    MissingFileError,
    UnreadableFileError,
    WriteFailedError,
)
from safeserial.files import BytesSource, atomic_write, display, open_regular, read_small

posix = pytest.mark.skipif(os.name != "posix", reason="permissions and signals of POSIX")


@pytest.fixture(params=["nameless", "named"])
def way(request, monkeypatch):
    """Both ways to write: with O_TMPFILE, and where the file system has none."""
    if request.param == "named":
        real = os.open

        def without_tmpfile(path, flags, *more, **kwargs):
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(errno.EOPNOTSUPP, "no such feature here")
            return real(path, flags, *more, **kwargs)

        monkeypatch.setattr(os, "open", without_tmpfile)
    elif not hasattr(os, "O_TMPFILE"):
        pytest.skip("no O_TMPFILE on this system")
    return request.param


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def litter(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(".tmp"))


# Reading -----------------------------------------------------------------------------------


def test_a_file_is_read_forward_and_peeking_does_not_move(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"abcdef")
    with open_regular(path) as source:
        assert source.size == 6
        assert source.peek(3) == b"abc"
        room = bytearray(4)
        source.read_into(memoryview(room))
        assert room == b"abcd"
        with pytest.raises(CorruptArtifactError):
            source.read_into(memoryview(room))


def test_bytes_are_read_forward():
    source = BytesSource(memoryview(b"abcdef"))
    room = bytearray(4)
    source.read_into(memoryview(room))
    assert (source.size, room) == (6, b"abcd")
    with pytest.raises(CorruptArtifactError):
        source.read_into(memoryview(room))


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    begin = time.monotonic()
    for name in (tmp_path, tmp_path / "fifo", tmp_path / "loop", "/dev/zero", "/dev/null", "a\0b"):
        with pytest.raises(UnreadableFileError), open_regular(name):
            pass
    for name in (tmp_path / "nothing", tmp_path / "dangling", ""):
        with pytest.raises(MissingFileError), open_regular(name):
            pass
    assert time.monotonic() - begin < 1


def test_a_name_beyond_utf8_is_only_a_name(tmp_path):
    with pytest.raises(MissingFileError) as caught, open_regular(tmp_path / "\udc80\n"):
        pass
    assert str(caught.value).isprintable()


def test_a_symlink_to_a_file_is_followed(tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "l").symlink_to("f")
    assert read_small(tmp_path / "l", limit=10) == b"x"


def test_a_small_file_has_a_limit(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    assert read_small(path, limit=5) == b"12345"
    with pytest.raises(LimitExceededError):
        read_small(path, limit=4)
    os.truncate(path, 2**40)
    with pytest.raises(LimitExceededError):
        read_small(path, limit=4)


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o601, 0o666])
def test_a_secret_that_others_can_reach_is_refused(tmp_path, mode):
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(0o600)
    assert read_small(path, limit=10, private=True) == b"x"
    path.chmod(mode)
    with pytest.raises(UnreadableFileError) as caught:
        read_small(path, limit=10, private=True)
    assert "chmod 600" in caught.value.hint


@posix
@pytest.mark.skipif(
    os.name == "posix" and os.geteuid() != 0, reason="only root can give files away"
)
def test_a_secret_of_another_user_is_refused(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(0o600)
    os.chown(path, 12345, -1)
    with pytest.raises(UnreadableFileError, match="another user"):
        read_small(path, limit=10, private=True)


def test_paths_in_messages_are_short_and_printable():
    assert display("a/b") == "a/b"
    assert display("a\x1b[31mb\n").isprintable()
    assert len(display("x" * 10_000)) < 250


# Writing -----------------------------------------------------------------------------------


def test_a_new_file_appears_only_when_it_is_whole(tmp_path, way):
    path = tmp_path / "f"
    with atomic_write(path) as stream:
        stream.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert litter(tmp_path) == []


def test_an_old_file_is_replaced_in_one_step(tmp_path, way):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    before = path.open("rb")
    with atomic_write(path) as stream:
        stream.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert before.read() == b"old"  # who reads the old file goes on reading it
    before.close()
    assert litter(tmp_path) == []


def test_an_error_leaves_everything_as_it_was(tmp_path, way):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as stream:
        stream.write(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    with pytest.raises(KeyboardInterrupt), atomic_write(tmp_path / "g") as stream:
        raise KeyboardInterrupt
    assert names(tmp_path) == ["f"]


@posix
def test_permissions_are_kept_or_those_asked_for(tmp_path, way):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with atomic_write(path) as stream:
        stream.write(b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with atomic_write(path, mode=0o600):
        pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    mask = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "new"):
            pass
        with atomic_write(tmp_path / "secret", mode=0o600):
            pass
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_a_symlink_is_followed_and_stays(tmp_path, way):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real" / "f")
    with atomic_write(link) as stream:
        stream.write(b"new")
    assert link.is_symlink()
    assert (tmp_path / "real" / "f").read_bytes() == b"new"
    fresh = tmp_path / "fresh"
    fresh.symlink_to(tmp_path / "real" / "g")
    with atomic_write(fresh) as stream:
        stream.write(b"g")
    assert (tmp_path / "real" / "g").read_bytes() == b"g"


def test_what_cannot_be_written_says_so(tmp_path, way):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_bytes(b"")
    for name in (tmp_path, tmp_path / "no" / "f", tmp_path / "file" / "f", tmp_path / "loop",
    "a\0b",
                 "/dev/full", "/proc/nothing", tmp_path / ("x" * 300)):  # fmt: skip
        with pytest.raises(WriteFailedError) as caught, atomic_write(name) as stream:
            stream.write(b"x")
        assert caught.value.hint
    assert names(tmp_path) == ["file", "loop"]


def test_a_full_disk_leaves_the_old_file(tmp_path):
    script = """
        import resource, signal, sys
        from safeserial.errors import WriteFailedError
        from safeserial.files import atomic_write
        from safeserial.transfer import write_all
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            with atomic_write(sys.argv[1]) as stream:
                write_all(stream, bytes(300_000))
        except WriteFailedError as error:
            print(error)
    """
    path = tmp_path / "f"
    path.write_bytes(b"old")
    done = run(script, str(path))
    assert "cannot write" in done.stdout, done.stderr
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


def test_a_disk_that_fails_at_sync_or_rename_leaves_the_old_file(tmp_path, way, monkeypatch):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:

            def fail(*args, **kwargs):
                raise OSError(errno.EIO, "the disk is gone")

            patch.setattr(os, name, fail)
            with pytest.raises(WriteFailedError), atomic_write(path) as stream:
                stream.write(b"new")
        assert path.read_bytes() == b"old"
        assert names(tmp_path) == ["f"]


@posix
def test_a_folder_that_cannot_be_listed_is_no_failure():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o333)
        with nobody():
            for content in (b"new", b"newer"):  # in a free place, and over an old file
                with atomic_write(folder / "f") as stream:
                    stream.write(content)
        folder.chmod(0o700)
        assert (folder / "f").read_bytes() == b"newer"
        assert names(folder) == ["f"]


@contextlib.contextmanager
def nobody():
    """Act as a user without privileges (root may write everywhere)."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@posix
def test_a_read_only_folder_is_refused():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        old = folder / "old"
        old.write_bytes(b"old")
        old.chmod(0o666)
        folder.chmod(0o555)
        for path in (old, folder / "new"):
            with nobody(), pytest.raises(WriteFailedError), atomic_write(path) as stream:
                stream.write(b"new")
        assert old.read_bytes() == b"old"
        assert names(folder) == ["old"]
        old.chmod(0)
        with nobody(), pytest.raises(UnreadableFileError), open_regular(old):
            pass
        folder.chmod(0o700)


WRITER = """
    import os, sys
    from safeserial.files import atomic_write
    print(os.getpid(), flush=True)
    fill = 1
    while True:
        fill = fill % 250 + 1
        with atomic_write(sys.argv[1]) as stream:
            for _ in range(8):
                stream.write(bytes([fill]) * 20_000)
"""


@posix
def test_a_killed_writer_leaves_a_whole_file_and_no_litter(tmp_path):
    path = tmp_path / "model"
    dice = random.Random(5)
    path.write_bytes(b"\xff" * 160_000)
    seen = set()
    for _ in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(path)], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(dice.uniform(0, 0.06))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        content = path.read_bytes()
        assert len(content) == 160_000
        assert len(set(content)) == 1
        seen.add(content[0])
    assert len(seen) > 2, "the writers were killed before they wrote"
    with atomic_write(path) as stream:  # sweeps what a kill between link and rename may have left
        stream.write(b"last")
    assert names(tmp_path) == ["model"]


@posix
def test_only_litter_of_dead_writers_is_swept(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(b"old")
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead = tmp_path / f".m.{process.pid}-00000000.tmp"
    alive = tmp_path / f".m.{os.getpid()}-00000000.tmp"
    other = tmp_path / f".n.{process.pid}-00000000.tmp"
    for one in (dead, alive, other):
        one.write_bytes(b"")
    with atomic_write(path) as stream:
        stream.write(b"new")
    assert sorted(litter(tmp_path)) == sorted([alive.name, other.name])


def test_two_writers_at_once_leave_one_whole_file(tmp_path):
    path = tmp_path / "f"
    with atomic_write(path) as one, atomic_write(path) as other:
        one.write(b"one")
        other.write(b"other")
    assert path.read_bytes() in (b"one", b"other")
    assert litter(tmp_path) == []


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_the_module_imports_nothing_heavy():
    done = run("import sys, safeserial.files; print('numpy' in sys.modules)")
    assert done.stdout.strip() == "False"
    assert files.__doc__
