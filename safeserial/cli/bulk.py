# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial bulk``: inspect, verify, convert or sign many files, on this machine or a cluster.

Floor 8.  Only references to keys go to workers; see :mod:`safeserial.bulk.rings`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from safeserial.cli import options
from safeserial.cli.app import LazyGroup

if TYPE_CHECKING:
    from safeserial.bulk import RingReference


@click.group(
    cls=LazyGroup,
    homes={
        "inspect": "safeserial.cli.bulk:inspect",
        "verify": "safeserial.cli.bulk:verify",
        "convert": "safeserial.cli.bulk:convert",
        "sign": "safeserial.cli.bulk:sign",
    },
    short_help="Work on many model files, on all processors or a cluster.",
)
def bulk() -> None:
    """Work on many model files: a row for each, whatever happens to it.

    Rows are JSON Lines, or Parquet where the file's name ends so.  A run that was stopped goes on
    with --resume.  The work is done by a process for each processor, or by the workers of a Dask or
    Ray cluster: --scheduler tcp://HOST:8786.  Workers open files and keyrings by their paths.

    Exit code 0 if all are done or trusted, 1 if any is refused, else 2.
    """


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.argument("paths", nargs=-1, metavar="PATH...", type=click.Path()),
    click.option("-o", "--output", "rows", metavar="FILE", help="Where the rows go."),
    click.option("--resume", is_flag=True, help="Go on with the rows that FILE has already."),
    click.option(
        "--digest",
        "digests",
        is_flag=True,
        help="Tell the BLAKE3 digest of each file; --resume then compares it, not size and time.",
    ),
    click.option(
        "--backend", type=click.Choice(["loky", "dask", "ray"]), help="Engine that does the work."
    ),
    click.option("--scheduler", metavar="ADDRESS", help="Cluster: tcp://HOST:8786, ray://..."),
    click.option(
        "--jobs",
        type=click.IntRange(1, 1024),
        help="Processes on this machine; 1 for none beside this one.  Default: one a processor.",
    ),
    click.option(
        "--store",
        "url",
        is_flag=False,
        flag_value="",
        metavar="URL",
        help="Versions of a store instead of files: PATHs are names of models, none is all of "
        "them.  Without URL, the store of `safeserial store`.",
    ),
    options.keyring,
    options.policy,
    options.trust,
    options.as_json,
)


@click.command(short_help="Say what each file holds, executing nothing of it.")
@_shared
@click.option("--all-files", is_flag=True, help="Of a folder, also tell which are no models.")
def inspect(
    *, all_files: bool, policy_file: str | None, trusted: tuple[str, ...], **common: Any
) -> int:
    """Inspect files and folders; nothing in them is executed or imported."""
    from safeserial.bulk import Inspect
    from safeserial.cli import bulk_running

    policy = options.read_policy(policy_file, trusted)
    ring = reference(common.pop("place"), needed=False)
    return bulk_running.run(Inspect(policy, every=all_files), ring, **common)


@click.command(short_help="Tell of each file who signed it, and that nobody changed it.")
@_shared
@click.option(
    "--public-keys",
    is_flag=True,
    help="Send workers the public halves of the keyring; else they open it by its path.",
)
def verify(
    *, public_keys: bool, policy_file: str | None, trusted: tuple[str, ...], **common: Any
) -> int:
    """Verify signed files; in a folder, models that nobody signed are told, too."""
    from safeserial.bulk import Verify
    from safeserial.cli import bulk_running

    policy = options.read_policy(policy_file, trusted)
    ring = reference(common.pop("place"), needed=True)
    if public_keys and ring is not None:
        ring = ring.public(ring.open())
    return bulk_running.run(Verify(policy), ring, **common)


@click.command(short_help="Write each model as ONNX or skops, proved equal to the original.")
@_shared
@click.option("--to", "target", type=click.Choice(["onnx", "skops"]), required=True)
@click.option("--into", metavar="FOLDER", help="Where they go.  Default: beside the originals.")
@click.option("--sample", metavar="FILE", help="Rows that the models take (see `convert`).")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), help="Of numbers in and out.")
@click.option("--profile", type=click.Choice(["exact", "fast"]), default="exact", show_default=True)
def convert(
    *,
    target: str,
    into: str | None,
    sample: str | None,
    dtype: str | None,
    profile: str,
    policy_file: str | None,
    trusted: tuple[str, ...],
    **common: Any,
) -> int:
    """Write models in another format; where the proof fails, nothing is written."""
    from safeserial.bulk import Convert
    from safeserial.cli import bulk_running

    policy = options.read_policy(policy_file, trusted)
    ring = reference(common.pop("place"), needed=False)
    choices = (("dtype", dtype), ("profile", profile)) if target == "onnx" else ()
    place = None if sample is None else os.path.abspath(sample)  # noqa: PTH100
    action = Convert(policy, "onnx" if target == "onnx" else "skops", place, choices)
    return bulk_running.run(action, ring, ending=f".{target}", into=into, **common)


@click.command(short_help="Check each legacy model file, and sign it as an artifact.")
@_shared
@click.option("--into", metavar="FOLDER", help="Where they go.  Default: beside the originals.")
@click.option("--compression", metavar="NAME[:LEVEL]", help="As of `pack`.")
def sign(
    *,
    into: str | None,
    compression: str | None,
    policy_file: str | None,
    trusted: tuple[str, ...],
    **common: Any,
) -> int:
    """Check .pkl, .joblib, .skops and .onnx files, and write signed artifacts.

    Each goes through the opcode verifier and the allowlist, like `pack`; what is not permitted is
    not signed.
    """
    from safeserial.bulk import Sign
    from safeserial.cli import bulk_running
    from safeserial.cli.packing import compression_of

    policy = options.read_policy(policy_file, trusted)
    packed_by = compression_of(compression)
    ring = reference(common.pop("place"), needed=True)
    if ring is not None:
        ring.open().active  # noqa: B018 - refused before a worker is started
    action = Sign(policy, packed_by)
    return bulk_running.run(action, ring, ending=".safeserial", into=into, **common)


def reference(place: str | None, *, needed: bool) -> RingReference | None:
    """Return where the ring is that the option, the environment or the user's folder names.

    Raises
    ------
    KeyNotFoundError
        If there is none, and one is needed.
    """
    from safeserial.bulk import RingReference
    from safeserial.errors import KeyNotFoundError

    if place:
        return RingReference.at(place)
    try:
        return RingReference.from_env()
    except KeyNotFoundError:
        usual = options.default_place()
        if os.path.lexists(usual):
            return RingReference.at(usual)
        if needed:
            options.open_ring(None)  # says what to do
        return None
