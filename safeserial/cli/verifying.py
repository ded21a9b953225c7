# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial verify``: who signed these files, and are they as they were signed.

Floor 8.  Imports neither numpy nor scikit-learn: a check that is cheap is a check that is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from safeserial.cli import options, outcome, render
from safeserial.errors import SafeSerialError

if TYPE_CHECKING:
    from safeserial.artifact.trust import Verified
    from safeserial.keyring import Keyring

_WORDS: dict[int, tuple[str, render.Style]] = {
    outcome.DONE: ("OK", "good"),
    outcome.REFUSED: ("REFUSED", "bad"),
    outcome.UNKNOWN: ("UNKNOWN", "doubt"),
}


@dataclass(frozen=True)
class _Checked:
    path: str
    code: int
    verified: Verified | None = None
    error: Exception | None = None


@click.command(short_help="Tell who signed artifacts, and that nobody changed them.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@options.keyring
@options.as_json
def verify(*, files: tuple[str, ...], place: str | None, as_json: bool) -> int:
    """Verify signed artifacts; nothing of their payload is interpreted.

    One line a file: OK, REFUSED, or UNKNOWN where it could not be told.  Exit code 0 if all are
    OK, 1 if any is refused, else 2.
    """
    ring = options.open_ring(place)
    checked = []
    for path in files:
        one = _check(path, ring)
        checked.append(one)
        if not as_json:
            _tell(one)
    if as_json:
        render.document({"files": [_plain(one) for one in checked]})
    codes = {one.code for one in checked}
    return outcome.REFUSED if outcome.REFUSED in codes else max(codes)


def _check(path: str, ring: Keyring) -> _Checked:
    from safeserial.artifact import loading

    try:
        with render.progress(path, _size(path)) as progress:
            verified = loading.verify(path, keyring=ring, progress=progress)
    except (SafeSerialError, OSError, MemoryError) as error:
        return _Checked(path, outcome.code_of(error), error=error)
    return _Checked(path, outcome.DONE, verified)


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except (OSError, ValueError):
        return 0


def _tell(one: _Checked) -> None:
    word, style = _WORDS[one.code]
    begin = f"{render.paint(word, style)}  {render.printable(one.path)}"
    if one.verified is not None:
        manifest = one.verified.manifest
        title = " ".join(part for part in (manifest.name, manifest.version) if part)
        signers = ", ".join(signer.key_id for signer in one.verified.signers)
        rest = f"{title or manifest.model.class_name}  signed by {signers}"
        click.echo(f"{begin}  {render.printable(rest)}  (created {manifest.created})")
    elif one.error is not None:
        click.echo(f"{begin}  {type(one.error).__name__}")
        outcome.failed(one.error)


def _plain(one: _Checked) -> dict[str, Any]:
    word, _ = _WORDS[one.code]
    plain: dict[str, Any] = {"path": one.path, "status": word.lower()}
    if one.verified is not None:
        manifest = one.verified.manifest
        plain |= {
            "artifact_id": one.verified.artifact_id,
            "created": manifest.created,
            "format": manifest.format,
            "model": manifest.model.class_name,
            "name": manifest.name,
            "version": manifest.version,
            "metadata": manifest.metadata,
            "signers": [
                {"key_id": signer.key_id, "algorithm": signer.algorithm}
                for signer in one.verified.signers
            ],
        }
    if one.error is not None:
        plain |= {
            "error": type(one.error).__name__,
            "message": outcome.message_of(one.error),
            "hint": outcome.hint_of(one.error),
        }
    return plain
