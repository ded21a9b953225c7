# SPDX-License-Identifier: BSD-3-Clause
"""Digests against the published values of their makers."""

from __future__ import annotations

import pytest

from safeserial.digests import ALGORITHMS, Digest, new_hasher, sha256_hex
from safeserial.errors import UnsupportedVersionError

EMPTY = {
    "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",  # FIPS 180-4
    "blake3": "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",  # BLAKE3 vectors
}
ABC = {
    "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "blake3": "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_known_values(algorithm):
    assert Digest.of(b"", algorithm).value == EMPTY[algorithm]
    assert Digest.of(b"abc", algorithm).value == ABC[algorithm]
    hasher = new_hasher(algorithm)
    for byte in b"abc":
        hasher.update(bytes([byte]))
    assert hasher.hexdigest() == ABC[algorithm]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_text_form_round_trips(algorithm):
    digest = Digest.of(b"abc", algorithm)
    assert Digest.parse(str(digest)) == digest
    assert digest.matches(ABC[algorithm])
    assert not digest.matches(EMPTY[algorithm])


@pytest.mark.parametrize(
    "text",
    ["", ":", "sha256", "sha256:", "sha256:" + "0" * 63, "sha256:" + "0" * 65, "md5:" + "0" * 64,
     "sha256:" + "A" * 64, "SHA256:" + "0" * 64, "sha256:" + "٣" * 64, "sha256: " + "0" * 63,
     "sha256:" + "0" * 63 + "\n"],
)  # fmt: skip
def test_other_text_is_refused(text):
    with pytest.raises(UnsupportedVersionError):
        Digest.parse(text)


def test_an_unknown_function_is_refused():
    with pytest.raises(UnsupportedVersionError):
        new_hasher("sha1")


def test_artifact_id_is_sha256():
    assert sha256_hex(b"abc") == ABC["sha256"]
