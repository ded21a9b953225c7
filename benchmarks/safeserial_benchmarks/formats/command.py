# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial bench``: found by the command line as an entry point; imports little by itself."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from safeserial.cli import options, render
from safeserial.cli.outcome import Misuse

_WRITES = click.Path(dir_okay=False, path_type=Path)
_READS = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(short_help="Compare formats on your model: time, size, memory, cold start.")
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@click.option(
    "--sample", metavar="FILE", help="Rows that the models take: .csv, .parquet, .npy, .txt."
)
@click.option(
    "--formats", metavar="NAMES", help="Which formats, separated by commas.  Default: all."
)
@click.option("--rounds", type=click.IntRange(1, 100), help="Processes a format.  Default: 5.")
@click.option(
    "--quick", is_flag=True, help="Small models of the zoo, two rounds, less time for each."
)
@click.option(
    "-o",
    "--output",
    type=_WRITES,
    help="Write the results as JSON; a run that was stopped there goes on.",
)
@click.option("--fresh", is_flag=True, help="Do not go on with what -o holds already.")
@click.option(
    "--from", "source", type=_READS, help="Measure nothing: show the results of this file."
)
@click.option("--compare", type=_READS, help="Say what has changed since the results of this file.")
@click.option("--html", type=_WRITES, help="Write a report, one page that needs nothing else.")
@click.option("--csv", type=_WRITES, help="Write the rows as CSV.")
@click.option("--pyperf", type=_WRITES, help="Write the times for `python -m pyperf`.")
@click.option("--growth", is_flag=True, help="How time grows with payload, trees and vocabulary.")
@click.option(
    "--full", is_flag=True, help="With --growth: payloads up to 4 GiB, as memory and disk permit."
)
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where to put the files: its disk is measured.",
)
@click.option(
    "--limit",
    type=click.FloatRange(1),
    help="Seconds after which a format is given up.  Default: 120.",
)
@options.keyring
@options.policy
@options.trust
@options.as_json
def bench(**given: Any) -> None:
    """Compare formats on MODELs: pickle, joblib, skops, ONNX, signed artifacts and others.

    A MODEL is a file (.safeserial, which is verified, or a .pkl or .joblib file, which goes through
    the allowlist), or a name of the zoo: tiny, logistic, forest, boosting, text, stacking,
    gaussian, lightgbm, xgboost, arrays, neighbors.  Without any, the whole zoo is measured, which
    takes an hour or two; --quick takes minutes.  ^C keeps what is done.
    """
    from safeserial_benchmarks.formats.comparing import require_extra

    require_extra("safeserial bench")
    results = _shown(given) if given["source"] else _measured(given)
    _write(results, given)
    if given["as_json"]:
        render.document(results.to_dict())
    else:
        _print(results, given["compare"])
    if not results.complete:
        render.talk("the run was stopped before its end")
        if given["output"]:
            render.talk(f"go on with: safeserial {' '.join(map(_quoted, sys.argv[1:]))}")
        click.get_current_context().exit(130)


def _shown(given: dict[str, Any]) -> Any:
    from safeserial_benchmarks.formats import results

    if given["models"] or given["growth"]:
        raise Misuse("--from shows results and measures nothing", hint="leave out the models")
    found = results.read(given["source"])
    return dataclasses.replace(found, complete=True)


def _measured(given: dict[str, Any]) -> Any:
    from safeserial_benchmarks.formats import growth, preparing, running
    from safeserial_benchmarks.formats.comparing import chosen

    names = [one.strip() for one in (given["formats"] or "").split(",") if one.strip()]
    points = None
    if given["growth"]:
        sizes = growth.QUICK if given["quick"] else growth.WHOLE if given["full"] else growth.USUAL
        points = growth.fitting(sizes, given["folder"])
        names = names or list(growth.FORMATS)
    forms = chosen(names)
    effort = preparing.QUICK if given["quick"] else preparing.FULL
    changed = {name: given[name] for name in ("rounds", "limit") if given[name] is not None}
    effort = dataclasses.replace(effort, **changed)
    subjects = growth.subjects(points) if points is not None else _subjects(given)
    results = _begun(given, forms, effort)
    with _bar(len(subjects) * running.steps(forms, effort)) as watcher:
        told = watcher(lambda found: _keep(found, given["output"]))
        running.run(
            subjects,
            forms,
            effort,
            results,
            folder=given["folder"],
            watcher=told,
            strict=len(subjects) == 1,
        )
    if points is not None:
        results.growth = growth.fits(results, points)
        _keep(results, given["output"])
    return results


def _keep(results: Any, output: Path | None) -> None:
    if output is not None:
        results.save(output)


def _begun(given: dict[str, Any], forms: Any, effort: Any) -> Any:
    """Return new results, or those of a run that was stopped and had the same settings."""
    from safeserial_benchmarks.formats import results, running

    fresh = running.begin(forms, effort, given["folder"])
    output = given["output"]
    if given["fresh"] or output is None or not output.exists():
        return fresh
    old = results.read(output)
    same = ("libraries", "cpu", "python")
    if old.settings != fresh.settings or any(old.machine[n] != fresh.machine[n] for n in same):
        raise Misuse(
            f"{output} holds results of other settings or libraries",
            hint="name another file, or begin anew with --fresh",
        )
    old.formats |= fresh.formats
    return old


def _subjects(given: dict[str, Any]) -> list[Any]:
    from safeserial_benchmarks.formats import zoo
    from safeserial_benchmarks.models import QUICK_SCALE

    scale = QUICK_SCALE if given["quick"] else 1.0
    names = list(given["models"]) or list(zoo.QUICK if given["quick"] else ())
    if not names:
        return zoo.subjects((), scale)
    known = {spec.name for spec in zoo.SPECS}
    found = []
    for name in names:
        if name in known:
            found += zoo.subjects([name], scale)
        elif Path(name).exists():
            found.append(_file(name, given))
        else:
            raise Misuse(
                f"{name} is neither a file nor a model of the zoo",
                hint=f"the zoo has: {', '.join(sorted(known))}",
            )
    return found


def _file(path: str, given: dict[str, Any]) -> Any:
    import safeserial as ss
    from safeserial_benchmarks.formats.preparing import Subject

    policy = options.read_policy(given["policy_file"], given["trusted"])
    if path.lower().endswith(".safeserial"):
        model = ss.load(path, keyring=options.open_ring(given["place"]), policy=policy)
    else:
        model = ss.load_unsigned(path, policy=policy)
    rows, name = _rows(model, given["sample"]), Path(path).name
    return Subject(name, f"{type(model).__name__} of {name}", lambda: (model, rows))


def _rows(model: Any, sample: str | None) -> Any:
    """Return the rows that a model is asked; None where there are none, and none can be made up."""
    from safeserial.errors import SafeSerialError
    from safeserial.samples import rows_for

    if isinstance(model, dict):
        return None
    try:
        return rows_for(model, sample)
    except (SafeSerialError, click.ClickException):
        if sample is not None:
            raise
        render.talk("warning: no --sample, and the columns cannot be guessed: nothing is predicted")
        return None


def _write(results: Any, given: dict[str, Any]) -> None:
    from safeserial_benchmarks.formats.comparing import FormatComparison

    found = FormatComparison(results)
    if given["csv"]:
        found.to_csv(given["csv"])
    if given["html"]:
        found.to_html(given["html"])
    if given["pyperf"]:
        from safeserial_benchmarks.formats import pyperf_suite

        pyperf_suite.write(results, given["pyperf"])


def _print(results: Any, compare: Path | None) -> None:
    from rich.console import Console

    from safeserial_benchmarks.formats import advice, changes, figures, terminal
    from safeserial_benchmarks.formats.results import read

    console = Console(highlight=False, markup=False, emoji=False)
    if not sys.stdout.isatty():
        console.width = 200
    for name in results.models if not results.growth else ():
        console.print(*terminal.tables(results, name, console.width), sep="\n")
        for one in advice.advise(results, name):
            console.print(f"{one.purpose}: {one.label}", style="bold")
            for reason in one.reasons:
                console.print(f"  {reason}")
        console.print()
    for line in figures.growth_lines(results):
        console.print(line)
    if compare is not None:
        old = read(compare)
        console.print(changes.table(old, results))
        different = changes.different_machines(old, results)
        if different:
            render.talk(f"warning: the runs differ in {', '.join(different)}")


class _bar:  # noqa: N801 - used as a function
    """A progress bar on a terminal; elsewhere a line a model."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False),
        )
        self._progress = Progress(
            *columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
        )
        self._task = self._progress.add_task("", total=total)

    def __enter__(self) -> Callable[[Callable[[Any], None]], Any]:
        self._progress.start()
        return self._watcher

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _watcher(self, saved: Callable[[Any], None]) -> Any:
        from safeserial_benchmarks.formats.running import Watcher

        def note(text: str) -> None:
            self._progress.update(self._task, description=render.printable(text))
            if self._progress.disable and text.endswith("making the model"):
                render.talk(render.printable(text))

        return Watcher(note, lambda: self._progress.advance(self._task), saved)


def _quoted(word: str) -> str:
    import shlex

    return shlex.quote(render.printable(word))
