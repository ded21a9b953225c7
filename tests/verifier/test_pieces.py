# SPDX-License-Identifier: BSD-3-Clause
"""Long texts are looked at piece by piece, and judged as if they were looked at whole."""

import random

import pytest

from safeserial.errors import CorruptArtifactError
from safeserial.verifier import constants, survey
from tests.verifier.streams import payload, policy

CHARACTERS = ["a", "é", "€", "😀", "\ud800", "z" * 5]


def whole(text):
    try:
        return len(text.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError:
        return None


def in_pieces(text):
    try:
        cut = constants.pieces(b"--" + text + b"\x80", 2, 2 + len(text))
        return sum(len(piece.decode("utf-8", "surrogatepass")) for piece in cut)
    except UnicodeDecodeError:
        return None


@pytest.mark.parametrize("seed", range(20))
def test_pieces_are_cut_between_characters(seed, monkeypatch):
    monkeypatch.setattr(constants, "PIECE", 8)
    dice = random.Random(seed)
    for _ in range(200):
        text = "".join(dice.choices(CHARACTERS, k=dice.randrange(20)))
        raw = bytearray(text.encode("utf-8", "surrogatepass"))
        if raw and dice.random() < 0.4:
            raw[dice.randrange(len(raw))] = dice.choice((0x41, 0x80, 0xBF, 0xC3, 0xED, 0xFF))
        assert in_pieces(bytes(raw)) == whole(bytes(raw))


@pytest.mark.parametrize("tail", [b"", "é".encode(), b"\x80", b"\xc3"])
def test_a_text_of_several_pieces_is_utf8_to_its_end(tail):
    text = b"a" * (2 * constants.PIECE - 1) + "é".encode() + b"b" * constants.PIECE + tail
    stream = b"\x80\x04X" + len(text).to_bytes(4, "little") + text + b"."
    found = survey(payload(stream), policy())
    if whole(text) is None:
        assert isinstance(found.problem, CorruptArtifactError)
    else:
        assert found.problem is None
