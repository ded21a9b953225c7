# SPDX-License-Identifier: BSD-3-Clause
"""What is fuzzed: functions of bytes that raise where the library breaks a promise.

Each takes any bytes at all.  The project's own errors are no findings, as long as they say what to
do; everything else that is raised, and every crash, is.
"""

from __future__ import annotations

import bz2
import collections
import contextlib
import gzip
import json
import lzma
import os
import pickle
import tempfile
import traceback
import types
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import lz4.frame
import numpy as np
import zstandard

import safeserial as ss
from safeserial.artifact.loading import build
from safeserial.codecs import distributions
from safeserial.codecs.unpickling import inert
from safeserial.errors import SafeSerialError
from safeserial.payload import BUFFERS, INDEX, STREAM, Payload
from safeserial.policy import Limits, Policy
from safeserial.strictjson import check_value, decode
from safeserial.verifier import COMPRESSORS, Admitted, admit, decompress, survey
from tests import world
from tests.verifier.streams import Reference, Stranger, numpy_dtype, payload
from tests.verifier.twice import same


class FoundError(AssertionError):
    """A promise was broken."""


POLICY = Policy.default()
NO_PARTS = world.Parts.of(world.artifact())
# A constructor may refuse its arguments, or an object its state, with any error but these.
WILD = (FoundError, Stranger, MemoryError, RecursionError, EOFError)
# pickle's own errors that are about a class or a state, never about the stream.
ABOUT_STATES = ("NEWOBJ", "state", "checksums")
_ORDINARY_CONTAINERS = (dict, list, set, collections.deque)


def _resolved(admitted: Admitted, module: str, qualname: str) -> tuple[Any, Any]:
    """Return what an admitted name stands for, and its grant."""
    name = admitted.names.get((module, qualname))
    if name is None:
        raise Stranger(f"{module}.{qualname}")
    return name, POLICY.allowlist.find(name)


class Checked(Reference):
    """CPython's C unpickler; what must not be given a state is replaced as in the library."""

    def find_class(self, module: str, qualname: str) -> Any:
        self.asked.append((module, qualname))
        name, _ = _resolved(self.admitted, module, qualname)
        if name in distributions.STAND_INS:
            return distributions.STAND_INS[name]
        return inert(super().find_class(module, qualname))

    def persistent_load(self, pid: Any) -> Any:
        return _inline(self.admitted, pid, Checked)


def _inline(admitted: Admitted, pid: Any, unpickler: Any) -> Any:
    one = admitted.arrays[pid]
    if one.dtype.code[0] == "O":
        return unpickler(admitted, one.data).load()
    flat = np.frombuffer(one.data, dtype=numpy_dtype(one.dtype))
    return flat.reshape(one.shape, order=one.order)  # type: ignore[call-overload]


class Watched(pickle._Unpickler):  # type: ignore[misc,name-defined]
    """CPython's unpickler in Python, which sees each call, instance and state before it happens."""

    def __init__(self, admitted: Admitted, data: Any) -> None:
        import io

        super().__init__(io.BytesIO(bytes(data)), encoding="latin1")
        self.admitted = admitted
        self.inner = Checked(admitted, b".")
        self.roles: dict[int, frozenset[str]] = {}
        self.kept: list[Any] = []
        self.built: set[int] = set()

    def find_class(self, module: str, qualname: str) -> Any:
        found = self.inner.find_class(module, qualname)
        _, grant = _resolved(self.admitted, module, qualname)
        self.kept.append(found)
        self.roles[id(found)] = self.roles.get(id(found), frozenset()) | (
            grant.roles if grant is not None else frozenset({"new"})
        )
        return found

    def persistent_load(self, pid: Any) -> Any:
        return _inline(self.admitted, pid, Watched)

    def expect(self, obj: Any, role: str) -> None:
        """Raise unless a name may be used in this role."""
        if role not in self.roles.get(id(obj), frozenset()):
            raise FoundError(f"{role} of {obj!r}"[:300])

    def load_reduce(self) -> None:
        self.expect(self.stack[-2], "call")
        super().load_reduce()

    def load_newobj(self) -> None:
        self.expect(self.stack[-2], "new")
        super().load_newobj()

    def load_newobj_ex(self) -> None:
        self.expect(self.stack[-3], "new")
        super().load_newobj_ex()

    def load_build(self) -> None:
        target = self.stack[-2]
        wild = isinstance(target, type | types.ModuleType | types.FunctionType)
        if wild or (callable(target) and id(target) in self.roles) or id(target) in self.built:
            raise FoundError(f"BUILD on {target!r}"[:300])
        self.kept.append(target)
        self.built.add(id(target))
        super().load_build()

    def load_setitems(self) -> None:
        self.container(self.metastack[-1][-1])
        super().load_setitems()

    def load_setitem(self) -> None:
        self.container(self.stack[-3])
        super().load_setitem()

    def load_appends(self) -> None:
        self.container(self.metastack[-1][-1])
        super().load_appends()

    def load_append(self) -> None:
        self.container(self.stack[-2])
        super().load_append()

    def load_additems(self) -> None:
        self.container(self.metastack[-1][-1])
        super().load_additems()

    def container(self, target: Any) -> None:
        """Raise unless items may be put into an object."""
        if id(target) in self.roles or not isinstance(target, _ORDINARY_CONTAINERS):
            raise FoundError(f"items put into {target!r}"[:300])

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)  # type: ignore[attr-defined]
    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.APPEND[0]] = load_append
    dispatch[pickle.APPENDS[0]] = load_appends
    dispatch[pickle.ADDITEMS[0]] = load_additems
    dispatch[pickle.EXT1[0]] = dispatch[pickle.EXT2[0]] = dispatch[pickle.EXT4[0]] = None


def _refused(action: Callable[[], Any]) -> bool:
    """Return whether an action ends with an error of the project, which must have a hint."""
    try:
        action()
    except SafeSerialError as error:
        if not str(error).strip() or not error.hint.strip():
            raise FoundError(f"{type(error).__name__} without a hint: {error}") from error
        return True
    return False


def _is_frozen(error: BaseException) -> bool:
    """Say whether this is a FrozenEstimator without an estimator, which asks itself for its own."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return isinstance(error, RecursionError) and last.filename.endswith("/frozen/_frozen.py")


def opcodes(data: bytes) -> bool:
    """Admit a stream, and load it with CPython's unpicklers if it is admitted."""
    form = "joblib" if b"ArrayWrapper" in data else "pickle"
    found: list[Admitted] = []
    if _refused(lambda: found.append(admit(payload(data, form), POLICY))):
        seen = survey(payload(data, form), POLICY)
        if seen.problem is None and not seen.untrusted:
            raise FoundError("refused, and the survey sees nothing wrong")
        return False
    (admitted,) = found
    if admitted.outdated:  # no codec builds it
        return True
    for unpickler in (Watched, Checked):
        try:
            unpickler(admitted, admitted.stream).load()
        except WILD as error:
            if not _is_frozen(error):
                raise
        except pickle.PickleError as error:
            if not any(word in str(error) for word in ABOUT_STATES):
                raise
        except Exception:  # noqa: BLE001 - the loader gives each of them a name
            pass
    return True


_FOLDER = tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)


def _file(data: bytes) -> str:
    path = f"{_FOLDER}/{os.getpid()}"
    Path(path).write_bytes(data)
    Path(path).chmod(0o600)
    return path


def legacy(data: bytes) -> bool:
    """Load an unsigned file as users do; list what it names."""
    path = _file(data)
    refused = _refused(lambda: ss.load_unsigned(path))
    _refused(lambda: ss.get_untrusted_types(path))
    return not refused


def traces(data: bytes) -> bool:
    """Verify a stream of like objects with traces and opcode by opcode: both say the same."""
    form = "joblib" if b"ArrayWrapper" in data else "pickle"
    return isinstance(same(form, {STREAM: data})[0][0], bytes)


def artifact(data: bytes) -> bool:
    """Load an artifact; after a first byte that is 1, a manifest that the right key signs."""
    if data[:1] == b"\x01":
        body = data[1:]
        data = NO_PARTS.zipped(body, [world.signature(world.KEY, body)])
    refused = _refused(lambda: world.loads(data))
    path = _file(data)
    _refused(lambda: ss.verify(path, keyring=world.RING, policy=world.CALM))
    _refused(lambda: ss.inspect(path))
    return not refused


def split(data: bytes) -> list[bytes]:
    """Return the stream, the index and the data of a payload: two lengths stand in front."""
    one, two = (int.from_bytes(data[at : at + 3], "little") for at in (0, 3))
    return [data[6 : 6 + one], data[6 + one : 6 + one + two], data[6 + one + two :]]


def join(pieces: list[bytes]) -> bytes:
    """Undo :func:`split`."""
    lengths = b"".join(len(one).to_bytes(3, "little") for one in pieces[:2])
    return lengths + b"".join(pieces)


def parts(data: bytes) -> bool:
    """Build the payload of an artifact, as if it were signed."""
    names = (STREAM, INDEX, BUFFERS)
    members = {
        name: memoryview(bytearray(one)) for name, one in zip(names, split(data), strict=True)
    }
    return not _refused(lambda: build(Payload("pickle", {}, members, signed=False), POLICY))


UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "zlib": zlib.decompress,
    "gzip": gzip.decompress,
    "bz2": bz2.decompress,
    "lzma": lambda raw: lzma.decompress(raw, lzma.FORMAT_ALONE),
    "xz": lambda raw: lzma.decompress(raw, lzma.FORMAT_XZ),
    "lz4": lz4.frame.decompress,
    "zstd": lambda raw: zstandard.ZstdDecompressor().decompressobj().decompress(raw),
}
SMALL = Limits(decompressed_size=2**20)


def compressed(data: bytes) -> bool:
    """Decompress within limits; the first byte says how."""
    if not data:
        return False
    name = COMPRESSORS[data[0] % len(COMPRESSORS)]
    found: list[memoryview] = []
    view = memoryview(bytearray(data[1:]))
    if _refused(lambda: found.append(decompress(view, name, SMALL))):
        return False
    if len(found[0]) > SMALL.decompressed_size:
        raise FoundError(f"{name}: {len(found[0])} bytes are more than the limit")
    if bytes(found[0]) != UNPACK[name](data[1:]):
        raise FoundError(f"{name}: another result than the library's own")
    return True


def texts(data: bytes) -> bool:
    """Read canonical JSON, and a keyring."""
    found: list[Any] = []
    if not _refused(lambda: found.append(decode(data, what="it", limit=2**20))):
        check_value(found[0])
        if json.loads(data) != found[0]:
            raise FoundError("another value than that of the standard library")
    path = _file(data)
    return not _refused(lambda: ss.Keyring.load(path)) or bool(found)


TARGETS: dict[str, Callable[[bytes], bool]] = {
    one.__name__: one for one in (opcodes, legacy, traces, artifact, parts, compressed, texts)
}


def run(target: str, data: bytes) -> bool:
    """Run one target, without its warnings; return whether the bytes were accepted."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(None):
        warnings.simplefilter("ignore")
        return TARGETS[target](data)
