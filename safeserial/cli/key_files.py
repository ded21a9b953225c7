# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial keys export|import|connect``: keys on their way between rings, files and services.

Floor 8.  Secrets go from file to file: none is printed, none is taken from the command line.
"""

from __future__ import annotations

import datetime
import os
import sys
from pathlib import Path
from typing import Final

import click

from safeserial.cli import options, render, ring_changes
from safeserial.cli.outcome import Misuse
from safeserial.errors import KeyringError
from safeserial.files import atomic_write, display
from safeserial.keys import Key, KmsKey, PrivateKey, PublicKey, key_from_bytes, key_from_file
from safeserial.keys.asking import PASSPHRASE_VARIABLE, from_environment, from_file, needed, typed

_MAX_PIPED_BYTES: Final = 16 * 2**10

_passphrase_file = click.option(
    "--passphrase-file",
    metavar="FILE",
    help=f"Where a passphrase stands; else ${PASSPHRASE_VARIABLE}, else it is asked for.",
)


@click.command(short_help="Write a key, or its public half, to a file.")
@ring_changes.key_id
@click.option("-o", "--output", required=True, metavar="FILE", help="New file, or - for a pipe.")
@click.option("--public", "only_public", is_flag=True, help="Only the half that verifies.")
@click.option("--pem", is_flag=True, help="In PEM (PKCS#8, or SubjectPublicKeyInfo).")
@click.option("--encrypt", is_flag=True, help="Encrypt it with a passphrase; implies --pem.")
@_passphrase_file
@options.keyring
def export(
    *,
    key_id: str,
    output: str,
    only_public: bool,
    pem: bool,
    encrypt: bool,
    passphrase_file: str | None,
    place: str | None,
) -> None:
    """Write a key's secret to a file, or with --public the half that anybody may have.

    A secret goes to a file that only you can read, never to a terminal.  Whoever has it can sign as
    you: send it over a channel you trust and delete it.
    """
    if only_public and encrypt:
        raise Misuse("a public half is no secret", hint="leave out --encrypt")
    if output != "-" and os.path.lexists(output):
        raise Misuse(
            f"{display(output)} exists, and a key that is overwritten is lost",
            hint="give the name of a new file",
        )
    if not only_public and output == "-" and sys.stdout.isatty():
        raise Misuse(
            "a secret is not written to a terminal, where it stays in the scrollback",
            hint="give a file: -o key.txt, or pipe it into the program that stores it",
        )
    key = options.open_ring(place).select(key_id).key
    if only_public:
        text = _public_text(key, pem=pem)
    else:
        passphrase = _new_passphrase(passphrase_file) if encrypt else None
        text = _secret_text(key, pem=pem or encrypt, passphrase=passphrase)
    if output == "-":
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
        return
    with atomic_write(output, mode=0o644 if only_public else 0o600) as stream:
        stream.write(text)
    if only_public:
        render.talk(f"the public half of {key.key_id} is in {display(output)}")
    elif encrypt:
        render.talk(f"the secret of {key.key_id} is in {display(output)}, encrypted")
    else:
        render.talk(
            f"the secret of {key.key_id} is in {display(output)} (mode 0600): "
            "send it over a channel you trust, then delete it"
        )


def _public_text(key: Key, *, pem: bool) -> bytes:
    half = getattr(key, "public", None)
    if not isinstance(half, PublicKey):
        raise KeyringError(
            f"{key.key_id} is a shared secret, which has no public half",
            hint="make a pair: safeserial keys new --algorithm ed25519",
        )
    return half.to_pem() if pem else half.to_text().encode("ascii") + b"\n"


def _secret_text(key: Key, *, pem: bool, passphrase: bytes | None) -> bytes:
    if isinstance(key, KmsKey):
        raise KeyringError(
            f"the secret of {key.key_id} never leaves its service", hint="export it with --public"
        )
    if not key.can_sign:
        raise KeyringError(
            f"the ring holds the public half of {key.key_id} alone", hint="export it with --public"
        )
    if not pem:
        return key.to_text().encode("ascii") + b"\n"
    if not isinstance(key, PrivateKey):
        raise KeyringError(
            f"{key.key_id} is a shared secret, for which PEM has no form", hint="leave out --pem"
        )
    return key.to_pem(passphrase=passphrase)


def _new_passphrase(passphrase_file: str | None) -> bytes:
    if passphrase_file is not None:
        return from_file(passphrase_file)
    given = from_environment(PASSPHRASE_VARIABLE)
    if given:
        return given
    first = needed(PASSPHRASE_VARIABLE, "New passphrase")
    if typed("The same again") != first:
        raise Misuse("the two passphrases differ", hint="try again")
    return first


@click.command("import", short_help="Accept a key that `export` or another tool wrote.")
@click.argument("source", metavar="FILE")
@_passphrase_file
@options.keyring
@ring_changes.not_before
@ring_changes.not_after
@ring_changes.principal
@ring_changes.roles
def import_key(
    *,
    source: str,
    passphrase_file: str | None,
    place: str | None,
    not_before: datetime.datetime | None,
    not_after: datetime.datetime | None,
    principal: str | None,
    roles: tuple[str, ...],
) -> None:
    """Accept a key from a file (or - for a pipe): one that `export` wrote, or PEM.

    A key that signs becomes the active one of a ring that has none, else an accepted one.  The
    public half of somebody's key is accepted: the ring verifies with it.  Prints the key id.
    """
    where, ring = ring_changes.to_change(place, create=True)
    ring_changes.require_order(not_before, not_after)
    key = _read_key(source, passphrase_file)
    ring_changes.require_unknown(ring, key.key_id)
    changed = ring.add(
        key, not_before=not_before, not_after=not_after, principal=principal, roles=roles
    )
    changed.store(where)
    ring_changes.told(changed, key.key_id, where)


def _read_key(source: str, passphrase_file: str | None) -> Key:
    if source.startswith("safeserial-") and ":" in source and not Path(source).exists():
        raise Misuse(
            "this is a key, not the name of a file; your shell's history has it now",
            hint="if it is secret make another and revoke it; import takes a file or - for a pipe",
        )

    def passphrase() -> bytes:
        if passphrase_file is not None:
            return from_file(passphrase_file)
        return needed(PASSPHRASE_VARIABLE, "Passphrase of the key")

    if source != "-":
        return key_from_file(source, passphrase=passphrase)
    if sys.stdin.isatty():
        raise Misuse(
            "a secret is not typed into a terminal, where it stays in the scrollback",
            hint="give a file of mode 0600, or pipe it in",
        )
    data = sys.stdin.buffer.read(_MAX_PIPED_BYTES + 1)
    if len(data) > _MAX_PIPED_BYTES:
        raise KeyringError("what came in is no key", hint="see `safeserial keys export`")
    return key_from_bytes(data, passphrase=passphrase)


@click.command(short_help="Sign with a key that a token or a key service keeps.")
@click.argument("uri", metavar="ADDRESS")
@click.option("--public", "half", metavar="FILE", help="Its public half; default: ask the service.")
@options.keyring
@ring_changes.not_before
@ring_changes.not_after
@ring_changes.principal
@ring_changes.roles
def connect(
    *,
    uri: str,
    half: str | None,
    place: str | None,
    not_before: datetime.datetime | None,
    not_after: datetime.datetime | None,
    principal: str | None,
    roles: tuple[str, ...],
) -> None:
    """Add a key that never leaves a token or a key service (needs the extra [kms]).

    ADDRESS is hsm:ID?label=TOKEN (PKCS#11, $PYKCS11LIB names the library), awskms:KEY,
    gcpkms:projects/..., azurekms://VAULT.vault.azure.net/keys/NAME, or hv:NAME.  A PIN is taken
    from $SAFESERIAL_PIN, the file $SAFESERIAL_PIN_FILE, or asked for.  Prints the key id.
    """
    where, ring = ring_changes.to_change(place, create=True)
    ring_changes.require_order(not_before, not_after)
    key = KmsKey.connect(uri) if half is None else KmsKey(uri, PublicKey.from_file(half))
    ring_changes.require_unknown(ring, key.key_id)
    changed = ring.add(
        key, not_before=not_before, not_after=not_after, principal=principal, roles=roles
    )
    changed.store(where)
    ring_changes.told(changed, key.key_id, where)
