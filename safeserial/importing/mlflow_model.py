# SPDX-License-Identifier: BSD-3-Clause
"""What MLflow says of a registered model, and the file in which the model itself is kept.

Floor 7.  A registry is a database or a folder that others write to: the places that it names are
looked for below the folders that the caller named, and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from safeserial.errors import (
    FormatError,
    MissingExtraError,
    MissingFileError,
    PolicyError,
    UnsupportedModelError,
)
from safeserial.files import display, read_small

_YAML: Final = 2**20
_DEEPEST: Final = 20
_ID: Final = re.compile(r"(m-)?[0-9a-f]{32}\Z")
_ENDINGS: Final = frozenset(".pkl .pickle .joblib .cloudpickle .skops .onnx".split())
_FLAVOURS: Final = ("sklearn", "lightgbm", "xgboost", "catboost", "onnx")
_LONGEST: Final = 4096


@dataclass(frozen=True)
class Registered:
    """One version of a registered model, in MLflow's words.

    Parameters
    ----------
    name : str
        Of the model.
    version : int
        MLflow's number.
    places : tuple of str
        Where its files are said to be, the best first: URIs and paths.
    run_id : str
        The run that made it.
    stage, description, created : str
        As it stands there; `created` in UTC.
    aliases : tuple of str
        That point at it.
    tags, params, metrics : mapping of str to str
        Of the version and of its run.
    """

    name: str
    version: int
    places: tuple[str, ...]
    run_id: str = ""
    stage: str = ""
    description: str = ""
    created: str = ""
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)


class Places:
    """The folders in which models may lie.

    Parameters
    ----------
    roots : tuple of Path
        Nothing outside of them is opened.
    """

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self._roots = tuple(one.resolve() for one in roots)

    def folder(self, said: tuple[str, ...]) -> Path:
        """Return the folder that one of some places means.

        Raises
        ------
        PolicyError
            If it lies outside.
        MissingFileError
            If there is none.
        """
        outside = False
        for text in said:
            for path in self._meant(text):
                if not path.is_dir():
                    continue
                if self.holds(path):
                    return path
                outside = True
        shown = display(said[0]) if said else "(nowhere)"
        if outside:
            raise PolicyError(
                f"the model lies outside of the tracking folder: {shown}",
                hint="if that is right, name the folder it lies in: --artifacts FOLDER",
            )
        raise MissingFileError(
            f"the model is not where MLflow says it is: {shown}",
            hint="if its files have moved, name their folder: --artifacts FOLDER",
        )

    def holds(self, path: Path) -> bool:
        """Say whether a path, all links followed, lies in one of the folders."""
        real = path.resolve()
        return any(real.is_relative_to(root) for root in self._roots)

    def _meant(self, text: str) -> list[Path]:
        if not text or len(text) > _LONGEST or "\0" in text:
            return []
        try:
            parts = urlsplit(text)
        except ValueError:
            return []
        if parts.scheme == "models":
            return self._by_id(parts.path.strip("/"), "models/{id}/artifacts")
        if parts.scheme == "runs":
            run, _, below = parts.path.strip("/").partition("/")
            return [one / below for one in self._by_id(run, "{id}/artifacts")]
        if parts.scheme in {"file", "mlflow-artifacts"}:
            path = Path(unquote(parts.path))
        elif parts.scheme == "" or len(parts.scheme) == 1:  # a drive's letter
            path = Path(text)
        else:
            return []
        return [path, *self._moved(path)]

    def _by_id(self, name: str, pattern: str) -> list[Path]:
        if not _ID.match(name):
            return []
        below = pattern.format(id=name)
        return [
            one
            for root in self._roots
            for start in ("*", "mlruns/*")
            for one in root.glob(f"{start}/{below}")
        ]

    def _moved(self, path: Path) -> list[Path]:
        """Return where the end of a path would be, had its folder become one of ours."""
        parts = [one for one in path.parts if one not in {"/", "..", "."}]
        starts = range(max(0, len(parts) - 8), len(parts))
        return [root.joinpath(*parts[start:]) for start in starts for root in self._roots]


def model_file(one: Registered, places: Places) -> tuple[Path, str]:
    """Return the file that holds a registered model, and its flavour.

    Raises
    ------
    MissingFileError, FormatError
        If it is not there, or its description is none.
    PolicyError
        If it lies elsewhere.
    UnsupportedModelError
        If it is of a kind that is kept in other ways.
    """
    folder = places.folder(one.places)
    described = read_yaml(folder / "MLmodel")
    flavours = described.get("flavors")
    if not isinstance(flavours, dict):
        raise FormatError("the MLmodel file names no flavours", hint="log the model again")
    for name in _FLAVOURS:
        said = flavours.get(name)
        if not isinstance(said, dict):
            continue
        file = said.get("pickled_model") or said.get("data")
        if isinstance(file, str) and Path(file).suffix.lower() in _ENDINGS:
            path = folder / file
            if not places.holds(path):
                raise PolicyError(f"the model's file lies outside of it: {display(file)}")
            return path, name
    known = ", ".join(sorted(map(str, flavours)))[:200]
    raise UnsupportedModelError(
        f"its flavours are {known}: none that holds a pickle, skops or ONNX file",
        hint="load it with MLflow, and publish it from there",
    )


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a small YAML file of plain values.

    Raises
    ------
    MissingFileError, UnreadableFileError, LimitExceededError
        As :func:`safeserial.files.read_small`.
    FormatError
        If it is not such a file; anchors and tags are refused.
    MissingExtraError
        If PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError:
        raise MissingExtraError("store", "reading MLflow's files (PyYAML)") from None
    text = read_small(path, limit=_YAML)
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        _require_plain(yaml, text, loader, path)
        document = yaml.load(text, loader)  # noqa: S506 - a safe one
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError):
        raise FormatError(
            f"{display(path)} is not YAML", hint="copy the folder again from where it comes"
        ) from None
    if not isinstance(document, dict):
        raise FormatError(f"{display(path)} describes nothing", hint="log the model again")
    return document


def _require_plain(yaml: Any, text: bytes, loader: Any, path: Path) -> None:
    """Refuse aliases, of which bombs are made, and nesting that costs more than it can say."""
    depth = 0
    for event in yaml.parse(text, loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST or isinstance(event, yaml.AliasEvent):
            raise FormatError(
                f"{display(path)} is YAML that MLflow does not write",
                hint="treat it as hostile, or copy the folder again from where it comes",
            )
