# SPDX-License-Identifier: BSD-3-Clause
"""skops files: a tree of nodes in JSON, each saying what it makes; judged by the allowlist.

Floor 7.  skops is not imported.  What each kind of node builds is described in its own words in
docs/reference/inspection.md; a node whose label is not what it would build is hostile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from safeserial.errors import FormatError
from safeserial.inspection.assembling import Inspection, assemble, damaged, finding, refusal, shown
from safeserial.inspection.content import Content
from safeserial.inspection.dangers import unlisted, what_it_does
from safeserial.inspection.report import Finding, Report
from safeserial.inspection.zip_members import open_member
from safeserial.inspection.zips import Archive, Member

Look = Callable[
    [Content, Inspection, Archive, Iterable[Member]], tuple[list[Report], list[Finding]]
]
_LARGEST_SCHEMA: Final = 64 * 2**20
_DEEPEST: Final = 900
_KNOWN: Final = frozenset(
    "DictNode DefaultDictNode ListNode SetNode TupleNode BytesNode BytearrayNode SliceNode "
    "FunctionNode MethodNode PartialNode TypeNode ConstructorFromReduceNode ObjectNode JsonNode "
    "OperatorFuncNode NdArrayNode MaskedArrayNode DTypeNode RandomStateNode RandomGeneratorNode "
    "SparseMatrixNode ReduceNode TreeNode LossNode SGDNode QuantileForestNode CachedNode "
    "DatetimeNode ZoneInfoNode ConstructFromReduceNode _DictWithDeprecatedKeysNode".split()
)
_PLAIN: Final = frozenset(
    f"builtins.{name}"
    for name in "dict list tuple set frozenset str int float bool NoneType bytes bytearray slice "
    "complex type".split()
) | {"types.NoneType", "numpy.ndarray", "numpy.dtype", "numpy.ma.MaskedArray"}


@dataclass
class _Walk:
    """What has been seen so far."""

    names: dict[str, tuple[str, str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    ids: set[int] = field(default_factory=set)
    loaders: dict[str, int] = field(default_factory=dict)
    cached: list[int] = field(default_factory=list)
    version: str = ""


def read(content: Content, about: Inspection, archive: Archive, look: Look) -> Report:
    """Report a skops file."""
    findings = list(archive.findings)
    schema = next(one for one in archive.members if one.name == "schema.json")
    try:
        tree = _schema(open_member(content, archive, schema, about))
    except FormatError as error:
        return assemble(content, about, "skops", [*findings, refusal(error)], problem=error)
    except (ValueError, RecursionError) as error:
        findings.append(damaged(f"schema.json is no JSON tree: {shown(error)}"))
        return assemble(content, about, "skops", findings)
    walk = _Walk()
    _follow(tree, walk)
    _check_cached(walk)
    findings += walk.findings
    findings += _judge(walk, about)
    findings += _entries(walk, archive)
    used = [one for one in archive.members if one.name in walk.files]
    members, more = look(content, about, archive, used)
    module, name = _label(tree)
    return assemble(
        content,
        about,
        "skops",
        [*findings, *more],
        members=members,
        estimator=f"{module}.{name}" if name else "",
        versions=_versions(tree, walk),
        details={
            "protocol": shown(tree.get("protocol", 0)).strip("'"),
            "nodes": ", ".join(f"{count} {kind}" for kind, count in sorted(walk.loaders.items())),
        },
    )


def _schema(content: Content) -> dict[str, Any]:
    if content.size > _LARGEST_SCHEMA:
        raise ValueError(f"it has {content.size} bytes")
    tree = json.loads(content.read(0, content.size), object_pairs_hook=_unique)
    if not isinstance(tree, dict) or "__loader__" not in tree:
        raise ValueError("it has no node")
    return tree


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("an object has a key twice")
    return made


def _follow(tree: dict[str, Any], walk: _Walk) -> None:
    waiting: list[tuple[Any, int]] = [(tree, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > _DEEPEST:
            walk.findings.append(finding("SS011", "the tree of nodes is nested too deeply"))
            return
        if isinstance(value, list):
            waiting += [(one, depth + 1) for one in reversed(value)]
        elif isinstance(value, dict):
            if "__loader__" in value:
                _node(value, walk)
            waiting += [(one, depth + 1) for one in reversed(value.values())]


def _label(node: dict[str, Any]) -> tuple[str, str]:
    module, name = node.get("__module__"), node.get("__class__")
    if not isinstance(module, str) or not isinstance(name, str):
        return "", ""
    return module[:300], name[:300]


def _node(node: dict[str, Any], walk: _Walk) -> None:
    loader = node["__loader__"]
    kind = loader if isinstance(loader, str) else ""
    if kind not in _KNOWN:
        walk.findings.append(finding("SS014", f"a node of unknown kind {shown(loader)}"))
    module, name = _label(node)
    if not name:
        walk.findings.append(finding("SS014", "a node does not say what class it is of"))
        return
    dotted = f"{module}.{name}"
    walk.loaders[kind] = walk.loaders.get(kind, 0) + 1
    identity = node.get("__id__")
    if kind == "CachedNode":
        walk.cached.append(identity if isinstance(identity, int) else -1)
        return
    if isinstance(identity, int):
        walk.ids.add(identity)
    walk.names.setdefault(dotted, (module, name))
    file = node.get("file")
    if isinstance(file, str):
        walk.files.add(file)
    if kind in _SPECIAL:
        _SPECIAL[kind](node, walk, dotted)
    version = node.get("content")
    if isinstance(version, dict) and not walk.version:
        _sklearn(version, walk)


def _sklearn(content: dict[str, Any], walk: _Walk) -> None:
    held = content.get("_sklearn_version")
    text = held.get("content") if isinstance(held, dict) else None
    if isinstance(text, str) and 2 < len(text) < 32:  # noqa: PLR2004
        walk.version = ascii(text.strip('"'))[1:-1]


def _function(node: dict[str, Any], walk: _Walk, dotted: str) -> None:
    content = node.get("content")
    if isinstance(content, dict):  # before protocol 2 the function stood here
        inner = f"{content.get('module_path')}.{content.get('function')}"[:600]
        walk.names.setdefault(inner, (inner.rpartition(".")[0], inner.rpartition(".")[2]))
        dotted = inner
    walk.findings.append(
        finding("SS013", f"a FunctionNode hands out the function {shown(dotted)}", level="note")
    )


def _method(node: dict[str, Any], walk: _Walk, dotted: str) -> None:
    content = node.get("content")
    inner = content if isinstance(content, dict) else {}
    owner = inner.get("obj")
    method = inner.get("func")
    message = f"a MethodNode takes the method {shown(method)} of a {shown(dotted)}"
    walk.findings.append(finding("SS013", message, name=dotted))
    if not isinstance(owner, dict) or ".".join(_label(owner)) != dotted:
        message = f"a MethodNode says {shown(dotted)} and takes a method of something else"
        walk.findings.append(finding("SS014", message))


def _operator(_: dict[str, Any], walk: _Walk, dotted: str) -> None:
    if dotted not in {"operator.attrgetter", "operator.itemgetter", "operator.methodcaller"}:
        message = f"an OperatorFuncNode that would call {shown(dotted)}"
        walk.findings.append(finding("SS014", message))
        return
    does = {"attrgetter": "reads attributes of", "itemgetter": "takes items of"}
    message = (
        f"an OperatorFuncNode makes a function that {does.get(dotted[9:], 'calls a method of')} "
        "whatever it is given"
    )
    walk.findings.append(finding("SS013", message, name=dotted))


def _partial(_: dict[str, Any], walk: _Walk, __: str) -> None:
    walk.findings.append(
        finding("SS013", "a PartialNode holds a function with arguments, to be called later")
    )


_SPECIAL: Final[dict[str, Callable[[dict[str, Any], _Walk, str], None]]] = {
    "FunctionNode": _function,
    "MethodNode": _method,
    "OperatorFuncNode": _operator,
    "PartialNode": _partial,
}


def _check_cached(walk: _Walk) -> None:
    missing = sum(one not in walk.ids for one in walk.cached)
    if missing:
        message = f"{missing} CachedNodes refer to nodes that are not there"
        walk.findings.append(finding("SS014", message))


def _judge(walk: _Walk, about: Inspection) -> list[Finding]:
    allowlist = about.policy.allowlist
    found = []
    for dotted, (module, name) in walk.names.items():
        if dotted in _PLAIN or allowlist.find(allowlist.resolve(module, name)) is not None:
            continue
        danger = what_it_does(dotted)
        if danger:
            message = f"{shown(dotted)[1:-1]} {danger}"
            found.append(finding("SS002", message, name=dotted))
        else:
            found.append(unlisted(dotted))
    return found


def _entries(walk: _Walk, archive: Archive) -> list[Finding]:
    found = []
    for one in archive.members:
        if one.name not in walk.files and one.name != "schema.json":
            message = f"{shown(one.name)} is in the archive and no node needs it"
            found.append(finding("SS023", message, member=one.name[:200]))
    missing = sorted(walk.files - archive.names)[:20]
    return found + [damaged(f"a node needs {shown(name)}, which is missing") for name in missing]


def _versions(tree: dict[str, Any], walk: _Walk) -> dict[str, str]:
    own = tree.get("_skops_version")
    said = {"skops": ascii(own)[1:-1][:32]} if isinstance(own, str) else {}
    if walk.version:
        said["scikit-learn"] = walk.version
    return said
