# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial approve``: a second person signs what a first one signed, and nothing else changes.

Floor 8.  Imports neither numpy nor scikit-learn: whoever approves need not be able to load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from safeserial.cli import options, outcome, render
from safeserial.cli.outcome import Misuse
from safeserial.errors import SafeSerialError

if TYPE_CHECKING:
    from safeserial.artifact.trust import SignedBy
    from safeserial.keyring import Keyring


@click.command(short_help="Add a second person's signature to signed files.")
@click.argument("files", nargs=-1, required=True, metavar="PATH...", type=click.Path())
@click.option(
    "--signature", metavar="FILE", type=click.Path(), help="Signature of one PATH, if not PATH.sig."
)
@options.keyring
@options.as_json
def approve(
    *, files: tuple[str, ...], signature: str | None, place: str | None, as_json: bool
) -> int:
    """Add your signature to files and folders that somebody else signed; they stay as they are.

    The keyring holds your own key, active, and the public half of whoever signed before.  What is
    not in order is not approved.  One line a path; exit code 0 if all are approved, 1 if any is
    refused, else 2.
    """
    if signature is not None and len(files) != 1:
        raise Misuse(
            "--signature is for one PATH", hint="approve the others in a call of their own"
        )
    ring = options.open_ring(place)
    codes, plain = set(), []
    for path in files:
        code, told = _approve(path, signature, ring, as_json=as_json)
        codes.add(code)
        plain.append(told)
    if as_json:
        render.document({"files": plain})
    return outcome.REFUSED if outcome.REFUSED in codes else max(codes)


def _approve(
    path: str, signature: str | None, ring: Keyring, *, as_json: bool
) -> tuple[int, dict[str, Any]]:
    from safeserial.artifact import approving

    try:
        with render.progress(path, options.size_of(path)) as progress:
            verified = approving.approve(path, keyring=ring, signature=signature, progress=progress)
    except (SafeSerialError, OSError, MemoryError) as error:
        if not as_json:
            outcome.failed(error)
        return outcome.code_of(error), {
            "path": path,
            "status": "not approved",
            "error": type(error).__name__,
            "message": outcome.message_of(error),
            "hint": outcome.hint_of(error),
        }
    if not as_json:
        word = render.paint("APPROVED", "good")
        by = ", ".join(_called(one) for one in verified.signers)
        click.echo(f"{word}  {render.printable(path)}  {render.printable(f'signed by {by}')}")
    return outcome.DONE, {
        "path": path,
        "status": "approved",
        "signers": [
            {
                "key_id": one.key_id,
                "algorithm": one.algorithm,
                "principal": one.principal,
                "roles": list(one.roles),
            }
            for one in verified.signers
        ],
    }


def _called(one: SignedBy) -> str:
    return one.principal or one.key_id
