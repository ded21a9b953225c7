# SPDX-License-Identifier: BSD-3-Clause
"""The shell transcripts of the how-to guides are what the program prints today.

Key ids, artifact ids, dates and sizes differ from run to run: an id of a page stands for the id
that the program printed in its place, the others for any of their kind.
"""

import re
import shlex
from pathlib import Path

import pytest

GUIDES = Path(__file__).parents[2] / "docs" / "howto"
PAGES = [
    "keys-and-rotation.md",
    "two-person-rule.md",
    "pack-a-legacy-pickle.md",
    "check-before-loading.md",
    "inspect-models.md",
]
FENCE = re.compile(r"^```(python|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
KINDS = "(?:hmac|ed25519|p256|p384|p521|ml-dsa-65)"
PIN = "sha256:[0-9a-f]{64}"  # the fingerprint of a published ring is typed again, as an id is
KEY_ID = re.compile(rf"\b{KINDS}-[0-9a-f]{{32}}|{PIN}")
KEY_START = re.compile(rf"\b{KINDS}-[0-9a-f]{{4,32}}|{PIN}")
PASSING = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "ARTIFACT"),
    (re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"\b20\d\d-\d\d-\d\d\b"), "DATE"),
    (re.compile(r"\(\d+(\.\d)? k?B\)"), "(SIZE)"),
)


def steps(page):
    """The commands of a page with what they print, and its Python blocks."""
    for kind, text in FENCE.findall((GUIDES / page).read_text("utf-8")):
        if kind == "python":
            yield kind, text, ""
            continue
        for block in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, printed = block.partition("\n")
            yield kind, command, printed


def settled(text):
    for pattern, word in PASSING:
        text = pattern.sub(word, text)
    return text


class Reader:
    """Somebody who types a page line by line."""

    def __init__(self, monkeypatch):
        self.monkeypatch = monkeypatch
        self.ids = {}
        self.namespace = {}

    def real(self, match):
        (found,) = {real for told, real in self.ids.items() if told.startswith(match[0])}
        return found

    def type(self, command, printed):
        from click.testing import CliRunner

        from safeserial.cli.app import app

        words = shlex.split(KEY_START.sub(self.real, command))
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self.monkeypatch.setenv(name, value)
            return
        assert words[0] == "safeserial"
        output = CliRunner().invoke(app, words[1:]).output
        told, real = KEY_ID.findall(printed), KEY_ID.findall(output)
        assert len(told) == len(real), output
        self.ids.update(zip(told, real, strict=True))
        expected = KEY_ID.sub(lambda match: self.ids[match[0]], printed)
        assert settled(output) == settled(expected)


@pytest.mark.parametrize("page", PAGES)
def test_page(page, monkeypatch):
    reader = Reader(monkeypatch)
    for kind, text, printed in steps(page):
        if kind == "python":
            exec(compile(text, page, "exec"), reader.namespace)
        else:
            reader.type(text, printed)
