# SPDX-License-Identifier: BSD-3-Clause
"""Wrong states and arguments for all that the allowlists let a stream make, opened one by one.

Compiled ``__setstate__`` functions take tuples apart without counting, and trust what they find.
Run as a program with two numbers: opens the streams from the first one on, each so many behind the
one before, and prints a line before each, so that whoever started it knows which one ended the
process.
"""

from __future__ import annotations

import importlib
import io
import json
import pickle
import sys
import types
import warnings
import zipfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import MT19937
from sklearn._loss._loss import CyHalfMultinomialLoss
from sklearn.metrics._dist_metrics import EuclideanDistance64
from sklearn.neighbors import KDTree

from safeserial import errors, load_unsigned
from safeserial.policy import Name, Policy

ATOMS: tuple[Any, ...] = (
    *(None, 0, -1, 2**31, 1.5, "a", b"ab", (), {}, [], np.float64(1.0)),
    *(np.arange(6.0).reshape(2, 3), np.zeros(0), np.zeros((0, 0)), np.array(["a"])),
)
# Classes that functions of the allowlists make instances of, and what comes behind them.
MADE: tuple[Any, ...] = (KDTree, EuclideanDistance64, CyHalfMultinomialLoss, MT19937, np.ndarray)
BEHIND: tuple[Any, ...] = (None, 0, (), (None,), (0, 0), np.zeros(3))
LENGTHS = (1, 2, 3, 4, 5, 9, 11, 12, 13, 14)


def listed(*roles: str) -> Iterator[tuple[Name, Any]]:
    """Yield the installed objects that may be used in all these roles."""
    for name, grant in sorted(Policy.default().allowlist.grants.items()):
        if not grant.roles.issuperset(roles):
            continue
        try:
            found = importlib.import_module(name[0])
            for part in name[1].split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError):
            continue
        yield name, found


def method(kind: type, name: str) -> Any:
    """Return a method as the class that defines it has it, None for those of every object."""
    found = (vars(base) for base in kind.__mro__ if base is not object)
    return next((one[name] for one in found if name in one), None)


def with_compiled(name: str, *roles: str) -> dict[Name, Any]:
    """Return the classes with these roles that have a compiled method of that name."""
    return {
        one: kind
        for one, kind in listed(*roles)
        if isinstance(kind, type)
        and not isinstance(method(kind, name), types.FunctionType | staticmethod | types.NoneType)
    }


def honest(name: Name, kind: Any) -> tuple[Any, ...]:
    """Return the state of an instance that scikit-learn made, where that is a tuple."""
    if name[1].endswith("Tree") and name[0].startswith("sklearn.neighbors"):
        made = kind(np.arange(60.0).reshape(20, 3))
    elif name[0] == "sklearn.metrics._dist_metrics":
        arguments = {
            "Mahalanobis": {"V": np.eye(3)},
            "PyFunc": {"func": np.mean},
            "SEuclidean": {"V": np.ones(3)},
            "Minkowski": {"p": 3},
        }
        made = kind(**arguments.get(name[1].partition("Distance")[0], {}))
    else:
        return ()
    state: tuple[Any, ...] = made.__getstate__()
    return state


def states(name: Name, kind: Any) -> Iterator[Any]:
    """Yield states of every length, and honest ones of which one part is something else."""
    yield from ((), [], {}, "", "abc", b"", b"abcdefgh", None, 0, 1.5, np.zeros(3))
    for length in LENGTHS:
        yield from ((one,) * length for one in ATOMS)
        yield [None] * length
    right = honest(name, kind)
    for position in range(len(right)):
        for one in ATOMS:
            yield (*right[:position], one, *right[position + 1 :])
        yield right[:position]


def opcodes(value: Any) -> bytes:
    """Return what pushes a value, without header, frame and STOP."""
    file = io.BytesIO()
    pickler = pickle._Pickler(file, 4)
    pickler.framer.start_framing = lambda: None  # type: ignore[method-assign]
    pickler.dump(value)
    return file.getvalue()[2:-1]


def streams() -> Iterator[tuple[str, bytes]]:
    """Yield what is tried, and the stream."""
    for name, kind in with_compiled("__setstate__", "build").items():
        for state in states(name, kind):
            yield f"{name[1]} with {state!r:.80}", written(name, b")\x81" + opcodes(state) + b"b")
    for name in with_compiled("__new__", "new"):
        for given in several(ATOMS):
            yield f"{name[1]} of {given!r:.80}", written(name, opcodes(given) + b"\x81")
    for name, _ in listed("call"):
        behind = ((one, *given) for one in MADE for given in several(BEHIND, 2))
        for given in (*several(ATOMS), *behind):
            yield f"{name[1]}{given!r:.80}", written(name, opcodes(given) + b"R")


def skops_files() -> Iterator[tuple[str, bytes]]:
    """Yield the same for skops files: an object of each class with states of JSON."""
    shared = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode"}
    kinds = {**with_compiled("__setstate__", "build"), **with_compiled("__new__", "new", "build")}
    for name in kinds:
        for length in (None, *range(6), 12, 13):
            for one in ("null", "0", "-1", '"a"') if length else ("null",):
                leaf = {**shared, "__class__": "str", "__loader__": "JsonNode", "content": one}
                state = leaf if length is None else {**shared, "content": [leaf] * length}
                node = {
                    "__class__": name[1],
                    "__module__": name[0],
                    "__loader__": "ObjectNode",
                    "content": state,
                    "protocol": 2,
                    "_skops_version": "0.16",
                }
                file = io.BytesIO()
                with zipfile.ZipFile(file, "w") as archive:
                    archive.writestr("schema.json", json.dumps(node))
                yield f"{name[1]} in skops with {length} of {one}", file.getvalue()


def several(atoms: tuple[Any, ...], most: int = 4) -> Iterator[tuple[Any, ...]]:
    """Yield arguments, as many as that at most."""
    for length in range(most + 1):
        for one in atoms if length else atoms[:1]:
            yield (one,) * length


def written(name: Name, rest: bytes) -> bytes:
    """Return a stream in which something is done with a name."""
    called = b"".join(b"\x8c" + bytes([len(one)]) + one.encode() for one in name)
    return b"\x80\x04" + called + b"\x93" + rest + b"."


def main() -> None:
    """Open the streams from a number on, in steps."""
    start, step = map(int, sys.argv[1:])
    warnings.simplefilter("ignore")
    file = Path("stream.pkl")
    for number, (what, stream) in enumerate(chain(streams(), skops_files())):
        if number < start or (number - start) % step:
            continue
        print(number, ascii(what), flush=True)
        try:
            file.write_bytes(stream)
            load_unsigned(file)
        except errors.SafeSerialError:
            continue
    print("done")


if __name__ == "__main__":
    main()
