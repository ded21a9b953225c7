# SPDX-License-Identifier: BSD-3-Clause
"""``python -m safeserial_converters.coverage``: which estimators and pipelines convert, and right.

Floor 7, beside the command line.  Each is fitted, converted in both dtypes and compared on rows
that neither the fit nor the proof saw, in a process of its own with a time limit.  Exit code 1: a
graph was handed out that is wrong.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import multiprocessing
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from safeserial_converters import contract, coverage_page
from safeserial_converters.coverage_cases import Case, estimator_cases, fitted
from safeserial_converters.trials import Data, Outcome, datasets, try_model

DTYPES: Final = ("float32", "float64")
_starting = threading.Lock()
PIPELINES: Final = Path("tests/converters/pipelines.py")


def main(arguments: Sequence[str]) -> int:
    """Run the cases, print the table, write what was asked for."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before the processes load their libraries
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    wanted = set(options.only)
    jobs = [("estimator", case.name) for case in estimator_cases()]
    if options.pipelines.exists():
        jobs += [("pipeline", case.name) for case in pipeline_cases(options.pipelines)]
    places = {job: place for place, job in enumerate(jobs)}
    jobs = [job for job in jobs if not wanted or job[1] in wanted]
    jobs = [job for job in jobs if options.kind in {None, job[0]}]
    rows = [row for row in _kept(options) if _case(row) in places]
    there = {_case(row) for row in rows if row["name"] not in wanted}
    jobs = [job for job in jobs if job not in there]
    found = {"versions": coverage_page.versions(), "rows": rows}
    with ThreadPoolExecutor(options.jobs) as pool:
        for row in pool.map(lambda job: _bounded(job[0], job[1], options), jobs):
            print(coverage_page.line(row), flush=True)  # noqa: T201 - a command
            rows[:] = [one for one in rows if _case(one) != _case(row)] + [row]
            rows.sort(key=lambda one: places[_case(one)])
            _write(found, options)  # what was found so far stays if somebody ends it
    print(coverage_page.summary(rows))  # noqa: T201 - a command
    return int(any(row["verdict"][dtype] == "wrong" for row in rows for dtype in row["verdict"]))


def _case(row: dict[str, Any]) -> tuple[str, str]:
    return row["kind"], row["name"]


def _kept(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what an earlier run found, if that is asked for and it ran the same libraries."""
    if not options.resume or not options.output or not options.output.exists():
        return []
    before = json.loads(options.output.read_text("utf-8"))
    same = before["versions"] == coverage_page.versions()
    return list(before["rows"]) if same else []


def _write(found: dict[str, Any], options: argparse.Namespace) -> None:
    if options.output:
        options.output.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    if options.page:
        options.page.write_text(coverage_page.markdown(found), "utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="safeserial_converters.coverage", description=__doc__)
    parser.add_argument("only", nargs="*", help="names of classes or pipelines; default: all")
    parser.add_argument("-o", "--output", type=Path, help="write what was found as JSON")
    parser.add_argument(
        "--resume", action="store_true", help="keep what FILE of -o has, except of those named"
    )
    parser.add_argument("--page", type=Path, help="write the table as Markdown")
    parser.add_argument("--pipelines", type=Path, default=PIPELINES, help="file with the pipelines")
    parser.add_argument("--kind", choices=["estimator", "pipeline"], help="default: both")
    parser.add_argument("-j", "--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    parser.add_argument("--limit", type=float, default=600.0, help="seconds for one of them")
    return parser


def pipeline_cases(path: Path) -> list[Case]:
    """Return the pipelines of a file: its ``cases()``."""
    spec = importlib.util.spec_from_file_location("coverage_pipelines", path)
    assert spec is not None  # noqa: S101 - it is a Python file
    assert spec.loader is not None  # noqa: S101 - the same
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    found: list[Case] = module.cases()
    return found


def _bounded(kind: str, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run a case in a process of its own; when its time is up, the process ends."""
    started = time.monotonic()
    context = _context()
    here, there = context.Pipe(duplex=False)
    work = {"target": _work, "args": (there, kind, name, str(options.pipelines))}
    process = context.Process(**work)
    with _starting:  # the server of processes is asked by one thread at a time
        try:
            process.start()
        except (EOFError, OSError):  # it has gone: the next call starts another
            process = context.Process(**work)
            process.start()
    there.close()
    try:
        outcomes = here.recv() if here.poll(options.limit) else _lost("no result in time")
    except EOFError:
        outcomes = _lost("the process died")
    process.kill()
    process.join()
    seconds = round(time.monotonic() - started, 1)
    return {"kind": kind, "name": name, "seconds": seconds, **judge(outcomes)}


@functools.cache
def _context() -> Any:
    """Return what starts processes: copies of one that has imported everything already."""
    import pkgutil

    import sklearn

    try:
        context = multiprocessing.get_context("forkserver")
    except ValueError:  # no such thing on Windows
        return multiprocessing.get_context("spawn")
    parts = [f"sklearn.{one.name}" for one in pkgutil.iter_modules(sklearn.__path__) if one.ispkg]
    skipped = {"sklearn.tests", "sklearn.externals", "sklearn.datasets", "sklearn._build_utils"}
    own = ["safeserial_converters.proof", "safeserial_converters.convert"]
    context.set_forkserver_preload(
        [*own, "onnxruntime", "onnx.helper", "pandas", *(set(parts) - skipped)]
    )
    return context


def _lost(reason: str) -> list[dict[str, Any]]:
    return [asdict(Outcome("", "*", "*", dtype, "failed", reason)) for dtype in DTYPES]


def _work(answer: Any, kind: str, name: str, pipelines: str) -> None:
    warnings.simplefilter("ignore")
    cases = estimator_cases() if kind == "estimator" else pipeline_cases(Path(pipelines))
    case = next(one for one in cases if one.name == name)
    answer.send([asdict(one) for one in run(case)])


def run(case: Case) -> Iterator[Outcome]:
    """Yield what became of each method, kind of data and dtype."""
    from safeserial_converters.trials import _kind

    kinds = list(datasets(_kind(case.factory()))) if case.data is None else case.data
    for data in kinds:
        model = fitted(case.factory(), data)
        if model is None:
            continue
        for dtype in DTYPES:
            for one in try_model(model, data, dtype, fallback=False):
                if "the sample holds neither numbers nor strings" in one.detail:
                    yield replace(one, verdict="refused")
                elif "the model itself fails" not in one.detail and _can(model, one, data):
                    yield one


def _can(model: Any, outcome: Outcome, data: Data) -> bool:
    """Whether the model itself can do what was refused."""
    if outcome.verdict != "refused":
        return True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            contract.call(model, outcome.method, data.train[:20])
        except Exception:  # noqa: BLE001 - estimators refuse data with any error
            return False
    return True


def judge(outcomes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the verdict for each dtype, and why it is not "right"."""
    verdicts, reasons = {}, []
    for dtype in DTYPES:
        own = [one for one in outcomes if one["dtype"] == dtype]
        found = {one["verdict"] for one in own}
        worst = next((v for v in ("wrong", "failed", "caught") if v in found), None)
        if worst is None:
            worst = "partly" if found == {"right", "refused"} else (found or {"not tried"}).pop()
        verdicts[dtype] = worst
        reasons += [one["detail"] for one in own if one["verdict"] != "right"]
    return {
        "verdict": verdicts,
        "methods": sorted({one["method"] for one in outcomes if one["verdict"] == "right"}),
        "reasons": list(dict.fromkeys(reasons))[:5],
        "outcomes": list(outcomes),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
