# SPDX-License-Identifier: BSD-3-Clause
"""ONNX graphs beside scikit-learn and skl2onnx: ``python -m safeserial_benchmarks.onnx_speed``.

For each model: how long the conversion takes and how large the graph is, and how long one row and
ten thousand rows take in scikit-learn, in the exact graph, in the fast one and in skl2onnx's.  All
run in one process on one thread, one after the other in every round; what is reported is processor
time, and ratios are taken within a round.  ``-o`` writes the figures as JSON, ``--page`` the
tables as Markdown.
"""

from __future__ import annotations

import json
import os
import platform
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from safeserial_benchmarks.markdown import table
from safeserial_benchmarks.measure import Contender, Row, Spread, said
from safeserial_benchmarks.onnx_subjects import Subject, subjects

SKLEARN: Final = "scikit-learn"
EXACT: Final = "exact graph"
FAST: Final = "fast graph"
OTHER: Final = "skl2onnx"
#: Rounds in any case.
LEAST: Final = 3
CONTENDERS: Final = (SKLEARN, EXACT, FAST, OTHER)


@dataclass(frozen=True)
class Made:
    """A graph: how long it took (without and with its proof), its size, or why there is none."""

    seconds: float = 0.0
    with_proof: float = 0.0
    size: int = 0
    wrong_labels: int | None = None
    error: str = ""


def converted(subject: Subject, contender: str) -> tuple[Made, Any, Callable[[Any], Any]]:
    """Return the facts of a graph, its bytes, and what makes a session's inputs of rows."""
    started = time.perf_counter()
    try:
        if contender == OTHER:
            data, feed = _skl2onnx(subject)
            took = time.perf_counter() - started
            _session(data)  # does it run at all
            return Made(took, took, len(data)), data, feed
        import safeserial as ss

        made = ss.to_onnx(
            subject.model,
            subject.sample,
            methods=[subject.method],
            profile=contender.split(maxsplit=1)[0],
            fallback=False,
        )
    except Exception as error:  # noqa: BLE001 - a row of the table
        return Made(error=said(error)), None, lambda rows: rows
    whole = time.perf_counter() - started
    return Made(made.seconds, whole, len(made.data)), made.data, made.feed


def _skl2onnx(subject: Subject) -> tuple[bytes, Callable[[Any], dict[str, Any]]]:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    sample, one = subject.sample, [None, 1]
    if isinstance(sample, list):
        kinds = [("X", StringTensorType(one))]
    elif hasattr(sample, "columns"):
        texts = {name for name in sample.columns if sample[name].dtype.kind not in "iuf"}
        kinds = [
            (name, (StringTensorType if name in texts else FloatTensorType)(one))
            for name in sample.columns
        ]
    else:
        kinds = [("X", FloatTensorType([None, sample.shape[1]]))]
    classifier = hasattr(subject.model, "predict_proba")
    options = {id(subject.model): {"zipmap": False}} if classifier else None
    proto = convert_sklearn(subject.model, initial_types=kinds, options=options, target_opset=18)

    def feed(rows: Any) -> dict[str, Any]:
        if isinstance(rows, list):
            return {"X": np.array(rows, object).reshape(-1, 1)}
        if hasattr(rows, "columns"):
            return {
                name: rows[[name]].to_numpy(object if name in texts else np.float32)
                for name in rows.columns
            }
        return {"X": rows}

    return proto.SerializeToString(), feed


def compare(group: str, name: str, calls: Sequence[Contender], seconds: float) -> list[Row]:
    """Run all in interleaved rounds; processor time counts, which other processes disturb less."""
    often = {one.name: max(1, int(0.02 / max(_spent(one.run, 1), 1e-6))) for one in calls}
    times: dict[str, list[float]] = {one.name: [] for one in calls}
    begun = time.perf_counter()
    while len(times[SKLEARN]) < LEAST or time.perf_counter() - begun < seconds:
        for one in calls:
            times[one.name].append(_spent(one.run, often[one.name]))
    return [
        Row(
            group=group,
            subject=name,
            contender=one.name,
            value=Spread.of(times[one.name]),
            rounds=len(times[one.name]),
            ratios={SKLEARN: _ratio(times[one.name], times[SKLEARN])},
        )
        for one in calls
    ]


def _ratio(mine: Sequence[float], others: Sequence[float]) -> Spread:
    return Spread.of(a / b for a, b in zip(mine, others, strict=True))


def _spent(call: Callable[[], object], times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - start) / times


def run(subject: Subject, name: str, seconds: float) -> tuple[dict[str, Made], list[Row]]:
    """Convert a model in all ways, and time all ways of running it."""
    graphs = {one: converted(subject, one) for one in CONTENDERS[1:]}
    model, method = subject.model, subject.method
    rows: list[Row] = []
    for group, wanted in (("one row", subject.rows[:1]), ("10,000 rows", subject.rows)):
        calls = [Contender(SKLEARN, lambda w=wanted: getattr(model, method)(w))]  # type: ignore[misc]
        for contender, (_, data, feed) in graphs.items():
            if data is not None:
                calls.append(Contender(contender, _ready(data, feed(wanted), method)))
        rows += compare(group, name, calls, seconds)
    made = {one: _judged(subject, *found) for one, found in graphs.items()}
    return made, rows


def _session(data: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _output(session: Any, method: str) -> str:
    names = [one.name for one in session.get_outputs()]
    place = 1 if method == "predict_proba" and len(names) > 1 else 0
    return method if method in names else names[place]


def _ready(data: bytes, feed: dict[str, Any], method: str) -> Callable[[], object]:
    session = _session(data)
    output = [_output(session, method)]
    return lambda: session.run(output, feed)


def _judged(subject: Subject, made: Made, data: Any, feed: Callable[[Any], Any]) -> Made:
    """Count the rows whose class differs from the model's (for a regressor: by more than 1e-4)."""
    if data is None:
        return made
    session = _session(data)
    (got,) = session.run([_output(session, subject.method)], feed(subject.rows))
    want = getattr(subject.model, subject.method)(subject.rows)
    if subject.method == "predict_proba":
        wrong = np.argmax(got, 1) != np.argmax(want, 1)
    elif want.dtype.kind == "f":
        wrong = np.abs(got.reshape(want.shape) - want) > 1e-4 * np.maximum(1.0, np.abs(want))
    else:
        wrong = got.reshape(want.shape) != want
    return Made(made.seconds, made.with_proof, made.size, int(np.count_nonzero(wrong)))


def page(document: dict[str, Any]) -> str:
    """Return the tables as Markdown."""
    return "\n".join(
        [
            "### Conversion\n",
            _conversions(document["graphs"]),
            "### One row\n",
            _times(document["rows"], "one row", 1e6, "µs"),
            "### 10,000 rows\n",
            _times(document["rows"], "10,000 rows", 1e3, "ms"),
        ]
    )


def _conversions(graphs: dict[str, dict[str, dict[str, Any]]]) -> str:
    lines = []
    for name, found in graphs.items():
        cells = [name]
        for contender in (EXACT, OTHER):
            one = found[contender]
            if one["error"]:
                cells += ["–"] * 3
                continue
            cells += [f"{one['seconds']:.2f} s", f"{one['size'] / 1024:,.0f} KiB"]
            cells.append(f"{one['wrong_labels']:,}")
        cells.insert(2, "–" if found[EXACT]["error"] else f"{found[EXACT]['with_proof']:.1f} s")
        lines.append(cells)
    header = ["model", "exact", "with proof", "size", "wrong", "skl2onnx", "size", "wrong"]
    return table(header, lines)


def _times(rows: Sequence[dict[str, Any]], group: str, scale: float, unit: str) -> str:
    found = {(one["subject"], one["contender"]): one for one in rows if one["group"] == group}
    lines = []
    for name in dict.fromkeys(subject for subject, _ in found):
        cells = [name]
        for contender in CONTENDERS:
            one = found.get((name, contender))
            if one is None or one["value"] is None:
                cells.append("–")
                continue
            text = f"{one['value']['median'] * scale:,.3g}"
            if contender != SKLEARN:
                text += f" (× {one['ratios'][SKLEARN]['median']:.3g})"
            cells.append(text)
        lines.append(cells)
    return table([f"{group}, {unit}", *CONTENDERS], lines)


def _versions() -> dict[str, str]:
    names = ("scikit-learn", "onnx", "onnxruntime", "skl2onnx", "numpy")
    return {"python": platform.python_version(), **{n: metadata.version(n) for n in names}}


@click.command(help=__doc__)
@click.argument("only", nargs=-1)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the figures as JSON.")
@click.option("--page", "page_file", type=click.Path(path_type=Path), help="Write the tables.")
@click.option("--seconds", default=6.0, show_default=True, help="For each model and batch.")
def main(
    only: tuple[str, ...], output: Path | None, page_file: Path | None, seconds: float
) -> None:
    """Measure the models named, or all."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warnings.simplefilter("ignore")
    graphs: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    document = {"versions": _versions(), "graphs": graphs, "rows": rows}
    for name, make in subjects().items():
        if only and name not in only:
            continue
        made, timed = run(make(), name, seconds)
        graphs[name] = {contender: asdict(one) for contender, one in made.items()}
        rows.extend(asdict(one) for one in timed)
        click.echo(f"{name}: done", err=True)
        if output:
            output.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    text = page(document)
    click.echo(text)
    if page_file:
        page_file.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
