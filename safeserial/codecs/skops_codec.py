# SPDX-License-Identifier: BSD-3-Clause
"""The skops codec: skops' public functions, with the exact list of names that were admitted.

Floor 5.  skops is imported when a model is written or read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from safeserial.codecs import stand_ins, unpickling
from safeserial.codecs.boosters import Boosters
from safeserial.codecs.compression import Compression
from safeserial.codecs.protocol import Encoded
from safeserial.errors import LimitExceededError, MissingExtraError, PolicyError
from safeserial.foreign import FOREIGN
from safeserial.foreign.archive import open_archive, packed
from safeserial.foreign.skops_file import SCHEMA
from safeserial.policy import Limits, Name
from safeserial.verifier import Admitted

# skops asks for these beside what the policy lists; the node of a dtype is made of an array.
_PLAIN: Final = ("numpy.dtype",)


class SkopsCodec:
    """skops files: a ZIP of arrays and a tree of nodes, no pickle in it."""

    name = "skops"

    def encode(self, model: Any, compression: Compression) -> Encoded:
        """Return the payload of `model`.

        Raises
        ------
        PolicyError
            If a compression is asked for: a receiver without safeserial reads the member as it is.
        """
        if compression is not None:
            raise PolicyError("skops payloads are not compressed", hint="leave compression out")
        data = _skops().dumps(model)
        return Encoded({}, {FOREIGN[self.name]: (memoryview(data),)})

    def decode(self, admitted: Admitted, boosters: Boosters | None = None) -> Any:
        """Build the model; what must not be given its state is replaced as in pickles."""
        held = Boosters(forbidden=True) if boosters is None else boosters
        kinds: dict[Name, Any] = {}
        for name in set(admitted.names.values()):
            found = unpickling.find_object(name)
            inert = held.stand_in(unpickling.inert(found))
            if inert is not found:
                kinds[name] = inert
        data = bytes(admitted.stream)
        trusted = [".".join(name) for name in admitted.names.values()]
        with stand_ins.lent(kinds) as names:
            if names:
                data = _renamed(data, names)
                trusted += [f"{stand_ins.__name__}.{one}" for one in names.values()]
            model = unpickling.named(lambda: _loads(data, [*trusted, *_PLAIN]))
        held.settle()
        return model

    def export(self, model: Any, members: Mapping[str, memoryview]) -> tuple[str, bytes]:
        """Return the skops file as it is in the payload."""
        del model
        return ".skops", bytes(members[FOREIGN[self.name]])


def _loads(data: bytes, trusted: list[str]) -> Any:
    try:
        return _skops().loads(data, trusted=trusted)
    except RecursionError:
        raise LimitExceededError("the model is nested too deeply for skops") from None


def _renamed(data: bytes, names: Mapping[Name, str]) -> bytes:
    """Return an archive in which instances are made of the classes that stand in."""
    archive = open_archive(data, Limits())
    schema = json.loads(bytes(archive.read(SCHEMA)))
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            waiting += one.values()
            if one.get("__loader__") == "ObjectNode":
                found = names.get((one["__module__"], one["__class__"]))
                if found is not None:
                    one["__module__"], one["__class__"] = stand_ins.__name__, found
    members: dict[str, bytes | memoryview] = {name: archive.read(name) for name in archive.places}
    return packed({**members, SCHEMA: json.dumps(schema).encode("ascii")})


def _skops() -> Any:
    try:
        import skops.io
    except ImportError:
        raise MissingExtraError("skops", "the format skops") from None
    return skops.io
