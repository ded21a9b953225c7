# SPDX-License-Identifier: BSD-3-Clause
"""Signatures good and bad for the client vectors, each with what a reader must do with it.

Called by ``tools.make_client_vectors``.  The keys are published: they are for tests alone.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

import safeserial as ss
from safeserial.detached.bundle import OURS, SIGSTORE
from safeserial.detached.signatures import PURPOSE_DETACHED
from safeserial.detached.statement import FACTS, PAYLOAD_TYPE
from safeserial.envelope import pre_authentication_encoding
from safeserial.signing import signer

ED = ss.Ed25519Key(bytes(range(2, 34)))
EC = ss.EcdsaKey(bytes(range(1, 33)))
MAC = ss.HmacKey(bytes(range(3, 35)))
OTHER_ED = ss.Ed25519Key(bytes(range(52, 84)))
OTHER_EC = ss.EcdsaKey(bytes(range(51, 83)))
ED_ORDER = 2**252 + 27742317777372353535851937790883648493
SMALLEST = "text"  # the model of which the refused files are made

Edit = Callable[[dict[str, Any], dict[str, Any]], object]


def make(place: Path, models: dict[str, bytes]) -> list[dict[str, Any]]:
    """Write keys, signatures and artifacts into a folder; return the list of cases."""
    _write_keys(place / "keys")
    bench = _Bench(place)
    for name in models:
        bench.accepted(name, (EC, ED, MAC) if name != "names" else (EC,))
    bench.with_blake3(SMALLEST, models[SMALLEST])
    bench.artifacts(SMALLEST, models[SMALLEST])
    bench.detached(SMALLEST, models[SMALLEST])
    return bench.cases


def _write_keys(folder: Path) -> None:
    folder.mkdir()
    pairs = {"ed25519": ED, "p256": EC, "other-ed25519": OTHER_ED, "other-p256": OTHER_EC}
    for name, key in pairs.items():
        (folder / f"{name}.pem").write_bytes(key.public.to_pem())
    (folder / "hmac.txt").write_text(MAC.to_text() + "\n", encoding="ascii")


def _name(key: Any) -> str:
    return {ED: "ed25519.pem", EC: "p256.pem", MAC: "hmac.txt"}.get(key, "")


def _sign_message(key: Any, body: bytes) -> bytes:
    return bytes(
        signer(key, PURPOSE_DETACHED).sign(pre_authentication_encoding(PAYLOAD_TYPE, body))
    )


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


class _Bench:
    """The folder that is being filled, and the cases so far."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.cases: list[dict[str, Any]] = []
        (place / "signed").mkdir()
        (place / "refused").mkdir()

    def case(
        self, name: str, model: str, key: str, *, signature: str = "", accept: bool, needs: str = ""
    ) -> None:
        self.cases.append(
            {"name": name, "model": model, "signature": signature or None}
            | {"key": f"keys/{key}", "accept": accept}
            | ({"needs": needs} if needs else {})
        )

    def accepted(self, name: str, keys: tuple[Any, ...]) -> None:
        """Sign a model beside it with each key, and once as an artifact."""
        path = self.place / name / "model.onnx"
        for key in keys:
            label = _name(key).split(".")[0]
            target = self.place / "signed" / f"{name}.{label}.sig"
            ss.sign(path, keyring=ss.Keyring([key]), signature=target, name=name, version="1.0",
                    metadata={"team": "vectors"})  # fmt: skip
            self.case(f"{name}, signed beside it, {label}", f"{name}/model.onnx", _name(key),
                      signature=f"signed/{target.name}", accept=True)  # fmt: skip

    def with_blake3(self, name: str, data: bytes) -> None:
        """Sign a model under another name, as files are hashed that only Python reads."""
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "model.bin"
            path.write_bytes(data)
            target = self.place / "signed" / f"{name}.blake3.sig"
            ss.sign(path, keyring=ss.Keyring([ED]), signature=target, name=name, version="1.0")
        self.case("hashed with BLAKE3, ed25519", f"{name}/model.onnx", "ed25519.pem",
                  signature=f"signed/{target.name}", accept=True, needs="blake3")  # fmt: skip

    def artifacts(self, name: str, data: bytes) -> None:
        """Write artifacts of a model and what must not pass for one."""
        for key in (ED, EC, MAC):
            label = _name(key).split(".")[0]
            target = f"signed/{name}.{label}.safeserial"
            ss.dump(data, self.place / target, keyring=ss.Keyring([key]), format="onnx", name=name,
                    version="1.0", metadata={"team": "vectors"})  # fmt: skip
            self.case(f"artifact, {label}", target, _name(key), accept=True)
        whole = (self.place / f"signed/{name}.ed25519.safeserial").read_bytes()
        front = json.loads(whole[64:16384])
        end = len(whole) - 22

        def refuse(what: str, content: bytes, key: str = "ed25519.pem") -> None:
            target = f"refused/{what.replace(' ', '-')}.safeserial"
            (self.place / target).write_bytes(content)
            self.case(f"artifact, {what}", target, key, accept=False)

        def fronted(value: Any) -> bytes:
            text = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
            return _with_front(whole, text.ljust(16320))

        refuse("tampered payload", _flip(whole, len(whole) // 2))
        refuse("tampered manifest", _flip(whole, 16448 + 300))
        refuse("tampered local header", _flip(whole, 10))
        refuse("tampered central directory", _flip(whole, whole.index(b"PK\x01\x02") + 12))
        refuse("tampered end record", _flip(whole, end + 20))
        refuse("a byte behind the end", whole + b"\0")
        refuse("bytes before the beginning", b"\0" * 64 + whole)
        refuse("cut", whole[:-1])
        refuse("stripped", fronted(front | {"signatures": []}))
        refuse("another type", fronted(front | {"payloadType": "application/json"}))
        spoiled = [front["signatures"][0] | {"sig": _text(bytes(64))}]
        refuse("signature of zeros", fronted(front | {"signatures": spoiled}))
        renamed = [front["signatures"][0] | {"keyid": EC.key_id}]
        refuse("relabelled as p256", fronted(front | {"signatures": renamed}), "p256.pem")
        spaced = json.dumps(front, sort_keys=True).encode().ljust(16320)
        refuse("not canonical", _with_front(whole, spaced))
        target = f"signed/{name}.ed25519.safeserial"
        self.case("artifact, wrong key", target, "other-ed25519.pem", accept=False)
        self.case("artifact, key of another kind", target, "p256.pem", accept=False)
        pickled = ss.dumps({"no": "graph"}, keyring=ss.Keyring([ED]))
        refuse("signed and no ONNX model", pickled)

    def detached(self, name: str, data: bytes) -> None:
        """Write signatures beside a model that must not pass."""
        model = f"{name}/model.onnx"
        bad = "refused/tampered.onnx"
        (self.place / bad).write_bytes(_flip(data, len(data) // 2))
        longer = "refused/longer.onnx"
        (self.place / longer).write_bytes(data + b"\0")
        for key, other in ((EC, "other-p256.pem"), (ED, "other-ed25519.pem"), (MAC, "")):
            label = _name(key).split(".")[0]
            sig = f"signed/{name}.{label}.sig"
            for what, changed in (("tampered model", bad), ("longer model", longer)):
                self.case(f"{what}, {label}", changed, _name(key), signature=sig, accept=False)
            if other:
                self.case(f"wrong key, {label}", model, other, signature=sig, accept=False)
        mac = f"signed/{name}.hmac.sig"
        self.case("public key for a secret", model, "ed25519.pem", signature=mac, accept=False)
        cross = "signed/mixed.p256.sig"
        self.case("another model's signature", model, "p256.pem", signature=cross, accept=False)
        for key in (EC, ED, MAC):
            self._edited(name, model, key)

    def _edited(self, name: str, model: str, key: Any) -> None:
        label = _name(key).split(".")[0]
        good = json.loads((self.place / f"signed/{name}.{label}.sig").read_bytes())
        said = json.loads(base64.b64decode(good["dsseEnvelope"]["payload"]))

        def put(what: str, text: str) -> None:
            target = f"refused/{what.replace(' ', '-')}.{label}.sig"
            (self.place / target).write_text(text + "\n", encoding="ascii")
            self.case(f"{what}, {label}", model, _name(key), signature=target, accept=False)

        def refuse(what: str, edit: Edit, *, sign: bool = False) -> None:
            top, inner = copy.deepcopy(good), copy.deepcopy(said)
            edit(top, inner)
            if inner != said:
                body = json.dumps(inner, sort_keys=True, separators=(",", ":")).encode()
                top["dsseEnvelope"]["payload"] = _text(body)
                if sign:
                    _one(top)["sig"] = _text(_sign_message(key, body))
            put(what, json.dumps(top, separators=(",", ":")))

        value = base64.b64decode(_one(good)["sig"])
        put("stripped to nothing", "")
        refuse("stripped", lambda top, _: top["dsseEnvelope"]["signatures"].clear())
        refuse("two signatures", lambda top, _: top["dsseEnvelope"]["signatures"].append(_one(top)))
        refuse("tampered statement", lambda _, inner: inner["subject"][0].update(name="evil"))
        refuse("flipped", lambda top, _: _one(top).update(sig=_text(_flip(value, len(value) - 3))))
        refuse("longer", lambda top, _: _one(top).update(sig=_text(value + b"\0")))
        refuse("empty", lambda top, _: _one(top).update(sig=""))
        refuse(
            "another payload type", lambda top, _: top["dsseEnvelope"].update(payloadType="text")
        )
        relabelled = OURS if key is EC else SIGSTORE
        refuse("relabelled", lambda top, _: _relabel(top, relabelled, key))
        refuse("unknown media type", lambda top, _: top.update(mediaType="application/json"))
        refuse("a field more", lambda top, _: top.update(alg="none"))
        refuse("two keys named", lambda top, _: _two_names(top, key))
        refuse("white space in base64", lambda top, _: _one(top).update(sig=_text(value) + "\n"))
        self._signed_nonsense(refuse)
        text = json.dumps(good, separators=(",", ":"))
        put("a key twice", text.replace('{"mediaType"', '{"mediaType":"x","mediaType"', 1))
        put("the same line twice", text + "\n" + text)
        if key is ED:
            tail = int.from_bytes(value[32:], "little") + ED_ORDER
            refuse("malleable", lambda top, _: _one(top).update(
                sig=_text(value[:32] + tail.to_bytes(32, "little"))))  # fmt: skip
            self._public_as_secret(good, put)
        if key is EC:
            r, s = decode_dss_signature(value)
            fixed = r.to_bytes(32, "big") + s.to_bytes(32, "big")
            padded = b"\x02\x22\0\0" + r.to_bytes(32, "big"), b"\x02\x21\0" + s.to_bytes(32, "big")
            sequence = b"\x30" + bytes([len(padded[0]) + len(padded[1])]) + padded[0] + padded[1]
            refuse("not in DER", lambda top, _: _one(top).update(sig=_text(fixed)))
            refuse("padded numbers", lambda top, _: _one(top).update(sig=_text(sequence)))
            zeros = b"\x30\x06\x02\x01\0\x02\x01\0"
            refuse("zero numbers", lambda top, _: _one(top).update(sig=_text(zeros)))

    def _signed_nonsense(self, refuse: Callable[..., None]) -> None:
        """Sign, rightly, statements that a reader must not take."""
        refuse("signed in shards", lambda _, inner: inner["predicate"]["serialization"].update(
            shard_size=1000), sign=True)  # fmt: skip
        refuse("signed with md5", lambda _, inner: inner["predicate"]["serialization"].update(
            hash_type="md5"), sign=True)  # fmt: skip
        refuse("signed statement of another type", lambda _, inner: inner.update(
            predicateType="https://example.org/other"), sign=True)  # fmt: skip
        for what, fact in (
            ("signed for the future", {"created": "2999-01-01T00:00:00Z"}),
            ("signed on no day", {"created": "2026-02-31T00:00:00Z"}),
            ("signed with a number as version", {"version": 1.5}),
            ("signed with a number in its metadata", {"metadata": {"score": 1}}),
        ):
            refuse(what, lambda _, inner, fact=fact: inner["subject"][0]["annotations"][
                FACTS].update(fact), sign=True)  # fmt: skip
        refuse("signed wrong root", lambda _, inner: inner["subject"][0]["digest"].update(
            sha256="0" * 64), sign=True)  # fmt: skip

    def _public_as_secret(self, good: dict[str, Any], put: Callable[[str, str], None]) -> None:
        """Make an HMAC whose secret is the public key, under the public key's name."""
        body = base64.b64decode(good["dsseEnvelope"]["payload"])
        message = pre_authentication_encoding(PAYLOAD_TYPE, body)
        top = copy.deepcopy(good)
        forged = hmac.digest(ED.public.to_pem(), message, hashlib.sha256)
        _one(top)["sig"] = _text(forged)
        put("public key used as a secret", json.dumps(top))


def _one(top: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = top["dsseEnvelope"]["signatures"][0]
    return found


def _relabel(top: dict[str, Any], media_type: str, key: Any) -> None:
    """Call a bundle one of the other kind, as that kind names its keys."""
    top["mediaType"] = media_type
    top["verificationMaterial"]["publicKey"]["hint"] = key.key_id


def _two_names(top: dict[str, Any], key: Any) -> None:
    """Name a second key; for an EC key the hint is the other one's."""
    if key is EC:
        hint = hashlib.sha256(OTHER_EC.public.to_pem()).hexdigest()
        top["verificationMaterial"]["publicKey"]["hint"] = hint
    else:
        _one(top)["keyid"] = OTHER_ED.key_id


def _with_front(whole: bytes, front: bytes) -> bytes:
    """Replace the signatures and the two places where their CRC-32 stands."""
    crc, central = struct.pack("<I", zlib.crc32(front)), whole.index(b"PK\x01\x02")
    out = bytearray(whole)
    out[14:18], out[64:16384], out[central + 16 : central + 20] = crc, front, crc
    return bytes(out)
