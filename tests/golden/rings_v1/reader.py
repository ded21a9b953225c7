# SPDX-License-Identifier: BSD-3-Clause
"""A reader of published rings made from docs/spec/keyring-v1.md alone; of keys it knows Ed25519."""

import base64
import datetime
import hashlib
import itertools
import json
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TYPE = b"application/vnd.safeserial.keyring.v1+json"
TEXT = "safeserial-ed25519-public-v1:"
SPKI = bytes.fromhex("302a300506032b6570032100")
FIELDS = ["key", "not_after", "not_before", "principal", "reason", "roles", "state"]
PRINCIPAL = re.compile(r"[a-z0-9][a-z0-9._+@:/-]{0,127}\Z")
ROLE = re.compile(r"[a-z][a-z0-9_-]{0,39}\Z")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z", re.ASCII)


class RefusedError(Exception):
    """The ring is not to be believed."""


def need(condition):
    if not condition:
        raise RefusedError


def canonical(data):
    value = json.loads(data.decode("ascii"))
    need(json.dumps(value, sort_keys=True, separators=(",", ":")).encode() == data)
    return value


def moment(text):
    need(isinstance(text, str) and MOMENT.match(text))
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")


class Key:
    """One key of a generation."""

    def __init__(self, said):
        need(sorted(said) == FIELDS)
        need(said["key"].startswith(TEXT))
        raw = base64.urlsafe_b64decode(said["key"].removeprefix(TEXT))
        need(TEXT + base64.urlsafe_b64encode(raw).decode() == said["key"] and len(raw) == 32)
        self.id = "ed25519-" + hashlib.sha256(SPKI + raw).hexdigest()[:32]
        self.public = Ed25519PublicKey.from_public_bytes(raw)
        self.state, principal, roles = said["state"], said["principal"], said["roles"]
        need(self.state in {"active", "accepted", "retired", "revoked"})
        need(principal is None or PRINCIPAL.match(principal))
        need(roles == sorted(set(roles)) and all(map(ROLE.match, roles)) and len(roles) <= 32)
        need(isinstance(said["reason"], str) and len(said["reason"]) <= 1000)
        self.dates = [said[at] and moment(said[at]) for at in ("not_before", "not_after")]
        self.fixed = (principal, roles, self.dates)


class Generation:
    """One line."""

    def __init__(self, line):
        envelope = canonical(line)
        need(sorted(envelope) == ["payload", "payloadType", "signatures"])
        need(envelope["payloadType"] == TYPE.decode())
        self.body = base64.b64decode(envelope["payload"], validate=True)
        need(base64.b64encode(self.body).decode() == envelope["payload"])
        self.signatures = []
        for one in envelope["signatures"]:
            need(sorted(one) == ["keyid", "sig"])
            value = base64.b64decode(one["sig"], validate=True)
            need(base64.b64encode(value).decode() == one["sig"])
            self.signatures.append((one["keyid"], value))
        said = canonical(self.body)
        need(sorted(said) == ["issued", "keys", "previous", "schema", "serial"])
        need(said["schema"] == "safeserial/published-keyring/v1")
        self.serial, self.previous = said["serial"], said["previous"]
        need(type(self.serial) is int and 0 <= self.serial < 2**53)
        self.issued = moment(said["issued"])
        self.keys = {key.id: key for key in map(Key, said["keys"])}
        need(len(self.keys) == len(said["keys"]))
        actives = [key for key in self.keys.values() if key.state == "active"]
        need(len(actives) <= 1)
        self.active = actives[0] if actives else None
        self.digest = hashlib.sha256(self.body).hexdigest()

    def require_signed(self, keys):
        need([one for one, _ in self.signatures] == [key.id for key in keys])
        pae = b"DSSEv1 %d %b %d %b" % (len(TYPE), TYPE, len(self.body), self.body)
        for key, (_, value) in zip(keys, self.signatures, strict=True):
            first, last = key.dates
            need(first is None or first <= self.issued)
            need(last is None or self.issued <= last)
            key.public.verify(value, pae)

    def require_follows(self, before):
        need(self.serial > before.serial and self.previous == before.digest)
        need(self.issued >= before.issued and before.active)
        own = [self.active] if self.active and self.active.id != before.active.id else []
        self.require_signed([before.active, *own])
        for id_, old in before.keys.items():
            need(id_ in self.keys and self.keys[id_].fixed == old.fixed)
            allowed = {"revoked": {"revoked"}, "retired": {"retired", "revoked"}}
            need(self.keys[id_].state in allowed.get(old.state, {self.keys[id_].state}))


def read(data, pin):
    """Return key ids with their states as the newest generation says, or raise RefusedError."""
    try:
        need(data.endswith(b"\n"))
        chain = [Generation(line) for line in data[:-1].split(b"\n")]
        need(chain[0].previous is None and chain[0].active)
        chain[0].require_signed([chain[0].active])
        for before, after in itertools.pairwise(chain):
            after.require_follows(before)
        soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5)
        need(chain[-1].issued <= soon)
        need(pin in {one.digest for one in chain})
    except (ValueError, TypeError, AttributeError, LookupError, InvalidSignature):
        raise RefusedError from None
    return {key.id: key.state for key in chain[-1].keys.values()}
