# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial verify``: who signed these files and folders, and are they as they were signed.

Floor 8.  Imports neither numpy nor scikit-learn: a check that is cheap is a check that is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from safeserial.cli import options, outcome, render
from safeserial.cli.outcome import Misuse
from safeserial.errors import KeyNotFoundError, SafeSerialError
from safeserial.keyring import Keyring

if TYPE_CHECKING:
    from safeserial.artifact.trust import SignedBy, Verified
    from safeserial.artifact.verifying import VerifiedFiles

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


@click.command(short_help="Tell who signed files and folders, and that nobody changed them.")
@click.argument("files", nargs=-1, required=True, metavar="PATH...", type=click.Path())
@click.option(
    "--signature", metavar="FILE", type=click.Path(), help="Signature of one PATH, if not PATH.sig."
)
@click.option(
    "--roots",
    "roots_file",
    metavar="FILE",
    type=click.Path(),
    help="Authorities' certificates, PEM.",
)
@click.option(
    "--identity",
    "identities",
    metavar="NAME",
    multiple=True,
    help="Whom they may name; repeatable.",
)
@options.leave_out
@options.keyring
@options.policy
@options.as_json
def verify(
    *,
    files: tuple[str, ...],
    signature: str | None,
    roots_file: str | None,
    identities: tuple[str, ...],
    leave_out: tuple[str, ...],
    place: str | None,
    policy_file: str | None,
    as_json: bool,
) -> int:
    """Verify signed artifacts, and files and folders with their signature beside them (PATH.sig).

    Nothing of a payload is interpreted.  One line a path: OK, REFUSED, or UNKNOWN where it could
    not be told.  Exit code 0 if all are OK, 1 if any is refused, else 2.
    """
    if signature is not None and len(files) != 1:
        raise Misuse("--signature is for one PATH", hint="verify the others in a call of their own")
    order: dict[str, Any] = {"signature": signature, "leave_out": leave_out}
    if policy_file is not None:
        order["policy"] = options.read_policy(policy_file, ())
    if roots_file is not None or identities:
        order["roots"] = _roots(roots_file, identities)
    order["keyring"] = _ring(place, needed="roots" not in order)
    checked = []
    for path in files:
        one = _check(path, order)
        checked.append(one)
        if not as_json:
            _tell(one)
    if as_json:
        render.document({"files": [_plain(one) for one in checked]})
    codes = {one.code for one in checked}
    return outcome.REFUSED if outcome.REFUSED in codes else max(codes)


def _roots(path: str | None, identities: tuple[str, ...]) -> Any:
    from safeserial.detached.certificates import Roots

    if path is None:
        raise Misuse("--identity goes with --roots", hint="--roots FILE names the authorities")
    return Roots.from_file(path, identities=identities)


def _ring(place: str | None, *, needed: bool) -> Keyring:
    try:
        return options.open_ring(place)
    except KeyNotFoundError:
        if needed or place is not None:
            raise
        return Keyring()


def _check(path: str, order: dict[str, Any]) -> _Checked:
    from safeserial.artifact import verifying

    try:
        with render.progress(path, options.size_of(path)) as progress:
            verified = verifying.verify(path, progress=progress, **order)
    except (SafeSerialError, OSError, MemoryError) as error:
        return _Checked(path, outcome.code_of(error), error=error)
    return _Checked(path, outcome.DONE, verified)


def _tell(one: _Checked) -> None:
    word, style = _WORDS[one.code]
    begin = f"{render.paint(word, style)}  {render.printable(one.path)}"
    files = _files_of(one)
    if files is not None:
        _tell_files(begin, files)
    elif one.verified is not None:
        manifest = one.verified.manifest
        title = " ".join(part for part in (manifest.name, manifest.version) if part)
        signers = ", ".join(signer.key_id for signer in one.verified.signers)
        rest = f"{title or manifest.model.class_name}  signed by {signers}"
        click.echo(f"{begin}  {render.printable(rest)}  (created {manifest.created})")
    elif one.error is not None:
        click.echo(f"{begin}  {type(one.error).__name__}")
        outcome.failed(one.error)


def _files_of(one: _Checked) -> VerifiedFiles | None:
    """Return what a detached signature covers, None for an artifact or a failure."""
    from safeserial.artifact.verifying import VerifiedFiles

    return one.verified if isinstance(one.verified, VerifiedFiles) else None


def _tell_files(begin: str, files: VerifiedFiles) -> None:
    title = " ".join(part for part in (files.name, files.version) if part)
    count = "1 file" if len(files.files) == 1 else f"{len(files.files)} files"
    signers = ", ".join(signer.key_id for signer in files.signers)
    date = "" if files.created is None else f"  (signed {files.created:%Y-%m-%dT%H:%M:%SZ})"
    click.echo(f"{begin}  {render.printable(f'{title}  {count} signed by {signers}')}{date}")
    if files.left_out:
        left_out = ", ".join(files.left_out)
        render.talk(render.printable(f"note: no signature covers {left_out}"))
    if files.unknown:
        makers = ", ".join(files.unknown)
        render.talk(render.printable(f"note: not checked, no such key here: {makers}"))


def _signer(signer: SignedBy) -> dict[str, Any]:
    return {
        "key_id": signer.key_id,
        "algorithm": signer.algorithm,
        "principal": signer.principal,
        "roles": list(signer.roles),
    }


def _plain_files(files: VerifiedFiles) -> dict[str, Any]:
    return {
        "created": None if files.created is None else f"{files.created:%Y-%m-%dT%H:%M:%SZ}",
        "name": files.name,
        "version": files.version,
        "metadata": dict(files.metadata),
        "files": [
            {"name": file.name, "size": file.size, "digest": file.digest} for file in files.files
        ],
        "left_out": list(files.left_out),
        "signature": files.signature,
        "unknown": list(files.unknown),
    }


def _plain(one: _Checked) -> dict[str, Any]:
    word, _ = _WORDS[one.code]
    plain: dict[str, Any] = {"path": one.path, "status": word.lower()}
    files = _files_of(one)
    if one.verified is not None:
        plain["artifact_id"] = one.verified.artifact_id
        plain["signers"] = [_signer(signer) for signer in one.verified.signers]
    if files is not None:
        plain |= _plain_files(files)
    elif one.verified is not None:
        manifest = one.verified.manifest
        plain |= {
            "created": manifest.created,
            "format": manifest.format,
            "model": manifest.model.class_name,
            "name": manifest.name,
            "version": manifest.version,
            "metadata": manifest.metadata,
        }
    if one.error is not None:
        plain |= {
            "error": type(one.error).__name__,
            "message": outcome.message_of(one.error),
            "hint": outcome.hint_of(one.error),
        }
    return plain
