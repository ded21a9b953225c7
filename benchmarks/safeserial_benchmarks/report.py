# SPDX-License-Identifier: BSD-3-Clause
"""Results: machine facts and rows, as JSON for keeping and as tables for reading.

A ratio without the machine it was taken on is worth nothing, so the facts come first in both.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from safeserial_benchmarks.measure import Row, Spread
from safeserial_benchmarks.models import SPECS

SCHEMA: Final = "safeserial/benchmarks/v1"
LIBRARIES: Final = (
    *("safeserial-toolkit", "numpy", "scipy", "scikit-learn", "joblib", "blake3"),
    *("cryptography", "msgspec"),
)
GROUPS: Final = {
    "load": "Load: seconds, and how many times as long as the others",
    "dump": "Dump: seconds, and how many times as long as the others",
    "memory": "Memory: growth at the peak of the call",
    "startup": "Start: wall time of a process",
    "limits": "Verifying a large file, beside what the machine can do",
    "sharing": "Processes that share one file: memory of all together",
}
_SHORT: Final = {
    "pickle.load": "× pickle",
    "joblib.load": "× joblib",
    "pickle.dump": "× pickle",
    "pickle.dump + fsync": "× pickle+fsync",
    "joblib.dump + fsync": "× joblib+fsync",
    "data": "× data",
    "python -c pass": "× bare",
}


@dataclass
class Results:
    """What a run has found so far.

    Parameters
    ----------
    machine : dict
        See :func:`machine`.
    quick : bool
        Whether the models were small ones; such figures say nothing of real models.
    rows : list of Row
        Grows while the run goes on.
    complete : bool
        Whether the run came to its end.
    """

    machine: dict[str, Any]
    quick: bool
    rows: list[Row] = field(default_factory=list)
    complete: bool = False

    def save(self, path: Path) -> None:
        """Write the results as JSON; called after each model, so that no run is lost."""
        document = {
            "schema": SCHEMA,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "quick": self.quick,
            "complete": self.complete,
            "machine": self.machine,
            "models": {spec.name: spec.title for spec in SPECS},
            "rows": [_rounded(dataclasses.asdict(row)) for row in self.rows],
        }
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _rounded(value: Any) -> Any:
    """Keep four digits: the rest is noise."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return value


def machine(folder: Path) -> dict[str, Any]:
    """Return what the figures depend on; nothing that names the machine or its user.

    Parameters
    ----------
    folder : path
        Where the files of the run stand, for the kind of its file system.
    """
    return {
        "cpu": _cpu(),
        "cores": _cores(),
        "load_average_before": _rounded(os.getloadavg()[0]) if hasattr(os, "getloadavg") else None,
        "memory_bytes": _memory(),
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
        "file_system": _file_system(folder),
        "page_cache": "warm: every file is read once before it is timed",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": {name: number for name in LIBRARIES if (number := _version(name))},
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> int | None:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _file_system(folder: Path) -> str | None:
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return None
    place, best, kind = str(folder.resolve()), "", ""
    for line in mounts.read_text("utf-8").splitlines():
        _, point, found, *_ = line.split()
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, found
    return kind or None


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def show(results: Results, console: Console) -> None:
    """Print the results as tables.

    Parameters
    ----------
    results : Results
        Complete or not.
    console : Console
        Where to.
    """
    facts = results.machine
    console.print(
        f"{facts['cpu']}, {facts['cores']} cores · {facts['kernel']} · {facts['python']} · "
        f"{facts['file_system'] or 'unknown file system'}",
        highlight=False,
    )
    if results.quick:
        console.print("quick run: small models, figures say nothing of real ones", style="yellow")
    for group, title in GROUPS.items():
        rows = [row for row in results.rows if row.group == group]
        if rows:
            console.print(_table(title, [row for row in rows if row.error is None]))
        for row in rows:
            if row.error is not None:
                console.print(f"failed: {row.subject}, {row.contender}: {row.error}", style="red")
    if not results.complete:
        console.print("the run was stopped before its end", style="yellow")


def _table(title: str, rows: list[Row]) -> Table:
    references = list(dict.fromkeys(name for row in rows for name in row.ratios))
    table = Table(title=title, title_justify="left", caption="median (quartiles)")
    for heading in ("", "contender", "median", "quartiles"):
        table.add_column(heading, justify="right" if heading.endswith(("n", "s")) else "left")
    for name in references:
        table.add_column(_SHORT.get(name, f"× {name}"), justify="right")
    subject = None
    for row in rows:
        if subject not in (None, row.subject):
            table.add_section()
        table.add_row(row.subject if row.subject != subject else "", *_cells(row, references))
        subject = row.subject
    return table


def _cells(row: Row, references: Iterable[str]) -> list[Text]:
    name = Text(row.contender, style="bold" if row.contender.startswith("safeserial") else "")
    if row.value is None:
        return [name]
    value = row.value
    quartiles = f"{human(value.q1, row.unit)} – {human(value.q3, row.unit)}"
    cells = [name, Text(human(value.median, row.unit)), Text(quartiles if row.rounds > 1 else "")]
    return cells + [Text(_ratio(row.ratios.get(reference))) for reference in references]


def _ratio(ratio: Spread | None) -> str:
    if ratio is None:
        return ""
    if ratio.q1 == ratio.q3:
        return f"{ratio.median:.2f}"
    return f"{ratio.median:.2f} ({ratio.q1:.2f}–{ratio.q3:.2f})"


def human(value: float, unit: str) -> str:
    """Return a value with a unit that suits its size."""
    if unit == "bytes":
        return f"{value / 2**20:,.1f} MiB"
    if unit == "count":
        return f"{value:.0f}"
    if value < 1e-3:  # noqa: PLR2004
        return f"{value * 1e6:.0f} µs"
    return f"{value * 1e3:.2f} ms" if value < 1 else f"{value:.2f} s"
