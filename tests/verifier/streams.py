# SPDX-License-Identifier: BSD-3-Clause
"""Makes payloads, policies and hand-written streams for the tests of the opcode verifier.

Loading what was admitted is done here with CPython's own C unpickler and a `find_class` that
records: the reference against which the verifier is held.
"""

from __future__ import annotations

import importlib
import io
import pickle
import struct
from typing import Any

import numpy as np

from safeserial.payload import STREAM, Payload
from safeserial.policy import Allowlist, Grant, Name, Policy
from safeserial.verifier import Admitted, DType, admit, survey


def payload(data: bytes, format: str = "pickle", **options: Any) -> Payload:
    """Return an unsigned payload of one member."""
    name = STREAM if not options else f"{STREAM}.compressed"
    return Payload(format, options, {name: memoryview(bytearray(data))}, False)


def policy(*names: str, **rules: str) -> Policy:
    """Return the default policy with `module:name=roles/rule` entries added."""
    grants: dict[Name, Grant] = {}
    for entry in names:
        name, _, rest = entry.partition("=")
        roles, _, rule = rest.partition("/")
        module, _, qualname = name.partition(":")
        grants[module, qualname] = Grant(frozenset(roles.split()), rule)
    default = Policy.default()
    return Policy(chosen=Allowlist(grants, {}) | default.allowlist)


def short(text: str | bytes) -> bytes:
    """SHORT_BINUNICODE or SHORT_BINBYTES."""
    raw = text.encode() if isinstance(text, str) else text
    return (b"\x8c" if isinstance(text, str) else b"C") + bytes([len(raw)]) + raw


def name(module: str, qualname: str) -> bytes:
    """STACK_GLOBAL of a name."""
    return short(module) + short(qualname) + b"\x93"


def stream(*parts: bytes, protocol: int = 4) -> bytes:
    """PROTO, the parts, STOP."""
    return bytes([0x80, protocol]) + b"".join(parts) + b"."


def integer(value: int) -> bytes:
    """BININT, or LONG1 where that is too small."""
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


DTYPE = name("numpy", "dtype")
RECONSTRUCT = name("numpy._core.multiarray", "_reconstruct")
EMPTY_ARRAY = RECONSTRUCT + name("numpy", "ndarray") + b"K\x00\x85" + short(b"b") + b"\x87R"


def dtype(code: str, order: str = "<", size: int = -1, align: int = -1, flags: int = 0) -> bytes:
    """Return a dtype with a state of the ordinary form."""
    state = b"(K\x03" + short(order) + b"NNN" + integer(size) + integer(align) + integer(flags)
    return DTYPE + short(code) + b"\x89\x88\x87R" + state + b"tb"


def array(shape: int, kind: bytes, data: bytes) -> bytes:
    """Return an array of one dimension with this state."""
    return EMPTY_ARRAY + b"(K\x01" + integer(shape) + b"\x85" + kind + b"\x89" + data + b"tb"


class Stranger(Exception):  # noqa: N818 - a name, not a fault
    """The unpickler asked for a name that was not admitted."""


class _Inert:
    def __setstate__(self, state: object) -> None:
        pass


class Reference(pickle.Unpickler):
    """CPython's C unpickler, recording which names it asks for."""

    def __init__(self, admitted: Admitted, data: Any, **options: Any) -> None:
        super().__init__(io.BytesIO(bytes(data)), encoding="latin1", **options)
        self.admitted = admitted
        self.asked: list[Name] = []

    def find_class(self, module: str, qualname: str) -> Any:
        self.asked.append((module, qualname))
        resolved = self.admitted.names.get((module, qualname))
        if resolved is None:
            raise Stranger(f"{module}.{qualname}")
        if resolved[1] == "NumpyArrayWrapper":
            return _Inert
        found: Any = importlib.import_module(resolved[0])
        for part in resolved[1].split("."):
            found = getattr(found, part)
        return found

    def persistent_load(self, pid: Any) -> Any:
        one = self.admitted.arrays[pid]
        if one.dtype.code[0] == "O":
            inner = Reference(self.admitted, one.data)
            found = inner.load()
            self.asked += inner.asked
            return found
        flat = np.frombuffer(one.data, dtype=numpy_dtype(one.dtype))
        return flat.reshape(one.shape, order=one.order)


def numpy_dtype(known: DType) -> np.dtype[Any]:
    """Return NumPy's dtype for the verifier's."""
    if known.fields:
        return np.dtype(
            {
                "names": [field[0] for field in known.fields],
                "formats": [numpy_dtype(field[1]) for field in known.fields],
                "offsets": [field[2] for field in known.fields],
                "itemsize": known.itemsize,
            }
        )
    unit = f"[{known.unit}]" if known.unit and known.unit != "generic" else ""
    return np.dtype(known.code + unit).newbyteorder(known.byteorder)


def load(admitted: Admitted) -> Any:
    """Load what was admitted, as a codec would."""
    buffers = admitted.parts.buffers or None
    return Reference(admitted, admitted.stream, buffers=buffers).load()


def round_trip(data: bytes, format: str = "pickle", chosen: Policy | None = None) -> Any:
    """Admit and load."""
    return load(admit(payload(data, format), chosen or Policy.default()))


def refusal(data: bytes, format: str = "pickle", chosen: Policy | None = None) -> Exception:
    """Return the error that a stream meets; survey must see the same problem."""
    try:
        admit(payload(data, format), chosen or Policy.default())
    except Exception as error:  # noqa: BLE001 - which it is, the test says
        seen = survey(payload(data, format), chosen or Policy.default())
        assert seen.problem is not None or seen.untrusted
        return error
    raise AssertionError("admitted")
