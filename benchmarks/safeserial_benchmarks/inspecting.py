# SPDX-License-Identifier: BSD-3-Clause
"""Inspection beside other scanners: ``python -m safeserial_benchmarks.inspecting [FILES]``.

All of them run in this process, one after the other in every round; the ratio is taken within a
round, and its median reported, beside the best time of each.  Times are processor time, so that
other work on the machine disturbs less; the start of the process is not measured.  A scanner that
is not installed is left out (``pip install picklescan fickling``).  What each of them *says* of the
file is printed beside its time: one that gave up after a few opcodes is fast for that reason.
"""

from __future__ import annotations

import collections
import contextlib
import gc
import io
import json
import logging
import pickle
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click
import joblib
import numpy as np
from rich.console import Console
from rich.table import Table

import safeserial as ss
from safeserial_benchmarks.measure import Effort
from safeserial_benchmarks.models import QUICK_SCALE, SEED, SPECS, make
from safeserial_benchmarks.report import machine

OURS: Final = "safeserial"
KINDS: Final = ("tiny", "logistic", "forest", "boosting", "gradient", "text", "neighbors", "npz")
# fickling builds a syntax tree: over a million opcodes take it minutes and gigabytes.
_FICKLING_UP_TO: Final = 2**23
# A shorter measurement is repeated: clocks and caches disturb it.
_LEAST: Final = 0.02
_MOST_TIMES: Final = 50
Scan = Callable[[Path], str]


def _safeserial(path: Path) -> str:
    return ss.inspect(path).verdict


def _picklescan(path: Path) -> str:
    from picklescan.scanner import scan_file_path

    found = scan_file_path(str(path))
    if found.scan_err:
        return "gave up"
    return "dangerous" if found.issues_count else f"clean ({len(found.globals)} names)"


def _fickling(path: Path) -> str:
    from fickling.analysis import check_safety
    from fickling.fickle import Pickled

    with path.open("rb") as file:
        return str(check_safety(Pickled.load(file)).severity.name).lower().replace("_", " ")


_SCANNERS: Final[dict[str, Scan]] = {
    OURS: _safeserial,
    "picklescan": _picklescan,
    "fickling": _fickling,
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One scanner at one job.

    Parameters
    ----------
    job, scanner : str
        What was scanned, and by what.
    says : str
        Its answer; of a folder how often it gave which.
    best : float
        Seconds of processor time.
    ratio : float
        Median over the rounds of its time over ours.
    rounds : int
        Number of measurements.
    """

    job: str
    scanner: str
    says: str
    best: float
    ratio: float
    rounds: int


def measure(name: str, paths: Sequence[Path], effort: Effort) -> list[Measured]:
    """Measure all scanners on one job.

    Parameters
    ----------
    name : str
        Of the job.
    paths : sequence of path
        The files that are scanned, one after the other.
    effort : Effort
        When to stop.

    Returns
    -------
    list of Measured
        Ours first.
    """
    running = list(_scanners(paths))
    times: dict[str, list[float]] = {scanner: [] for scanner, *_ in running}
    begun = time.perf_counter()
    for done in range(effort.at_most):
        if done >= effort.at_least and time.perf_counter() - begun > effort.seconds:
            break
        gc.collect()
        for scanner, scan, _, count in running:
            start = time.process_time()
            for _ in range(count):
                _all(scan, paths)
            times[scanner].append((time.process_time() - start) / count)
    return [
        Measured(
            job=name,
            scanner=scanner,
            says=says,
            best=min(times[scanner]),
            ratio=statistics.median(
                a / b for a, b in zip(times[scanner], times[OURS], strict=True)
            ),
            rounds=len(times[scanner]),
        )
        for scanner, _, says, _ in running
    ]


def _scanners(paths: Sequence[Path]) -> Iterator[tuple[str, Scan, str, int]]:
    """Yield the scanners that are installed, with what they say and how often to run them."""
    for name, scan in _SCANNERS.items():
        if name == "fickling" and max(path.stat().st_size for path in paths) > _FICKLING_UP_TO:
            continue
        try:
            with _quiet():
                scan(paths[0])  # imports, and caches that are filled once
        except ImportError:
            continue
        except Exception:  # noqa: BLE001, S110 - whatever a scanner does with a file is its answer
            pass
        start = time.process_time()
        says = _all(scan, paths)
        took = time.process_time() - start
        yield name, scan, says, max(1, min(_MOST_TIMES, int(_LEAST / max(took, 1e-6))))


def _all(scan: Scan, paths: Sequence[Path]) -> str:
    """Scan all files, and sum up the answers."""
    said: collections.Counter[str] = collections.Counter()
    with _quiet():
        for path in paths:
            try:
                said[scan(path)] += 1
            except Exception as error:  # noqa: BLE001 - as above
                said[f"fails: {type(error).__name__}"] += 1
    if len(paths) == 1:
        return next(iter(said))
    return ", ".join(f"{count} {one}" for one, count in said.most_common(4))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


@contextlib.contextmanager
def _without_logs() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def files_of(kind: str, folder: Path, scale: float) -> list[Path]:
    """Write a model as a pickle and as joblib files, or an archive of arrays.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`.
    folder : path
        Where to.
    scale : float
        1 for the real ones, less for smaller ones.
    """
    if kind == "npz":
        path = folder / "arrays.npz"
        np.savez(path, a=np.arange(10_000.0), b=np.ones((100, 100)), c=np.zeros(10, "U5"))
        return [path]
    model = _model(kind, scale)
    made = [folder / f"{kind}.pkl", folder / f"{kind}.joblib"]
    made[0].write_bytes(pickle.dumps(model))
    joblib.dump(model, made[1])
    if kind == "forest":
        made.append(folder / f"{kind} (zlib).joblib")
        joblib.dump(model, made[2], compress=3)
    return made


def _model(kind: str, scale: float) -> Any:
    random = np.random.default_rng(SEED)
    if kind == "gradient":
        from sklearn.ensemble import GradientBoostingClassifier

        data = random.standard_normal((1000, 20))
        trees = max(5, int(300 * scale))
        model = GradientBoostingClassifier(n_estimators=trees, random_state=SEED)
        return model.fit(data, data[:, 0] > 0)
    if kind == "neighbors":  # 80 MB, a fifth of the one that loading is measured with
        from sklearn.neighbors import KNeighborsClassifier

        data = random.standard_normal((max(1000, int(200_000 * scale)), 50))
        return KNeighborsClassifier(algorithm="brute").fit(data, data[:, 0] > 0)
    known = {spec.name: spec for spec in SPECS}
    return make(known[kind], scale=scale)


def hostile(folder: Path) -> list[Path]:
    """Write the hostile pickle and joblib files of the tests; a source checkout is needed."""
    from safeserial_benchmarks.peers import subjects

    made = subjects.make(folder)
    return [Path(one.forms["pickle"]) for one in made if one.group != "honest"]


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--kinds", default=",".join(KINDS), show_default=True, help="Files to be made.")
@click.option(
    "--corpus",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also all hostile files of the tests as one job; they are written to this folder.",
)
@click.option("--seconds", default=5.0, show_default=True, help="For each file.")
@click.option("--quick", is_flag=True, help="Small models, few rounds.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="JSON file.")
def main(
    files: tuple[Path, ...],
    *,
    kinds: str,
    corpus: Path | None,
    seconds: float,
    quick: bool,
    output: Path | None,
) -> None:
    """Compare the speed of inspection with other scanners on FILES, or on models made here."""
    effort = Effort(0.2 if quick else seconds, 2 if quick else 5, 200)
    found: list[Measured] = []
    with tempfile.TemporaryDirectory() as place, _without_logs():
        facts = machine(Path(place))
        jobs = [(path.name, [path]) for path in files]
        for kind in kinds.split(",") if not files else ():
            made = files_of(kind, Path(place), QUICK_SCALE if quick else 1.0)
            jobs += [(path.name, [path]) for path in made]
        if corpus is not None:
            jobs.append(("hostile files", hostile(corpus)))
        for name, paths in jobs:
            found += measure(name, paths, effort)
            if output is not None:
                rows = [asdict(one) for one in found]
                document = {"machine": facts, "rows": rows}
                output.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    Console().print(table(found))


def table(found: Sequence[Measured]) -> Table:
    """Return results as a table for the terminal."""
    made = Table("file", "scanner", "ms (best)", "× safeserial (median)", "says")
    for one in found:
        ratio = "" if one.scanner == OURS else f"{one.ratio:.1f}"
        made.add_row(one.job, one.scanner, f"{one.best * 1e3:.3f}", ratio, one.says)
    return made


if __name__ == "__main__":
    main(prog_name="python -m safeserial_benchmarks.inspecting")
