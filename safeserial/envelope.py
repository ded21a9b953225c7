# SPDX-License-Identifier: BSD-3-Clause
"""Envelope: manifest bytes and the signatures over them, in the manner of DSSE.

Floor 3: no cryptography here, only the exact text.  The signed bytes are DSSE's pre-authentication
encoding (https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md), which binds the type
and both lengths; the signed body stays outside the JSON, in the file's next member.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from safeserial import strictjson
from safeserial.errors import (
    CorruptArtifactError,
    LimitExceededError,
    UnsignedError,
    UnsupportedVersionError,
)
from safeserial.manifest import MAX_MANIFEST_BYTES

PAYLOAD_TYPE: Final = "application/vnd.safeserial.manifest.v1+json"
RESERVED_BYTES: Final = 16_320  # room for three ML-DSA-65 signatures; with its header 16 KiB
MAX_SIGNATURES: Final = 32
_KEY_ID: Final = re.compile(r"[a-z0-9][a-z0-9._:-]{0,127}\Z")


@dataclass(frozen=True)
class Signature:
    """One signature.

    Parameters
    ----------
    key_id : str
        Says which key to try; proves nothing.
    value : bytes
        The signature or tag.
    """

    key_id: str
    value: bytes


@dataclass(frozen=True)
class Envelope:
    """Manifest bytes, not yet verified, and the signatures that came with them.

    Parameters
    ----------
    body : bytes
        The manifest's exact bytes.
    signatures : tuple of Signature
        In file order.
    """

    body: bytes
    signatures: tuple[Signature, ...]

    @property
    def signed_bytes(self) -> bytes:
        """What a signature of this envelope is over."""
        return pre_authentication_encoding(PAYLOAD_TYPE, self.body)


def pre_authentication_encoding(payload_type: str, body: bytes) -> bytes:
    """Return DSSE's PAE of a body and its type."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


def pack_signatures(body_size: int, signatures: tuple[Signature, ...]) -> bytes:
    """Return the content of ``signatures.json``: canonical JSON, filled up with spaces.

    Raises
    ------
    LimitExceededError
        If the signatures do not fit the reserved room.
    """
    text = strictjson.encode(
        {
            "payloadSize": body_size,
            "payloadType": PAYLOAD_TYPE,
            "signatures": [
                {"keyid": one.key_id, "sig": base64.b64encode(one.value).decode("ascii")}
                for one in signatures
            ],
        }
    )
    if len(signatures) > MAX_SIGNATURES or len(text) > RESERVED_BYTES:
        raise LimitExceededError(f"{len(signatures)} signatures do not fit {RESERVED_BYTES} bytes")
    return text.ljust(RESERVED_BYTES, b" ")


def unpack_signatures(blob: bytes) -> tuple[int, tuple[Signature, ...]]:
    """Read the content of ``signatures.json``.

    Parameters
    ----------
    blob : bytes
        The whole reserved room.

    Returns
    -------
    body_size : int
        Size of the manifest in bytes, within its limit.
    signatures : tuple of Signature
        At least one, each key id once.

    Raises
    ------
    UnsupportedVersionError
        If the type is another one.
    UnsignedError
        If the list of signatures is empty.
    CorruptArtifactError, LimitExceededError
        If a byte is not as this module would write it.
    """
    # One comparison instead of sixteen thousand, where nothing but spaces follows.
    text = blob[: blob.rfind(b"}") + 1]
    if text.ljust(len(blob), b" ") != blob:
        text = blob.rstrip(b" ")
    value = strictjson.decode(text, what="signatures.json", limit=RESERVED_BYTES)
    if not isinstance(value, dict) or set(value) != {"payloadSize", "payloadType", "signatures"}:
        raise CorruptArtifactError("signatures.json has other fields than payloadSize/Type")
    if value["payloadType"] != PAYLOAD_TYPE:
        kind = str(value["payloadType"])[:80]
        raise UnsupportedVersionError(f"unknown type of signed content: {kind!r}")
    size, listed = value["payloadSize"], value["signatures"]
    if type(size) is not int or size <= 0:
        raise CorruptArtifactError("signatures.json gives no manifest size")
    if size > MAX_MANIFEST_BYTES:
        raise LimitExceededError(f"the manifest would be {size} bytes")
    if not isinstance(listed, list) or len(listed) > MAX_SIGNATURES:
        raise CorruptArtifactError("signatures.json has no list of signatures")
    if not listed:
        raise UnsignedError("the artifact carries no signature")
    signatures = tuple(_signature(item) for item in listed)
    if len({one.key_id for one in signatures}) != len(signatures):
        raise CorruptArtifactError("two signatures name the same key")
    return size, signatures


def _signature(item: strictjson.Json) -> Signature:
    if not isinstance(item, dict) or set(item) != {"keyid", "sig"}:
        raise CorruptArtifactError("a signature has other fields than keyid and sig")
    key_id, text = item["keyid"], item["sig"]
    if not isinstance(key_id, str) or not _KEY_ID.match(key_id) or not isinstance(text, str):
        raise CorruptArtifactError("a signature's key id has another form")
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CorruptArtifactError("a signature is not base64") from None
    if not value or base64.b64encode(value).decode("ascii") != text:
        raise CorruptArtifactError("a signature is not in the canonical base64 form")
    return Signature(key_id, value)
