# SPDX-License-Identifier: BSD-3-Clause
"""The command line: ``python -m safeserial_benchmarks [--quick] [--models …] [-o results.json]``.

Results are written after each model, so ``^C`` keeps what is done.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import click
from rich.console import Console

from safeserial_benchmarks import limits, memory, roundtrip, startup
from safeserial_benchmarks.measure import Effort, Note, Row, said
from safeserial_benchmarks.models import QUICK_SCALE, SPECS, Spec, make
from safeserial_benchmarks.report import Results, machine, show

PARTS: Final = ("roundtrip", "memory", "startup", "limits", "sharing")
FULL: Final = Effort(seconds=12, at_least=9, at_most=101)
QUICK: Final = Effort(seconds=0.3, at_least=3, at_most=15)
FULL_MEMORY: Final = 2**30
QUICK_MEMORY: Final = 2**25
FULL_LARGE: Final = 2**32
SHARED: Final = 400_000_000
LONG: Final = Effort(seconds=60, at_least=3, at_most=9)
Job = tuple[str, Callable[[], list[Row]]]
T = TypeVar("T")


def jobs(
    specs: tuple[Spec, ...], parts: tuple[str, ...], folder: Path, note: Note, *, quick: bool
) -> Iterator[Job]:
    """List what is to be measured, one result to be saved each.

    Parameters
    ----------
    specs : tuple of Spec
        Models of the part ``roundtrip``.
    parts : tuple of str
        Of :data:`PARTS`.
    folder : path
        Empty, on the disk to be measured.
    note : callable
        Told what is being done.
    quick : bool
        Small models and few rounds.

    Yields
    ------
    (str, callable)
        A title, and what returns the rows.
    """
    effort = QUICK if quick else FULL
    for spec in specs if "roundtrip" in parts else ():

        def measure(spec: Spec = spec) -> list[Row]:
            note(f"fitting {spec.title}")
            model = make(spec, scale=QUICK_SCALE if quick else 1.0)
            note(f"measuring {spec.title}")
            return roundtrip.run(spec, model, folder, effort)

        yield spec.name, measure
    if "startup" in parts:
        yield "startup", lambda: startup.run(folder, effort)
    if "memory" in parts:
        yield "memory", lambda: memory.run(QUICK_MEMORY if quick else FULL_MEMORY, folder, note)
    if "sharing" in parts:
        size, processes = (QUICK_MEMORY, 3) if quick else (SHARED, 16)
        yield "sharing", lambda: limits.sharing(size, processes, folder, note)
    if "limits" in parts:
        large, long = (QUICK_MEMORY, QUICK) if quick else (FULL_LARGE, LONG)
        yield "limits", lambda: limits.verifying(large, folder, long)


def measure_all(results: Results, todo: Iterator[Job], output: Path | None) -> None:
    """Run jobs into `results`, saving after each; an interrupt ends the run, not the results."""
    try:
        for title, job in todo:
            try:
                results.rows += job()
            except Exception as error:  # noqa: BLE001 - one broken job does not end the run
                results.rows.append(
                    Row(group="load", subject=title, contender="all", error=said(error))
                )
            if output is not None:
                results.save(output)
        results.complete = True
    except KeyboardInterrupt:
        pass
    if output is not None:
        results.save(output)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="Small models and few rounds: does it run at all?")
@click.option(
    "--models",
    default=",".join(spec.name for spec in SPECS),
    show_default=True,
    help="Which models, separated by commas.",
)
@click.option("--parts", default=",".join(PARTS), show_default=True, help="Which measurements.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="JSON file to write."
)
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where to put the files (default: the temporary folder); its disk is what is measured.",
)
def main(*, quick: bool, models: str, parts: str, output: Path | None, folder: Path | None) -> None:
    """Measure dump, load, memory and start beside pickle and joblib."""
    specs = _chosen("--models", models, {spec.name: spec for spec in SPECS})
    wanted = _chosen("--parts", parts, {part: part for part in PARTS})
    talk = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="safeserial-benchmarks-", dir=folder) as place:
        room = Path(place)
        results = Results(machine(room), quick)
        with talk.status("") as status:
            todo = jobs(specs, wanted, room, status.update, quick=quick)
            measure_all(results, todo, output)
    show(results, Console())


def _chosen(option: str, text: str, known: dict[str, T]) -> tuple[T, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise click.BadParameter(
                f"{name!r} is not one of {', '.join(known)}", param_hint=option
            )
    return tuple(known[name] for name in names)


if __name__ == "__main__":
    main(prog_name="python -m safeserial_benchmarks")
