# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial store publish|alias|rollback|refresh|yank|restore|delete``: what changes a store.

Floor 8.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from safeserial.cli import options, outcome, render, store_render
from safeserial.cli.outcome import Misuse
from safeserial.cli.packing import compression_of
from safeserial.cli.store_place import common, open_store
from safeserial.errors import UntrustedTypesError

if TYPE_CHECKING:
    from safeserial.importing.vouching import Vouched
    from safeserial.keyring import Keyring
    from safeserial.policy import Policy
    from safeserial.store import Channel, Entry

_reason = click.option("--reason", default="", help="Why; kept in the audit log.")
_expect = click.option(
    "--expect", metavar="VERSION|none", help="Only if it points there now; none: nowhere."
)


@click.command(short_help="Publish a model as the next version of a name.")
@click.argument("name")
@click.argument("model_file", metavar="MODEL", type=click.Path())
@click.option("--alias", "pointed", metavar="ALIAS", help="Point this alias at it, in one step.")
@click.option("--beside", type=click.IntRange(1), metavar="VERSION", help="As a further format.")
@click.option("--from", "origins", multiple=True, metavar="NAME:VERSION", help="Derived from.")
@click.option("--meta", multiple=True, metavar="KEY=VALUE", help="Metadata; may be repeated.")
@click.option("--compression", metavar="NAME[:LEVEL]", help="Of a model that is not signed yet.")
@options.policy
@options.trust
@common
def publish(
    *,
    name: str,
    model_file: str,
    pointed: str | None,
    beside: int | None,
    origins: tuple[str, ...],
    meta: tuple[str, ...],
    compression: str | None,
    policy_file: str | None,
    trusted: tuple[str, ...],
    url: str | None,
    place: str | None,
    as_json: bool,
) -> None:
    """Publish MODEL under NAME, wholly or not at all; print name:version.

    MODEL is a signed artifact, which is verified and stored as it is, or a .pkl, .joblib, .skops or
    .onnx file, which goes through the opcode verifier and the allowlist and is signed.
    """
    policy = options.read_policy(policy_file, trusted)
    metadata, packed_by = pairs_of(meta, "--meta"), compression_of(compression)
    with open_store(url, place, create=False) as store:
        found = _content(model_file, store.keyring, policy)
        if found.format != "pickle" and packed_by is not None:
            raise Misuse("this model is not compressed by us", hint="leave out --compression")
        with store_render.moving(name) as progress:
            entry = store.publish(
                name,
                found.model,
                format=found.format,
                compression=packed_by,
                version=beside,
                alias=pointed,
                derived_from=origins,
                progress=progress,
                **metadata,
            )
    _tell_entry(entry, f"published {entry.spec}", as_json=as_json)


def _content(path: str, ring: Keyring, policy: Policy) -> Vouched:
    from safeserial.importing.vouching import vouched

    try:
        return vouched(path, ring, policy)
    except UntrustedTypesError as error:
        error.hint = options.trust_hint(error.types)
        raise


@click.command(short_help="Point an alias at a version, or list aliases.")
@click.argument("name")
@click.argument("alias_name", metavar="[ALIAS]", required=False)
@click.argument("version", type=click.IntRange(1), required=False)
@_expect
@click.option("--remove", is_flag=True, help="Take the alias away; its history stays.")
@click.option(
    "--valid-for", "days", type=click.IntRange(1, 3650), metavar="DAYS", help="Believed so long."
)
@common
def alias(
    *,
    name: str,
    alias_name: str | None,
    version: int | None,
    expect: str | None,
    remove: bool,
    days: int | None,
    url: str | None,
    place: str | None,
    as_json: bool,
) -> None:
    """Point ALIAS of NAME at VERSION; without them, list the aliases of NAME."""
    with open_store(url, place) as store:
        if alias_name is None:
            _tell_channels(store.aliases(name), as_json=as_json)
            return
        if (version is None) != remove:
            raise Misuse("give a version, or --remove", hint=f"store alias {name} {alias_name} 7")
        channel = store.alias(
            name,
            alias_name,
            version,
            valid_for=None if days is None else datetime.timedelta(days=days),
            **_expected(expect),
        )
    _tell_channels((channel,), as_json=as_json)


@click.command(short_help="Point an alias at the version it pointed at before.")
@click.argument("name")
@click.argument("alias_name", metavar="ALIAS")
@_expect
@common
def rollback(
    *,
    name: str,
    alias_name: str,
    expect: str | None,
    url: str | None,
    place: str | None,
    as_json: bool,
) -> None:
    """Point ALIAS of NAME at the version before; what was withdrawn since is passed over."""
    with open_store(url, place) as store:
        channel = store.rollback(name, alias_name, **_expected(expect))
    _tell_channels((channel,), as_json=as_json)


@click.command(short_help="Sign the present aliases again, before they expire.")
@click.argument("name", required=False)
@common
def refresh(*, name: str | None, url: str | None, place: str | None, as_json: bool) -> None:
    """Sign the aliases of NAME, or of all models, again: they are believed for another while."""
    with open_store(url, place) as store:
        count = store.refresh(name)
    if as_json:
        render.document({"signed": count})
    else:
        render.talk(f"signed {count} aliases")


@click.command(short_help="Withdraw a version; it stays loadable by its number.")
@click.argument("spec", metavar="NAME:VERSION")
@_reason
@common
def yank(*, spec: str, reason: str, url: str | None, place: str | None, as_json: bool) -> None:
    """Withdraw a version: nothing chooses it any more but its own number, with a warning."""
    with open_store(url, place) as store:
        entry = store.yank(spec, reason)
    _tell_entry(entry, f"yanked {entry.spec}", as_json=as_json)


@click.command(short_help="Undo `yank`.")
@click.argument("spec", metavar="NAME:VERSION")
@common
def restore(*, spec: str, url: str | None, place: str | None, as_json: bool) -> None:
    """Let a withdrawn version be chosen again."""
    with open_store(url, place) as store:
        entry = store.restore(spec)
    _tell_entry(entry, f"restored {entry.spec}", as_json=as_json)


@click.command(short_help="Delete the bytes of a version for good.")
@click.argument("spec", metavar="NAME:VERSION")
@_reason
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
def delete(
    *, spec: str, reason: str, yes: bool, url: str | None, place: str | None, as_json: bool
) -> int:
    """Delete a version; its number is never given again, its space is free after `gc`."""
    if not yes:
        if not sys.stdin.isatty():
            raise Misuse("deleting cannot be undone", hint="add --yes; or yank the version")
        if not click.confirm(f"Delete {render.printable(spec)} for good?", err=True):
            render.talk("nothing was deleted")
            return outcome.UNKNOWN
    with open_store(url, place) as store:
        entry = store.delete(spec, reason)
    _tell_entry(entry, f"deleted {entry.spec}", as_json=as_json)
    return outcome.DONE


def pairs_of(texts: Sequence[str], option: str) -> dict[str, str]:
    """Return what ``KEY=VALUE`` options say.

    Raises
    ------
    Misuse
        If one is no pair, or a key comes twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key or key in found:
            raise Misuse(
                f"{option} takes KEY=VALUE, each key once, not {render.printable(text)!r}",
                hint=f"for instance: {option} owner=risk-team",
            )
        found[key] = value
    return found


def _expected(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    if text == "none":
        return {"expect": None}
    if not (text.isascii() and text.isdecimal()):
        raise Misuse(f"--expect {render.printable(text)!r} is no version", hint="--expect 7, none")
    return {"expect": int(text)}


def _tell_entry(entry: Entry, told: str, *, as_json: bool) -> None:
    if as_json:
        render.document(entry.to_dict())
        return
    click.echo(entry.spec)
    render.talk(render.printable(told))


def _tell_channels(found: Sequence[Channel], *, as_json: bool) -> None:
    if as_json:
        render.document({"aliases": store_render.plain(tuple(found))})
        return
    store_render.channels(found)
