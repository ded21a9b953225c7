# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial store import-mlflow|import-joblib``: models from elsewhere, checked and signed.

Floor 8.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from safeserial.cli import options, outcome, render, store_render
from safeserial.cli.meter import Meter
from safeserial.cli.store_place import common, open_store

if TYPE_CHECKING:
    from safeserial.importing import Brought

_STYLES: Final[dict[str, render.Style]] = {
    "published": "good",
    "skipped": "faint",
    "refused": "bad",
    "unknown": "doubt",
}


@click.command("import-mlflow", short_help="Publish the registered models of a local MLflow.")
@click.argument("folder", metavar="MLRUNS|MLFLOW.DB", type=click.Path())
@click.option("--artifacts", metavar="FOLDER", help="Where the models lie, if they have moved.")
@options.policy
@options.trust
@common
def import_mlflow(
    *,
    folder: str,
    artifacts: str | None,
    policy_file: str | None,
    trusted: tuple[str, ...],
    url: str | None,
    place: str | None,
    as_json: bool,
) -> int:
    """Publish registered models with their versions, parameters, metrics, tags and aliases.

    Each goes through the restricted loader and is signed on the way in; what is refused is told,
    and ends nothing.  MLflow itself is not needed.  What was published before is skipped.
    """
    from safeserial import importing

    policy = options.read_policy(policy_file, trusted)
    with open_store(url, place) as store, store_render.counting("importing") as progress:
        brought = importing.import_mlflow(
            store, folder, artifacts=artifacts, policy=policy, progress=progress
        )
        return _tell(brought, as_json=as_json)


@click.command("import-joblib", short_help="Publish the model files of a folder.")
@click.argument("folder", metavar="FOLDER", type=click.Path(exists=True, file_okay=False))
@click.option("--prefix", default="", help="Put before each name.")
@options.policy
@options.trust
@common
def import_joblib(
    *,
    folder: str,
    prefix: str,
    policy_file: str | None,
    trusted: tuple[str, ...],
    url: str | None,
    place: str | None,
    as_json: bool,
) -> int:
    """Publish .joblib, .pkl, .skops, .onnx and .safeserial files under their paths in FOLDER.

    Each goes through the restricted loader and is signed on the way in; what is refused is told,
    and ends nothing.  What was published before is skipped.
    """
    from safeserial import importing

    policy = options.read_policy(policy_file, trusted)
    meter = Meter(lambda: _number(folder))
    with open_store(url, place) as store:
        brought = importing.import_folder(
            store, folder, prefix=prefix, policy=policy, progress=meter
        )
        return _tell(brought, as_json=as_json, meter=meter)


def _number(folder: str) -> int:
    from safeserial.importing.folders import is_model
    from safeserial.inspection.walking import walk

    return sum(1 for one in walk(folder) if is_model(one.path))


def _tell(found: Iterator[Brought], *, as_json: bool, meter: Meter | None = None) -> int:
    counts: Counter[str] = Counter()
    rows = []
    for one in found:
        counts[one.status] += 1
        if meter is not None:
            meter.hide()
        if as_json:
            rows.append(one.to_dict())
            continue
        word = render.paint(one.status.upper(), _STYLES[one.status])
        told = f"-> {one.entry}" if one.entry else f"{one.error}: {one.message}"
        click.echo(f"{word}  {render.printable(one.source)}  {render.printable(told)}")
    if as_json:
        render.document({"models": rows})
    summary = ", ".join(f"{count} {status}" for status, count in counts.items())
    render.talk(summary or "there is nothing to import")
    if counts["refused"]:
        return outcome.REFUSED
    return outcome.UNKNOWN if counts["unknown"] else outcome.DONE
