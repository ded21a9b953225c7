# SPDX-License-Identifier: BSD-3-Clause
"""The small world of the tests: fixed keys, rings in every state, artifacts, and a forger's bench.

The bench (:class:`Parts`) takes an artifact apart with a reader of its own, lets a test change
anything, and puts it together again as the format wants it: signed again with a key, or with the
old signatures left on.
"""

from __future__ import annotations

import base64
import copy
import dataclasses
import datetime
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import safeserial as ss
from safeserial import container, envelope
from safeserial.digests import Digest
from safeserial.errors import SafeSerialError
from safeserial.keyring import KeyEntry
from safeserial.keys import PURPOSE_ARTIFACT
from safeserial.signing import signer

# How many times the usual number of examples a property is tried with: `make fuzz` sets it.
EFFORT = int(os.environ.get("SAFESERIAL_FUZZ", "1"))
KEY = ss.HmacKey(bytes(range(32)))
OTHER = ss.HmacKey(bytes(range(100, 132)))
THIRD = ss.HmacKey(bytes(range(200, 232)))
RING = ss.Keyring([KEY])
CALM = ss.Policy.default().with_environment("ignore")

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
FRONT = 64  # where signatures.json begins, in every artifact
ROOM = 16_320  # how long it is

MODEL: dict[str, Any] = {"weights": [1, 2, 3], "bias": -0.5, "labels": ("no", "yes"), "on": True}


def ring(state: str, **dates: datetime.datetime) -> ss.Keyring:
    """Return a ring with `KEY` in a state."""
    return ss.Keyring([KeyEntry(key=KEY, state=state, **dates)])


def arrays() -> dict[str, Any]:
    """Return data that fills every member of a pickle payload."""
    return {
        "floats": np.arange(24, dtype="<f8").reshape(4, 6),
        "fortran": np.asfortranarray(np.arange(12, dtype="<i4").reshape(3, 4)),
        "objects": np.array(["a", None, 3], dtype=object),
        "words": {f"word{i}": i for i in range(1200)},
        "numbers": [float(i) for i in range(1100)],
    }


def artifact(model: Any = None, *, key: ss.HmacKey = KEY, **order: Any) -> bytes:
    """Return a signed artifact, of `MODEL` unless told otherwise."""
    return ss.dumps(MODEL if model is None else model, keyring=ss.Keyring([key]), **order)


def loads(data: bytes, keyring: ss.Keyring = RING) -> Any:
    """Load bytes under the calm policy."""
    return ss.loads(data, keyring=keyring, policy=CALM)


def same(one: Any, other: Any) -> bool:
    """Say whether two plain values are equal in every type and bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        if one.dtype != other.dtype or one.shape != other.shape:
            return False
        if one.dtype.hasobject:
            return all(map(same, one.ravel().tolist(), other.ravel().tolist()))
        return bool(one.tobytes() == other.tobytes())
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return struct.pack("<d", one) == struct.pack("<d", other)
    if hasattr(one, "__dict__"):
        return same(vars(one), vars(other))
    return bool(one == other)


def refusal(action: Callable[[], object]) -> SafeSerialError:
    """Return the project's error that `action` ends with; anything else fails the test."""
    try:
        result = action()
    except SafeSerialError as error:
        assert error.hint.strip(), f"{type(error).__name__} has no hint"
        assert str(error).strip()
        return error
    raise AssertionError(f"accepted: {str(result)[:200]}")


@dataclass
class Parts:
    """An artifact taken apart.

    Parameters
    ----------
    signatures : list of dict
        ``keyid`` and ``sig``, as in the file.
    manifest : dict
        The manifest.
    members : dict of str to bytes
        The payload.
    """

    signatures: list[dict[str, str]]
    manifest: dict[str, Any]
    members: dict[str, bytes]

    @classmethod
    def of(cls, data: bytes) -> Parts:
        """Take an artifact apart, by offsets alone."""
        signed = json.loads(data[FRONT : FRONT + ROOM])
        position = FRONT + ROOM
        start = _data_start(data, position)
        body = data[start : start + signed["payloadSize"]]
        manifest = json.loads(body)
        position = start + len(body)
        members: dict[str, bytes] = {}
        for member in manifest["members"]:
            start = _data_start(data, position)
            position = start + member["size"]
            members[member["path"]] = data[start:position]
        return cls(signed["signatures"], manifest, members)

    def changed(self, **manifest: Any) -> Parts:
        """Return a deep copy with other values in the manifest."""
        new = copy.deepcopy(self)
        new.manifest.update(manifest)
        return new

    def described(self) -> Parts:
        """Return a copy whose manifest gives the members' sizes and checksums as they are now."""
        new = copy.deepcopy(self)
        algorithm = (self.manifest["members"] or [{"digest": "sha256:"}])[0]["digest"].split(":")[0]
        new.manifest["members"] = [
            {
                "path": path,
                "size": len(data),
                "digest": str(Digest.of(data, algorithm)),
                "crc32": f"{zlib.crc32(data):08x}",
            }
            for path, data in self.members.items()
        ]
        return new

    @property
    def body(self) -> bytes:
        """The manifest's bytes in the canonical form."""
        return json.dumps(self.manifest, sort_keys=True, separators=(",", ":")).encode("ascii")

    def signed(self, *keys: ss.HmacKey) -> bytes:
        """Put it together with new signatures by `keys`."""
        return self.zipped(self.body, [signature(key, self.body) for key in keys or (KEY,)])

    def unsigned(self) -> bytes:
        """Put it together with the signatures that it had."""
        return self.zipped(self.body, self.signatures)

    def zipped(self, body: bytes, signatures: list[dict[str, str]]) -> bytes:
        """Put together a manifest, signatures and members as a canonical ZIP."""
        blob = front(body, signatures)
        entries = container.front_entries(blob, body)
        entries += [
            container.Entry(path, len(data), zlib.crc32(data))
            for path, data in self.members.items()
        ]
        whole = container.layout(entries)
        data = [blob, body, *self.members.values()]
        return b"".join(
            piece for pair in zip(whole.headers, data, strict=True) for piece in pair
        ) + (whole.tail)


def front(body: bytes, signatures: list[dict[str, str]], **fields: Any) -> bytes:
    """Return the content of signatures.json, whatever its fields are told to be."""
    text = json.dumps(
        {
            "payloadSize": len(body),
            "payloadType": envelope.PAYLOAD_TYPE,
            "signatures": signatures,
            **fields,
        },
        sort_keys=True,
        separators=(",", ":"),
    ).encode("ascii")
    return text.ljust(ROOM, b" ")


def with_front(data: bytes, blob: bytes) -> bytes:
    """Return an artifact with another signatures.json, checksums put right."""
    assert len(blob) == ROOM
    return patched(data, FRONT, blob)


def patched(data: bytes, offset: int, new: bytes) -> bytes:
    """Overwrite bytes within signatures.json and put its two CRC-32 right."""
    out = bytearray(data)
    out[offset : offset + len(new)] = new
    crc = struct.pack("<I", zlib.crc32(out[FRONT : FRONT + ROOM]))
    out[14:18] = crc
    directory = out.rindex(b"PK\x01\x02", 0, out.rindex(b"signatures.json"))
    out[directory + 16 : directory + 20] = crc
    return bytes(out)


def signature(key: ss.HmacKey, body: bytes, *, purpose: str = PURPOSE_ARTIFACT) -> dict[str, str]:
    """Sign manifest bytes."""
    message = envelope.pre_authentication_encoding(envelope.PAYLOAD_TYPE, body)
    value = (
        signer(key, purpose).sign(message)
        if purpose == PURPOSE_ARTIFACT
        else (_tag(key.subkey(purpose), message))
    )
    return {"keyid": key.key_id, "sig": base64.b64encode(value).decode("ascii")}


def _tag(secret: bytes, message: bytes) -> bytes:
    import hmac

    return hmac.digest(secret, message, "sha256")


def _data_start(data: bytes, header: int) -> int:
    name, extra = struct.unpack_from("<HH", data, header + 26)
    return header + 30 + name + extra


@dataclasses.dataclass
class Sparse:
    """A source of `size` bytes that begins with `start` and holds zeros from there on."""

    start: bytes
    size: int
    position: int = 0
    read: int = 0

    def peek(self, count: int) -> bytes:
        """Return the first bytes."""
        return self.start[:count]

    def read_into(self, view: memoryview) -> None:
        """Fill `view`."""
        piece = self.start[self.position : self.position + len(view)]
        view[: len(piece)] = piece
        self.position += len(view)
        self.read += len(view)


def edits(data: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield random edits of `data`, each different from it."""
    import random

    dice = random.Random(seed)
    made = 0
    while made < count:
        at, other = dice.randrange(len(data)), dice.randrange(len(data))
        size = dice.choice((1, 1, 2, 7, 64, 300))
        kind = dice.choice(("insert", "delete", "replace", "swap", "duplicate", "zero", "bit"))
        out = bytearray(data)
        if kind == "insert":
            out[at:at] = dice.randbytes(size)
        elif kind == "delete":
            del out[at : at + size]
        elif kind == "replace":
            out[at : at + size] = dice.randbytes(min(size, len(data) - at))
        elif kind == "swap":
            out[at : at + size], out[other : other + size] = (
                data[other : other + size],
                data[at : at + size],
            )
        elif kind == "duplicate":
            out[at:at] = data[other : other + size]
        elif kind == "zero":
            out[at : at + size] = bytes(min(size, len(data) - at))
        else:
            out[at] ^= 1 << dice.randrange(8)
        if bytes(out) == data:
            continue
        made += 1
        yield f"{kind} at {at} ({size})", bytes(out)
