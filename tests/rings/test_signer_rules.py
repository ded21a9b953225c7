# SPDX-License-Identifier: BSD-3-Clause
"""Rules on signers: whose signatures are enough for which model, and what else it must be."""

from __future__ import annotations

import datetime
import itertools
import pickle
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import safeserial as ss
from safeserial import errors, signer_rules
from safeserial.signer_rules import DEFAULT_RULES, Facts, SignedBy, SignerRule
from tests import world
from tests.rings.bench import DAY, NOW

SECOND = datetime.timedelta(seconds=1)
TWO = SignerRule(names=("fraud-*",), roles=("trainer", "approver"))


def by(person, *roles, key=None, algorithm="ed25519"):
    """A signature that counts."""
    return SignedBy(key or f"ed25519-of-{person}", algorithm, person, roles)


ALICE = by("alice", "trainer")
BOB = by("bob", "approver")


def facts(**fields):
    return Facts(
        **{"format": "pickle", "created": NOW, "name": "fraud-eu", "version": "2.1"} | fields
    )


def refusal(rules, signers, **fields):
    """Return the error, None where the signatures are enough."""
    rules = (rules,) if isinstance(rules, SignerRule) else rules
    try:
        signer_rules.check(rules, signers, facts(**fields), now=NOW)
    except errors.PolicyError as error:
        assert error.hint
        return error
    return None


# People and roles ------------------------------------------------------------------------------


def test_two_people_in_two_roles():
    assert refusal(TWO, [ALICE, BOB]) is None
    assert refusal(TWO, [BOB, ALICE]) is None
    assert refusal(TWO, [ALICE, BOB, by("carol")]) is None


@pytest.mark.parametrize(
    ("signers", "missing"),
    [
        ([], ("trainer", "approver")),
        ([ALICE], ("approver",)),
        ([BOB], ("trainer",)),
        ([ALICE, ALICE], ("approver",)),
        ([ALICE, by("alice", "approver", key="ed25519-second")], ("approver",)),
        ([by("alice", "trainer", "approver")], ("approver",)),
        ([ALICE, by("bob", "trainer")], ("approver",)),
        ([ALICE, by("bob")], ("approver",)),
        ([ALICE, by("bob", "Approver")], ("approver",)),
        ([ALICE, by(None, "approver")], ("approver",)),
        ([ALICE, by("bob", "approver", key="ed25519-of-alice")], ("trainer",)),
        ([ALICE, by("bob", "approver", algorithm="hmac-sha256")], ("approver",)),
    ],
    ids=str,
)
def test_who_is_missing_is_said(signers, missing):
    error = refusal(TWO, signers)
    assert type(error) is errors.MissingSignersError
    assert error.missing == missing
    for role in missing:
        assert role in str(error)


def test_two_keys_of_one_principal_are_one_voice():
    rule = SignerRule(names=("*",), threshold=2)
    both = [by("alice", key="ed25519-1"), by("alice", key="p256-2")]
    assert refusal(rule, both).missing == ("signer",)
    assert refusal(rule, [*both, by("bob")]) is None


def test_one_key_for_two_principals_is_one_voice():
    rule = SignerRule(names=("*",), threshold=2)
    assert refusal(rule, [by("alice", key="k"), by("bob", key="k")]).missing == ("signer",)


def test_somebody_with_both_roles_takes_the_one_that_is_left():
    """A greedy reader would give alice the trainer's place and find nobody for the other."""
    both = by("alice", "trainer", "approver")
    for other in (by("bob", "trainer"), by("bob", "approver")):
        for signers in itertools.permutations([both, other]):
            assert refusal(TWO, signers) is None


def test_a_role_written_twice_needs_two():
    rule = SignerRule(names=("*",), roles=("approver", "approver"))
    assert refusal(rule, [BOB]).missing == ("approver",)
    assert refusal(rule, [BOB, by("carol", "approver")]) is None


def test_more_people_than_roles():
    rule = SignerRule(names=("*",), roles=("approver",), threshold=3)
    assert refusal(rule, [BOB, ALICE]).missing == ("signer",)
    assert refusal(rule, [BOB, ALICE, by("carol")]) is None
    assert refusal(rule, [ALICE, by("carol"), by("dora")]).missing == ("approver",)


def test_one_signature_needs_no_name_but_two_do():
    nameless = by(None, "approver")
    assert refusal(SignerRule(names=("*",), roles=("approver",)), [nameless]) is None
    error = refusal(SignerRule(names=("*",), threshold=2), [nameless, BOB])
    assert "does not say whose key" in str(error)


def test_a_shared_secret_is_nobodys_word():
    tag = by("bob", "approver", key="hmac-1", algorithm="hmac-sha256")
    assert refusal(DEFAULT_RULES, [tag]) is None, "between services it is enough"
    for rule in (
        SignerRule(names=("*",), roles=("approver",)),
        SignerRule(names=("*",), threshold=2),
    ):
        error = refusal(rule, [tag, ALICE])
        assert type(error) is errors.MissingSignersError
        assert "shared secret" in str(error)


def test_why_a_signature_does_not_count_is_said():
    retired = errors.RetiredKeyError("key ed25519-of-bob is retired: left the team")
    with pytest.raises(errors.MissingSignersError, match="left the team"):
        signer_rules.check((TWO,), [ALICE], facts(), now=NOW, passed_over=[retired])


PEOPLE = st.dictionaries(
    st.sampled_from(["ann", "ben", "cy", "dee", "eve"]),
    st.frozensets(st.sampled_from(["a", "b", "c"])),
)


@settings(max_examples=200 * world.EFFORT, deadline=None)
@given(PEOPLE, st.lists(st.sampled_from(["a", "b", "c"]), max_size=5))
def test_as_many_places_are_filled_as_can_be(people, roles):
    left = signer_rules._unfilled(roles, people)
    best = 0
    for order in itertools.permutations(list(people) + [None] * len(roles), len(roles)):
        best = max(
            best, sum(p is not None and r in people[p] for p, r in zip(order, roles, strict=True))
        )
        if best == len(roles):
            break
    assert len(roles) - len(left) == best
    for role in left:
        assert role in roles


@settings(max_examples=100 * world.EFFORT, deadline=None)
@given(st.data())
def test_a_rule_or_a_signature_more_never_turns_the_answer_the_wrong_way(data):
    someone = st.builds(
        by,
        st.sampled_from(["ann", "ben", None]),
        st.sampled_from(["trainer", "approver"]),
        key=st.sampled_from(["ed25519-1", "ed25519-2", "hmac-3"]),
    )
    rule = st.builds(
        SignerRule,
        names=st.sampled_from([("*",), ("fraud-*",), ("other",)]),
        roles=st.lists(st.sampled_from(["trainer", "approver"]), max_size=2).map(tuple),
    )
    signers = data.draw(st.lists(someone, max_size=4, unique_by=lambda one: one.key_id))
    rules = tuple(data.draw(st.lists(rule, min_size=1, max_size=3)))
    fitting = [one for one in rules if one.fits("fraud-eu")]
    if refusal(rules, signers) is not None and fitting:
        assert refusal((*rules, data.draw(rule)), signers) is not None
    if refusal(rules, signers) is None:
        assert fitting
        more = data.draw(someone)
        if more.key_id not in {one.key_id for one in signers}:
            assert refusal(rules, [*signers, more]) is None


# Names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*", "anything", True), ("*", None, True), ("fraud-*", "fraud-eu", True),
        ("fraud-*", "Fraud-eu", False), ("fraud-*", None, False), ("fraud-*", "xfraud-eu", False),
        ("fraud-eu", "fraud-eu", True), ("fraud-eu", "fraud-eu\n", False),
        ("fraud-??", "fraud-eu", True),
        ("?*", None, False), ("fraud[-_]*", "fraud_eu", True), ("*", "", True),
    ],
)  # fmt: skip
def test_names_fit_patterns_as_in_a_shell(pattern, name, fits):
    assert SignerRule(names=(pattern,)).fits(name) is fits


def test_a_name_without_a_rule_is_refused():
    for name in ("churn", None, "Fraud-eu"):
        assert type(refusal(TWO, [ALICE, BOB], name=name)) is errors.NoSignerRuleError


def test_all_rules_that_fit_hold():
    loose = SignerRule(names=("*",))
    for rules in ((TWO, loose), (loose, TWO)):
        assert refusal(rules, [ALICE]).missing == ("approver",)
        assert refusal(rules, [ALICE], name="churn") is None
        assert refusal(rules, [ALICE, BOB]) is None


# Format, age, version ----------------------------------------------------------------------------


def test_formats():
    rule = SignerRule(names=("*",), formats=("skops", "onnx"))
    assert refusal(rule, [ALICE], format="onnx") is None
    assert "is of format 'pickle'" in str(refusal(rule, [ALICE]))


def test_age_to_the_second():
    rule = SignerRule(names=("*",), max_age_days=30)
    assert refusal(rule, [ALICE], created=NOW - 30 * DAY) is None
    assert type(refusal(rule, [ALICE], created=NOW - 30 * DAY - SECOND)) is errors.TooOldError
    assert type(refusal(rule, [ALICE], created=None)) is errors.TooOldError
    zone = datetime.timezone(datetime.timedelta(hours=14))
    assert refusal(rule, [ALICE], created=(NOW - 30 * DAY).astimezone(zone)) is None


@pytest.mark.parametrize(
    ("least", "version", "good"),
    [
        ("2.0", "2.0", True), ("2.0", "2", True), ("2", "2.0.0", True), ("2.0", "2.0.1", True),
        ("2.0", "10.0", True), ("2.0", "v2.1", True), ("2.9", "2.10", True),
        ("2.0", "1.9.9", False),
        ("2.10", "2.9", False), ("2.0", None, False), ("2.0", "", False), ("2.0", "2.0rc1", False),
        ("2.0", "latest", False), ("2.0", "2.0 ", False), ("2.0", "2.0\n", False),
        ("2.0", "٣.0", False), ("2.0", "-3", False), ("2.0", "9" * 5000, False),
        ("2.0", "2..1", False), ("0", "0.0", True),
    ],
)  # fmt: skip
def test_versions_are_compared_as_numbers(least, version, good):
    error = refusal(SignerRule(names=("*",), min_version=least), [ALICE], version=version)
    assert (error is None) is good
    assert good or type(error) is errors.DowngradeError


# Policies ----------------------------------------------------------------------------------------


def test_an_empty_set_of_rules_is_refused():
    for rules in ((), [], iter(())):
        with pytest.raises(errors.PolicyError, match="1 to"):
            ss.Policy.default().with_signers(rules)
    with pytest.raises(errors.PolicyError):
        ss.Policy(signers=())


@pytest.mark.parametrize("rules", [None, True, "*", TWO, ["*"], [{"names": ["*"]}]])
def test_only_rules_are_rules(rules):
    with pytest.raises(errors.PolicyError):
        ss.Policy.default().with_signers(rules)


def test_the_default_asks_for_a_signature():
    assert ss.Policy.default().signers == DEFAULT_RULES
    assert refusal(DEFAULT_RULES, []).missing == ("signer",)


def test_a_rule_that_is_written_down_is_more_than_none(tmp_path):
    """It asks for no more of a signed file, and refuses what nobody signed."""
    written = policy_of(tmp_path, "[[signers]]\nnames = ['*']\n")
    assert written.signers != DEFAULT_RULES
    assert (ss.Policy.default() | written).signers == written.signers
    path = tmp_path / "model.pkl"
    path.write_bytes(b"(lp0\n.")
    assert ss.load_unsigned(path) == []
    with pytest.raises(errors.MissingSignersError):
        ss.load_unsigned(path, policy=written)
    copied = pickle.loads(pickle.dumps(ss.Policy.default()))
    assert copied.signers == DEFAULT_RULES


def test_united_policies_lose_no_rule():
    default, strict = ss.Policy.default(), ss.Policy.default().with_signers([TWO])
    other = default.with_signers([SignerRule(names=("churn",))])
    assert (default | strict).signers == (strict | default).signers == (TWO,)
    assert (default | default).signers == DEFAULT_RULES
    assert (strict | strict).signers == (TWO,)
    assert set((strict | other).signers) == {TWO, *other.signers}


@pytest.mark.parametrize(
    "fields",
    [
        {"names": ()}, {"names": "*"}, {"names": ("",)}, {"names": ("x" * 201,)}, {"names": (5,)},
        {"roles": "trainer"}, {"roles": ("Trainer",)}, {"roles": ("",)}, {"roles": ("r",) * 33},
        {"threshold": -1}, {"threshold": 33}, {"threshold": True}, {"threshold": "2"},
        {"threshold": 1.0}, {"roles": ("a", "b"), "threshold": 1}, {"formats": ()},
        {"formats": "pickle"}, {"max_age_days": 0}, {"max_age_days": -1}, {"max_age_days": 1.5},
        {"max_age_days": True}, {"max_age_days": 10**9}, {"min_version": "new"},
        {"min_version": 2}, {"min_version": 2.0}, {"min_version": ""},
    ],
    ids=str,
)  # fmt: skip
def test_rules_that_make_no_sense(fields):
    with pytest.raises(errors.PolicyError) as caught:
        SignerRule(**{"names": ("*",)} | fields)
    assert caught.value.hint


def policy_of(tmp_path, text):
    path = tmp_path / "policy.toml"
    path.write_text(text)
    return ss.Policy.from_file(path)


def test_a_policy_file_says_who_signs(tmp_path):
    policy = policy_of(
        tmp_path,
        """
        [[signers]]
        names = ["fraud-*", "credit-*"]
        roles = ["trainer", "approver"]
        threshold = 3
        formats = ["skops", "onnx"]
        max_age_days = 90
        min_version = "2.0"

        [[signers]]
        names = ["toy-*"]
        """,
    )
    assert policy.signers == (
        SignerRule(
            names=("fraud-*", "credit-*"), roles=("trainer", "approver"), threshold=3,
            formats=("skops", "onnx"), max_age_days=90, min_version="2.0",
        ),
        SignerRule(names=("toy-*",)),
    )  # fmt: skip


def test_a_policy_file_without_signers_asks_for_one(tmp_path):
    assert policy_of(tmp_path, 'environment = "refuse"\n').signers == DEFAULT_RULES


@pytest.mark.parametrize(
    "text",
    [
        "signers = []", "signers = {}", "signers = true", "signers = 'none'", "signers = [1]",
        "[signers]\nnames = ['*']", "[[signers]]", "[[signers]]\nroles = ['trainer']",
        "[[signers]]\nnames = []", "[[signers]]\nnames = ['*']\nthreshold = 0",
        "[[signers]]\nnames = ['*']\nenforce = false", "[[signers]]\nnames = ['*']\nmode = 'warn'",
        "[[signers]]\nnames = ['*']\nroles = ['a', 'b']\nthreshold = 1",
        "[[signers]]\nnames = ['*']\nmin_version = 2.0",
        "[[signers]]\nnames = ['*']\nmax_age_days = '9'",
        "[[signers]]\nnames = ['*']\nformats = []", "[[signers]]\nnames = '*'",
    ],
)  # fmt: skip
def test_policy_files_that_make_no_sense(tmp_path, text):
    with pytest.raises(errors.PolicyError, match=r"policy\.toml") as caught:
        policy_of(tmp_path, text)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "[limits]\nopcodes = " + "9" * 5000,
        "[limits]\nopcodes = 0x" + "9" * 5000,
        "[limits]\nbogus = 0x" + "9" * 5000,
        "environment = 0x" + "9" * 5000,
        "formats = [0x" + "9" * 5000 + "]",
        "[limits]\nself = 1",
        "formats = 5",
        "formats = [5]",
        "formats = [[1]]",
        "formats = 2020-01-01",
        "formats = {pickle = 1}",
        "[globals.x]\ny = {roles = 'call', rule = 5}",
        "a = " + "[" * 100_000,
    ],
    ids=lambda text: text[:24],
)
def test_hostile_policy_files_are_refused(tmp_path, text):
    with pytest.raises(errors.PolicyError) as caught:
        policy_of(tmp_path, text)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 20_000 + " = 1",
        "[a" + " . 'a'" * 200_000 + "]",
        'x = {a = """ """"", ' + "b." * 20_000 + "b = 1}",
        'x = [ # \'\n"\\"#", {' + '"b".' * 20_000 + "b = 1}]",
    ],
    ids=lambda text: text[:24],
)
def test_keys_of_many_parts_are_refused_before_they_are_parsed(tmp_path, text):
    start = time.process_time()
    with pytest.raises(errors.PolicyError, match=r"a key of \d+ parts") as caught:
        policy_of(tmp_path, text)
    assert caught.value.hint
    assert time.process_time() - start < 5


def test_dots_that_are_of_no_key_do_no_harm(tmp_path):
    dots = "a" + ".b" * 20
    reason = f'''"""\n{dots} it's " "" {dots}"""""'''
    policy = policy_of(
        tmp_path,
        f"# {dots}\n[globals.\"{dots}\"]\n'{dots}' = {{roles='call', reason={reason}}} # {dots}\n",
    )
    assert policy.allowlist.find((dots, dots)) is not None
