# SPDX-License-Identifier: BSD-3-Clause
"""A forger's bench for published rings: lines signed by whoever, saying whatever.

Everybody here has a fixed key, so that a failure repeats.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import json
from typing import Any

import safeserial as ss
from safeserial.envelope import Signature
from safeserial.keyring import KeyEntry, published
from safeserial.keys import PURPOSE_ARTIFACT
from safeserial.signing import signer

UTC = datetime.UTC
NOW = datetime.datetime.now(UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)


def pair(number: int) -> ss.Ed25519Key:
    """Return one of the fixed keys."""
    return ss.Ed25519Key(bytes((number * 37 + i * 11) % 256 for i in range(32)))


ALICE, ALICE_2, ALICE_3, BOB, CAROL, THIEF = map(pair, range(1, 7))
TEAM = [
    KeyEntry(key=ALICE, state="active", principal="alice@example.org", roles=("trainer",)),
    KeyEntry(key=BOB, state="accepted", principal="bob@example.org", roles=("approver",)),
]


def first(path: Any, *keys: ss.Ed25519Key | KeyEntry) -> ss.Keyring:
    """Publish a ring at `path` and return it."""
    return ss.Keyring(keys or TEAM).distribute(path)


def three(path: Any) -> tuple[ss.Keyring, list[str], list[bytes]]:
    """Publish three generations of keys, each step of a rotation a state of its own.

    Returns
    -------
    Keyring, list of str, list of bytes
        The owner's ring, the fingerprint after each step, and the file after each step.
    """
    ring, pins, files = ss.Keyring(TEAM), [], []

    def publish(changed: ss.Keyring) -> ss.Keyring:
        after = changed.distribute(path)
        pins.append(after.mark.digest)
        files.append(path.read_bytes())
        return after

    ring = publish(ring)
    for key, old in ((ALICE_2, ALICE), (ALICE_3, ALICE_2)):
        ring = publish(ring.add(key, principal="alice@example.org", roles=["trainer"]))
        ring = publish(ring.promote(key.key_id))
        ring = publish(ring.retire(old.key_id, reason="replaced"))
    return ring, pins, files


def read(data: bytes) -> list[published.Generation]:
    """Return the generations of a file, unchecked."""
    return list(published.read(data, where="here"))


def forged(
    older: published.Generation | None,
    entries: list[KeyEntry],
    *keys: ss.Ed25519Key,
    serial: int | None = None,
    previous: str | None = "",
    issued: datetime.datetime | None = None,
) -> published.Generation:
    """Make a generation that says `entries`, signed by `keys`."""
    last = 0 if older is None else older.serial
    digest = None if older is None else older.digest
    body = published.body_of(
        tuple(dataclasses.replace(one, key=one.key.public) for one in entries),
        serial=last + 1 if serial is None else serial,
        previous=digest if previous == "" else previous,
        issued=issued or (NOW if older is None else older.issued),
    )
    return signed(body, *keys)


def signed(body: bytes, *keys: ss.Ed25519Key) -> published.Generation:
    """Sign a body and read the line back."""
    message = published.pre_authentication_encoding(published.PAYLOAD_TYPE, body)
    signatures = tuple(
        Signature(key.key_id, signer(key, PURPOSE_ARTIFACT).sign(message)) for key in keys
    )
    return published.generation(published.envelope(body, signatures), "the forged line", {})


def line(body: Any, signatures: Any = (), **fields: Any) -> bytes:
    """Return a line of whatever content, in the canonical form if it has one."""
    text = body if isinstance(body, bytes) else dumped(body)
    document = {
        "payload": base64.b64encode(text).decode(),
        "payloadType": published.PAYLOAD_TYPE,
        "signatures": list(signatures),
        **fields,
    }
    return dumped(document) + b"\n"


def dumped(value: Any) -> bytes:
    """Return JSON, keys sorted, without spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
