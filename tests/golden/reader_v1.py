# SPDX-License-Identifier: BSD-3-Clause
"""A second reader of format v1, written from docs/spec/format-v1.md and from nothing else.

It imports nothing of safeserial: where it and the library disagree about a file, the specification
is unclear or one of the two is wrong.  It stops where the payload begins to be interpreted.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import re
import struct
import zlib
from typing import Any

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import load_der_public_key

TYPE = "application/vnd.safeserial.manifest.v1+json"
ROOM, FIRST, ALIGN, TOP = 16_320, 64, 64, 0xFFFFFFFF
SEGMENT = "[A-Za-z0-9_]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?"
SHAPES: dict[str, tuple[type, ...]] = {
    "created": (str,), "environment": (dict,), "format": (str,), "globals": (list,),
    "members": (list,), "model": (dict,), "options": (dict,), "schema": (str,),
}  # fmt: skip
OPTIONAL: dict[str, tuple[type, ...]] = {
    "metadata": (dict,), "name": (str, type(None)), "version": (str, type(None)),
}  # fmt: skip


class Refused(Exception):  # noqa: N818 - a word of the specification
    """The file is not to be used."""


def need(condition: object, why: str) -> None:
    """Refuse the file unless a condition of the specification holds."""
    if not condition:
        raise Refused(why)


# Section 3: the container --------------------------------------------------------------------


def local_header(name: str, size: int, crc: int, position: int) -> bytes:
    """Return the local header of a member that begins at `position`."""
    large = size >= TOP
    zip64 = struct.pack("<HHQQ", 1, 16, size, size) if large else b""
    gap = -(position + 30 + len(name) + len(zip64) + 6) % ALIGN
    extra = zip64 + struct.pack("<HHH", 0xD935, 2 + gap, ALIGN) + b"\0" * gap
    shown = TOP if large else size
    numbers = (45 if large else 20, 0, 0, 0, 33, crc, shown, shown, len(name), len(extra))
    return b"PK\x03\x04" + struct.pack("<5H3I2H", *numbers) + name.encode("ascii") + extra


def tail(members: list[tuple[str, int, int, int]], position: int) -> bytes:
    """Return central directory and end records that begin at `position`."""
    out = b""
    for name, size, crc, start in members:
        wide = ([size, size] if size >= TOP else []) + ([start] if start >= TOP else [])
        extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        need_version, shown = (45 if wide else 20), min(size, TOP)
        out += b"PK\x01\x02" + struct.pack(
            "<6H3I5H2I", need_version, need_version, 0, 0, 0, 33, crc, shown, shown,
            len(name), len(extra), 0, 0, 0, 0, min(start, TOP),
        ) + name.encode("ascii") + extra  # fmt: skip
    count, length, end = len(members), len(out), b""
    if length >= TOP or position >= TOP:
        end = b"PK\x06\x06" + struct.pack(
            "<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, length, position
        )
        end += b"PK\x06\x07" + struct.pack("<IQI", 0, position + length, 1)
    end += b"PK\x05\x06" + struct.pack(
        "<4H2IH", 0, 0, count, count, min(length, TOP), min(position, TOP), 0
    )
    return out + end


# Section 4: canonical JSON -------------------------------------------------------------------


def canonical(text: bytes) -> Any:
    """Read JSON that has exactly one spelling."""
    need(sum(map(text.count, (b",", b"[", b"{"))) <= 2**19, "too many values")
    try:
        value = json.loads(text.decode("ascii"))
        check(value, 0)
        again = json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
    except (ValueError, RecursionError) as error:
        raise Refused(f"JSON: {error}") from None
    need(again == text, "JSON is not canonical")
    return value


def check(value: Any, depth: int) -> None:
    """Refuse floats, large integers, lone surrogates, keys beyond ASCII and deep nesting."""
    need(depth <= 32 and not isinstance(value, float), "JSON value")
    if isinstance(value, int):
        need(abs(value) < 2**53, "integer")
    elif isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, list | dict):
        need(isinstance(value, list) or all(key.isascii() for key in value), "key")
        for item in value if isinstance(value, list) else value.values():
            check(item, depth + 1)


# Section 5: signatures and keys --------------------------------------------------------------


def hkdf(secret: bytes, purpose: str) -> bytes:
    """RFC 5869 with SHA-256, no salt, one block."""
    extracted = hmac.digest(b"\0" * 32, secret, "sha256")
    return hmac.digest(extracted, b"safeserial/v1/" + purpose.encode() + b"\x01", "sha256")


def pair_fits(spki: bytes, message: bytes, value: bytes) -> bool:
    """Say whether a signature by a pair is right, by the algorithm of the public half (5.3)."""
    key = load_der_public_key(spki)
    try:
        if not isinstance(key, EllipticCurvePublicKey):
            key.verify(value, message)  # type: ignore[union-attr, call-arg]
            return True
        need(encode_dss_signature(*decode_dss_signature(value)) == value, "DER")
        chosen = {"secp256r1": SHA256, "secp384r1": SHA384, "secp521r1": SHA512}[key.curve.name]
        key.verify(value, message, ECDSA(chosen()))
    except (InvalidSignature, ValueError):
        return False
    return True


def signed(front: Any, body: bytes, secret: bytes, halves: dict[str, bytes]) -> bool:
    """Say whether one of the signatures is right; a wrong one by a known key spoils the file."""
    message = b"DSSEv1 %d %b %d %b" % (len(TYPE), TYPE.encode(), len(body), body)
    tag = hmac.digest(hkdf(secret, "artifact-signature"), message, "sha256")
    key_id = "hmac-" + hkdf(secret, "key-id")[:16].hex()
    found = False
    for one in front["signatures"]:
        if one["keyid"] == key_id:
            need(hmac.compare_digest(base64.b64decode(one["sig"]), tag), "wrong signature")
            found = True
        if one["keyid"] in halves:
            fits = pair_fits(halves[one["keyid"]], message, base64.b64decode(one["sig"]))
            need(fits, "wrong signature")
            found = True
    return found


def check_front(front: Any) -> None:
    """Refuse a signatures.json that is not as section 5 says."""
    need(
        isinstance(front, dict) and set(front) == {"payloadSize", "payloadType", "signatures"},
        "fields",
    )
    size, listed = front["payloadSize"], front["signatures"]
    need(front["payloadType"] == TYPE, "payloadType")
    need(type(size) is int and 0 < size <= 16 * 2**20, "payloadSize")
    need(isinstance(listed, list) and 1 <= len(listed) <= 32, "signatures")
    for one in listed:
        need(isinstance(one, dict) and set(one) == {"keyid", "sig"}, "signature fields")
        need(isinstance(one["keyid"], str) and isinstance(one["sig"], str), "signature types")
        need(re.fullmatch(r"[a-z0-9][a-z0-9._:-]{0,127}", one["keyid"]), "keyid")
        try:
            value = base64.b64decode(one["sig"], validate=True)
        except ValueError:
            raise Refused("base64") from None
        need(value and base64.b64encode(value).decode() == one["sig"], "base64")
    need(len({one["keyid"] for one in listed}) == len(listed), "two signatures of a key")


# Section 6: the manifest ---------------------------------------------------------------------


def check_manifest(manifest: Any) -> None:
    """Refuse a manifest that is not as section 6 says."""
    need(isinstance(manifest, dict), "manifest")
    need(manifest.get("schema") == "safeserial/manifest/v1", "schema")
    need(set(SHAPES) <= set(manifest) <= set(SHAPES) | set(OPTIONAL), "fields")
    for field, kinds in {**SHAPES, **OPTIONAL}.items():
        need(field not in manifest or isinstance(manifest[field], kinds), field)
    need(all(isinstance(one, str) for one in manifest["globals"]), "globals")
    members = manifest["members"]
    need(1 <= len(members) <= 1000, "members")
    folded = set()
    for member in members:
        need(set(member) == {"path", "size", "digest", "crc32"}, "member")
        path = member["path"]
        need(re.fullmatch(f"payload(/{SEGMENT}){{1,4}}", path) and ".." not in path, "path")
        need(path.lower() not in folded, "path twice")
        folded.add(path.lower())
        need(type(member["size"]) is int and member["size"] >= 0, "size")
        need(re.fullmatch(r"(blake3|sha256):[0-9a-f]{64}", member["digest"]), "digest")
        need(re.fullmatch(r"[0-9a-f]{8}", member["crc32"]), "crc32")
    for path in folded:
        parts = path.split("/")
        need(not any("/".join(parts[:n]) in folded for n in range(1, len(parts))), "path inside")
    need(sum(member["size"] for member in members) <= 2**47, "total size")
    created = manifest["created"]
    need(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", created, re.ASCII), "created")
    latest = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5)
    need(datetime.datetime.fromisoformat(created) <= latest, "made in the future")


# Section 8: reading --------------------------------------------------------------------------


def read(
    data: bytes, secret: bytes, halves: dict[str, bytes] | None = None
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return manifest and members of a file that the key of `secret`, or one of a pair, signed.

    Raises
    ------
    Refused
        Otherwise.
    """
    blob = data[FIRST : FIRST + ROOM]
    need(len(blob) == ROOM, "too short")
    first = local_header("signatures.json", ROOM, zlib.crc32(blob), 0)
    need(len(first) == FIRST and data[:FIRST] == first, "first header")
    front = canonical(blob.rstrip(b" "))
    check_front(front)
    position = FIRST + ROOM
    size = front["payloadSize"]
    length = len(local_header("manifest.json", size, 0, position))
    body = data[position + length : position + length + size]
    need(len(body) == size, "too short")
    second = local_header("manifest.json", size, zlib.crc32(body), position)
    need(data[position : position + length] == second, "second header")
    need(signed(front, body, secret, halves or {}), "not signed by the key")
    manifest = canonical(body)
    check_manifest(manifest)

    records = [
        ("signatures.json", ROOM, zlib.crc32(blob), 0),
        ("manifest.json", size, zlib.crc32(body), position),
    ]
    position += length + size
    members: dict[str, bytes] = {}
    for member in manifest["members"]:
        crc = int(member["crc32"], 16)
        header = local_header(member["path"], member["size"], crc, position)
        records.append((member["path"], member["size"], crc, position))
        need(data[position : position + len(header)] == header, "header")
        position += len(header)
        content = data[position : position + member["size"]]
        algorithm, _, digest = member["digest"].partition(":")
        found = (blake3 if algorithm == "blake3" else hashlib.sha256)(content).hexdigest()
        need(found == digest, "digest")
        members[member["path"]] = content
        position += member["size"]
    need(data[position:] == tail(records, position), "tail")
    return manifest, members
