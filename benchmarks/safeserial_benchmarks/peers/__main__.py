# SPDX-License-Identifier: BSD-3-Clause
"""The command line: ``python -m safeserial_benchmarks.peers [--install] [--only …] [-o FILE]``."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Final

import click
import platformdirs

from safeserial_benchmarks.peers import roster, subjects, summary
from safeserial_benchmarks.peers.driver import Asked, ask_all
from safeserial_benchmarks.report import machine

SCHEMA: Final = "safeserial/peers/v1"
# skops rebuilds models with these, so they have to be those that made the models.
_ALIKE: Final = ("numpy", "scipy", "scikit-learn", "joblib", "pandas")


def save(
    path: Path, found: list[subjects.Subject], peers: list[roster.Peer], asked: dict[str, Asked]
) -> None:
    """Write what is known so far."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(path.parent),
        "complete": len(asked) == len(peers),
        **summary.summarize(found, peers, asked),
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Results, as JSON.")
@click.option("--install", is_flag=True, help="First make the environments that are missing.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of the environments.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep the files; use them again.")
@click.option("--only", help="Keys of peers, with commas.")
@click.option("--minutes", default=20.0, show_default=True, help="At most so long for each peer.")
@click.option("--jobs", default=2, show_default=True, help="Peers that are asked at a time.")
@click.option("--limit", type=int, help="Only so many files of each builder.")
@click.option("--table", type=click.Path(exists=True, path_type=Path), help="Print these results.")
def main(  # noqa: PLR0917 - click hands options over by keyword
    output: Path | None,
    cache: Path | None,
    folder: Path | None,
    only: str | None,
    minutes: float,
    jobs: int,
    limit: int | None,
    table: Path | None,
    *,
    install: bool,
) -> None:
    """Ask scanners and loaders about hostile and honest files."""
    if table:
        click.echo(summary.table(json.loads(table.read_text("utf-8"))))
        return
    cache = cache or platformdirs.user_cache_path("safeserial-benchmarks") / "peers"
    chosen = [p for p in roster.PEERS if only is None or p.key in only.split(",")]
    with tempfile.TemporaryDirectory() as scratch:
        output = output or Path(scratch) / "results.json"
        click.echo("writing the files", err=True)
        found = subjects.make(folder or Path(scratch) / "files")
        if limit is not None:
            found = [
                one
                for group in (*subjects.GROUPS, "honest")
                for one in [one for one in found if one.group == group][:limit]
            ]
        asked: dict[str, Asked] = {}
        reasons = _install(chosen, cache) if install else {}
        with ThreadPoolExecutor(jobs) as pool:
            running = {
                pool.submit(_one, peer, cache, found, minutes, reasons): peer for peer in chosen
            }
            for done in as_completed(running):
                asked[running[done].key] = done.result()
                save(output, found, chosen, asked)
        click.echo(summary.table(json.loads(output.read_text("utf-8"))))


def _install(chosen: list[roster.Peer], cache: Path) -> dict[str, str]:
    """Make the environments; return why one could not be made."""
    alike = tuple(f"{name}=={importlib.metadata.version(name)}" for name in _ALIKE)
    reasons = {}
    for peer in {one.environment: one for one in chosen if one.environment}.values():
        click.echo(f"installing {peer.environment}", err=True)
        extra = alike if peer.environment == "skops" else ()
        reasons[peer.environment] = roster.install(peer, cache, extra)
    return reasons


def _one(
    peer: roster.Peer,
    cache: Path,
    found: list[subjects.Subject],
    minutes: float,
    reasons: dict[str, str],
) -> Asked:
    if reason := reasons.get(peer.environment):
        return Asked(error=reason)
    python = roster.interpreter(peer, cache)
    if not python.exists():
        return Asked(error="not installed: run with --install")
    return ask_all(
        peer, python, found, minutes=minutes, note=lambda text: click.echo(text, err=True)
    )


if __name__ == "__main__":
    main()
