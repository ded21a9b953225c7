# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial inspect``: what is in a model file, without executing or importing any of it.

Floor 8.  Everything shown was written by whoever made the file; until a signature is verified it is
a claim, and is said to be one.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

import click

from safeserial.cli import options, outcome, render
from safeserial.cli.outcome import Misuse
from safeserial.errors import KeyNotFoundError, PolicyError

if TYPE_CHECKING:
    from safeserial.artifact.inspecting import Report
    from safeserial.keyring import Keyring
    from safeserial.manifest import Manifest

_CODES: Final = {
    "safe": outcome.DONE,
    "needs trust": outcome.REFUSED,
    "dangerous": outcome.REFUSED,
    "not a model": outcome.UNKNOWN,
    "cannot tell": outcome.UNKNOWN,
}
_STYLES: Final[dict[str, render.Style]] = {"safe": "good", "dangerous": "bad"}
_MEANING: Final = {
    "safe": "loads under this policy",
    "needs trust": "names types that the policy does not list",
    "dangerous": "do not load it",
    "not a model": "nothing to load",
    "cannot tell": "damaged, or over a limit",
}
_SIGNATURES: Final = {
    "verified": "verified, {}",
    "refused": "refused, claims {}",
    "not checked": "not checked (no keyring), claims {}",
    "none": "none",
}
_SHOWN: Final = 12
_DISTRIBUTION: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,100}[A-Za-z0-9])?\Z")
_NUMBER: Final = re.compile(r"[0-9][A-Za-z0-9.!+_-]{0,60}\Z")


@click.command(short_help="Show what a model file holds, executing nothing of it.")
@click.argument("file", metavar="FILE", type=click.Path())
@options.keyring
@options.policy
@options.trust
@options.as_json
@click.option(
    "--requirements",
    is_flag=True,
    help="Print only the versions it was saved under, as pip takes them.",
)
def inspect(
    *,
    file: str,
    place: str | None,
    policy_file: str | None,
    trusted: tuple[str, ...],
    as_json: bool,
    requirements: bool,
) -> int:
    """Show what a model file holds; nothing in it is executed or imported.

    Takes a signed artifact, or a pickle or joblib file.  Exit code 0 if it loads under the policy
    (and its signature, where a keyring is at hand, is good), 1 if it is dangerous or needs trust, 2
    if it could not be told.
    """
    from safeserial.artifact import inspecting

    if as_json and requirements:
        raise Misuse("--json and --requirements are two outputs", hint="ask for one of them")
    ring = _ring(place)
    policy = options.read_policy(policy_file, trusted)
    report = inspecting.inspect(file, keyring=ring, policy=policy)
    if requirements:
        _requirements(report)
    elif as_json:
        render.document(report.to_dict())
    else:
        _tell(report)
    return _CODES[report.verdict]


def _ring(place: str | None) -> Keyring | None:
    try:
        return options.open_ring(place)
    except KeyNotFoundError:
        if place or os.environ.get("SAFESERIAL_KEYRING"):
            raise
        return None


def _tell(report: Report) -> None:
    click.echo(render.paint(render.printable(report.path), "strong"))
    verdict = render.paint(report.verdict, _STYLES.get(report.verdict, "doubt"))
    signers = ", ".join(report.signers) or "nobody"
    rows = [
        ("verdict", f"{verdict}: {_MEANING[report.verdict]}"),
        ("kind", f"{report.kind}, {render.bytes_text(report.size)}"),
        ("signature", render.printable(_SIGNATURES[report.signature].format(signers))),
    ]
    if report.artifact_id:
        rows.append(("artifact id", report.artifact_id))
    if report.manifest is not None:
        rows += _facts(report.manifest)
    if report.survey is not None:
        rows.append(("globals", _count(report)))
    if report.problem is not None:
        problem = f"{type(report.problem).__name__}: {report.problem}"
        rows.append(("problem", render.printable(problem)))
    render.pairs(rows)
    if report.manifest is not None and report.signature != "verified":
        click.echo("  (what is said of the model is a claim: the signature is not verified)")
    _globals(report)
    if report.problem is not None:
        render.talk(f"hint: {render.printable(outcome.hint_of(report.problem))}")
    elif report.untrusted:
        render.talk(f"hint: {render.printable(options.trust_hint(report.untrusted))}")


def _facts(manifest: Manifest) -> list[tuple[str, str]]:
    from safeserial import environment

    model, where = manifest.model, manifest.environment
    title = " ".join(part for part in (manifest.name, manifest.version) if part)
    differing = [
        f"{name} {there} → {here or 'missing'}"
        for name, there, here in environment.differences(where)
    ]
    packages = [f"{name} {number}" for name, number in sorted(where.packages.items())]
    settings = [f"{key} {value}" for key, value in sorted(manifest.options.items())]
    features = "" if model.n_features is None else str(model.n_features)
    if model.feature_names:
        features = f"{len(model.feature_names)}: {_some(model.feature_names)}"
    rows = [
        ("name", title),
        ("created", manifest.created),
        ("model", model.class_name),
        ("features", features),
        ("classes", _some(model.classes or ())),
        ("format", f"{manifest.format} ({', '.join(settings)})" if settings else manifest.format),
        ("payload", render.bytes_text(manifest.payload_size)),
        ("saved under", f"{where.implementation} {where.python}, {where.platform}"),
        ("packages", ", ".join(packages)),
        ("differs here", ", ".join(differing)),
        *((f"· {key}", str(value)) for key, value in sorted(manifest.metadata.items())),
    ]
    return [(render.printable(label), render.printable(text)) for label, text in rows if text]


def _some(values: tuple[Any, ...]) -> str:
    shown = ", ".join(str(one) for one in values[:_SHOWN])
    return f"{shown}, … ({len(values)} in all)" if len(values) > _SHOWN else shown


def _count(report: Report) -> str:
    names = report.survey.globals if report.survey is not None else ()
    count, untrusted = len(names), len(report.untrusted)
    if not untrusted:
        return f"{count}, all on the allowlist"
    return f"{count}, of which {untrusted} not on the allowlist"


def _globals(report: Report) -> None:
    found = report.survey.globals if report.survey is not None else ()
    if not found:
        return
    click.echo()
    rows = []
    for one in sorted(found, key=lambda each: (each.allowed, each.written)):
        written, today = ".".join(one.written), one.dotted
        name = written if written == today else f"{written} → {today}"
        allowed = "yes" if one.allowed else "NO"
        rows.append((allowed, name, " ".join(one.roles) or "-", str(one.offset)))
    render.table(("ALLOWED", "GLOBAL", "ROLES", "OFFSET"), rows)


def _requirements(report: Report) -> None:
    """Print pins; the names come from the file, so nothing but a name and a number may pass."""
    from safeserial import environment

    if report.manifest is None:
        raise Misuse(
            "the file does not say which versions it was saved under",
            hint="only a signed artifact does; `safeserial inspect FILE` shows what is known",
        )
    if report.signature == "refused" and report.problem is not None:
        raise report.problem
    for name, number in report.manifest.environment.packages.items():
        if not _DISTRIBUTION.match(name) or not _NUMBER.match(number):
            raise PolicyError(
                f"the manifest has something that is no package version: {name[:80]!r}",
                hint="treat the file as hostile; do not install what it asks for",
            )
    if report.signature != "verified":
        render.talk("warning: the signature was not checked; anybody may have written these lines")
    for line in environment.requirements(report.manifest.environment):
        click.echo(line)
