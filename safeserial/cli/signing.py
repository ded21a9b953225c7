# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial sign``: a signature beside any file or folder.

Floor 8.  Imports neither numpy nor scikit-learn, and nothing that opens a payload.
"""

from __future__ import annotations

from typing import Any

import click

from safeserial.cli import options, outcome, render
from safeserial.cli.outcome import Misuse
from safeserial.errors import SafeSerialError
from safeserial.files import display
from safeserial.keyring import Keyring


@click.command(short_help="Sign files and folders; the signature stands beside them.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path())
@click.option(
    "--signature", metavar="FILE", type=click.Path(), help="Where to write, for one PATH."
)
@click.option("--name", default="", help="The model's name, signed with it.")
@click.option("--version", default="", help="The model's version, signed with it.")
@click.option(
    "--meta", multiple=True, metavar="KEY=VALUE", help="Signed metadata; may be repeated."
)
@options.leave_out
@click.option(
    "--drop-others", is_flag=True, help="Throw away signatures of other keys that are there."
)
@options.keyring
@options.as_json
def sign(
    *,
    paths: tuple[str, ...],
    signature: str | None,
    name: str,
    version: str,
    meta: tuple[str, ...],
    leave_out: tuple[str, ...],
    drop_others: bool,
    place: str | None,
    as_json: bool,
) -> int:
    """Sign files and folders, whatever they hold: PATH.sig stands beside each.

    With a key of P-256, P-384 or P-521, `model_signing verify key` accepts the signature, too.
    Signatures of other keys are kept, a line each.  Prints the paths of the signatures.
    """
    if signature is not None and len(paths) != 1:
        raise Misuse("--signature is for one PATH", hint="sign the others in a call of their own")
    order: dict[str, Any] = {
        "signature": signature,
        "name": name,
        "version": version,
        "metadata": options.metadata_of(meta),
        "leave_out": leave_out,
        "others": "drop" if drop_others else "keep",
    }
    ring = options.open_ring(place)
    signing = ring.active  # refused before gigabytes are read
    rows = []
    codes = {outcome.DONE}
    for path in paths:
        row, code = _sign(path, ring, order, quiet=as_json)
        rows.append(row)
        codes.add(code)
    if as_json:
        render.document({"key_id": signing.key_id, "files": rows})
    return outcome.REFUSED if outcome.REFUSED in codes else max(codes)


def _sign(
    path: str, ring: Keyring, order: dict[str, Any], *, quiet: bool
) -> tuple[dict[str, Any], int]:
    from safeserial.artifact import detaching

    try:
        with render.progress(path, options.size_of(path)) as progress:
            made = detaching.sign(path, keyring=ring, progress=progress, **order)
    except (SafeSerialError, OSError, MemoryError) as error:
        if not quiet:
            outcome.failed(error)
        told = {"error": type(error).__name__, "message": outcome.message_of(error)}
        told["hint"] = outcome.hint_of(error)
        return {"path": path, "status": "failed", **told}, outcome.code_of(error)
    if not quiet:
        click.echo(render.printable(str(made)))
        render.talk(render.printable(f"signed {display(path)} by {ring.active.key_id}"))
    return {"path": path, "status": "signed", "signature": str(made)}, outcome.DONE
