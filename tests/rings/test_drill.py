# SPDX-License-Identifier: BSD-3-Clause
"""The drill, with the real program: three generations of keys, and a receiver who pinned the first.

Two people in two folders; what goes from one to the other is what would go by mail.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import safeserial as ss
from safeserial.cli.app import app


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("SAFESERIAL_")]:
        monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    for name in ("acme", "bank"):
        (tmp_path / name).mkdir()
    return tmp_path


class Person:
    """Somebody at a terminal in a folder of his own."""

    def __init__(self, folder: Path, monkeypatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch

    def run(self, *arguments, code=0):
        self.monkeypatch.chdir(self.folder)
        done = CliRunner().invoke(app, [str(one) for one in arguments])
        assert done.exit_code == code, (arguments, done.stdout, done.stderr)
        self.said = done.stderr
        return done.stdout.strip()

    def json(self, *arguments, code=0):
        return json.loads(self.run(*arguments, "--json", code=code))

    def give(self, other, *names):
        for name in names:
            shutil.copy(self.folder / name, other.folder / name)


@pytest.fixture
def acme(folders, monkeypatch):
    return Person(folders / "acme", monkeypatch)


@pytest.fixture
def bank(folders, monkeypatch):
    return Person(folders / "bank", monkeypatch)


RING = ("--keyring", "acme.keys")


def dump(person, name):
    ring = ss.Keyring.load(person.folder / "acme.keys")
    ss.dump({"name": name}, person.folder / name, keyring=ring, name="churn")


def test_three_generations_of_keys(acme, bank):
    one = acme.run("keys", "new", "--algorithm", "ed25519", "--principal", "alice@acme.example",
                   "--role", "trainer", *RING)  # fmt: skip
    pin = acme.run("keys", "distribute", "acme.ring", *RING)
    assert pin.startswith("sha256:")
    assert "another channel" in acme.said
    dump(acme, "one.safeserial")
    acme.give(bank, "acme.ring", "one.safeserial")
    # The receiver is told the fingerprint by telephone.
    bank.run("keys", "verify-chain", "acme.ring", code=2)
    bank.run("keys", "verify-chain", "acme.ring", "--pin", "sha256:" + "0" * 64, code=1)
    bank.run("keys", "verify-chain", "acme.ring", "--pin", pin, "--into", "acme.keys")
    assert bank.run("verify", "one.safeserial", *RING).startswith("OK")

    made = []
    for generation in ("two", "three"):
        before = ss.Keyring.load(acme.folder / "acme.keys").active.key_id
        new = acme.run("keys", "rotate", "--publish", "acme.ring", *RING)
        assert f"keys promote {new}" in acme.said
        assert ss.Keyring.load(acme.folder / "acme.keys").active.key_id == before
        acme.give(bank, "acme.ring")
        bank.run("keys", "verify-chain", "acme.ring", "--into", "acme.keys")
        acme.run("keys", "promote", new, *RING)
        assert f"keys retire {before}" in acme.said
        acme.run("keys", "distribute", "acme.ring", *RING)
        dump(acme, f"{generation}.safeserial")
        # The receiver who has not fetched the ring since knows the new key all the same.
        acme.give(bank, f"{generation}.safeserial")
        assert bank.run("verify", f"{generation}.safeserial", *RING).startswith("OK")
        made.append(new)

    acme.run("keys", "retire", one, "--reason", "replaced in May", *RING)
    acme.run("keys", "revoke", made[0], "--reason", "laptop stolen", *RING)
    acme.run("keys", "distribute", "acme.ring", *RING)
    old = (bank.folder / "acme.ring").read_bytes()
    acme.give(bank, "acme.ring")
    bank.run("keys", "verify-chain", "acme.ring", "--into", "acme.keys")
    assert bank.run("verify", "three.safeserial", *RING).startswith("OK")
    assert "RetiredKeyError" in bank.run("verify", "one.safeserial", *RING, code=1)
    assert "replaced in May" in bank.said
    assert "RevokedKeyError" in bank.run("verify", "two.safeserial", *RING, code=1)
    assert "laptop stolen" in bank.said

    # Somebody on the way hides the revocation: the old ring is not taken again.
    (bank.folder / "acme.ring").write_bytes(old)
    bank.run("keys", "verify-chain", "acme.ring", "--into", "acme.keys", code=1)
    assert "was seen before" in bank.said

    # Another receiver, who comes late, checks it all from the first fingerprint.
    acme.give(bank, "acme.ring")
    shown = bank.json("keys", "verify-chain", "acme.ring", "--pin", pin)
    assert shown["trusted"] is True
    assert shown["generations"][0]["fingerprint"] == pin
    newest_pin = shown["generations"][-1]["fingerprint"]
    assert bank.json("keys", "list", *RING)["published"]["fingerprint"] == newest_pin
    states = {one["id"]: one["state"] for one in shown["generations"][-1]["keys"]}
    assert states == {one: "retired", made[0]: "revoked", made[1]: "active"}
    assert [len(step["signed_by"]) for step in shown["generations"]] == [1, 1, 2, 1, 2, 1]
    table = bank.run("keys", "verify-chain", "acme.ring", "--pin", newest_pin)
    assert table.splitlines()[0].split() == ["SERIAL", "ISSUED", "ACTIVE", "KEYS", "FINGERPRINT"]
    assert "1 active, 1 revoked, 1 retired" in table


def test_the_two_person_rule(acme, bank, folders):
    """Alice trains, Bob approves, the bank's policy asks for both."""
    acme.run("keys", "new", "--algorithm", "ed25519", "--principal", "alice@acme.example",
             "--role", "trainer", *RING)  # fmt: skip
    bob = Person(folders / "bob", acme.monkeypatch)
    bob.folder.mkdir()
    bobs = bob.run("keys", "new", "--algorithm", "p256", "--keyring", "bob.keys")
    bob.run("keys", "export", bobs, "--public", "-o", "bob.pem", "--keyring", "bob.keys")
    bob.give(acme, "bob.pem")
    acme.run("keys", "import", "bob.pem", *RING)
    acme.run("keys", "assign", bobs, "--principal", "bob@acme.example", "--role", "approver", *RING)
    pin = acme.run("keys", "distribute", "acme.ring", *RING)
    dump(acme, "model.safeserial")
    (bank.folder / "policy.toml").write_text(
        '[[signers]]\nnames = ["churn"]\nroles = ["trainer", "approver"]\n'
    )
    for person in (bank, bob):
        acme.give(person, "acme.ring", "model.safeserial")
    checks = ("verify", "model.safeserial", *RING, "--policy", "policy.toml")
    bank.run("keys", "verify-chain", "acme.ring", "--pin", pin, "--into", "acme.keys")
    assert "MissingSignersError" in bank.run(*checks, code=1)
    assert "missing: approver" in bank.said
    assert "safeserial approve" in bank.said
    # Bob has Alice's public half in a ring of his own.
    alice = acme.json("keys", "list", *RING)["keys"][0]["id"]
    acme.run("keys", "export", alice, "--public", "-o", "alice.pem", *RING)
    acme.give(bob, "alice.pem")
    bob.run("approve", "model.safeserial", "--keyring", "bob.keys", code=1)
    bob.run("keys", "import", "alice.pem", "--keyring", "bob.keys")
    assert bob.run("approve", "model.safeserial", "--keyring", "bob.keys").startswith("APPROVED")
    bob.give(bank, "model.safeserial")
    assert bank.run(*checks).startswith("OK")
    shown = bob.json("approve", "model.safeserial", "nothing", "--keyring", "bob.keys", code=2)
    assert [one["status"] for one in shown["files"]] == ["approved", "not approved"]


def test_a_ring_of_ones_own_is_not_overwritten_by_theirs(acme, bank):
    acme.run("keys", "new", "--algorithm", "ed25519", *RING)
    pin = acme.run("keys", "distribute", "acme.ring", *RING)
    acme.give(bank, "acme.ring")
    bank.run("keys", "new", "--keyring", "own.keys")
    before = (bank.folder / "own.keys").read_bytes()
    bank.run("keys", "verify-chain", "acme.ring", "--pin", pin, "--into", "own.keys", code=2)
    assert "of your own" in bank.said
    assert (bank.folder / "own.keys").read_bytes() == before


def test_the_life_of_a_key_step_by_step(acme):
    one = acme.run("keys", "new", *RING)
    two = acme.run("keys", "rotate", *RING)
    assert two.startswith("hmac-")
    assert "keys export" in acme.said
    assert acme.json("keys", "demote", one, *RING)["state"] == "accepted"
    assert "no active key" not in acme.run("keys", "list", *RING)
    assert acme.json("keys", "promote", two, *RING) == {
        "id": two, "state": "active", "principal": None, "roles": [], "reason": "", "serial": 4,
    }  # fmt: skip
    assert acme.json("keys", "retire", one, "--reason", "old", *RING)["reason"] == "old"
    acme.run("keys", "promote", one, *RING, code=2)
    three = acme.run("keys", "rotate", "--now", *RING)
    assert ss.Keyring.load(acme.folder / "acme.keys").active.key_id == three
    acme.run("keys", "assign", three, *RING, code=2)
    acme.run("keys", "assign", three, "--role", "trainer", *RING, code=2)
    assert "shared secret" in acme.said
    acme.run("keys", "distribute", "acme.ring", *RING, code=2)
    assert "shared secret" in acme.said
    assert not (acme.folder / "acme.ring").exists()


def test_rotating_keeps_the_kind_of_key(acme):
    acme.run("keys", "new", "--algorithm", "p384", "--principal", "alice", *RING)
    assert acme.run("keys", "rotate", *RING).startswith("p384-")
    listed = acme.json("keys", "list", *RING)["keys"]
    assert [one["principal"] for one in listed] == ["alice", "alice"]
    assert acme.run("keys", "rotate", "--algorithm", "ed25519", *RING).startswith("ed25519-")
    table = acme.run("keys", "list", *RING)
    assert table.splitlines()[0].split()[-2:] == ["PRINCIPAL", "ROLES"]


def test_a_key_is_not_promoted_before_it_was_handed_round(acme):
    acme.run("keys", "new", "--algorithm", "ed25519", *RING)
    acme.run("keys", "distribute", "acme.ring", *RING)
    new = acme.run("keys", "rotate", *RING)
    acme.run("keys", "promote", new, *RING, code=2)
    assert "keys distribute" in acme.said
    acme.run("keys", "rotate", "--now", *RING, code=2)
    shown = acme.json("keys", "distribute", "acme.ring", *RING)
    assert set(shown) == {"fingerprint", "serial", "keys"}
    assert shown["keys"][1] == new
    again = acme.json("keys", "distribute", "acme.ring", *RING)
    assert again == shown
    acme.run("keys", "promote", new, *RING)


def test_a_published_ring_is_no_keyring_to_open(acme):
    acme.run("keys", "new", "--algorithm", "ed25519", *RING)
    acme.run("keys", "distribute", "acme.ring", *RING)
    acme.run("keys", "list", "--keyring", "acme.ring", code=1)
    assert "fingerprint" in acme.said


def test_approving_imports_nothing_heavy(acme):
    acme.run("keys", "new", "--algorithm", "ed25519", *RING)
    dump(acme, "m.safeserial")
    script = (
        "import sys\n"
        "sys.argv = ['safeserial', 'approve', 'm.safeserial', '--keyring', 'acme.keys']\n"
        "from safeserial.cli.app import app\n"
        "try: app()\n"
        "except SystemExit as end: print(end.code, {'numpy', 'sklearn'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "0 set()"


def test_no_command_prints_a_secret(acme):
    one = acme.run("keys", "new", "--algorithm", "ed25519", *RING)
    key = ss.Keyring.load(acme.folder / "acme.keys").active.key
    text = key.to_text()
    secret = text.partition(":")[2]
    acme.run("keys", "distribute", "acme.ring", *RING)
    for arguments in (
        ["keys", "promote", text], ["keys", "demote", text], ["keys", "assign", text],
        ["keys", "assign", one, "--principal", text], ["keys", "assign", one, "--role", text],
        ["keys", "distribute", text], ["keys", "verify-chain", text],
        ["keys", "verify-chain", "acme.ring", "--pin", text],
        ["keys", "verify-chain", "acme.keys"],
        ["keys", "verify-chain", "acme.ring", "--into", text],
        ["keys", "rotate", "--publish", "acme.keys"], ["approve", text], ["approve", "acme.keys"],
        ["keys", "list", "--json"], ["keys", "list", "--keyring", "acme.ring"],
    ):  # fmt: skip
        given = [] if "verify-chain" in arguments or "--keyring" in arguments else RING
        done = CliRunner().invoke(app, [*arguments, *given])
        assert secret not in done.output, arguments
        assert done.exception is None or isinstance(done.exception, SystemExit), arguments
    assert secret not in (acme.folder / "acme.ring").read_text()
