# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial codegen``: a project in another language for one signed model.

Floor 8, beside the command line, which finds it by entry point.
"""

from __future__ import annotations

import click

from safeserial.cli import options, render
from safeserial.files import display
from safeserial_converters.codegen import generate, languages


@click.command(short_help="Write a project in another language that runs one signed model.")
@click.argument("model", type=click.Path())
@click.option(
    "--lang", required=True, type=click.Choice(languages()), help="Language of the project."
)
@click.option(
    "-o", "--output", "folder", required=True, metavar="FOLDER", type=click.Path(),
    help="Where to write it: a folder that is not there yet, or an empty one.",
)  # fmt: skip
@click.option(
    "--signature", metavar="FILE", type=click.Path(), help="Default: MODEL with .sig added."
)
@options.keyring
@options.policy
@options.trust
def codegen(
    *,
    model: str,
    lang: str,
    folder: str,
    signature: str | None,
    place: str | None,
    policy_file: str | None,
    trusted: tuple[str, ...],
) -> None:
    """Write a project that verifies and runs MODEL without Python.

    MODEL is a .safeserial with an ONNX payload, or an .onnx with its .sig; it is verified first.
    The project has the model, its signature, the signer's public key and a record type with a field
    a column.  A shared secret is never written: the project is given it as a file.
    """
    policy = options.read_policy(policy_file, trusted)
    ring = options.open_ring(place)
    found = generate(model, folder, lang=lang, keyring=ring, policy=policy, signature=signature)
    render.talk(
        render.printable(f"wrote {display(found)}; its README.md says how it is built and run")
    )
