# SPDX-License-Identifier: BSD-3-Clause
"""The envelope: DSSE's exact bytes, and a list of signatures in one form only."""

from __future__ import annotations

import json

import pytest

from safeserial import envelope, errors
from safeserial.envelope import Signature, pack_signatures, unpack_signatures
from tests.world import ROOM, front

GOOD = {"keyid": "hmac-" + "0" * 32, "sig": "AAAA"}


def test_the_published_vector_of_dsse():
    # https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md, "Test vectors"
    found = envelope.pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert found == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_lengths_are_of_bytes():
    assert envelope.pre_authentication_encoding("é", "é".encode()) == "DSSEv1 2 é 2 é".encode()
    assert envelope.pre_authentication_encoding("", b"") == b"DSSEv1 0  0 "


def test_no_byte_can_move_between_type_and_body():
    seen = {
        envelope.pre_authentication_encoding(text[:cut].decode(), text[cut:])
        for text in (b"a 1 b 2 c", b"1 1 1 1 1")
        for cut in range(len(text) + 1)
    }
    assert len(seen) == 20


def test_signatures_round_trip():
    listed = tuple(Signature(f"hmac-{i:032x}", bytes(32)) for i in range(32))
    blob = pack_signatures(100, listed)
    assert len(blob) == ROOM == envelope.RESERVED_BYTES
    assert unpack_signatures(blob) == (100, listed)


def test_the_room_has_a_limit():
    for listed in (
        tuple(Signature(f"k{i}", b"x") for i in range(33)),
        (Signature("k", bytes(20_000)),),
    ):
        with pytest.raises(errors.LimitExceededError):
            pack_signatures(100, listed)
    large = (Signature("k", bytes(12_000)),)
    assert unpack_signatures(pack_signatures(1, large)) == (1, large)


CORRUPT = errors.CorruptArtifactError


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"signatures": []}, errors.UnsignedError),
        ({"signatures": None}, CORRUPT),
        ({"signatures": {}}, CORRUPT),
        ({"signatures": [GOOD, GOOD]}, CORRUPT),
        ({"signatures": [{**GOOD, "keyid": f"k{i}"} for i in range(33)]}, CORRUPT),
        ({"signatures": [{**GOOD, "alg": "none"}]}, CORRUPT),
        ({"signatures": [{"sig": "AAAA"}]}, CORRUPT),
        ({"signatures": [{**GOOD, "keyid": ""}]}, CORRUPT),
        ({"signatures": [{**GOOD, "keyid": "../key"}]}, CORRUPT),
        ({"signatures": [{**GOOD, "keyid": "http://example.com"}]}, CORRUPT),
        ({"signatures": [{**GOOD, "keyid": "A"}]}, CORRUPT),
        ({"signatures": [{**GOOD, "keyid": "a" * 129}]}, CORRUPT),
        ({"signatures": [{**GOOD, "keyid": "a\n"}]}, CORRUPT),
        ({"signatures": [{**GOOD, "keyid": None}]}, CORRUPT),
        ({"signatures": [{**GOOD, "sig": ""}]}, CORRUPT),
        ({"signatures": [{**GOOD, "sig": "AAA"}]}, CORRUPT),
        ({"signatures": [{**GOOD, "sig": "AAB="}]}, CORRUPT),
        ({"signatures": [{**GOOD, "sig": "A-_A"}]}, CORRUPT),
        ({"signatures": [{**GOOD, "sig": "AA AA"}]}, CORRUPT),
        ({"signatures": [{**GOOD, "sig": "AAAA\n"}]}, CORRUPT),
        ({"signatures": [{**GOOD, "sig": 5}]}, CORRUPT),
        ({"signatures": ["AAAA"]}, CORRUPT),
        ({"payloadSize": 0}, CORRUPT),
        ({"payloadSize": -1}, CORRUPT),
        ({"payloadSize": True}, CORRUPT),
        ({"payloadSize": "5"}, CORRUPT),
        ({"payloadSize": 2**24 + 1}, errors.LimitExceededError),
        ({"payloadSize": 2**60}, CORRUPT),
        ({"payloadType": "application/vnd.in-toto+json"}, errors.UnsupportedVersionError),
        ({"payloadType": None}, errors.UnsupportedVersionError),
        ({"more": 1}, CORRUPT),
        ({"alg": "none"}, CORRUPT),
    ],
)
def test_other_lists_are_refused(fields, error):
    assert unpack_signatures(front(b"12345", [GOOD]))[0] == 5
    with pytest.raises(error):
        unpack_signatures(front(b"12345", **{"signatures": [GOOD], **fields}))


@pytest.mark.parametrize(
    "blob",
    [b"", b" " * ROOM, b"null".ljust(ROOM), b"[]".ljust(ROOM), b"{}".ljust(ROOM), bytes(ROOM),
     front(b"1", [GOOD])[:-1] + b"\n", b" " + front(b"1", [GOOD])[:-1],
     json.dumps(json.loads(front(b"1", [GOOD]))).encode().ljust(ROOM), b"[" * ROOM, b"\xff" * ROOM],
)  # fmt: skip
def test_other_text_is_refused(blob):
    with pytest.raises(CORRUPT):
        unpack_signatures(blob)
