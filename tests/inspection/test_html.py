# SPDX-License-Identifier: BSD-3-Clause
"""The page of an inspection: all is there, nothing is obeyed, and a browser shows it."""

import base64
import hashlib
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safeserial.inspection.html import HtmlWriter
from safeserial.inspection.report import Finding
from tests.inspection import browser, reported

ACTIVE = {"script", "img", "iframe", "object", "embed", "form", "link", "base", "a", "svg"}


def page(*reports, complete=True, title="models"):
    stream = io.BytesIO()
    writer = HtmlWriter(stream, version="1.0", created="2026-01-01", title=title)
    for one in reports:
        writer.add(one)
    writer.finish(complete=complete)
    return stream.getvalue().decode("utf-8")


class Tags(HTMLParser):
    """All elements of a document with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_everything_is_told():
    text = browser.without_tags(page(*reported.ALL))
    for told in (
        "models/stranger.pkl",
        "runs a command",
        "SS002 known-danger",
        "os.system",
        "at byte 11",
        "2 globals, 1 not on the allowlist",
        "archive/data.pkl",
        "2 members inside",
        "torch 2.1.0",
        "sklearn.pipeline.Pipeline",
        "the archive ends early",
        "1.2 MB",
    ):
        assert told in text, told


def test_counts_are_filters():
    text = page(*reported.ALL)
    tiles = re.findall(r'<label for="show-([a-z-]+)" class="tile [a-z-]+"><b>(\d+)</b>', text)
    assert dict(tiles) == {
        "all": "6",
        "dangerous": "2",
        "needs-trust": "1",
        "cannot-tell": "1",
        "safe": "1",
        "not-a-model": "1",
    }
    for name, _ in tiles:
        assert f'id="show-{name}"' in text


def test_nothing_is_fetched_or_run():
    text = page(*reported.ALL)
    tags = Tags(text).found
    assert not {tag for tag, _ in tags} & ACTIVE
    for _, attributes in tags:
        assert not {"src", "href", "style", "action"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
    assert "url(" not in text
    assert "@import" not in text


def test_the_page_forbids_itself_everything_but_its_own_style():
    text = page(reported.SAFE)
    style = re.search(r"<style>(.*)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'" in text


def test_hostile_text_is_shown_and_not_obeyed():
    text = page(reported.HOSTILE, title=browser.EVIL)
    assert all(one.isprintable() or one == "\n" for one in text)
    assert "&lt;script&gt;document.title" in text
    assert "\\u202egnp.exe" in text
    assert "\\udce9" in text


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=60))
def test_no_text_changes_the_elements(text):
    """Whatever a file says, the document has the elements that it has with plain words."""

    def outline(word):
        finding = Finding(rule="SS003", level="error", message=f"m{word}", name=f"n{word}")
        report = replace(reported.SAFE, path=f"p{word}", kind=f"k{word}", findings=(finding,))
        return [(tag, sorted(attributes)) for tag, attributes in Tags(page(report)).found]

    assert outline(text) == outline("x")


def test_an_interrupted_inspection_says_so():
    assert "not all files were looked at" in page(reported.SAFE, complete=False)
    assert "not all files were looked at" not in page(reported.SAFE)


def test_no_model_is_no_empty_page():
    assert "No model file was found" in page()


def test_many_globals_are_cut_and_counted():
    many = reported.surveyed(*(reported.named("m", f"n{one}") for one in range(1000)))
    text = browser.without_tags(page(replace(reported.DANGEROUS, survey=many)))
    assert "1000 globals, 1000 not on the allowlist" in text
    assert "and 800 more" in text


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The page of all samples as a file, and a folder for the browser."""
    folder = tmp_path_factory.mktemp("browser")
    path = folder / "report.html"
    path.write_text(page(*reported.ALL, title=browser.EVIL), "utf-8")
    return path, folder


def test_a_browser_runs_nothing_of_it(shown):
    path, folder = shown
    document = browser.dump_dom(path, folder)
    tags = {tag for tag, _ in Tags(document).found}
    assert not tags & ACTIVE
    title = re.search(r"<title>(.*?)</title>", document, re.DOTALL)[1]
    assert title.startswith("Inspection of &lt;script&gt;")
    assert "gnp.exe" in document


def test_a_browser_paints_it_light_and_dark(shown):
    """The style is in force: the policy of the page lets it through."""
    path, folder = shown
    light = browser.screenshot(path, folder)
    dark = browser.screenshot(path, folder, dark=True)
    assert min(browser.pixel(light, 5, 5)) > 200
    assert max(browser.pixel(dark, 5, 5)) < 60


def test_the_numbers_filter_the_files_without_a_script(shown):
    """The page of one safe file, as it is and with the radio button of another verdict checked."""
    _, folder = shown
    text = page(reported.SAFE)
    chosen = text.replace(' id="show-all" checked', ' id="show-all"').replace(
        ' id="show-dangerous"', ' id="show-dangerous" checked'
    )
    colours = []
    for number, one in enumerate((text, chosen)):
        path = folder / f"{number}.html"
        path.write_text(one, "utf-8")
        colours.append(browser.pixel(browser.screenshot(path, folder), 32, 215))
    assert colours == [(255, 255, 255), (246, 247, 249)]  # the card, and the paper behind it
