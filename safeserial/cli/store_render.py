# SPDX-License-Identifier: BSD-3-Clause
"""How a store's answers look on a terminal: tables, one for each kind of answer; progress.

Floor 8.
"""

from __future__ import annotations

import contextlib
import datetime
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from safeserial.cli import render

if TYPE_CHECKING:
    from safeserial.store import AuditLine, Channel, Difference, Edge, Entry, Problem

_CUT: Final = 60


def entries(found: Sequence[Entry]) -> None:
    """Print a table of versions."""
    if not found:
        render.talk("there is nothing")
        return
    rows = [
        (
            one.spec,
            ", ".join(one.aliases),
            one.manifest.model.class_name.rpartition(".")[2] if one.manifest else "",
            ", ".join(one.formats),
            render.bytes_text(one.size) if one.files else "",
            moment(one.created),
            "" if one.state == "live" else one.state,
        )
        for one in found
    ]
    render.table(("VERSION", "ALIASES", "MODEL", "FORMATS", "SIZE", "CREATED", "STATE"), rows)


def entry(one: Entry, edges: Sequence[Edge], channels: Sequence[Channel]) -> None:
    """Print all that is known of a version."""
    click.echo(render.paint(render.printable(one.spec), "strong"))
    told = [("state", one.state), ("created", moment(one.created))]
    if one.manifest is not None:
        environment = one.manifest.environment
        packages = ", ".join(f"{name} {number}" for name, number in environment.packages.items())
        told += [
            ("model", one.manifest.model.class_name),
            ("python", environment.python),
            ("packages", packages),
        ]
    told += [(f"meta {key}", str(value)) for key, value in one.metadata.items()]
    told += [(f"param {key}", value) for key, value in one.parameters.items()]
    told += [(edge.kind, f"{edge.source} -> {edge.target}") for edge in edges]
    told += [
        (f"@{one.alias}", f"until {moment(one.not_after)}, signed by {', '.join(one.key_ids)}")
        for one in channels
    ]
    render.pairs([(render.printable(label), render.printable(text)) for label, text in told])
    if one.files:
        click.echo()
        rows = [
            (file.format, render.bytes_text(file.size), file.artifact_id, ", ".join(file.key_ids))
            for file in one.files
        ]
        render.table(("FORMAT", "SIZE", "ARTIFACT ID", "SIGNED BY"), rows)


def channels(found: Sequence[Channel]) -> None:
    """Print a table of aliases, or of the moves of one."""
    if not found:
        render.talk("there is nothing")
        return
    rows = [
        (
            f"{one.name}@{one.alias}",
            str(one.version) if one.version else "(taken away)",
            str(one.counter),
            moment(one.created),
            moment(one.not_after),
            one.actor,
        )
        for one in found
    ]
    render.table(("ALIAS", "VERSION", "MOVE", "SIGNED", "BELIEVED UNTIL", "BY"), rows)


def audit_lines(found: Sequence[AuditLine]) -> None:
    """Print lines of the audit log."""
    if not found:
        render.talk("there is nothing")
        return
    rows = [
        (str(one.number), moment(one.created), one.actor, one.action, one.subject, _detail(one))
        for one in found
    ]
    render.table(("LINE", "WHEN", "BY", "ACTION", "SUBJECT", "DETAIL"), rows)


def differences(found: Sequence[Difference], a: str, b: str) -> None:
    """Print in what two versions differ."""
    if not found:
        render.talk("they are alike")
        return
    rows = [(one.part, one.key, _cut(one.a), _cut(one.b)) for one in found]
    render.table(("PART", "KEY", a, b), rows)


def problems(found: Sequence[Problem]) -> None:
    """Print what is not as it was signed."""
    for one in found:
        begin = f"{render.paint('REFUSED', 'bad')}  {render.printable(one.subject)}"
        click.echo(f"{begin}  {one.error}: {render.printable(one.message)}")


def moment(when: datetime.datetime | None) -> str:
    """Return a moment for people, in UTC."""
    return "" if when is None else when.strftime("%Y-%m-%d %H:%M")


@contextlib.contextmanager
def counting(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """Give a callable that shows how many of how many are done; None where nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(render.printable(label), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def moving(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """Give a callable that shows how many bytes of how many have moved; None as above."""
    with render.progress(label, render.LARGE) as shown:
        yield shown


def plain(value: Any) -> Any:
    """Return a frozen answer of a store as plain JSON values."""
    import dataclasses

    if hasattr(value, "to_dict"):
        return value.to_dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((one.name, getattr(value, one.name)) for one in dataclasses.fields(value))
        return {name: plain(one) for name, one in pairs}
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _detail(one: AuditLine) -> str:
    return _cut(", ".join(f"{key}={value}" for key, value in one.detail.items()))


def _cut(text: str) -> str:
    return text if len(text) <= _CUT else f"{text[:_CUT]}…"
