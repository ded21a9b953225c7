# SPDX-License-Identifier: BSD-3-Clause
"""MLflow's registry as a folder: ``models/NAME/version-N/meta.yaml`` beside the experiments.

Floor 7.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from safeserial.errors import SafeSerialError
from safeserial.files import read_small
from safeserial.importing.mlflow_model import Registered, read_yaml

_VERSION: Final = re.compile(r"version-([1-9][0-9]{0,8})\Z")
_RUN: Final = re.compile(r"[0-9a-f]{32}\Z")
_VALUE: Final = 2**20
_MOST: Final = 1000


def read(root: Path) -> list[Registered]:
    """Return the registered models of a tracking folder.

    Parameters
    ----------
    root : Path
        ``mlruns``.

    Returns
    -------
    list of Registered
        In no order.  A version whose description cannot be read has no places.
    """
    found = []
    for folder in _folders(root / "models"):
        try:
            name = str(read_yaml(folder / "meta.yaml").get("name") or folder.name)
        except SafeSerialError:
            continue  # of MLflow 3 it may be a model that nobody registered
        aliases = _values(folder / "aliases")
        for below in _folders(folder):
            number = _VERSION.match(below.name)
            if number is not None:
                version = int(number.group(1))
                pointing = tuple(sorted(key for key, one in aliases.items() if one == str(version)))
                found.append(_version(root, below, name, version, pointing))
    return found


def _version(
    root: Path, folder: Path, name: str, version: int, aliases: tuple[str, ...]
) -> Registered:
    try:
        said = read_yaml(folder / "meta.yaml")
    except SafeSerialError:
        return Registered(name, version, (), aliases=aliases)
    run = text_of(said.get("run_id"))
    params, metrics = _run(root, run)
    return Registered(
        name,
        version,
        tuple(text for key in ("storage_location", "source") if (text := text_of(said.get(key)))),
        run_id=run,
        stage=text_of(said.get("current_stage")),
        description=text_of(said.get("description")),
        created=moment(said.get("creation_timestamp")),
        aliases=aliases,
        tags=_values(folder / "tags"),
        params=params,
        metrics=metrics,
    )


def _run(root: Path, run: str) -> tuple[dict[str, str], dict[str, str]]:
    if not _RUN.match(run):
        return {}, {}
    for folder in root.glob(f"*/{run}"):
        metrics = {
            key: fields[1]
            for key, text in _values(folder / "metrics").items()
            if len(fields := (text.splitlines() or [""])[-1].split()) > 1
        }
        return _values(folder / "params"), metrics
    return {}, {}


def _folders(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (one for one in sorted(folder.iterdir()) if one.is_dir())


def _values(folder: Path) -> dict[str, str]:
    """Read a folder of small files, each a value."""
    found: dict[str, str] = {}
    if not folder.is_dir():
        return found
    for file in sorted(folder.iterdir())[:_MOST]:
        try:
            found[file.name] = read_small(file, limit=_VALUE).decode("utf-8", "replace").strip()
        except SafeSerialError:
            continue  # a folder, or more than a value is
    return found


def text_of(value: Any) -> str:
    """Return a value as text, ``""`` for what says nothing."""
    return "" if value is None or value == "None" else str(value)


def moment(milliseconds: Any) -> str:
    """Return a moment of MLflow's as text, in UTC; ``""`` if it is none."""
    try:
        when = datetime.datetime.fromtimestamp(int(milliseconds) / 1000, datetime.UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return ""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
