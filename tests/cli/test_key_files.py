# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial keys new|export|import`` with pairs of keys: halves, PEM and passphrases."""

import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

import safeserial as ss
from safeserial import keys

PASSPHRASE = "correct horse battery"
LABELS = list(keys.BY_LABEL)
every_kind = pytest.mark.parametrize("label", LABELS)


def mode(path):
    return stat.S_IMODE(Path(path).stat().st_mode)


def private_file(name, text):
    Path(name).write_text(text)
    Path(name).chmod(0o600)
    return name


@pytest.fixture
def pair(clean, monkeypatch):
    """A ring with a pair of keys, in the file that the environment names."""
    key = ss.EcdsaKey.generate()
    ss.Keyring([key]).save("team.keys")
    monkeypatch.setenv("SAFESERIAL_KEYRING", str(clean / "team.keys"))
    return key


@every_kind
def test_new_makes_a_key_of_each_kind_and_its_half_verifies(run, label, legacy):
    made = run("keys", "new", "--algorithm", label, "--keyring", "a.keys")
    assert made.code == 0
    key_id = made.out.strip()
    assert key_id.startswith(f"{label}-")
    assert ss.Keyring.load("a.keys").active.key_id == key_id
    assert run("pack", legacy, "-o", "m.safeserial", "--keyring", "a.keys").code == 0
    for form in ([], ["--pem"]):
        half = f"half{len(form)}"
        told = run("keys", "export", key_id, "--public", *form, "-o", half, "--keyring", "a.keys")
        assert (told.code, told.out) == (0, "")
        assert mode(half) == 0o644
        imported = run("keys", "import", half, "--keyring", f"{half}.keys")
        assert imported.out.strip() == key_id
        assert "cannot sign" in imported.err
        assert run("verify", "m.safeserial", "--keyring", f"{half}.keys").code == 0
        refused = run("pack", legacy, "-o", "n.safeserial", "--keyring", f"{half}.keys")
        assert refused.code == 2
        assert not Path("n.safeserial").exists()


def test_an_unknown_kind_is_misuse(run):
    ended = run("keys", "new", "--algorithm", "rsa", "--keyring", "a.keys")
    assert ended.code == 2
    assert not Path("a.keys").exists()


def test_a_public_half_goes_to_a_pipe_or_a_terminal(run, pair):
    ended = run("keys", "export", pair.key_id, "--public", "--pem", "-o", "-")
    assert ended.out.encode() == pair.public.to_pem()


def test_private_pem_goes_to_a_private_file_and_comes_back(run, pair):
    assert run("keys", "export", pair.key_id, "--pem", "-o", "key.pem").code == 0
    assert mode("key.pem") == 0o600
    assert Path("key.pem").read_bytes() == pair.to_pem()
    assert run("keys", "import", "key.pem", "--keyring", "b.keys").out.strip() == pair.key_id
    assert ss.Keyring.load("b.keys").active.key == pair
    Path("key.pem").chmod(0o644)
    ended = run("keys", "import", "key.pem", "--keyring", "c.keys")
    assert ended.code == 2
    assert "others can read it" in ended.error[0]


@pytest.mark.parametrize("where", ["option", "variable", "file of a variable"])
def test_a_passphrase_comes_from_a_file_or_the_environment(run, pair, where):
    private_file("pass", f"{PASSPHRASE}\n")
    option, env = {
        "option": (["--passphrase-file", "pass"], {}),
        "variable": ([], {"SAFESERIAL_PASSPHRASE": PASSPHRASE}),
        "file of a variable": ([], {"SAFESERIAL_PASSPHRASE_FILE": "pass"}),
    }[where]
    ended = run("keys", "export", pair.key_id, "--encrypt", *option, "-o", "key.pem", env=env)
    assert ended.code == 0, ended.err
    assert b"ENCRYPTED" in Path("key.pem").read_bytes()
    assert keys.key_from_file("key.pem", passphrase=PASSPHRASE.encode()) == pair
    ended = run("keys", "import", "key.pem", "--keyring", "b.keys", *option, env=env)
    assert ended.out.strip() == pair.key_id
    wrong = run("keys", "import", "key.pem", "--keyring", "c.keys",
                env={"SAFESERIAL_PASSPHRASE": "wrong and long"})  # fmt: skip
    assert wrong.code == 2
    assert "another passphrase" in wrong.error[0]
    assert "wrong and long" not in wrong.err
    assert not Path("c.keys").exists()


def test_without_a_passphrase_the_hint_says_where_to_put_it(run, pair):
    Path("key.pem").write_bytes(pair.to_pem(passphrase=PASSPHRASE.encode()))
    Path("key.pem").chmod(0o600)
    for arguments in (["import", "key.pem", "--keyring", "b.keys"],
                      ["export", pair.key_id, "--encrypt", "-o", "new.pem"]):  # fmt: skip
        ended = run("keys", *arguments)
        assert ended.code == 2
        assert "SAFESERIAL_PASSPHRASE_FILE" in ended.error[1]
    assert not Path("new.pem").exists()


@pytest.mark.parametrize(
    ("content", "others"),
    [
        ("short\n", 0),
        ("one line\nand another\n", 0),
        ("", 0),
        ("x" * 2000, 0),
        (PASSPHRASE, 0o044),
    ],
)
def test_passphrase_files_that_are_none(run, pair, content, others):
    private_file("pass", content)
    Path("pass").chmod(0o600 | others)
    ended = run("keys", "export", pair.key_id, "--encrypt", "--passphrase-file", "pass",
                "-o", "key.pem")  # fmt: skip
    assert ended.code == 2
    _ = ended.error
    assert not Path("key.pem").exists()


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, *arguments):
        self.leader, follower = os.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "safeserial", *arguments],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
        )
        os.close(follower)
        self.seen = b""

    def answer(self, question, text):
        """Wait for a question, and type."""
        deadline = time.monotonic() + 60
        while question not in self.seen and time.monotonic() < deadline:
            self.seen += os.read(self.leader, 1000)
        os.write(self.leader, text)

    def end(self):
        """Return the exit code."""
        code = self.process.wait(timeout=60)
        with contextlib.suppress(OSError):  # the other end is closed
            self.seen += os.read(self.leader, 5000)
        os.close(self.leader)
        return code


terminals = pytest.mark.skipif(os.name != "posix", reason="terminals")


@terminals
def test_a_passphrase_is_asked_for_at_a_terminal_and_not_shown(pair):
    terminal = Terminal("keys", "export", pair.key_id, "--encrypt", "-o", "key.pem")
    for question in (b"New passphrase: ", b"The same again: "):
        terminal.answer(question, f"{PASSPHRASE}\n".encode())
    assert terminal.end() == 0, terminal.seen
    assert PASSPHRASE.encode() not in terminal.seen
    assert keys.key_from_file("key.pem", passphrase=PASSPHRASE.encode()) == pair


@terminals
@pytest.mark.parametrize("second", [b"another passphrase\n", b"\x04"])
def test_passphrases_that_differ_write_nothing(pair, second):
    terminal = Terminal("keys", "export", pair.key_id, "--encrypt", "-o", "key.pem")
    terminal.answer(b"New passphrase: ", f"{PASSPHRASE}\n".encode())
    terminal.answer(b"The same again: ", second)
    assert terminal.end() == 2
    assert b"differ" in terminal.seen
    assert not Path("key.pem").exists()


@terminals
def test_no_answer_is_no_passphrase(pair):
    terminal = Terminal("keys", "export", pair.key_id, "--encrypt", "-o", "key.pem")
    terminal.answer(b"New passphrase: ", b"\x04")
    assert terminal.end() == 2
    assert b"SAFESERIAL_PASSPHRASE" in terminal.seen


def test_what_cannot_be_exported_is_told(run, pair, clean):
    half = ss.Keyring([pair.public])
    half.save("half.keys")
    ss.Keyring([ss.HmacKey.generate()]).save("hmac.keys")
    for arguments, message in (
        (["p256-", "-o", "x", "--keyring", "half.keys"], "public half"),
        (["p256-", "-o", "x", "--pem", "--keyring", "half.keys"], "public half"),
        (["hmac-", "-o", "x", "--public", "--keyring", "hmac.keys"], "no public half"),
        (["hmac-", "-o", "x", "--pem", "--keyring", "hmac.keys"], "PEM has no form"),
        (["p256-", "-o", "x", "--public", "--encrypt"], "no secret"),
        (["p256-", "-o", "team.keys", "--public"], "exists"),
    ):
        ended = run("keys", "export", *arguments)
        assert ended.code == 2
        assert message in ended.error[0]
        assert not Path("x").exists()


def test_import_says_whose_key_it_is(run, pair):
    Path("half.pem").write_bytes(pair.public.to_pem())
    ended = run("keys", "import", "half.pem", "--keyring", "b.keys", "--principal",
                "alice@example.org", "--role", "trainer")  # fmt: skip
    assert ended.code == 0, ended.err
    (entry,) = ss.Keyring.load("b.keys").entries
    assert (entry.state, entry.principal, tuple(entry.roles)) == (
        "accepted", "alice@example.org", ("trainer",),
    )  # fmt: skip


def test_a_key_in_place_of_a_file_name_is_told_of_the_history(run, pair):
    for text in (pair.to_text(), pair.public.to_text()):
        ended = run("keys", "import", text)
        assert ended.code == 2
        assert "history" in ended.error[0]
        assert text.rpartition(":")[2] not in ended.err


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_key_that_openssl_made_signs_here(run, legacy):
    subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519", "-out", "key.pem"],
                   check=True, capture_output=True)  # fmt: skip
    subprocess.run(["openssl", "pkey", "-in", "key.pem", "-pubout", "-out", "half.pem"],
                   check=True, capture_output=True)  # fmt: skip
    assert run("keys", "import", "key.pem", "--keyring", "a.keys").code == 0
    assert run("keys", "import", "half.pem", "--keyring", "b.keys").code == 0
    assert run("pack", legacy, "-o", "m.safeserial", "--keyring", "a.keys").code == 0
    ended = run("verify", "m.safeserial", "--keyring", "b.keys", "--json")
    assert json.loads(ended.out)


@pytest.mark.parametrize("data", [b"-----BEGIN PRIVATE KEY-----\n", b"\0" * 100, b"A" * 20_000])
def test_garbage_is_no_key(run, data):
    ended = run("keys", "import", "-", "--keyring", "a.keys", stdin=data)
    assert ended.code == 2
    _ = ended.error
    assert not Path("a.keys").exists()
