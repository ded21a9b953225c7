# SPDX-License-Identifier: BSD-3-Clause
"""skops files: the archive proved, its tree of nodes checked, what is built being what was checked.

Floor 4.  skops trusts types by name; what a node *does* with a name depends on its kind, and some
kinds build another thing than their label says (CVE-2025-54412, CVE-2025-54413).  So each kind of
node has a rule here (:mod:`safeserial.foreign.skops_nodes`), and an unknown kind is refused.
"""

from __future__ import annotations

import json
from typing import Any, Final

from safeserial.errors import (
    CorruptArtifactError,
    LimitExceededError,
    SafeSerialError,
    UnsupportedVersionError,
)
from safeserial.foreign.archive import Archive, open_archive, packed
from safeserial.foreign.skops_nodes import Tree
from safeserial.foreign.skops_rules import RULES
from safeserial.policy import Name, Policy

SCHEMA: Final = "schema.json"
LAST_PROTOCOL: Final = 2
_LARGEST_SCHEMA: Final = 64 * 2**20
# Schemas repeat themselves, but never that often.
_MOST_PACKED: Final = 200
_SLACK: Final = 4 * 2**20
# A list or dict takes at least so many bytes; skops writes hardly one in a hundred bytes of text.
_BRACKET_BYTES: Final = 64
_TEXT_BYTES: Final = 4


def examine(
    data: memoryview | bytes, policy: Policy
) -> tuple[bytes, dict[Name, Name], tuple[str, ...]]:
    """Check a skops file against a policy.

    Parameters
    ----------
    data : bytes-like
        The whole file.
    policy : Policy
        Names and limits.

    Returns
    -------
    bytes
        The file to load: as given, or with today's names where older ones stood.
    dict of name to name
        What is built, as written and as found today.
    tuple of str
        Dotted names that the policy does not list, sorted.

    Raises
    ------
    SafeSerialError
        If no skops file that skops itself wrote could look like this, or a name is used in a way
        that it is not listed for.
    """
    whole = bytes(data)
    archive = open_archive(whole, policy.limits)
    text = _text(archive, policy)
    try:
        schema = json.loads(text, object_pairs_hook=_unique)
        protocol = _protocol(schema)
        tree = Tree(archive, policy, protocol, RULES, max(len(whole), len(text)))
        tree.root(schema)
    except SafeSerialError:
        raise
    except (RecursionError, MemoryError):
        raise LimitExceededError("the skops schema is nested too deeply, or too large") from None
    except (ValueError, TypeError, KeyError) as error:
        raise CorruptArtifactError(f"the skops schema is damaged: {error!r}"[:200]) from None
    if tree.changed:
        members: dict[str, bytes | memoryview] = {name: archive.read(name) for name in tree.files}
        whole = packed({**members, SCHEMA: json.dumps(schema).encode("ascii")})
    return whole, tree.names, tuple(sorted(tree.untrusted))


def _text(archive: Archive, policy: Policy) -> bytes:
    """Return the schema, if parsing it costs about what a schema costs."""
    place = archive.places.get(SCHEMA)
    if place is not None and (
        place.size > _LARGEST_SCHEMA or place.size > place.packed * _MOST_PACKED + _SLACK
    ):
        raise LimitExceededError(f"the skops schema has {place.size} bytes")
    text = bytes(archive.read(SCHEMA))
    brackets = text.count(b"[") + text.count(b"{")
    if _BRACKET_BYTES * brackets - _TEXT_BYTES * len(text) > policy.limits.inflation:
        raise LimitExceededError("the skops schema is made of brackets")
    return text


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise CorruptArtifactError(
            "the skops schema has a key twice",
            hint="skops cannot write a dict with both 1 and '1' as keys; save it as pickle",
        )
    return made


def _protocol(schema: Any) -> int:
    if not isinstance(schema, dict):
        raise CorruptArtifactError("the skops schema is no node")
    protocol = schema.get("protocol")
    if type(protocol) is not int or protocol < 0:
        raise CorruptArtifactError("the skops schema has no protocol number")
    if protocol > LAST_PROTOCOL:
        raise UnsupportedVersionError(f"skops protocol {protocol} is not read here")
    return protocol
