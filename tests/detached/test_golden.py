# SPDX-License-Identifier: BSD-3-Clause
"""Signature files of version 1 verify for ever: never change what lies in ``golden``."""

from pathlib import Path

import pytest

import safeserial as ss
from safeserial import errors
from tests.detached.conftest import EC, ED, MAC, refusal

GOLDEN = Path(__file__).with_name("golden")
IDS = {  # over digests of BLAKE3, and of SHA-256 where an EC key signed
    "data.bin": (
        "fced10c2811e75f98eddd3cacfe5931dc885fe03df035d28528b13f084b3166d",
        "90a40433d1ef746d5a335a47b1cff6a8c3b7c88075f89d58b06c684b04d27e20",
    ),
    "folder": (
        "d84e189e41ae638a7a96f972f5cc2780385de186fe6fe97f55222577218a5cc8",
        "1064307f4961f899ec9b5574c9bfa0d2a08a56a974e765daf8a1eb7ea832c0d3",
    ),
}
KEYS = {"p256": EC.public, "ed25519": ED.public, "hmac": MAC}


@pytest.mark.parametrize("kind", list(KEYS))
@pytest.mark.parametrize("subject", ["data.bin", "folder"])
def test_signature_files_of_version_1_verify(subject, kind, tmp_path):
    ring = ss.Keyring([KEYS[kind]])
    verified = ss.verify(GOLDEN / subject, keyring=ring)
    assert (verified.name, verified.version) == ("golden", "1.0")
    assert dict(verified.metadata) == {"note": "été"}
    assert [one.key_id for one in verified.signers] == [KEYS[kind].key_id]
    assert len(verified.unknown) == 2
    assert verified.artifact_id == IDS[subject][kind == "p256"]
    other = GOLDEN / "data.bin.sig"
    error = refusal(lambda: ss.verify(GOLDEN / "folder", keyring=ring, signature=other))
    assert isinstance(error, errors.DigestMismatchError)


def test_what_model_signing_wrote_verifies():
    """Written by ``model_signing sign key`` of release 1.1.1."""
    theirs = GOLDEN / "theirs.sig"
    verified = ss.verify(GOLDEN / "folder", keyring=ss.Keyring([EC.public]), signature=theirs)
    assert [one.name for one in verified.files] == ["a.txt", "sub/empty"]
