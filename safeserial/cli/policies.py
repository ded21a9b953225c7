# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial policy``: propose a policy file from models that one trusts, show one, check one.

Floor 8.  Nothing that a model or a policy names is imported; a proposal is text for a person.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

import click

from safeserial.cli import options, outcome, render
from safeserial.cli.app import LazyGroup
from safeserial.cli.outcome import Misuse
from safeserial.files import atomic_write, display

if TYPE_CHECKING:
    from safeserial.artifact.learning import Lesson
    from safeserial.policy import Name, Policy
    from safeserial.signer_rules import SignerRule


@click.group(
    cls=LazyGroup,
    homes={
        "learn": "safeserial.cli.policies:learn",
        "show": "safeserial.cli.policies:show",
        "check": "safeserial.cli.policies:check",
    },
    short_help="Propose, show and check policy files.",
)
def policy() -> None:
    """Propose, show and check policy files: what a loader accepts beside the shipped names."""


@click.command(short_help="Propose a policy file that admits models you trust.")
@click.argument("model_files", metavar="MODEL...", type=click.Path(), nargs=-1, required=True)
@click.option("-o", "--output", metavar="FILE", help="Policy file to write.  Default: stdout.")
@click.option("--force", is_flag=True, help="Replace the policy file if it exists.")
@options.policy
@options.as_json
def learn(
    *,
    model_files: tuple[str, ...],
    output: str | None,
    force: bool,
    policy_file: str | None,
    as_json: bool,
) -> int:
    """Propose a policy file that admits models you trust.

    Nothing in the models is executed or imported.  The proposal lists the names they need beside
    those of the policy, with the roles in which they use them; over each stands what it permits and
    what its source says that runs.  Names that are known to do harm are named, never proposed.
    Exit code 0 if the proposal admits all models, 1 if not.
    """
    from safeserial.artifact import learning

    if output is not None and os.path.lexists(output) and not force:
        raise Misuse(
            f"{display(output)} exists",
            hint=f"write another file, or replace it with --force; --policy {display(output)} "
            "proposes what it lacks",
        )
    lesson = learning.learn(model_files, policy=options.read_policy(policy_file, ()))
    _tell(lesson)
    text = render.json_text(_plain(lesson)) + "\n" if as_json else lesson.to_toml()
    refused = bool(lesson.dangers or lesson.problems)
    if output is None:
        click.echo(text, nl=False)
    elif lesson.allowlist.grants:
        with atomic_write(output) as file:
            file.write(text.encode("ascii"))
        count = len(lesson.allowlist.grants)
        render.talk(f"proposed {count} names in {display(output)}: read it before you use it")
    else:
        render.talk("there is nothing to propose; no file was written")
    return outcome.REFUSED if refused else outcome.DONE


def _tell(lesson: Lesson) -> None:
    for one in lesson.dangers:
        name = ".".join(one.name)
        render.talk(render.printable(f"DANGER: {name} {one.danger}; it is not proposed"))
    for file, problem in lesson.problems:
        said = f"{type(problem).__name__}: {problem}"
        render.talk(render.printable(f"warning: no proposal admits {file}: {said}"))


def _plain(lesson: Lesson) -> dict[str, Any]:
    return {
        "files": list(lesson.files),
        "proposals": [
            {
                "module": one.name[0],
                "qualname": one.name[1],
                "roles": sorted(one.grant.roles),
                "rule": one.grant.rule,
                "permits": str(one.description),
                "danger": one.danger or None,
            }
            for one in lesson.proposals
        ],
        "problems": [
            {"file": file, "error": type(problem).__name__, "message": str(problem)}
            for file, problem in lesson.problems
        ],
    }


@click.command(short_help="Show what a policy file adds.")
@click.argument("file", metavar="FILE", type=click.Path())
@options.as_json
def show(*, file: str, as_json: bool) -> None:
    """Show what a policy file adds to the shipped policy: names, limits, rules."""
    chosen = options.read_policy(file, ())
    added = _added(chosen)
    limits = {name: value for name, value in vars(chosen.limits).items() if value != _usual()[name]}
    if as_json:
        render.document(
            {
                "environment": chosen.environment,
                "formats": list(chosen.formats),
                "limits": limits,
                "signers": [dataclasses.asdict(rule) for rule in chosen.signers],
                "globals": [
                    {"module": name[0], "qualname": name[1], "roles": sorted(roles), "rule": rule}
                    for name, (roles, rule) in added.items()
                ],
            }
        )
        return
    rows = [("environment", chosen.environment), ("formats", ", ".join(chosen.formats))]
    rows += [(name, str(value)) for name, value in limits.items()]
    rows += [("signers", _asked(rule)) for rule in chosen.signers]
    render.pairs([(label, render.printable(text)) for label, text in rows])
    if added:
        click.echo()
        render.table(
            ("GLOBAL", "ROLES", "RULE"),
            [
                (render.printable(".".join(name)), " ".join(sorted(roles)), render.printable(rule))
                for name, (roles, rule) in added.items()
            ],
        )


def _asked(rule: SignerRule) -> str:
    """Return what a rule asks for, in one line."""
    people = "1 signature" if rule.threshold == 1 else f"{rule.threshold} principals"
    words = [f"{', '.join(rule.names)}: {people}"]
    if rule.roles:
        words.append(f"as {', '.join(rule.roles)}")
    if rule.formats is not None:
        words.append(f"format {', '.join(rule.formats)}")
    if rule.max_age_days is not None:
        words.append(f"at most {rule.max_age_days} days old")
    if rule.min_version is not None:
        words.append(f"version {rule.min_version} or later")
    return "; ".join(words)


@click.command(short_help="Check a policy file for what should not be in one.")
@click.argument("file", metavar="FILE", type=click.Path())
@options.as_json
def check(*, file: str, as_json: bool) -> int:
    """Check a policy file for what should not be in one.

    Exit code 0 if there is nothing to say, 1 if it lists a name that is known to do harm or a rule
    that does not exist, 2 if it is no policy file.
    """
    found = _found(options.read_policy(file, ()))
    if as_json:
        render.document({"problems": [{"global": name, "problem": why} for name, why in found]})
    for name, why in found:
        if not as_json:
            click.echo(render.printable(f"{name}: {why}"))
    if not found and not as_json:
        render.talk(f"{display(file)} lists nothing that is known to do harm")
    return outcome.REFUSED if found else outcome.DONE


def _found(chosen: Policy) -> list[tuple[str, str]]:
    from safeserial.artifact.learning import danger_of
    from safeserial.verifier.rules import RULES

    found = []
    for name, (_, rule) in _added(chosen).items():
        if rule not in RULES:
            found.append((".".join(name), f"there is no rule {rule!r}"))
        if danger := danger_of(name):
            found.append((".".join(name), danger))
    return found


def _added(chosen: Policy) -> dict[Name, tuple[frozenset[str], str]]:
    """Return the names of a policy with roles or a rule that the shipped one does not give them."""
    from safeserial.policy import Policy

    shipped = Policy.default().allowlist.grants
    return {
        name: (grant.roles, grant.rule)
        for name, grant in sorted(chosen.allowlist.grants.items())
        if shipped.get(name) != grant
    }


def _usual() -> dict[str, int]:
    from safeserial.policy import Limits

    return vars(Limits())
