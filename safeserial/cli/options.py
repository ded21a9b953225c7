# SPDX-License-Identifier: BSD-3-Clause
"""Options that several commands share: the keyring, the policy, trusted names.

Floor 8.  No option takes a secret: a command line is seen by every process and kept by the shell.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from safeserial.cli.outcome import Misuse
from safeserial.cli.render import printable
from safeserial.errors import KeyNotFoundError, KeyringError, MissingFileError, PolicyError
from safeserial.files import display
from safeserial.keyring import KEY_FILE_VARIABLE, OS_PREFIX, VARIABLE, Keyring

if TYPE_CHECKING:
    from safeserial.policy import Policy

_NAMES_IN_HINT: Final = 12
_PLACE: Final = f"Keyring file, or {OS_PREFIX}NAME for one in the operating system's keyring."

keyring = click.option(
    "--keyring",
    "place",
    metavar="PLACE",
    help=f"{_PLACE}  Default: ${VARIABLE}, ${KEY_FILE_VARIABLE}, your configuration folder.",
)
policy = click.option(
    "--policy",
    "policy_file",
    metavar="FILE",
    type=click.Path(),
    help="TOML file that extends the policy (names, limits, rules).",
)
trust = click.option(
    "--trust",
    "trusted",
    metavar="NAME",
    multiple=True,
    help="Dotted name to accept beside the policy's; may be repeated.",
)
leave_out = click.option(
    "--leave-out",
    metavar="NAME",
    multiple=True,
    help="Place in a folder that is no part of the model; may be repeated.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def size_of(path: str) -> int:
    """Return the bytes of a file or folder, for a progress bar; 0 where nobody watches."""
    if not sys.stderr.isatty():
        return 0
    try:
        if not Path(path).is_dir():
            return Path(path).stat().st_size
        return sum(
            os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - as os.walk has it
            for folder, _, names in os.walk(path)
            for name in names
        )
    except (OSError, ValueError):
        return 0


def metadata_of(pairs: tuple[str, ...]) -> dict[str, str]:
    """Return what ``--meta KEY=VALUE`` says.

    Raises
    ------
    Misuse
        If a pair has another form, or a key is given twice.
    """
    metadata: dict[str, str] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise Misuse(
                f"--meta takes KEY=VALUE, not {printable(pair)!r}",
                hint="for instance: --meta owner=risk-team",
            )
        if key in metadata:
            raise Misuse(f"--meta {printable(key)} is given twice", hint="give it once")
        metadata[key] = value
    return metadata


def default_place() -> str:
    """Return where the keyring of a user lives if nothing else is said."""
    import platformdirs

    return str(Path(platformdirs.user_config_dir("safeserial")) / "keyring.keys")


def open_ring(place: str | None) -> Keyring:
    """Open the ring that the option, the environment or the user's configuration names.

    Raises
    ------
    KeyNotFoundError
        If there is none.
    KeyringError, UnreadableFileError
        If it is none that can be read.
    """
    if place:
        return _opened(place)
    if named := os.environ.get(VARIABLE):
        return _opened(named)
    if os.environ.get(KEY_FILE_VARIABLE):
        return Keyring.from_env()
    usual = default_place()
    if os.path.lexists(usual):
        return Keyring.load(usual)
    raise KeyNotFoundError(
        "no keyring was given, the environment names none, and you have none of your own",
        hint=f"give --keyring PLACE or set {VARIABLE}; `safeserial keys new` makes one",
    )


def _opened(place: str) -> Keyring:
    try:
        return Keyring.open(place)
    except MissingFileError:
        raise KeyNotFoundError(
            f"there is no keyring at {display(place)}",
            hint=f"make one with: safeserial keys new --keyring {display(place)}",
        ) from None


def writable_place(place: str | None) -> str:
    """Return where a changed ring is written.

    Raises
    ------
    KeyringError
        If the environment names a single key file, which is no ring.
    """
    if place:
        return place
    if named := os.environ.get(VARIABLE):
        return named
    if os.environ.get(KEY_FILE_VARIABLE):
        raise KeyringError(
            f"{KEY_FILE_VARIABLE} names a file with a single key, which is never changed",
            hint="say which keyring to change: --keyring PLACE",
        )
    usual = Path(default_place())
    usual.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return str(usual)


def trust_hint(names: Sequence[str]) -> str:
    """Return what to do about names that the policy does not list.

    Names of the standard library are no part of honest models beyond those on the allowlist, and
    the very ones attacks are made of: no command to trust them is put into anybody's clipboard.
    """
    foreign = [name for name in names if name.partition(".")[0] in sys.stdlib_module_names]
    if foreign:
        return f"models do not use {foreign[0]}: most likely the file is hostile, do not load it"
    shown = " ".join(f"--trust {name}" for name in names[:_NAMES_IN_HINT])
    more = " ..." if len(names) > _NAMES_IN_HINT else ""
    return f"read what these names do; if you trust them, add: {shown}{more}"


def read_policy(policy_file: str | None, trusted: Iterable[str]) -> Policy:
    """Return the policy that the options describe.

    Raises
    ------
    Misuse
        If the file is no policy or a name is none: nothing was refused, nothing was looked at.
    """
    from safeserial.policy import Policy

    try:
        chosen = Policy.default() if policy_file is None else Policy.from_file(policy_file)
        return chosen.trusting(trusted)
    except PolicyError as error:
        hint = error.hint or "docs/reference/policy-file.md describes the file"
        raise Misuse(str(error), hint=hint) from None
