# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial store get|load-check|list|search|show|diff|history``: what only looks.

Floor 8.
"""

from __future__ import annotations

from typing import Any

import click

from safeserial.cli import options, outcome, render, store_render
from safeserial.cli.outcome import Misuse
from safeserial.cli.store_place import FORMATS, common, one_format, open_store
from safeserial.errors import SafeSerialError, UntrustedTypesError
from safeserial.files import display

_limit = click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most."
)


@click.command(short_help="Write a version as an artifact file, verified to its last byte.")
@click.argument("spec")
@click.option("-o", "--output", required=True, metavar="FILE", help="File to write.")
@one_format
@common
def get(
    *, spec: str, output: str, form: str | None, url: str | None, place: str | None, as_json: bool
) -> None:
    """Write version SPEC as a signed artifact."""
    with open_store(url, place) as store, store_render.moving(spec) as progress:
        verified = store.get(spec, output, format=form, progress=progress)
    if as_json:
        signers = [one.key_id for one in verified.signers]
        render.document({"artifact_id": verified.artifact_id, "path": output, "signers": signers})
        return
    click.echo(verified.artifact_id)
    size = render.bytes_text(verified.manifest.payload_size)
    render.talk(render.printable(f"wrote {spec} ({size}) to {display(output)}"))


@click.command("load-check", short_help="Say whether versions load here, under the policy.")
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@one_format
@options.policy
@options.trust
@common
def load_check(
    *,
    specs: tuple[str, ...],
    form: str | None,
    policy_file: str | None,
    trusted: tuple[str, ...],
    url: str | None,
    place: str | None,
    as_json: bool,
) -> int:
    """Load versions and let go of them: what a service would meet, before it does.

    Exit code 0 if all load, 1 if any is refused, else 2.
    """
    policy = options.read_policy(policy_file, trusted)
    rows = []
    codes = set()
    with open_store(url, place) as store:
        for spec in specs:
            row: dict[str, Any] = {"spec": spec, "status": "ok"}
            try:
                with store_render.moving(spec) as progress:
                    model = store.load(spec, format=form, policy=policy, progress=progress)
                row["model"] = f"{type(model).__module__}.{type(model).__qualname__}"
                del model
                codes.add(outcome.DONE)
            except (SafeSerialError, OSError, MemoryError) as error:
                if isinstance(error, UntrustedTypesError):
                    error.hint = options.trust_hint(error.types)
                code = outcome.code_of(error)
                codes.add(code)
                row |= {
                    "status": "refused" if code == outcome.REFUSED else "unknown",
                    "error": type(error).__name__,
                    "message": outcome.message_of(error),
                    "hint": outcome.hint_of(error),
                }
            rows.append(row)
            if not as_json:
                _tell(row)
    if as_json:
        render.document({"versions": rows})
    return outcome.REFUSED if outcome.REFUSED in codes else max(codes)


def _tell(row: dict[str, Any]) -> None:
    styles: dict[str, render.Style] = {"ok": "good", "refused": "bad", "unknown": "doubt"}
    word = render.paint(row["status"].upper(), styles[row["status"]])
    told = row.get("model") or row["error"]
    click.echo(f"{word}  {render.printable(row['spec'])}  {render.printable(told)}")
    if "message" in row:
        outcome.show(row["message"], row["hint"])


@click.command("list", short_help="List models, or the versions of one.")
@click.argument("name", required=False)
@_limit
@click.option("--after", metavar="NAME|VERSION", help="Go on after the last one seen.")
@common
def list_(
    *,
    name: str | None,
    limit: int,
    after: str | None,
    url: str | None,
    place: str | None,
    as_json: bool,
) -> None:
    """List the newest version of every model, or all versions of NAME, newest first."""
    start: str | int | None = after
    if name is not None and after is not None:
        if not (after.isascii() and after.isdecimal()):
            raise Misuse(f"--after {after!r}: a version is a number", hint="--after 7")
        start = int(after)
    with open_store(url, place) as store:
        found = store.list(name, limit=limit, after=start)
    if as_json:
        render.document({"entries": store_render.plain(found)})
        return
    store_render.entries(found)
    if len(found) == limit:
        last = found[-1].version if name is not None else found[-1].name
        render.talk(render.printable(f"there may be more: --after {last}"))


@click.command(short_help="Find versions by text, class, metadata, library versions.")
@click.argument("text", nargs=-1, metavar="[WORD]...")
@click.option("--name", help="Of the model, exactly.")
@click.option("--estimator", help="Name of the class, dotted or its last part.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="One of its formats.")
@click.option("--package", "packages", multiple=True, metavar="NAME=VERSION", help="As 1.7=1.7.2.")
@click.option("--meta", multiple=True, metavar="KEY=VALUE", help="Metadata, exactly.")
@_limit
@click.option("--after", metavar="NAME:VERSION", help="Go on after the last one seen.")
@common
def search(
    *,
    text: tuple[str, ...],
    name: str | None,
    estimator: str | None,
    form: str | None,
    packages: tuple[str, ...],
    meta: tuple[str, ...],
    limit: int,
    after: str | None,
    url: str | None,
    place: str | None,
    as_json: bool,
) -> None:
    """Find versions in which all WORDs occur, and which are as the options say."""
    from safeserial.cli.store_writing import pairs_of

    wanted = pairs_of(meta, "--meta")
    taken = sorted(set(wanted) & {"text", "name", "estimator", "format", "packages", "limit"})
    if taken:
        raise Misuse(f"--meta {taken[0]} cannot be searched for", hint=f"give --{taken[0]}")
    with open_store(url, place) as store:
        found = store.search(
            " ".join(text),
            name=name,
            estimator=estimator,
            format=form,
            packages=pairs_of(packages, "--package"),
            limit=limit,
            after=after,
            **wanted,
        )
    if as_json:
        render.document({"entries": store_render.plain(found)})
        return
    store_render.entries(found)


@click.command(short_help="Show all that is known of a version.")
@click.argument("spec")
@common
def show(*, spec: str, url: str | None, place: str | None, as_json: bool) -> None:
    """Show version SPEC: model, metadata, parameters, formats, signers, lineage."""
    with open_store(url, place) as store:
        one = store.entry(spec)
        edges = store.lineage(one.spec)
        channels = [each for each in store.aliases(one.name) if each.version == one.version]
    if as_json:
        render.document(one.to_dict() | {"lineage": store_render.plain(edges)})
        return
    store_render.entry(one, edges, channels)


@click.command(short_help="Say in what two versions differ.")
@click.argument("a")
@click.argument("b")
@common
def diff(*, a: str, b: str, url: str | None, place: str | None, as_json: bool) -> None:
    """Compare versions A and B: parameters, metadata, environment, globals, size."""
    with open_store(url, place) as store:
        found = store.diff(a, b)
    if as_json:
        render.document({"a": a, "b": b, "differences": store_render.plain(found)})
        return
    store_render.differences(found, a, b)


@click.command(short_help="Show what happened to a model, or to an alias of it.")
@click.argument("name")
@click.argument("alias", required=False)
@common
def history(
    *, name: str, alias: str | None, url: str | None, place: str | None, as_json: bool
) -> None:
    """Show the lines of the audit log about NAME, or the signed moves of its ALIAS."""
    with open_store(url, place) as store:
        found: Any = store.history(name, alias)
    if as_json:
        render.document({"history": store_render.plain(found)})
        return
    if alias is None:
        store_render.audit_lines(found)
    else:
        store_render.channels(found)
