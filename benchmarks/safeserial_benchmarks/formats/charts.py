# SPDX-License-Identifier: BSD-3-Clause
"""Charts of a comparison as Vega-Lite, each for one question; colours and fonts are the page's.

What can be read from the place of a mark is not said by its colour: that always tells whether
loading can run code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from safeserial_benchmarks.formats import figures
from safeserial_benchmarks.formats.front import front, labelled
from safeserial_benchmarks.formats.results import PHASES, Comparison, Row

CODE: Final = {"yes": "can run code", "allowlist": "allowlist", "no": "cannot run code"}
PHASE_NAMES: Final = dict(
    zip(PHASES, ("interpreter", "imports", "load", "prediction"), strict=True)
)
_BAR: Final = 22
_LABEL_LIMIT: Final = 230


def all_of(results: Comparison, model: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the charts of a model.

    Yields
    ------
    (str, str, dict)
        The question, how to read the answer, and the chart as Vega-Lite.
    """
    rows = [row for row in results.of(model) if row.ok]
    if not rows:
        return
    if any(row.median("load") for row in rows):
        yield (
            "How large is the file, and how long does it take to load?",
            "Lower left is better. The line joins the formats that no other beats in both.",
            pareto(results, rows),
        )
        yield (
            "How long do saving and loading take?",
            "Marks are medians, lines reach from the first to the third quartile.",
            times(results, rows),
        )
    if any(row.median("cold_total") for row in rows):
        yield (
            "How long from a fresh process to the first answer?",
            "Files are in the page cache.",
            cold_start(results, rows),
        )
    if any(row.median("peak_process") for row in rows):
        yield (
            "How much memory does it take?",
            "The process at its first prediction; in full colour: what loading took.",
            memory(results, rows),
        )


def pareto(results: Comparison, rows: list[Row]) -> dict[str, Any]:
    """Return size against load time."""
    import altair as alt

    known = [row for row in rows if row.median("load") and row.bytes]
    on_front = front(known)
    named = labelled(known, on_front)
    data = [_point(results, row, named, on_front) for row in known]
    line = sorted((one for one in data if one["front"]), key=lambda one: one["load"])
    horizontal = alt.X("load:Q", title="load (ms)").scale(type="log", nice=False, padding=30)
    vertical = alt.Y("size:Q", title="file size").scale(type="log", nice=False, padding=24)
    vertical = vertical.axis(
        format="~s", tickCount=5, labelExpr="datum.label ? datum.label + 'B' : ''"
    )
    horizontal = horizontal.axis(format="~f", tickCount=6)
    path = _chart(line).mark_line(
        strokeDash=[4, 4], opacity=0.6, interpolate="step-after", color="gray"
    )
    points = _chart(data).mark_point(filled=True, size=110, opacity=0.85)
    points = points.encode(
        color=_colour(),
        shape=_shape(),
        tooltip=["format:N", "loads:N", "bytes:N", "code:N", "signed:N"],
    )
    labels = _chart([one for one in data if one["label"]]).mark_text(
        align="left", baseline="middle", dx=9, dy=-9
    )
    labels = labels.encode(text="label:N")
    behind = labels.mark_text(align="left", baseline="middle", dx=9, dy=-9, style="halo")
    layers = [one.encode(x=horizontal, y=vertical) for one in (path, points, behind, labels)]
    return _finished(alt.layer(*layers), 380)


def _point(results: Comparison, row: Row, named: list[Row], on_front: list[Row]) -> dict[str, Any]:
    form = results.formats[row.format]
    return {
        "format": form["label"],
        "load": 1e3 * (row.median("load") or 0),
        "size": row.bytes,
        "loads": figures.of(row, "load"),
        "bytes": figures.of(row, "bytes"),
        "code": CODE[form["runs_code"]],
        "signed": form["signed"] or "no",
        "kind": "signed" if form["signed"] else "unsigned",
        "label": form["label"] if row in named else "",
        "front": row in on_front,
    }


def times(results: Comparison, rows: list[Row]) -> dict[str, Any]:
    """Return medians and quartiles of saving and loading."""
    import altair as alt

    data = [
        {
            "format": results.formats[row.format]["label"],
            "what": what,
            "median": spread.median * 1e3,
            "q1": spread.q1 * 1e3,
            "q3": spread.q3 * 1e3,
            "time": figures.text(spread.median, "s"),
            "quartiles": f"{figures.text(spread.q1, 's')} – {figures.text(spread.q3, 's')}",
        }
        for row in rows
        for what in ("load", "save")
        if (spread := row.spread(what)) is not None
    ]
    order = _order(results, rows, "load")
    base = _chart(data).encode(
        y=_names(order),
        color=alt.Color("what:N", title=None).scale(
            domain=["load", "save"], range=["#1098ad", "#f76707"]
        ),
    )
    scale = alt.Scale(type="log", nice=False, padding=12)
    ranges = base.mark_rule(strokeWidth=3, opacity=0.45).encode(
        x=alt.X("q1:Q", title="ms").scale(scale).axis(format="~f", tickCount=7), x2="q3:Q"
    )
    marks = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=alt.X("median:Q").scale(scale), tooltip=["format:N", "what:N", "time:N", "quartiles:N"]
    )
    return _finished(alt.layer(ranges, marks), _BAR * len(order))


def cold_start(results: Comparison, rows: list[Row]) -> dict[str, Any]:
    """Return the phases of a cold start, stacked."""
    import altair as alt

    data = [
        {
            "format": results.formats[row.format]["label"],
            "phase": PHASE_NAMES[phase],
            "place": place,
            "seconds": seconds,
            "time": figures.text(seconds, "s"),
            "total": figures.of(row, "cold_total"),
        }
        for row in rows
        for place, phase in enumerate(PHASES)
        if (seconds := row.median(phase)) is not None
    ]
    order = _order(results, rows, "cold_total")
    colours = ["#909aa5", "#f0a04b", "#1098ad", "#7048e8"]
    bars = (
        _chart(data)
        .mark_bar()
        .encode(
            y=_names(order),
            x=alt.X("seconds:Q", title="seconds", stack="zero").axis(format=",~f", tickCount=8),
            color=alt.Color("phase:N", title=None).scale(
                domain=list(PHASE_NAMES.values()), range=colours
            ),
            order=alt.Order("place:Q"),
            tooltip=["format:N", "phase:N", "time:N", "total:N"],
        )
    )
    totals = [
        {
            "format": results.formats[row.format]["label"],
            "seconds": row.median("cold_total"),
            "total": figures.of(row, "cold_total"),
        }
        for row in rows
        if row.median("cold_total") is not None
    ]
    ends = (
        _chart(totals)
        .mark_text(align="left", dx=5)
        .encode(y=_names(order), x=alt.X("seconds:Q"), text="total:N")
    )
    return _finished(alt.layer(bars, ends), _BAR * len(order))


def memory(results: Comparison, rows: list[Row]) -> dict[str, Any]:
    """Return the memory of the process, and of it the part that loading took."""
    import altair as alt

    data = [
        {
            "format": results.formats[row.format]["label"],
            "code": CODE[results.formats[row.format]["runs_code"]],
            "process": (row.median("peak_process") or 0) / 1e6,
            "load": (row.median("peak_load") or 0) / 1e6,
            "whole": figures.of(row, "peak_process"),
            "loading": figures.of(row, "peak_load"),
            "saving": figures.of(row, "peak_save"),
        }
        for row in rows
    ]
    order = _order(results, rows, "peak_process")
    told = ["format:N", "whole:N", "loading:N", "saving:N"]
    base = _chart(data).encode(y=_names(order), tooltip=told)
    whole = base.mark_bar(opacity=0.4).encode(
        x=alt.X("process:Q", title="MB").axis(format=",~f", tickCount=8), color=_colour()
    )
    part = base.mark_bar().encode(x=alt.X("load:Q"), color=_colour())
    ends = base.mark_text(align="left", dx=5).encode(x="process:Q", text="whole:N")
    return _finished(alt.layer(whole, part, ends), _BAR * len(order))


def curves(growth: list[dict[str, Any]], axis: str) -> dict[str, Any]:
    """Return load and save time over the size of a model, both logarithmic."""
    import altair as alt

    data = [
        {"size": x, "seconds": y, "format": one["label"], "what": one["measure"]}
        for one in growth
        if one["axis"] == axis and one["measure"] in ("load", "save")
        for x, y in zip(one["x"], one["y"], strict=True)
    ]
    across, up = alt.X("size:Q", title=axis), alt.Y("seconds:Q", title="seconds")
    base = _chart(data).encode(
        x=across.scale(type="log", nice=False, padding=12).axis(format="~s", tickCount=6),
        y=up.scale(type="log", nice=False).axis(format="~f", tickCount=6),
        color=alt.Color("format:N", title=None).scale(scheme="tableau10"),
        tooltip=["format:N", "what:N", "size:Q", "seconds:Q"],
    )
    lines = base.mark_line().encode(strokeDash=alt.StrokeDash("what:N", title=None))
    chart = alt.layer(lines, base.mark_point(filled=True, size=50, opacity=1))
    return _finished(chart, 320)


def _chart(values: list[dict[str, Any]]) -> Any:
    import altair as alt

    return alt.Chart(alt.Data(values=values))  # type: ignore[no-untyped-call, unused-ignore]


def _colour() -> Any:
    import altair as alt

    return alt.Color("code:N", title="loading").scale(
        domain=list(CODE.values()), range=["#d9480f", "#1c7ed6", "#2b8a3e"]
    )


def _shape() -> Any:
    import altair as alt

    return alt.Shape("kind:N", title=None).scale(
        domain=["signed", "unsigned"], range=["diamond", "circle"]
    )


def _names(order: list[str]) -> Any:
    import altair as alt

    return alt.Y("format:N", title=None, sort=order).axis(labelLimit=_LABEL_LIMIT, ticks=False)


def _order(results: Comparison, rows: list[Row], measure: str) -> list[str]:
    known = [row for row in rows if row.median(measure) is not None]
    ordered = sorted(known, key=lambda row: row.median(measure) or 0)
    return [results.formats[row.format]["label"] for row in ordered]


def _finished(chart: Any, height: int) -> dict[str, Any]:
    found: dict[str, Any] = chart.properties(width="container", height=height).to_dict()
    found.pop("config", None)  # the page's
    return found
