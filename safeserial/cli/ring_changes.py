# SPDX-License-Identifier: BSD-3-Clause
"""What all commands share that change a keyring: dates, the ring itself, and what to tell of it.

Floor 8.
"""

from __future__ import annotations

import datetime
from typing import Final

import click

from safeserial.cli import options, render
from safeserial.cli.outcome import Misuse
from safeserial.errors import KeyNotFoundError, KeyringError, MissingFileError
from safeserial.files import display
from safeserial.keyring import Keyring

_LAST_MOMENT: Final = datetime.timedelta(days=1, seconds=-1)

key_id = click.argument("key_id", metavar="ID")


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


not_before = click.option(
    "--not-before", metavar="DATE", callback=_not_before, help="First day of validity (UTC)."
)
not_after = click.option(
    "--not-after", metavar="DATE", callback=_not_after, help="Last day of validity (UTC)."
)
principal = click.option(
    "--principal", metavar="NAME", help="Whose key it is, for rules that ask for two people."
)
roles = click.option(
    "--role",
    "roles",
    metavar="ROLE",
    multiple=True,
    help="What it may speak as (trainer, approver ...); may be repeated.",
)


def require_order(first: datetime.datetime | None, last: datetime.datetime | None) -> None:
    """Refuse a validity that ends before it begins.

    Raises
    ------
    Misuse
        If it does.
    """
    if first is not None and last is not None and first >= last:
        raise Misuse(
            "the first day of validity is after the last", hint="swap --not-before and --not-after"
        )


def to_change(place: str | None, *, create: bool = False) -> tuple[str, Keyring]:
    """Return where the ring is that shall be changed, and the ring.

    Raises
    ------
    KeyNotFoundError
        If there is none and none shall be made.
    KeyringError, UnreadableFileError
        If it is none that can be read, or never changed.
    """
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


def require_unknown(ring: Keyring, key_id: str) -> None:
    """Refuse to add a key that the ring has.

    Raises
    ------
    KeyringError
        If it has.
    """
    known = ring.find(key_id)
    if known is not None:
        raise KeyringError(
            f"the ring has this key already: {key_id} is {known.state}",
            hint="`safeserial keys list` shows the keyring",
        )


def told(ring: Keyring, key_id: str, where: str) -> None:
    """Print the id on stdout, and on stderr what became of the key."""
    click.echo(key_id)
    entry = ring.find(key_id)
    state = "" if entry is None else entry.state
    render.talk(f"{state} in {display(where)}; {_count(ring)}")
    if all(one.state != "active" for one in ring.entries):
        if any(one.key.can_sign and one.state == "accepted" for one in ring.entries):
            render.talk("the ring has no active key now and cannot sign: `safeserial keys promote`")
        elif any(one.key.can_sign for one in ring.entries):
            render.talk("the ring has no active key now and cannot sign: `safeserial keys rotate`")
        else:
            render.talk("the ring holds public halves only: it verifies and cannot sign")


def _count(ring: Keyring) -> str:
    return "1 key" if len(ring.entries) == 1 else f"{len(ring.entries)} keys"
