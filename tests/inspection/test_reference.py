# SPDX-License-Identifier: BSD-3-Clause
"""The reference page says what the code does."""

import re
from pathlib import Path

from safeserial.inspection import arrays, assembling, gguf, onnx, pickles, safetensors, skops, zips
from safeserial.inspection.report import RULES

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "inspection.md").read_text("utf-8")


def test_every_rule_is_in_the_table():
    rows = re.findall(r"^\| (SS\d{3}) \| `([a-z-]+)` \| (\w+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert rows == [(one.id, one.name, one.level, one.short) for one in RULES.values()]


def test_limits_are_the_ones_in_the_code():
    for value in (assembling.Budget().members, zips._MAX_MEMBERS, onnx._MOST_FIELDS, gguf._MOST):
        assert f"{value:,}" in PAGE
    assert f"| {pickles.MAX_PICKLES} |" in PAGE
    assert f"{skops._LARGEST_SCHEMA >> 20} MiB, {skops._DEEPEST} levels" in PAGE
    assert f"{arrays._LONGEST_HEADER >> 10} KiB, {arrays._DEEPEST} levels" in PAGE
    assert f"{safetensors._LARGEST_HEADER // 1_000_000} MB" in PAGE
    assert f"| {assembling.MAX_FINDINGS:,} |" in PAGE
