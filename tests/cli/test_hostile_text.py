# SPDX-License-Identifier: BSD-3-Clause
"""Whatever a stranger wrote into a file, the terminal shows it and obeys none of it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import safeserial as ss
from safeserial.artifact import saving
from safeserial.cli import render

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202egnp.exe\u2028[bold red]x[/] \x7f\x00\udce9"
SENDABLE = EVIL.replace("\udce9", "")  # a lone surrogate cannot be signed


def harmless(text):
    return all(one.isprintable() or one == "\n" for one in text)


@pytest.fixture
def hostile(ring, monkeypatch, clean):
    """An artifact, correctly signed, with terminal sequences in every text of its manifest."""
    draft = saving._draft

    def poisoned(*arguments):
        made = draft(*arguments)
        manifest = made.manifest
        model = msgspec.structs.replace(
            manifest.model, class_name=SENDABLE, feature_names=(SENDABLE,), classes=(SENDABLE,)
        )
        where = msgspec.structs.replace(
            manifest.environment,
            python=SENDABLE,
            implementation=SENDABLE,
            platform=SENDABLE,
            packages={"numpy": SENDABLE, "\x1b[31m": "1"},
        )
        changed = msgspec.structs.replace(
            manifest,
            name=SENDABLE,
            version=SENDABLE,
            metadata={"note\x1b[2J": SENDABLE, "deep": [{"x\x07": SENDABLE}]},
            model=model,
            environment=where,
            options={**manifest.options, "\x1b[2J": SENDABLE},
        )
        return saving._Draft(made.signing, made.encoded, changed, made.digest)

    monkeypatch.setattr(saving, "_draft", poisoned)
    path = clean / "hostile.safeserial"
    ss.dump({"a": 1}, path, keyring=ring)
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify"],
        ["verify", "--json"],
        ["inspect"],
        ["inspect", "--json"],
        ["inspect", "--requirements"],
        ["unpack", "-o", "out.pkl"],
    ],
    ids=" ".join,
)
def test_manifest(run, hostile, arguments):
    for place in ("team.keys", None):
        option = ["--keyring", place] if place else []
        ended = run(*arguments, hostile, *option)
        assert harmless(ended.out), ended.out
        assert harmless(ended.err), ended.err
        if "--requirements" not in arguments and arguments[0] != "unpack":
            assert "owned" in ended.out


NAMES = [b"os\x1b[2J", b"[red]os[/red]", "o\u202es".encode(), b"\x9b31m".decode("latin-1").encode()]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", [["inspect"], ["inspect", "--json"], ["pack", "-o", "x"]])
def test_names_in_a_pickle(run, ring, command, name):
    Path("m.pkl").write_bytes(b"c" + name + b"\n" + name + b"\n(tR.")
    ended = run(*command, "m.pkl")
    assert ended.code in (1, 2)
    assert harmless(ended.out), ended.out
    assert harmless(ended.err), ended.err


@pytest.mark.parametrize(
    "command", [["verify"], ["inspect"], ["pack", "-o", "x"], ["keys", "retire"]]
)
def test_arguments_and_paths(run, ring, command):
    ended = run(*command, EVIL.replace("\x00", ""))
    assert ended.code == 2
    assert harmless(ended.out), ended.out
    assert harmless(ended.err), ended.err


def test_reasons_in_a_ring(run, ring):
    run("keys", "revoke", ring.active.key_id, "--reason", SENDABLE)
    for arguments in (["list"], ["list", "--json"], ["retire", ring.active.key_id]):
        ended = run("keys", *arguments)
        assert harmless(ended.out), ended.out
        assert harmless(ended.err), ended.err


def test_json_keeps_the_text_exactly(run, hostile):
    document = json.loads(run("verify", "--json", hostile).out)
    assert document["files"][0]["name"] == SENDABLE


@pytest.mark.skipif(os.name != "posix", reason="terminals")
def test_markup_and_sequences_reach_no_terminal(hostile):
    """The table is drawn by rich there; its own colours are the only escapes."""
    shown = on_terminal("inspect", str(hostile), env={"NO_COLOR": "1", "TERM": "dumb"})
    assert "gnp.exe" in shown
    assert harmless(shown.replace("\r\n", "\n")), shown
    assert "[bold red]x[/]" in shown


@pytest.mark.skipif(os.name != "posix", reason="terminals")
def test_brackets_in_a_table_are_no_markup(run, ring):
    run("keys", "revoke", ring.active.key_id, "--reason", "[link=x]y[/] :bomb:\x1b[2J")
    shown = on_terminal("keys", "list", env={"NO_COLOR": "1", "COLUMNS": "150"})
    assert "[link=x]y[/] :bomb:\\x1b[2J" in shown
    assert "hmac-sha256" in shown


FOLDER_NAME = EVIL.replace("\x00", "").replace("/", "_")


@pytest.fixture
def hostile_folder(clean):
    """A folder of a hostile name, with a file of one, that names something hostile."""
    folder = clean / FOLDER_NAME
    folder.mkdir()
    name = SENDABLE.replace("\x00", "").replace("\r", "").encode()
    (folder / f"{FOLDER_NAME}.pkl").write_bytes(b"c" + name + b"\n" + name + b"\n)\x81.")
    return folder.name


@pytest.mark.skipif(os.name != "posix", reason="file names")
@pytest.mark.parametrize("option", ["", "--json", "--sarif=-", "--html=-", "--all"])
def test_hostile_names_in_a_folder(program, hostile_folder, option):
    ended = program("inspect", hostile_folder, *filter(None, [option]))
    assert ended.code in (1, 2), ended.err
    assert "gnp.exe" in ended.out
    assert harmless(ended.out), ended.out
    assert harmless(ended.err), ended.err


@pytest.mark.skipif(os.name != "posix", reason="terminals")
def test_a_tree_on_a_terminal(hostile_folder):
    """Drawn by rich: folded to the terminal, and still nothing of the file is obeyed."""
    plain = {"NO_COLOR": "1", "COLUMNS": "60"}
    shown = on_terminal("inspect", hostile_folder, "--all", env=plain).replace("\r\n", "\n")
    assert harmless(shown), shown
    assert "└── " in shown
    assert "[bold red]x[_]" in shown
    assert max(map(len, shown.splitlines())) <= 60
    assert "\x1b[1;33m" in on_terminal("inspect", hostile_folder)


@pytest.mark.skipif(os.name != "posix", reason="terminals")
def test_a_bar_makes_way_for_the_reports(hostile_folder, clean):
    """stdout and stderr on one terminal: what stays on the screen is the reports, whole."""
    for number in range(30):
        (clean / hostile_folder / f"{number:02}.pkl").write_bytes(b"N.")
    shown = on_terminal("inspect", hostile_folder, "--workers", "0", talk=True)
    assert "/31" in shown
    screen = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in shown.split("\n")]
    left = [line.rstrip("\r").rpartition("\r")[2] for line in screen]
    assert harmless("\n".join(left)), left
    assert sum(line.endswith(".pkl  safe  pickle (2 B)") for line in left) == 30
    assert left[-2] == "31 files: 30 safe, 1 cannot tell"
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") > 0  # the cursor is back


@pytest.mark.skipif(os.name != "posix", reason="terminals")
def test_no_color_is_respected(artifact):
    assert "\x1b[" in on_terminal("verify", str(artifact))
    assert "\x1b[" not in on_terminal("verify", str(artifact), env={"NO_COLOR": "1"})


def on_terminal(*arguments, env=None, talk=False):
    leader, follower = os.openpty()
    command = [sys.executable, "-m", "safeserial", *arguments]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **(env or {})}
    stderr = follower if talk else subprocess.DEVNULL
    with subprocess.Popen(command, stdout=follower, stdin=follower, stderr=stderr, env=environment):
        os.close(follower)
        data = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:
                break
            if not piece:
                break
            data += piece
    os.close(leader)
    return data.decode()


@pytest.mark.parametrize("text", [EVIL, "\t", "\n", "\u200b", "\ufeff", "\U000e0041", "\xa0"])
def test_printable(text):
    assert harmless(render.printable(text))
    assert "\n" not in render.printable(text)


@pytest.mark.parametrize("text", ["plain", "für immer → 日本", "a b"])
def test_honest_text_stays_as_it_is(text):
    assert render.printable(text) == text
