# SPDX-License-Identifier: BSD-3-Clause
"""How models, versions and aliases are called: ``name``, ``name:version``, ``name@alias``.

Floor 7.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from safeserial.errors import PolicyError
from safeserial.store.entries import LATEST

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*\Z")
_ALIAS: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}\Z")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}\Z")
MAX_NAME: Final = 200


@dataclass(frozen=True)
class Spec:
    """What a caller asks for.

    Parameters
    ----------
    name : str
        Of the model.
    version : int, optional
        If it was given by number.
    alias : str
        Else the alias, ``latest`` where none was given.
    """

    name: str
    version: int | None
    alias: str


def parse(spec: str) -> Spec:
    """Read ``name``, ``name:version`` or ``name@alias``.

    Raises
    ------
    PolicyError
        If it is none of them.
    """
    if len(spec) <= MAX_NAME + 80:
        name, at, alias = spec.partition("@")
        if at:
            return Spec(check_name(name), None, check_alias(alias, latest=True))
        name, colon, number = spec.partition(":")
        if not colon:
            return Spec(check_name(name), None, LATEST)
        if _VERSION.match(number):
            return Spec(check_name(name), int(number), "")
    raise PolicyError(
        f"not the name of an entry: {str(spec)[:80]!r}", hint="name, name:7 or name@production"
    )


def numbered(spec: str) -> tuple[str, int]:
    """Read ``name:version``."""
    found = parse(spec)
    if found.version is None:
        raise PolicyError(f"a version is needed: {spec[:80]!r}", hint=f"{found.name}:7")
    return found.name, found.version


def check_name(name: str) -> str:
    """Return a model's name, or raise PolicyError."""
    if len(name) > MAX_NAME or not _NAME.match(name):
        raise PolicyError(
            f"not a name for a model: {str(name)[:80]!r}",
            hint=f"letters, digits and ._- with / between parts, at most {MAX_NAME}",
        )
    return name


def check_alias(alias: str, *, latest: bool = False) -> str:
    """Return an alias, or raise PolicyError."""
    if not _ALIAS.match(alias) or (alias == LATEST and not latest):
        raise PolicyError(
            f"not a name for an alias: {str(alias)[:80]!r}",
            hint="a letter, then letters, digits and ._-; `latest` moves by itself",
        )
    return alias
