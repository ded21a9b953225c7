# SPDX-License-Identifier: BSD-3-Clause
"""Make the test vectors of format v1: files, each with the outcome that a reader must reach.

Run once for the files beside it; a file that exists is never written again, because what was
published stays as it is.  The same versions of Python and NumPy give the same bytes.

    python -m tests.golden.make_v1 tests/golden/v1
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from sklearn.cluster._bisect_k_means import _BisectingTree

from safeserial import environment, manifest
from safeserial.manifest import Environment
from safeserial.payload import array_record, pack_index
from tests import world
from tests.world import KEY, OTHER, Parts, front, patched, signature, with_front

PLAIN: dict[str, Any] = {
    "bias": -0.5,
    "labels": ["no", "yes"],
    "name": "Grüße 😀",
    "none": None,
    "on": True,
    "weights": [1, 2, -3, 2**70],
}
Vector = tuple[str, bytes, str, str, str]  # name, content, outcome, value, about


def arrays() -> dict[str, Any]:
    """Return arrays and containers that fill every member of a pickle payload."""
    return {
        "c": np.arange(12, dtype="<f8").reshape(3, 4),
        "f": np.asfortranarray(np.arange(6, dtype="<i4").reshape(2, 3)),
        "text": np.array(["a", "bc"], dtype="<U2"),
        "day": np.array([1, -1], dtype="<M8[25s]"),
        "big": np.arange(3, dtype=">i2"),
        "record": np.array([(1, 0.5)], dtype=[("a", "<i4"), ("b", "<f8")]),
        "empty": np.zeros((2, 0), dtype="|b1"),
        "objects": np.array(["a", None, 1], dtype=object),
        "words": {f"word{i}": i for i in range(1000)},
        "ratios": [i / 8 for i in range(1000)],
    }


def rows() -> list[Any]:
    """Return like objects, which have like objects in them, twice: flat and in pairs."""

    def tree(number: int, **more: Any) -> _BisectingTree:
        parts = {"center": np.array([number / 4, -1.0]), "indices": np.arange(number)}
        made = _BisectingTree(**parts, score=number / 8)
        vars(made).update(more)
        return made

    flat = [tree(i, left=tree(i + 1, name=f"é{i}"), many=i * 2**40, right="x") for i in range(16)]
    pairs = [[tree(i, size=np.int64(i)), tree(-1 - i, size=np.int64(0))] for i in range(0, 64, 4)]
    for one, other in pairs:
        one.indices = other.indices = np.arange(3)
    return [flat, pairs]


def accepted() -> Iterator[Vector]:
    """Yield the files that load."""
    for codec in ("pickle", "joblib"):
        for digest in ("blake3", "sha256"):
            data = world.artifact(PLAIN, format=codec, digest=digest)
            yield f"{codec}-{digest}", data, "ok", "plain", f"{codec}, {digest}, plain values"
        data = world.artifact(arrays(), format=codec, digest="sha256")
        yield f"{codec}-arrays", data, "ok", f"{codec}-arrays", "arrays and long containers"
        for method in ("zlib", "gzip", "bz2", "lzma", "xz", "lz4", "zstd"):
            data = world.artifact(PLAIN, format=codec, compression=method, digest="sha256")
            yield (
                f"{codec}-{method}",
                data,
                "ok",
                "plain",
                f"{codec} payload compressed by {method}",
            )
    told = {"accuracy": "0.93", "rows": 1000, "tags": ["é", "\x7f\n"], "nothing": None}
    data = world.artifact(PLAIN, name="churn", version="1.2.0", metadata=told, digest="sha256")
    yield "described", data, "ok", "plain", "name, version and metadata are given"
    parts = Parts.of(data)
    yield (
        "two-signers",
        parts.signed(OTHER, KEY),
        "ok",
        "plain",
        "signed by an unknown and a known key",
    )
    yield (
        "unknown-signature", parts.zipped(parts.body, [parts.signatures[0], {"keyid": "x",
        "sig": "AAAA"}]),
        "ok", "plain",
        "a signature that nobody can check was added: it says nothing and harms nothing",
    )  # fmt: skip


def altered(base: bytes, parts: Parts) -> Iterator[Vector]:
    """Yield what somebody without the key can make of a file."""
    corrupt, bad, foreign = "CorruptArtifactError", "BadSignatureError", "NotAnArtifactError"
    place = base.index(next(iter(parts.members.values())))
    flipped = bytearray(base)
    flipped[place + 5] ^= 1
    yield "flipped-payload", bytes(flipped), "DigestMismatchError", "", "one bit of the payload"
    flipped = bytearray(base)
    flipped[base.index(b'"created"') + 1] ^= 1
    yield "flipped-manifest", bytes(flipped), corrupt, "", "one bit of the manifest"
    flipped = bytearray(base)
    flipped[-2] ^= 1
    yield "flipped-end", bytes(flipped), corrupt, "", "one bit of the end record"
    yield "empty", b"", foreign, "", "no byte at all"
    yield "truncated-header", base[:40], foreign, "", "cut within the first header"
    yield "truncated-signatures", base[:5000], corrupt, "", "cut within signatures.json"
    yield "truncated-manifest", base[:16500], corrupt, "", "cut within the manifest"
    yield "truncated-end", base[:-1], corrupt, "", "the last byte is missing"
    yield "extended", base + b"\0", corrupt, "", "one byte too many"
    yield "prefixed", b"\0" + base, foreign, "", "a byte before the file"
    yield "twice", base + base, corrupt, "", "the file after itself"
    relabelled = parts.changed(format="joblib").unsigned()
    yield "relabelled", relabelled, bad, "", "format pickle called joblib, zipped again"
    yield "older", parts.changed(created="2025-01-01T00:00:00Z").unsigned(), bad, "", "another date"
    stripped = with_front(base, front(parts.body, []))
    yield "stripped", stripped, "UnsignedError", "", "the list of signatures is empty"
    twice = with_front(base, front(parts.body, parts.signatures * 2))
    yield "signature-twice", twice, corrupt, "", "the same key id two times"
    renamed = [{**parts.signatures[0], "keyid": OTHER.key_id}]
    yield (
        "other-key-id",
        with_front(base, front(parts.body, renamed)),
        "UnknownKeyError",
        "",
        "key id",
    )
    path = [{**parts.signatures[0], "keyid": "../../etc/key"}]
    yield "key-id-path", with_front(base, front(parts.body, path)), corrupt, "", "key id is a path"
    kind = front(parts.body, parts.signatures, payloadType="application/vnd.in-toto+json")
    yield "other-type", with_front(base, kind), "UnsupportedVersionError", "", "payloadType"
    huge = front(parts.body, parts.signatures, payloadSize=2**40)
    yield "huge-manifest", with_front(base, huge), "LimitExceededError", "", "payloadSize 1 TiB"
    wrong = front(parts.body, parts.signatures, payloadSize=len(parts.body) - 1)
    yield "wrong-size", with_front(base, wrong), corrupt, "", "payloadSize one less"
    spaced = json.dumps(json.loads(base[64:16384])).encode().ljust(world.ROOM)
    yield "front-spaces", with_front(base, spaced), corrupt, "", "signatures.json with spaces"
    room = base.index(b" ", 64) + 100
    yield "front-filling", patched(base, room, b"\t"), corrupt, "", "a tab in the filling"
    yield "appended", _appended(base), corrupt, "", "a member added by an ordinary ZIP tool"
    yield "rezipped", _rezipped(base), foreign, "", "unpacked and zipped again, deflated"


def forged(parts: Parts) -> Iterator[Vector]:
    """Yield what is signed, by a key that should not count or over content that must not."""
    corrupt, later = "CorruptArtifactError", "UnsupportedVersionError"
    yield "other-key", parts.signed(OTHER), "UnknownKeyError", "", "signed by another key"
    body = parts.body
    own = [signature(KEY, body, purpose="key-id")]
    yield "other-purpose", parts.zipped(body, own), "BadSignatureError", "", "subkey of another use"
    yield (
        "future",
        parts.changed(created="9999-12-31T23:59:59Z").signed(),
        "PolicyError",
        "",
        "date",
    )
    yield "schema-v2", parts.changed(schema="safeserial/manifest/v2").signed(), later, "", "schema"
    yield "unknown-field", parts.changed(extra=1).signed(), corrupt, "", "a field more"
    yield (
        "float",
        parts.changed(metadata={"x": 0.5}).signed(),
        corrupt,
        "",
        "a float in the manifest",
    )
    loose = json.dumps(parts.manifest, sort_keys=True).encode()
    spaced = parts.zipped(loose, [signature(KEY, loose)])
    yield "manifest-spaces", spaced, corrupt, "", "a manifest that is not canonical"
    double = body.replace(b'"format":', b'"format":"onnx","format":')
    again = parts.zipped(double, [signature(KEY, double)])
    yield "duplicate-key", again, corrupt, "", "a JSON key two times"
    member = parts.manifest["members"][0]
    digest = parts.changed(members=[{**member, "digest": "sha512:" + "0" * 128}])
    yield "digest-sha512", digest.signed(), later, "", "an unknown digest"
    for name, path in (
        ("path-parent", "payload/../model.pickle"),
        ("path-absolute", "/tmp/model.pickle"),
        ("path-windows", "payload/c:\\model.pickle"),
        ("path-dot", "payload/model."),
    ):
        data = next(iter(parts.members.values()))
        moved = Parts([], parts.manifest, {path: data}).described()
        yield name, moved.signed(), corrupt, "", f"a member called {path}"
    folded = dict.fromkeys(("payload/model.pickle", "payload/Model.pickle"), b"N.")
    yield "path-case", Parts([], parts.manifest, folded).described().signed(), corrupt, "", "case"
    inside = dict.fromkeys(("payload/a", "payload/a/b"), b"N.")
    yield (
        "path-inside",
        Parts([], parts.manifest, inside).described().signed(),
        corrupt,
        "",
        "folder",
    )
    crc = parts.changed(members=[{**member, "crc32": "00000000"}, *parts.manifest["members"][1:]])
    yield "wrong-crc", crc.signed(), corrupt, "", "signed with a CRC-32 that is not the member's"
    hostile = dict(parts.members)
    hostile["payload/model.pickle"] = b"\x80\x05\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R."
    call = Parts([], parts.manifest, hostile).described().signed()
    yield "call", call, "UntrustedTypesError", "", "signed, and calls a function of the system"
    after = {**parts.members, "payload/model.pickle": parts.members["payload/model.pickle"] + b"N."}
    trailing = Parts([], parts.manifest, after).described().signed()
    yield "trailing", trailing, corrupt, "", "signed, with bytes after the end of the pickle"
    counts = struct.pack("<QQQQ", 1, 0, 0, 64)  # one part of 64 bytes, where there is none
    index = {**parts.members, "payload/index.bin": b"SSIX0001" + counts}
    short = Parts([], parts.manifest, index).described().signed()
    yield "index", short, corrupt, "", "signed, with an index that does not fit its buffers"
    for name, records, shapes, dtypes in (
        ("index-dtype", [array_record(0, 1, fortran=False, writable=True)], [8], b'["|O"]'),
        ("index-shape", [array_record(0, 1, fortran=False, writable=True)], [9], b'["<f8"]'),
        ("index-kind", [b"list-x\0\0" + bytes(8)], [], b""),
    ):
        table = pack_index([64], records, shapes, dtypes)
        wrong = {**parts.members, "payload/index.bin": table, "payload/buffers.bin": bytes(64)}
        data = Parts([], parts.manifest, wrong).described().signed()
        yield name, data, corrupt, "", f"signed, with an index of another form ({name[6:]})"


def with_rows(parts: Parts) -> Iterator[Vector]:
    """Yield files about lists of like objects."""
    data = world.artifact(rows(), digest="sha256")
    yield "pickle-rows", data, "ok", "pickle-rows", "lists of like objects"
    table = pack_index([64], [b"rows\0\0\0\0" + struct.pack("<Q", 2)], [], b"")
    wrong = {**parts.members, "payload/index.bin": table, "payload/buffers.bin": bytes(64)}
    data = Parts([], parts.manifest, wrong).described().signed()
    about = "signed, with an index of another form (rows)"
    yield "index-rows", data, "CorruptArtifactError", "", about


def _appended(base: bytes) -> bytes:
    stream = io.BytesIO(base)
    with zipfile.ZipFile(stream, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile tells of the second member of that name
        archive.writestr(zipfile.ZipInfo("payload/model.pickle"), b"N.")
    return stream.getvalue()


def _rezipped(base: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(base)) as old, zipfile.ZipFile(stream, "w") as new:
        for entry in sorted(old.infolist(), key=lambda one: one.filename):
            info = zipfile.ZipInfo(entry.filename)
            new.writestr(info, old.read(entry), zipfile.ZIP_DEFLATED, 9)
    return stream.getvalue()


def vectors() -> Iterator[Vector]:
    """Yield every test vector, always the same."""
    here = Environment(
        python="3.11.7", implementation="CPython", platform="linux-x86_64", packages={}
    )
    with (
        mock.patch.object(manifest, "now", return_value="2026-01-01T00:00:00Z"),
        mock.patch.object(environment, "capture", return_value=here),
    ):
        yield from accepted()
        base = world.artifact(PLAIN, digest="sha256")
        yield from altered(base, Parts.of(base))
        yield from forged(Parts.of(base))
        yield from with_rows(Parts.of(base))


def main(folder: Path) -> None:
    """Write the files that are not there yet, and add them to the list."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder / "expect.toml"
    text = listed.read_text("utf-8") if listed.exists() else HEAD
    for name, data, outcome, value, about in vectors():
        path = folder / f"{name}.safeserial"
        if path.exists():
            continue
        path.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        text += f'\n[[file]]\nname = "{path.name}"\nsha256 = "{digest}"\noutcome = "{outcome}"\n'
        text += f'value = "{value}"\n' if value else ""
        text += f"about = {json.dumps(about)}\n"
    listed.write_text(text, "utf-8")


HEAD = f"""\
# Test vectors of the file format v1 (docs/spec/format-v1.md).  Entries are added, never changed.
#
# outcome: "ok", or the error that a reader with a keyring of the one key below, active, ends with.
# value: for "ok", which of the two values in tests/golden/test_golden.py the file holds.
#
# The key is a test key and published on purpose.  It protects nothing; never use it.

secret_hex = "{bytes(range(32)).hex()}"
key_id = "{KEY.key_id}"
"""

if __name__ == "__main__":
    main(Path(sys.argv[1]))
