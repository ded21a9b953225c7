# SPDX-License-Identifier: BSD-3-Clause
"""Hostile files, one small builder a technique; what it does elsewhere is its proof.

Code that runs leaves a file ``pwned`` in the current directory.  `legacy` yields plain pickles and
joblib files; `signed` artifacts that the right key has signed, because who signs may lie as well.
"""

from __future__ import annotations

import bz2
import faulthandler
import functools
import gzip
import json
import lzma
import os
import pickle
import resource
import signal
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import lz4.frame
import numpy as np
import scipy.sparse as sp
import zstandard
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from safeserial import payload as layout
from safeserial.dtypes import encode_dtypes
from safeserial.errors import (
    CorruptArtifactError,
    ForbiddenOperationError,
    FormatError,
    InvalidStateError,
    LimitExceededError,
    NotAnArtifactError,
    PolicyError,
    UnsupportedVersionError,
    UntrustedTypesError,
)
from tests import world
from tests.attacks.forge import Build, Call, Name, New, Raw, dumps, frame, joblib_dumps
from tests.verifier.streams import array, dtype, integer, name, short, stream

Errors = tuple[type[Exception], ...]
UNTRUSTED: Errors = (UntrustedTypesError,)
FORBIDDEN: Errors = (ForbiddenOperationError,)
CORRUPT: Errors = (CorruptArtifactError,)
LIMIT: Errors = (LimitExceededError,)
STATE: Errors = (InvalidStateError,)
EITHER: Errors = (UntrustedTypesError, ForbiddenOperationError)
REFUSED: Errors = (PolicyError, FormatError)


@dataclass(frozen=True)
class Case:
    """One hostile file.

    Parameters
    ----------
    id : str
        Technique and variant.
    data : bytes
        The file.
    errors : tuple of type
        What the loader may answer.
    proof : str
        ``marker`` (leaves a file behind), ``crash`` (ends the process by a signal), a Python
        expression that is true of a process in which the attack has worked, or ``""``.
    signed : bool
        Whether it is an artifact.
    """

    id: str
    data: bytes
    errors: Errors
    proof: str = ""
    signed: bool = False


COMMAND = "touch pwned"
SYSTEM = Call(Name("os", "system"), COMMAND)
COMPRESSORS = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "lzma": lambda raw: lzma.compress(raw, lzma.FORMAT_ALONE),
    "xz": lzma.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
OPEN = "open('pwned', 'w').close()"
# Module, name, arguments, and whether calling it is seen to run code here.
GADGETS: list[tuple[str, str, tuple[Any, ...], bool]] = [
    ("os", "system", (COMMAND,), True),
    ("posix", "system", (COMMAND,), True),
    ("os", "popen", (COMMAND,), False),
    ("os", "execvp", ("touch", ["touch", "pwned"]), True),
    ("os", "mkdir", ("pwned",), True),
    ("os", "remove", ("victim",), False),
    ("os", "putenv", ("A", "b"), False),
    ("os", "kill", (0, 0), False),
    ("subprocess", "getoutput", (COMMAND,), True),
    ("subprocess", "call", (["touch", "pwned"],), True),
    ("subprocess", "run", (["touch", "pwned"],), True),
    ("subprocess", "Popen", (["touch", "pwned"],), False),
    ("subprocess", "check_output", (["touch", "pwned"],), True),
    ("builtins", "eval", (OPEN,), True),
    ("builtins", "exec", (OPEN,), True),
    ("builtins", "compile", (OPEN, "", "exec"), False),
    ("builtins", "__import__", ("antigravity",), False),
    ("builtins", "open", ("pwned", "w"), True),
    ("builtins", "breakpoint", (), False),
    ("builtins", "globals", (), False),
    ("builtins", "setattr", (LogisticRegression, "pwned", 1), False),
    ("builtins", "delattr", (LogisticRegression, "fit"), False),
    ("builtins", "type", ("T", (), {}), False),
    ("builtins", "map", (Name("os", "system"), [COMMAND]), False),
    ("builtins", "filter", (Name("os", "system"), [COMMAND]), False),
    ("builtins", "exit", (), False),
    ("functools", "reduce", (Name("os", "system"), [COMMAND]), False),
    ("operator", "methodcaller", ("system", COMMAND), False),
    ("operator", "attrgetter", ("__class__.__base__",), False),
    ("_operator", "attrgetter", ("__globals__",), False),
    ("importlib", "import_module", ("antigravity",), False),
    ("runpy", "run_path", ("victim.py",), False),
    ("runpy", "run_module", ("this",), False),
    ("pty", "spawn", ("/bin/true",), False),
    ("code", "interact", (), False),
    ("timeit", "timeit", (OPEN, "pass"), True),
    ("cProfile", "run", (OPEN,), True),
    ("profile", "run", (OPEN,), True),
    ("pdb", "run", (OPEN,), False),
    ("doctest", "debug_script", (OPEN,), False),
    ("marshal", "loads", (b"N",), False),
    ("types", "FunctionType", (), False),
    ("types", "CodeType", (), False),
    ("ctypes", "CDLL", ("victim.so",), False),
    ("webbrowser", "open", ("about:blank",), False),
    ("shutil", "rmtree", ("victim",), False),
    ("shutil", "copyfile", ("victim", "pwned"), False),
    ("pickle", "loads", (dumps(SYSTEM),), True),
    ("_pickle", "loads", (dumps(SYSTEM),), True),
    ("pickle", "Unpickler", (), False),
    ("joblib", "load", ("victim.joblib",), False),
    ("joblib.memory", "Memory", ("pwned",), True),
    ("pandas", "read_pickle", ("victim.pkl",), False),
    ("pandas", "eval", ("1",), False),
    ("numpy", "load", ("victim.npy",), False),
    ("numpy", "memmap", ("pwned", "u1", "w+", 0, 4), True),
    ("numpy", "save", ("pwned.npy", [1]), False),
    ("numpy", "vectorize", (Name("os", "system"),), False),
    ("numpy", "frompyfunc", (Name("os", "system"), 1, 1), False),
    ("numpy", "seterr", ("ignore",), False),
    ("numpy", "apply_along_axis", (Name("os", "system"), 0, [1]), False),
    ("numpy.core", "_ufunc_reconstruct", ("os", "system"), False),
    ("numpy._core", "_ufunc_reconstruct", ("os", "system"), False),
    ("numpy.f2py.crackfortran", "myeval", (OPEN,), False),
    ("numpy.testing._private.utils", "runstring", (OPEN, {}), True),
    ("numpy.lib.npyio", "DataSource", (), False),
    ("numpy.ctypeslib", "load_library", ("victim", "."), False),
    ("scipy.io", "savemat", ("pwned.mat", {}), False),
    ("scipy.stats._distn_infrastructure", "rv_continuous", (), False),
    ("sklearn.datasets", "fetch_openml", ("victim",), False),
    ("sklearn.datasets", "dump_svmlight_file", ([[1]], [1], "pwned"), True),
    ("sklearn.utils._testing", "assert_run_python_script_without_output", (OPEN,), False),
    ("lightgbm.basic", "Booster", (), False),
    ("xgboost.core", "Booster", (), False),
    ("catboost.core", "CatBoostClassifier", (), False),
    ("logging.config", "listen", (), False),
    ("socket", "create_connection", (("localhost", 9),), False),
    ("urllib.request", "urlopen", ("file:victim",), False),
    ("sqlite3", "connect", ("pwned",), True),
    ("tempfile", "mkdtemp", (), False),
    ("signal", "raise_signal", (9,), False),
    ("sys", "setrecursionlimit", (10**9,), False),
    ("copyreg", "add_extension", ("os", "system", 9), False),
    ("weakref", "finalize", (LogisticRegression, Name("os", "system"), COMMAND), False),
    ("atexit", "register", (Name("os", "system"), COMMAND), False),
    ("threading", "Timer", (0, Name("os", "system"), [COMMAND]), False),
    ("multiprocessing.util", "spawnv_passfds", (b"/bin/true", [b"true"], []), False),
    ("contextlib", "ExitStack", (), False),
    ("re", "compile", ("(a+)+$",), False),
    ("linecache", "getlines", ("victim",), False),
    ("site", "addsitedir", ("victim",), False),
]


def gadgets() -> Iterator[Case]:
    """Code that runs because a name is called."""
    for module, called, arguments, runs in GADGETS:
        # Listed names are refused for what is done with them.
        errors = EITHER if (module, called) in LISTED else UNTRUSTED
        data = dumps(Call(Name(module, called), *arguments))
        yield Case(f"call {module}.{called}", data, errors, "marker" if runs else "")


LISTED = {
    ("numpy", "vectorize"),
    ("lightgbm.basic", "Booster"),
    ("xgboost.core", "Booster"),
    ("catboost.core", "CatBoostClassifier"),
}


def variants() -> Iterator[Case]:
    """One call in every form a file can have."""
    arrays = [np.arange(5.0), np.ones((2, 3), order="F"), SYSTEM]
    for protocol in range(6):
        yield Case(f"os.system, protocol {protocol}", dumps(SYSTEM, protocol), UNTRUSTED, "marker")
        ahead = dumps([LogisticRegression(), np.arange(9.0), SYSTEM], protocol)
        yield Case(f"os.system behind a model, protocol {protocol}", ahead, UNTRUSTED, "marker")
    raw = joblib_dumps(arrays)
    yield Case("os.system behind joblib's arrays", raw, UNTRUSTED, "marker")
    for kind, compress in COMPRESSORS.items():
        proof = "" if kind == "zstd" else "marker"
        yield Case(f"os.system, joblib {kind}", compress(raw), UNTRUSTED, proof)
        yield Case(f"os.system, pickle {kind}", compress(dumps(SYSTEM)), UNTRUSTED, proof)
    for place, value in {
        "key": {SYSTEM: 1},
        "popped": Raw(SYSTEM, b"0N"),
        "popped with its mark": Raw(b"(", SYSTEM, b"1N"),
        "state": New(LogisticRegression, {"a": SYSTEM}),
        "argument": Call(Name("builtins", "list"), SYSTEM),
        "tuple": ((SYSTEM,),),
    }.items():
        yield Case(f"os.system as {place}", dumps(value), UNTRUSTED, "marker")
    for what, tail in {"truncated": b"", "bad opcode": b"\xfe", "no STOP": b"N"}.items():
        data = dumps(SYSTEM)[:-1] + tail
        yield Case(f"os.system, then {what}", data, (*CORRUPT, *UNTRUSTED), "marker")


def names() -> Iterator[Case]:
    """Names that are not what they look like."""
    for module, called in [
        ("sklearn", "os.system"),
        ("joblib.memory", "os.system"),
        ("numpy", "f2py.os.system"),
        ("numpy", "ndarray.tofile"),
        ("sklearn.linear_model", "_logistic.np.load"),
        ("sklearn.linear_model._logistic", "LogisticRegression.__init__.__globals__"),
        ("numpy", "ndarray.__reduce__"),
        ("sklearn.linear_model", "LogisticRegression"),
        ("sklearn", "linear_model"),
        ("numpy", "linalg"),
        ("numpy._core", "multiarray._reconstruct"),
        ("scipy.stats", "_continuous_distns.uniform_gen"),
        ("sklearn._config", "_global_config"),
        ("sklearn", "__builtins__"),
        ("os", "environ"),
        ("__main__", "anything"),
        ("", "eval"),
        (".", "eval"),
        ("numpy.", "exp"),
        ("numpy", ".exp"),
        ("NumPy", "exp"),
        ("numpy", "exp "),
        ("numpy ", "exp"),
        ("n\u0443mpy", "exp"),
        ("\uff4eumpy", "exp"),
        ("numpy", "e\u0445p"),
        ("numpy\x00", "exp"),
        ("numpy", "exp\n"),
        ("numpy/../os", "system"),
    ]:
        data = dumps(Name(module, called))
        yield Case(f"name {module!a}:{called!a}", data, (*EITHER, *CORRUPT))
    for module, called in [
        ("commands", "getoutput"),
        ("__builtin__", "eval"),
        ("__builtin__", "execfile"),
        ("__builtin__", "apply"),
        ("os", "popen2"),
        ("exceptions", "SystemExit"),
        ("cPickle", "loads"),
        ("copy_reg", "add_extension"),
        ("UserDict", "IterableUserDict"),
        ("itertools", "imap"),
    ]:
        data = b"\x80\x02" + f"c{module}\n{called}\n".encode() + b"(X\x0b\0\0\0touch pwnedtR."
        proof = "marker" if called == "getoutput" else ""
        yield Case(f"Python 2 name {module}.{called}", data, EITHER, proof)
    for protocol in (0, 1, 2):
        data = Raw(b"ccommands\ngetoutput\n", (COMMAND,), b"R")
        yield Case(
            f"renamed after the check, protocol {protocol}",
            dumps(data, protocol),
            UNTRUSTED,
            "marker" if protocol == 2 else "",
        )
    for what, data in {
        "names from the memo": Raw(short("os"), b"\x94", short("system"), b"\x94", b"hahb\x93"),
        "names of bytes": Raw(short(b"os"), short(b"system"), b"\x93"),
        "names of a call": Raw(Call(Name("builtins", "str")), short("system"), b"\x93"),
        "names of a list": Raw(b"]", short("system"), b"\x93"),
        "GLOBAL with a carriage return": Raw(b"cnumpy\r\nexp\n"),
        "GLOBAL without a name": Raw(b"cnumpy\n\n"),
        "GLOBAL of 2000 letters": Raw(b"c" + b"a" * 2000 + b"\nb\n"),
        "names in a Python 2 string": Raw(b"U\x02osU\x06system\x93"),
    }.items():
        yield Case(what, dumps(data), (*EITHER, *CORRUPT))


def opcodes() -> Iterator[Case]:
    """Opcodes that no pickler writes, and forms that mean two things."""
    call = b"cos\nsystem\n(X\x0b\0\0\0touch pwnedtR."
    warm = b"(X\x0b\0\0\0touch pwnedtR."
    rows: dict[str, tuple[bytes, Errors, str]] = {
        "EXT1, warm cache": (b"\x80\x02\x82\x7f" + warm, FORBIDDEN, "marker"),
        "EXT2, warm cache": (b"\x80\x02\x83\x7f\0" + warm, FORBIDDEN, "marker"),
        "EXT4, warm cache": (b"\x80\x02\x84\x7f\0\0\0" + warm, FORBIDDEN, "marker"),
        "EXT1 behind a hexadecimal INT": (b"I0x10\n0\x82\x7f" + warm, FORBIDDEN, "marker"),
        "EXT4 negative": (b"\x80\x02\x84\xff\xff\xff\xff.", FORBIDDEN, ""),
        "INST": (b"(X\x0b\0\0\0touch pwnedios\nsystem\n.", FORBIDDEN, "marker"),
        "OBJ": (b"(cos\nsystem\nX\x0b\0\0\0touch pwnedo.", EITHER, "marker"),
        "DUP": (b"\x80\x02K\x012\x86.", FORBIDDEN, ""),
        "PERSID": (b"Pos.system\n.", FORBIDDEN, ""),
        "BINPERSID in a legacy file": (stream(b"K\0Q"), FORBIDDEN, ""),
        "BINPERSID negative": (stream(integer(-1), b"Q"), FORBIDDEN, ""),
        "BINPERSID of text": (stream(short("0"), b"Q"), FORBIDDEN, ""),
        "NEXT_BUFFER": (stream(b"\x97", protocol=5), FORBIDDEN, ""),
        "READONLY_BUFFER": (stream(b"N\x98", protocol=5), FORBIDDEN, ""),
        "PROTO twice": (b"\x80\x04\x80\x02" + call, FORBIDDEN, "marker"),
        "PROTO 255": (b"\x80\xff" + call, FORBIDDEN, ""),
        "PROTO 0": (b"\x80\x00" + call, FORBIDDEN, "marker"),
        "bytes behind STOP": (stream(b"N") + b"\0", CORRUPT, ""),
        "a second pickle": (stream(b"N") + dumps(SYSTEM), CORRUPT, ""),
        "a ZIP behind": (dumps(SYSTEM) + world.artifact(), (*UNTRUSTED, *CORRUPT), "marker"),
        "a ZIP behind nothing": (stream(b"N") + world.artifact(), CORRUPT, ""),
        "a pickle before ZIP's end": (call + b"PK\x05\x06" + bytes(18), REFUSED, "marker"),
        "a model, then POP": (stream(NEW, b"0", b"N", b"0"), CORRUPT, ""),
        "POP of a mark": (stream(b"(0", SYSTEM_RAW), UNTRUSTED, "marker"),
        "POP of nothing": (stream(b"0N"), CORRUPT, ""),
        "POP_MARK of nothing": (stream(b"1N"), CORRUPT, ""),
        "TUPLE without a mark": (stream(b"Nt"), CORRUPT, ""),
        "TUPLE2 across a mark": (stream(b"N(N\x86"), CORRUPT, ""),
        "REDUCE across a mark": (stream(name("os", "system"), b"()R"), REFUSED, ""),
        "STOP inside a mark": (stream(b"N("), CORRUPT, ""),
        "frame too long": (b"\x80\x04" + frame(b"N.", 2**62), CORRUPT, ""),
        "frame that ends in an opcode": (
            b"\x80\x04" + frame(call[:5]) + call[5:],
            REFUSED,
            "",
        ),
        "frame of nothing": (b"\x80\x04" + frame(b"") + call, UNTRUSTED, "marker"),
        "frame in a frame": (b"\x80\x04" + frame(frame(call)), REFUSED, ""),
        "frame behind STOP": (b"\x80\x04" + frame(call + b"N", len(call) + 1), REFUSED, "marker"),
        "memo read before it is written": (stream(b"h\0"), CORRUPT, ""),
        "memo overwritten": (
            b"\x80\x02" + b"cnumpy\nexp\nq\0cos\nsystem\nq\0h\0(X\x0b\0\0\0touch pwnedtR.",
            REFUSED,
            "marker",
        ),
        "memo overwritten by MEMOIZE": (
            b"\x80\x04cnumpy\nexp\n\x940cos\nsystem\nq\x00h\0(X\x0b\0\0\0touch pwnedtR.",
            REFUSED,
            "marker",
        ),
        "memo of a gap": (b"\x80\x02Nq\x02h\x01.", CORRUPT, ""),
        "memo index far away": (b"\x80\x02Nr\0\0\0\x08.", LIMIT, ""),
        "memo index negative": (b"Np-1\n.", FORBIDDEN, ""),
        "memo index 2**27 in text": (b"Np134217728\n.", LIMIT, ""),
        "UNICODE with a bad escape": (b"V\\u12\n.", REFUSED, ""),
        "STRING without quotes": (b"Sabc\n.", FORBIDDEN, ""),
        "FLOAT with an underscore": (b"F1_0.0\n.", FORBIDDEN, ""),
        "LONG of 5000 digits": (b"L" + b"9" * 5000 + b"L\n.", FORBIDDEN, ""),
        "LONG4 negative": (stream(b"\x8b\xff\xff\xff\xff"), CORRUPT, ""),
        "BINSTRING negative": (stream(b"T\xff\xff\xff\xff"), CORRUPT, ""),
        "unknown opcode": (stream(b"\xfe"), CORRUPT, ""),
        "only STOP": (b".", CORRUPT, ""),
        "one byte": (b"\x80", CORRUPT, ""),
        "empty": (b"", (NotAnArtifactError,), ""),
        "text that is not UTF-8": (stream(b"\x8c\x02\xc3\x28"), CORRUPT, ""),
    }
    for form in (
        b"0x10",
        b"0b1",
        b"010",
        b"1_0",
        b" 1",
        b"+1",
        b"1 ",
        b"\xd9\xa1",
        b"1\0",
        b"-",
        b"",
    ):
        rows[f"INT {form!r}"] = (b"I" + form + b"\n0" + call, (*FORBIDDEN, *CORRUPT), "")
        rows[f"LONG {form!r}"] = (b"L" + form + b"L\n0" + call, (*FORBIDDEN, *CORRUPT), "")
    rows["INT b'0x10'"] = (*rows["INT b'0x10'"][:2], "marker")
    for kind in ("X", "\x8d", "B", "\x8e", "\x96", "T", "\x8b"):
        raw = kind.encode("latin1")
        size = b"\xff" * 7 + b"\x7f" if kind in "\x8d\x8e\x96" else b"\xff\xff\xff\x7f"
        rows[f"declared size of {raw!r}"] = (stream(raw + size, protocol=5), CORRUPT, "")
    for what, (data, errors, proof) in rows.items():
        yield Case(what, data, errors, proof)


CLASS = name("sklearn.linear_model._logistic", "LogisticRegression")
NEW = CLASS + b")\x81"
SYSTEM_RAW = name("os", "system") + short(COMMAND) + b"\x85R"
PWNED = {"pwned": 1}
CSR = Name("scipy.sparse._csr", "csr_matrix")
VALIDATION = Name("sklearn.utils.validation", "check_array")
HAS = "hasattr(__import__('{}', fromlist=['x']).{}, 'pwned')"


def states() -> Iterator[Case]:
    """BUILD, SETITEM and APPEND where they do not belong, and states that act."""
    logistic = HAS.format("sklearn.linear_model._logistic", "LogisticRegression")
    csr = HAS.format("scipy.sparse._csr", "csr_matrix")
    function = HAS.format("sklearn.preprocessing._function_transformer", "_identity")
    lying = functools.partial(New, CSR)
    wild = lying_state()
    partial = Name("functools", "partial")
    frame_class = Name("pandas", "DataFrame")
    rows: dict[str, tuple[Any, Errors, str]] = {
        "BUILD on a class": (Build(LogisticRegression, (None, PWNED)), FORBIDDEN, ""),
        "BUILD on a compiled class": (Build(CSR, (None, PWNED)), FORBIDDEN, csr),
        "BUILD on a function": (
            Build(Name("sklearn.preprocessing._function_transformer", "_identity"), (None, PWNED)),
            REFUSED,
            function,
        ),
        "BUILD on a function's defaults": (
            Build(Name("numpy", "mean"), (None, {"__defaults__": (1,)})),
            FORBIDDEN,
            "",
        ),
        "BUILD on a module": (
            Build(Name("sklearn.utils", "validation"), {"check_array": Name("numpy", "exp")}),
            EITHER,
            "__import__('sklearn.utils.validation', fromlist=['x']).check_array.__name__ == 'exp'",
        ),
        "BUILD on a dict": (Build({}, {}), FORBIDDEN, ""),
        "BUILD on a list": (Build([], {}), FORBIDDEN, ""),
        "BUILD on text": (Build("a", {}), FORBIDDEN, ""),
        "BUILD twice": (New(LogisticRegression, {"a": 1}, {"b": 2}), FORBIDDEN, ""),
        "BUILD of a callable's result twice": (
            Call(partial, Name("numpy", "exp"), states=((Name("numpy", "exp"), (), {}, {}),) * 2),
            FORBIDDEN,
            "",
        ),
        "SETITEM on a class": (Raw(LogisticRegression, b"K\x01K\x02s"), FORBIDDEN, ""),
        "SETITEM on an instance": (Raw(New(LogisticRegression), b"K\x01K\x02s"), FORBIDDEN, ""),
        "SETITEMS on configuration": (
            Raw(
                Name("sklearn._config", "_global_config"),
                b"(" + short("assume_finite") + b"\x88u",
            ),
            UNTRUSTED,
            "__import__('sklearn').get_config()['assume_finite']",
        ),
        "SETITEM on os.environ": (
            Raw(Name("os", "environ"), short("PWNED"), short("1"), b"s"),
            UNTRUSTED,
            "'PWNED' in __import__('os').environ",
        ),
        "APPEND to a class": (Raw(LogisticRegression, b"K\x01a"), FORBIDDEN, ""),
        "APPEND to sys.path": (
            Raw(Name("sys", "path"), short("pwned"), b"a"),
            UNTRUSTED,
            "'pwned' in __import__('sys').path",
        ),
        "APPENDS to an instance": (Raw(New(LogisticRegression), b"(K\x01e"), FORBIDDEN, ""),
        "ADDITEMS to a list": (Raw(b"](K\x01\x90"), FORBIDDEN, ""),
        "slot state: method": (
            New(CSR, ({}, {"toarray": Name("numpy", "exp")})),
            FORBIDDEN,
            "",
        ),
        "slot state: __class__": (
            New(CSR, (wild, {"__class__": LogisticRegression})),
            FORBIDDEN,
            "",
        ),
        "slot state: shape, which runs compiled code": (
            New(CSR, (wild, {"shape": (2, 8)})),
            FORBIDDEN,
            "crash",
        ),
        "slot state of a tuple's subclass": (
            New(
                CSR,
                New(
                    Name("sklearn.utils._metadata_requests", "MethodPair"),
                    arguments=(wild, {"shape": (2, 8)}),
                ),
            ),
            FORBIDDEN,
            "crash",
        ),
        "slot state: a property patches a class": (
            New(
                Name("scipy.stats._distn_infrastructure", "rv_continuous_frozen"),
                ({"dist": LogisticRegression}, {"random_state": 0}),
            ),
            FORBIDDEN,
            logistic.replace("pwned", "_random_state"),
        ),
        "key __class__": (New(LogisticRegression, {"__class__": CSR}), FORBIDDEN, ""),
        "key __dict__": (New(LogisticRegression, {"__dict__": {}}), FORBIDDEN, ""),
        "key __setstate__": (
            New(LogisticRegression, {"__setstate__": Name("numpy", "exp")}),
            FORBIDDEN,
            "",
        ),
        "key __reduce_ex__": (
            New(LogisticRegression, {"__reduce_ex__": Name("numpy", "exp")}),
            FORBIDDEN,
            "",
        ),
        "key that is a number": (New(LogisticRegression, {1: 2}), FORBIDDEN, ""),
        "key that names a method": (
            New(LogisticRegression, {"predict": Name("numpy", "exp")}),
            STATE,
            "",
        ),
        "state of another class": (New(LogisticRegression, lying(wild)), FORBIDDEN, ""),
        "version that is a matrix": (
            New(LogisticRegression, {"_sklearn_version": lying(wild)}),
            FORBIDDEN,
            "",
        ),
        "version that prints a matrix": (
            New(LogisticRegression, {"_sklearn_version": interval_dtype(lying(wild))}),
            FORBIDDEN,
            "crash",
        ),
        "UUID compared with a matrix": (
            New(Name("uuid", "UUID"), {"int": 0, "is_safe": lying(wild)}),
            FORBIDDEN,
            "crash",
        ),
        "key that prints a matrix": ({interval_dtype(lying(wild)): 1}, FORBIDDEN, "crash"),
        "set member that prints a matrix": (
            {interval_dtype(lying(wild))},
            FORBIDDEN,
            "crash",
        ),
        "time zone that prints a matrix": (
            {
                New(Name("pandas", "DatetimeTZDtype"), {"unit": "ns", "tz": lying(wild)}): 1,
            },
            FORBIDDEN,
            "crash",
        ),
        "bit generator compared with a dtype": (
            Call(
                Name("numpy.random._pickle", "__randomstate_ctor"),
                "MT19937",
                states=({"bit_generator": interval_dtype(lying(wild)), "state": {}},),
            ),
            FORBIDDEN,
            "crash",
        ),
        "data frame that calls a function": (
            New(
                frame_class,
                {
                    "_typ": "dataframe",
                    "_mgr": New(LogisticRegression, {"set_axis": Name("numpy", "hypot")}),
                    "columns": ["a"],
                },
            ),
            FORBIDDEN,
            "",
        ),
        "series that calls a function": (
            New(
                Name("pandas", "Series"),
                {
                    "_typ": "series",
                    "_mgr": New(LogisticRegression, {"set_axis": Name("numpy", "hypot")}),
                    "index": ["a"],
                },
            ),
            FORBIDDEN,
            "",
        ),
        "data frame with other parts": (
            New(frame_class, {"_typ": "dataframe", "columns": ["a"]}),
            FORBIDDEN,
            "",
        ),
        "sparse array that builds an array": (
            New(
                Name("pandas.arrays", "SparseArray"),
                ((1, (10**6,), np.dtype("O"), False, []), (0, None)),
            ),
            FORBIDDEN,
            "crash",
        ),
        "metric of no state's parts": (
            New(Name("sklearn.metrics._dist_metrics", "DiceDistance32"), ()),
            FORBIDDEN,
            "crash",
        ),
        "metric of a list": (
            New(Name("sklearn.metrics._dist_metrics", "EuclideanDistance64"), [2.0]),
            FORBIDDEN,
            "crash",
        ),
        "index of no state's parts": (
            New(Name("sklearn.neighbors._kd_tree", "KDTree"), ()),
            FORBIDDEN,
            "crash",
        ),
        "partial of a value": (
            Call(partial, Name("numpy", "exp"), states=((1, (), {}, {}),)),
            FORBIDDEN,
            "",
        ),
        "partial of os.system": (Call(partial, Name("os", "system"), COMMAND), UNTRUSTED, ""),
        "partial of a rule's constructor": (
            Call(
                partial,
                Name("sklearn.tree._tree", "Tree"),
                states=((Name("sklearn.tree._tree", "Tree"), (5,), {"n_outputs": 10**7}, None),),
            ),
            FORBIDDEN,
            "",
        ),
        "defaultdict of os.system": (
            Call(Name("collections", "defaultdict"), Name("os", "system")),
            UNTRUSTED,
            "",
        ),
        "defaultdict of a function": (
            Call(Name("collections", "defaultdict"), Name("numpy", "exp")),
            FORBIDDEN,
            "",
        ),
        "defaultdict, factory in the slot state": (
            Call(
                Name("collections", "defaultdict"),
                states=((None, {"default_factory": Name("numpy", "exp")}),),
            ),
            FORBIDDEN,
            "",
        ),
        "distribution state": (
            New(
                Name("scipy.stats._continuous_distns", "uniform_gen"),
                {"_parse_arg_template": OPEN, "name": "uniform"},
            ),
            (),
            "marker",
        ),
        "getattr": (
            Call(Name("builtins", "getattr"), LogisticRegression, "__init__"),
            FORBIDDEN,
            "",
        ),
        "getattr of an array": (
            Call(Name("builtins", "getattr"), np.arange(3), "tofile"),
            FORBIDDEN,
            "",
        ),
        "vectorize kept in a model": (
            New(LogisticRegression, {"a": New(Name("numpy", "vectorize"), {})}),
            STATE,
            "",
        ),
        "random state calls its argument": (
            Call(
                Name("numpy.random._pickle", "__randomstate_ctor"),
                COMMAND,
                Name("os", "system"),
            ),
            UNTRUSTED,
            "marker",
        ),
        "generator calls its argument": (
            Call(Name("numpy.random._pickle", "__generator_ctor"), "PCG64", Name("numpy", "exp")),
            FORBIDDEN,
            "",
        ),
        "bit generator of any class": (
            Call(Name("numpy.random._pickle", "__bit_generator_ctor"), LogisticRegression),
            FORBIDDEN,
            "",
        ),
        "call of a reference": (Call(Name("numpy", "tile"), 0, 10**6), FORBIDDEN, ""),
        "call of a class": (Call(LogisticRegression), FORBIDDEN, ""),
        "new of a function": (New(Name("numpy", "exp")), FORBIDDEN, ""),
        "new with keywords of os": (
            New(Name("os", "DirEntry"), keywords={"a": 1}),
            UNTRUSTED,
            "",
        ),
        "_reconstructor of a function": (
            Call(
                Name("copyreg", "_reconstructor"),
                Name("numpy", "exp"),
                Name("builtins", "object"),
                None,
            ),
            FORBIDDEN,
            "",
        ),
        "_reconstructor of an array": (
            Call(
                Name("copyreg", "_reconstructor"),
                Name("numpy", "ndarray"),
                Name("builtins", "object"),
                None,
            ),
            FORBIDDEN,
            "",
        ),
        "_reconstructor with a wild base": (
            Call(Name("copyreg", "_reconstructor"), LogisticRegression, Name("os", "system"), "a"),
            UNTRUSTED,
            "",
        ),
        "__newobj__ of a tree": (
            Call(Name("copyreg", "__newobj__"), Name("sklearn.tree._tree", "Tree"), 1),
            FORBIDDEN,
            "",
        ),
        "newObj of an array": (
            Call(Name("sklearn.neighbors._kd_tree", "newObj"), Name("numpy", "ndarray")),
            FORBIDDEN,
            "",
        ),
        "pyx_unpickle of another class": (
            Call(
                Name("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"),
                LogisticRegression,
                1,
                None,
            ),
            FORBIDDEN,
            "",
        ),
    }
    for what, (value, errors, proof) in rows.items():
        if errors:
            yield Case(what, dumps(value), errors, proof)
    yield Case(
        "BUILD on a class, joblib",
        joblib_dumps([np.arange(3.0), Build(LogisticRegression, (None, PWNED))]),
        FORBIDDEN,
    )


def interval_dtype(subtype: Any) -> New:
    """Return a pandas dtype that prints its subtype when it is hashed or compared."""
    return New(Name("pandas", "IntervalDtype"), {"subtype": subtype, "closed": "right"})


def lying_state() -> dict[str, Any]:
    """Return the state of a sparse matrix whose rows end far outside of it."""
    state = dict(vars(sp.csr_matrix(np.eye(4))))
    state["indptr"] = np.array([0, 1, 2, 3, 10**8], dtype=np.int32)
    return state


NO_DTYPES = encode_dtypes([])
FLOAT, OBJECT = dtype("f8"), dtype("O8", "|", flags=63)


def void(size: int, fields: list[tuple[str, bytes, int]], flags: int = 16, align: int = 1) -> bytes:
    """Return a structured dtype with these fields."""
    start = name("numpy", "dtype") + short(f"V{size}") + b"\x89\x88\x87R(K\x03" + short("|") + b"N("
    keys = b"".join(short(key) for key, _, _ in fields)
    table = b"".join(short(key) + part + integer(at) + b"\x86s" for key, part, at in fields)
    rest = integer(size) + integer(align) + integer(flags)
    return start + keys + b"t}" + table + rest + b"tb"


def arrays() -> Iterator[Case]:
    """NumPy dtypes and arrays whose parts do not fit each other."""
    raw = short(b"A" * 8)
    frombuffer = name("numpy._core.numeric", "_frombuffer")
    sub = b"\x89\x88\x87R(K\x03" + short("|")
    base = name("numpy", "dtype") + short("V8")
    many = b"]" + b"Na" * 3
    rows: dict[str, tuple[bytes, str]] = {
        "pointers: no object flag": (array(1, dtype("O8", "|"), raw), ""),
        "pointers: flags 1": (array(1, dtype("O8", "|", flags=1), raw), ""),
        "pointers: flags 62": (array(1, dtype("O8", "|", flags=62), raw), ""),
        "pointers: f8 with object flags": (array(1, dtype("f8", flags=63), raw), ""),
        "pointers: bytes for objects": (array(1, OBJECT, raw), ""),
        "objects: list too short": (array(10**6, OBJECT, many), "crash"),
        "objects: list too long": (array(1, OBJECT, many), ""),
        "objects: tuple": (array(1, OBJECT, b"N\x85"), ""),
        "itemsize of f8": (array(1, dtype("f8", size=4096), raw), ""),
        "itemsize of U, three bytes": (array(1, dtype("U1", size=3, align=4, flags=8), raw), ""),
        "itemsize of U, too large": (array(1, dtype("U2", size=4000, align=4, flags=8), raw), ""),
        "itemsize of S": (array(1, dtype("S8", "|", size=4000, align=1), raw), ""),
        "byte order of S": (array(1, dtype("S8", "<", size=8, align=1), raw), ""),
        "alignment 0": (array(1, dtype("S8", "|", size=8, align=0), raw), ""),
        "field outside": (array(1, void(8, [("a", FLOAT, 4)]), raw), ""),
        "field far outside": (array(1, void(8, [("a", FLOAT, 2**30)]), raw), ""),
        "field before": (array(1, void(8, [("a", FLOAT, -8)]), raw), ""),
        "field of objects, hidden": (array(1, void(8, [("a", OBJECT, 0)]), raw), ""),
        "field of objects": (array(1, void(8, [("a", OBJECT, 0)], flags=27), raw), ""),
        "field flags": (array(1, void(8, [("a", FLOAT, 0)], flags=0), raw), ""),
        "field of a half-built dtype": (
            array(1, void(8, [("a", base + b"\x89\x88\x87R", 0)]), raw),
            "",
        ),
        "field twice": (array(1, void(16, [("a", FLOAT, 0), ("a", FLOAT, 8)]), raw * 2), ""),
        "subarray too large": (
            array(1, base + sub + FLOAT + b"K\x40\x85\x86NNK\x08K\x08K\0tb", raw),
            "",
        ),
        "subarray of objects": (
            array(1, base + sub + OBJECT + b"K\x01\x85\x86NNK\x08K\x08K\0tb", raw),
            "",
        ),
        "subarray of negative length": (
            array(1, base + sub + FLOAT + integer(-1) + b"\x85\x86NNK\x08K\x08K\0tb", raw),
            "",
        ),
        "dtype not copied": (
            array(1, name("numpy", "dtype") + short("f8") + b"\x89\x89\x87R", raw),
            "",
        ),
        "dtype without state": (
            array(1, name("numpy", "dtype") + short("f8") + b"\x89\x88\x87R", raw),
            "",
        ),
        "dtype by a class": (
            array(1, name("numpy", "dtype") + name("builtins", "object") + b"\x85R", raw),
            "",
        ),
        "dtype by a list": (name("numpy", "dtype") + b"]\x85R", ""),
        "dtype with a title": (name("numpy", "dtype") + short("f8,i4") + b"\x89\x88\x87R", ""),
        "dtype version 9": (dtype("f8").replace(b"(K\x03", b"(K\x09"), ""),
        "shape too long": (array(10**6, FLOAT, raw), ""),
        "shape negative": (array(-1, FLOAT, raw), ""),
        "shape of 2**62": (array(2**62, FLOAT, raw), ""),
        "shape of 2**64": (array(2**64, FLOAT, raw), ""),
        "shape of text": (
            array(1, FLOAT, raw).replace(integer(1) + b"\x85", short("1") + b"\x85"),
            "",
        ),
        "order of text": (array(1, FLOAT, raw).replace(b"\x89\x43", short("F") + b"\x43"), ""),
        "data of text": (array(1, FLOAT, short("A" * 8)), ""),
        "data missing": (array(1, FLOAT, b"N"), ""),
        "array built twice": (
            array(1, FLOAT, raw) + b"(K\x01K\0\x85" + FLOAT + b"\x89" + short(b"") + b"tb",
            "",
        ),
        "array of a function": (
            array(1, FLOAT, raw).replace(short("ndarray"), short("tile")),
            "",
        ),
        "array made with a size": (
            array(1, FLOAT, raw).replace(b"K\x00\x85", integer(2**30) + b"\x85"),
            "",
        ),
        "view of a buffer, built again": (
            frombuffer
            + b"("
            + short(b"8" * 8)
            + FLOAT
            + b"\x94K\x01\x85"
            + short("C")
            + b"tR(K\x01"
            + integer(10**6)
            + b"\x85h\0\x89"
            + raw
            + b"tb",
            "",
        ),
        "view of objects": (
            frombuffer + b"(" + raw + OBJECT + b"K\x01\x85" + short("C") + b"tR",
            "",
        ),
        "view too long": (frombuffer + b"(" + raw + FLOAT + b"K\x09\x85" + short("C") + b"tR", ""),
        "view in another order": (
            frombuffer + b"(" + raw + FLOAT + b"K\x01\x85" + short("Z") + b"tR",
            "",
        ),
        "view of a list": (frombuffer + b"(]" + FLOAT + b"K\x01\x85" + short("C") + b"tR", ""),
        "scalar of an object": (
            name("numpy._core.multiarray", "scalar") + OBJECT + raw + b"\x86R",
            "",
        ),
        "scalar with a pickle": (
            name("numpy._core.multiarray", "scalar") + OBJECT + SYSTEM_RAW + b"\x86R",
            "marker",
        ),
        "scalar too long": (
            name("numpy._core.multiarray", "scalar")
            + FLOAT
            + raw * 1
            + b"\x86R".replace(b"\x86", raw + b"\x87"),
            "",
        ),
        "tree: classes too few": (
            name("sklearn.tree._tree", "Tree")
            + b"K\x03"
            + array(1, dtype("i8"), raw)
            + integer(10**6)
            + b"\x87R",
            "",
        ),
        "tree: classes are floats": (
            name("sklearn.tree._tree", "Tree") + b"K\x03" + array(1, FLOAT, raw) + b"K\x01\x87R",
            "",
        ),
        "tree: outputs negative": (
            name("sklearn.tree._tree", "Tree")
            + b"K\x03"
            + array(1, dtype("i8"), raw)
            + integer(-1)
            + b"\x87R",
            "",
        ),
    }
    for what, (body, proof) in rows.items():
        yield Case(f"array: {what}", stream(body), EITHER, proof)


def resources() -> Iterator[Case]:
    """Time and memory."""
    builtin = functools.partial(Name, "builtins")
    rows: dict[str, tuple[bytes, Errors]] = {
        "bytearray of a number": (dumps(Call(builtin("bytearray"), 2**31 - 1)), FORBIDDEN),
        "bytes of a number": (dumps(Call(builtin("bytes"), 2**31 - 1)), FORBIDDEN),
        "bytes of a range": (
            dumps(Call(builtin("bytes"), Call(builtin("range"), 2**31))),
            FORBIDDEN,
        ),
        "endless range": (dumps(Call(builtin("range"), 2**40)), FORBIDDEN),
        "Fraction with an exponent": (
            dumps(Call(Name("fractions", "Fraction"), "1e999999999")),
            FORBIDDEN,
        ),
        "complex of text": (dumps(Call(builtin("complex"), "1" * 10**5)), FORBIDDEN),
        "deep tuple": (stream(b"N" + b"\x85" * 300_000), LIMIT),
        "deep tuple as a key": (stream(b"}N" + b"\x85" * 500 + b"Ns"), FORBIDDEN),
        "deep tuple in a set": (stream(b"\x8f(N" + b"\x85" * 500 + b"\x90"), FORBIDDEN),
        "deep marks": (stream(b"(" * 100_000), LIMIT),
        "deep frozensets": (stream(b"(" * 900 + b"N" + b"\x91" * 900), REFUSED),
        "DAG of tuples": (dag(60, b""), LIMIT),
        "DAG of tuples as a key": (dag(24, b"}"), REFUSED),
        "DAG of frozensets": (
            stream(
                b"(N\x91"
                + b"".join(
                    b"\x94(h" + bytes([n]) + b"\x85h" + bytes([n]) + b"\x91" for n in range(60)
                )
            ),
            REFUSED,
        ),
        "same hash, dict": (dumps({k * (2**61 - 1): 0 for k in range(1, 3000)}), LIMIT),
        "same hash, set": (dumps({k * (2**61 - 1) for k in range(1, 3000)}), LIMIT),
        "same hash, tuples": (dumps({(k * (2**61 - 1),): 0 for k in range(1, 3000)}), LIMIT),
        "same hash, floats": (
            dumps(
                {float(k) * 2.0**61: 0 for k in range(1, 900)}
                | {k * (2**61 - 1): 0 for k in range(1, 900)}
            ),
            LIMIT,
        ),
        "same hash, Counter": (
            dumps(Call(Name("collections", "Counter"), [k * (2**61 - 1) for k in range(1, 3000)])),
            LIMIT,
        ),
        "huge numbers as keys": (dumps({2**60_000 + k: 0 for k in range(20)}), FORBIDDEN),
        "empty sets": (stream(b"](" + b"\x8f" * 1_400_000 + b"e"), LIMIT),
        "memo index of 2**31": (b"\x80\x02Nr\0\0\0\x80.", LIMIT),
        "memo indices in steps": (
            b"\x80\x02N" + b"".join(b"r" + struct.pack("<I", k * 5000) for k in range(1000)) + b".",
            LIMIT,
        ),
        "15 bytes that fill memory": (zlib.compress(b"(") + b"x", CORRUPT),
    }
    for container in ("list", "tuple", "set", "frozenset", "dict"):
        value = Call(builtin(container), Call(builtin("range"), 2**31 - 1))
        rows[f"{container} of a range"] = (dumps(value), FORBIDDEN)
    for container in ("deque", "Counter", "OrderedDict"):
        value = Call(Name("collections", container), Call(builtin("range"), 2**31 - 1))
        rows[f"{container} of a range"] = (dumps(value), FORBIDDEN)
    zeros = bytes(24 * 2**20)
    honest = dumps(list(range(1000)))
    for kind, compress in COMPRESSORS.items():
        rows[f"{kind} bomb"] = (compress(zeros), (*CORRUPT, *LIMIT))
        rows[f"{kind} bomb of a large one"] = (compress(compress(zeros)), (*CORRUPT, *LIMIT))
        packed = compress(honest)
        rows[f"{kind}: two members"] = (packed + packed, CORRUPT)
        rows[f"{kind}: a byte behind"] = (packed + b"\0", CORRUPT)
        rows[f"{kind}: cut"] = (packed[:-1], CORRUPT)
        rows[f"{kind}: only its magic"] = (packed[:6], CORRUPT)
        rows[f"{kind}: compressed twice"] = (compress(packed), (*CORRUPT, *FORBIDDEN))
    for what, (data, errors) in rows.items():
        yield Case(what, data, errors)


def dag(levels: int, before: bytes) -> bytes:
    """Return tuples of which each holds the last one twice."""
    body = b"".join(b"\x94h" + bytes([n]) + b"\x86" for n in range(levels))
    return stream(before + b"N" + body + (b"Ns" if before else b""))


def wrappers() -> Iterator[Case]:
    """joblib's arrays."""
    honest = joblib_dumps(np.arange(6.0).reshape(2, 3))
    body = honest[:2] + honest[11:]
    wrapper = name("joblib.numpy_pickle", "NumpyArrayWrapper")
    objects = joblib_dumps(np.array(["a", 1], dtype=object))
    inner = objects.rindex(b"\x80\x05")
    evil = stream(SYSTEM_RAW, protocol=5)

    def changed(old: bytes, new: bytes) -> bytes:
        assert body.count(old) == 1, old
        return body.replace(old, new)

    rows: dict[str, tuple[bytes, Errors, str]] = {
        "shape too large": (changed(b"K\x02K\x03\x86", b"K\x02K\x63\x86"), REFUSED, ""),
        "shape too small": (changed(b"K\x02K\x03\x86", b"K\x02K\x01\x86"), REFUSED, ""),
        "shape negative": (
            changed(b"K\x02K\x03\x86", b"K\x02" + integer(-3) + b"\x86"),
            REFUSED,
            "",
        ),
        "shape of 2**40": (
            changed(b"K\x02K\x03\x86", integer(2**20) + integer(2**20) + b"\x86"),
            REFUSED,
            "",
        ),
        "dtype smaller": (changed(short("f8"), short("f4")), REFUSED, ""),
        "dtype of objects": (changed(short("f8"), short("O8")), REFUSED, ""),
        "order": (changed(short("C"), short("A")), FORBIDDEN, ""),
        "class": (changed(short("ndarray"), short("tile")), FORBIDDEN, ""),
        "class os.system": (
            changed(short("numpy"), short("os"))
            if body.count(short("numpy")) == 1
            else body.replace(short("ndarray"), short("memmap_")),
            UNTRUSTED,
            "",
        ),
        "part missing": (changed(short("order"), short("ordre")), FORBIDDEN, ""),
        "alignment": (changed(b"K\x10", b"M\0\1"), FORBIDDEN, ""),
        "bytes behind": (honest + b"\0", CORRUPT, ""),
        "cut": (honest[:-9], CORRUPT, ""),
        "wrapper by REDUCE": (stream(wrapper, b")R"), FORBIDDEN, ""),
        "wrapper with arguments": (stream(wrapper, b"N\x85\x81}b"), FORBIDDEN, ""),
        "wrapper without an array": (stream(wrapper, b")\x81"), FORBIDDEN, ""),
        "wrapper twice": (stream(wrapper, b")\x81\x94h\0\x86"), FORBIDDEN, ""),
        "wrapper popped": (stream(wrapper, b")\x810N"), FORBIDDEN, ""),
        "wrapper in a tuple": (stream(wrapper, b")\x81\x85"), FORBIDDEN, ""),
        "wrapper as a key": (stream(b"}", wrapper, b")\x81Ns"), FORBIDDEN, ""),
        "wrapper as a state": (stream(NEW, wrapper, b")\x81b"), FORBIDDEN, ""),
        "wrapper as an argument": (
            stream(name("builtins", "list"), wrapper, b")\x81\x85R"),
            FORBIDDEN,
            "",
        ),
        "wrapper by _reconstructor": (
            stream(
                name("copyreg", "_reconstructor"),
                wrapper,
                name("builtins", "object"),
                b"N\x87R\x94h\0\x86",
            ),
            FORBIDDEN,
            "",
        ),
        "wrapper in a frame": (b"\x80\x04" + frame(body[2:]), REFUSED, ""),
        "code in an array of objects": (objects[:inner] + evil + b".", UNTRUSTED, "marker"),
        "another value in an array of objects": (
            objects[:inner] + stream(b"N", protocol=5) + b".",
            FORBIDDEN,
            "",
        ),
        "array of objects within one": (objects[:inner] + objects[:-1] + b"..", REFUSED, ""),
        "persistent id in an array of objects": (
            objects[:inner] + stream(b"K\0Q", protocol=5) + b".",
            FORBIDDEN,
            "",
        ),
        "ZF": (
            b"ZF0x1b              " + zlib.compress(dumps(SYSTEM)),
            (UnsupportedVersionError,),
            "",
        ),
        "NDArrayWrapper": (
            dumps(
                New(
                    Name("joblib.numpy_pickle_compat", "NDArrayWrapper"),
                    {"filename": "../victim.npy", "subclass": np.ndarray, "allow_mmap": True},
                )
            ),
            (UnsupportedVersionError,),
            "",
        ),
        "ZNDArrayWrapper": (
            dumps(
                New(
                    Name("joblib.numpy_pickle_compat", "ZNDArrayWrapper"),
                    {"filename": "victim.z", "init_args": (), "state": None},
                )
            ),
            (UnsupportedVersionError,),
            "",
        ),
        "NDArrayWrapper of numpy_pickle": (
            dumps(Name("joblib.numpy_pickle", "NDArrayWrapper")),
            (UnsupportedVersionError,),
            "",
        ),
        "memmap helper": (
            dumps(Call(Name("joblib._memmapping_reducer", "_strided_from_memmap"), "victim")),
            UNTRUSTED,
            "",
        ),
    }
    for what, (data, errors, proof) in rows.items():
        yield Case(f"joblib: {what}", data, errors, proof)


@functools.cache
def native() -> tuple[tuple[str, bytes, bytes], ...]:
    """Return models whose numbers lead compiled code astray, as a legacy file and an artifact.

    Some end the process that only pickles them: each is written in a fork, and cannot be sent if
    that dies.
    """
    from tests.validators.altered import ATTACKS

    made = []
    for number, (what, make) in enumerate(ATTACKS.items()):
        dump = joblib_dumps if number % 2 else pickle.dumps
        written = [
            _in_fork(functools.partial(_written, make, one)) for one in (dump, world.artifact)
        ]
        if all(written):
            made.append((what, *written))
    return tuple(made)


def _written(make: Callable[[], Any], dump: Callable[[Any], bytes]) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dump(make())


def _in_fork(action: Callable[[], bytes]) -> bytes:
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            faulthandler.disable()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.alarm(5)
            os.close(reading)
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(action())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(process, 0)
    return b"" if status else data


def native_files() -> Iterator[Case]:
    """The same as legacy files: by turns a pickle and what joblib writes."""
    for what, data, _ in native():
        yield Case(f"state of {what}", data, (InvalidStateError, *EITHER))


def legacy() -> Iterator[Case]:
    """All hostile pickle and joblib files."""
    for group in (gadgets, variants, names, opcodes, states, arrays, resources, wrappers):
        yield from group()
    yield from native_files()


# -- signed

_TREE = ["sklearn.cluster._bisect_k_means", "_BisectingTree"]


def array_of(numbers: Any) -> bytes:
    """Return 64-bit integers."""
    return struct.pack("<16q", *numbers)


def hostile_forms() -> Iterator[tuple[str, Any, Errors]]:
    """Forms of 16 rows over an array, three columns of numbers and an array of 16 slices."""

    def form(named: list[str], state: Any = None, arguments: Any = None) -> Any:
        pairs = [["score", {"values": 1}]] if state is None else state
        return {"form": {"arguments": arguments, "class": named, "state": pairs}, "inner": 0}

    def of(value: Any) -> Any:
        return form(_TREE, [["score", value]])

    estimator = ["sklearn.linear_model._logistic", "LogisticRegression"]
    tree = ["sklearn.tree._tree", "Tree"]
    deep = {"value": 1}
    for _ in range(5):
        deep = {"arguments": None, "class": _TREE, "state": [["left", deep]]}
    yield "os.system called", form(["posix", "system"], arguments=[{"value": "id"}]), UNTRUSTED
    yield "os.system made", form(["posix", "system"]), UNTRUSTED
    yield "eval called", form(["builtins", "eval"], arguments=[{"value": "1"}]), UNTRUSTED
    yield "a class only made is called", form(estimator, arguments=[{"value": 1}]), FORBIDDEN
    yield "a function made", form(["numpy._core.multiarray", "_reconstruct"]), FORBIDDEN
    yield "a dtype", form(["numpy", "dtype"], arguments=[{"value": "O8"}]), REFUSED
    yield "a frame", form(["pandas.core.frame", "DataFrame"]), REFUSED
    yield "a dtype of pandas", form(["pandas.core.dtypes.dtypes", "CategoricalDtype"]), REFUSED
    yield "a dict", form(["builtins", "dict"]), REFUSED
    yield "a bunch", form(["sklearn.utils._bunch", "Bunch"]), REFUSED
    yield "a partial", form(["functools", "partial"]), REFUSED
    yield "a name with a line break", form(["a\nb", "c"]), REFUSED
    yield "a name of 2,000 letters", form(["a" * 2000, "c"]), REFUSED
    yield "attribute __class__", form(_TREE, [["__class__", {"value": 1}]]), FORBIDDEN
    yield "attribute __dict__", form(estimator, [["__dict__", {"value": 1}]]), FORBIDDEN
    yield "itself", of({"values": 5}), CORRUPT
    yield "what is not there", of({"values": 99}), CORRUPT
    yield "an array as values", of({"values": 0}), CORRUPT
    yield "a column as scalars", of({"scalars": 1}), CORRUPT
    yield "a short array as scalars", of({"scalars": 0}), CORRUPT
    yield "slices of a column", of({"slices": 1}), CORRUPT
    yield "slices of another length", of({"slices": 0}), CORRUPT
    yield "runs of a column", of({"runs": [1, 3]}), CORRUPT
    yield "runs of lengths that are an array", of({"runs": [4, 0]}), CORRUPT
    yield "runs of too many", of({"runs": [4, 3]}), CORRUPT
    yield "runs of negative lengths", of({"runs": [4, 2]}), CORRUPT
    yield "runs without lengths", of({"runs": 4}), CORRUPT
    yield "runs with lengths of nothing", of({"runs": [4, 99]}), CORRUPT
    yield "slices with lengths", of({"slices": [4, 3]}), CORRUPT
    yield "arrays that are columns", of({"arrays": 1}), CORRUPT
    yield "arrays before the first", of({"arrays": 3}), CORRUPT
    yield "another count", of({"values": 1}), CORRUPT
    yield "levels without end", of(deep), CORRUPT
    yield "tree of negative sizes", form(tree, arguments=[{"value": -1}] * 3), FORBIDDEN
    yield "tree of one argument", form(tree, arguments=[{"value": 1}]), FORBIDDEN
    classes = [{"value": 1}, {"slices": 4}, {"value": 1}]
    yield "tree of floats as classes", form(tree, arguments=classes), FORBIDDEN
    varied = [{"value": 1}, {"values": 1}, {"value": 1}]
    yield "tree of varied arguments", form(tree, arguments=varied), CORRUPT
    yield "inner lists of 5", {**of({"values": 1}), "inner": 5}, CORRUPT


def signed() -> Iterator[Case]:  # noqa: C901, PLR0915 - a table
    """Artifacts that the right key has signed."""
    whole = world.Parts.of(world.artifact(world.arrays()))
    index = whole.members[layout.INDEX]
    data = whole.members[layout.BUFFERS]
    plain = world.Parts.of(world.artifact())

    def with_stream(raw: bytes) -> bytes:
        new = world.Parts(plain.signatures, plain.manifest, {layout.STREAM: raw})
        return new.described().signed()

    def with_parts(raw: bytes, table: bytes, buffers: bytes) -> bytes:
        members = {layout.STREAM: raw, layout.INDEX: table, layout.BUFFERS: buffers}
        return world.Parts(whole.signatures, whole.manifest, members).described().signed()

    def packed(  # noqa: PLR0917
        raw: bytes,
        lengths: list[int],
        objects: list[bytes],
        shapes: list[int],
        dtypes: bytes,
        buffers: bytes,
    ) -> bytes:
        return with_parts(raw, layout.pack_index(lengths, objects, shapes, dtypes), buffers)

    first = stream(b"K\0Q", protocol=5)
    one = layout.array_record(0, 1, fortran=False, writable=True)
    listed = layout.column_record
    f8 = b'["<f8"]'
    rows: dict[str, tuple[bytes, Errors]] = {
        "os.system": (with_stream(dumps(SYSTEM, 5)), UNTRUSTED),
        "EXT1": (with_stream(b"\x80\x02\x82\x7f."), FORBIDDEN),
        "BUILD on a class": (
            with_stream(dumps(Build(LogisticRegression, (None, PWNED)), 5)),
            FORBIDDEN,
        ),
        "pointers": (with_stream(stream(array(1, dtype("O8", "|"), short(b"A" * 8)))), FORBIDDEN),
        "wrapper in a plain pickle": (with_stream(joblib_dumps(np.arange(3.0))), EITHER),
        "bytes behind": (with_stream(stream(b"N") + b"N"), CORRUPT),
        "index cut": (with_parts(first, index[:-1], data), CORRUPT),
        "index empty": (with_parts(first, b"", data), CORRUPT),
        "index of zeros": (with_parts(first, bytes(len(index)), data), CORRUPT),
        "index of another version": (with_parts(first, b"SSIX0002" + index[8:], data), CORRUPT),
        "data cut": (with_parts(whole.members[layout.STREAM], index, data[:-1]), CORRUPT),
        "data longer": (with_parts(whole.members[layout.STREAM], index, data + b"\0"), CORRUPT),
        "parts 2**63": (
            with_parts(first, struct.pack("<8sQQQ", b"SSIX0001", 2**63, 0, 0), b""),
            CORRUPT,
        ),
        "objects 2**63": (
            with_parts(first, struct.pack("<8sQQQ", b"SSIX0001", 0, 2**63, 0), b""),
            CORRUPT,
        ),
        "shapes 2**28": (
            with_parts(first, struct.pack("<8sQQQ", b"SSIX0001", 0, 0, 2**28), b""),
            CORRUPT,
        ),
    }
    for what, shape, dtypes, size, kinds in [
        ("shape too long", [9], f8, 8, CORRUPT),
        ("shape too short", [0], f8, 8, CORRUPT),
        ("shape of 2**61", [2**61], f8, 0, CORRUPT),
        ("shape of 2**64 - 1", [2**64 - 1], f8, 8, CORRUPT),
        ("shape of nothing and 2**60", [0], b'["|S0"]', 0, REFUSED),
        ("dtype of objects", [1], b'["|O"]', 8, REFUSED),
        ("dtype O8", [1], b'["O8"]', 8, REFUSED),
        ("dtype object", [1], b'["object"]', 8, REFUSED),
        ("dtype by number", [1], b"[8]", 8, REFUSED),
        ("dtype null", [1], b"[null]", 8, REFUSED),
        ("dtype with a comma", [1], b'["f4,f4"]', 8, REFUSED),
        ("dtype with a subarray", [1], b'["2f4"]', 8, REFUSED),
        ("dtype V8", [1], b'["|V8"]', 8, ()),
        ("dtype of a wild size", [1], b'["<f99"]', 8, REFUSED),
        ("dtype of a wild unit", [1], b'["<M8[zz]"]', 8, REFUSED),
        ("dtype of a large unit", [1], b'["<M8[9999999999999999s]"]', 8, REFUSED),
        ("dtype U of 2**40", [1], b'["<U1099511627776"]', 8, REFUSED),
        ("dtypes missing", [1], b"[]", 8, REFUSED),
        ("dtypes not JSON", [1], b"{", 8, REFUSED),
        ("dtypes nested", [1], b"[" * 5000 + b"]" * 5000, 8, REFUSED),
        (
            "field outside",
            [1],
            b'[{"aligned":false,"fields":[["a","<f8",4]],"itemsize":8}]',
            8,
            REFUSED,
        ),
        (
            "field before",
            [1],
            b'[{"aligned":false,"fields":[["a","<f8",-8]],"itemsize":8}]',
            8,
            REFUSED,
        ),
        (
            "field of objects",
            [1],
            b'[{"aligned":false,"fields":[["a","|O",0]],"itemsize":8}]',
            8,
            REFUSED,
        ),
        (
            "fields overlap",
            [1],
            b'[{"aligned":false,"fields":[["a","<f8",0],["b","<f8",0]],"itemsize":8}]',
            8,
            REFUSED,
        ),
        (
            "fields twice",
            [1],
            b'[{"aligned":false,"fields":[["a","<f4",0],["a","<f4",4]],"itemsize":8}]',
            8,
            REFUSED,
        ),
        (
            "fields of a wild size",
            [1],
            b'[{"aligned":false,"fields":[["a","<f8",0]],"itemsize":99999999999}]',
            8,
            REFUSED,
        ),
    ]:
        if kinds:
            table = packed(first, [size], [one], shape, dtypes, bytes(size))
            rows[f"index: {what}"] = (table, kinds)
    flags = struct.Struct("<8sIBBH").pack
    for what, record, lengths in [
        ("dtype out of range", flags(b"ndarray\0", 9, 1, 0, 0), [8]),
        ("200 dimensions", flags(b"ndarray\0", 0, 200, 0, 0), [8]),
        ("two dimensions", flags(b"ndarray\0", 0, 2, 0, 0), [8]),
        ("no dimension", flags(b"ndarray\0", 0, 0, 0, 0), [8]),
        ("wild flags", flags(b"ndarray\0", 0, 1, 255, 0), [8]),
        ("wild rest", flags(b"ndarray\0", 0, 1, 0, 9), [8]),
        ("unknown kind", flags(b"objects\0", 0, 1, 0, 0), [8]),
        ("part missing", one, []),
    ]:
        table = packed(first, lengths, [record], [1], f8, bytes(sum(lengths)))
        rows[f"index: {what}"] = (table, CORRUPT)
    for what, record, parts in [
        ("count too large", listed(b"list-q\0\0", 2), [8]),
        ("count too small", listed(b"list-q\0\0", 0), [8]),
        ("count of 2**61", listed(b"list-q\0\0", 2**61), [8]),
        ("count of 2**64 - 1", listed(b"list-d\0\0", 2**64 - 1), [8]),
        ("text shorter than its count", listed(b"list-s\0\0", 99), [8]),
        ("text of another count", listed(b"list-s\0\0", 3), [8]),
        ("text count 0", listed(b"list-s\0\0", 0), [0]),
        ("values missing", listed(b"dict-q-q", 1), [8]),
        ("values shorter", listed(b"dict-q-d", 2), [16, 8]),
        ("values longer", listed(b"dict-q-q", 1), [8, 16]),
        ("same key twice", listed(b"dict-q-q", 2), [16, 16]),
    ]:
        gap = (
            bytes(sum(parts[:1]) + (-sum(parts[:1]) % 64) + parts[1])
            if parts[1:]
            else bytes(sum(parts))
        )
        table = packed(first, parts, [record], [], NO_DTYPES, gap)
        rows[f"column: {what}"] = (table, (*CORRUPT, *STATE))
    table = packed(first, [4], [listed(b"list-s\0\0", 1)], [], NO_DTYPES, b"\xff\xfe\xfd\xfc")
    rows["column: text that is not UTF-8"] = (table, (*CORRUPT, *STATE))
    for what, raw, errors in [
        ("id out of range", stream(b"K\x01Q", protocol=5), FORBIDDEN),
        ("id negative", stream(integer(-1), b"Q", protocol=5), FORBIDDEN),
        ("id of text", stream(short("0"), b"Q", protocol=5), FORBIDDEN),
        ("id of a tuple", stream(b"K\0\x85Q", protocol=5), FORBIDDEN),
        ("id True", stream(b"\x88Q", protocol=5), FORBIDDEN),
        ("id 2**70", stream(integer(2**70), b"Q", protocol=5), FORBIDDEN),
        (
            "array built again",
            stream(b"K\0Q", array(1, FLOAT, short(b"A" * 8))[-40:], protocol=5),
            REFUSED,
        ),
        ("array extended", stream(b"K\0QNa", protocol=5), FORBIDDEN),
        ("array as a key", stream(b"}K\0QNs", protocol=5), FORBIDDEN),
        ("buffer that is not there", stream(b"\x97", protocol=5), FORBIDDEN),
    ]:
        rows[f"stream: {what}"] = (packed(raw, [8], [one], [1], f8, bytes(8)), errors)
    for what, form, errors in hostile_forms():
        text = json.dumps(form, sort_keys=True, separators=(",", ":")).encode("ascii")
        numbers = array_of(range(16)) + array_of([0] * 16) + array_of([-1] + [0] * 15)
        table = packed(
            stream(b"K\x05Q", protocol=5),
            [8, 128, 128, 128, 128, len(text)],
            [
                one,
                listed(b"list-q\0\0", 16),
                listed(b"list-q\0\0", 16),
                listed(b"list-q\0\0", 16),
                layout.array_record(0, 2, fortran=False, writable=True),
                listed(b"rows\0\0\0\0", 17 if what == "another count" else 16),
            ],
            [1, 16, 1],
            f8,
            bytes(8).ljust(64, b"\0") + numbers + bytes(128) + text,
        )
        rows[f"rows: {what}"] = (table, errors)
    inner = {
        "arguments": None,
        "class": _TREE,
        "state": [[f"k{i}", {"value": 1}] for i in range(256)],
    }
    many = {"arguments": None, "class": _TREE, "state": [["left", inner]]}
    text = json.dumps({"form": many, "inner": 0}, sort_keys=True, separators=(",", ":")).encode()
    rows["rows: a bomb of inner forms"] = (
        packed(first, [len(text)], [listed(b"rows\0\0\0\0", 2**18)], [], NO_DTYPES, text),
        LIMIT,
    )
    for what, count in (("none", 0), ("2**40", 2**40), ("2**64 - 1", 2**64 - 1)):
        table = packed(first, [2], [listed(b"rows\0\0\0\0", count)], [], NO_DTYPES, b"{}")
        rows[f"rows: count {what}"] = (table, (*CORRUPT, *LIMIT))
    column = [listed(b"list-q\0\0", 1)]
    rows["stream: column extended"] = (
        packed(stream(b"K\0QNa", protocol=5), [8], column, [], NO_DTYPES, bytes(8)),
        FORBIDDEN,
    )
    rows["stream: buffer not used"] = (
        packed(stream(b"N", protocol=5), [8], [], [], NO_DTYPES, bytes(8)),
        CORRUPT,
    )
    for kind, compress in COMPRESSORS.items():
        options = {"compression": kind, "level": 3, "protocol": 5}
        extension = {"zlib": ".z", "gzip": ".gz", "zstd": ".zst"}.get(kind, f".{kind}")
        for what, raw, errors in [
            ("os.system", dumps(SYSTEM), UNTRUSTED),
            ("bomb", bytes(24 * 2**20), (*CORRUPT, *LIMIT)),
        ]:
            members = {layout.STREAM + extension: compress(raw)}
            new = world.Parts(
                plain.signatures, {**plain.manifest, "options": options}, members
            ).described()
            rows[f"{what} in {kind}"] = (new.signed(), errors)
    forest = RandomForestClassifier(16, random_state=0).fit(np.eye(40), np.arange(40) % 3)
    honest = forest.estimators_[3].tree_
    kind, sizes, state = honest.__reduce__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"]["left_child"][0] = 2**40
    wild = kind(*sizes)
    wild.__setstate__(state)
    forest.estimators_[3].tree_ = wild
    rows["rows: a child far outside its tree"] = (world.artifact(forest), (InvalidStateError,))
    for what, _, raw in native():
        rows[f"state of {what}"] = (raw, (InvalidStateError, *EITHER))
    for what, (raw, errors) in rows.items():
        yield Case(f"signed: {what}", raw, errors, signed=True)
