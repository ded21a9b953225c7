# SPDX-License-Identifier: BSD-3-Clause
"""What a detached signature is over: an in-toto Statement that lists files with their digests.

Floor 5.  The form is that of OpenSSF Model Signing v1.0: in-toto Statement v1
(https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md) with the predicate
``https://model_signing/signature/v1.0``.  Sizes and what the signer says of the model stand in
annotations, the one place for them that its schema allows.
"""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from safeserial import strictjson
from safeserial.detached import documents, names
from safeserial.errors import (
    CorruptArtifactError,
    DigestMismatchError,
    EscapingNameError,
    LimitExceededError,
    UnsupportedVersionError,
)

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "https://model_signing/signature/v1.0"
SHA256: Final = "sha256"  # the one that Model Signing's own tools verify
BLAKE3: Final = "blake3"  # four times as fast, where only we read it
MAX_STATEMENT_BYTES: Final = 16 * 2**20
MAX_FILES: Final = 65_536
MAX_IGNORED: Final = 256
MAX_FACT: Final = 256
SIZE: Final = "safeserial/size"  # annotation of a resource
FACTS: Final = "safeserial/v1"  # annotation of the subject
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class Resource:
    """One signed file.

    Parameters
    ----------
    name : str
        Relative to the folder, with ``/``; ``.`` where a single file was signed.
    digest : str
        In hex.
    size : int, optional
        In bytes, where the signer says it.
    """

    name: str
    digest: str
    size: int | None = None


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What a signer says.

    Parameters
    ----------
    subject : str
        What the file or folder was called when it was signed.
    resources : tuple of Resource
        Every signed file, in the order of the statement.
    algorithm : {"sha256", "blake3"}
        Of the digests.
    ignored : tuple of str
        Places that the signer left out.
    created : datetime, optional
        When it was signed, in UTC; statements of other tools do not say.
    name, version : str
        Of the model; ``""`` where the signer gives none.
    metadata : mapping of str to str
        The signer's own words.
    """

    subject: str
    resources: tuple[Resource, ...]
    algorithm: str = SHA256
    ignored: tuple[str, ...] = names.GIT_NAMES
    created: datetime.datetime | None = None
    name: str = ""
    version: str = ""
    metadata: Mapping[str, str]

    @property
    def digests(self) -> dict[str, str]:
        """Name to digest of every file."""
        return {one.name: one.digest for one in self.resources}

    def encode(self) -> bytes:
        """Return the bytes to sign: canonical JSON, files in the order of their names."""
        ordered = sorted(self.resources, key=lambda one: one.name)
        subject: dict[str, Any] = {
            "name": self.subject,
            "digest": {"sha256": root_of(ordered)},
            "annotations": {FACTS: self._facts()},
        }
        predicate = {
            "resources": [_plain(one, self.algorithm) for one in ordered],
            "serialization": {
                "method": "files",
                "hash_type": self.algorithm,
                "allow_symlinks": False,
                "ignore_paths": list(self.ignored),
            },
        }
        body = strictjson.encode(
            {
                "_type": STATEMENT,
                "subject": [subject],
                "predicateType": PREDICATE,
                "predicate": predicate,
            }
        )
        strictjson.check_size(body, what="the list of files", limit=MAX_STATEMENT_BYTES)
        return body

    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        if self.created is not None:
            facts["created"] = self.created.strftime("%Y-%m-%dT%H:%M:%SZ")
        facts |= {key: value for key in ("name", "version") if (value := getattr(self, key))}
        if self.metadata:
            facts["metadata"] = dict(self.metadata)
        return facts


def root_of(resources: Sequence[Resource]) -> str:
    """Return SHA-256 over the digests in their order, as Model Signing has it.

    It binds neither names nor sizes: two folders with other names can have the same.  So it is
    written and checked, and used for nothing.
    """
    return hashlib.sha256(b"".join(bytes.fromhex(one.digest) for one in resources)).hexdigest()


def decode(body: bytes, algorithms: tuple[str, ...] = (SHA256,)) -> Statement:
    """Read a statement whose signature is right.

    Parameters
    ----------
    body : bytes
        The signed bytes.
    algorithms : tuple of str
        What files may be hashed with: a sigstore bundle's with SHA-256 alone.

    Returns
    -------
    Statement
        With at least one file, each name once, none leading out of the folder.

    Raises
    ------
    UnsupportedVersionError
        If it is a statement of another kind, or files are hashed in another way.
    EscapingNameError, CaseCollisionError
        If names are not what they should be.
    DigestMismatchError
        If the digest of the whole does not fit the digests of the files.
    CorruptArtifactError, LimitExceededError
        If it has another form.
    """
    what = "the signed statement"
    value = documents.decode(body, what=what, limit=MAX_STATEMENT_BYTES)
    top = documents.fields(value, what, needed="_type subject predicateType predicate")
    for key, known in (("_type", STATEMENT), ("predicateType", PREDICATE)):
        if top[key] != known:
            raise UnsupportedVersionError(f"unknown {key} of a statement: {str(top[key])[:120]!r}")
    subjects = documents.listed(top["subject"], "subject", limit=1)
    if not subjects or not isinstance(subjects[0], dict):
        raise CorruptArtifactError("the statement has no subject")
    parts = documents.fields(top["predicate"], "predicate", needed="resources serialization")
    algorithm, listed = _serialization(parts["serialization"], algorithms)
    items = documents.listed(parts["resources"], "resources", limit=MAX_FILES)
    resources = tuple(_resource(item, algorithm) for item in items)
    _check_names([one.name for one in resources])
    covered = names.places(one.name for one in resources)
    ignored = tuple(place for place in listed if place not in covered)
    _check_root(subjects[0], resources)
    return Statement(
        subject=documents.text(subjects[0].get("name", ""), "the subject's name"),
        resources=resources,
        algorithm=algorithm,
        ignored=ignored,
        **_facts_of(subjects[0]),
    )


def _plain(one: Resource, algorithm: str) -> dict[str, Any]:
    plain: dict[str, Any] = {"name": one.name, "algorithm": algorithm, "digest": one.digest}
    return plain if one.size is None else plain | {"annotations": {SIZE: one.size}}


def _serialization(value: Any, algorithms: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    found = documents.fields(
        value,
        "serialization",
        needed="method hash_type allow_symlinks",
        optional="ignore_paths shard_size",
    )
    how = (str(found["method"]), str(found["hash_type"]))
    if how not in {("files", one) for one in algorithms} or "shard_size" in found:
        raise UnsupportedVersionError(
            f"files are hashed in a way that is not read here: {str(how)[:80]}",
            hint="ask the sender to sign by whole files with SHA-256, the usual way",
        )
    if found["allow_symlinks"] is not False:
        raise UnsupportedVersionError(
            "the signature allows symlinks in the folder",
            hint="ask the sender to sign the files themselves",
        )
    ignored = documents.listed(found.get("ignore_paths", []), "ignore_paths", limit=MAX_IGNORED)
    # Model Signing leaves these four out, whether its signature says so or not.
    places = dict.fromkeys([*names.GIT_NAMES, *(_ignored(one) for one in ignored)])
    return str(found["hash_type"]), tuple(places)


def _ignored(value: Any) -> str:
    name = documents.text(value, "a path in ignore_paths", limit=names.MAX_NAME)
    names.check(name)
    return name


def _resource(item: Any, algorithm: str) -> Resource:
    if not isinstance(item, dict):
        raise CorruptArtifactError("a signed file is no JSON object")
    name = documents.text(item.get("name"), "the name of a signed file", limit=names.MAX_NAME)
    if item.get("algorithm") != algorithm:
        kind = str(item.get("algorithm"))[:40]
        raise UnsupportedVersionError(f"a file is hashed with {kind!r}, which is not read here")
    digest = item.get("digest")
    if not isinstance(digest, str) or not _HEX.match(digest):
        raise CorruptArtifactError("the digest of a signed file is not 64 hex digits")
    notes = item.get("annotations")
    size = notes.get(SIZE) if isinstance(notes, dict) else None
    if size is not None and (type(size) is not int or not 0 <= size <= strictjson.MAX_INTEGER):
        raise CorruptArtifactError("the size of a signed file is no number of bytes")
    return Resource(name, digest, size)


def _check_names(listed: list[str]) -> None:
    if not listed:
        raise CorruptArtifactError("the signature covers no file at all")
    if len(set(listed)) != len(listed):
        raise EscapingNameError("the signature names a file twice")
    if listed != [names.SELF]:
        for name in listed:
            names.check(name)
    names.check_collisions(listed)


def _check_root(subject: Mapping[str, Any], resources: tuple[Resource, ...]) -> None:
    digest = subject.get("digest")
    if not isinstance(digest, dict) or not isinstance(digest.get("sha256"), str):
        raise CorruptArtifactError("the subject has no sha256")
    if digest["sha256"] != root_of(resources):
        raise DigestMismatchError("the statement's digest of the whole does not fit its files")


def _facts_of(subject: Mapping[str, Any]) -> dict[str, Any]:
    notes = subject.get("annotations")
    said = notes.get(FACTS) if isinstance(notes, dict) else None
    if said is None:
        return {"metadata": {}}
    facts = documents.fields(said, FACTS, needed="", optional="created name version metadata")
    metadata = facts.get("metadata", {})
    if not isinstance(metadata, dict):
        raise CorruptArtifactError("the metadata of a statement is no JSON object")
    return {
        "created": _moment(facts["created"]) if "created" in facts else None,
        "name": documents.text(facts.get("name", ""), "the model's name", limit=MAX_FACT),
        "version": documents.text(facts.get("version", ""), "the version", limit=MAX_FACT),
        "metadata": {
            documents.text(key, "metadata"): documents.text(value, "metadata")
            for key, value in metadata.items()
        },
    }


def _moment(value: Any) -> datetime.datetime:
    try:
        if isinstance(value, str) and _MOMENT.match(value):
            return datetime.datetime.fromisoformat(value)
    except ValueError:  # the 31st of February
        pass
    raise CorruptArtifactError("the date of a statement has another form")


def check_facts(name: str, version: str, metadata: Mapping[str, str]) -> None:
    """Refuse what a signer cannot say of a model.

    Raises
    ------
    LimitExceededError
        If a text is too long, or there are too many.
    CorruptArtifactError
        If one is no text.
    """
    documents.text(name, "the model's name", limit=MAX_FACT)
    documents.text(version, "the version", limit=MAX_FACT)
    for key, value in metadata.items():
        if not documents.text(key, "a key of the metadata").isascii():
            raise CorruptArtifactError("keys of metadata are ASCII texts")
        documents.text(value, f"metadata {key[:40]!r}")
    if len(metadata) > MAX_IGNORED:
        raise LimitExceededError(f"{len(metadata)} metadata; the limit is {MAX_IGNORED}")
