# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial keys``: make, list, rotate, retire, revoke, export and import keys.

Floor 8.  Secrets go from file to file: none is printed, none is taken from the command line.
"""

from __future__ import annotations

import datetime
import os
import sys
from pathlib import Path
from typing import Final

import click

from safeserial.cli import options, render
from safeserial.cli.outcome import Misuse
from safeserial.errors import KeyNotFoundError, KeyringError, MissingFileError
from safeserial.files import atomic_write, display
from safeserial.keyring import KeyEntry, Keyring
from safeserial.keys import MAX_KEY_FILE_BYTES, HmacKey

_LAST_MOMENT: Final = datetime.timedelta(days=1, seconds=-1)
_KEY_ID = click.argument("key_id", metavar="ID")
_REASON = click.option("--reason", default="", metavar="TEXT", help="Why; kept in the ring.")


@click.group()
def keys() -> None:
    """Make, list, rotate, retire and revoke keys.

    An active key signs and verifies, an accepted one verifies, a retired one explains itself, a
    revoked one refuses.  ID is a key id or its beginning.
    """


def _not_before(ctx: click.Context, parameter: click.Parameter, text: str | None) -> object:
    del ctx, parameter
    return _moment(text, last=False)


def _not_after(ctx: click.Context, parameter: click.Parameter, text: str | None) -> object:
    del ctx, parameter
    moment = _moment(text, last=True)
    if moment is not None and moment <= datetime.datetime.now(datetime.UTC):
        raise click.BadParameter(f"{text} has passed: such a key would never be good.")
    return moment


def _moment(text: str | None, *, last: bool) -> datetime.datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        day_only = len(text) <= len("2027-01-31")
        return moment + _LAST_MOMENT if last and day_only else moment
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{render.printable(text)!r} is no date; write 2027-01-31 or 2027-01-31T12:00Z."
        ) from None


_FROM = click.option(
    "--not-before", metavar="DATE", callback=_not_before, help="First day of validity (UTC)."
)
_UNTIL = click.option(
    "--not-after", metavar="DATE", callback=_not_after, help="Last day of validity (UTC)."
)


@keys.command(short_help="Make a key.")
@options.keyring
@_FROM
@_UNTIL
def new(
    place: str | None,
    not_before: datetime.datetime | None,
    not_after: datetime.datetime | None,
) -> None:
    """Make a key: the active one of a new ring, or an accepted one of a ring that exists.

    Prints the key id.  `rotate` makes a key that signs from now on.
    """
    where, ring = _to_change(place, create=True)
    _require_order(not_before, not_after)
    key = HmacKey.generate()
    changed = ring.add(key, not_before=not_before, not_after=not_after)
    changed.store(where)
    _told(changed, key.key_id, where)


@keys.command("list")
@options.keyring
@options.as_json
def list_keys(*, place: str | None, as_json: bool) -> None:
    """List the keys of a ring, secrets left out."""
    ring = options.open_ring(place)
    if as_json:
        render.document({"serial": ring.serial, "keys": [_plain(one) for one in ring.entries]})
        return
    render.table(
        ("ID", "STATE", "ALGORITHM", "VALID", "REASON"),
        [
            (one.key_id, one.state, one.key.algorithm, _validity(one), one.reason or "-")
            for one in ring.entries
        ],
    )


@keys.command(short_help="Make a key that signs from now on.")
@options.keyring
@_UNTIL
def rotate(place: str | None, not_after: datetime.datetime | None) -> None:
    """Make a key that signs from now on; the one that did is still accepted.

    Prints the id of the new key.
    """
    where, ring = _to_change(place)
    key = HmacKey.generate()
    changed = ring.rotate(key, not_after=not_after)
    changed.store(where)
    _told(changed, key.key_id, where)


@keys.command()
@_KEY_ID
@options.keyring
def activate(key_id: str, place: str | None) -> None:
    """Sign with an accepted key from now on."""
    where, ring = _to_change(place)
    chosen = ring.select(key_id)
    changed = ring.activate(chosen.key_id)
    changed.store(where)
    _told(changed, chosen.key_id, where)


@keys.command(short_help="Stop trusting a key that was good.")
@_KEY_ID
@_REASON
@options.keyring
def retire(key_id: str, reason: str, place: str | None) -> None:
    """Stop trusting a key that was good: what it signed must be signed again."""
    where, ring = _to_change(place)
    chosen = ring.select(key_id)
    changed = ring.retire(chosen.key_id, reason=reason)
    changed.store(where)
    _told(changed, chosen.key_id, where)


@keys.command()
@_KEY_ID
@_REASON
@options.keyring
def revoke(key_id: str, reason: str, place: str | None) -> None:
    """Refuse a key that somebody else may have, for ever."""
    where, ring = _to_change(place)
    chosen = ring.select(key_id)
    changed = ring.revoke(chosen.key_id, reason=reason)
    changed.store(where)
    _told(changed, chosen.key_id, where)


@keys.command(short_help="Write a key's secret to a file.")
@_KEY_ID
@click.option("-o", "--output", required=True, metavar="FILE", help="New file, or - for a pipe.")
@options.keyring
def export(key_id: str, output: str, place: str | None) -> None:
    """Write a key's secret to a file, for whoever shall sign or verify with it.

    The file is one line and only you can read it.  Whoever has it can sign as you: send it over a
    channel you trust and delete it.  A terminal never gets it.
    """
    if output == "-" and sys.stdout.isatty():
        raise Misuse(
            "a secret is not written to a terminal, where it stays in the scrollback",
            hint="give a file: -o key.txt, or pipe it into the program that stores it",
        )
    if output != "-" and os.path.lexists(output):
        raise Misuse(
            f"{display(output)} exists, and a key that is overwritten is lost",
            hint="give the name of a new file",
        )
    chosen = options.open_ring(place).select(key_id)
    line = chosen.key.to_text().encode("ascii") + b"\n"
    if output == "-":
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
        return
    with atomic_write(output, mode=0o600) as stream:
        stream.write(line)
    render.talk(
        f"the secret of {chosen.key_id} is in {display(output)} (mode 0600): "
        "send it over a channel you trust, then delete it"
    )


@keys.command("import", short_help="Accept a key that `export` wrote.")
@click.argument("source", metavar="FILE")
@options.keyring
@_FROM
@_UNTIL
def import_key(
    source: str,
    place: str | None,
    not_before: datetime.datetime | None,
    not_after: datetime.datetime | None,
) -> None:
    """Accept a key from a file (or - for a pipe) that `export` wrote.

    It becomes the active key of a ring that has none, else an accepted one.  Prints its id.
    """
    where, ring = _to_change(place, create=True)
    _require_order(not_before, not_after)
    key = _read_key(source)
    known = ring.find(key.key_id)
    if known is not None:
        raise KeyringError(
            f"the ring has this key already: {key.key_id} is {known.state}",
            hint="`safeserial keys list` shows the keyring",
        )
    changed = ring.add(key, not_before=not_before, not_after=not_after)
    changed.store(where)
    _told(changed, key.key_id, where)


def _read_key(source: str) -> HmacKey:
    if source.startswith("safeserial-") and ":" in source and not Path(source).exists():
        raise Misuse(
            "this is a secret, not the name of a file; your shell's history has it now",
            hint="make another key and revoke this one; import takes a file or - for a pipe",
        )
    if source != "-":
        return HmacKey.from_file(source)
    if sys.stdin.isatty():
        raise Misuse(
            "a secret is not typed into a terminal, where it stays in the scrollback",
            hint="give a file of mode 0600, or pipe it in",
        )
    data = sys.stdin.buffer.read(MAX_KEY_FILE_BYTES + 1)
    try:
        return HmacKey.from_text(data.decode("ascii"))
    except UnicodeDecodeError:
        raise KeyringError("what came in is no key", hint="see `safeserial keys export`") from None


def _to_change(place: str | None, *, create: bool = False) -> tuple[str, Keyring]:
    where = options.writable_place(place)
    try:
        return where, Keyring.open(where)
    except (MissingFileError, KeyNotFoundError):
        if create:
            return where, Keyring()
        raise KeyNotFoundError(
            f"there is no keyring at {display(where)}",
            hint=f"make one with: safeserial keys new --keyring {display(where)}",
        ) from None


def _told(ring: Keyring, key_id: str, where: str) -> None:
    """Print the id on stdout, and on stderr what became of the key."""
    click.echo(key_id)
    entry = ring.find(key_id)
    state = "" if entry is None else entry.state
    render.talk(f"{state} in {display(where)}; {_count(ring)}")
    if all(one.state != "active" for one in ring.entries):
        render.talk("the ring has no active key now and cannot sign: `safeserial keys rotate`")


def _count(ring: Keyring) -> str:
    return "1 key" if len(ring.entries) == 1 else f"{len(ring.entries)} keys"


def _require_order(first: datetime.datetime | None, last: datetime.datetime | None) -> None:
    if first is not None and last is not None and first >= last:
        raise Misuse(
            "the first day of validity is after the last", hint="swap --not-before and --not-after"
        )


def _validity(entry: KeyEntry) -> str:
    first, last = _day(entry.not_before), _day(entry.not_after)
    if first is None and last is None:
        return "always"
    return f"{first or ''} … {last or ''}".strip()


def _day(moment: datetime.datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%MZ")


def _plain(entry: KeyEntry) -> dict[str, str | None]:
    return {
        "id": entry.key_id,
        "state": entry.state,
        "algorithm": entry.key.algorithm,
        "not_before": None if entry.not_before is None else entry.not_before.isoformat(),
        "not_after": None if entry.not_after is None else entry.not_after.isoformat(),
        "reason": entry.reason,
    }
