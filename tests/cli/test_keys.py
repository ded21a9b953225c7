# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial keys``: a key's whole life, and that its secret goes only where it was sent."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import safeserial as ss


def states(place="team.keys"):
    return {entry.key_id: entry.state for entry in ss.Keyring.load(place).entries}


def mode(path):
    return stat.S_IMODE(Path(path).stat().st_mode)


def test_new_makes_a_private_ring_and_prints_the_id(run):
    ended = run("keys", "new", "--keyring", "team.keys")
    assert ended.code == 0
    assert states() == {ended.out.strip(): "active"}
    assert ended.err == "active in team.keys; 1 key\n"
    assert mode("team.keys") == 0o600


def test_new_adds_an_accepted_key_to_a_ring(run, ring):
    ended = run("keys", "new", "--not-before", "2026-12-01", "--not-after", "2027-01-31")
    entry = ss.Keyring.load("team.keys").find(ended.out.strip())
    assert entry.state == "accepted"
    assert entry.not_before.isoformat() == "2026-12-01T00:00:00+00:00"
    assert entry.not_after.isoformat() == "2027-01-31T23:59:59+00:00"
    assert states()[ring.active.key_id] == "active"


def test_new_without_a_place_uses_the_configuration_folder(run, clean):
    assert run("keys", "new").code == 0
    (place,) = (clean.parent / "home").rglob("keyring.keys")
    assert mode(place) == 0o600
    assert mode(place.parent) == 0o700
    assert run("keys", "list").code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--not-after", "soon"], "is no date"),
        (["--not-after", "2020-01-01"], "has passed"),
        (["--not-after", "9999-12-31T00:00+99:00"], "is no date"),
        (["--not-before", "\x1b[31m"], "is no date"),
        (["--not-before", "2031-01-01", "--not-after", "2030-01-01"], "is after the last"),
    ],
)
def test_dates_that_make_no_sense_are_misuse(run, options, message):
    ended = run("keys", "new", "--keyring", "team.keys", *options)
    assert ended.code == 2
    assert message in ended.error[0]
    assert not Path("team.keys").exists()


def test_list_shows_states_and_no_secret(run, ring):
    run("keys", "rotate", "--now", "--not-after", "2030-06-30T12:00Z")
    run("keys", "revoke", ring.active.key_id[:12], "--reason", "laptop stolen")
    ended = run("keys", "list")
    header, first, second = (line.split() for line in ended.out.splitlines())
    assert header == ["ID", "STATE", "ALGORITHM", "VALID", "REASON"]
    assert first[1:] == ["active", "hmac-sha256", "…", "2030-06-30", "12:00Z", "-"]
    assert second[1:] == ["revoked", "hmac-sha256", "always", "laptop", "stolen"]


def test_list_as_json(run, ring):
    document = json.loads(run("keys", "list", "--json").out)
    assert document == {
        "serial": 0,
        "published": None,
        "keys": [
            {
                "id": ring.active.key_id,
                "state": "active",
                "algorithm": "hmac-sha256",
                "not_before": None,
                "not_after": None,
                "reason": "",
                "principal": None,
                "roles": [],
                "can_sign": True,
            }
        ],
    }


def test_rotate_promote_retire_revoke(run, ring):
    old = ring.active.key_id
    new = run("keys", "rotate", "--now").out.strip()
    assert states() == {new: "active", old: "accepted"}
    assert run("keys", "promote", old).out.strip() == old
    assert states() == {new: "accepted", old: "active"}
    run("keys", "retire", new, "--reason", "a new quarter")
    assert states() == {new: "retired", old: "active"}
    ended = run("keys", "revoke", old)
    assert states() == {new: "retired", old: "revoked"}
    assert "no active key" in ended.err
    assert run("keys", "retire", old).code == 2
    assert run("keys", "promote", new).code == 2


@pytest.mark.parametrize("verb", ["promote", "demote", "retire", "revoke"])
@pytest.mark.parametrize("key_id", ["hmac-0000", ""])
def test_a_key_that_is_not_there_changes_nothing(run, ring, verb, key_id):
    before = Path("team.keys").read_bytes()
    ended = run("keys", verb, key_id)
    assert ended.code == 2
    assert "begins with" in ended.error[0]
    assert Path("team.keys").read_bytes() == before


@pytest.mark.parametrize(
    "verb", [["list"], ["rotate"], ["revoke", "hmac-"], ["export", "h", "-o", "k"]]
)
def test_without_a_ring_the_hint_says_how_to_make_one(run, verb):
    ended = run("keys", *verb, "--keyring", "missing.keys")
    assert ended.code == 2
    assert ended.error == (
        "there is no keyring at missing.keys",
        "make one with: safeserial keys new --keyring missing.keys",
    )


def test_a_ring_that_others_can_read_is_refused(run, ring):
    Path("team.keys").chmod(0o644)
    ended = run("keys", "list")
    assert ended.code == 2
    assert ended.error[1].startswith("chmod 600 ")


def test_a_damaged_ring_is_refused_and_kept(run, ring):
    Path("team.keys").write_bytes(b"{")
    assert run("keys", "new").code == 2
    assert Path("team.keys").read_bytes() == b"{"


def test_a_key_file_of_the_environment_is_read_and_never_changed(run, key, clean):
    path = clean / "key.txt"
    path.touch(0o600)
    path.write_text(key.to_text())
    environment = {"SAFESERIAL_KEY_FILE": str(path)}
    assert key.key_id in run("keys", "list", env=environment).out
    ended = run("keys", "rotate", env=environment)
    assert ended.code == 2
    assert "never changed" in ended.error[0]
    assert path.read_text() == key.to_text()


def test_export_and_import_carry_a_key_to_another_ring(run, ring, key):
    ended = run("keys", "export", key.key_id, "-o", "key.txt")
    assert (ended.code, ended.out) == (0, "")
    assert mode("key.txt") == 0o600
    assert ss.HmacKey.from_file("key.txt") == key
    assert run("keys", "import", "key.txt", "--keyring", "other.keys").out.strip() == key.key_id
    assert states("other.keys") == {key.key_id: "active"}
    again = run("keys", "import", "key.txt", "--keyring", "other.keys")
    assert again.code == 2
    assert "has this key already" in again.error[0]


def test_export_to_a_pipe_and_import_from_one(program, ring, key):
    exported = program("keys", "export", key.key_id, "-o", "-")
    assert exported.out == key.to_text() + "\n"
    ended = program("keys", "import", "-", "--keyring", "other.keys", stdin=exported.out.encode())
    assert ended.out.strip() == key.key_id


def test_export_never_overwrites(run, ring):
    before = Path("team.keys").read_bytes()
    ended = run("keys", "export", ring.active.key_id, "-o", "team.keys")
    assert ended.code == 2
    assert "overwritten" in ended.error[0]
    assert Path("team.keys").read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="terminals")
@pytest.mark.parametrize(
    "arguments", [["export", "hmac-", "-o", "-"], ["import", "-"]], ids=["export", "import"]
)
def test_a_terminal_neither_shows_nor_takes_a_secret(ring, arguments):
    leader, follower = os.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "safeserial", "keys", *arguments],
        stdin=follower,
        stdout=follower,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(follower)
    os.close(leader)
    assert done.returncode == 2
    assert b"a secret is not" in done.stderr


@pytest.mark.parametrize(
    "content", [b"", b"password", b"\xff\xfe", b"safeserial-hmac-sha256-v1:AAAA"]
)
def test_import_of_something_else_is_refused(run, ring, content):
    before = Path("team.keys").read_bytes()
    ended = run("keys", "import", "-", stdin=content)
    assert ended.code == 2
    assert ended.out == ""
    _ = ended.error
    assert Path("team.keys").read_bytes() == before


def test_import_refuses_a_file_that_others_can_read(run, ring, key):
    Path("key.txt").write_text(key.to_text())
    Path("key.txt").chmod(0o644)
    ended = run("keys", "import", "key.txt")
    assert ended.code == 2
    assert "others can read it" in ended.error[0]


def test_no_command_prints_a_secret(run, ring, key):
    secret = key.to_text().partition(":")[2]
    text = key.to_text()
    for arguments in (
        ["keys", "list"],
        ["keys", "list", "--json"],
        ["keys", "rotate"],
        ["keys", "export", key.key_id, "-o", "key.txt"],
        ["keys", "import", text],
        ["keys", "retire", text],
        ["keys", "list", "--keyring", text],
        ["keys", text],
        ["keys", "new", "--not-after", text],
        ["verify", text],
        ["verify", "--json", text],
        ["inspect", text],
        ["pack", text, "-o", "x", "--meta", text],
        ["pack", text, "-o", "x", "--compression", text],
        ["pack", text, "-o", "x", "--trust", text],
        [text],
    ):
        for environment in ({}, {"SAFESERIAL_DEBUG": "1"}):
            ended = run(*arguments, env=environment)
            assert secret not in ended.out + ended.err, arguments
    assert run("keys", "list", env={"SAFESERIAL_KEYRING": text}).code == 2
    assert secret not in run("keys", "list", env={"SAFESERIAL_KEYRING": text}).err
