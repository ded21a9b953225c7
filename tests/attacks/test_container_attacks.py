# SPDX-License-Identifier: BSD-3-Clause
"""Attacks on signed containers, each with the refusal it must meet, in bounded time and memory."""

from __future__ import annotations

import base64
import gc
import hmac
import importlib
import inspect
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

import safeserial as ss
from safeserial import container, envelope, errors
from safeserial.artifact import loading
from safeserial.codecs import unpickling
from safeserial.files import FileSource
from safeserial.keyring import KeyEntry
from tests import world
from tests.world import (
    DAY,
    KEY,
    NOW,
    OTHER,
    RING,
    Parts,
    front,
    patched,
    refusal,
    signature,
    with_front,
)

MIB = 2**20


@pytest.fixture(scope="module")
def good() -> bytes:
    return world.artifact()


@pytest.fixture(scope="module")
def parts(good) -> Parts:
    return Parts.of(good)


@pytest.fixture
def nothing_is_built(monkeypatch):
    """Reaching the unpickler is a failure in itself."""

    def reached(*arguments: Any, **more: Any) -> None:
        raise AssertionError("the payload was interpreted")

    monkeypatch.setattr(unpickling, "load", reached)


def refused(data: bytes, kind: type[errors.SafeSerialError], ring: ss.Keyring = RING) -> None:
    """Hold loading to one class of error, from memory and from a file."""
    error = refusal(lambda: world.loads(data, ring))
    assert type(error) is kind, f"{type(error).__name__}: {error}"


# The fifteen of the checklist -----------------------------------------------------------------


def test_01_no_field_of_the_file_chooses_the_algorithm(good, parts):
    for more in ({"alg": "none"}, {"alg": "HS256"}, {"algorithm": ""}):
        listed = [{**parts.signatures[0], **more}]
        refused(with_front(good, front(parts.body, listed)), errors.CorruptArtifactError)
        refused(
            with_front(good, front(parts.body, parts.signatures, **more)),
            errors.CorruptArtifactError,
        )
    for value in ("", "AA==", base64.b64encode(bytes(32)).decode()):
        kind = errors.BadSignatureError if value else errors.CorruptArtifactError
        empty = [{**parts.signatures[0], "sig": value}]
        refused(with_front(good, front(parts.body, empty)), kind)
    # The key id, which is public, is no key.
    forged = hmac.digest(
        KEY.key_id.encode(), envelope.Envelope(parts.body, ()).signed_bytes, "sha256"
    )
    listed = [{**parts.signatures[0], "sig": base64.b64encode(forged).decode()}]
    refused(with_front(good, front(parts.body, listed)), errors.BadSignatureError)


@pytest.mark.parametrize("field", sorted(Parts.of(world.artifact(name="n", version="1")).manifest))
def test_02_every_field_of_the_manifest_is_signed(field):
    parts = Parts.of(world.artifact(name="n", version="1"))
    value = parts.manifest[field]
    changed: Any = (
        f"{value}x"
        if isinstance(value, str)
        else [*value, "x"]
        if isinstance(value, list)
        else {"x": 1}
    )
    refused(
        parts.zipped(parts.changed(**{field: changed}).body, parts.signatures),
        errors.BadSignatureError,
    )


@pytest.mark.parametrize("label", ["joblib", "skops", "onnx", "PICKLE", ""])
def test_03_the_payload_cannot_be_relabelled(parts, label):
    refused(parts.changed(format=label).unsigned(), errors.BadSignatureError)


@pytest.mark.parametrize("label", ["skops", "onnx", "dill", ""])
def test_03_a_signed_label_that_is_not_read_here_is_refused_too(parts, label):
    error = refusal(lambda: world.loads(parts.changed(format=label).signed()))
    # A format that is read here has other members than a pickle.
    expected = errors.CorruptArtifactError if label in {"skops", "onnx"} else errors.PolicyError
    assert isinstance(error, expected)
    swapped = parts.changed(format="joblib").signed()
    assert isinstance(refusal(lambda: world.loads(swapped)), errors.CorruptArtifactError)


def test_04_no_byte_moves_between_the_signed_parts(good, parts):
    body = parts.body
    for size in (len(body) - 1, len(body) + 1, 1):
        moved = with_front(good, front(body, parts.signatures, payloadSize=size))
        refused(moved, errors.CorruptArtifactError)
    # Body and type in other places, with the tag of their concatenation.
    refused(parts.zipped(body + b" ", parts.signatures), errors.BadSignatureError)
    bare = [{"keyid": KEY.key_id, "sig": base64.b64encode(
        hmac.digest(KEY.subkey("artifact-signature"), body, "sha256")).decode()}]  # fmt: skip
    refused(parts.zipped(body, bare), errors.BadSignatureError)
    tag = base64.b64decode(parts.signatures[0]["sig"])
    for other in (tag[:16], tag[:31], tag + b"\0", tag + tag):
        listed = [{"keyid": KEY.key_id, "sig": base64.b64encode(other).decode()}]
        refused(with_front(good, front(body, listed)), errors.BadSignatureError)


def test_05_neither_a_prefix_nor_more_than_the_file_is_accepted(good):
    for cut in (0, 1, 44):
        refused(good[:cut], errors.NotAnArtifactError)
    for cut in (45, 64, 16_000, 16_384, 16_448, 16_500, len(good) - 22, len(good) - 1):
        refused(good[:cut], errors.CorruptArtifactError)
    for more in (b"\0", b"N.", good, bytes(10 * MIB)):
        refused(good + more, errors.CorruptArtifactError)


def test_06_a_file_swapped_after_its_check_is_not_read(tmp_path, good, monkeypatch):
    path = tmp_path / "model.safeserial"
    path.write_bytes(good)
    evil = tmp_path / "evil"
    evil.write_bytes(world.artifact({"evil": True}))
    real, opened = loading.accept, []

    def swap(*arguments: Any) -> Any:
        verified = real(*arguments)
        evil.replace(path)
        return verified

    monkeypatch.setattr(loading, "accept", swap)
    real_open = os.open
    monkeypatch.setattr(os, "open", lambda *a, **k: opened.append(a[0]) or real_open(*a, **k))
    assert ss.load(path, keyring=RING, policy=world.CALM) == world.MODEL
    assert opened.count(path) == 1


def test_06_bytes_of_the_caller_may_change_later(good):
    data = bytearray(world.artifact({"a": world.arrays()["floats"]}))
    model = world.loads(data)
    data[:] = bytes(len(data))
    assert world.same(model["a"], world.arrays()["floats"])


@pytest.mark.parametrize(
    "key_id",
    ["", "../../etc/passwd", "/etc/passwd", "https://example.com/key", "file:///etc/key", "a b",
     "A",
     "\x00", "x" * 129, "%s", "${KEY}", "é", "a\n"],
)  # fmt: skip
def test_07_a_key_id_is_only_compared(good, parts, key_id):
    listed = [{**parts.signatures[0], "keyid": key_id}]
    refused(with_front(good, front(parts.body, listed)), errors.CorruptArtifactError)


def test_07_a_key_id_cannot_select_another_key(good, parts):
    ring = ss.Keyring([KEY, OTHER])
    listed = [{**parts.signatures[0], "keyid": OTHER.key_id}]
    refused(with_front(good, front(parts.body, listed)), errors.BadSignatureError, ring)
    for near in (KEY.key_id[:-1], KEY.key_id + "0", "hmac-", KEY.key_id[5:]):
        listed = [{**parts.signatures[0], "keyid": near}]
        refused(with_front(good, front(parts.body, listed)), errors.UnknownKeyError, ring)


def test_08_identity_is_signed_so_that_a_replay_shows():
    old = world.artifact({"v": 1}, name="churn", version="1")
    new = world.artifact({"v": 2}, name="churn", version="2")
    one, two = Parts.of(old), Parts.of(new)
    for field in ("name", "version", "created"):
        changed = one.changed(**{field: "2025-01-01T00:00:00Z" if field == "created" else "x"})
        refused(changed.unsigned(), errors.BadSignatureError)
    mixed = Parts(two.signatures, two.manifest, one.members)
    error = refusal(lambda: world.loads(mixed.unsigned()))
    assert isinstance(error, errors.VerificationError | errors.CorruptArtifactError)


def test_08_verify_tells_who_what_and_when(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(world.artifact(name="churn", version="1"))
    verified = ss.verify(path, keyring=RING)
    assert (verified.manifest.name, verified.manifest.version) == ("churn", "1")
    assert [one.key_id for one in verified.signers] == [KEY.key_id]
    assert verified.artifact_id == ss.inspect(path).artifact_id


def test_09_tags_and_digests_are_compared_in_constant_time():
    from safeserial import digests, signing

    for function in (signing.HmacVerifier.verify, digests.Digest.matches):
        source = inspect.getsource(function)
        assert "compare_digest" in source
        assert "==" not in source


@pytest.mark.usefixtures("nothing_is_built")
def test_10_nothing_is_parsed_or_decompressed_before_it_is_verified(monkeypatch):
    from safeserial import manifest

    opening = importlib.import_module("safeserial.verifier.survey")

    def reached(*arguments: Any, **more: Any) -> None:
        raise AssertionError("parsed before it was verified")

    parts = Parts.of(world.artifact(compression="zlib"))
    flipped = {path: data[:-1] + bytes([data[-1] ^ 1]) for path, data in parts.members.items()}
    swapped = Parts(parts.signatures, parts.manifest, flipped).unsigned()
    changed = parts.changed(name="other").unsigned()
    monkeypatch.setattr(opening, "decompress", reached)
    error = refusal(lambda: world.loads(swapped))
    assert isinstance(error, errors.VerificationError | errors.CorruptArtifactError)
    monkeypatch.setattr(manifest, "decode", reached)
    refused(changed, errors.BadSignatureError)
    refused(parts.signed(OTHER), errors.UnknownKeyError)


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (0, 2, 1), (0, 1), (0,), ()])
def test_11_members_cannot_be_reordered_or_dropped(order):
    parts = Parts.of(world.artifact(world.arrays()))
    names = list(parts.members)
    chosen = {names[at]: parts.members[names[at]] for at in order}
    refused(Parts(parts.signatures, parts.manifest, chosen).unsigned(), errors.CorruptArtifactError)
    swapped = dict(zip(parts.members, reversed(parts.members.values()), strict=True))
    error = refusal(
        lambda: world.loads(Parts(parts.signatures, parts.manifest, swapped).unsigned())
    )
    assert isinstance(error, errors.CorruptArtifactError | errors.DigestMismatchError)


@pytest.mark.parametrize("purpose", ["key-id", "detached-signature", "artifact-signature/", ""])
def test_12_a_tag_made_for_another_purpose_is_worth_nothing(parts, purpose):
    listed = [signature(KEY, parts.body, purpose=purpose)]
    refused(parts.zipped(parts.body, listed), errors.BadSignatureError)
    raw = hmac.digest(bytes(range(32)), envelope.Envelope(parts.body, ()).signed_bytes, "sha256")
    listed = [{"keyid": KEY.key_id, "sig": base64.b64encode(raw).decode()}]
    refused(parts.zipped(parts.body, listed), errors.BadSignatureError)


def test_12_another_type_of_content_is_not_a_manifest(good, parts):
    for kind in ("application/vnd.in-toto+json", "application/vnd.safeserial.manifest.v2+json", ""):
        changed = front(parts.body, parts.signatures, payloadType=kind)
        refused(with_front(good, changed), errors.UnsupportedVersionError)


def test_13_an_empty_key_and_a_key_that_all_can_read(tmp_path):
    for secret in (b"", bytes(32)):
        with pytest.raises(errors.WeakKeyError):
            ss.HmacKey(secret)
    path = tmp_path / "team.keys"
    RING.save(path)
    path.chmod(0o644)
    assert isinstance(refusal(lambda: ss.Keyring.load(path)), errors.UnreadableFileError)


def test_14_a_missing_signature_is_a_refusal(good, parts, tmp_path):
    refused(with_front(good, front(parts.body, [])), errors.UnsignedError)
    refused(good, errors.UnknownKeyError, ss.Keyring())
    plain = tmp_path / "model.pkl"
    plain.write_bytes(b"\x80\x05N.")
    assert type(refusal(lambda: ss.load(plain, keyring=RING))) is errors.NotAnArtifactError
    signed = tmp_path / "model.safeserial"
    signed.write_bytes(good)
    assert isinstance(refusal(lambda: ss.load_unsigned(signed)), errors.NotAnArtifactError)


def test_15_what_is_hashed_is_what_is_loaded(good, tmp_path):
    path = tmp_path / "f"
    for name in ("payload/model.pickle", "payload/model2.pickle", "manifest.json", "../x"):
        path.write_bytes(good)
        with zipfile.ZipFile(path, "a") as archive, pytest.MonkeyPatch.context() as patch:
            patch.setattr("warnings.warn", lambda *a, **k: None)
            archive.writestr(name, b"N.")
        refused(path.read_bytes(), errors.CorruptArtifactError)
    # A second central directory that names another place for a member.
    directory = good.index(b"PK\x01\x02")
    refused(good + good[directory:], errors.CorruptArtifactError)
    refused(good[:-2] + b"\x16\0" + good[-22:], errors.CorruptArtifactError)


# Who signed ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"state": "retired"}, errors.RetiredKeyError),
        ({"state": "revoked"}, errors.RevokedKeyError),
        ({"state": "accepted", "not_after": NOW - DAY}, errors.ExpiredKeyError),
        ({"state": "accepted", "not_before": NOW + DAY}, errors.KeyNotYetValidError),
    ],
)
@pytest.mark.usefixtures("nothing_is_built")
def test_keys_that_do_not_count(good, entry, kind):
    refused(good, kind, ss.Keyring([KeyEntry(key=KEY, **entry)]))
    # An altered file says nothing about its key: the wrong tag comes first.
    parts = Parts.of(good)
    refused(parts.changed(name="x").unsigned(), errors.BadSignatureError,
            ss.Keyring([KeyEntry(key=KEY, **entry)]))  # fmt: skip


def test_one_wrong_signature_spoils_the_file(parts):
    ring = ss.Keyring([KEY, OTHER])
    wrong = {**parts.signatures[0], "keyid": OTHER.key_id}
    for listed in ([*parts.signatures, wrong], [wrong, *parts.signatures]):
        refused(parts.zipped(parts.body, listed), errors.BadSignatureError, ring)
        assert world.loads(parts.zipped(parts.body, listed)) == world.MODEL  # unknown there


def test_a_good_signer_stands_beside_one_that_does_not_count(parts, tmp_path):
    both = parts.signed(KEY, OTHER)
    ring = ss.Keyring([KeyEntry(key=KEY, state="accepted"), KeyEntry(key=OTHER, state="retired")])
    path = tmp_path / "f"
    path.write_bytes(both)
    assert [one.key_id for one in ss.verify(path, keyring=ring).signers] == [KEY.key_id]
    refused(both, errors.RetiredKeyError, ss.Keyring([KeyEntry(key=OTHER, state="retired")]))


def test_a_revoked_signer_spoils_what_a_good_one_signed_beside_it(parts):
    both = parts.signed(KEY, OTHER)
    for key, other in ((KEY, OTHER), (OTHER, KEY)):
        entries = [KeyEntry(key=key, state="accepted"), KeyEntry(key=other, state="revoked")]
        refused(both, errors.RevokedKeyError, ss.Keyring(entries))


def test_a_date_to_come_is_refused(parts):
    later = (NOW + DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    refused(parts.changed(created=later).signed(), errors.PolicyError)
    soon = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert world.loads(parts.changed(created=soon).signed()) == world.MODEL


# What is in the text -----------------------------------------------------------------------------


def fronts() -> dict[str, bytes]:
    deep = (b'{"payloadSize":' + b"[" * 16_000).ljust(world.ROOM)
    return {
        "deep JSON": deep,
        "deep objects": (b'{"a":' * 3000).ljust(world.ROOM),
        "duplicate keys": b'{"payloadSize":1,"payloadSize":2}'.ljust(world.ROOM),
        "no UTF-8": b'{"payloadType":"\xff\xfe"}'.ljust(world.ROOM),
        "UTF-16": '{"a":1}'.encode("utf-16").ljust(world.ROOM),
        "a huge number": (b'{"payloadSize":' + b"9" * 16_000 + b"}").ljust(world.ROOM),
        "a float": b'{"payloadSize":1e3}'.ljust(world.ROOM),
        "only spaces": b" " * world.ROOM,
        "zeros": bytes(world.ROOM),
        "an array": (b"[" + b"1," * 8000 + b"1]").ljust(world.ROOM),
    }


@pytest.mark.parametrize("name", fronts())
@pytest.mark.usefixtures("nothing_is_built")
def test_hostile_text_in_the_signatures(good, name):
    refused(with_front(good, fronts()[name]), errors.CorruptArtifactError)


@pytest.mark.parametrize("made", [b"[" * 100_000, b'{"a":' * 100_000, b'{"a":1,"a":1}',
b"\xff\xfe", b"1e400",
                                  b"NaN", b"{}", b'"\\ud800"', b"9" * 100_000, b"null",
                                  b"[]"])  # fmt: skip
def test_hostile_text_in_a_signed_manifest(parts, made):
    error = refusal(lambda: world.loads(parts.zipped(made, [signature(KEY, made)])))
    assert isinstance(
        error,
        errors.CorruptArtifactError | errors.UnsupportedVersionError,
    )


def test_a_manifest_that_promises_much(good, parts):
    for size, kind in ((2**24 + 1, errors.LimitExceededError), (2**53 - 1,
    errors.LimitExceededError),
                       (2**24, errors.CorruptArtifactError)):  # fmt: skip
        changed = with_front(good, front(parts.body, parts.signatures, payloadSize=size))
        refused(changed, kind)
    member = parts.manifest["members"][0]
    for size, kind in (
        (2**40, errors.CorruptArtifactError),
        (2**47 + 1, errors.LimitExceededError),
    ):
        huge = parts.changed(members=[{**member, "size": size}])
        refused(huge.signed(), kind)
        refused(huge.unsigned(), errors.BadSignatureError)


def test_the_filling_is_spaces(good):
    end = world.FRONT + world.ROOM - 1
    for byte in (b"\t", b"\n", b"\0", b"x"):
        refused(patched(good, end, byte), errors.CorruptArtifactError)


# Files that are none, or change -----------------------------------------------------------------


def everything(path: Path) -> list[Any]:
    """Every way to open a file."""
    return [
        lambda: ss.load(path, keyring=RING),
        lambda: ss.verify(path, keyring=RING),
        lambda: ss.inspect(path, keyring=RING),
        lambda: ss.load_unsigned(path),
        lambda: ss.get_untrusted_types(path),
    ]


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    begin = time.monotonic()
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "loop", Path("/dev/zero"),
    Path("/dev/null"),
                 tmp_path / "missing", tmp_path / ("x" * 300), Path("a\0b")):  # fmt: skip
        for action in everything(path):
            assert isinstance(refusal(action), errors.UnreadableFileError)
    assert time.monotonic() - begin < 2


def test_a_renamed_file_is_the_same_file(tmp_path, good):
    path = tmp_path / "invoice.pdf"
    path.write_bytes(good)
    assert ss.load(path, keyring=RING, policy=world.CALM) == world.MODEL


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"\x80\x05N.", b"%PDF-1.7", b"\x7fELF", b"PK\x05\x06" + bytes(18),
     b"<!DOCTYPE html>",
     b"version https://git-lfs.github.com/spec/v1\n", b"\x93NUMPY\x01\x00", b"x" * 100_000,
     b"\xff" * 64],
)  # fmt: skip
def test_other_formats(tmp_path, content):
    path = tmp_path / "f"
    path.write_bytes(content)
    for action in everything(path)[:2]:
        assert type(refusal(action)) is errors.NotAnArtifactError


class Changing(FileSource):
    """A file that somebody else changes after the first so many bytes were read."""

    done = 0
    at = 20_000
    change: Any = staticmethod(lambda: None)

    def _before(self, size: int) -> None:
        if type(self).done <= self.at < type(self).done + size:
            self.change()
        type(self).done += size

    def read_into(self, view: memoryview) -> None:
        self._before(len(view))
        super().read_into(view)

    def read(self, size: int) -> memoryview:
        self._before(size)
        return super().read(size)


@pytest.mark.parametrize("at", [0, 64, 16_384, 16_500, 20_000, 5_000_000])
@pytest.mark.parametrize("what", ["truncate", "overwrite", "replace", "grow", "remove"])
def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch, at, what):
    path = tmp_path / "model.safeserial"
    model = {"a": bytes(9_000_000), "b": list(range(50))}
    data = world.artifact(model)
    path.write_bytes(data)
    other = tmp_path / "other"
    other.write_bytes(world.artifact({"evil": True}))

    def overwrite() -> None:
        with path.open("r+b") as stream:
            stream.write(b"\xff" * len(data))

    changes = {
        "truncate": lambda: os.truncate(path, min(at, 30000)),
        "overwrite": overwrite,
        "replace": lambda: other.replace(path),
        "grow": lambda: os.truncate(path, len(data) + 1),
        "remove": path.unlink,
    }
    source = type(
        "Source", (Changing,), {"at": at, "change": staticmethod(changes[what]), "done": 0}
    )
    monkeypatch.setattr("safeserial.files.FileSource", source)
    if what in ("truncate", "overwrite"):
        error = refusal(lambda: ss.load(path, keyring=RING, policy=world.CALM))
        assert isinstance(error, errors.FormatError | errors.VerificationError)
    else:  # the open file is the old one, or what was read had its size before
        assert ss.load(path, keyring=RING, policy=world.CALM) == model


def test_a_file_overwritten_all_the_time_is_old_or_refused(tmp_path, good):
    path = tmp_path / "f"
    path.write_bytes(good)
    evil = world.artifact({"evil": 1, "more": "x" * 40})
    stop = threading.Event()

    def write() -> None:
        flip = False
        while not stop.is_set():
            with path.open("r+b") as stream:
                stream.write(evil if flip else good)
            flip = not flip

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(200):
            try:
                found = ss.load(path, keyring=RING, policy=world.CALM)
            except errors.SafeSerialError as error:
                assert error.hint
            else:
                assert found in (world.MODEL, {"evil": 1, "more": "x" * 40})
    finally:
        stop.set()
        writer.join()


# Bounded time and memory --------------------------------------------------------------------------

PROBE = """
    import json, resource, sys, time, warnings
    warnings.simplefilter("ignore")
    import numpy, safeserial as ss
    from safeserial import verifier, codecs
    from tests import world
    world.loads(world.artifact()); world.loads(world.artifact(format="joblib"))
    resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    out = []
    for path in sys.argv[2:]:
        for action in json.loads(sys.argv[1]):
            begin = time.monotonic()
            try:
                options = {"keyring": world.RING} if action in ("load", "verify", "inspect") else {}
                found = getattr(ss, action)(path, **options)
                said = getattr(found, "verdict", "accepted")
            except ss.errors.SafeSerialError as error:
                said = type(error).__name__ if error.hint else "no hint"
            except BaseException as error:
                said = repr(error)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            out.append([path.rsplit("/", 1)[-1], action, said, time.monotonic() - begin,
            peak - before])
    assert world.loads(world.artifact()) == world.MODEL  # the process goes on
    print(json.dumps(out))
"""


def probe(actions: list[str], *paths: Path) -> list[list[Any]]:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROBE), json.dumps(actions), *map(str, paths)],
        capture_output=True, text=True, check=False, timeout=100, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[list[Any]] = json.loads(done.stdout)
    return found


def sparse(path: Path, start: bytes, size: int) -> Path:
    path.write_bytes(start)
    os.truncate(path, size)
    return path


def test_huge_files_cost_nothing_before_they_are_trusted(tmp_path, good, parts):
    tera = 10**12
    manifest = {**parts.manifest["members"][0], "size": tera}
    huge = parts.changed(members=[manifest])
    body = huge.body
    whole = container.layout(
        [*container.front_entries(front(body, [signature(KEY, body)]), body),
         container.Entry(manifest["path"], tera, int(manifest["crc32"], 16))]
    )  # fmt: skip

    def begin(listed: list[dict[str, str]]) -> bytes:
        return container.front_bytes(front(body, listed), body) + whole.headers[2]

    files = {
        "zeros": sparse(tmp_path / "zeros", b"", tera),
        "tail": sparse(tmp_path / "tail", good, tera),
        "unsigned": sparse(tmp_path / "unsigned", begin([]), whole.total_size),
        "other": sparse(tmp_path / "other", begin([signature(OTHER, body)]), whole.total_size),
        "wrong": sparse(tmp_path / "wrong", begin(parts.signatures), whole.total_size),
        "signed": sparse(tmp_path / "signed", begin([signature(KEY, body)]), whole.total_size),
        "over": sparse(tmp_path / "over", good, 2**41),
        "short": tmp_path / "short",
    }
    files["short"].write_bytes(begin([signature(KEY, body)]))
    expected = {
        "zeros": "NotAnArtifactError", "tail": "CorruptArtifactError", "unsigned": "UnsignedError",
        "other": "UnknownKeyError", "wrong": "BadSignatureError", "signed": "LimitExceededError",
        "over": "LimitExceededError", "short": "CorruptArtifactError",
    }  # fmt: skip
    for name, action, said, seconds, kibibytes in probe(["load"], *files.values()):
        assert said == expected[name], (name, action, said)
        assert seconds < 1, (name, action, seconds)
        assert kibibytes < 64 * 1024, (name, action, kibibytes)
    cheap = [path for name, path in files.items() if name != "signed"]
    for name, _, said, seconds, kibibytes in probe(["verify", "load_unsigned", "inspect"], *cheap):
        assert said not in ("accepted", "safe", "no hint"), name
        assert "(" not in said, said
        assert seconds < 1, (name, said, seconds)
        assert kibibytes < 64 * 1024, (name, said, kibibytes)


def test_hostile_text_costs_little(tmp_path, good, parts):
    files = []
    for name, blob in fronts().items():
        files.append(tmp_path / name.replace(" ", "-"))
        files[-1].write_bytes(with_front(good, blob))
    for name, body in (
        ("deep", b"[" * 2**24),
        ("wide", b"[" + b"[]," * 2_000_000 + b"0]"),
        ("most", b"[" + b"[]," * (2**18 - 1) + b"0]"),
        ("long", b'"' + b"x" * (2**24 - 2) + b'"'),
        ("digits", b"9" * 2**24),
    ):
        for key, mark in ((KEY, "signed"), (OTHER, "other")):
            files.append(tmp_path / f"{name}-{mark}")
            files[-1].write_bytes(parts.zipped(body, [signature(key, body)]))
    for name, action, said, seconds, kibibytes in probe(["verify", "load"], *files):
        assert said.endswith("Error"), (name, said)
        assert seconds < 1.5, (name, action, seconds)
        assert kibibytes < 64 * 1024, (name, action, kibibytes)
    for name, _, said, seconds, kibibytes in probe(["inspect", "get_untrusted_types"], *files):
        assert said == "cannot tell" or said.endswith("Error"), (name, said)
        assert seconds < 1.5, (name, seconds)
        assert kibibytes < 64 * 1024, (name, kibibytes)


# What an error keeps ------------------------------------------------------------------------------


def test_a_kept_error_keeps_nothing_of_the_file(tmp_path):
    """A memoryview in a cycle crashes the collector of CPython 3.11, and of 3.12 before 3.12.7."""
    payload = Parts.of(world.artifact(world.arrays()))
    payload.members["payload/index.bin"] = payload.members["payload/index.bin"][:-1] + b"!"
    broken = payload.described().signed()
    hostile = Parts.of(world.artifact(format="joblib"))
    hostile.members["payload/model.joblib"] = (
        b"\x80\x05\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R."
    )
    path = tmp_path / "f"
    kept = []

    def keep(action: Any) -> None:
        try:
            result = action()
            kept.append(getattr(result, "problem", None) or KeyError())
        except errors.SafeSerialError as error:
            kept.append(error)
            result = error  # a cycle: error, traceback, this frame

    for data in (
        broken,
        hostile.described().signed(),
        broken[:-1],
        b"\x80\x05N",
        b"\x80\x05cos\nsystem\n.",
    ):
        path.write_bytes(data)
        for action in (*everything(path), lambda data=data: world.loads(data)):
            keep(action)
    assert len(kept) == 30
    for error in kept:
        chain: BaseException | None = error
        while chain is not None:
            step = chain.__traceback__
            while step is not None:
                held = [
                    one for one in step.tb_frame.f_locals.values() if isinstance(one, memoryview)
                ]
                assert not held, step.tb_frame.f_code.co_name
                step = step.tb_next
            chain = chain.__cause__ or chain.__context__
    kept.clear()
    gc.collect()


@pytest.mark.parametrize("format", ["pickle", "joblib"])
def test_loading_leaves_no_memory_in_cycles(tmp_path, format):
    data = world.artifact(world.arrays(), format=format)
    path = tmp_path / "f"
    path.write_bytes(data)
    world.loads(data)
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(3):
            world.loads(data)
            ss.inspect(path, keyring=RING)
            ss.get_untrusted_types(path)
            ss.verify(path, keyring=RING)
        gc.collect()
        views = [one for one in gc.garbage if isinstance(one, memoryview)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert not views
