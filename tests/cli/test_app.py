# SPDX-License-Identifier: BSD-3-Clause
"""The program as a whole: help, exit codes, the two lines of a failure, what it imports."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
import warnings

import click
import pytest

from safeserial import __version__, errors
from safeserial.cli import app as module
from safeserial.cli import outcome

COMMANDS = [
    "demo",
    "keys",
    "pack",
    "unpack",
    "sign",
    "approve",
    "verify",
    "inspect",
    "policy",
    "guard",
    "convert",
    "codegen",
    "bench",
    "bulk",
    "store",
    "serve",
    "show",
]
HEAVY = ["numpy", "scipy", "sklearn", "joblib", "pandas", "rich", "pickle"]


def everything(command, path=()):
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from everything(command.get_command(context, name), (*path, name))


@pytest.mark.parametrize("path", list(everything(module.app)), ids=" ".join)
def test_every_command_has_help(run, path):
    ended = run(*path, "--help")
    assert ended.code == 0
    assert ended.out.startswith(f"Usage: {' '.join(('safeserial', *path))} ")
    assert ended.err == ""
    assert "..." not in ended.out.partition("Commands:")[2]


def test_help_lists_the_commands_in_their_order(run):
    out = run("--help").out
    listed = [line.split()[0] for line in out.partition("Commands:\n")[2].splitlines()]
    assert listed == COMMANDS


def test_version(program):
    ended = program("--version")
    assert (ended.code, ended.out, ended.err) == (0, f"safeserial {__version__}\n", "")


def test_without_a_command_it_shows_help_as_talk(run):
    ended = run()
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("Usage: safeserial ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["--frobnicate"],
        ["keys", "frobnicate"],
        ["verify"],
        ["verify", "--frobnicate", "x"],
        ["pack", "x"],
        ["pack", "x", "-o", "y", "--format", "yaml"],
        ["unpack", "x"],
        ["inspect"],
        ["inspect", "a", "--fail-on", "x"],
        ["keys", "retire"],
        ["keys", "export", "hmac-"],
    ],
)
def test_misuse_is_two_lines_and_exit_2(run, arguments):
    ended = run(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    _, hint = ended.error
    assert hint.startswith("`safeserial")
    assert hint.endswith("--help` shows how it is used")


def leaves(kind):
    return [one for sub in kind.__subclasses__() for one in (sub, *leaves(sub))]


@pytest.mark.parametrize("kind", leaves(errors.SafeSerialError), ids=lambda kind: kind.__name__)
def test_every_error_of_the_library_has_a_code_and_two_lines(kind, capsys):
    error = kind("onnx", "this") if kind is errors.MissingExtraError else kind("what\nhappened")
    refused = (
        errors.VerificationError,
        errors.PolicyError,
        errors.ParityError,
        errors.RollbackError,
    )
    assert outcome.failed(error) == (1 if issubclass(kind, refused) else 2)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["error:", "hint:"]
    assert len(lines[1]) > len("hint: ")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 2, "No space left on device"),
        (OSError(errno.EACCES, "Permission denied", "x"), 2, "Permission denied: x"),
        (MemoryError(), 2, "there is not enough memory"),
        (ValueError("a bug"), 2, "ValueError: a bug"),
        (RecursionError("deep"), 2, "RecursionError: deep"),
    ],
)
def test_errors_of_others_are_two_lines_too(run, monkeypatch, error, code, message):
    def fail(**_):
        raise error

    monkeypatch.setattr(module.app.get_command(None, "verify"), "callback", fail)
    ended = run("verify", "x")
    assert ended.code == code
    assert ended.error[0] == message


def test_debug_shows_where(run, artifact):
    quiet = run("verify", "missing")
    loud = run("verify", "missing", env={"SAFESERIAL_DEBUG": "1"})
    assert "Traceback" not in quiet.err
    assert loud.err.startswith("Traceback")
    assert loud.err.endswith(quiet.err)
    assert loud.code == quiet.code == 2


def test_interrupted_is_one_line_and_130(run, monkeypatch):
    def interrupt(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.app.get_command(None, "verify"), "callback", interrupt)
    ended = run("verify", "x")
    assert (ended.code, ended.out, ended.err) == (130, "", "interrupted\n")


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_interrupted_for_real(ring):
    command = [sys.executable, "-m", "safeserial", "keys", "import", "-"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Whoever runs the tests may ignore the signal, and a child inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, b"", b"interrupted\n")


@pytest.mark.skipif(os.name != "posix", reason="pipes")
def test_a_reader_who_has_gone_is_no_error(artifact):
    command = [sys.executable, "-m", "safeserial", "verify", *["model.safeserial"] * 20]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_warnings_are_one_line(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = outcome.show_warning
        warnings.warn("other\nversions", errors.EnvironmentMismatchWarning, stacklevel=1)
    assert capsys.readouterr().err == "warning: other versions\n"


def test_verify_imports_nothing_heavy(artifact):
    code = f"""
import atexit, json, sys
atexit.register(lambda: print(json.dumps([one for one in {HEAVY} if one in sys.modules])))
sys.argv = ["safeserial", "verify", "model.safeserial"]
from safeserial.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    line, modules = done.stdout.splitlines()
    assert line.startswith("OK  ")
    assert json.loads(modules) == []


def test_help_imports_nothing_heavy():
    code = f"""
import atexit, sys
atexit.register(lambda: print([one for one in {HEAVY} if one in sys.modules], file=sys.stderr))
sys.argv = ["safeserial", "--help"]
from safeserial.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")


def test_shell_completion_knows_the_commands(program):
    ended = program(
        env={
            "_SAFESERIAL_COMPLETE": "bash_complete",
            "COMP_WORDS": "safeserial ",
            "COMP_CWORD": "1",
        }
    )
    assert [line.partition(",")[2] for line in ended.out.splitlines()] == COMMANDS


def test_output_survives_a_terminal_that_lacks_a_letter(program, ring):
    program("keys", "revoke", ring.active.key_id, "--reason", "moved → elsewhere")
    ended = program("keys", "list", env={"PYTHONIOENCODING": "latin-1"})
    assert ended.code == 0
    assert "moved \\u2192 elsewhere" in ended.out
