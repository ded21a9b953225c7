# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial keys``: the life of a key, and how the ring gets to those who verify with it.

Floor 8.  The safe order is: a new key is added and handed round, and signs only when those who
verify have it; the old one is accepted until nothing signed with it is in use.  Each step is a
command.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import click

from safeserial.cli import options, outcome, render, ring_changes
from safeserial.cli.outcome import Misuse
from safeserial.errors import KeyNotFoundError, KeyringError, MissingFileError
from safeserial.files import display, read_small
from safeserial.keyring import KeyEntry, Keyring
from safeserial.keys import LABELS, HmacKey, PrivateKey, PublicKey, generate_key

if TYPE_CHECKING:
    from safeserial.keyring.published import Chain, Generation

_REASON = click.option("--reason", default="", metavar="TEXT", help="Why; kept in the ring.")


def _done(changed: Keyring, key_id: str, where: str, *, as_json: bool) -> None:
    if not as_json:
        ring_changes.told(changed, key_id, where)
        return
    entry = changed.select(key_id)
    render.document(
        {
            "id": entry.key_id,
            "state": entry.state,
            "principal": entry.principal,
            "roles": list(entry.roles),
            "reason": entry.reason,
            "serial": changed.serial,
        }
    )


def _remind(changed: Keyring) -> None:
    """Say that those who receive the ring do not know of a change yet."""
    if changed.mark is not None and changed.serial > changed.mark.serial:
        render.talk("next: publish it with `safeserial keys distribute FILE`")


@click.command(short_help="Make the key that will sign next.")
@click.option(
    "--algorithm", type=click.Choice(LABELS), help="Kind of key.  Default: that of the active one."
)
@click.option(
    "--publish", metavar="FILE", type=click.Path(), help="Write the ring for others, as distribute."
)
@click.option("--now", is_flag=True, help="Sign with it at once: for a ring that nobody receives.")
@options.keyring
@ring_changes.not_after
@options.as_json
def rotate(
    *,
    algorithm: str | None,
    publish: str | None,
    now: bool,
    place: str | None,
    not_after: datetime.datetime | None,
    as_json: bool,
) -> None:
    """Make the key that will sign next; it is accepted until you promote it.

    It speaks for the same principal, in the same roles, as the active key.  A ring without an
    active key signs with it at once.  Prints its id.
    """
    where, ring = ring_changes.to_change(place)
    before = next((one for one in ring.entries if one.state == "active"), None)
    heir = before or next(iter(ring.entries), None)  # the one that signed last stands first
    key = generate_key(algorithm or _kind(heir))
    if now and before is not None:
        changed = ring.rotate(key, not_after=not_after)
    else:
        changed = ring.add(
            key,
            not_after=not_after,
            principal=None if heir is None else heir.principal,
            roles=() if heir is None or isinstance(key, HmacKey) else heir.roles,
        )
    if publish is not None:
        changed = changed.distribute(publish)
    changed.store(where)
    _done(changed, key.key_id, where, as_json=as_json)
    if changed.select(key.key_id).state == "accepted":
        _say_what_is_next(changed, key.key_id, publish)


def _kind(entry: KeyEntry | None) -> str:
    """Return the kind of a key, where a key of that kind can be made here."""
    if entry is None:
        return "hmac"
    if not isinstance(entry.key, HmacKey | PrivateKey | PublicKey):
        raise Misuse(
            f"key {entry.key_id} is kept in a key service, and so is the one after it",
            hint="make it there, then: safeserial keys connect; or say --algorithm",
        )
    public = entry.published()
    return "hmac" if public is None else str(getattr(public.key, "label", "hmac"))


def _say_what_is_next(ring: Keyring, key_id: str, published: str | None) -> None:
    if published is not None:
        hand = f"hand round {display(published)}"
    elif ring.select(key_id).published() is not None:
        hand = "hand it round with `safeserial keys distribute FILE`"
    else:
        hand = f"hand it round with `safeserial keys export {key_id} -o FILE`"
    render.talk(f"next: {hand}; when all have it: safeserial keys promote {key_id}")


@click.command(short_help="Sign with an accepted key from now on.")
@ring_changes.key_id
@options.keyring
@options.as_json
def promote(*, key_id: str, place: str | None, as_json: bool) -> None:
    """Sign with an accepted key from now on; the one that did is accepted until you retire it."""
    where, ring = ring_changes.to_change(place)
    chosen = ring.select(key_id)
    changed = ring.promote(chosen.key_id)
    changed.store(where)
    _done(changed, chosen.key_id, where, as_json=as_json)
    _remind(changed)
    for one in ring.entries:
        if one.state == "active" and one.key_id != chosen.key_id:
            render.talk(f"when nothing it signed is in use: safeserial keys retire {one.key_id}")


@click.command(short_help="Stop signing with the active key.")
@ring_changes.key_id
@options.keyring
@options.as_json
def demote(*, key_id: str, place: str | None, as_json: bool) -> None:
    """Stop signing with the active key; what it signed is still accepted."""
    where, ring = ring_changes.to_change(place)
    chosen = ring.select(key_id)
    changed = ring.demote(chosen.key_id)
    changed.store(where)
    _done(changed, chosen.key_id, where, as_json=as_json)
    _remind(changed)


@click.command(short_help="Stop trusting a key that was good.")
@ring_changes.key_id
@_REASON
@options.keyring
@options.as_json
def retire(*, key_id: str, reason: str, place: str | None, as_json: bool) -> None:
    """Stop trusting a key that was good: what it signed must be signed again."""
    where, ring = ring_changes.to_change(place)
    chosen = ring.select(key_id)
    changed = ring.retire(chosen.key_id, reason=reason)
    changed.store(where)
    _done(changed, chosen.key_id, where, as_json=as_json)
    _remind(changed)


@click.command(short_help="Refuse a key for ever.")
@ring_changes.key_id
@_REASON
@options.keyring
@options.as_json
def revoke(*, key_id: str, reason: str, place: str | None, as_json: bool) -> None:
    """Refuse a key that somebody else may have, for ever, and whatever it signed.

    A file that it signed is refused whoever signed beside it.
    """
    where, ring = ring_changes.to_change(place)
    chosen = ring.select(key_id)
    changed = ring.revoke(chosen.key_id, reason=reason)
    changed.store(where)
    _done(changed, chosen.key_id, where, as_json=as_json)
    _remind(changed)


@click.command(short_help="Say whose key it is, and what it may speak as.")
@ring_changes.key_id
@ring_changes.principal
@ring_changes.roles
@options.keyring
@options.as_json
def assign(
    *, key_id: str, principal: str | None, roles: tuple[str, ...], place: str | None, as_json: bool
) -> None:
    """Say whose key it is, and what it may speak as where a policy asks for two people.

    The roles replace those it had.  What was published stays as it is.
    """
    if principal is None and not roles:
        raise Misuse("nothing to assign", hint="give --principal NAME, or --role ROLE, or both")
    where, ring = ring_changes.to_change(place)
    chosen = ring.select(key_id)
    changed = ring.assign(chosen.key_id, principal=principal, roles=roles or None)
    changed.store(where)
    _done(changed, chosen.key_id, where, as_json=as_json)
    _remind(changed)


@click.command(short_help="Publish the ring for those who verify.")
@click.argument("file", metavar="FILE", type=click.Path())
@click.option("--afresh", is_flag=True, help="Begin a new one: all have to pin it again.")
@options.keyring
@options.as_json
def distribute(*, file: str, afresh: bool, place: str | None, as_json: bool) -> None:
    """Publish the ring: add what has changed to FILE, which holds public halves alone.

    Each state is signed by the key that was active in the one before, so that who has checked one
    can check all that follow.  Prints the fingerprint of the newest state.
    """
    where, ring = ring_changes.to_change(place)
    changed = ring.distribute(file, afresh=afresh)
    if changed is not ring:
        changed.store(where)
    mark = changed.mark
    if mark is None:
        raise KeyringError("the ring was not published")
    if as_json:
        render.document(
            {"fingerprint": f"sha256:{mark.digest}", "serial": mark.serial, "keys": list(mark.keys)}
        )
        return
    click.echo(f"sha256:{mark.digest}")
    said = "nothing has changed since" if changed is ring else "hand it round"
    count = "1 public key" if len(mark.keys) == 1 else f"{len(mark.keys)} public keys"
    render.talk(f"serial {mark.serial} with {count} in {display(file)}; {said}")
    active = next((one for one in changed.entries if one.state == "active"), None)
    if active is not None and active.not_after is not None:
        render.talk(f"publish the ring with another active key before {active.not_after:%Y-%m-%d}")
    if ring.mark is None or afresh:
        render.talk("tell those who receive it this fingerprint by another channel: they pin it")


@click.command("verify-chain", short_help="Check a ring that somebody published.")
@click.argument("file", metavar="FILE", type=click.Path())
@click.option("--pin", metavar="FINGERPRINT", help="Of any state, as its owner told you.")
@click.option(
    "--into",
    metavar="PLACE",
    help="Keyring to keep it in: later ones are held against it, and `--keyring` takes it.",
)
@options.as_json
def verify_chain(*, file: str, pin: str | None, into: str | None, as_json: bool) -> int:
    """Check a ring that somebody published, from its first state to the newest.

    Exit code 0 if it goes on from what you pinned, or from what --into holds; 1 if it is refused; 2
    if nothing says that it is its owner's.
    """
    from safeserial.keyring import chain, published

    kept = None if into is None else _kept(into)
    generations = published.read(read_small(file, limit=published.MAX_BYTES), where=display(file))
    mark = None if kept is None else kept.mark
    if pin is None and mark is None:
        chain.require_sound(generations)
        _show(generations, as_json=as_json, trusted=False)
        render.talk("nothing says that this is its owner's: ask by another channel for the")
        render.talk("fingerprint of a state, and give it with --pin; keep the result with --into")
        return outcome.UNKNOWN
    newest = chain.trusted(generations, pin=pin, mark=mark)
    _show(generations, as_json=as_json, trusted=True)
    if into is not None:
        ring = Keyring(newest.entries, serial=newest.serial, mark=newest.mark)
        if kept is None or kept.mark != ring.mark:
            ring.store(into)
        render.talk(f"serial {newest.serial} in {display(into)}: use it with --keyring")
    return outcome.DONE


def _kept(place: str) -> Keyring | None:
    try:
        ring = Keyring.open(place)
    except (MissingFileError, KeyNotFoundError):
        return None
    if ring.mark is None or any(entry.key.can_sign for entry in ring.entries):
        raise KeyringError(
            f"{display(place)} is a ring of your own, not one that somebody published",
            hint="keep it in a file of its own: --into THEIRS.keys",
        )
    return ring


def _show(generations: Chain, *, as_json: bool, trusted: bool) -> None:
    if as_json:
        render.document({"trusted": trusted, "generations": [_plain(one) for one in generations]})
        return
    render.table(
        ("SERIAL", "ISSUED", "ACTIVE", "KEYS", "FINGERPRINT"),
        [
            (
                str(one.serial),
                f"{one.issued:%Y-%m-%d}",
                next((key.key_id for key in one.entries if key.state == "active"), "-"),
                _counts(one),
                f"sha256:{one.digest}",
            )
            for one in generations
        ],
    )


def _counts(one: Generation) -> str:
    states = [entry.state for entry in one.entries]
    words = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    return ", ".join(words)


def _plain(one: Generation) -> dict[str, Any]:
    return {
        "serial": one.serial,
        "issued": one.issued.isoformat(),
        "fingerprint": f"sha256:{one.digest}",
        "signed_by": [signature.key_id for signature in one.signatures],
        "keys": [
            {
                "id": entry.key_id,
                "state": entry.state,
                "principal": entry.principal,
                "roles": list(entry.roles),
                "reason": entry.reason,
            }
            for entry in one.entries
        ],
    }


COMMANDS = (rotate, promote, demote, retire, revoke, assign, distribute, verify_chain)
