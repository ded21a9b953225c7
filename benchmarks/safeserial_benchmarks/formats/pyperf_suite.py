# SPDX-License-Identifier: BSD-3-Clause
"""Times as a suite of pyperf, for its own tools: ``python -m pyperf compare_to OLD NEW``.

pyperf's runner does not do the measuring: it runs one benchmark after the other, where here the
formats take turns, and it knows no phases of a process.  Its clock, its facts of the machine and
its format of results are used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safeserial_benchmarks.formats.results import MEASURES, Comparison, Row


def write(results: Comparison, path: Path) -> None:
    """Write all times of all rows that have figures; an old file is replaced."""
    import pyperf

    found = [one for row in results.rows if row.ok for one in _benchmarks(row)]
    if found:
        pyperf.BenchmarkSuite(found).dump(str(path), replace=True)


def _benchmarks(row: Row) -> list[Any]:
    import pyperf

    found = []
    for measure, rounds in row.values.items():
        if MEASURES[measure][1] != "s":
            continue
        facts = {"name": f"{row.model}/{row.format}/{measure}", "unit": "second"}
        runs = [
            pyperf.Run(
                [float(one) for one in values if one > 0], metadata=facts, collect_metadata=False
            )
            for values in rounds
            if any(one > 0 for one in values)
        ]
        if runs:
            found.append(pyperf.Benchmark(runs))
    return found
