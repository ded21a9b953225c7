# SPDX-License-Identifier: BSD-3-Clause
"""Reports of inspection as trees: drawn by rich on a terminal, as plain lines for a pipe.

Floor 8.  Every text of a file is made harmless where it becomes a branch, in one place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import click

from safeserial.cli import render

if TYPE_CHECKING:
    from safeserial.inspection.report import Finding, Report
    from safeserial.manifest import Manifest

MEANING: Final = {
    "safe": "loads under this policy",
    "needs trust": "names what the policy does not list",
    "dangerous": "do not load it",
    "not a model": "nothing to load",
    "cannot tell": "damaged, unreadable or not looked into",
}
_STYLES: Final[dict[str, render.Style]] = {
    "safe": "good",
    "dangerous": "bad",
    "error": "bad",
    "warning": "doubt",
    "note": "faint",
}
_RICH: Final[dict[render.Style, str]] = {
    "good": "bold green",
    "bad": "bold red",
    "doubt": "bold yellow",
    "strong": "bold",
    "faint": "dim",
}
_WEIGHT: Final = ("dangerous", "needs trust", "cannot tell", "safe", "not a model")
_SIGNATURES: Final = {
    "verified": "verified, {}",
    "refused": "refused, claims {}",
    "not checked": "not checked (no keyring), claims {}",
    "none": "none",
}
_CUT: Final = 12


@dataclass
class _Branch:
    """A line and what hangs on it: pieces of text, each with a style of its own."""

    pieces: list[tuple[str, render.Style | None]]
    twigs: list[_Branch] = field(default_factory=list)


def tell(report: Report, *, whole: bool = False, hint: str = "") -> None:
    """Print all about a file; `whole` leaves no global, finding or member out."""
    root = _file(report, None if whole else _CUT)
    if hint:
        root.twigs.append(_line(("hint  ", "strong"), (hint, None)))
    _draw(root)


def tell_shortly(report: Report) -> None:
    """Print one line about a file of which there is nothing to say."""
    verdict = render.paint(report.verdict, style(report.verdict))
    facts = f"{report.kind} ({render.bytes_text(report.size)})"
    click.echo(f"{render.printable(report.path)}  {verdict}  {render.printable(facts)}")


def style(word: str) -> render.Style:
    """Return the style of a verdict or level."""
    return _STYLES.get(word, "doubt")


def _line(*pieces: tuple[str, render.Style | None]) -> _Branch:
    return _Branch([(render.printable(text), how) for text, how in pieces])


def _file(report: Report, cut: int | None) -> _Branch:
    verdict = (report.verdict, style(report.verdict))
    root = _line((report.path, "strong"), ("  ", None), verdict, _meaning(report))
    rows = [("kind", f"{report.kind}, {render.bytes_text(report.size)}"), *_facts(report)]
    if report.survey is not None:
        rows.append(("globals", _count(report)))
    width = max(len(label) for label, _ in rows)
    root.twigs += _findings(report, cut)
    root.twigs += [_line((f"{label:<{width}}  ", "faint"), (text, None)) for label, text in rows]
    if report.survey is not None:
        root.twigs[-1].twigs += _globals(report, cut)
    root.twigs += _members(report, cut)
    return root


def _meaning(report: Report) -> tuple[str, None]:
    return f": {MEANING[report.verdict]}", None


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    if report.kind == "artifact" or report.signature != "none":
        signers = ", ".join(report.signers) or "nobody"
        yield "signature", _SIGNATURES[report.signature].format(signers)
    if report.artifact_id:
        yield "artifact id", report.artifact_id
    manifest = report.manifest
    if manifest is not None:
        yield from _claims(manifest)
    elif report.estimator:
        yield "estimator", report.estimator
    if report.versions and manifest is None:
        yield "versions", ", ".join(f"{key} {one}" for key, one in sorted(report.versions.items()))
    yield from report.details.items()
    if manifest is not None and report.signature != "verified":
        yield "note", "what is said of the model is a claim: the signature is not verified"


def _claims(manifest: Manifest) -> Iterator[tuple[str, str]]:
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
    yield from ((label, text) for label, text in rows if text)


def _some(values: tuple[Any, ...]) -> str:
    shown = ", ".join(str(one) for one in values[:_CUT])
    return f"{shown}, … ({len(values)} in all)" if len(values) > _CUT else shown


def _count(report: Report) -> str:
    names = report.survey.globals if report.survey is not None else ()
    foreign = sum(not one.allowed for one in names)
    if not foreign:
        return f"{len(names)}, all on the allowlist" if names else "none"
    return f"{len(names)}, of which {foreign} not on the allowlist"


def _globals(report: Report, cut: int | None) -> list[_Branch]:
    found = report.survey.globals if report.survey is not None else ()
    ordered = sorted(found, key=lambda one: (one.allowed, one.written))
    twigs = []
    for one in ordered[:cut]:
        written, today = ".".join(one.written), one.dotted
        name = written if written == today else f"{written} → {today}"
        roles = " ".join(one.roles) or "-"
        mark: tuple[str, render.Style] = ("yes", "faint") if one.allowed else ("NO ", "bad")
        twigs.append(_line(mark, (f" {name}", None), (f"  {roles}, byte {one.offset}", "faint")))
    return twigs + _rest(len(ordered), cut)


def _findings(report: Report, cut: int | None) -> list[_Branch]:
    if not report.findings and report.problem is not None:
        kind = type(report.problem).__name__
        return [_line(("problem  ", "bad"), (f"{kind}: {report.problem}", None))]
    return [_finding(one) for one in report.findings[:cut]] + _rest(len(report.findings), cut)


def _finding(one: Finding) -> _Branch:
    where = [one.rule]
    where += [f"in {one.member}"] if one.member else []
    where += [f"byte {one.offset}"] if one.offset is not None else []
    name = f"{one.name}: " if one.name and one.name not in one.message else ""
    return _line(
        (f"{one.level}  ", style(one.level)),
        (f"{name}{one.message}", None),
        (f"  ({', '.join(where)})", "faint"),
    )


def _members(report: Report, cut: int | None) -> list[_Branch]:
    """Return the members, those first that are not safe."""
    ordered = sorted(report.members, key=lambda one: _WEIGHT.index(one.verdict))
    return [_file(one, cut) for one in ordered[:cut]] + _rest(len(ordered), cut)


def _rest(count: int, cut: int | None) -> list[_Branch]:
    if cut is None or count <= cut:
        return []
    return [_line((f"… {count - cut} more (--all shows them)", "faint"))]


def _draw(root: _Branch) -> None:
    if not sys.stdout.isatty():
        for text in _plain(root, "", ""):
            click.echo(text)
        return
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    coloured = not os.environ.get("NO_COLOR")

    def label(one: _Branch) -> Text:
        whole = Text()
        for text, how in one.pieces:
            whole.append(text, style=_RICH[how] if how is not None and coloured else None)
        return whole

    def grow(tree: Tree, branch: _Branch) -> Tree:
        for twig in branch.twigs:
            grow(tree.add(label(twig)), twig)
        return tree

    tree = grow(Tree(label(root), guide_style="dim" if coloured else ""), root)
    Console(file=sys.stdout, highlight=False, markup=False, emoji=False).print(tree)


def _plain(branch: _Branch, first: str, rest: str) -> Iterator[str]:
    yield (first + "".join(text for text, _ in branch.pieces)).rstrip()
    for position, twig in enumerate(branch.twigs, 1):
        last = position == len(branch.twigs)
        yield from _plain(
            twig, rest + ("└── " if last else "├── "), rest + ("    " if last else "│   ")
        )
