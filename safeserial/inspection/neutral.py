# SPDX-License-Identifier: BSD-3-Clause
"""Make text from strangers harmless to look at: no control, format or lone surrogate characters.

Floor 7.  Imports nothing heavy: every command prints through it.
"""

from __future__ import annotations

import re
from typing import Final

_SECRET: Final = re.compile(r"(safeserial-[a-z0-9-]{1,40}-v[0-9]{1,3}):[A-Za-z0-9_+/=-]+")


def printable(text: object) -> str:
    """Return text that a terminal only shows: control and format characters as escapes."""
    shown = without_secrets(str(text))
    if shown.isprintable():
        return shown
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in shown
    )


def without_secrets(text: str) -> str:
    """Return `text` with what looks like a key of safeserial replaced."""
    return _SECRET.sub(r"\1:(not shown)", text)
