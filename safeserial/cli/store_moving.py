# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial store export|import|copy``: versions from one store to another, each verified.

Floor 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from safeserial.cli import options, render, store_render
from safeserial.cli.store_place import common, face, find, open_store
from safeserial.files import display

if TYPE_CHECKING:
    from safeserial.store import Transferred

_specs = click.argument("specs", nargs=-1, metavar="[SPEC]...")


@click.command(short_help="Write versions and their aliases as one signed file.")
@_specs
@click.option("-o", "--output", required=True, metavar="FILE", help="File to write.")
@common
def export(
    *, specs: tuple[str, ...], output: str, url: str | None, place: str | None, as_json: bool
) -> None:
    """Write versions with all their formats; without SPEC, all of the store."""
    with open_store(url, place) as store, store_render.moving("exporting") as progress:
        written = store.export(output, specs or None, progress=progress)
    if as_json:
        render.document({"path": output, "versions": list(written)})
        return
    for one in written:
        click.echo(render.printable(one))
    render.talk(render.printable(f"wrote {len(written)} versions to {display(output)}"))


@click.command("import", short_help="Publish what an exported file holds.")
@click.argument("file", metavar="FILE", type=click.Path())
@common
def import_(*, file: str, url: str | None, place: str | None, as_json: bool) -> None:
    """Verify FILE and each artifact in it, and publish what is not here yet."""
    with open_store(url, place) as store, store_render.moving("importing") as progress:
        brought = store.import_(file, progress=progress)
    _tell(brought, as_json=as_json)


@click.command(short_help="Publish versions of this store in another one.")
@_specs
@click.option("--to", "target", required=True, metavar="URL", help="The other store.")
@common
def copy(
    *, specs: tuple[str, ...], target: str, url: str | None, place: str | None, as_json: bool
) -> None:
    """Publish versions in the store URL; without SPEC, all of them."""
    other = find(target)
    ring = options.open_ring(place)
    with (
        open_store(url, place) as store,
        face()(other.url, keyring=ring, create=False) as there,
        store_render.moving("copying") as progress,
    ):
        brought = store.copy(there, specs or None, progress=progress)
    _tell(brought, as_json=as_json)


def _tell(brought: Transferred, *, as_json: bool) -> None:
    if as_json:
        render.document(store_render.plain(brought))
        return
    known = {one.rpartition("/")[0] for one in brought.skipped}
    new = {there: here for there, here in brought.entries.items() if there not in known}
    if new:
        render.table(("THERE", "HERE"), list(new.items()))
    told = f"{len(new)} versions, {len(brought.aliases)} aliases"
    render.talk(f"{told}; {len(brought.skipped)} were here already")
