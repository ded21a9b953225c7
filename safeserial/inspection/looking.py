# SPDX-License-Identifier: BSD-3-Clause
"""Find out what bytes are, by nothing but the bytes, and hand them to that format's reader.

Floor 7.  The name of a file counts for nothing: whoever sends it chooses the name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Final

from safeserial.errors import (
    FormatError,
    LimitExceededError,
    MissingExtraError,
    UnreadableFileError,
)
from safeserial.inspection import (
    arrays,
    gguf,
    keras,
    onnx,
    pickles,
    pytorch,
    safetensors,
    tars,
    zipped,
    zips,
)
from safeserial.inspection.assembling import Inspection, assemble, finding, refusal, shown
from safeserial.inspection.content import Content
from safeserial.inspection.report import Finding, Report
from safeserial.inspection.unpacking import unpack

_HEAD: Final = 512
# First bytes of what is no model: what it is.
_OTHERS: Final = (
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a program for Linux"),
    (b"MZ", "a program for Windows"),
    (b"\xcf\xfa\xed\xfe", "a program for macOS"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"#!", "a script"),
    (b"version https://git-lfs", "a Git LFS pointer: the file itself was not fetched"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
)
_TEXTS: Final = (
    (b"<!doctype", "a web page (a failed download?)"),
    (b"<html", "a web page (a failed download?)"),
    (b"<?xml", "an XML document"),
)
# Models of libraries that parse them in native code: known, not looked into.
_NATIVE: Final = (
    (b"tree\nversion=", "lightgbm", "a LightGBM model in text"),
    (b"CBM1", "catboost", "a CatBoost model"),
    (b'{"learner"', "xgboost", "an XGBoost model in JSON"),
    (b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner", "xgboost", "an XGBoost model in UBJSON"),
    (b"\x1c\x00\x00\x00TFL3", "tflite", "a TensorFlow Lite model"),
)
_ZLIB_FLAGS: Final = 31


def look(content: Content, about: Inspection) -> Report:
    """Report a file or member of any kind.

    Parameters
    ----------
    content : Content
        Its bytes.
    about : Inspection
        What else is known.

    Returns
    -------
    Report
        Whatever the bytes are: what is wrong with them stands in it.

    Raises
    ------
    UnreadableFileError
        If the system fails to read them.
    """
    try:
        return _look(content, about)
    except UnreadableFileError:
        raise
    except FormatError as error:
        return assemble(content, about, "unknown", [refusal(error)], problem=error)
    except (RecursionError, MemoryError):
        deep = LimitExceededError("the content is too deep or too large to be looked at")
        return assemble(content, about, "unknown", [refusal(deep)], problem=deep)


def _look(content: Content, about: Inspection) -> Report:
    head = content.read(0, _HEAD)
    if not head:
        message = "the file is empty"
        return assemble(content, about, "unknown", [finding("SS024", message)])
    report = _by_magic(content, about, head)
    if report.kind in _ZIPS or head[:4] == zips.LOCAL:
        return report
    doubled = _also_a_zip(content)
    return report if doubled is None else with_finding(report, doubled, content, about)


_ZIPS: Final = frozenset({"zip", "npz", "skops", "pytorch", "torchscript", "keras"})


def _by_magic(content: Content, about: Inspection, head: bytes) -> Report:
    for magics, reader in _READERS:
        if head.startswith(magics):
            return reader(content, about)
    if pickles.looks_like_pickle(head):
        legacy = pickles.is_torch_legacy(head)
        return pytorch.read_legacy(content, about) if legacy else pickles.read(content, about)
    if tars.looks_like_tar(head):
        return tars.read(content, about)
    if safetensors.looks_like_safetensors(head, content.size):
        return safetensors.read(content, about)
    compressor = pickles.detect_compressor(memoryview(head))
    if compressor is not None and _is_compressed(compressor, head):
        return _compressed(content, about, compressor)
    return _foreign(content, about, head) or _last(content, about, head)


def _foreign(content: Content, about: Inspection, head: bytes) -> Report | None:
    """Report what is clearly no model, or one that is not looked into."""
    other = _other(head)
    if other:
        return assemble(content, about, "unknown", [finding("SS024", f"this is {other}")])
    for magic, kind, what in _NATIVE:
        if head.startswith(magic):
            message = f"{what}, which its library parses in native code"
            return assemble(content, about, kind, [finding("SS021", message)])
    return None


def _last(content: Content, about: Inspection, head: bytes) -> Report:
    """Report what only the attempt to read it can tell."""
    if onnx.looks_like_onnx(content):
        return _onnx(content, about, head)
    if pickles.may_be_pickle(head):
        return pickles.read(content, about, sure=head[:1] == b"\x80")
    return pickles.not_a_model(content, about, memoryview(head))


_READERS: Final[tuple[tuple[tuple[bytes, ...], Callable[[Content, Inspection], Report]], ...]] = (
    ((zips.LOCAL, zips.END, b"PK\x07\x08"), zipped.read),
    ((arrays.MAGIC,), arrays.read),
    ((b"\x89HDF\r\n\x1a\n",), keras.read_hdf5),
    ((gguf.MAGIC,), gguf.read),
)


def _other(head: bytes) -> str:
    """Return what a file is that is clearly no model, ``""`` if that is not clear."""
    for magic, what in _OTHERS:
        if head.startswith(magic):
            return what
    lowered = head[:64].lstrip().lower()
    return next((what for magic, what in _TEXTS if lowered.startswith(magic)), "")


def _is_compressed(compressor: str, head: bytes) -> bool:
    """Tell a zlib stream from a text that begins with x: its second byte is a check."""
    if compressor != "zlib":
        return True
    return len(head) > 1 and (head[0] * 256 + head[1]) % _ZLIB_FLAGS == 0


def _onnx(content: Content, about: Inspection, head: bytes) -> Report:
    report = onnx.read(content, about)
    if not pickles.may_be_pickle(head):
        return report
    other = pickles.read(content, about, sure=False)
    if other.kind == "unknown" or other.verdict == "cannot tell":
        return report
    message = "the file is an ONNX model and a pickle at once"
    return with_finding(report, finding("SS005", message), content, about)


def _compressed(content: Content, about: Inspection, compressor: str) -> Report:
    kind = f"joblib ({compressor})"
    if compressor == "ZF":
        message = "the compressed format of joblib before 0.10"
        old = finding("SS026", message, level="warning")
        return assemble(content, about, "joblib (ZF)", [old])
    try:
        inside, rest = unpack(content, compressor, about)
    except MissingExtraError as error:
        return assemble(content, about, kind, [finding("SS027", f"{error}: {error.hint}")])
    except FormatError as error:
        return assemble(content, about, kind, [refusal(error)], problem=error)
    head = inside.read(0, _HEAD)
    if tars.looks_like_tar(head):
        report = tars.read(inside, about, compressor=compressor)
    elif pickles.may_be_pickle(head) or not head:
        sure = pickles.looks_like_pickle(head)
        report = pickles.read(inside, about, compressor=compressor, sure=sure)
    else:
        message = f"a {compressor} stream that holds neither a pickle nor a tar archive"
        report = assemble(content, about, "unknown", [finding("SS024", message)])
    report = dataclasses.replace(report, size=content.size)
    if rest.size:
        report = with_finding(report, _behind(rest, compressor), content, about)
    return report


def _behind(rest: Content, compressor: str) -> Finding:
    begins = rest.read(0, 16)
    message = f"{rest.size} bytes follow the {compressor} stream"
    rule = "SS005" if zips.end_of_archive(rest) >= 0 else "SS006"
    return finding(rule, f"{message}; they begin with {shown(begins)}")


def _also_a_zip(content: Content) -> Finding | None:
    """Look for a ZIP archive at the end of a file of another kind."""
    at = zips.end_of_archive(content)
    if at < 0:
        return None
    record = content.read(at, 22)
    size, offset = (int.from_bytes(record[start : start + 4], "little") for start in (12, 16))
    directory = content.read(at - size, 4) if size <= at else b""
    if directory != zips.CENTRAL and (size or offset):
        return None  # the four bytes of the magic stand there by chance
    message = "the file ends as a ZIP archive: a program that opens ZIP files sees another content"
    return finding("SS005", message, offset=at)


def with_finding(report: Report, more: Finding, content: Content, about: Inspection) -> Report:
    """Return a report with one finding more, its verdict made anew."""
    findings = [one for one in report.findings if one.rule != "SS024"]
    made = assemble(
        content,
        about,
        report.kind,
        [more, *findings],
        members=report.members,
        survey=report.survey,
        problem=report.problem if report.verdict == "dangerous" else None,
    )
    return dataclasses.replace(
        report, verdict=made.verdict, findings=made.findings, problem=made.problem
    )
