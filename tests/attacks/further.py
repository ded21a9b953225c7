# SPDX-License-Identifier: BSD-3-Clause
"""Hostile files that spend: time, memory and the C stack, out of all proportion to their size.

Each is small, names nothing that models do not name, and is refused in a moment.
"""

from __future__ import annotations

import functools
import lzma
import pickle
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from tests.attacks.corpus import CORRUPT, FORBIDDEN, LIMIT, UNTRUSTED, Case
from tests.attacks.forge import Call, Name, New, dumps
from tests.verifier.streams import EMPTY_ARRAY, array, dtype, name, short, stream

MODULUS = 2**61 - 1  # numbers that differ by it have one hash
KEYS = 6_000


def nested(kind: bytes, levels: int, wrap: bytes) -> bytes:
    """Return `levels` objects of which each holds the last one; memo entry 9 is that one."""
    body = kind + b"Nq\x090" + wrap * levels
    return b"\x80\x04" + body + b"h\x09."


def arrays_in_arrays(levels: int) -> bytes:
    """Return arrays of objects: freeing one frees the next inside it, on the C stack."""
    make = name("numpy._core.multiarray", "_reconstruct") + b"q\x000"
    arguments = name("numpy", "ndarray") + b"K\0\x85" + short(b"b") + b"\x87q\x010"
    kind = dtype("O8", "|", flags=63) + b"q\x020K\x01\x85q\x030"
    wrap = b"h\x00h\x01R(K\x01h\x03h\x02\x89]h\x09atbq\x090"
    return nested(make + arguments + kind, levels, wrap)


def dtype_dag(levels: int) -> tuple[bytes, bytes]:
    """Return structured dtypes with two fields, both the last one and both at offset 0."""
    body = dtype("f8") + b"q\x000"
    for level in range(levels):
        at = b"h" + bytes([level])
        body += name("numpy", "dtype") + short("V8") + b"\x89\x88\x87R(K\x03" + short("|") + b"N("
        body += short("a") + short("b") + b"t}" + short("a") + at + b"K\0\x86s"
        body += short("b") + at + b"K\0\x86sK\x08K\x01K\x10tbq" + bytes([level + 1]) + b"0"
    return body, b"h" + bytes([levels])


def wrapped(body: bytes, kind: bytes, raw: bytes) -> bytes:
    """Return a joblib file with one array of one element."""
    state = short("subclass") + name("numpy", "ndarray") + short("shape") + b"K\x01\x85"
    state += short("order") + short("C") + short("dtype") + kind + short("allow_mmap") + b"\x89"
    made = name("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81}(" + state + b"ub"
    return b"\x80\x04" + body + made + raw + b"."


def keyed(make: Any) -> bytes:
    """Return a dict whose keys have one hash."""
    return dumps({make(k): 0 for k in range(1, KEYS)})


def _complex(k: int) -> Call:
    # The hash of a complex is that of its real part, and 1000003 times that of its imaginary part.
    raw = struct.pack("<dd", float(-k * 1_000_003), float(k))
    return Call(Name("numpy._core.multiarray", "scalar"), np.dtype("c16"), raw)


def _printed() -> bytes:
    from tests.validators.altered import ATTACKS

    return pickle.dumps(Pipeline([("a", "passthrough")], memory=ATTACKS["pandas: code"]()))


def _shown() -> bytes:
    from tests.validators.altered import ATTACKS

    state = {"_shape": (ATTACKS["pandas: code"](), 2), "indptr": np.zeros(1, "i4")}
    return dumps(New(Name("scipy.sparse._csr", "csr_matrix"), state))


def lzma_of_window(size: int) -> bytes:
    """Return an LZMA stream whose header asks for a window of `size` bytes."""
    plain = lzma.compress(stream(b"N0" * 1000 + b"N"), lzma.FORMAT_ALONE)
    return plain[:1] + struct.pack("<I", size) + plain[5:]


def spending() -> Iterator[Case]:
    """Yield files that ask for more than they are."""
    xz = [{"id": lzma.FILTER_LZMA2, "dict_size": 300 << 20, "preset": 0}]
    rows: dict[str, tuple[bytes, tuple[type[Exception], ...]]] = {
        "lzma, window of 2 GiB": (lzma_of_window(2**31), (*LIMIT, *CORRUPT)),
        "lzma, window of 4 GiB": (lzma_of_window(2**32 - 256), (*LIMIT, *CORRUPT)),
        "xz, window of 300 MiB": (lzma.compress(stream(b"N"), filters=xz), LIMIT),
        "dtype of text, StringDType": (
            dumps(Call(Name("numpy.dtypes", "StringDType"))),
            UNTRUSTED,
        ),
        "numpy.memmap made by NEWOBJ": (
            dumps(New(Name("numpy", "memmap"), arguments=("pwned", "u1", "w+", 0, (4,)))),
            UNTRUSTED,
        ),
        "random.Random": (dumps(New(Name("random", "Random"), (3, (), None))), UNTRUSTED),
        "Enum by value": (dumps(Call(Name("re", "RegexFlag"), 2**70)), UNTRUSTED),
        "SimpleNamespace": (dumps(Call(Name("types", "SimpleNamespace"))), UNTRUSTED),
        "module renamed, then dotted": (
            dumps(Name("numpy.core.fromnumeric", "f2py.os.system")),
            UNTRUSTED,
        ),
        "module renamed to a name with a rule": (
            dumps(Call(Name("numpy.core.umath", "dtype"), "f8", False, False)),
            FORBIDDEN,
        ),
        "one name, two protocols": (
            b"\x80\x02c__builtin__\nset\n0\x80\x04c__builtin__\nset\n.",
            FORBIDDEN,
        ),
        "partial that shadows its call": (
            dumps(
                Call(
                    Name("functools", "partial"),
                    Name("numpy", "exp"),
                    states=((Name("numpy", "exp"), (), {}, {"__call__": 1}),),
                )
            ),
            FORBIDDEN,
        ),
        "bytes above 255 as latin-1": (
            dumps(Call(Name("_codecs", "encode"), "\u0100", "latin1")),
            FORBIDDEN,
        ),
        "_codecs.encode to a bomb": (
            dumps(Call(Name("_codecs", "encode"), "a", "punycode")),
            FORBIDDEN,
        ),
        "attribute with a lone surrogate": (
            stream(
                name("sklearn.linear_model._logistic", "LogisticRegression"),
                b")\x81}\x8c\x07__\xed\xa0\x80__Nsb",
            ),
            (*FORBIDDEN, *CORRUPT),
        ),
        "shape of 65 dimensions": (
            stream(
                EMPTY_ARRAY,
                b"(K\x01(" + b"K\x01" * 65 + b"t" + dtype("f8") + b"\x89",
                short(b"A" * 8),
                b"tb",
            ),
            FORBIDDEN,
        ),
        "shape with zero and 2**60": (
            stream(
                EMPTY_ARRAY,
                b"(K\x01K\0\x8a\x08" + (2**60).to_bytes(8, "little") + b"\x86",
                dtype("f8"),
                b"\x89",
                short(b""),
                b"tb",
            ),
            FORBIDDEN,
        ),
        "bomb of what is no pickle": (
            lzma.compress(bytes(24 * 2**20)),
            (*CORRUPT, *LIMIT),
        ),
    }  # fmt: skip
    for what, (data, errors) in rows.items():
        yield Case(what, data, errors)


def consuming() -> dict[str, Any]:
    """Return builders of files that take their time wherever nothing is counted."""
    dag, last = dtype_dag(40)
    decimal, fraction = Name("decimal", "Decimal"), Name("fractions", "Fraction")
    return {
        "arrays of objects in each other": functools.partial(arrays_in_arrays, 60_000),
        "dtype DAG of an inline array": lambda: wrapped(dag, last, b"A" * 8),
        "Decimals of one hash": lambda: keyed(lambda k: Call(decimal, k * MODULUS + 1)),
        "Fractions of one hash": lambda: keyed(lambda k: Call(fraction, k * MODULUS + 1)),
        "UUIDs of one hash": lambda: keyed(
            lambda k: New(Name("uuid", "UUID"), {"int": k * MODULUS + 1, "is_safe": None})
        ),
        "complex scalars of one hash": lambda: keyed(_complex),
        "Decimal of eight million bits": lambda: dumps(Call(decimal, 2**8_000_000 - 1)),
        "Fraction of two million bits": lambda: dumps(Call(fraction, 3**1_200_000, 7**700_000)),
        "memo with gaps": lambda: (
            b"\x80\x02N"
            + b"".join(b"r" + struct.pack("<I", k * 1000) for k in range(1, 65_000))
            + b"."
        ),
        "300,000 names": lambda: (
            b"\x80\x02" + b"".join(b"ca\n%d\n0" % k for k in range(300_000)) + b"N."
        ),
        "array of 2**40 elements of nothing": lambda: stream(
            array(2**40, dtype("S0", "|", size=0, align=1), short(b""))
        ),
        "parameter printed before it is checked": _printed,
        "shape printed before it is checked": _shown,
    }
