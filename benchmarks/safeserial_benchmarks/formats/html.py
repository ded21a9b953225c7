# SPDX-License-Identifier: BSD-3-Clause
"""A comparison as one HTML page that needs nothing else: Vega-Lite stands in it.

The page forbids itself every script but its own two, by their digests, and every connection.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from importlib import resources
from typing import Any, Final

from safeserial.errors import MissingExtraError
from safeserial.inspection.neutral import printable
from safeserial_benchmarks.formats import advice, charts, figures
from safeserial_benchmarks.formats.results import Comparison

_HOME: Final = "safeserial_benchmarks.formats"
_MACHINE: Final = {
    "cpu": "processor",
    "cores": "cores",
    "memory_bytes": "memory",
    "cpu_freq": "frequency",
    "load_average_before": "load average at the start",
    "kernel": "kernel",
    "file_system": "file system",
    "page_cache": "page cache",
    "threads": "threads",
    "python": "Python",
}


def render(results: Comparison) -> str:
    """Return the page.

    Raises
    ------
    MissingExtraError
        If jinja2, altair or vl-convert-python is not installed.
    """
    try:
        import altair as _  # noqa: F401
        import jinja2
        import vl_convert as _convert  # noqa: F401
    except ImportError:
        raise MissingExtraError("bench", "the HTML report") from None
    loader = jinja2.FunctionLoader(_text)
    environment = jinja2.Environment(
        loader=loader,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    script, vega, style = _text("page.js"), _vega(), _text("page.css")
    specs: list[dict[str, Any]] = []
    models = [_model(results, name, specs) for name in results.models]
    return environment.get_template("page.html").render(
        title=printable(", ".join(results.models)),
        created=printable(results.created),
        complete=results.complete,
        facts=_facts(results),
        settings=results.settings,
        models=models,
        growth=_growth(results, specs),
        style=style,
        script=script,
        vega=vega,
        specs=_json(specs),
        style_hash=_digest(style),
        script_hash=_digest(script),
        vega_hash=_digest(vega),
    )


def _text(name: str) -> str:
    return resources.files(_HOME).joinpath(name).read_text("utf-8")


@functools.cache
def _vega() -> str:
    """Return Vega, Vega-Lite and their embedding as one script, from the wheel of vl-convert."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg, unused-ignore]
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _json(value: object) -> str:
    """Return JSON that no HTML parser takes for anything else."""
    text = json.dumps(value, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _facts(results: Comparison) -> list[tuple[str, str]]:
    machine = results.machine
    pairs = [
        (
            label,
            figures.text(machine[name], "bytes") if name == "memory_bytes" else str(machine[name]),
        )
        for name, label in _MACHINE.items()
        if machine.get(name) is not None
    ]
    versions = ", ".join(f"{name} {found}" for name, found in machine.get("libraries", {}).items())
    return [
        (printable(label), printable(value)) for label, value in [*pairs, ("libraries", versions)]
    ]


def _model(results: Comparison, name: str, specs: list[dict[str, Any]]) -> dict[str, Any]:
    facts = results.models[name]
    drawn = []
    for question, answer, spec in charts.all_of(results, name):
        drawn.append({"question": question, "answer": answer, "number": len(specs)})
        specs.append(spec)
    return {
        "name": printable(name),
        "title": printable(facts.get("title", "")),
        "kind": printable(facts.get("class", "")),
        "size": figures.text(facts.get("pickled_bytes"), "bytes"),
        "trusted": [printable(one) for one in facts.get("trusted", [])],
        "advice": advice.advise(results, name),
        "charts": drawn,
        "many": facts.get("many_rows", 0),
        "columns": _columns(results, name),
        "rows": [_row(results, row) for row in results.of(name)],
    }


def _columns(results: Comparison, model: str) -> list[str]:
    found = figures.COLUMNS.items()
    return [label for name, label in found if results.measured(model, name)]


def _row(results: Comparison, row: Any) -> dict[str, Any]:
    form = results.formats[row.format]
    measures = [name for name in figures.COLUMNS if results.measured(row.model, name)]
    cells = []
    for name in measures if row.ok else ():
        best = row.format in results.leaders(row.model, name)
        spread = row.spread(name)
        unit = "bytes" if name in ("bytes", "peak_load") else "s"
        quartiles = (
            ""
            if spread is None or spread.q1 == spread.q3
            else (f"quartiles {figures.text(spread.q1, unit)} – {figures.text(spread.q3, unit)}")
        )
        cells.append({"text": figures.of(row, name), "best": best, "quartiles": quartiles})
    return {
        "label": form["label"],
        "ok": row.ok,
        "cells": cells,
        "why": printable(f"{row.status}: {row.error}"),
        "answers": figures.parity(row),
        "code": charts.CODE[form["runs_code"]],
        "css": form["runs_code"],
        "reason": form["why"],
        "signed": form["signed"] or "–",
    }


def _growth(results: Comparison, specs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    drawn = []
    for axis in dict.fromkeys(one["axis"] for one in results.growth):
        curves = [one for one in results.growth if one["axis"] == axis]
        fits = [{**one, "what": figures.COLUMNS[one["measure"]]} for one in curves]
        drawn.append({"axis": axis, "number": len(specs), "fits": fits})
        specs.append(charts.curves(results.growth, axis))
    return drawn
