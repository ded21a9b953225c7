# SPDX-License-Identifier: BSD-3-Clause
"""Known dangers: what a call of a name would do, in plain words (``dangers.toml``).

Floor 7.  This list only explains; nothing depends on its being complete.  What may load is decided
by the allowlist, and a name that is on neither needs trust.
"""

from __future__ import annotations

import functools
import importlib.resources
import tomllib
from collections.abc import Mapping
from typing import Final

from safeserial.errors import PolicyError
from safeserial.inspection.assembling import finding, shown
from safeserial.inspection.opcodes import constants_at
from safeserial.inspection.report import Finding
from safeserial.verifier import Survey

_TORCH: Final = "torch"


@functools.cache
def _tables() -> Mapping[str, Mapping[str, str]]:
    file = importlib.resources.files("safeserial.inspection") / "dangers.toml"
    return tomllib.loads(file.read_text("utf-8"))


def what_it_does(dotted: str) -> str:
    """Return what a call of a name would do.

    Parameters
    ----------
    dotted : str
        Module and qualified name.

    Returns
    -------
    str
        Beginning with a verb, ``""`` for a name of which nothing bad is known.
    """
    known = _tables()["dangers"]
    if dotted in known:
        return known[dotted]
    parts = dotted.split(".")[:12]
    for count in range(len(parts) - 1, 0, -1):
        said = known.get(".".join(parts[:count]) + ".*")
        if said is not None:
            return said
    return ""


def torch_meaning(dotted: str) -> str:
    """Return what a name means in a file of PyTorch, ``""`` if weights_only would refuse it."""
    known = _tables()[_TORCH]
    if dotted in known:
        return known[dotted]
    head, _, last = dotted.rpartition(".")
    if head == _TORCH:
        for ending in ("Storage", "Tensor"):
            if last.endswith(ending):
                return known[f"torch.*{ending}"]
    return ""


def judge_names(found_by: Survey, stream: memoryview | None, *, member: str = "") -> list[Finding]:
    """Return one finding for each name that the policy does not list.

    In a file that is refused, dangerous names that are listed for a harmless use are told too.
    """
    refused = isinstance(found_by.problem, PolicyError)
    found = []
    for one in found_by.globals:
        if one.allowed and not (refused and "call" in one.roles):
            continue
        danger = what_it_does(one.dotted) or what_it_does(".".join(one.written))
        if one.allowed and not danger:
            continue
        if not danger:
            found.append(unlisted(one.dotted, member=member, offset=one.offset))
            continue
        given = constants_at(stream, one.offset) if stream is not None else []
        behind = f"; near it: {', '.join(map(shown, given))}" if given else ""
        message = f"{shown(one.dotted)[1:-1]} {danger}{behind}"
        found.append(finding("SS002", message, name=one.dotted, member=member, offset=one.offset))
    return found


def unlisted(dotted: str, *, member: str = "", offset: int | None = None) -> Finding:
    """Return the finding that a name is not on the policy's list."""
    message = f"{shown(dotted)[1:-1]} is not on the allowlist"
    return finding("SS001", message, name=dotted, member=member, offset=offset)
