# SPDX-License-Identifier: BSD-3-Clause
"""Inspection beside other scanners: ``python -m safeserial_benchmarks.inspecting [FILES]``.

All of them run in this process, one after the other in every round; the ratio is taken within a
round, and its median reported.  The start of the process is not measured.  A scanner that is not
installed is left out.  What each of them *says* of the file is printed beside its time: one that
gave up after a few opcodes is fast for that reason.
"""

from __future__ import annotations

import contextlib
import io
import logging
import pickle
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click
import joblib
from rich.console import Console
from rich.table import Table

import safeserial as ss
from safeserial_benchmarks.measure import Contender, Effort, Row, compare
from safeserial_benchmarks.models import QUICK_SCALE, SPECS, make

_OURS: Final = "safeserial"
_MODELS: Final = ("tiny", "forest", "text")
# fickling builds a syntax tree: over a million opcodes take it minutes and gigabytes.
_FICKLING_UP_TO: Final = 2**23


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


_SCANNERS: Final[dict[str, Callable[[Path], str]]] = {
    _OURS: _safeserial,
    "picklescan": _picklescan,
    "fickling": _fickling,
}


def scanners(path: Path) -> Iterator[tuple[Contender, str]]:
    """Yield the scanners that are installed and can read a file, with what they say of it."""
    for name, scan in _SCANNERS.items():
        if name == "fickling" and path.stat().st_size > _FICKLING_UP_TO:
            continue
        try:
            with _quiet():
                says = scan(path)
        except ImportError:
            continue
        except Exception as error:  # noqa: BLE001 - whatever a scanner does with a file is its answer
            says = f"fails: {type(error).__name__}"
        yield Contender(name, lambda scan=scan: _run(scan, path)), says  # type: ignore[misc]


def _run(scan: Callable[[Path], str], path: Path) -> None:
    with contextlib.suppress(Exception), _quiet():
        scan(path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def files_of(models: tuple[str, ...], folder: Path, scale: float) -> list[Path]:
    """Write each model as a pickle and as a joblib file."""
    known: dict[str, Any] = {spec.name: spec for spec in SPECS}
    made = []
    for name in models:
        model = make(known[name], scale=scale)
        made += [folder / f"{name}.pkl", folder / f"{name}.joblib"]
        made[-2].write_bytes(pickle.dumps(model))
        joblib.dump(model, made[-1])
    return made


def measure(path: Path, effort: Effort) -> list[tuple[Row, str]]:
    """Measure all scanners on one file."""
    listed = list(scanners(path))
    rows = compare("inspect", path.name, [one for one, _ in listed], [_OURS], effort)
    return [(row, says) for row, (_, says) in zip(rows, listed, strict=True)]


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--seconds", default=5.0, show_default=True, help="For each file.")
@click.option("--quick", is_flag=True, help="Small models, few rounds.")
def main(files: tuple[Path, ...], *, seconds: float, quick: bool) -> None:
    """Compare the speed of inspection with other scanners on FILES, or on models made here."""
    logging.disable(logging.CRITICAL)
    effort = Effort(0.2 if quick else seconds, 2 if quick else 3, 200)
    table = Table("file", "scanner", "ms (median)", "× safeserial", "says")
    with tempfile.TemporaryDirectory() as place:
        chosen = list(files) or files_of(_MODELS, Path(place), QUICK_SCALE if quick else 1.0)
        for path in chosen:
            for row, says in measure(path, effort):
                ratio = row.ratios.get(_OURS)
                table.add_row(
                    path.name,
                    row.contender,
                    "" if row.value is None else f"{row.value.median * 1e3:.2f}",
                    "" if ratio is None else f"{ratio.median:.1f}",
                    says,
                )
    Console().print(table)


if __name__ == "__main__":
    main(prog_name="python -m safeserial_benchmarks.inspecting")
