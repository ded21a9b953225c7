# SPDX-License-Identifier: BSD-3-Clause
"""The coverage table as lines, as a summary, and as a page of the documentation.

Floor 7, beside the command line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any, Final

# ruff: noqa: E501 - Markdown
_HEAD: Final = """\
# What converts to ONNX

Made by `make coverage` ({versions}). Each class is fitted on all kinds of data that it takes (binary,
multi-class, string labels, multi-label, multi-output, ties, counts, missing values, DataFrames,
categories), converted from float32 and from float64 inputs, proved, and then compared on rows that
neither its fit nor the proof saw.

- **right**: every method, on all of the data: no label differs, and no number by more than 1e-9
  (float64) or 1e-6 (float32), relative.
- **partly**: some methods or kinds of data are right, the others are refused by name.
- **refused**: there is no exact converter, and the error says why.
- **caught**: the proof stopped the conversion; nothing was written.
- **failed**: any other error; nothing was written either.
- **wrong**: a graph was handed out that differs. There must be none.

{summary}

"""
_TABLE: Final = "| {what} | methods | float64 | float32 | why not |\n|---|---|---|---|---|\n"


def versions() -> dict[str, str]:
    """Return the versions that a table is about."""
    names = ("scikit-learn", "onnx", "onnxruntime", "numpy")
    return {name: metadata.version(name) for name in names}


def line(row: Mapping[str, Any]) -> str:
    """Return a row for a terminal."""
    verdict = row["verdict"]
    why = row["reasons"][0] if row["reasons"] else ""
    return (
        f"{row['name']:34.34s} f64 {verdict['float64']:9s} f32 {verdict['float32']:9s}"
        f" {row['seconds']:6.1f} s  {_short(why)}"
    )


def summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the counts, as a table."""
    lines = ["| | right in both | in float64 | in float32 | partly | refused | caught | failed | wrong |",
             "|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for kind in ("estimator", "pipeline"):
        own = [row["verdict"] for row in rows if row["kind"] == kind]
        if not own:
            continue
        both = sum(set(one.values()) == {"right"} for one in own)
        single = [sum(one[d] == "right" for one in own) for d in ("float64", "float32")]
        worst = Counter(_worst(one) for one in own)
        rest = [worst[name] for name in ("partly", "refused", "caught", "failed", "wrong")]
        lost = worst["not tried"]
        name = f"{len(own)} {kind}s" + (f" ({lost} not tried)" if lost else "")
        lines.append("| " + " | ".join(map(str, [name, both, *single, *rest])) + " |")
    return "\n".join(lines)


def _worst(verdict: Mapping[str, str]) -> str:
    order = ("wrong", "failed", "caught", "refused", "partly", "not tried", "right")
    return next(name for name in order if name in verdict.values())


def markdown(found: Mapping[str, Any]) -> str:
    """Return the page."""
    named = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    parts = [_HEAD.format(versions=named, summary=summary(found["rows"]))]
    for kind, title in (("estimator", "Estimators"), ("pipeline", "Pipelines")):
        rows = [row for row in found["rows"] if row["kind"] == kind]
        if rows:
            parts.append(f"## {title}\n\n" + _TABLE.format(what=kind))
            parts += [_row(row) for row in rows]
            parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def _row(row: Mapping[str, Any]) -> str:
    why = "; ".join(dict.fromkeys(_short(one) for one in row["reasons"][:3]))
    methods = ", ".join(f"`{name}`" for name in row["methods"])
    cells = [row["name"], methods, row["verdict"]["float64"], row["verdict"]["float32"], why]
    return "| " + " | ".join(cells) + " |\n"


def _short(reason: str) -> str:
    text = re.sub(r"^\w+(?:Error|Warning)?: ", "", reason)
    text = re.sub(r"^(?:\w+: )?\w+( \(step [^)]*\))? cannot be written as ONNX: ", r"", text)
    return text.replace("|", "\\|").replace("<", "&lt;")[:140]
