# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial store init|verify|audit|gc|migrate|forget``: what keeps a store in order.

Floor 8.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import click

from safeserial.cli import options, outcome, render, store_render
from safeserial.cli.store_place import common, face, find, open_store
from safeserial.cli.store_place import place as store_option
from safeserial.errors import LimitExceededError
from safeserial.files import read_small

_CHECKPOINT: int = 64 * 2**10


@click.command(short_help="Make a store in an empty database.")
@click.option("--blobs", metavar="PLACE", help="Where large payloads go: file:///..., s3://...")
@common
def init(*, blobs: str | None, url: str | None, place: str | None, as_json: bool) -> None:
    """Make a store; one that is there already is opened and left as it is."""
    found = find(url)
    settings = dict(found.settings)
    if blobs is not None:
        settings["blobs"] = blobs
    with face()(found.url, keyring=options.open_ring(place), create=True, **settings) as store:
        shown, name = store.url, store.id
    if as_json:
        render.document({"id": name, "url": shown})
        return
    click.echo(name)
    render.talk(render.printable(f"the store at {shown} is ready"))


@click.command(short_help="Verify every statement, every byte, and the audit log.")
@common
def verify(*, url: str | None, place: str | None, as_json: bool) -> int:
    """Verify the whole store; nothing is loaded.  Exit code 1 if anything is not right."""
    with open_store(url, place) as store, store_render.counting("verifying") as progress:
        report = store.verify_all(progress=progress)
    if as_json:
        render.document(store_render.plain(report) | {"ok": report.ok})
    else:
        store_render.problems((*report.problems, *report.audit.problems))
        size = render.bytes_text(report.size)
        told = f"{report.artifacts} artifacts ({size}), {report.channels} aliases and "
        told += f"{report.audit.lines} lines of the audit log are right"
        render.talk(told)
    return outcome.DONE if report.ok else outcome.REFUSED


class _Audit(click.Group):
    """``audit`` alone shows lines; ``audit verify`` looks through all of them."""


@click.group(
    cls=_Audit, invoke_without_command=True, short_help="Show the audit log, or verify it."
)
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@click.option("--after", type=click.IntRange(0), default=0, help="Number of the last line seen.")
@common
@click.pass_context
def audit(
    ctx: click.Context,
    /,
    *,
    limit: int,
    after: int,
    url: str | None,
    place: str | None,
    as_json: bool,
) -> None:
    """Show lines of the audit log, oldest first.  `audit verify` looks through all of it."""
    if ctx.invoked_subcommand is not None:
        ctx.obj = (url, place, as_json)
        return
    with open_store(url, place) as store:
        found = store.audit(limit=limit, after=after)
    if as_json:
        render.document({"lines": store_render.plain(found)})
        return
    store_render.audit_lines(found)


@audit.command("verify", short_help="Find a line that was removed, added or edited.")
@click.option("--checkpoint", metavar="FILE", help="A checkpoint of earlier, kept elsewhere.")
@click.option("--save", metavar="FILE", help="Write the newest checkpoint there.")
@common
@click.pass_context
def audit_verify(
    ctx: click.Context,
    /,
    *,
    checkpoint: str | None,
    save: str | None,
    url: str | None,
    place: str | None,
    as_json: bool,
) -> int:
    """Look through the whole audit log.  Exit code 1 if anything is not right."""
    above = ctx.obj or (None, None, False)
    as_json = as_json or above[2]
    earlier = None if checkpoint is None else _text(checkpoint)
    with open_store(url or above[0], place or above[1]) as store:
        report = store.audit_verify(checkpoint=earlier)
    if save is not None and report.ok:
        from safeserial.files import atomic_write

        with atomic_write(save) as stream:
            stream.write(report.checkpoint.encode("utf-8") + b"\n")
    if as_json:
        render.document(store_render.plain(report) | {"ok": report.ok})
    else:
        store_render.problems(report.problems)
        render.talk(f"{report.lines} lines, {report.checkpoints} signed checkpoints")
    return outcome.DONE if report.ok else outcome.REFUSED


def _text(path: str) -> str:
    try:
        return read_small(path, limit=_CHECKPOINT).decode("utf-8").strip()
    except UnicodeDecodeError:
        raise LimitExceededError("the file is no checkpoint") from None


@click.command(short_help="Remove bytes that nothing refers to.")
@click.option("--grace", type=click.FloatRange(0), default=24.0, show_default=True, metavar="HOURS")
@click.option("--dry-run", is_flag=True, help="Only count.")
@common
def gc(*, grace: float, dry_run: bool, url: str | None, place: str | None, as_json: bool) -> None:
    """Remove the bytes of deleted versions and of broken-off publishing, older than HOURS."""
    with open_store(url, place) as store:
        swept = store.gc(grace=datetime.timedelta(hours=grace), dry_run=dry_run)
    if as_json:
        render.document(store_render.plain(swept))
        return
    count = swept.chunks + swept.objects
    size = render.bytes_text(swept.size + swept.object_size)
    word = "would be" if dry_run else "were"
    render.talk(f"{count} pieces ({size}) {word} removed")


@click.command(short_help="Bring a store's schema to the present version.")
@store_option
@click.option("--to", default="head", show_default=True, metavar="REVISION")
@options.as_json
def migrate(*, url: str | None, to: str, as_json: bool) -> None:
    """Bring the schema up to date; a migration that fails is undone.  Make a backup before."""
    revision = face().migrate(find(url).url, to=to)
    if as_json:
        render.document({"revision": revision})
        return
    click.echo(revision)


@click.command(short_help="Forget what was seen of a store that was replaced on purpose.")
@store_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(*, url: str | None, yes: bool) -> int:
    """Forget what this client has seen at the store's address.

    After that, an older state of the store is not noticed: only where a backup was put back.
    """
    found = find(url)
    if not yes and not click.confirm("Believe whatever the store shows next?", err=True):
        render.talk("nothing was forgotten")
        return outcome.UNKNOWN
    state = found.settings.get("state")
    face().forget(found.url, state=None if state is None else Path(state))
    return outcome.DONE
