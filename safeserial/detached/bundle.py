# SPDX-License-Identifier: BSD-3-Clause
"""Bundles: a signed statement with what says whose signature it is; one a line, one a signer.

Floor 5.  With an EC key this is a sigstore bundle v0.3 as OpenSSF Model Signing writes it
(https://github.com/sigstore/protobuf-specs); with other keys the same JSON under a media type of
our own.  No cryptography here, only the exact text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Final

from safeserial.detached import documents
from safeserial.detached.statement import MAX_STATEMENT_BYTES, PAYLOAD_TYPE
from safeserial.envelope import pre_authentication_encoding
from safeserial.errors import (
    CorruptArtifactError,
    DuplicateSignatureError,
    LimitExceededError,
    UnsignedError,
    UnsupportedVersionError,
)

SIGSTORE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
OURS: Final = "application/vnd.safeserial.bundle.v1+json"
MAX_BUNDLES: Final = 32
MAX_SIGNATURE_FILE: Final = 64 * 2**20
MAX_LINES: Final = 4096  # a bundle laid out for people has some twenty
MAX_LINE: Final = MAX_STATEMENT_BYTES // 3 * 4 + 2**18
MAX_SIGNATURE: Final = 8192  # ML-DSA-87 has 4,627 bytes
MAX_CERTIFICATES: Final = 8
MAX_CERTIFICATE: Final = 16_384
_KEY_ID: Final = re.compile(r"[\x21-\x7e]{1,256}\Z")


@dataclass(frozen=True)
class Bundle:
    """One line of a signature file; nothing of it is verified.

    Parameters
    ----------
    line : bytes
        Its exact bytes.
    media_type : str
        Of a sigstore bundle, or ours.
    payload : bytes
        The statement, not parsed.
    signature : bytes
        Over it.
    hint : str
        Which key to try, ``""`` where the bundle does not say; proves nothing.
    key_id : str
        The same, of the envelope.
    certificates : tuple of bytes
        In DER, the signer's first; empty where a key signed.
    """

    line: bytes
    media_type: str
    payload: bytes
    signature: bytes
    hint: str = ""
    key_id: str = ""
    certificates: tuple[bytes, ...] = ()

    @property
    def signed_bytes(self) -> bytes:
        """What the signature is over: DSSE's encoding, which binds the type."""
        return pre_authentication_encoding(PAYLOAD_TYPE, self.payload)


def hint_of(pem: bytes) -> str:
    """Return how Model Signing names a public key: SHA-256 of its PEM text, in hex."""
    return hashlib.sha256(pem).hexdigest()


def pack(media_type: str, payload: bytes, signature: bytes, *, hint: str, key_id: str) -> Bundle:
    """Make a bundle of one signature."""
    value = {
        "mediaType": media_type,
        "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode("ascii"),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode("ascii"), "keyid": key_id}],
        },
    }
    line = json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    return Bundle(line, media_type, payload, signature, hint, key_id)


def join(bundles: tuple[Bundle, ...]) -> bytes:
    """Return the content of a signature file.

    Raises
    ------
    LimitExceededError
        If there are too many, or they are too long.
    """
    data = b"".join(one.line + b"\n" for one in bundles)
    if len(bundles) > MAX_BUNDLES or len(data) > MAX_SIGNATURE_FILE:
        raise LimitExceededError(f"{len(bundles)} signatures do not fit one signature file")
    return data


def split(data: bytes) -> tuple[Bundle, ...]:
    """Read the content of a signature file.

    Parameters
    ----------
    data : bytes
        JSON Lines; also one bundle over several lines.

    Returns
    -------
    tuple of Bundle
        At least one, in file order.

    Raises
    ------
    UnsignedError
        If there is none.
    LimitExceededError
        If it is too long, too deep, or has too many.
    UnsupportedVersionError
        If a bundle is of another kind (keyless signing, say).
    DuplicateSignatureError
        If a bundle has more than one signature, or a line is there twice.
    DuplicateKeyError, EncodingError, CorruptArtifactError
        If it is no such file.
    """
    if len(data) > MAX_SIGNATURE_FILE:
        raise LimitExceededError(
            f"the signature file has {len(data)} bytes; the limit is {MAX_SIGNATURE_FILE}"
        )
    if data.count(b"\n") + data.count(b"\r") > MAX_LINES:
        raise LimitExceededError(f"the signature file has more than {MAX_LINES} lines")
    lines = data.strip().splitlines()
    if not lines:
        raise UnsignedError("the signature file is empty", hint="ask the sender for another one")
    if not all(line.startswith(b"{") and line.rstrip().endswith(b"}") for line in lines):
        lines = [data.strip()]  # one bundle that somebody laid out for people
    if len(lines) > MAX_BUNDLES:
        raise LimitExceededError(f"{len(lines)} signatures; the limit is {MAX_BUNDLES}")
    bundles = tuple(_bundle(line.rstrip()) for line in lines)
    if len({(one.payload, one.signature) for one in bundles}) != len(bundles):
        raise DuplicateSignatureError("the signature file has the same signature twice")
    return bundles


def _bundle(line: bytes) -> Bundle:
    what = "the signature file"
    top = documents.decode(line, what=what, limit=MAX_LINE)
    if isinstance(top, dict) and "messageSignature" in top:
        raise UnsupportedVersionError("the bundle signs a bare digest, and no statement")
    top = documents.fields(top, what, needed="mediaType verificationMaterial dsseEnvelope")
    media_type = documents.text(top["mediaType"], "mediaType", limit=200)
    if media_type not in {SIGSTORE, OURS}:
        raise UnsupportedVersionError(f"unknown kind of signature: {media_type!r}")
    payload, signature, key_id = _envelope(top["dsseEnvelope"])
    hint, certificates = _material(top["verificationMaterial"], media_type)
    return Bundle(line, media_type, payload, signature, hint, key_id, certificates)


def _envelope(value: Any) -> tuple[bytes, bytes, str]:
    found = documents.fields(value, "dsseEnvelope", needed="payload payloadType signatures")
    if found["payloadType"] != PAYLOAD_TYPE:
        kind = str(found["payloadType"])[:80]
        raise UnsupportedVersionError(f"unknown type of signed content: {kind!r}")
    signatures = documents.listed(found["signatures"], "signatures", limit=MAX_BUNDLES)
    if not signatures:
        raise UnsignedError("a bundle carries no signature", hint="ask the sender for another one")
    if len(signatures) > 1:
        raise DuplicateSignatureError("a bundle carries more than one signature")
    one = documents.fields(signatures[0], "a signature", needed="sig", optional="keyid")
    signature = documents.from_base64(one["sig"], "a signature")
    if len(signature) > MAX_SIGNATURE:
        raise LimitExceededError(f"a signature has {len(signature)} bytes")
    payload = documents.from_base64(found["payload"], "the signed statement")
    return payload, signature, _name_of_key(one.get("keyid"))


def _material(value: Any, media_type: str) -> tuple[str, tuple[bytes, ...]]:
    found = documents.fields(
        value,
        "verificationMaterial",
        needed="",
        optional="publicKey x509CertificateChain certificate tlogEntries timestampVerificationData",
    )
    entries, stamp = found.get("tlogEntries"), found.get("timestampVerificationData")
    if "certificate" in found or entries not in (None, []) or stamp not in (None, {}):
        raise UnsupportedVersionError(
            "the bundle is of keyless signing or has entries of a log, which are not read here",
            hint="verify it with: model_signing verify sigstore",
        )
    if ("publicKey" in found) == ("x509CertificateChain" in found):
        raise CorruptArtifactError("a bundle names a key or a chain of certificates, one of them")
    if "publicKey" in found:
        # Older releases wrote the key itself, as rawBytes; a key is taken from the ring alone.
        key = documents.fields(
            found["publicKey"], "publicKey", needed="", optional="hint rawBytes keyDetails validFor"
        )
        return _name_of_key(key.get("hint")), ()
    if media_type != SIGSTORE:
        raise CorruptArtifactError("a chain of certificates stands in a sigstore bundle only")
    chain = documents.fields(
        found["x509CertificateChain"], "x509CertificateChain", needed="certificates"
    )
    listed = documents.listed(chain["certificates"], "certificates", limit=MAX_CERTIFICATES)
    if not listed:
        raise CorruptArtifactError("the chain of certificates is empty")
    return "", tuple(_certificate(one) for one in listed)


def _certificate(value: Any) -> bytes:
    found = documents.fields(value, "a certificate", needed="rawBytes")
    data = documents.from_base64(found["rawBytes"], "a certificate")
    if len(data) > MAX_CERTIFICATE:
        raise LimitExceededError(f"a certificate has {len(data)} bytes")
    return data


def _name_of_key(value: Any) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or not _KEY_ID.match(value):
        raise CorruptArtifactError("the name of a key has another form")
    return value
