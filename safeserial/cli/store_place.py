# SPDX-License-Identifier: BSD-3-Clause
"""Which store a command is about, opened: the option, the environment or the configuration file.

Floor 8.  A URL may hold a password: it is never printed, and never taken from a command line.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from safeserial.cli import options
from safeserial.cli.outcome import Misuse
from safeserial.errors import MissingExtraError, MissingFileError
from safeserial.files import display, read_small

if TYPE_CHECKING:
    from safeserial.store import Store

VARIABLE: Final = "SAFESERIAL_STORE"
_FILE: Final = "config.toml"
_MOST: Final = 64 * 2**10
_KNOWN: Final = {"url": str, "blobs": str, "blob_options": dict, "state": str, "actor": str}

place = click.option(
    "--store",
    "url",
    metavar="URL",
    help=f"sqlite:///models.db, postgresql://user@host/database.  Default: ${VARIABLE}, your "
    "configuration file.",
)
FORMATS: Final = ("pickle", "joblib", "skops", "onnx")
one_format = click.option(
    "--format", "form", type=click.Choice(FORMATS), help="One of its formats; else the first."
)


@dataclass(frozen=True)
class Place:
    """A store, not opened yet.

    Parameters
    ----------
    url : str
        With its password, if it has one.
    settings : dict
        More arguments of `Store`, from the configuration file.
    """

    url: str
    settings: dict[str, Any]


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every command that opens a store: --store, --keyring, --json."""
    for option in (options.as_json, options.keyring, place):
        command = option(command)
    return command


def find(url: str | None) -> Place:
    """Return the store that the option, the environment or the configuration file names.

    Raises
    ------
    Misuse
        If there is none, the option holds a password, or the file is none.
    """
    settings = _configured()
    configured = settings.pop("url", None)
    if url:
        if has_password(url):
            raise Misuse(
                "a password has no place on a command line, which every process can see",
                hint=f"put it into PGPASSWORD or ~/.pgpass, or the whole URL into {VARIABLE}",
            )
        return Place(url, settings if url == configured else {})
    if named := os.environ.get(VARIABLE):
        return Place(named, settings if named == configured else {})
    if configured:
        return Place(configured, settings)
    raise Misuse(
        "no store was named",
        hint=f"give --store sqlite:///models.db, set {VARIABLE}, or write [store] url into "
        f"{display(config_file())}",
    )


def open_store(url: str | None, ring: str | None, *, create: bool = False) -> Store:
    """Open the store of a command, with the keyring of a command."""
    found = find(url)
    keyring = options.open_ring(ring)
    return face()(found.url, keyring=keyring, create=create, **found.settings)


def face() -> type[Store]:
    """Return the class `Store`.

    Raises
    ------
    MissingExtraError
        If the extra is not installed.
    """
    try:
        from safeserial.store import Store
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == "safeserial":
            raise
        raise MissingExtraError("store", "the model store") from None
    return Store


def config_file() -> Path:
    """Return where the configuration of a user is."""
    import platformdirs

    return Path(platformdirs.user_config_dir("safeserial")) / _FILE


def _configured() -> dict[str, Any]:
    path = config_file()
    try:
        text = read_small(path, limit=_MOST).decode("utf-8")
    except MissingFileError:
        return {}
    except UnicodeDecodeError:
        raise _no_config(path, "it is not UTF-8") from None
    try:
        table = tomllib.loads(text).get("store", {})
    except (tomllib.TOMLDecodeError, RecursionError):
        # The parser's words may repeat a line of the file, which may hold a password.
        raise _no_config(path, "it is not TOML") from None
    if not isinstance(table, dict):
        raise _no_config(path, "store is a table")
    for key, value in table.items():
        if key not in _KNOWN or not isinstance(value, _KNOWN[key]):
            raise _no_config(path, f"[store] has no {key[:40]!r} of that kind")
    return dict(table)


def _no_config(path: Path, why: str) -> Misuse:
    return Misuse(
        f"{display(path)} is no configuration file: {why}",
        hint='it is TOML: [store], and then url = "sqlite:////srv/models.db"',
    )


def has_password(url: str) -> bool:
    """Say whether a URL holds a password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False  # the store will say what is wrong with it
    return bool(parts.password) or "password=" in parts.query.lower()
