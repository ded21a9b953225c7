# SPDX-License-Identifier: BSD-3-Clause
"""The comparison of scanners runs, and says of each what it answered."""

import json

from click.testing import CliRunner

from safeserial_benchmarks import inspecting


def test_files_are_made_and_measured(tmp_path):
    output = tmp_path / "found.json"
    arguments = ["--quick", "--kinds", "tiny,npz", "-o", str(output)]
    ended = CliRunner().invoke(inspecting.main, arguments)
    assert ended.exit_code == 0, ended.output
    ours = [
        one
        for one in json.loads(output.read_text("utf-8"))["rows"]
        if one["scanner"] == inspecting.OURS
    ]
    assert [one["job"] for one in ours] == ["tiny.pkl", "tiny.joblib", "arrays.npz"]
    assert {one["says"] for one in ours} == {"safe"}
    assert all(one["ratio"] == 1 and one["best"] > 0 for one in ours)
    assert "tiny.joblib" in ended.output


def test_a_file_of_ones_own_is_told_by_what_it_does(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(b"cos\nsystem\n(X\x02\x00\x00\x00lstR.")
    output = tmp_path / "found.json"
    ended = CliRunner().invoke(inspecting.main, [str(path), "--quick", "-o", str(output)])
    assert ended.exit_code == 0, ended.output
    assert json.loads(output.read_text("utf-8"))["rows"][0]["says"] == "dangerous"
