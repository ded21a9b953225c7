# SPDX-License-Identifier: BSD-3-Clause
"""Approving: a second signature, and not another byte of the artifact changes its meaning."""

from __future__ import annotations

import dataclasses
import os
import stat
import subprocess
import sys

import pytest

import safeserial as ss
from safeserial import errors
from safeserial.keyring import KeyEntry
from safeserial.signer_rules import SignerRule
from tests import world
from tests.rings.bench import ALICE, ALICE_2, BOB, CAROL, DAY, NOW, TEAM

TWO = world.CALM.with_signers([SignerRule(names=("*",), roles=("trainer", "approver"))])
RING = ss.Keyring(TEAM)
BOBS = ss.Keyring(
    [dataclasses.replace(TEAM[1], state="active"), dataclasses.replace(TEAM[0], state="accepted")]
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.safeserial"
    ss.dump(world.arrays(), path, keyring=ss.Keyring([ALICE]), name="fraud-eu")
    return path


def refusal(file, ring, **arguments):
    """Return why an approval is refused, after which the file is as it was."""
    before = file.read_bytes()
    error = world.refusal(lambda: ss.approve(file, keyring=ring, **arguments))
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]
    return error


def test_an_approved_file_has_two_signers_and_the_same_payload(file):
    before = file.read_bytes()
    assert type(world.refusal(lambda: ss.load(file, keyring=RING, policy=TWO))) is (
        errors.MissingSignersError
    )
    approved = ss.approve(file, keyring=BOBS, policy=TWO)
    assert [one.principal for one in approved.signers] == ["alice@example.org", "bob@example.org"]
    after = file.read_bytes()
    assert len(after) == len(before)
    one, two = world.Parts.of(before), world.Parts.of(after)
    assert two.manifest == one.manifest
    assert two.members == one.members
    assert two.signatures[:1] == one.signatures
    assert len(two.signatures) == 2
    verified = ss.verify(file, keyring=RING, policy=TWO)
    assert verified.artifact_id == approved.artifact_id
    assert verified.signers == approved.signers
    assert world.same(ss.load(file, keyring=RING, policy=TWO), world.arrays())


def test_approving_twice_is_approving_once(file):
    first = ss.approve(file, keyring=BOBS)
    facts, data = file.stat(), file.read_bytes()
    assert ss.approve(file, keyring=BOBS) == first
    assert file.read_bytes() == data
    assert file.stat().st_ino == facts.st_ino


def test_the_same_person_does_not_approve_with_another_key(file):
    hers = KeyEntry(key=ALICE_2, state="active", principal="alice@example.org", roles=("approver",))
    ring = ss.Keyring([hers, dataclasses.replace(TEAM[0], state="accepted")])
    error = refusal(file, ring)
    assert type(error) is errors.PolicyError
    assert "alice@example.org has signed" in str(error)


def test_a_shared_secret_does_not_approve(file):
    error = refusal(file, ss.Keyring([world.KEY, ALICE.public]))
    assert type(error) is errors.KeyringError
    assert "ed25519" in error.hint


@pytest.mark.parametrize(
    ("ring", "error"),
    [
        (ss.Keyring([BOB]), errors.UnknownKeyError),
        (ss.Keyring([BOB, CAROL.public]), errors.UnknownKeyError),
        (ss.Keyring([BOB, ALICE.public]).revoke(ALICE.key_id), errors.RevokedKeyError),
        (ss.Keyring([BOB, ALICE.public]).retire(ALICE.key_id), errors.RetiredKeyError),
        (ss.Keyring([BOB, ALICE.public]).demote(BOB.key_id), errors.KeyNotFoundError),
        (ss.Keyring([ALICE.public, BOB.public]), errors.KeyNotFoundError),
        (
            ss.Keyring([KeyEntry(key=BOB, state="active", not_after=NOW - DAY), ALICE.public]),
            errors.ExpiredKeyError,
        ),
        (
            ss.Keyring([KeyEntry(key=BOB, state="active", not_before=NOW + DAY), ALICE.public]),
            errors.KeyNotYetValidError,
        ),
    ],
    ids=["stranger", "other", "revoked", "retired", "demoted", "public", "expired", "early"],
)
def test_who_may_not_approve(file, ring, error):
    assert type(refusal(file, ring)) is error


def test_what_is_not_in_order_is_not_approved(file):
    good = file.read_bytes()
    parts = world.Parts.of(good)
    damaged = bytearray(good)
    damaged[good.index(next(iter(parts.members.values())))] ^= 1
    for data, error in (
        (bytes(damaged), errors.DigestMismatchError),
        (parts.changed(name="other").unsigned(), errors.BadSignatureError),
        (good[:-1], errors.CorruptArtifactError),
        (good + b"x", errors.CorruptArtifactError),
        (good[:20_000], errors.CorruptArtifactError),
        (b"", errors.NotAnArtifactError),
        (b"\x80\x04.", errors.NotAnArtifactError),
        (parts.zipped(parts.body, []), errors.UnsignedError),
    ):
        file.write_bytes(data)
        assert type(refusal(file, BOBS)) is error, error


def test_a_policy_of_the_approver_holds(file):
    policy = ss.Policy.default()
    assert "format" in str(refusal(file, BOBS, policy=policy.with_formats(["onnx"])))
    small = policy.with_limits(file_size=1000)
    assert type(refusal(file, BOBS, policy=small)) is errors.LimitExceededError


def test_there_is_room_for_32(file):
    keys = [ss.Ed25519Key.generate() for _ in range(32)]
    for key in keys[:31]:
        ss.approve(file, keyring=ss.Keyring([key, ALICE.public]))
    error = refusal(file, ss.Keyring([keys[31], ALICE.public]))
    assert type(error) is errors.LimitExceededError
    ring = ss.Keyring([ALICE.public, *(key.public for key in keys)])
    assert len(ss.verify(file, keyring=ring).signers) == 32


def test_every_kind_of_pair_approves(file):
    for make in (ss.EcdsaKey.generate, lambda: ss.EcdsaKey.generate("P-521"), ss.MlDsaKey.generate):
        try:
            key = make()
        except errors.KeyringError:
            continue  # the installed cryptography has no ML-DSA
        approved = ss.approve(file, keyring=ss.Keyring([key, ALICE.public]))
        assert approved.signers[-1].key_id == key.key_id


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_and_links_stay(file, tmp_path):
    file.chmod(0o640)
    ss.approve(file, keyring=BOBS)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    link = tmp_path / "link"
    link.symlink_to(file)
    ss.approve(link, keyring=ss.Keyring([CAROL, ALICE.public]))
    assert link.is_symlink()
    assert len(world.Parts.of(file.read_bytes()).signatures) == 3


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_of_several_who_approve_at_once_none_is_lost(file):
    script = (
        "import sys, safeserial as ss\n"
        "key = ss.Ed25519Key.from_text(sys.stdin.readline())\n"
        "alice = ss.PublicKey.from_text(sys.stdin.readline())\n"
        "ss.approve(sys.argv[1], keyring=ss.Keyring([key, alice]))\n"
    )
    keys = [ss.Ed25519Key.generate() for _ in range(4)]
    running = [
        subprocess.Popen([sys.executable, "-c", script, file], stdin=subprocess.PIPE, text=True)
        for _ in keys
    ]
    for key, process in zip(keys, running, strict=True):
        process.communicate(f"{key.to_text()}\n{ALICE.public.to_text()}\n", timeout=60)
    assert [process.returncode for process in running] == [0] * 4
    ring = ss.Keyring([ALICE.public, *(key.public for key in keys)])
    assert len(ss.verify(file, keyring=ring).signers) == 5


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_a_full_disk_leaves_the_old_file(file):
    script = (
        "import resource, sys, safeserial as ss\n"
        "key = ss.Ed25519Key.from_text(sys.stdin.readline())\n"
        "alice = ss.PublicKey.from_text(sys.stdin.readline())\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try: ss.approve(sys.argv[1], keyring=ss.Keyring([key, alice]))\n"
        "except ss.errors.WriteFailedError: print('failed')\n"
    )
    before = file.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", script, file],
        input=f"{BOB.to_text()}\n{ALICE.public.to_text()}\n",
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "failed\n"
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_progress_is_told(file):
    told = []
    ss.approve(file, keyring=BOBS, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] > 0
    assert told == sorted(told)


def test_a_ring_is_a_ring(file):
    assert type(refusal(file, [BOB])) is errors.KeyringError


# Files and folders with a signature beside them ---------------------------------------------------


@pytest.fixture(params=["file", "folder"])
def plain(request, tmp_path):
    path = tmp_path / "fraud-eu.bin"
    if request.param == "folder":
        path = tmp_path / "fraud-eu"
        path.mkdir()
        (path / "weights.bin").write_bytes(b"numbers")
    else:
        path.write_bytes(b"numbers")
    ss.sign(path, keyring=ss.Keyring([ALICE]), name="fraud-eu")
    return path


def test_a_plain_file_gets_one_line_more(plain):
    place = plain.with_name(plain.name + ".sig")
    before = place.read_bytes()
    assert type(world.refusal(lambda: ss.verify(plain, keyring=RING, policy=TWO))) is (
        errors.MissingSignersError
    )
    approved = ss.approve(plain, keyring=BOBS)
    assert [one.principal for one in approved.signers] == ["alice@example.org", "bob@example.org"]
    after = place.read_bytes()
    assert before in after
    assert len(after.splitlines()) == 2
    verified = ss.verify(plain, keyring=RING, policy=TWO)
    assert {one.principal for one in verified.signers} == {"alice@example.org", "bob@example.org"}


def test_a_plain_file_is_approved_by_another_person_only(plain):
    place = plain.with_name(plain.name + ".sig")
    before = place.read_bytes()
    hers = KeyEntry(key=ALICE_2, state="active", principal="alice@example.org", roles=("approver",))
    for ring, error in (
        (ss.Keyring([hers, dataclasses.replace(TEAM[0], state="accepted")]), errors.PolicyError),
        (ss.Keyring([world.KEY, ALICE.public]), errors.KeyringError),
        (ss.Keyring([BOB]), errors.UnknownKeyError),
        (ss.Keyring([BOB, ALICE.public]).revoke(ALICE.key_id), errors.RevokedKeyError),
    ):
        assert type(world.refusal(lambda ring=ring: ss.approve(plain, keyring=ring))) is error
    assert place.read_bytes() == before


def test_a_revoked_key_spoils_a_plain_file_too(plain):
    ss.approve(plain, keyring=BOBS)
    ring = RING.revoke(ALICE.key_id, reason="stolen")
    error = world.refusal(lambda: ss.verify(plain, keyring=ring, policy=world.CALM))
    assert type(error) is errors.RevokedKeyError


def test_what_nobody_signed_is_not_approved(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(b"numbers")
    assert isinstance(
        world.refusal(lambda: ss.approve(path, keyring=BOBS)), errors.NotAnArtifactError
    )
    assert isinstance(
        world.refusal(lambda: ss.approve(tmp_path, keyring=BOBS)), errors.UnsignedError
    )
    assert type(world.refusal(lambda: ss.approve(tmp_path / "no", keyring=BOBS))) is (
        errors.MissingFileError
    )


def test_a_plain_model_loads_when_two_people_signed(tmp_path):
    path = tmp_path / "fraud-eu.pkl"
    path.write_bytes(b"(lp0\nI1\na.")
    ss.sign(path, keyring=ss.Keyring([ALICE]))
    assert ss.load(path, keyring=RING, policy=world.CALM) == [1]
    error = world.refusal(lambda: ss.load(path, keyring=RING, policy=TWO))
    assert type(error) is errors.MissingSignersError
    ss.approve(path, keyring=BOBS)
    assert ss.load(path, keyring=RING, policy=TWO) == [1]
