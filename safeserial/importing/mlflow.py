# SPDX-License-Identifier: BSD-3-Clause
"""MLflow's registry, brought into a store: registered models, versions, aliases and stages.

Floor 7.  MLflow keeps no digest of a model: what is imported is what lies there today.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from safeserial.errors import NotAnArtifactError, SafeSerialError, VersionConflictError
from safeserial.files import StrPath, display
from safeserial.importing import mlflow_database, mlflow_files
from safeserial.importing.bringing import Brought, bring, plain, refused, store_name
from safeserial.importing.mlflow_model import Places, Registered, model_file
from safeserial.policy import Policy

if TYPE_CHECKING:
    from safeserial.store import Store

_DATABASE: Final = "mlflow.db"
_FOLDER: Final = "mlruns"
_STAGES: Final = {"Production": "production", "Staging": "staging"}


def import_mlflow(
    store: Store,
    place: StrPath,
    *,
    artifacts: StrPath | None = None,
    policy: Policy | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Brought]:
    """Publish the registered models of a local MLflow, oldest version first; then the aliases.

    Parameters
    ----------
    store : Store
        Its key signs.
    place : str or path-like
        A tracking folder (``mlruns``), a database (``mlflow.db``), or the folder that holds them.
    artifacts : str or path-like, optional
        Where the models lie, if they have moved; nothing outside of it and `place` is opened.
    policy : Policy, optional
        What is vouched for.  Default: :meth:`Policy.default`.
    progress : callable, optional
        Called with the number of versions done, and of versions in all.

    Yields
    ------
    Brought
        For each version, then for each alias.  Numbers are the store's own; ``imported_from`` in
        the metadata tells MLflow's.  What was published before is skipped.

    Raises
    ------
    NotAnArtifactError, UnreadableFileError
        If there is no registry.
    MissingExtraError
        If PyYAML is not installed.
    KeyringError, StoreError
        If nothing at all can be published.
    """
    chosen = Policy.default() if policy is None else policy
    registry, roots = _registry(Path(place))
    if artifacts is not None:
        roots = (Path(artifacts), *roots)
    places = Places(roots)
    found = sorted(registry, key=lambda one: (one.name, one.version))
    numbers: dict[tuple[str, int], int] = {}
    for number, one in enumerate(found, 1):
        brought = _one(store, one, places, chosen)
        if brought.entry:
            numbers[one.name, one.version] = int(brought.entry.rpartition(":")[2])
        yield brought
        if progress is not None:
            progress(number, len(found))
    for (name, alias), version in sorted(_aliases(found).items()):
        yield _point(store, name, alias, version, numbers.get((name, version)))


def _registry(place: Path) -> tuple[list[Registered], tuple[Path, ...]]:
    """Return what is registered, and the folders in which models may lie."""
    database = place / _DATABASE if place.is_dir() else place
    if database.is_file():
        return mlflow_database.read(database), (database.parent,)
    inner = place / _FOLDER if (place / _FOLDER).is_dir() else place
    if (inner / "models").is_dir():
        return mlflow_files.read(inner), (inner,)
    raise NotAnArtifactError(
        f"there is no registry of MLflow at {display(place)}",
        hint="give mlflow.db, or the mlruns folder, of which models/ is the registry; a folder of "
        "loose models is imported with: store import-joblib",
    )


def _one(store: Store, one: Registered, places: Places, policy: Policy) -> Brought:
    origin = f"mlflow:{one.name}:{one.version}"
    try:
        path, flavour = model_file(one, places)
    except (SafeSerialError, OSError) as error:
        return refused(origin, error)
    return bring(
        store,
        store_name(one.name),
        str(path),
        origin=origin.encode("ascii", "backslashreplace").decode("ascii"),
        policy=policy,
        metadata=_metadata(one, flavour),
    )


def _metadata(one: Registered, flavour: str) -> dict[str, Any]:
    said: dict[str, Any] = {
        "mlflow_run": one.run_id,
        "mlflow_created": one.created,
        "mlflow_description": one.description,
        "mlflow_stage": one.stage,
        "mlflow_flavor": flavour,
    }
    kept: dict[str, Any] = plain({key: value for key, value in said.items() if value})
    parts = (("params", one.params), ("metrics", one.metrics), ("tags", one.tags))
    return kept | {f"mlflow_{key}": plain(value) for key, value in parts if value}


def _aliases(found: list[Registered]) -> dict[tuple[str, str], int]:
    """Return which version each alias points at; a stage is one, unless an alias is called so."""
    wanted: dict[tuple[str, str], int] = {}
    for one in found:  # the newest of a stage comes last
        if one.stage in _STAGES:
            wanted[one.name, _STAGES[one.stage]] = one.version
    for one in found:
        for alias in one.aliases:
            wanted[one.name, alias] = one.version
    return wanted


def _point(store: Store, name: str, alias: str, version: int, number: int | None) -> Brought:
    """Set an alias where there is none of that name: whoever moved it since knows better."""
    origin = f"mlflow:{name}@{alias}"
    if number is None:
        message = f"version {version}, which it points at, was not published"
        return Brought(origin, "refused", error="EntryNotFoundError", message=message)
    called = store_name(name)
    try:
        channel = store.alias(called, alias, number, expect=None)
    except VersionConflictError:
        return Brought(origin, "skipped", f"{called}@{alias}")
    except SafeSerialError as error:
        return refused(origin, error)
    return Brought(origin, "published", f"{called}@{channel.alias}")
