# SPDX-License-Identifier: BSD-3-Clause
"""Python's regular expressions for tokens, as far as they are runs of one class of characters.

Floor 7, beside the command line.  ONNX Runtime's expressions (RE2) have classes of their own
Unicode version, and word boundaries of ASCII: so classes are written out as Python has them.
"""

from __future__ import annotations

import functools
import re
import sys
from dataclasses import dataclass
from typing import Final

_CLASS: Final = r"\\[wdsWDS]|\[\^?\]?(?:\\.|[^\]\\])+\]"
_QUANTITY: Final = r"\+|\{\d+(?:,\d*)?\}|"
_PATTERN: Final = re.compile(
    rf"(?:\(\?u\))?(?P<start>\\b)?(?P<run>(?:(?:{_CLASS})(?:{_QUANTITY}))+)(?P<end>\\b)?\Z"
)
_ITEM: Final = re.compile(rf"(?P<kind>{_CLASS})(?P<times>{_QUANTITY})")
#: What RE2 takes as the largest number of repetitions.
_MOST: Final = 1000


@dataclass(frozen=True)
class TokenPattern:
    """How tokens are found: an expression for RE2, and one that each must match, or None."""

    find: str
    keep: str | None = None
    spaces: bool = False


def translate(pattern: str) -> TokenPattern | None:  # noqa: PLR0911 - a table of cases
    """Return a Python expression for RE2, or None where it is not a run of one class.

    Parameters
    ----------
    pattern : str
        A vectorizer's ``token_pattern``.
    """
    found = _PATTERN.match(pattern)
    if found is None:
        return None
    items = [(one["kind"], one["times"]) for one in _ITEM.finditer(found["run"])]
    kinds = {kind for kind, _ in items}
    if len(kinds) != 1:
        return None
    low = 0
    high: int | None = 0
    for _, times in items:
        least, most = _bounds(times)
        low, high = low + least, (None if most is None or high is None else high + most)
    if low == 0 or low > _MOST or (high or 0) > _MOST:
        return None
    inside = members(kinds.pop())
    run = f"{inside}{{{low},{'' if high is None else high}}}"
    spaces = re.search(items[0][0], " ") is not None
    word = members(r"\w")
    bounded = found["start"] is not None or found["end"] is not None
    if not bounded:
        return TokenPattern(run, None, spaces)
    if inside == word and high is None:
        return TokenPattern(run)  # a run of all the word characters ends at boundaries by itself
    if found["start"] and found["end"] and not _outside_words(items[0][0]):
        return TokenPattern(f"{word}+", run)
    return None


def _bounds(times: str) -> tuple[int, int | None]:
    if times == "":
        return 1, 1
    if times == "+":
        return 1, None
    least, comma, most = times[1:-1].partition(",")
    return int(least), (int(most) if most else None) if comma else int(least)


@functools.cache
def _everything() -> str:
    return "".join(chr(n) for n in range(sys.maxunicode + 1) if not 0xD800 <= n <= 0xDFFF)


@functools.cache
def _outside_words(kind: str) -> bool:
    """Whether a class has characters that are none of a word."""
    return any(re.match(r"\W", one) for one in re.findall(kind, _everything()))


@functools.cache
def members(kind: str) -> str:
    """Return a class of Python's as one of RE2: its ranges, written out."""
    numbers = [ord(one) for one in re.findall(kind, _everything())]
    parts = []
    start = before = None
    for number in [*numbers, None]:
        if before is not None and number == before + 1:
            before = number
            continue
        if start is not None and before is not None:
            parts.append(_range(start, before))
        start = before = number
    return "[" + "".join(parts) + "]"


def _range(start: int, end: int) -> str:
    return rf"\x{{{start:x}}}" if start == end else rf"\x{{{start:x}}}-\x{{{end:x}}}"
