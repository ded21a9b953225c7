# SPDX-License-Identifier: BSD-3-Clause
"""Print the results of a run as the tables of benchmarks/README.md.

``python -m safeserial_benchmarks.markdown benchmarks/results/2026-11-22.json``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

Rows = dict[tuple[str, str, str], dict[str, Any]]

# Column title: contender, and whose time its own is divided by ("" for the time itself).
LOAD: Final = {
    "pickle": ("pickle.load", ""),
    "joblib": ("joblib.load", ""),
    "safeserial (pickle)": ("safeserial.load (pickle)", ""),
    "× pickle": ("safeserial.load (pickle)", "pickle.load"),
    "× joblib": ("safeserial.load (pickle)", "joblib.load"),
    "safeserial (joblib)": ("safeserial.load (joblib)", ""),
    "× joblib ": ("safeserial.load (joblib)", "joblib.load"),
    "safeserial (mapped)": ("safeserial.load (mapped)", ""),
    "× joblib  ": ("safeserial.load (mapped)", "joblib.load"),
}
UNSIGNED: Final = {
    "pickle": ("pickle.load", ""),
    "load_unsigned": ("safeserial.load_unsigned (pickle)", ""),
    "× pickle": ("safeserial.load_unsigned (pickle)", "pickle.load"),
    "joblib": ("joblib.load", ""),
    "load_unsigned ": ("safeserial.load_unsigned (joblib)", ""),
    "× joblib": ("safeserial.load_unsigned (joblib)", "joblib.load"),
}
DUMP: Final = {
    "pickle + fsync": ("pickle.dump + fsync", ""),
    "joblib + fsync": ("joblib.dump + fsync", ""),
    "safeserial (pickle)": ("safeserial.dump (pickle)", ""),
    "× pickle + fsync": ("safeserial.dump (pickle)", "pickle.dump + fsync"),
    "× joblib + fsync": ("safeserial.dump (pickle)", "joblib.dump + fsync"),
    "safeserial (joblib)": ("safeserial.dump (joblib)", ""),
    "× joblib + fsync ": ("safeserial.dump (joblib)", "joblib.dump + fsync"),
}


def table(header: list[str], lines: list[list[str]]) -> str:
    """Return a Markdown table, figures to the right."""
    rule = ["---", *["--:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, rule, *lines]) + "\n"


def round_trip(rows: Rows, group: str, columns: dict[str, tuple[str, str]]) -> str:
    """Return the table of loading or dumping: milliseconds, and ratios with their quartiles."""
    subjects = list(dict.fromkeys(subject for found, subject, _ in rows if found == group))
    lines = []
    for subject in subjects:
        cells = [f"`{subject}`"]
        for contender, base in columns.values():
            row = rows.get((group, subject, contender))
            cells.append("–" if row is None else _ratio(row, base) if base else _time(row))
        lines.append(cells)
    return table(["model", *(title.strip() for title in columns)], lines)


def single(rows: Rows, group: str) -> str:
    """Return the table of a group whose rows stand for themselves."""
    lines = []
    for (found, subject, contender), row in rows.items():
        if found == group:
            ratios = ", ".join(
                f"{_spread(spread)} {base}" for base, spread in row["ratios"].items()
            )
            lines.append([f"{subject}: `{contender}`", _time(row), ratios or "–"])
    return table([group, "median", "times (quartiles) of"], lines)


def _time(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return f"failed: {row['error']}"
    value = row["value"]["median"]
    if row["unit"] != "s":
        return f"{value / 2**20:.0f} MiB" if row["unit"] in ("B", "bytes") else f"{value:g}"
    return f"{1000 * value:.0f}" if value >= 0.1 else f"{1000 * value:.3g}"  # noqa: PLR2004


def _ratio(row: dict[str, Any], base: str) -> str:
    spread = row["ratios"].get(base)
    return "–" if spread is None else _spread(spread)


def _spread(spread: dict[str, float]) -> str:
    return f"**{spread['median']:.2f}** ({spread['q1']:.2f}–{spread['q3']:.2f})"


def main(path: str) -> None:
    """Print all tables of a results file."""
    document = json.loads(Path(path).read_text("utf-8"))
    rows = {(row["group"], row["subject"], row["contender"]): row for row in document["rows"]}
    for part in (
        round_trip(rows, "load", LOAD),
        round_trip(rows, "load", UNSIGNED),
        round_trip(rows, "dump", DUMP),
        single(rows, "memory"),
        single(rows, "startup"),
        single(rows, "limits"),
        single(rows, "sharing"),
    ):
        sys.stdout.write(part + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
