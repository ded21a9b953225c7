# SPDX-License-Identifier: BSD-3-Clause
"""Keras archives: a configuration in JSON, in which layers can carry Python code.

Floor 7.  The weights inside are HDF5, which is not parsed here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
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
_LARGEST: Final = 64 * 2**20
_OWN: Final = ("keras", "keras.", "tensorflow.keras", "tf_keras", "builtins")
_SCANNED: Final = 8 * 2**20
_SIGNS: Final = (b'"class_name": "Lambda"', b'"class_name":"Lambda"', b"__lambda__")


def read(content: Content, about: Inspection, archive: Archive, look: Look) -> Report:
    """Report a ``.keras`` file."""
    findings = list(archive.findings)
    texts: dict[str, Any] = {}
    for one in archive.members:
        if one.name in ("config.json", "metadata.json"):
            try:
                texts[one.name] = _json(open_member(content, archive, one, about))
            except FormatError as error:
                findings.append(refusal(error, member=one.name))
            except (ValueError, RecursionError):
                findings.append(damaged("it is no JSON document", member=one.name))
    config, facts = texts.get("config.json"), texts.get("metadata.json")
    findings += _layers(config)
    others = [one for one in archive.members if one.name not in texts and one.name[-1:] != "/"]
    members, more = look(content, about, archive, others)
    weights = [one for one in members if one.kind == "hdf5"]
    if weights:
        findings.append(
            finding("SS021", "its weights are HDF5, which is not looked into", level="note")
        )
    version = facts.get("keras_version") if isinstance(facts, dict) else None
    return assemble(
        content,
        about,
        "keras",
        [*findings, *more],
        members=[one for one in members if one.verdict not in ("not a model", "cannot tell")],
        estimator=_class(config),
        versions={"keras": shown(version)[1:-1][:40]} if isinstance(version, str) else {},
    )


def _json(content: Content) -> Any:
    if content.size > _LARGEST:
        raise ValueError("too large")
    return json.loads(content.read(0, content.size))


def _class(config: object) -> str:
    if not isinstance(config, dict):
        return ""
    names = [config.get("module"), config.get("class_name")]
    return ".".join(ascii(one)[1:-1][:200] for one in names if isinstance(one, str))


def _layers(config: object) -> list[Finding]:
    found: dict[str, Finding] = {}
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
            name, module = value.get("class_name"), value.get("module")
            if not isinstance(name, str):
                continue
            if name in {"Lambda", "__lambda__"}:
                found[name] = finding(
                    "SS017",
                    f"a layer of the class {shown(name)}: Python code that runs with the model",
                )
            elif isinstance(module, str) and module and not module.startswith(_OWN):
                dotted = f"{module}.{name}"[:300]
                found[dotted] = _foreign(dotted)
            elif name == "function" and isinstance(value.get("config"), str) and not module:
                dotted = value["config"][:300]
                found[dotted] = finding("SS020", f"a function of its own: {shown(dotted)}")
    return list(found.values())


def _foreign(dotted: str) -> Finding:
    danger = what_it_does(dotted)
    if danger:
        return finding("SS002", f"{shown(dotted)[1:-1]} {danger}", name=dotted)
    return unlisted(dotted)


def read_hdf5(content: Content, about: Inspection) -> Report:
    """Report an HDF5 file: what is in it cannot be told, but signs of code can be seen."""
    findings = [finding("SS021", "HDF5 files are not parsed")]
    start = content.read(0, _SCANNED)
    if any(sign in start for sign in _SIGNS):
        message = "the text of a Lambda layer: Python code that runs with the model"
        findings.append(finding("SS017", message))
    kind = "keras (HDF5)" if b"model_config" in start else "hdf5"
    return assemble(content, about, kind, findings)
