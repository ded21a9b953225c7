# SPDX-License-Identifier: BSD-3-Clause
"""The one-line forms of pairs of keys: what they begin with, and the one text that each key has.

Floor 2.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final, TypeVar

from safeserial.errors import KeyringError
from safeserial.keys.kinds import ED25519, KINDS, Kind

PUBLIC_MARK: Final = "public"
PRIVATE_MARK: Final = "private"
_Wanted = TypeVar("_Wanted")


def prefix(kind: Kind, mark: str) -> str:
    """Return how the one-line form of a key begins."""
    return f"safeserial-{kind.label}-{mark}-v1:"


def one_line(kind: Kind, mark: str, raw: bytes) -> str:
    """Return the one-line form of a half."""
    return prefix(kind, mark) + base64.urlsafe_b64encode(raw).decode("ascii")


def kind_of_text(text: str) -> tuple[Kind, str] | None:
    """Return kind and mark of a one-line form by how it begins, None for another text."""
    for kind in KINDS:
        for mark in (PUBLIC_MARK, PRIVATE_MARK):
            if text.startswith(prefix(kind, mark)):
                return kind, mark
    return None


def read_line(text: str, mark: str) -> tuple[Kind, bytes]:
    """Return kind and bytes of a half from its one-line form.

    Raises
    ------
    KeyringError
        If it is none, or not in its canonical form; it is never repeated in the message.
    """
    line = text.strip()
    found = kind_of_text(line)
    if found is None or found[1] != mark:
        raise KeyringError(
            f"this is not the {mark} half of a pair of keys",
            hint=f"it is one line that starts like {prefix(ED25519, mark)}",
        )
    kind = found[0]
    coded = line.removeprefix(prefix(kind, mark))
    try:
        raw = base64.b64decode(coded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise KeyringError(f"the {mark} key is not valid base64url") from None
    if base64.urlsafe_b64encode(raw).decode() != coded:
        raise KeyringError(f"the {mark} key is not in the canonical base64url form")
    return kind, raw


def of_class(wanted: type[_Wanted], key: object) -> _Wanted:
    """Return a key if it is of the class that was asked for.

    Raises
    ------
    KeyringError
        If it is of another one.
    """
    if not isinstance(key, wanted):
        raise KeyringError(
            f"this is {_called(key)}, not {_called(wanted)}",
            hint="safeserial.keys.key_from_file() and key_from_pem() take keys of every kind",
        )
    return key


def _called(thing: object) -> str:
    name = thing.__name__ if isinstance(thing, type) else type(thing).__name__
    return f"an {name}" if name[0] in "EHA" else f"a {name}"
