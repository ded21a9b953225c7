# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial pack`` and ``unpack``: a legacy file becomes a signed artifact, and back.

Floor 8.  Both go through the opcode verifier and the allowlist: neither is a way round them.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from safeserial.cli import options, render
from safeserial.cli.outcome import Misuse
from safeserial.errors import PolicyError, UntrustedTypesError
from safeserial.files import display

if TYPE_CHECKING:
    from safeserial.codecs import Compression


@click.command(short_help="Check a .pkl or .joblib file, and sign it as an artifact.")
@click.argument("model_file", metavar="MODEL", type=click.Path())
@click.option("-o", "--output", required=True, metavar="OUT", help="The artifact to write.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["pickle", "joblib"]),
    default="pickle",
    show_default=True,
    help="Codec of the payload.",
)
@click.option(
    "--compression",
    metavar="NAME[:LEVEL]",
    help="zlib, gzip, bz2, lzma, xz, lz4 or zstd; level 0 to 9.  Default: none.",
)
@click.option("--name", help="The model's name, signed with it.")
@click.option("--version", help="The model's version, signed with it.")
@click.option(
    "--meta", multiple=True, metavar="KEY=VALUE", help="Signed metadata; may be repeated."
)
@options.keyring
@options.policy
@options.trust
def pack(
    *,
    model_file: str,
    output: str,
    format_name: str,
    compression: str | None,
    name: str | None,
    version: str | None,
    meta: tuple[str, ...],
    place: str | None,
    policy_file: str | None,
    trusted: tuple[str, ...],
) -> None:
    """Check a .pkl or .joblib file, and write it as a signed artifact.

    MODEL goes through the opcode verifier and the allowlist; your signature then says that you
    vouch for it.  Prints the artifact id.
    """
    from safeserial.artifact import loading, saving
    from safeserial.digests import sha256_hex

    policy = options.read_policy(policy_file, trusted)
    metadata, packed_by = options.metadata_of(meta), compression_of(compression)
    ring = options.open_ring(place)
    signing = ring.active  # refused before a model of gigabytes is read
    with _naming_trust():
        model = loading.load_unsigned(model_file, policy=policy)
    try:
        manifest = saving.dump(
            model,
            output,
            keyring=ring,
            format=format_name,
            compression=packed_by,
            name=name,
            version=version,
            metadata=metadata,
        )
    except PolicyError as error:  # of dump: an argument is not one it takes
        raise Misuse(str(error), hint=error.hint or "see `safeserial pack --help`") from None
    click.echo(sha256_hex(manifest.encode()))
    size = render.bytes_text(manifest.payload_size)
    render.talk(
        render.printable(
            f"packed {manifest.model.class_name} ({size}) into {display(output)}, "
            f"signed by {signing.key_id}"
        )
    )


@click.command(short_help="Verify an artifact, and write an ordinary model file.")
@click.argument("artifact", metavar="ARTIFACT", type=click.Path())
@click.option(
    "-o", "--output", required=True, metavar="OUT", help="File to write, or - for a pipe."
)
@options.keyring
@options.policy
@options.trust
def unpack(
    *,
    artifact: str,
    output: str,
    place: str | None,
    policy_file: str | None,
    trusted: tuple[str, ...],
) -> None:
    """Verify an artifact, and write its model as an ordinary .pkl or .joblib file.

    The file written is not signed: whoever opens it trusts the place it lies in.
    """
    from safeserial.artifact import exporting

    if output == "-" and sys.stdout.isatty():
        raise Misuse("a model is not written to a terminal", hint="give a file: -o model.pkl")
    policy = options.read_policy(policy_file, trusted)
    ring = options.open_ring(place)
    with _naming_trust():
        if output == "-":
            done = exporting.unpack_bytes(artifact, keyring=ring, policy=policy)
            sys.stdout.buffer.write(done.data)
            sys.stdout.buffer.flush()
        else:
            done = exporting.unpack(artifact, output, keyring=ring, policy=policy)
    size = render.bytes_text(len(done.data))
    where = "stdout" if output == "-" else display(output)
    manifest = done.verified.manifest
    render.talk(
        render.printable(
            f"unpacked {manifest.model.class_name} ({size}) to {where}; "
            f"an ordinary {done.extension} file is not signed"
        )
    )


def compression_of(text: str | None) -> Compression:
    """Return what ``--compression NAME[:LEVEL]`` means."""
    from safeserial.codecs.compression import choose

    if text is None:
        return None
    name, separator, level = text.partition(":")
    if separator and not (level.isascii() and level.isdecimal()):
        raise Misuse(
            f"--compression {render.printable(text)}: the level is a digit",
            hint="for instance: --compression zstd:3",
        )
    try:
        return choose((name, int(level)) if separator else name)
    except PolicyError as error:
        raise Misuse(str(error), hint=error.hint or "level 0 to 9") from None


@contextlib.contextmanager
def _naming_trust() -> Iterator[None]:
    """Say in the words of the command line how names are trusted."""
    try:
        yield
    except UntrustedTypesError as error:
        error.hint = options.trust_hint(error.types)
        raise
