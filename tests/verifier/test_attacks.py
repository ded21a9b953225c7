# SPDX-License-Identifier: BSD-3-Clause
"""Attacks that work against allowlists, scanners and joblib itself; each is refused, and why."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import struct
import tracemalloc
import zlib
from typing import Any

import joblib
import lz4.frame
import numpy as np
import pytest
import zstandard

from safeserial.errors import (
    CorruptArtifactError,
    ForbiddenOperationError,
    LimitExceededError,
    PolicyError,
    SafeSerialError,
    UnsupportedVersionError,
    UntrustedTypesError,
)
from safeserial.policy import Allowlist, Grant, Policy
from safeserial.verifier import admit, survey
from tests.verifier.streams import (
    DTYPE,
    EMPTY_ARRAY,
    array,
    dtype,
    integer,
    name,
    payload,
    policy,
    refusal,
    round_trip,
    short,
    stream,
)

CLASS = name("sklearn.linear_model._logistic", "LogisticRegression")
NEW = CLASS + b")\x81"
FLOAT = dtype("f8")
OBJECT = dtype("O8", "|", flags=63)
ROWS: list[tuple[str, bytes, type[Exception]]] = [
    # Opcodes
    ("EXT1", stream(b"\x82\x01"), ForbiddenOperationError),
    ("EXT2", stream(b"\x83\x01\x00"), ForbiddenOperationError),
    ("EXT4", stream(b"\x84\x01\x00\x00\x00"), ForbiddenOperationError),
    ("PERSID", b"Pabc\n.", ForbiddenOperationError),
    ("BINPERSID", stream(b"K\x00Q"), ForbiddenOperationError),
    ("INST", b"(S'ls'\nios\nsystem\n.", ForbiddenOperationError),
    ("OBJ", stream(b"(", name("os", "system"), b"o"), UntrustedTypesError),
    ("DUP", stream(b"K\x012\x86"), ForbiddenOperationError),
    ("NEXT_BUFFER without buffers", stream(b"\x97", protocol=5), ForbiddenOperationError),
    ("PROTO in the middle", stream(b"\x80\x02N"), ForbiddenOperationError),
    ("PROTO 6", b"\x80\x06N.", ForbiddenOperationError),
    ("unknown opcode", stream(b"\xfe"), CorruptArtifactError),
    ("hexadecimal INT", b"I0x10\n.", ForbiddenOperationError),
    ("octal INT", b"I010\n.", ForbiddenOperationError),
    ("INT with a space", b"I 1\n.", ForbiddenOperationError),
    ("INT with an underscore", b"I1_0\n.", ForbiddenOperationError),
    ("LONG without L", b"L10\n.", ForbiddenOperationError),
    ("LONG of 5000 digits", b"L" + b"9" * 5000 + b"L\n.", ForbiddenOperationError),
    ("FLOAT with text", b"F1.0x\n.", ForbiddenOperationError),
    ("PUT of a hexadecimal index", b"Np0x1\n.", ForbiddenOperationError),
    ("STRING in octal", b"S'\\101'\n.", ForbiddenOperationError),
    ("UNICODE with a name escape", b"V\\N{DIGIT ONE}\n.", ForbiddenOperationError),
    # Structure
    ("empty", b"", CorruptArtifactError),
    ("trailing byte", stream(b"N") + b"\0", CorruptArtifactError),
    ("two pickles", stream(b"N") * 2, CorruptArtifactError),
    ("two values", stream(b"NN"), CorruptArtifactError),
    ("open mark", stream(b"N("), CorruptArtifactError),
    ("value below a mark", stream(b"N(b"), CorruptArtifactError),
    ("memo index not set", stream(b"h\x05"), CorruptArtifactError),
    ("memo gap", b"\x80\x02Nq\x02h\x01.", CorruptArtifactError),
    ("MEMOIZE after a gap", b"\x80\x04Nq\x02\x94.", ForbiddenOperationError),
    ("odd SETITEMS", stream(b"}(Nu"), CorruptArtifactError),
    ("frame past the end", b"\x80\x04\x95" + struct.pack("<Q", 9) + b"N.", CorruptArtifactError),
    (
        "frame in a frame",
        b"\x80\x04\x95" + struct.pack("<Q", 11) + b"\x95" + struct.pack("<Q", 2) + b"N.",
        CorruptArtifactError,
    ),
    ("BINBYTES8 past the end", stream(b"\x8e" + b"\xff" * 7 + b"\x7f"), CorruptArtifactError),
    ("BINUNICODE past the end", stream(b"X\xff\xff\xff\x7f"), CorruptArtifactError),
    ("text that is not UTF-8", stream(b"\x8c\x02\xc3\x28"), CorruptArtifactError),
    ("long text that is not UTF-8", stream(b"X\x02\x00\x00\x00\xc3\x28"), CorruptArtifactError),
    # Names
    ("os.system", stream(name("os", "system"), short("ls"), b"\x85R"), UntrustedTypesError),
    ("dotted name", stream(name("numpy", "f2py.os.system")), UntrustedTypesError),
    ("method of an allowed class", stream(name("numpy", "ndarray.tofile")), UntrustedTypesError),
    ("name after the Python 2 renaming", b"\x80\x02ccommands\ngetoutput\n.", UntrustedTypesError),
    ("name that is not ASCII", stream(name("\uff4fs", "system")), ForbiddenOperationError),
    ("name of bytes", stream(short(b"os"), short(b"system"), b"\x93"), ForbiddenOperationError),
    ("ufunc helper", stream(name("numpy.core", "_ufunc_reconstruct")), UntrustedTypesError),
    ("call of a reference", stream(name("numpy", "exp"), b"K\x01\x85R"), ForbiddenOperationError),
    ("call of a class", stream(CLASS, b")R"), ForbiddenOperationError),
    ("new of a function", stream(name("numpy", "exp"), b")\x81"), ForbiddenOperationError),
    ("call of a value", stream(b"K\x01)R"), ForbiddenOperationError),
    ("arguments that are a list", stream(CLASS, b"]\x81"), ForbiddenOperationError),
    # BUILD, SETITEM and APPEND
    ("BUILD on a class", stream(CLASS, b"N}\x86b"), ForbiddenOperationError),
    ("BUILD on a function", stream(name("numpy", "exp"), b"N}\x86b"), ForbiddenOperationError),
    ("BUILD on a dict", stream(b"}}b"), ForbiddenOperationError),
    ("BUILD on a constant", stream(b"K\x01}b"), ForbiddenOperationError),
    ("BUILD twice", stream(NEW, b"}b}b"), ForbiddenOperationError),
    ("BUILD twice through the memo", stream(NEW, b"\x94}bh\x00}b\x86"), ForbiddenOperationError),
    ("SETITEM on a class", stream(CLASS, b"K\x01K\x02s"), ForbiddenOperationError),
    ("SETITEM on an instance", stream(NEW, b"K\x01K\x02s"), ForbiddenOperationError),
    ("APPEND to a function", stream(name("numpy", "exp"), b"K\x01a"), ForbiddenOperationError),
    ("APPEND to an instance", stream(NEW, b"K\x01a"), ForbiddenOperationError),
    ("ADDITEMS to a list", stream(b"](K\x01\x90"), ForbiddenOperationError),
    # NumPy
    ("dtype without its object flag", stream(dtype("O8", "|")), ForbiddenOperationError),
    ("dtype with an itemsize", stream(dtype("f8", size=800)), ForbiddenOperationError),
    (
        "U dtype of three bytes",
        stream(dtype("U1", size=3, align=4, flags=8)),
        ForbiddenOperationError,
    ),
    (
        "dtype built twice",
        stream(FLOAT, b"\x94h\x00(K\x03", short("<"), b"NNN", integer(-1) * 2, b"K\x00tb\x86"),
        ForbiddenOperationError,
    ),
    (
        "dtype that is not copied",
        stream(DTYPE, short("f8"), b"\x89\x89\x87R"),
        ForbiddenOperationError,
    ),
    (
        "dtype before its state",
        stream(array(1, DTYPE + short("f8") + b"\x89\x88\x87R", short(b"8" * 8))),
        ForbiddenOperationError,
    ),
    (
        "field outside its element",
        stream(
            DTYPE,
            short("V8"),
            b"\x89\x88\x87R(K\x03",
            short("|"),
            b"N",
            short("a"),
            b"\x85}",
            short("a"),
            FLOAT,
            b"K\x04\x86sK\x08K\x01K\x10tb",
        ),
        ForbiddenOperationError,
    ),
    (
        "hidden object field",
        stream(
            DTYPE,
            short("V8"),
            b"\x89\x88\x87R(K\x03",
            short("|"),
            b"N",
            short("a"),
            b"\x85}",
            short("a"),
            OBJECT,
            b"K\x00\x86sK\x08K\x01K\x10tb",
        ),
        ForbiddenOperationError,
    ),
    (
        "subarray larger than its element",
        stream(
            DTYPE,
            short("V8"),
            b"\x89\x88\x87R(K\x03",
            short("|"),
            FLOAT,
            b"K\x02\x85\x86NNK\x08K\x08K\x00tb",
        ),
        ForbiddenOperationError,
    ),
    (
        "array longer than its bytes",
        stream(array(99, FLOAT, short(b"8" * 8))),
        ForbiddenOperationError,
    ),
    (
        "array of pointers from bytes",
        stream(array(1, OBJECT, short(b"8" * 8))),
        ForbiddenOperationError,
    ),
    (
        "array of objects from a short list",
        stream(array(2, OBJECT, b"]Na")),
        ForbiddenOperationError,
    ),
    ("array of negative length", stream(array(-1, FLOAT, short(b""))), ForbiddenOperationError),
    (
        "array of another class",
        stream(EMPTY_ARRAY.replace(b"\x8c\x07ndarray", short("exp"))),
        ForbiddenOperationError,
    ),
    (
        "array made with a size",
        stream(EMPTY_ARRAY.replace(b"K\x00\x85", b"K\x09\x85")),
        ForbiddenOperationError,
    ),
    (
        "BUILD on a view of a buffer",
        stream(
            name("numpy._core.numeric", "_frombuffer"),
            b"(",
            short(b"8" * 8),
            FLOAT,
            b"\x94K\x01\x85",
            short("C"),
            b"tR(K\x01K\x01\x85h\x00\x89",
            short(b"8" * 8),
            b"tb",
        ),
        ForbiddenOperationError,
    ),
    (
        "view longer than its buffer",
        stream(
            name("numpy._core.numeric", "_frombuffer"),
            b"(",
            short(b"8" * 8),
            FLOAT,
            b"K\x02\x85",
            short("C"),
            b"tR",
        ),
        ForbiddenOperationError,
    ),
    (
        "scalar of an object",
        stream(name("numpy._core.multiarray", "scalar"), OBJECT, short(b"8" * 8), b"\x86R"),
        ForbiddenOperationError,
    ),
    (
        "generator with a callable",
        stream(
            name("numpy.random._pickle", "__randomstate_ctor"),
            short("MT19937"),
            name("numpy", "exp"),
            b"\x86R",
        ),
        ForbiddenOperationError,
    ),
    (
        "bit generator of another class",
        stream(name("numpy.random._pickle", "__bit_generator_ctor"), CLASS, b"\x85R"),
        ForbiddenOperationError,
    ),
    # Amplification
    (
        "bytearray of a number",
        stream(name("builtins", "bytearray"), integer(2**31 - 1), b"\x85R"),
        ForbiddenOperationError,
    ),
    (
        "list of a range",
        stream(name("builtins", "list"), name("builtins", "range"), integer(2**20), b"\x85R\x85R"),
        ForbiddenOperationError,
    ),
    (
        "Counter of a range",
        stream(
            name("collections", "Counter"),
            name("builtins", "range"),
            integer(2**20),
            b"\x85R\x85R",
        ),
        ForbiddenOperationError,
    ),
    (
        "endless range",
        stream(name("builtins", "range"), integer(2**40), b"\x85R"),
        ForbiddenOperationError,
    ),
    (
        "Fraction with an exponent",
        stream(name("fractions", "Fraction"), short("1e999999999"), b"\x85R"),
        ForbiddenOperationError,
    ),
    ("LONG_BINPUT far away", b"\x80\x02Nr\x00\x00\x00\x08.", LimitExceededError),
    ("PUT far away", b"Np134217728\n.", LimitExceededError),
    ("deep tuple as a key", stream(b"}N" + b"\x85" * 500 + b"Ns"), ForbiddenOperationError),
    ("very deep tuple", stream(b"N" + b"\x85" * 300_000), LimitExceededError),
    (
        "tuple DAG as a key",
        stream(
            b"}N"
            b"\x94h\x00\x86"
            + b"".join(b"\x94h" + bytes([n]) + b"\x86" for n in range(1, 16))
            + b"Ns"
        ),
        ForbiddenOperationError,
    ),
    (
        "tuple DAG",
        stream(b"N" + b"".join(b"\x94h" + bytes([n]) + b"\x86" for n in range(60))),
        LimitExceededError,
    ),
    (
        "deep frozensets as a key",
        stream(b"}" + b"(" * 30 + b"K\x01" + b"\x85\x91" * 30 + b"Ns"),
        ForbiddenOperationError,
    ),
    ("unhashable key", stream(b"}]Ns"), ForbiddenOperationError),
    ("unhashable key in a tuple", stream(b"}]\x85Ns"), ForbiddenOperationError),
    ("marks", stream(b"(" * 5000), LimitExceededError),
    ("empty sets", stream(b"](" + b"\x8f" * 1_400_000 + b"e"), LimitExceededError),
]


@pytest.mark.parametrize(("data", "error"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS])
def test_refused(data: bytes, error: type[Exception]) -> None:
    found = refusal(data)
    assert type(found) is error, found
    assert "\n" not in str(found)


def test_forbidden_operation_says_where() -> None:
    found = refusal(stream(CLASS, b"N}\x86b"))
    assert isinstance(found, ForbiddenOperationError)
    assert found.opcode == "BUILD"
    assert found.offset == len(stream(CLASS, b"N}\x86")) - 1


def test_all_missing_names_are_listed() -> None:
    data = stream(
        name("a", "B") + b")\x81}b", name("c", "d") + b"K\x01\x85R", name("os", "system"), b"\x87"
    )
    found = refusal(data)
    assert isinstance(found, UntrustedTypesError)
    assert found.types == ("a.B", "c.d", "os.system")


def test_role_stored() -> None:
    chosen = policy("mine:only_built=build", "mine:Made=new")
    assert isinstance(
        refusal(stream(name("mine", "only_built")), chosen=chosen), ForbiddenOperationError
    )
    admit(payload(stream(name("mine", "Made"))), chosen)


@pytest.mark.parametrize(
    "stored",
    [
        *("numpy:ndarray", "numpy:matrix", "numpy.ma:MaskedArray", "pandas:MultiIndex"),
        *("pandas.arrays:SparseArray", "scipy.sparse._csr:csr_matrix", "lightgbm.basic:Booster"),
        *("sklearn.tree._tree:Tree", "sklearn.metrics._dist_metrics:EuclideanDistance64"),
    ],
)
def test_a_class_that_believes_its_arguments_is_not_kept(stored: str) -> None:
    kept = name(*stored.split(":"))
    call = [name("numpy._core.multiarray", "_reconstruct"), b"(", kept, b"\x94K\x00\x85C\x01bt"]
    ways = [
        stream(kept),
        stream(b"]", kept, b"a"),
        stream(b"}K\x01", kept, b"s"),
        stream(kept, b"\x85"),
        stream(name("functools", "partial"), kept, b"\x85R"),
        stream(b"".join(call), b"\x94R0h\x00"),
        stream(b"".join(call), b"\x94R0h\x01"),
        stream(b"".join(call), b"\x94R0h\x00h\x01\x86"),
    ]
    for way in ways:
        assert isinstance(refusal(way), ForbiddenOperationError), way
    admit(payload(ways[0]), Policy.default().trusting([stored.replace(":", ".")]))


def test_trusting_numpy_does_not_trust_lies() -> None:
    names = ("numpy:dtype", "numpy:ndarray", "numpy._core.multiarray:_reconstruct")
    loose = policy(*(f"{one}=reference call new build" for one in names))
    lie = stream(array(1, dtype("O8", "|"), short(b"8" * 8)))
    assert isinstance(refusal(lie, chosen=loose), ForbiddenOperationError)
    trusting = Policy(chosen=Allowlist({}, {})).trusting([n.replace(":", ".") for n in names])
    assert isinstance(refusal(lie, chosen=trusting), ForbiddenOperationError)


def test_wrapper_that_no_policy_lists_is_not_a_way_around_rules() -> None:
    bare = Policy(chosen=Allowlist({("numpy", "dtype"): Grant(frozenset({"call"}))}, {}))
    data = stream(DTYPE, short("O8"), WRAPPER, b"\x88\x87R", b"(K\x03", short("|"), b"tb")
    assert isinstance(refusal(data, "joblib", bare), ForbiddenOperationError)


def test_unknown_rule() -> None:
    with pytest.raises(PolicyError):
        admit(payload(stream(name("a", "B"), b")\x81")), policy("a:B=new/nonsense"))


def test_hash_collisions() -> None:
    numbers = [k * (2**61 - 1) for k in range(1, 3000)]
    for value in (dict.fromkeys(numbers), set(numbers), {(n, 1): 0 for n in numbers}):
        for protocol in (2, 4):
            found = refusal(pickle.dumps(value, protocol))
            assert isinstance(found, LimitExceededError), found
    honest = {float(n): n for n in range(30_000)} | {2**40 + n: n for n in range(30_000)}
    assert round_trip(pickle.dumps(honest, 4)) == honest


def test_hard_keys_are_bounded() -> None:
    small = Policy.default().with_limits(hard_keys=100)
    data = pickle.dumps({(n, str(n)): n for n in range(101)}, 4)
    with pytest.raises(LimitExceededError):
        admit(payload(data), small)


def test_tuples_made_by_calls_count_as_tuples() -> None:
    def nested(levels: int) -> bytes:
        value = b"N"
        for _ in range(levels):
            value = name("builtins", "tuple") + b"](" + value + b"e\x85R"
        return stream(b"}" + value + b"Ns")

    assert round_trip(nested(3)) == {(((None,),),): None}
    assert isinstance(refusal(nested(40)), ForbiddenOperationError)


def test_cut_at_every_offset() -> None:
    value = [np.arange(3.0), {"a": (1, 2.5)}, "text", np.random.RandomState(0).get_state()[0]]
    for protocol in range(6):
        whole = pickle.dumps(value, protocol)
        admit(payload(whole), Policy.default())
        for end in range(len(whole)):
            assert isinstance(refusal(whole[:end]), SafeSerialError)


def test_cut_joblib_file_at_every_offset() -> None:
    whole = joblib_bytes([np.arange(3.0), np.array(["a", 1], dtype=object)])
    for end in range(len(whole)):
        assert isinstance(refusal(whole[:end], "joblib"), SafeSerialError)


# -- joblib


def joblib_bytes(value: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    joblib.dump(value, file, **options)
    return file.getvalue()


def changed(old: bytes, new: bytes) -> bytes:
    data = joblib_bytes(np.arange(6.0).reshape(2, 3))
    assert data.count(old) == 1
    body = data[:2] + data[11:]  # without the frame, whose length would tell
    return body.replace(old, new)


WRAPPER = name("joblib.numpy_pickle", "NumpyArrayWrapper")


@pytest.mark.parametrize(
    "data",
    [
        changed(b"K\x02K\x03\x86", b"K\x02K\x04\x86"),
        changed(b"K\x02K\x03\x86", b"K\x02J\xff\xff\xff\xff\x86"),
        changed(short("C"), short("A")),
        changed(short("f8"), short("f4")),
        changed(short("f8"), short("O8")),
        changed(short("ndarray"), short("exp")),
        changed(short("order"), short("ordre")),
        changed(b"K\x10", b"M\x00\x01"),
        joblib_bytes(np.arange(3.0)) + b"\0",
        stream(WRAPPER, b")R"),
        stream(WRAPPER, b")\x81"),
        stream(WRAPPER, b")\x81\x94h\x00\x86"),
        stream(b"}", WRAPPER, b")\x81Ns"),
        stream(WRAPPER, b")\x81}b"),
        stream(WRAPPER, b")\x81}b}b"),
    ],
)
def test_joblib_lies(data: bytes) -> None:
    assert isinstance(refusal(data, "joblib"), ForbiddenOperationError | CorruptArtifactError)


STATE = b"".join(
    [
        *(b"}(", short("subclass"), name("numpy", "ndarray"), short("shape"), b"K\x01\x85"),
        *(short("order"), short("C"), short("dtype"), FLOAT, b"u"),
    ]
)


@pytest.mark.parametrize(
    "data",
    [
        stream(b"](", WRAPPER, b")\x81", STATE, b"q\x00b", bytes(8), b"h\x00e"),
        stream(b"(}q\x00h\x00", WRAPPER, b")\x81", b"h\x00", STATE[1:], b"b", bytes(8), b"t"),
        stream(
            *(b"](", WRAPPER, b")\x81", STATE, b"q\x00b", bytes(8)),
            *(WRAPPER, b")\x81h\x00b", bytes(8), b"e"),
        ),
    ],
)
def test_the_state_of_a_wrapper_stands_nowhere_else(data: bytes) -> None:
    # It names a class that is not to be kept, and is used up with it.
    found = refusal(data, "joblib")
    assert isinstance(found, ForbiddenOperationError)
    assert "used once" in str(found)


def test_wrapper_in_a_plain_pickle() -> None:
    data = joblib_bytes(np.arange(3.0))
    assert isinstance(refusal(data, "pickle"), ForbiddenOperationError)


def test_nested_stream_is_verified() -> None:
    data = joblib_bytes(np.array(["abc", 1], dtype=object))
    start = data.index(b"\x80\x05")
    evil = stream(name("os", "system"), short("true"), b"\x85R", protocol=5)
    found = refusal(data[:start] + evil + data[-1:], "joblib")
    assert isinstance(found, UntrustedTypesError)
    assert found.types == ("os.system",)


@pytest.mark.parametrize("data", [b"ZF0x4a", b"ZFxyz"])
def test_joblib_before_0_10(data: bytes) -> None:
    assert isinstance(refusal(data, "joblib"), UnsupportedVersionError)


@pytest.mark.parametrize("kind", ["NDArrayWrapper", "ZNDArrayWrapper"])
def test_old_wrappers(kind: str) -> None:
    data = stream(name("joblib.numpy_pickle_compat", kind), b")\x81")
    assert isinstance(refusal(data, "joblib"), UnsupportedVersionError)


# -- compression

COMPRESS = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "lzma": lambda raw: lzma.compress(raw, lzma.FORMAT_ALONE),
    "xz": lzma.compress,
    "lz4": lz4.frame.compress,
    "zstd": lambda raw: zstandard.ZstdCompressor().compress(raw),
}


@pytest.mark.parametrize("kind", COMPRESS)
def test_compressed_pickle(kind: str) -> None:
    value = list(range(1000))
    packed = COMPRESS[kind](pickle.dumps(value, 5))
    from_pickle = admit(payload(packed, "pickle", compression=kind), Policy.default())
    from_joblib = admit(payload(packed, "joblib"), Policy.default())
    assert bytes(from_pickle.stream) == bytes(from_joblib.stream) == pickle.dumps(value, 5)


@pytest.mark.parametrize("kind", COMPRESS)
def test_damaged_compression(kind: str) -> None:
    packed = COMPRESS[kind](pickle.dumps(list(range(100)), 5))
    for data in (packed + b"\0", packed + packed, *(packed[:end] for end in range(2, len(packed)))):
        found = survey(payload(data, "pickle", compression=kind), Policy.default()).problem
        assert isinstance(found, CorruptArtifactError), (len(data), len(packed), found)


@pytest.mark.parametrize("kind", COMPRESS)
def test_bombs_stop_at_the_limit(kind: str) -> None:
    bomb = COMPRESS[kind](b"N" * (48 * 2**20))
    small = Policy.default().with_limits(decompressed_size=8 * 2**20)
    tracemalloc.start()
    found = survey(payload(bomb, "joblib"), small).problem
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(found, LimitExceededError)
    assert peak < 24 * 2**20


def test_fifteen_bytes_that_fill_memory() -> None:
    data = zlib.compress(b"(") + b"x"
    assert isinstance(refusal(data, "joblib"), CorruptArtifactError)


def test_exact_pieces_decompress() -> None:
    raw = pickle.dumps(bytes(3 * 2**20 - 9), 4)
    for kind, pack in COMPRESS.items():
        for size in (len(raw), 2**20, 2**21):
            body = b"\x80\x04\x8e" + struct.pack("<Q", size - 12) + bytes(size - 12) + b"."
            packed = pack(body)
            chosen = Policy.default()
            assert len(admit(payload(packed, "pickle", compression=kind), chosen).stream) == size


def test_other_formats_and_members() -> None:
    for form, options in (("skops", {}), ("pickle", {"compression": "none"})):
        found = survey(payload(b"N.", form, **options), Policy.default()).problem
        assert isinstance(found, UnsupportedVersionError)
