# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial convert``: a model as an ONNX graph or a skops file, proved equal to the original.

Floor 8.  The converters stand beside the core and are found by entry point.  A model goes through
the same checks as with every other command before it is converted.
"""

from __future__ import annotations

from typing import Any, Final

import click

import safeserial as ss
from safeserial.cli import options, render
from safeserial.files import display
from safeserial.samples import rows_for

_TARGETS: Final = ("onnx", "skops", "triton")


@click.command(short_help="Write a model as ONNX or skops, proved equal to the original.")
@click.argument("model_file", metavar="MODEL", type=click.Path())
@click.option("--to", "target", type=click.Choice(_TARGETS), required=True, help="Format to write.")
@click.option(
    "-o", "--output", required=True, metavar="OUT",
    help="File to write; for triton the folder of the model repository.",
)  # fmt: skip
@click.option(
    "--sample",
    metavar="FILE",
    help="Rows that the model takes: .csv, .parquet, .npy, or .txt with a text a line.  They say "
    "what the inputs are, and the proof is made with them.",
)
@click.option("--dtype", type=click.Choice(["float32", "float64"]), help="Of numbers in and out.")
@click.option("--method", "methods", multiple=True, help="What to reproduce; may be repeated.")
@click.option(
    "--profile",
    type=click.Choice(["exact", "fast"]),
    default="exact",
    show_default=True,
    help="Compute in double, or in float32.",
)
@options.keyring
@options.policy
@options.trust
@options.as_json
def convert(
    *,
    model_file: str,
    target: str,
    output: str,
    sample: str | None,
    dtype: str | None,
    methods: tuple[str, ...],
    profile: str,
    place: str | None,
    policy_file: str | None,
    trusted: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write MODEL in another format.

    onnx and triton write an ONNX graph, triton with the folders and the configuration that NVIDIA's
    Triton and KServe expect.  MODEL is a signed artifact (.safeserial), which is verified, or a
    .pkl or .joblib file, which goes through the opcode verifier and the allowlist.  The ONNX graph
    is run against it on the sample and on rows made from it; where they differ, nothing is written.
    """
    model = _opened(model_file, place, policy_file, trusted)
    if target == "skops":
        _to_skops(model, output)
        return
    rows = rows_for(model, sample)
    write = ss.to_triton if target == "triton" else ss.to_onnx
    result = write(model, rows, output, dtype=dtype, methods=methods or None, profile=profile)
    if as_json:
        render.document(result.to_dict())
        return
    for one in result.report.methods:
        click.echo(
            f"{one.method}: {one.rows} rows, {one.label_mismatches} labels differ, "
            f"largest relative difference {one.max_rel:.2g}"
        )
    size = render.bytes_text(len(result.data))
    name = type(model).__name__
    how = "proved" if profile == "exact" else "proved to 1e-3: the fast profile computes in float32"
    render.talk(
        render.printable(f"wrote {name} ({size}) to {display(result.path or output)}, {how}")
    )
    if sample is None:
        render.talk("the proof used random rows; --sample FILE makes it with yours")


def _to_skops(model: Any, output: str) -> None:
    ss.to_skops(model, output)
    render.talk(render.printable(f"wrote {type(model).__name__} to {display(output)}"))


def _opened(path: str, place: str | None, policy_file: str | None, trusted: tuple[str, ...]) -> Any:
    from safeserial.artifact import loading

    policy = options.read_policy(policy_file, trusted)
    if path.lower().endswith(".safeserial"):
        return loading.load(path, keyring=options.open_ring(place), policy=policy)
    return loading.load_unsigned(path, policy=policy)
