# SPDX-License-Identifier: BSD-3-Clause
"""Run a bulk command: rows to a file or the screen, a bar meanwhile, a summary at the end.

Floor 8.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from safeserial.cli import outcome, render
from safeserial.cli.meter import Meter
from safeserial.cli.outcome import Misuse
from safeserial.errors import SafeSerialError

if TYPE_CHECKING:
    from safeserial.bulk import Action, Item, RingReference, Row

_STYLES: Final[dict[str, render.Style]] = {"ok": "good", "refused": "bad", "unknown": "doubt"}
_CODES: Final = {"ok": outcome.DONE, "refused": outcome.REFUSED, "unknown": outcome.UNKNOWN}


def run(
    action: Action,
    ring: RingReference | None,
    *,
    paths: tuple[str, ...],
    rows: str | None,
    resume: bool,
    digests: bool,
    backend: str | None,
    scheduler: str | None,
    jobs: int | None,
    as_json: bool,
    url: str | None = None,
    ending: str = "",
    into: str | None = None,
) -> int:
    """Do `action` to what `paths` name; return the exit code."""
    from safeserial import bulk
    from safeserial.bulk.items import placed
    from safeserial.bulk.rows import RowsFile

    if not paths and url is None:
        raise Misuse("there is nothing to work on", hint="give the paths of files or folders")
    if resume and rows is None:
        raise Misuse("--resume needs the rows of the run before", hint="name them: -o FILE")
    try:
        where = bulk.Where.chosen(backend, scheduler, jobs)
    except SafeSerialError as error:
        raise Misuse(str(error), hint=error.hint) from None
    if url is not None:
        action, items = _in_store(action, ring, url, paths, remote=where.remote)
    else:
        items = bulk.gather(paths)
        if ending:
            items = _making(action, items, ending, into, placed)
    with contextlib.ExitStack() as room:
        file = None if rows is None else room.enter_context(RowsFile(rows, resume=resume))
        meter = Meter(lambda: len(items))
        came = bulk.run(
            action,
            items,
            keyring=ring,
            where=where,
            done={} if file is None or not resume else dict(file.old),
            digests=digests,
            progress=meter,
        )
        begin = time.monotonic()
        counts, complete = _collect(came, file, meter, as_json=as_json)
    _summary(counts, time.monotonic() - begin, rows)
    if not complete:
        return outcome.interrupted()
    codes = {_CODES[status] for status in _standing(file, items, action, counts)}
    return outcome.REFUSED if outcome.REFUSED in codes else max(codes, default=outcome.DONE)


def _in_store(
    action: Action, ring: RingReference | None, url: str, names: tuple[str, ...], *, remote: bool
) -> tuple[Action, list[Item]]:
    """Return the action as done to a store, and the versions that it is about."""
    from safeserial import bulk
    from safeserial.cli import store_place

    if not isinstance(action, bulk.Inspect | bulk.Verify | bulk.Convert):
        raise Misuse("versions of a store are signed already", hint="leave out --store")
    store_place.face()
    from safeserial.bulk.stored import Stored, StoreReference, versions

    found = store_place.find(url or None)
    opening = StoreReference("", found.url, tuple(found.settings.items()))
    target = action.target if isinstance(action, bulk.Convert) else "-"
    with opening.open(ring.open() if ring is not None else None, action.policy) as store:
        items, shown = versions(store, names, without=target), store.url
    address = "" if remote and store_place.has_password(found.url) else found.url
    if address.startswith("sqlite:///"):
        address = shown  # in which the path is absolute
    reference = StoreReference(shown, address, opening.settings, secrets.token_hex(8))
    return Stored(action, reference), items


def _making(
    action: Action,
    items: list[Item],
    ending: str,
    into: str | None,
    placed: Callable[..., list[Item]],
) -> list[Item]:
    """Say where outputs go; an output of a run before is no input of this one."""
    wanted = [one for one in items if one.named or action.wants(one.path)]
    made = placed(wanted, ending, into)
    outputs = {one.output for one in made}
    clash = next((one for one in made if one.place in outputs), None)
    if clash is not None and clash.named:
        raise Misuse(
            f"{render.printable(clash.path)} would be written over", hint="give --into FOLDER"
        )
    return [one for one in made if one.place not in outputs]


def _collect(
    came: Iterator[Row], file: Any, meter: Meter, *, as_json: bool
) -> tuple[Counter[str], bool]:
    """Take in the rows; ^C ends it, and what is done is kept."""
    from safeserial.bulk.rows import line
    from safeserial.inspection.crew import interrupts_held

    counts: Counter[str] = Counter()
    try:
        with contextlib.closing(came):  # type: ignore[type-var]
            for row in came:
                with interrupts_held():  # no row is left half written
                    counts[row.status] += 1
                    if file is not None:
                        file.add(row)
                    if as_json or file is None or row.status != "ok":
                        meter.hide()
                        click.echo(line(row) if as_json else _text(row))
    except KeyboardInterrupt:
        meter.hide()
        return counts, False
    meter.hide()
    return counts, True


def _standing(file: Any, items: list[Item], action: Action, counts: Counter[str]) -> Iterator[str]:
    """Yield the outcomes of this run and, where one went on, of the files done before."""
    yield from counts
    if file is not None:
        for item in items:
            row = file.old.get(item.path)
            if row is not None and row.action == action.name:
                yield row.status


def _text(row: Row) -> str:
    word = render.paint(row.status.upper(), _STYLES[row.status])
    parts = [row.verdict, row.estimator or row.model, row.output and f"-> {row.output}"]
    told = "  ".join(part for part in parts if part)
    if row.error is not None:
        told = f"{told}  {row.error}: {row.message}".strip()
    return f"{word}  {render.printable(row.path)}  {render.printable(told)}".rstrip()


def _summary(counts: Counter[str], seconds: float, rows: str | None) -> None:
    told = ", ".join(f"{counts[status]} {status}" for status in _CODES if counts[status])
    begin = f"{counts.total()} files in {seconds:.1f} s"
    end = f"; rows in {render.printable(rows)}" if rows is not None else ""
    render.talk(f"{begin}: {told}{end}" if told else f"nothing to do{end}")
