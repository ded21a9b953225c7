# SPDX-License-Identifier: BSD-3-Clause
"""The report of formats: a browser without a network draws every chart, and obeys no name."""

import base64
import hashlib
import json
import re

import pytest

from safeserial_benchmarks.formats import catalogue, front, html, results
from tests.inspection import browser

CHARTS = 4


def made_up(model="a model", title=""):
    """Rows with figures that differ, one of each status."""
    forms = [one for one in catalogue.FORMATS if one.family != "mlflow"]
    found = results.Comparison(machine={"cpu": "x"}, settings={"rounds": 2}, created="2026-01-01")
    found.models = {
        model: {
            "title": title,
            "class": "a.B",
            "pickled_bytes": 5000,
            "many_rows": 10,
            "trusted": [],
        }
    }
    found.formats = {one.key: one.facts() for one in forms}
    for number, form in enumerate(forms):
        row = results.Row(model=model, format=form.key, status="ok", bytes=500 + 97 * number**2)
        row.parity = {"identical": True, "compared": ["predict"], "labels_differ": 0}
        for name, (_, unit) in results.MEASURES.items():
            one = (number % 7 + 1) * (1e7 if unit == "bytes" else 1e-3)
            row.values[name] = [[one, one * 1.1], [one * 1.2]]
        row.values["cold_total"] = [[sum(row.values[p][0][0] for p in results.PHASES)]]
        found.rows.append(row)
    found.rows[3].status, found.rows[3].error, found.rows[3].values = (
        "failed",
        title or "it broke",
        {},
    )
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html.render(made_up()), "utf-8")
    return path


def test_every_chart_is_drawn(page, tmp_path):
    dom = browser.dump_dom(page, tmp_path)
    assert f'data-drawn="{CHARTS}"' in dom
    assert "data-failed" not in dom
    assert len(re.findall('<svg[^>]*class="marks"', dom)) == CHARTS
    shown = browser.without_tags(dom)
    for told in ("safeserial (pickle, HMAC)", "file size", "imports", "it broke", "What to take"):
        assert told in shown


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_is_painted_in_both_schemes(page, tmp_path, dark):
    red, _, _ = browser.pixel(browser.screenshot(page, tmp_path, dark=dark), 5, 5)
    assert (red < 60) if dark else (red > 200)


def test_nothing_is_fetched(page):
    text = page.read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 2
    for one in [*scripts, re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]]:
        digest = base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    outside = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.findall(r'(?:src|href)="(?!#)', outside)


def test_hostile_names_are_shown_and_not_obeyed(tmp_path):
    evil = f"{browser.EVIL}</script><script>document.title='had'</script>"
    path = tmp_path / "evil.html"
    path.write_text(html.render(made_up(model=evil, title=evil)), "utf-8", "surrogatepass")
    dom = browser.dump_dom(path, tmp_path)
    assert "<title>had" not in dom
    assert f'data-drawn="{CHARTS}"' in dom


def test_the_front_holds_what_nothing_beats():
    rows = [
        results.Row(model="m", format=name, status="ok", bytes=size, values={"load": [[seconds]]})
        for name, size, seconds in (("a", 10, 1.0), ("b", 5, 2.0), ("c", 7, 3.0), ("d", 1, 4.0))
    ]
    assert [row.format for row in front.front(rows)] == ["a", "b", "d"]


def test_curves_of_growth_are_drawn(tmp_path):
    found = made_up()
    curve = {"axis": "trees", "format": "joblib", "label": "joblib", "exponent": 1.0, "r2": 0.9}
    found.growth = [
        {**curve, "measure": name, "x": [1.0, 10.0], "y": [1.0, 9.0]} for name in ("load", "save")
    ]
    path = tmp_path / "growth.html"
    path.write_text(html.render(found), "utf-8")
    dom = browser.dump_dom(path, tmp_path)
    assert 'data-drawn="1"' in dom
    assert json.dumps("trees") in path.read_text("utf-8")
