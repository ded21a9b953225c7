# SPDX-License-Identifier: BSD-3-Clause
"""Files that strangers made: their class and version show.  Skipped where there are none."""

import json
from pathlib import Path

import pytest

import safeserial as ss

WILD = Path(__file__).parents[3] / "shared" / "wild"
CENSUS = WILD / "census.json"
FILES = json.loads(CENSUS.read_text()) if CENSUS.exists() else []
CONTAINERS = {"pickle": "pickle", "skops": "skops", "onnx": "onnx", "npy": "npy"}

pytestmark = pytest.mark.skipif(not FILES, reason="no files of strangers here")


@pytest.mark.parametrize("facts", FILES, ids=[one["file"] for one in FILES])
def test_a_file_of_a_stranger(facts):
    report = ss.inspect(WILD / facts["file"])
    start = facts["container"].split()[0].split("+")[0]
    packed = "+" in facts["container"]
    assert report.kind.startswith("joblib" if packed else CONTAINERS.get(start, "joblib"))
    assert report.verdict != "not a model"
    assert not any(one.rule in ("SS002", "SS005") for one in report.findings)
    if facts["sklearn"]:
        assert report.versions["scikit-learn"] in facts["sklearn"]
    if report.survey is not None and facts["globals"]:
        assert report.estimator in {*facts["globals"], "builtins.dict", "builtins.list"}
