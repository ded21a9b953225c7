# SPDX-License-Identifier: BSD-3-Clause
"""Rules on signers: whose signatures a model needs, by its name, and what else it must be.

Floor 3: no keys and no files here.  Who signed, and that his word counts, was established before;
what is asked here is whether that is enough.  All rules that fit a model's name must be met, so one
rule more never lets a file pass that was refused before it, unless no rule fitted its name.
"""

from __future__ import annotations

import datetime
import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from safeserial.errors import (
    DowngradeError,
    MissingSignersError,
    NoSignerRuleError,
    PolicyError,
    SafeSerialError,
    TooOldError,
)

MAX_RULES: Final = 1000
MAX_SLOTS: Final = 32  # an artifact has room for no more signatures
MAX_DAYS: Final = 36_500
_ROLE: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}\Z")
_PRINCIPAL: Final = re.compile(r"[a-z0-9][a-z0-9._+@:/-]{0,127}\Z")
_VERSION: Final = re.compile(r"v?(\d{1,9}(?:\.\d{1,9}){0,7})\Z", re.ASCII)
_PATTERN: Final = 200


@dataclass(frozen=True)
class SignedBy:
    """One signature that counts.

    Parameters
    ----------
    key_id : str
        The key that made it.
    algorithm : str
        The key's algorithm.
    principal : str, optional
        Whose key it is, as the ring says.
    roles : tuple of str
        What that key may speak as, as the ring says.
    """

    key_id: str
    algorithm: str
    principal: str | None = None
    roles: tuple[str, ...] = ()

    @property
    def is_shared(self) -> bool:
        """Whether all who can check the signature can make it: it proves no third party's word."""
        return self.algorithm.startswith("hmac-")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the signed description of a model says, as far as rules ask.

    Parameters
    ----------
    format : str
        Name of the payload's format.
    created : datetime, optional
        When it was made, timezone-aware.
    name, version : str, optional
        The publisher's own.
    """

    format: str
    created: datetime.datetime | None = None
    name: str | None = None
    version: str | None = None


@dataclass(frozen=True, kw_only=True)
class SignerRule:
    """What models of certain names need.

    Parameters
    ----------
    names : tuple of str
        Patterns of model names, as of a shell: ``*``, ``?``, ``[abc]``.  A model without a name
        fits ``*`` alone.
    roles : tuple of str
        A signature for each, each of another principal and with another key; a role written
        twice needs two.
    threshold : int, optional
        Principals that must have signed in all.  Default: as many as roles, at least one.
    formats : tuple of str, optional
        Payload formats.  Default: those of the policy.
    max_age_days : int, optional
        Age, by the signed time of creation.
    min_version : str, optional
        Dotted numbers; what is not comparable with them is refused.

    Raises
    ------
    PolicyError
        If a field is out of its range.
    """

    names: tuple[str, ...]
    roles: tuple[str, ...] = ()
    threshold: int = 0
    formats: tuple[str, ...] | None = None
    max_age_days: int | None = None
    min_version: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", _words(self.names, "names"))
        object.__setattr__(self, "roles", _words(self.roles, "roles", may_be_empty=True))
        if not all(name and len(name) <= _PATTERN for name in self.names):
            raise PolicyError(f"a pattern of names has 1 to {_PATTERN} characters")
        check_roles(self.roles)
        least = max(1, len(self.roles))
        if self.threshold == 0 and type(self.threshold) is int:
            object.__setattr__(self, "threshold", least)
        if type(self.threshold) is not int or not least <= self.threshold <= MAX_SLOTS:
            raise PolicyError(f"threshold is {least} to {MAX_SLOTS}, and no less than the roles")
        if self.formats is not None:
            object.__setattr__(self, "formats", _words(self.formats, "formats"))
        if self.max_age_days is not None and (
            type(self.max_age_days) is not int or not 0 < self.max_age_days <= MAX_DAYS
        ):
            raise PolicyError(f"max_age_days is a whole number from 1 to {MAX_DAYS}")
        if self.min_version is not None and _numbers(self.min_version) is None:
            raise PolicyError("min_version is dotted numbers in quotes, for instance '2.0'")

    def fits(self, name: str | None) -> bool:
        """Say whether the rule is about models of a name."""
        return any(fnmatch.fnmatchcase(name or "", pattern) for pattern in self.names)

    @property
    def needs_third_party(self) -> bool:
        """Whether it asks for somebody's word, or only that the file comes from a key we have."""
        return bool(self.roles) or self.threshold > 1


def parse(value: object, where: str) -> tuple[SignerRule, ...]:
    """Read the ``[[signers]]`` tables of a policy file.

    Parameters
    ----------
    value : object
        What TOML made of them.
    where : str
        The file's name, for messages.

    Returns
    -------
    tuple of SignerRule
        At least one.

    Raises
    ------
    PolicyError
        If there is none, or one has an unknown field or one out of its range.
    """
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise PolicyError(f"{where}: signers are tables, each headed [[signers]]")
    rules = [_rule(one, f"{where}: [[signers]] {i}") for i, one in enumerate(value, 1)]
    try:
        return checked(rules)
    except PolicyError as error:
        raise PolicyError(f"{where}: {error}", hint=error.hint) from None


def checked(rules: Iterable[SignerRule]) -> tuple[SignerRule, ...]:
    """Return rules as a tuple.

    Raises
    ------
    PolicyError
        If there is none (it would say of everything that it is enough), or it is something else.
    """
    if isinstance(rules, SignerRule | str) or not isinstance(rules, Iterable):
        raise PolicyError("signers is a list of rules: [SignerRule(names=('*',))]")
    listed = tuple(rules)
    if not all(isinstance(one, SignerRule) for one in listed):
        raise PolicyError("signers is a list of rules: [SignerRule(names=('*',))]")
    if not 0 < len(listed) <= MAX_RULES:
        raise PolicyError(
            f"a policy has 1 to {MAX_RULES} rules on signers, not {len(listed)}",
            hint="to ask for one good signature, whatever the model's name: names = ['*']",
        )
    return listed


def joined(one: tuple[SignerRule, ...], other: tuple[SignerRule, ...]) -> tuple[SignerRule, ...]:
    """Return the rules of both; the default ones give way to those that somebody wrote."""
    if one == DEFAULT_RULES:
        return other
    if other == DEFAULT_RULES:
        return one
    return checked(dict.fromkeys((*one, *other)))


def check(
    rules: Sequence[SignerRule],
    signers: Sequence[SignedBy],
    facts: Facts,
    *,
    now: datetime.datetime,
    passed_over: Sequence[SafeSerialError] = (),
) -> None:
    """Return if signatures are enough for a model.

    Parameters
    ----------
    rules : sequence of SignerRule
        All that fit the name hold.
    signers : sequence of SignedBy
        Whose word counts.
    facts : Facts
        The signed description.
    now : datetime
        The present, timezone-aware.
    passed_over : sequence of SafeSerialError
        Why further signatures do not count, for the message.

    Raises
    ------
    NoSignerRuleError
        If no rule is about models of that name.
    MissingSignersError
        If roles are not filled, or too few principals signed.
    TooOldError, DowngradeError
        If it is older, or of an earlier version, than a rule allows, or does not say.
    PolicyError
        If its format is not accepted.
    """
    fitting = [rule for rule in rules if rule.fits(facts.name)]
    if not fitting:
        raise NoSignerRuleError(f"the policy has no rule on signers for {_called(facts)}")
    for rule in fitting:
        _check_signers(rule, signers, facts, passed_over)
        _check_facts(rule, facts, now)


def _check_signers(
    rule: SignerRule,
    signers: Sequence[SignedBy],
    facts: Facts,
    passed_over: Sequence[SafeSerialError],
) -> None:
    people, notes = _people(rule, signers)
    missing = _unfilled(rule.roles, people)
    more = rule.threshold - len(people)
    if not missing and more <= 0:
        return
    asked = ", ".join(rule.roles) or "signatures"
    lacking = missing or ("signer",) * more
    notes += [str(error) for error in passed_over]
    because = f" ({'; '.join(notes)})" if notes else ""
    raise MissingSignersError(
        f"{_called(facts)} needs {asked} of {rule.threshold} principals; "
        f"missing: {', '.join(lacking)}{because}"[:1000],
        missing=lacking,
    )


def _people(
    rule: SignerRule, signers: Sequence[SignedBy]
) -> tuple[dict[str, frozenset[str]], list[str]]:
    """Return the distinct principals with their roles, and why a signature is none of theirs."""
    people: dict[str, frozenset[str]] = {}
    notes = []
    for one in {signer.key_id: signer for signer in signers}.values():
        if rule.needs_third_party and one.is_shared:
            notes.append(f"{one.key_id} is a shared secret: whoever can verify could have signed")
        elif one.principal is None and rule.threshold > 1:
            notes.append(f"the ring does not say whose key {one.key_id} is")
        else:
            # A person's keys are one voice: two of them fill one place.
            person = one.principal or f"key {one.key_id}"
            people[person] = people.get(person, frozenset()) | frozenset(one.roles)
    return people, notes


def _unfilled(roles: Sequence[str], people: dict[str, frozenset[str]]) -> tuple[str, ...]:
    """Return the roles left over when as many as can be are filled by a person each.

    A largest matching of places and people, by augmenting paths (H. W. Kuhn, The Hungarian method
    for the assignment problem, 1955): who has two roles is moved where that helps.
    """
    place_of: dict[str, int] = {}

    def seat(place: int, asked: set[str]) -> bool:
        for person, theirs in people.items():
            if roles[place] not in theirs or person in asked:
                continue
            asked.add(person)
            if person not in place_of or seat(place_of[person], asked):
                place_of[person] = place
                return True
        return False

    return tuple(roles[place] for place in range(len(roles)) if not seat(place, set()))


def _check_facts(rule: SignerRule, facts: Facts, now: datetime.datetime) -> None:
    if rule.formats is not None and facts.format not in rule.formats:
        raise PolicyError(
            f"{_called(facts)} is of format {facts.format[:40]!r}, "
            f"and the policy takes {', '.join(rule.formats)}"
        )
    if rule.max_age_days is not None:
        if facts.created is None:
            raise TooOldError(f"{_called(facts)} does not say when it was made")
        if now - facts.created > datetime.timedelta(days=rule.max_age_days):
            raise TooOldError(
                f"{_called(facts)} was made on {facts.created:%Y-%m-%d}, "
                f"more than {rule.max_age_days} days ago"
            )
    if rule.min_version is not None:
        least, found = _numbers(rule.min_version), _numbers(facts.version or "")
        if least is None or found is None:
            raise DowngradeError(
                f"{_called(facts)} is of version {str(facts.version)[:40]!r}, "
                f"which is not comparable with {rule.min_version}"
            )
        if found < least:
            raise DowngradeError(
                f"{_called(facts)} is of version {facts.version}, before {rule.min_version}"
            )


def check_roles(roles: Iterable[object]) -> None:
    """Refuse what is no name of a role.

    Raises
    ------
    PolicyError
        If one is not a short word in lower case, or there are too many.
    """
    listed = tuple(roles)
    if len(listed) > MAX_SLOTS or not all(
        isinstance(role, str) and _ROLE.match(role) for role in listed
    ):
        raise PolicyError(
            f"a role is a word in lower case, such as trainer; there are at most {MAX_SLOTS}"
        )


def is_principal(text: object) -> bool:
    """Say whether a text can name a principal: one spelling each, so that none is two."""
    return isinstance(text, str) and _PRINCIPAL.match(text) is not None


def _rule(table: dict[str, Any], where: str) -> SignerRule:
    known = {one.name for one in fields(SignerRule)}
    if unknown := set(table) - known:
        raise PolicyError(f"{where}: unknown entry {min(unknown)!r}")
    if "names" not in table:
        raise PolicyError(f"{where}: names is missing", hint="names = ['*'] is about all models")
    if table.get("threshold") == 0:
        raise PolicyError(f"{where}: a threshold of 0 would let everything pass")
    try:
        return SignerRule(**table)
    except PolicyError as error:
        raise PolicyError(f"{where}: {error}", hint=error.hint) from None


def _words(value: object, what: str, *, may_be_empty: bool = False) -> tuple[str, ...]:
    words = tuple(value) if isinstance(value, list | tuple) else None
    if words is None or not all(isinstance(one, str) for one in words):
        raise PolicyError(f"{what} is a list of texts, not {str(value)[:80]!r}")
    if not words and not may_be_empty:
        raise PolicyError(f"{what} is empty: nothing would ever fit")
    return words


def _numbers(version: object) -> tuple[int, ...] | None:
    """Return a version's numbers without trailing zeros, None where it has another form."""
    match = _VERSION.match(version) if isinstance(version, str) else None
    if match is None:
        return None
    numbers = [int(part) for part in match.group(1).split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _called(facts: Facts) -> str:
    return f"model {facts.name[:120]!r}" if facts.name else "a model without a name"


class UnwrittenRule(SignerRule):
    """What is asked for where nobody wrote a rule; not equal to the same rule, written down."""


DEFAULT_RULES: Final = (UnwrittenRule(names=("*",)),)
