# SPDX-License-Identifier: BSD-3-Clause
"""Names of files in a signed folder: one place each, on every system.

Floor 5.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from safeserial.errors import CaseCollisionError, EscapingNameError

MAX_NAME: Final = 1024
MAX_PARTS: Final = 32
MAX_PART_BYTES: Final = 255  # what file systems take
SELF: Final = "."  # the name of the one resource, where a file is signed and no folder
_DRIVE: Final = re.compile(r"[A-Za-z]:")
# What the tools of Model Signing leave out of a folder's top level.
GIT_NAMES: Final = (".git", ".gitattributes", ".github", ".gitignore")


def check(name: str) -> None:
    """Refuse a name that is not one place below the folder.

    Raises
    ------
    EscapingNameError
        If it is absolute, has ``.``, ``..``, empty parts, backslashes or control characters, begins
        with a drive, or is too long or too deep.
    """
    parts = name.split("/")
    if (
        (not name.isprintable() and any(map(_is_control, name)))
        or len(name) > MAX_NAME
        or len(parts) > MAX_PARTS
        or "\\" in name
        or _DRIVE.match(name)
        or any(part in {"", ".", ".."} for part in parts)
        or any(len(part.encode("utf-8")) > MAX_PART_BYTES for part in parts)
    ):
        shown = name.encode("unicode_escape").decode("ascii")[:120]
        raise EscapingNameError(f"not a name of a file in a folder: {shown!r}", names=(name,))


def check_collisions(names: Iterable[str]) -> None:
    """Refuse names that a file system may take for one another, folders' names included.

    Raises
    ------
    CaseCollisionError
        If two differ in case or in Unicode form only.
    EscapingNameError
        If a name is a file and a folder at once.
    """
    seen: dict[str, str] = {}
    files = set()
    for name in names:
        files.add(name)
        end = len(name)
        while end > 0:
            place = name[:end]
            known = seen.setdefault(_folded(place), place)
            if known != place:
                raise CaseCollisionError(
                    f"{known!r} and {place!r} are one name on other systems", names=(known, place)
                )
            end = name.rfind("/", 0, end)
    for name in files:
        end = name.rfind("/")
        while end > 0:
            if name[:end] in files:
                raise EscapingNameError(f"{name[:end]!r} is a file and a folder", names=(name,))
            end = name.rfind("/", 0, end)


def _is_control(letter: str) -> bool:
    """Say whether it is a control character, a line end or half a character."""
    return unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"}


def _folded(name: str) -> str:
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def places(listed: Iterable[str]) -> set[str]:
    """Return names of files and of all folders on the way to them."""
    found = set()
    for name in listed:
        end = len(name)
        while end > 0 and name[:end] not in found:
            found.add(name[:end])
            end = name.rfind("/", 0, end)
    return found


def is_below(name: str, places: Iterable[str]) -> bool:
    """Say whether a name is one of `places` or lies below one."""
    return any(name == place or name.startswith(f"{place}/") for place in places)
