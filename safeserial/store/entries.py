# SPDX-License-Identifier: BSD-3-Clause
"""What a store answers with: frozen values, each read from a statement whose signature was right.

Floor 7.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal

from safeserial.manifest import Manifest

LATEST: Final = "latest"
State = Literal["live", "yanked", "deleted"]


class Whatever(Enum):
    """Type of `ANY`."""

    ANY = "ANY"


ANY: Final = Whatever.ANY  # of `expect`: whatever the alias points at now


@dataclass(frozen=True)
class StoredFile:
    """One format of a version.

    Parameters
    ----------
    format : str
        ``pickle``, ``joblib``, ``skops``, ``onnx``.
    artifact_id : str
        SHA-256 of its manifest's bytes.
    size : int
        Bytes of the artifact as a file.
    class_name : str
        Class of the model.
    key_ids : tuple of str
        Who signed that it is this version of this model.
    exported_from : str
        Artifact id of the version's first format, ``""`` for that itself.
    created : datetime
        When it was published.
    """

    format: str
    artifact_id: str
    size: int
    class_name: str
    key_ids: tuple[str, ...]
    exported_from: str
    created: datetime.datetime


@dataclass(frozen=True)
class Entry:
    """One version of one model.

    Parameters
    ----------
    name : str
        Of the model.
    version : int
        From 1 on; never given twice.
    state : {"live", "yanked", "deleted"}
        Yanked versions are not chosen by ``name`` alone nor by an alias; the bytes of deleted ones
        are gone.
    files : tuple of StoredFile
        Its formats; the first one is what ``load`` takes unless told otherwise.
    created : datetime
        When it was published.
    metadata : mapping
        The publisher's own, of the manifest and of ``publish``.
    parameters : mapping of str to str
        ``get_params()`` of the model as text, where it was published from memory.
    derived_from : tuple of str
        ``name:version`` of the entries that it was made of.
    aliases : tuple of str
        Aliases that point at it now.
    manifest : Manifest, optional
        Of the first format.  None where the version was deleted.
    """

    name: str
    version: int
    state: State
    files: tuple[StoredFile, ...]
    created: datetime.datetime | None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    derived_from: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    manifest: Manifest | None = field(default=None, repr=False)

    @property
    def spec(self) -> str:
        """``name:version``."""
        return f"{self.name}:{self.version}"

    @property
    def artifact_id(self) -> str:
        """Artifact id of the first format, ``""`` where the version was deleted."""
        return self.files[0].artifact_id if self.files else ""

    @property
    def size(self) -> int:
        """Bytes of all formats."""
        return sum(one.size for one in self.files)

    @property
    def formats(self) -> tuple[str, ...]:
        """Names of its formats, the first one first."""
        return tuple(one.format for one in self.files)

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as plain JSON values."""
        described = self.manifest
        return {
            "name": self.name,
            "version": self.version,
            "state": self.state,
            "created": _text(self.created),
            "aliases": list(self.aliases),
            "class_name": described.model.class_name if described else "",
            "metadata": dict(self.metadata),
            "parameters": dict(self.parameters),
            "derived_from": list(self.derived_from),
            "packages": dict(described.environment.packages) if described else {},
            "python": described.environment.python if described else "",
            "files": [
                {
                    "format": one.format,
                    "artifact_id": one.artifact_id,
                    "size": one.size,
                    "signed_by": list(one.key_ids),
                    "exported_from": one.exported_from,
                    "created": _text(one.created),
                }
                for one in self.files
            ],
        }


@dataclass(frozen=True)
class Channel:
    """Where an alias points, or pointed.

    Parameters
    ----------
    name : str
        Of the model.
    alias : str
        For instance ``production``.
    version : int
        0 where the alias was taken away.
    counter : int
        Number of its moves, this one included.
    created, not_after : datetime
        When it was signed, and until when it is believed.
    key_ids : tuple of str
        Who signed it.
    actor : str
        Who moved it, by their own word.
    """

    name: str
    alias: str
    version: int
    counter: int
    created: datetime.datetime
    not_after: datetime.datetime
    key_ids: tuple[str, ...]
    actor: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "name": self.name,
            "alias": self.alias,
            "version": self.version,
            "counter": self.counter,
            "created": _text(self.created),
            "not_after": _text(self.not_after),
            "signed_by": list(self.key_ids),
            "actor": self.actor,
        }


@dataclass(frozen=True)
class Edge:
    """A line of descent.

    Parameters
    ----------
    kind : {"previous", "derived-from", "exported-as"}
        What the target is to the source.
    source, target : str
        ``name:version``, for an export with ``/format``.
    """

    kind: str
    source: str
    target: str


@dataclass(frozen=True)
class Difference:
    """One thing in which two entries differ.

    Parameters
    ----------
    part : {"model", "parameters", "metadata", "environment", "globals", "formats", "size"}
        What it belongs to.
    key : str
        For instance the name of a parameter or of a package.
    a, b : str
        The values; ``""`` where there is none.
    """

    part: str
    key: str
    a: str
    b: str


@dataclass(frozen=True)
class AuditLine:
    """A line of the audit log.

    Parameters
    ----------
    number : int
        From 1 on, without gaps.
    created : datetime
        By the writer's clock.
    actor : str
        Who did it, by their own word.
    action : str
        ``create``, ``publish``, ``attach``, ``alias``, ``rollback``, ``yank``, ``restore``,
        ``delete``, ``refresh``, ``gc``.
    subject : str
        ``name:version``, ``name@alias`` or ``name``.
    detail : mapping
        What else there is to say.
    digest : str
        SHA-256 over the digest before it and this line.
    """

    number: int
    created: datetime.datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]
    digest: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "number": self.number,
            "created": _text(self.created),
            "actor": self.actor,
            "action": self.action,
            "subject": self.subject,
            "detail": dict(self.detail),
            "digest": self.digest,
        }


@dataclass(frozen=True)
class Problem:
    """Something that is not as it was signed.

    Parameters
    ----------
    subject : str
        Where.
    message, hint : str
        What, and what to do.
    error : str
        Name of the error class.
    """

    subject: str
    message: str
    hint: str
    error: str


@dataclass(frozen=True)
class AuditReport:
    """Result of a look through the audit log.

    Parameters
    ----------
    lines : int
        How many there are.
    checkpoints : int
        How many signed checkpoints fit.
    problems : tuple of Problem
        Empty if every line is there, in its place and as it was written.
    checkpoint : str
        The newest signed checkpoint as one line of text: kept elsewhere, it shows later that
        nothing before it was changed.
    """

    lines: int
    checkpoints: int
    problems: tuple[Problem, ...]
    checkpoint: str = ""

    @property
    def ok(self) -> bool:
        """Whether there are no problems."""
        return not self.problems


@dataclass(frozen=True)
class CheckReport:
    """Result of verifying everything.

    Parameters
    ----------
    artifacts, channels : int
        How many were verified and are right.
    size : int
        Bytes read.
    problems : tuple of Problem
        What is not right.
    audit : AuditReport
        Of the audit log.
    """

    artifacts: int
    channels: int
    size: int
    problems: tuple[Problem, ...]
    audit: AuditReport

    @property
    def ok(self) -> bool:
        """Whether there are no problems, nor any in the audit log."""
        return not self.problems and self.audit.ok


@dataclass(frozen=True)
class Swept:
    """What `gc` found.

    Parameters
    ----------
    chunks, size : int
        Pieces that nothing refers to, and their bytes; removed unless it was a dry run.
    objects, object_size : int
        The same in the bucket or folder of large payloads.
    dry_run : bool
        Whether nothing was removed.
    """

    chunks: int
    size: int
    objects: int
    object_size: int
    dry_run: bool


@dataclass(frozen=True)
class Transferred:
    """What an import or a copy brought.

    Parameters
    ----------
    entries : mapping of str to str
        ``name:version`` there to ``name:version`` here.
    aliases : tuple of str
        ``name@alias`` that were set here.
    skipped : tuple of str
        What was here already.
    """

    entries: Mapping[str, str]
    aliases: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


def _text(moment: datetime.datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
