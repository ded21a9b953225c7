# SPDX-License-Identifier: BSD-3-Clause
"""Whose word counts for an artifact: states, dates, several signers, the policy's rules."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

import safeserial as ss
from safeserial import errors
from safeserial.artifact import trust
from safeserial.keyring import KeyEntry
from safeserial.signer_rules import Facts, SignerRule
from tests import world
from tests.rings import bench
from tests.rings.bench import ALICE, ALICE_2, BOB, CAROL, DAY, NOW, TEAM

TWO = world.CALM.with_signers([SignerRule(names=("fraud-*",), roles=("trainer", "approver"))])
RING = ss.Keyring(TEAM)


@pytest.fixture(scope="module")
def parts():
    data = ss.dumps(world.MODEL, keyring=ss.Keyring([ALICE]), name="fraud-eu", version="2.0")
    return world.Parts.of(data)


def load(data, ring=RING, policy=TWO):
    return ss.loads(data, keyring=ring, policy=policy)


def refusal(data, ring=RING, policy=TWO):
    return world.refusal(lambda: load(data, ring, policy))


def test_two_people_signed(parts):
    assert load(parts.signed(ALICE, BOB)) == world.MODEL
    assert load(parts.signed(BOB, ALICE)) == world.MODEL


def test_signers_say_who_they_are(parts, tmp_path):
    path = tmp_path / "m.safeserial"
    path.write_bytes(parts.signed(ALICE, BOB))
    verified = ss.verify(path, keyring=RING, policy=TWO)
    assert [(one.principal, one.roles) for one in verified.signers] == [
        ("alice@example.org", ("trainer",)),
        ("bob@example.org", ("approver",)),
    ]


def test_a_stripped_signature_is_missed(parts):
    for left, missing in (((ALICE,), "approver"), ((BOB,), "trainer")):
        error = refusal(parts.signed(*left))
        assert type(error) is errors.MissingSignersError
        assert error.missing == (missing,)
        assert "approve" in error.hint


def test_an_unknown_approver_is_missed(parts):
    assert refusal(parts.signed(ALICE, CAROL)).missing == ("approver",)


def test_a_signature_listed_under_another_id(parts):
    mine = world.signature(ALICE, parts.body)
    relabelled = {**mine, "keyid": BOB.key_id}
    data = parts.zipped(parts.body, [mine, relabelled])
    assert type(refusal(data)) is errors.BadSignatureError
    twice = parts.zipped(parts.body, [mine, mine])
    assert type(refusal(twice)) is errors.CorruptArtifactError


def test_no_signature_never_means_an_old_file(parts):
    data = parts.zipped(parts.body, [])
    for policy in (TWO, world.CALM):
        assert type(refusal(data, policy=policy)) is errors.UnsignedError


def test_the_name_that_is_signed_chooses_the_rule(parts):
    renamed = parts.changed(name="toy").signed(ALICE, BOB)
    assert type(refusal(renamed)) is errors.NoSignerRuleError
    unnamed = parts.changed(name=None).signed(ALICE)
    assert type(refusal(unnamed)) is errors.NoSignerRuleError
    # The file's own name counts for nothing: relabelling without signing again breaks it.
    assert type(refusal(parts.changed(name="toy").unsigned())) is errors.BadSignatureError


def test_age_and_version_and_format_are_those_that_are_signed(parts):
    rule = SignerRule(names=("*",), max_age_days=30, min_version="2.0", formats=("pickle",))
    policy = world.CALM.with_signers([rule])
    assert load(parts.signed(ALICE), policy=policy) == world.MODEL
    old = (NOW - 31 * DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    aged = parts.changed(created=old).signed(ALICE)
    assert type(refusal(aged, policy=policy)) is errors.TooOldError
    downgraded = parts.changed(version="1.9").signed(ALICE)
    assert type(refusal(downgraded, policy=policy)) is errors.DowngradeError
    only_onnx = world.CALM.with_signers([dataclasses.replace(rule, formats=("onnx",))])
    assert type(refusal(parts.signed(ALICE), policy=only_onnx)) is errors.PolicyError


def test_a_policy_on_signers_takes_nothing_that_nobody_signed(tmp_path):
    """Else an attacker would leave the signatures off and call it an old file."""
    path = tmp_path / "model.pkl"
    path.write_bytes(b"(lp0\n.")
    assert ss.load_unsigned(path, policy=world.CALM) == []
    error = world.refusal(lambda: ss.load_unsigned(path, policy=TWO))
    assert type(error) is errors.MissingSignersError
    assert isinstance(world.refusal(lambda: load_path(path)), errors.FormatError)


def load_path(path):
    return ss.load(path, keyring=RING, policy=TWO)


# Revoked and retired -----------------------------------------------------------------------------


def ring_with(state, **dates):
    return ss.Keyring([dataclasses.replace(TEAM[0], state=state, **dates), TEAM[1]])


def test_a_revoked_key_spoils_what_a_good_one_signed_beside_it(parts):
    for keys in ((ALICE, BOB), (BOB, ALICE), (ALICE,)):
        data = parts.signed(*keys)
        for policy in (world.CALM, TWO):
            error = refusal(data, ring_with("revoked", reason="stolen"), policy)
            assert type(error) is errors.RevokedKeyError
            assert error.key_id == ALICE.key_id
            assert "stolen" in str(error)


def test_a_back_dated_file_of_a_revoked_key_is_refused(parts):
    """The thief of a key writes a time at which the key was good; nobody looks at the time."""
    for created in ("2001-01-01T00:00:00Z", (NOW - DAY).strftime("%Y-%m-%dT%H:%M:%SZ")):
        data = parts.changed(created=created).signed(ALICE, BOB)
        for dates in ({}, {"not_before": NOW - 9 * DAY}, {"not_after": NOW - DAY}):
            error = refusal(data, ring_with("revoked", **dates), world.CALM)
            assert type(error) is errors.RevokedKeyError


def test_a_revoked_key_whose_signature_does_not_fit_is_a_bad_signature(parts):
    other = world.signature(ALICE, b"{}")
    data = parts.zipped(parts.body, [other, world.signature(BOB, parts.body)])
    assert type(refusal(data, ring_with("revoked"))) is errors.BadSignatureError


def test_the_name_of_a_revoked_key_alone_spoils_nothing_it_did_not_sign(parts):
    """A ring that knows of a revoked key takes what others signed."""
    assert load(parts.signed(BOB), ring_with("revoked"), world.CALM) == world.MODEL


def test_a_retired_key_does_not_count_and_does_not_spoil(parts):
    ring = ring_with("retired", reason="replaced in May")
    data = parts.signed(ALICE, BOB)
    assert load(data, ring, world.CALM) == world.MODEL
    error = refusal(data, ring)
    assert error.missing == ("trainer",)
    assert "replaced in May" in str(error)
    assert type(refusal(parts.signed(ALICE), ring)) is errors.RetiredKeyError


def test_an_expired_approver_does_not_count(parts):
    ring = ss.Keyring([TEAM[0], dataclasses.replace(TEAM[1], not_after=NOW - DAY)])
    error = refusal(parts.signed(ALICE, BOB), ring)
    assert error.missing == ("approver",)
    assert "expired" in str(error)


# Two who are one ----------------------------------------------------------------------------


def test_two_keys_of_one_person_are_not_two_people(parts):
    second = KeyEntry(
        key=ALICE_2, state="accepted", principal="alice@example.org", roles=("approver",)
    )
    error = refusal(parts.signed(ALICE, ALICE_2), ss.Keyring([TEAM[0], second]))
    assert error.missing == ("approver",)


def test_a_shared_secret_approves_nothing(parts):
    tagged = parts.signed(ALICE, world.KEY)
    ring = ss.Keyring(
        [TEAM[0], KeyEntry(key=world.KEY, state="accepted", principal="bob@example.org")]
    )
    error = refusal(tagged, ring)
    assert error.missing == ("approver",)
    assert "shared secret" in str(error)
    assert load(tagged, ring, world.CALM) == world.MODEL


# The one function for artifacts and detached files ------------------------------------------------


def test_a_file_that_does_not_say_when_it_was_made_is_judged_now():
    nothing = Facts(format="joblib")
    (one,) = trust.weigh([TEAM[0]], nothing, world.CALM)
    assert one.principal == "alice@example.org"
    late = dataclasses.replace(TEAM[0], not_before=NOW + DAY)
    with pytest.raises(errors.KeyNotYetValidError):
        trust.weigh([late], nothing, world.CALM)
    aged = world.CALM.with_signers([SignerRule(names=("*",), max_age_days=1)])
    with pytest.raises(errors.TooOldError):
        trust.weigh([TEAM[0]], nothing, aged)


def test_the_edges_of_the_clock():
    second = datetime.timedelta(seconds=1)
    made = Facts(format="pickle", created=NOW)
    trust.weigh([TEAM[0]], made, world.CALM, now=NOW - trust.CLOCK_SKEW)
    with pytest.raises(errors.PolicyError, match="yet to come"):
        trust.weigh([TEAM[0]], made, world.CALM, now=NOW - trust.CLOCK_SKEW - second)
    dated = dataclasses.replace(TEAM[0], not_before=NOW, not_after=NOW + DAY)
    trust.weigh([dated], made, world.CALM, now=NOW)
    trust.weigh([dated], made, world.CALM, now=NOW + DAY)
    for now, error in (
        (NOW - second, errors.KeyNotYetValidError),
        (NOW + DAY + second, errors.ExpiredKeyError),
    ):
        with pytest.raises(error):
            trust.weigh([dated], made, world.CALM, now=now)
    early = Facts(format="pickle", created=NOW - second)
    with pytest.raises(errors.KeyNotYetValidError, match="before or after"):
        trust.weigh([dated], early, world.CALM, now=NOW)


def test_a_format_that_the_policy_does_not_take():
    with pytest.raises(errors.PolicyError, match="format 'joblib'"):
        trust.weigh([TEAM[0]], Facts(format="joblib"), world.CALM.with_formats(["onnx"]))


def test_nobody_is_not_enough():
    with pytest.raises(errors.SafeSerialError):
        trust.weigh([], Facts(format="pickle"), world.CALM)


def test_a_ring_that_was_published_judges_as_the_owners(parts, tmp_path):
    ring = bench.first(tmp_path / "acme.ring")
    theirs = ss.Keyring.load(tmp_path / "acme.ring", pinned=ring.mark.digest)
    assert load(parts.signed(ALICE, BOB), theirs) == world.MODEL
    assert refusal(parts.signed(ALICE), theirs).missing == ("approver",)
