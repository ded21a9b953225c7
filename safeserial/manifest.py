# SPDX-License-Identifier: BSD-3-Clause
"""The manifest: the signed description of one payload, frozen, strict and versioned.

Floor 3.  What a reader may rely on is here and nowhere else: which members the file has, how long
they are, what they hash to.  See docs/spec/format-v1.md, section 6.
"""

from __future__ import annotations

import datetime
import re
from typing import Any, Final

import msgspec

from safeserial import strictjson
from safeserial.digests import Digest
from safeserial.errors import CorruptArtifactError, LimitExceededError, UnsupportedVersionError

SCHEMA: Final = "safeserial/manifest/v1"
MAX_MANIFEST_BYTES: Final = 16 * 2**20
MAX_MEMBERS: Final = 1000
MAX_TOTAL_SIZE: Final = 2**47  # 128 TiB: far over any model, far under where sums overflow
_PATH: Final = re.compile(r"payload(/[A-Za-z0-9_]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?){1,4}\Z")
_CREATED: Final = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ\Z", re.ASCII)
_CRC32: Final = re.compile(r"[0-9a-f]{8}\Z")


class _Strict(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Base of the parts: no field more, no field less, no other type."""


class Member(_Strict, frozen=True, kw_only=True):
    """One file of the payload.

    Parameters
    ----------
    path : str
        ``payload/...``; ASCII letters, digits, ``._-``.
    size : int
        Bytes.
    digest : str
        ``blake3:`` or ``sha256:`` and 64 hex digits.
    crc32 : str
        Eight hex digits; needed by ZIP, protects nothing.
    """

    path: str
    size: int
    digest: str
    crc32: str


class Environment(_Strict, frozen=True, kw_only=True):
    """Where the model was saved.

    Parameters
    ----------
    python, implementation, platform : str
        For instance ``3.11.7``, ``CPython``, ``linux-x86_64``.
    packages : dict of str to str
        Distribution name to version.
    """

    python: str
    implementation: str
    platform: str
    packages: dict[str, str]


class ModelFacts(_Strict, frozen=True, kw_only=True):
    """What can be said of the model without loading it.

    Parameters
    ----------
    class_name : str
        Dotted name of its class.
    n_features : int, optional
        Number of features seen in ``fit``.
    feature_names : tuple of str, optional
        Their names, in order.
    classes : tuple, optional
        Class labels of a classifier, as strings, integers or booleans.
    """

    class_name: str
    n_features: int | None = None
    feature_names: tuple[str, ...] | None = None
    classes: tuple[str | int | bool, ...] | None = None


class Manifest(_Strict, frozen=True, kw_only=True):
    """Signed description of one payload.

    Parameters
    ----------
    format : str
        Name of the codec: ``pickle``, ``joblib``, ``skops``, ``onnx``.
    options : dict
        What the codec needs to know to decode.
    members : tuple of Member
        The payload's files, in file order.
    environment : Environment
        Where it was saved.
    model : ModelFacts
        What it is.
    globals : tuple of str
        Every global in the payload, ``module:qualname``, sorted.
    created : str
        UTC, ``YYYY-MM-DDThh:mm:ssZ``.
    name, version : str, optional
        The publisher's own.
    metadata : dict
        The publisher's own; JSON without floats.
    schema : str
        ``safeserial/manifest/v1``.
    """

    schema: str
    format: str
    options: dict[str, Any]
    members: tuple[Member, ...]
    environment: Environment
    model: ModelFacts
    globals: tuple[str, ...]
    created: str
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    name: str | None = None
    version: str | None = None

    @property
    def created_at(self) -> datetime.datetime:
        """Creation time, timezone-aware."""
        return moment(self.created)

    @property
    def payload_size(self) -> int:
        """Bytes of all members."""
        return sum(member.size for member in self.members)

    def encode(self) -> bytes:
        """Return the exact bytes that are signed and stored.

        Raises
        ------
        LimitExceededError
            If they would be over 16 MiB, or hold too many values.
        """
        data = strictjson.encode(msgspec.to_builtins(self))
        strictjson.check_size(data, what="the manifest", limit=MAX_MANIFEST_BYTES)
        return data


def decode(data: bytes) -> Manifest:
    """Read manifest bytes whose signature has been verified.

    Parameters
    ----------
    data : bytes
        Exactly as stored.

    Returns
    -------
    Manifest
        Checked in every field.

    Raises
    ------
    UnsupportedVersionError
        If the schema is a later one.
    CorruptArtifactError
        If a field is missing, unknown, of another type or out of its range.
    """
    value = strictjson.decode(data, what="the manifest", limit=MAX_MANIFEST_BYTES)
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise UnsupportedVersionError(f"unknown manifest schema: {str(schema)[:80]!r}")
    try:
        manifest = msgspec.convert(value, Manifest, strict=True)
    except msgspec.ValidationError as error:
        raise CorruptArtifactError(f"the manifest has another shape: {error}") from None
    _check(manifest)
    return manifest


def _check(manifest: Manifest) -> None:
    if not 1 <= len(manifest.members) <= MAX_MEMBERS:
        raise CorruptArtifactError(f"the manifest names {len(manifest.members)} members")
    seen: set[str] = set()
    for member in manifest.members:
        _check_member(member)
        if member.path.lower() in seen:  # some file systems would fold the two together
            raise CorruptArtifactError(f"two members are called {member.path!r}")
        seen.add(member.path.lower())
    for path in seen:
        folder = path
        while folder := folder.rpartition("/")[0]:
            if folder in seen:
                raise CorruptArtifactError(f"{path!r} would stand inside another member")
    if manifest.payload_size > MAX_TOTAL_SIZE:
        raise LimitExceededError("the payload would be over 128 TiB")
    _check_created(manifest)


def _check_member(member: Member) -> None:
    if not _PATH.match(member.path) or ".." in member.path:
        raise CorruptArtifactError(f"member name not allowed: {member.path[:120]!r}")
    if member.size < 0 or not _CRC32.match(member.crc32):
        raise CorruptArtifactError(f"size or checksum of {member.path!r} out of range")
    Digest.parse(member.digest)


def _check_created(manifest: Manifest) -> None:
    if not _CREATED.match(manifest.created):
        raise CorruptArtifactError("the creation time is not in the form YYYY-MM-DDThh:mm:ssZ")
    try:
        _ = manifest.created_at
    except ValueError as error:
        raise CorruptArtifactError(f"creation time: {error}") from None


def moment(created: str) -> datetime.datetime:
    """Return a creation time as a timezone-aware datetime."""
    return datetime.datetime.fromisoformat(created)


def now() -> str:
    """Return the present time in the manifest's form."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
