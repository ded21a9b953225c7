# SPDX-License-Identifier: BSD-3-Clause
"""What a pickle stream shows of itself beside its names: the outermost object, library versions.

Floor 7.  All of it is what the file claims; nothing here is proved, and nothing depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from safeserial.inspection.opcodes import STOP
from safeserial.verifier import SurveyedGlobal

_WINDOW: Final = 2**20
_WORD: Final = b"version"
_SKLEARN: Final = b"_sklearn_version"
_MEMOIZED: Final = rb"(?:\x94|q.|r.{4}|p\d{1,9}\n|\np\d{1,9}\n|\n)?"
_VERSION: Final = re.compile(
    _SKLEARN + _MEMOIZED + rb"(?:[\x8cU](.)|[XT](.{4})|[VS]'?)([0-9][0-9A-Za-z.+]{0,30})", re.DOTALL
)
_LIGHTGBM: Final = re.compile(rb"tree\nversion=(v[0-9]{1,3})\n")
_XGBOOST: Final = re.compile(
    rb"version\[(?:#(?:L.{7}|i))?\x03?(?:i(.)i(.)i(.)|\$i#i\x03(...))", re.DOTALL
)
_XGBOOST_TEXT: Final = re.compile(rb'"version":\s?\[(\d{1,3}),\s?(\d{1,3}),\s?(\d{1,3})\]')
_CONTAINERS: Final = {
    ord("]"): "builtins.list",
    ord("}"): "builtins.dict",
    0x8F: "builtins.set",
    ord("("): "",
}
_STANDARD: Final = {b"l": "builtins.list", b"d": "builtins.dict", b"t": "builtins.tuple"}
_SMALL_TUPLES: Final = frozenset({b"\x85", b"\x86", b"\x87"})
_TUPLES: Final = _SMALL_TUPLES | {b"t", b")"}
_PLAIN: Final = {
    **dict.fromkeys(b"X\x8c\x8dVSUT", "builtins.str"),
    **dict.fromkeys(b"KMJIL\x8a\x8b", "builtins.int"),
    **dict.fromkeys(b"GF", "builtins.float"),
    **dict.fromkeys(b"CB\x8e", "builtins.bytes"),
    **dict.fromkeys(b"\x88\x89", "builtins.bool"),
}
# Functions that make what their first argument names, or always the same thing.
_MAKERS: Final = {
    "numpy._core.multiarray._reconstruct": "numpy.ndarray",
    "numpy.core.multiarray._reconstruct": "numpy.ndarray",
    "numpy._core.numeric._frombuffer": "numpy.ndarray",
    "numpy.core.numeric._frombuffer": "numpy.ndarray",
    "joblib.numpy_pickle.NumpyArrayWrapper": "numpy.ndarray",
}
_TAKES_CLASS: Final = re.compile(
    r"(copyreg\._reconstructor|copy_reg\._reconstructor|copyreg\.__newobj__|.*\.newObj"
    r"|.*\._new_Index|.*\.__pyx_unpickle_\w+)\Z"
)
_MEMO: Final = re.compile(rb"(?:\x94|q.|r.{4}|p\d{1,9}\n)\Z", re.DOTALL)


def outermost(stream: memoryview, names: Sequence[SurveyedGlobal]) -> str:
    """Return the dotted class of the object that a pickle stands for, ``""`` if it does not show.

    Parameters
    ----------
    stream : memoryview
        One whole pickle.
    names : sequence of SurveyedGlobal
        In the order they are first named.

    Returns
    -------
    str
        As the stream writes it.  An object's class is the first name of its pickle; containers
        show by the first or the last opcode.
    """
    head = bytes(stream[:16])
    first = 2 if head[:1] == b"\x80" else 0
    if head[first : first + 1] == b"\x95":
        first += 9
    opening = head[first : first + 1]
    if not opening:
        return ""
    ending = bytes(stream[-16:])
    if ending[-1:] != bytes([STOP]):
        return ""
    last = _MEMO.sub(b"", ending[:-1])[-1:]
    if opening[0] in _PLAIN and not names:
        return "builtins.tuple" if last in _SMALL_TUPLES else _PLAIN[opening[0]]
    if opening == b"(":
        return _STANDARD.get(head[first + 1 : first + 2]) or _first(names, last)
    if opening[0] in _CONTAINERS:
        # A list can also be the first of two things that a tuple is made of.
        return "builtins.tuple" if last in _SMALL_TUPLES else _CONTAINERS[opening[0]]
    return _first(names, last)


def _first(names: Sequence[SurveyedGlobal], last: bytes) -> str:
    if last in _TUPLES:
        return "builtins.tuple"
    if last not in {b"b", b"R", b"\x81", b"\x92", b"u", b"s", b"e", b"a", b"i", b"o"}:
        return ""
    for one in names[:3]:
        written = ".".join(one.written)
        if written in _MAKERS:
            return _MAKERS[written]
        if not _TAKES_CLASS.match(written):
            # What a function returns does not show.
            made = {"new", "build"} & set(one.roles) or one.written[1].lstrip("_")[:1].isupper()
            return written if made else ""
    return ""


def versions(stream: memoryview) -> dict[str, str]:
    """Return library versions that stand in a stream's first and last MiB."""
    found: dict[str, str] = {}
    for piece in _windows(stream):
        position, others = _mentions(piece)
        if position >= 0 and "scikit-learn" not in found:
            match = _VERSION.search(piece, position)
            if match is not None:
                length = int.from_bytes(match[1] or match[2] or b"\x20", "little")
                found["scikit-learn"] = match[3][:length].decode("ascii")
        if not others:
            continue
        if b"tree\nversion=" in piece and (match := _LIGHTGBM.search(piece)):
            found["lightgbm model format"] = match[1].decode("ascii")
        if b"learner_model_param" in piece or b"gradient_booster" in piece:
            numbers = _xgboost(piece)
            if numbers:
                found["xgboost"] = numbers
    return found


def _mentions(piece: bytes) -> tuple[int, bool]:
    """Return where the word version first belongs to scikit-learn, and whether others have it.

    All that is looked for has this word: where it is not, one search was enough.
    """
    first, others, here = -1, False, piece.find(_WORD)
    while here >= 0 and not (first >= 0 and others):
        begin = here - len(_SKLEARN) + len(_WORD)
        if begin >= 0 and piece.startswith(_SKLEARN, begin):
            first = begin if first < 0 else first
        else:
            others = True
        here = piece.find(_WORD, here + len(_WORD))
    return first, others


def _xgboost(piece: bytes) -> str:
    match = _XGBOOST_TEXT.search(piece)
    if match is not None:
        return ".".join(one.decode("ascii") for one in match.groups())
    match = _XGBOOST.search(piece)
    if match is None:
        return ""
    return ".".join(str(one) for one in match[4] or b"".join(match.groups()[:3]))


def _windows(stream: memoryview) -> list[bytes]:
    if len(stream) <= 2 * _WINDOW:
        whole = stream.obj
        if isinstance(whole, bytes) and len(whole) == len(stream):
            return [whole]
        return [bytes(stream)]
    return [bytes(stream[:_WINDOW]), bytes(stream[-_WINDOW:])]


def generations(names: Sequence[SurveyedGlobal]) -> dict[str, str]:
    """Return what module paths tell of the versions of libraries, as details."""
    modules = {one.written[0] for one in names}
    said: dict[str, str] = {}
    if any(one.startswith("numpy._core") for one in modules):
        said["numpy"] = "2 or newer (its paths begin with numpy._core)"
    elif any(one.startswith("numpy.core") for one in modules):
        said["numpy"] = "older than 2 (its paths begin with numpy.core)"
    if any(one.startswith("sklearn.externals.joblib") for one in modules):
        said["joblib"] = "the one inside scikit-learn before 0.23"
    if any(re.match(r"sklearn(\.[a-z]+)*\.[a-z]", one) for one in modules) and not any(
        "._" in one for one in modules if one.startswith("sklearn.")
    ):
        said["scikit-learn"] = "module paths of before 0.22"
    if "pandas.core.indexes.numeric" in modules:
        said["pandas"] = "older than 2 (it has numeric indexes)"
    return said
