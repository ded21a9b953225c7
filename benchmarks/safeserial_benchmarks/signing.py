# SPDX-License-Identifier: BSD-3-Clause
"""Detached signatures beside other tools: ``python -m safeserial_benchmarks.signing``.

Wall time of whole commands, start-up included, on a large file and on a folder of the same size in
the page cache.  Every round runs each tool once; ratios are taken within a round.  A tool that is
not installed is left out.  ``openssl dgst`` signs what ``cosign sign-blob`` signs: ECDSA over the
SHA-256 of the file; the sidecar is what people write by hand, HMAC-SHA256 beside the file.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

import safeserial as ss
from safeserial_benchmarks.measure import Contender, Effort, Row, compare

THEIRS: Final = "model_signing"
MINISIGN: Final = "minisign"
FOLDER_FILES: Final = 200
KINDS: Final = ("file", "folder")
_PIECE: Final = 2**20
_SIDECAR: Final = """
import hashlib, hmac, sys
verb, path, key = sys.argv[1:]
with open(path, "rb") as file:
    tag = hmac.new(open(key, "rb").read(), file.read(), hashlib.sha256).hexdigest()
if verb == "sign":
    open(path + ".hmac", "w").write(tag)
else:
    assert hmac.compare_digest(open(path + ".hmac").read(), tag)
"""
Commands = dict[str, tuple[list[str], list[str]]]


def make_file(path: Path, size: int) -> None:
    """Write a file of random bytes."""
    with path.open("wb") as file:
        for start in range(0, size, _PIECE):
            file.write(os.urandom(min(_PIECE, size - start)))


def make_folder(path: Path, size: int) -> None:
    """Write a folder of :data:`FOLDER_FILES` files: half of the bytes in one, the rest in small."""
    path.mkdir()
    make_file(path / "model.safetensors", size // 2)
    for number in range(FOLDER_FILES - 1):
        place = path / f"part-{number % 10}" / f"{number}.bin"
        place.parent.mkdir(exist_ok=True)
        make_file(place, size // 2 // (FOLDER_FILES - 1))


def commands(subject: Path, keys: Path) -> Commands:
    """Return the commands that sign and verify, by tool.

    Parameters
    ----------
    subject : path
        The file or folder.
    keys : path
        A folder of keys, made by :func:`make_keys`.
    """
    python, name = sys.executable, str(subject)
    found: Commands = {}
    for kind in ("p256", "ed25519", "hmac"):
        own = [python, "-m", "safeserial"]
        ring = ["--keyring", str(keys / f"{kind}.keys"), "--signature", f"{name}.{kind}.sig"]
        verbs = ([*own, "sign", name, *ring], [*own, "verify", name, *ring])
        found[f"safeserial ({kind})"] = verbs
    theirs = Path(python).with_name("model_signing")
    if theirs.exists():
        place = ["--signature", f"{name}.oms.sig"]
        found[THEIRS] = (
            [str(theirs), "sign", "key", name, "--private_key", str(keys / "p256.pem"), *place],
            [str(theirs), "verify", "key", name, "--public_key", str(keys / "p256.pub"), *place],
        )
    return found if subject.is_dir() else found | _of_files(name, keys)


def _of_files(name: str, keys: Path) -> Commands:
    """Return the commands of tools that sign single files only."""
    found: Commands = {}
    if minisign := shutil.which(MINISIGN):
        place = ["-m", name, "-x", f"{name}.minisig"]
        found[MINISIGN] = (
            [minisign, "-S", "-s", str(keys / "mini.key"), *place],
            [minisign, "-V", "-q", "-p", str(keys / "mini.pub"), *place],
        )
    if openssl := shutil.which("openssl"):
        place = ["-sha256", "-signature", f"{name}.der", name]
        signing = ["-sha256", "-sign", str(keys / "p256.pem"), "-out", f"{name}.der", name]
        verifying = ["-verify", str(keys / "p256.pub"), *place]
        found["openssl dgst"] = ([openssl, "dgst", *signing], [openssl, "dgst", *verifying])
    script = [sys.executable, "-c", _SIDECAR]
    secret = str(keys / "secret")
    found["hand-written HMAC sidecar"] = (
        [*script, "sign", name, secret],
        [*script, "verify", name, secret],
    )
    return found


def make_keys(folder: Path) -> None:
    """Make a key for every tool."""
    pair = ss.EcdsaKey.generate()
    (folder / "p256.pem").write_bytes(pair.to_pem())
    (folder / "p256.pub").write_bytes(pair.public.to_pem())
    (folder / "secret").write_bytes(os.urandom(32))
    for kind, key in (
        ("p256", pair),
        ("ed25519", ss.Ed25519Key.generate()),
        ("hmac", ss.HmacKey.generate()),
    ):
        ss.Keyring([key]).save(folder / f"{kind}.keys")
    if minisign := shutil.which(MINISIGN):
        order = [minisign, "-G", "-W", "-p", "mini.pub", "-s", "mini.key"]
        subprocess.run(order, cwd=folder, check=True, capture_output=True)


def run(
    folder: Path, size: int, effort: Effort, kinds: tuple[str, ...] = KINDS
) -> Iterator[list[Row]]:
    """Measure all tools.

    Parameters
    ----------
    folder : path
        An empty folder, on the disk to be measured.
    size : int
        Bytes of the file, and of the folder.
    effort : Effort
        When to stop.
    kinds : tuple of str
        Of :data:`KINDS`.

    Yields
    ------
    list of Row
        Of one task: signing or verifying, the file or the folder.
    """
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    make_keys(keys)
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # installed programs have theirs cached
    for kind in kinds:
        subject = folder / kind
        (make_file if kind == "file" else make_folder)(subject, size)
        listed = commands(subject, keys)
        for position, verb in enumerate(("sign", "verify")):
            contenders = [
                Contender(name, lambda order=pair[position]: _run(order, environment))  # type: ignore[misc]
                for name, pair in listed.items()
            ]
            yield compare(verb, f"{kind}, {size / 2**20:.0f} MiB", contenders, _ref(listed), effort)


def _ref(listed: Commands) -> list[str]:
    return [name for name in (THEIRS, MINISIGN) if name in listed]


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=600
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise RuntimeError(last)


def table(rows: list[Row]) -> Table:
    """Return the rows as a table for a terminal."""
    made = Table("task", "tool", "s (median)", "quartiles", f"× {THEIRS}", f"× {MINISIGN}")
    for row in rows:
        if row.value is None:
            made.add_row(f"{row.group} {row.subject}", row.contender, row.error or "", "", "", "")
            continue
        ratios = [
            f"{row.ratios[name].median:.2f}" if name in row.ratios else ""
            for name in (THEIRS, MINISIGN)
        ]
        quartiles = f"{row.value.q1:.3f} to {row.value.q3:.3f}"
        task = f"{row.group} {row.subject}"
        made.add_row(task, row.contender, f"{row.value.median:.3f}", quartiles, *ratios)
    return made


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--size", default=1024, show_default=True, help="MiB of the file and of the folder.")
@click.option("--rounds", default=9, show_default=True, help="How often each command is run.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="JSON file.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where to put the files (default: the temporary folder).",
)
def main(*, size: int, rounds: int, output: Path | None, folder: Path | None) -> None:
    """Measure signing and verifying beside model_signing, minisign, openssl and a sidecar."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="safeserial-signing-", dir=folder) as place:
        for part in run(Path(place), size * 2**20, Effort(0, rounds, rounds)):
            rows += part
            if output is not None:
                output.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    Console().print(table(rows))


if __name__ == "__main__":
    main(prog_name="python -m safeserial_benchmarks.signing")
