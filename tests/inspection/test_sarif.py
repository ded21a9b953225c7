# SPDX-License-Identifier: BSD-3-Clause
"""SARIF: valid by the schema's own types, known again next time, and harmless to look at.

`pydantic_sarif` holds types generated from the schema of SARIF 2.1.0, which refuse what the schema
does not know.  What GitHub wants beyond it is tested by hand.
"""

import io
import json
import os
import re
from dataclasses import replace
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif

from safeserial.inspection.report import RULES, Finding
from safeserial.inspection.sarif import SarifWriter
from tests.inspection import reported
from tests.inspection.browser import EVIL


def written(*reports, complete=True, base="/work"):
    stream = io.BytesIO()
    writer = SarifWriter(stream, version="1.0.0", base=base)
    for one in reports:
        writer.add(one)
    writer.finish(complete=complete)
    text = stream.getvalue().decode("ascii")
    Sarif.model_validate_json(text)
    return json.loads(text)


def results(*reports, **options):
    return written(*reports, **options)["runs"][0]["results"]


def location(result):
    (found,) = result["locations"]
    return found


def uri(result):
    return location(result)["physicalLocation"]["artifactLocation"]


def test_rules_are_those_of_the_inspection():
    (run,) = written()["runs"]
    driver = run["tool"]["driver"]
    assert [one["id"] for one in driver["rules"]] == list(RULES)
    for one in driver["rules"]:
        assert one["help"]["text"]
        assert 0 < float(one["properties"]["security-severity"]) <= 10
    assert run["results"] == []
    assert run["invocations"] == [{"executionSuccessful": True}]


def test_a_result_says_what_and_where():
    first, second = results(reported.DANGEROUS)
    assert (first["ruleId"], first["level"]) == ("SS002", "error")
    assert list(RULES)[first["ruleIndex"]] == "SS002"
    assert first["message"] == {"text": "runs a command"}
    assert uri(first) == {"uri": "models/stranger.pkl", "uriBaseId": "%SRCROOT%"}
    assert location(first)["physicalLocation"]["region"] == {"startLine": 1, "byteOffset": 11}
    assert location(first)["logicalLocations"] == [
        {"name": "system", "fullyQualifiedName": "os.system"}
    ]
    assert location(second)["physicalLocation"]["region"] == {"startLine": 1}


def test_members_are_told_apart_from_the_file():
    (result,) = results(reported.ARCHIVE)
    assert uri(result)["uri"] == "net.pt"
    names = [one["fullyQualifiedName"] for one in location(result)["logicalLocations"]]
    assert names == ["mylib.Net", "archive/data.pkl"]
    assert "byteOffset" not in location(result)["physicalLocation"]["region"]
    assert result["properties"]["offsetInDecompressedContent"] == 7


def test_nothing_is_said_of_safe_files_and_of_files_that_are_no_models():
    assert results(reported.SAFE, reported.PICTURE) == []


@pytest.mark.parametrize("verdict", ["dangerous", "needs trust", "cannot tell"])
def test_a_verdict_without_findings_is_a_result_all_the_same(verdict):
    (result,) = results(replace(reported.UNREADABLE, verdict=verdict))
    assert result["message"]["text"] == "the archive ends early"
    assert result["level"] in ("error", "warning")


def test_interrupted():
    (run,) = written(reported.DANGEROUS, complete=False)["runs"]
    assert run["invocations"] == [{"executionSuccessful": False}]
    assert len(run["results"]) == 2


def fingerprint(result):
    return result["partialFingerprints"]["primaryLocationLineHash"]


def test_results_are_known_again_when_offsets_move():
    (one, _), (two, _) = (
        results(replace(reported.DANGEROUS, findings=(moved, reported.DANGEROUS.findings[1])))
        for moved in (replace(reported.DANGEROUS.findings[0], offset=at) for at in (11, 99))
    )
    assert fingerprint(one) == fingerprint(two)


def test_no_two_results_share_a_fingerprint():
    twice = replace(reported.DANGEROUS, findings=reported.DANGEROUS.findings * 2)
    found = [fingerprint(one) for one in results(twice, reported.ARCHIVE)]
    assert len(set(found)) == len(found) == 5


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a b/ü.pkl", "a%20b/%C3%BC.pkl"),
        ("./x/../m.pkl", "m.pkl"),
        ("/work/m.pkl", "m.pkl"),
        ("c:m.pkl", "c%3Am.pkl"),
        ("m\udce9.pkl", "m%E9.pkl"),
        ("m\n#?%.pkl", "m%0A%23%3F%25.pkl"),
        ("/elsewhere/m.pkl", "file:///elsewhere/m.pkl"),
        ("../m.pkl", "file:///m.pkl"),
        ("/workshop/m.pkl", "file:///workshop/m.pkl"),
        ("-", "standard-input"),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="paths of POSIX")
def test_paths_are_uris_relative_to_the_base(path, expected):
    (result,) = results(replace(reported.UNREADABLE, path=path))
    assert uri(result)["uri"] == expected
    assert ("uriBaseId" in uri(result)) == (not expected.startswith("file:"))


def test_hostile_text_is_shown_and_not_obeyed():
    found = results(reported.HOSTILE)
    for result in found:
        text = result["message"]["text"]
        assert text.isprintable()
        assert not re.search(r"(?<!\\)\]\(", text)  # would be a link
        assert "\\[click\\]" in text
        for one in location(result)["logicalLocations"]:
            assert one["fullyQualifiedName"].isprintable()
    raw = unquote_to_bytes(uri(found[0])["uri"])
    assert raw == os.fsencode(f"data/{EVIL}")


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=40), st.text(st.characters(), max_size=40))
def test_no_text_breaks_the_document(path, text):
    finding = Finding(rule="SS003", level="error", message=text, name=text, member=text)
    try:
        os.fsencode(path)
    except UnicodeEncodeError:  # no path of this machine
        path = "m.pkl"
    (result,) = results(replace(reported.DANGEROUS, path=f"f{path}", findings=(finding,)))
    assert result["message"]["text"].isprintable()
    assert result["message"]["text"]
