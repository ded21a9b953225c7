# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial keys``: make and list keys; what else is done with them has files of its own.

Floor 8.  Secrets go from file to file: none is printed, none is taken from the command line.
"""

from __future__ import annotations

import datetime
from typing import Any

import click

from safeserial.cli import key_files, key_life, options, render, ring_changes
from safeserial.keyring import KeyEntry
from safeserial.keys import LABELS, generate_key


@click.group()
def keys() -> None:
    """Make keys, list them, hand them round, and end their life.

    An active key signs and verifies, an accepted one verifies, a retired one explains itself, a
    revoked one refuses.  ID is a key id or its beginning.
    """


@keys.command(short_help="Make a key.")
@click.option(
    "--algorithm",
    type=click.Choice(LABELS),
    default="hmac",
    show_default=True,
    help="hmac is a secret that all share; the others are pairs, of which one half is public.",
)
@options.keyring
@ring_changes.not_before
@ring_changes.not_after
@ring_changes.principal
@ring_changes.roles
def new(
    *,
    algorithm: str,
    place: str | None,
    not_before: datetime.datetime | None,
    not_after: datetime.datetime | None,
    principal: str | None,
    roles: tuple[str, ...],
) -> None:
    """Make a key: the active one of a new ring, or an accepted one of a ring that exists.

    Prints the key id.
    """
    where, ring = ring_changes.to_change(place, create=True)
    ring_changes.require_order(not_before, not_after)
    key = generate_key(algorithm)
    changed = ring.add(
        key, not_before=not_before, not_after=not_after, principal=principal, roles=roles
    )
    changed.store(where)
    ring_changes.told(changed, key.key_id, where)


@keys.command("list")
@options.keyring
@options.as_json
def list_keys(*, place: str | None, as_json: bool) -> None:
    """List the keys of a ring, secrets left out."""
    ring = options.open_ring(place)
    if as_json:
        at = ring.mark
        known = None if at is None else {"serial": at.serial, "fingerprint": f"sha256:{at.digest}"}
        render.document(
            {
                "serial": ring.serial,
                "published": known,
                "keys": [_plain(one) for one in ring.entries],
            }
        )
        return
    header = ["ID", "STATE", "ALGORITHM", "VALID", "REASON"]
    rows = [
        [one.key_id, one.state, one.key.algorithm, _validity(one), one.reason or "-"]
        for one in ring.entries
    ]
    if any(one.principal or one.roles for one in ring.entries):
        header += ["PRINCIPAL", "ROLES"]
        for row, one in zip(rows, ring.entries, strict=True):
            row += [one.principal or "-", ", ".join(one.roles) or "-"]
    render.table(header, rows)


def _validity(entry: KeyEntry) -> str:
    first, last = _day(entry.not_before), _day(entry.not_after)
    if first is None and last is None:
        return "always"
    return f"{first or ''} … {last or ''}".strip()


def _day(moment: datetime.datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%MZ")


def _plain(entry: KeyEntry) -> dict[str, Any]:
    return {
        "id": entry.key_id,
        "state": entry.state,
        "algorithm": entry.key.algorithm,
        "not_before": None if entry.not_before is None else entry.not_before.isoformat(),
        "not_after": None if entry.not_after is None else entry.not_after.isoformat(),
        "reason": entry.reason,
        "principal": entry.principal,
        "roles": list(entry.roles),
        "can_sign": entry.key.can_sign,
    }


keys.add_command(key_files.export)
keys.add_command(key_files.import_key)
keys.add_command(key_files.connect)
for command in key_life.COMMANDS:
    keys.add_command(command)
