# SPDX-License-Identifier: BSD-3-Clause
"""The prediction server under load: ``python -m safeserial_benchmarks.serving_load``.

``wrk`` asks, on loopback, for the probabilities of one row and of a hundred, over one connection
and over sixteen: this server with an ONNX model and with a verified Python model, the least ASGI
application that runs ONNX Runtime, MLflow's scoring server; and ONNX Runtime itself runs in a loop
without a network.  All servers are up all the time, each is asked once a round, ratios are taken
within a round.  Before anything is measured, each has to answer with scikit-learn's own figures.
"""

from __future__ import annotations

import datetime
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click

from safeserial_benchmarks import serving_servers as servers
from safeserial_benchmarks.markdown import table
from safeserial_benchmarks.report import machine
from safeserial_benchmarks.serving_servers import BARE, Target

SCHEMA: Final = "safeserial/serving-load/v1"
LOOP: Final = "ONNX Runtime in a loop"
SIZES: Final = (1, 100)
CONNECTIONS: Final = (1, 16)
_WARM: Final = 0.5
_SCRIPT: Final = """
local file = io.open(os.getenv("SAFESERIAL_BODY"), "rb")
wrk.method, wrk.body = "POST", file:read("*a")
wrk.headers["Content-Type"] = "application/json"
file:close()
function done(summary, latency)
  local e = summary.errors
  print(string.format(
    '{"requests":%d,"micros":%d,"p50":%f,"p99":%f,"errors":%d}', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True)
class Case:
    """What is asked, and over how many connections."""

    model: str
    rows: int
    connections: int


@dataclass(frozen=True)
class Measured:
    """One contender in one round; seconds, bytes, and requests that failed."""

    case: Case
    contender: str
    rate: float
    p50: float
    p99: float
    errors: int
    cpu: float
    memory: int


def find_wrk() -> str:
    """Return the path of ``wrk``.

    Raises
    ------
    click.UsageError
        If it is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise click.UsageError("wrk is not installed; Debian: apt-get install wrk")
    return found


def run(
    folder: Path, seconds: float, rounds: int, cases: list[Case] | None = None
) -> Iterator[list[Measured]]:
    """Measure every contender.

    Parameters
    ----------
    folder : path
        An empty folder.
    seconds : float
        Of each measurement.
    rounds : int
        How often each is measured.
    cases : list of Case, optional
        Default: all.

    Yields
    ------
    list of Measured
        Of one round.
    """
    wrk = find_wrk()
    (folder / "load.lua").write_text(_SCRIPT)
    rows = servers.make_models(folder)
    chosen = cases or [
        Case(model, size, many)
        for model in servers.MODELS
        for size in SIZES
        for many in CONNECTIONS
    ]
    with servers.running(folder) as targets:
        for number in range(rounds):
            done = []
            for case in chosen:
                few = rows[case.model][: case.rows]
                asked = [one for one in targets if case.model in one.urls]
                # Another first in each round: what a noisy neighbour does hits them in turn.
                first = number % len(asked)
                turn = asked[first:] + asked[:first]
                done += [_ask((wrk, folder), one, case, few, seconds) for one in turn]
                if case.connections == 1:
                    done.append(_loop(folder, case, seconds))
            yield done


def _ask(tool: tuple[str, Path], one: Target, case: Case, rows: Any, seconds: float) -> Measured:
    _, folder = tool
    body = folder / "body.json"
    body.write_bytes(one.body(rows))
    url = one.urls[case.model]
    _wrk(tool, url, case.connections, _WARM)
    before, _ = one.usage()
    found = _wrk(tool, url, case.connections, seconds)
    after, memory = one.usage()
    count = max(found["requests"], 1)
    return Measured(
        case,
        one.title,
        rate=found["requests"] / (found["micros"] / 1e6),
        p50=found["p50"] / 1e6,
        p99=found["p99"] / 1e6,
        errors=found["errors"],
        cpu=(after - before) / count,
        memory=memory,
    )


def _wrk(tool: tuple[str, Path], url: str, connections: int, seconds: float) -> dict[str, Any]:
    wrk, folder = tool
    order = [wrk, "-t1", f"-c{connections}", f"-d{max(seconds, 1):.0f}s", "--timeout", "30s"]
    order += ["-s", str(folder / "load.lua"), url]
    environment = {"SAFESERIAL_BODY": str(folder / "body.json")}
    done = subprocess.run(
        order, env=environment, check=True, capture_output=True, text=True, timeout=seconds + 120
    )
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _loop(folder: Path, case: Case, seconds: float) -> Measured:
    order = [sys.executable, "-m", "safeserial_benchmarks.serving_bare", str(folder)]
    order += [case.model, str(case.rows), str(seconds)]
    done = subprocess.run(order, check=True, capture_output=True, text=True, timeout=seconds + 120)
    found = json.loads(done.stdout)
    return Measured(case, LOOP, errors=0, memory=0, **found)


def summarize(rounds: list[list[Measured]]) -> list[dict[str, Any]]:
    """Return a row a case and contender: medians over the rounds, and ratios to the bare app."""
    rows = []
    for case in dict.fromkeys(one.case for done in rounds for one in done):
        names = dict.fromkeys(one.contender for done in rounds for one in done if one.case == case)
        for name in sorted(names, key=_place):
            mine = [_of(done, case, name) for done in rounds]
            bare = [_of(done, case, BARE) for done in rounds]
            ratios = [a.rate / b.rate for a, b in zip(mine, bare, strict=True)]
            row: dict[str, Any] = {**asdict(case), "contender": name, "rounds": len(mine)}
            for field in ("rate", "p50", "p99", "cpu", "memory"):
                row[field] = statistics.median(getattr(one, field) for one in mine)
            row["errors"] = sum(one.errors for one in mine)
            row["of_bare"] = statistics.median(ratios)
            row["of_bare_between"] = [min(ratios), max(ratios)]
            rows.append(row)
    return rows


def _of(done: list[Measured], case: Case, name: str) -> Measured:
    return next(one for one in done if (one.case, one.contender) == (case, name))


_ORDER: Final = (servers.OURS, servers.OURS_PYTHON, BARE, servers.MLFLOW, LOOP)


def _place(name: str) -> int:
    return _ORDER.index(name)


def page(rows: list[dict[str, Any]]) -> str:
    """Return the rows as tables in Markdown, one a case."""
    parts = []
    keys = dict.fromkeys((one["model"], one["rows"], one["connections"]) for one in rows)
    for model, size, many in keys:
        lines = []
        for one in rows:
            if (one["model"], one["rows"], one["connections"]) != (model, size, many):
                continue
            low, high = one["of_bare_between"]
            lines.append(
                [
                    one["contender"],
                    f"{one['rate']:,.0f}",
                    "1"
                    if one["contender"] == BARE
                    else f"{_short(one['of_bare'])} ({_short(low)} to {_short(high)})",
                    f"{1e3 * one['p50']:.3g}",
                    f"{1e3 * one['p99']:.3g}",
                    f"{1e6 * one['cpu']:,.0f}",
                    f"{one['memory'] / 2**20:.0f}" if one["memory"] else "",
                    str(one["errors"]),
                ]
            )
        head = ["", "requests/s", "× bare app", "p50 ms", "p99 ms", "CPU µs a request"]
        title = f"{model}, {size} row{'s' * (size > 1)}, {many} connection{'s' * (many > 1)}"
        parts.append(f"**{title}**\n\n" + table([*head, "memory MiB", "errors"], lines))
    return "\n".join(parts)


def _short(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"  # noqa: PLR2004 - two digits are enough


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="JSON file.")
@click.option("--seconds", default=5.0, show_default=True, help="Of each measurement.")
@click.option("--rounds", default=5, show_default=True, help="How often each is measured.")
@click.option("--page", "place", type=click.Path(path_type=Path), help="The tables, as Markdown.")
@click.option("--install", is_flag=True, help="First make MLflow's environment, in the cache.")
def main(
    *, output: Path | None, seconds: float, rounds: int, place: Path | None, install: bool
) -> None:
    """Measure the server beside a bare ASGI app, MLflow and ONNX Runtime itself."""
    find_wrk()
    if install:
        servers.install_mlflow()
    if not servers.mlflow_python().exists():
        click.echo("note: MLflow is left out; --install makes its environment", err=True)
    begun, kept = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="safeserial-serving-") as name:
        for done in run(Path(name), seconds, rounds):
            kept.append(done)
            click.echo(f"round {len(kept)}: {time.monotonic() - begun:.0f} s", err=True)
            document = {
                "schema": SCHEMA,
                "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
                "machine": machine(Path(name)),
                "seconds": seconds,
                "rows": summarize(kept),
            }
            if output is not None:
                output.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    text = page(summarize(kept))
    if place is not None:
        place.write_text(text, "utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m safeserial_benchmarks.serving_load")
