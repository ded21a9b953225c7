# SPDX-License-Identifier: BSD-3-Clause
"""Files of format v1 open for ever, and what was refused stays refused, each for its own reason."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import safeserial as ss
from safeserial.envelope import PAYLOAD_TYPE, pre_authentication_encoding
from tests import world
from tests.golden import make_v1, reader_v1

FOLDER = Path(__file__).parent / "v1"
EXPECT = tomllib.loads((FOLDER / "expect.toml").read_text("utf-8"))
FILES: list[dict[str, Any]] = EXPECT["file"]
SECRET = bytes.fromhex(EXPECT["secret_hex"])
RING = ss.Keyring([ss.HmacKey(SECRET)])
NATIVE = {**make_v1.arrays(), "big": make_v1.arrays()["big"].astype("<i2")}  # as joblib has it
VALUES = {
    "plain": make_v1.PLAIN,
    "pickle-arrays": make_v1.arrays(),
    "joblib-arrays": NATIVE,
    "pickle-rows": make_v1.rows(),
}
PAYLOADS = ("call", "trailing", "index", "index-dtype", "index-shape", "index-kind", "index-rows")
BEYOND_THE_CONTAINER = {f"{name}.safeserial" for name in PAYLOADS}
NEEDED = {"lz4": "lz4", "zstd": "zstandard"}

every_file = pytest.mark.parametrize("one", FILES, ids=[one["name"] for one in FILES])


def outcome(data: bytes) -> tuple[str, Any]:
    """Return ``ok`` and the value, or the name of the error and the error."""
    try:
        return "ok", ss.loads(data, keyring=RING, policy=world.CALM)
    except ss.errors.SafeSerialError as error:
        assert error.hint
        return type(error).__name__, error


@every_file
def test_each_file_ends_as_it_always_did(one):
    for method, module in NEEDED.items():
        if f"-{method}." in one["name"] and importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    found, result = outcome((FOLDER / one["name"]).read_bytes())
    assert found == one["outcome"], result
    if found == "ok":
        assert world.same(result, VALUES[one["value"]])


@every_file
def test_a_reader_made_from_the_specification_agrees(one):
    data = (FOLDER / one["name"]).read_bytes()
    good = one["outcome"] == "ok" or one["name"] in BEYOND_THE_CONTAINER
    if not good:
        with pytest.raises(reader_v1.Refused):
            reader_v1.read(data, SECRET)
        return
    manifest, members = reader_v1.read(data, SECRET)
    assert manifest["format"] in {"pickle", "joblib"}
    assert members == world.Parts.of(data).members


def test_published_files_never_change_and_none_is_unlisted():
    for one in FILES:
        digest = hashlib.sha256((FOLDER / one["name"]).read_bytes()).hexdigest()
        assert digest == one["sha256"], f"{one['name']} was changed; add a new file instead"
    names = [one["name"] for one in FILES]
    assert sorted(names) == sorted(path.name for path in FOLDER.glob("*.safeserial"))
    assert {path.name for path in FOLDER.iterdir()} == {*names, "expect.toml"}


def git(*arguments: str) -> str | None:
    root = str(FOLDER.parents[2])
    try:
        done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.decode("utf-8")


def test_what_was_released_is_still_listed_as_it_was():
    tags = (git("tag", "--merged", "HEAD") or "").split()
    if not tags:
        pytest.skip("no release to compare with")
    newer = {one["name"]: one for one in FILES}
    for tag in tags:
        before = git("show", f"{tag}:tests/golden/v1/expect.toml")
        older = {one["name"]: one for one in tomllib.loads(before or "file = []")["file"]}
        assert {name: newer.get(name) for name in older} == older, tag


def test_the_vectors_cover_every_format_digest_and_compressor():
    names = {one["name"].removesuffix(".safeserial") for one in FILES if one["outcome"] == "ok"}
    for codec in ("pickle", "joblib"):
        for way in (
            "blake3",
            "sha256",
            "zlib",
            "gzip",
            "bz2",
            "lzma",
            "xz",
            "lz4",
            "zstd",
            "arrays",
        ):
            assert f"{codec}-{way}" in names
    assert len({one["outcome"] for one in FILES}) >= 10


def test_the_maker_makes_the_same_files_every_time():
    if importlib.util.find_spec("lz4") is None or importlib.util.find_spec("zstandard") is None:
        pytest.skip("lz4 and zstandard are needed")
    first, second = list(make_v1.vectors()), list(make_v1.vectors())
    assert first == second
    assert [f"{name}.safeserial" for name, *_ in first] == [one["name"] for one in FILES]


def test_the_test_key_is_the_one_that_the_specification_prints():
    assert ss.HmacKey(SECRET).key_id == EXPECT["key_id"]
    assert reader_v1.hkdf(SECRET, "key-id")[:16].hex() == EXPECT["key_id"].removeprefix("hmac-")
    spec = (FOLDER.parents[2] / "docs/spec/format-v1.md").read_text("utf-8")
    assert EXPECT["key_id"] in spec
    assert SECRET.hex() in spec
    message = spec[spec.index("DSSEv1 43 ") :].splitlines()[0].encode()
    assert message == pre_authentication_encoding(PAYLOAD_TYPE, b"{}")
    subkey = reader_v1.hkdf(SECRET, "artifact-signature")
    assert subkey.hex() in spec
    assert hmac.digest(subkey, message, "sha256").hex() in spec
