# SPDX-License-Identifier: BSD-3-Clause
"""Reports as one HTML page that needs nothing else: no network, no script, no other file.

Floor 7.  Text of files is escaped for HTML after it was made harmless for the eye, and stands apart
from the direction of the text around it.  The page forbids itself everything but its own style.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from shutil import copyfileobj
from string import Template
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, Final

from safeserial.inspection.neutral import printable
from safeserial.inspection.report import RULES, Finding, Report

_IN_MEMORY: Final = 2**24
_CUT: Final = 2000  # characters of one text of a file
_ROWS: Final = 200  # globals and members shown of one file; the JSON report has all
_CLASSES: Final = {
    "dangerous": "dangerous",
    "needs trust": "needs-trust",
    "cannot tell": "cannot-tell",
    "safe": "safe",
    "not a model": "not-a-model",
}
_MEANING: Final = {
    "dangerous": "do not load it",
    "needs trust": "names what the policy does not list",
    "cannot tell": "damaged, unreadable or not looked into",
    "safe": "loads under the policy",
    "not a model": "nothing to load",
}
_STOPPED: Final = "Interrupted: not all files were looked at."
_LEVELS: Final = {"error": "Danger", "warning": "Warning", "note": "Note"}


class HtmlWriter:
    """A page that is written when all reports are there; until then it grows in a passing file.

    Parameters
    ----------
    stream : binary file
        Where the page goes.
    version : str
        Version of safeserial.
    created : str
        Date and time, for the reader.
    title : str
        What was inspected.
    """

    def __init__(self, stream: BinaryIO, *, version: str, created: str, title: str) -> None:
        self._stream = stream
        self._version = version
        self._created = created
        self._title = title
        self._counts: Counter[str] = Counter()
        # Closed in finish(), or by its own end: it has no name.
        self._body = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115

    def add(self, report: Report) -> None:
        """Add a section for one file."""
        self._counts[report.verdict] += 1
        self._body.write(_section(report).encode("utf-8"))

    def finish(self, *, complete: bool = True) -> None:
        """Write the page; `complete` says whether all files were looked at."""
        folder = resources.files("safeserial.inspection")
        style = folder.joinpath("page.css").read_text("utf-8")
        page = Template(folder.joinpath("page.html").read_text("utf-8"))
        total = sum(self._counts.values())
        text = page.substitute(
            title=_safe(self._title),
            style=style,
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            inputs="".join(_input(name) for name in ("all", *_CLASSES.values())),
            filters=_filter("all", "all files", total)
            + "".join(_filter(css, name, self._counts[name]) for name, css in _CLASSES.items()),
            warning="" if complete else f'<p class="interrupted" role="alert">{_STOPPED}</p>',
            empty="" if total else '<p class="empty">No model file was found.</p>',
            created=_safe(self._created),
            version=_safe(self._version),
            body="\0",
        )
        before, _, after = text.partition("\0")
        self._stream.write(before.encode("utf-8"))
        self._body.seek(0)
        copyfileobj(self._body, self._stream)
        self._body.close()
        self._stream.write(after.encode("utf-8"))


def _safe(text: object) -> str:
    """Return text for HTML: shown, never obeyed."""
    shown = printable(text)
    return escape(shown if len(shown) <= _CUT else f"{shown[:_CUT]}…")


def _bdi(text: object) -> str:
    """Return text of a file, whose direction of writing stays its own."""
    return f"<bdi>{_safe(text)}</bdi>"


def _code(text: object) -> str:
    return f'<code dir="ltr">{_bdi(text)}</code>'


def _input(css: str) -> str:
    checked = " checked" if css == "all" else ""
    return f'<input type="radio" name="show" id="show-{css}"{checked}>\n'


def _filter(css: str, name: str, count: int) -> str:
    return f'<label for="show-{css}" class="tile {css}"><b>{count}</b> {name}</label>\n'


def _section(report: Report) -> str:
    css = _CLASSES[report.verdict]
    opened = " open" if report.verdict in ("dangerous", "needs trust") else ""
    return (
        f'<details class="file {css}"{opened}><summary>{_head(report)}</summary>\n'
        f'<div class="body">{_inside(report)}</div></details>\n'
    )


def _head(report: Report) -> str:
    css = _CLASSES[report.verdict]
    facts = f"{report.kind}, {_size(report.size)}"
    return (
        f'<span class="badge {css}">{report.verdict}</span> '
        f'<span class="path" dir="ltr">{_bdi(report.path)}</span> '
        f'<span class="kind">{_bdi(facts)}</span>'
    )


def _inside(report: Report) -> str:
    return "".join(
        (
            f'<p class="meaning">{report.verdict.capitalize()}: {_MEANING[report.verdict]}.</p>',
            _findings(report),
            _facts(report),
            _globals(report),
            _members(report),
        )
    )


def _findings(report: Report) -> str:
    found = "".join(_finding(one) for one in report.findings[:_ROWS])
    if not report.findings and report.problem is not None:
        found = (
            f'<li class="warning"><span class="level">Problem</span> {_bdi(report.problem)}'
            f'<p class="help">{_bdi(report.problem.hint)}</p></li>'
        )
    more = _more(len(report.findings))
    return f'<h3>Findings</h3><ul class="findings">{found}</ul>{more}' if found else ""


def _finding(one: Finding) -> str:
    rule = RULES[one.rule]
    where = [_code(one.name)] if one.name and one.name not in one.message else []
    where += [f"in {_code(one.member)}"] if one.member else []
    where += [f"at byte {one.offset:,}"] if one.offset is not None else []
    place = f'<span class="where">{" ".join(where)}</span>' if where else ""
    return (
        f'<li class="{one.level}"><span class="level">{_LEVELS[one.level]}</span> '
        f'<span class="rule">{rule.id} {rule.name}</span> '
        f"<p>{_bdi(one.message)} {place}</p>"
        f'<p class="help">{escape(rule.help)}</p></li>'
    )


def _facts(report: Report) -> str:
    rows: list[tuple[str, str]] = []
    if report.kind == "artifact" or report.signature != "none":
        signers = ", ".join(report.signers) or "nobody"
        rows.append(("signature", f"{report.signature}: {signers}"))
    if report.artifact_id:
        rows.append(("artifact id", report.artifact_id))
    manifest = report.manifest
    if manifest is not None:
        title = " ".join(part for part in (manifest.name, manifest.version) if part)
        rows += [("name", title), ("created", manifest.created)]
        rows.append(("model", manifest.model.class_name))
    if report.estimator and (manifest is None or report.estimator != manifest.model.class_name):
        rows.append(("estimator", report.estimator))
    rows += _pairs("versions", report.versions)
    rows += list(report.details.items())
    if manifest is not None and report.signature != "verified":
        rows.append(("note", "what is said of the model is a claim: the signature is not verified"))
    body = "".join(f"<dt>{_bdi(label)}</dt><dd>{_bdi(text)}</dd>" for label, text in rows if text)
    return f"<h3>Facts</h3><dl>{body}</dl>" if body else ""


def _pairs(label: str, values: Mapping[str, str]) -> list[tuple[str, str]]:
    text = ", ".join(f"{key} {value}" for key, value in sorted(values.items()))
    return [(label, text)] if text else []


def _globals(report: Report) -> str:
    found = report.survey.globals if report.survey is not None else ()
    if not found:
        return ""
    ordered = sorted(found, key=lambda one: (one.allowed, one.written))
    foreign = sum(not one.allowed for one in found)
    told = f"{foreign} not on the allowlist" if foreign else "all on the allowlist"
    opened = " open" if foreign else ""
    body = "".join(_row(one) for one in ordered[:_ROWS])
    return (
        f"<details{opened}><summary>{len(found)} globals, {told}</summary>"
        '<div class="scroll"><table><thead><tr><th>listed<th>global<th>roles<th>offset</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{_more(len(found))}</details>"
    )


def _row(one: Any) -> str:
    written = ".".join(one.written)
    name = _code(written) if written == one.dotted else f"{_code(written)} → {_code(one.dotted)}"
    css, listed = ("", "yes") if one.allowed else (' class="foreign"', "NO")
    roles = _safe(" ".join(one.roles) or "–")
    return f"<tr{css}><td>{listed}<td>{name}<td>{roles}<td>{one.offset:,}</tr>"


def _members(report: Report) -> str:
    if not report.members:
        return ""
    worst: Sequence[Report] = sorted(report.members, key=_weight)
    body = "".join(_section(one) for one in worst[:_ROWS])
    title = f"<h3>{_count(report.members)} inside</h3>"
    return f'{title}<div class="members">{body}</div>{_more(len(worst))}'


def _weight(report: Report) -> int:
    return list(_CLASSES).index(report.verdict)


def _count(members: Iterable[Report]) -> str:
    count = sum(1 for _ in members)
    return "1 member" if count == 1 else f"{count:,} members"


def _more(count: int) -> str:
    if count <= _ROWS:
        return ""
    return f'<p class="more">… and {count - _ROWS:,} more, which the JSON report lists</p>'


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004
            return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
