# SPDX-License-Identifier: BSD-3-Clause
"""Say what is in a file without executing it and without importing what it names.

Floor 7.  The front of inspection: opens a file once, or takes in a stream, and hands it on.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from typing import BinaryIO, Final

from safeserial.artifact import sniffing
from safeserial.artifact.boundary import emptied, keeps_nothing
from safeserial.errors import (
    FormatError,
    LimitExceededError,
    NotAnArtifactError,
    SafeSerialError,
    UnreadableFileError,
)
from safeserial.files import FileSource, StrPath, open_regular
from safeserial.inspection import artifacts
from safeserial.inspection.assembling import Inspection, assemble, finding, refusal
from safeserial.inspection.content import Content, File, Memory
from safeserial.inspection.looking import look
from safeserial.inspection.report import Finding as Finding
from safeserial.inspection.report import Report as Report
from safeserial.keyring import Keyring
from safeserial.policy import Policy

Progress = Callable[[int, int], None]
_PIECE: Final = 2**20
_STREAM: Final = "-"


@keeps_nothing
def inspect(
    path: StrPath | BinaryIO,
    *,
    keyring: Keyring | None = None,
    policy: Policy | None = None,
    progress: Progress | None = None,
) -> Report:
    """Report what a model file holds; nothing in it is executed or imported.

    Parameters
    ----------
    path : str, path-like or binary stream
        A file of any kind: signed artifact, pickle, joblib, skops, ONNX, ``.npy``, ``.npz``,
        safetensors, PyTorch, Keras, GGUF, or an archive of such files.  Its name counts for
        nothing.  A stream is read to its end, into an unnamed temporary file if it is long.
    keyring : Keyring, optional
        Checks the signature of an artifact.  Without it the signature is reported, not checked.
    policy : Policy, optional
        Decides the verdict.  Default: :meth:`Policy.default`.
    progress : callable, optional
        Called with bytes read so far and bytes in all.

    Returns
    -------
    Report
        Problems of the file's content are in it, not raised.

    Raises
    ------
    UnreadableFileError
        If there is no regular file that can be read.
    """
    chosen = Policy.default() if policy is None else policy
    with ExitStack() as room:
        if isinstance(path, str | os.PathLike):
            with open_regular(path) as source:
                about = Inspection(str(path), chosen, room, look, keyring)
                report = _file(source, about, progress)
        else:
            about = Inspection(_STREAM, chosen, room, look, keyring)
            report = _stream(path, about, progress)
        _forget(report)
    return report


@keeps_nothing
def get_untrusted_types(path: StrPath, *, policy: Policy | None = None) -> list[str]:
    """List the globals of a file that the policy does not allow, importing none of them.

    Parameters
    ----------
    path : str or path-like
        A signed artifact, or a file of any kind that :func:`inspect` reads.  Signatures are not
        checked.
    policy : Policy, optional
        Default: :meth:`Policy.default`.

    Returns
    -------
    list of str
        Dotted names, sorted; what ``trusted=`` takes, once you have read what they do.

    Raises
    ------
    FormatError
        If the file is damaged or no model.
    PolicyError
        If it does what no honest model does, so that no list of names could make it load.
    """
    report = inspect(path, policy=policy)
    if report.problem is not None and report.verdict != "needs trust":
        raise report.problem
    return list(report.untrusted)


def _file(source: FileSource, about: Inspection, progress: Progress | None) -> Report:
    content = File(source.fileno(), about.room)
    most = about.policy.limits.file_size
    if content.size > most:
        message = f"the file has {content.size} bytes; the policy allows {most}"
        error = LimitExceededError(message)
        return assemble(content, about, "unknown", [refusal(error)], problem=error)
    if sniffing.is_artifact(source):
        return _artifact(content, about, source, progress)
    report = look(content, about)
    if progress is not None:
        progress(content.size, content.size)
    return report


def _artifact(
    content: Content, about: Inspection, source: FileSource, progress: Progress | None
) -> Report:
    try:
        return artifacts.read(about.path, source, about.keyring, about.policy, progress)
    except UnreadableFileError:
        raise
    except NotAnArtifactError as error:
        found = finding("SS024", str(error))
        return assemble(content, about, "unknown", [found], problem=error)
    except FormatError as error:
        return assemble(content, about, "unknown", [refusal(error)], problem=error)


def _stream(stream: BinaryIO, about: Inspection, progress: Progress | None) -> Report:
    """Take in a stream, bounded by the policy, and report it."""
    most = about.policy.limits.file_size
    file = about.room.enter_context(_temporary())
    taken = 0
    while piece := stream.read(_PIECE):
        taken += len(piece)
        if taken > most:
            error = LimitExceededError(f"the stream has more than {most} bytes")
            return assemble(Memory(b""), about, "unknown", [refusal(error)], problem=error)
        try:
            file.write(piece)
        except OSError as error:
            raise UnreadableFileError(f"no room for the stream: {error.strerror}") from None
    file.seek(0)
    return _file(FileSource(file, taken), about, progress)


def _temporary() -> BinaryIO:
    try:
        return tempfile.TemporaryFile(buffering=0)
    except OSError as error:
        raise UnreadableFileError(f"no temporary file: {error.strerror}") from None


def _forget(report: Report) -> None:
    """Let the errors in a report go of the memory that they were raised over."""
    waiting = [report]
    while waiting:
        one = waiting.pop()
        if one.problem is not None:
            emptied(one.problem)
        waiting += one.members
        found: SafeSerialError | None = one.survey.problem if one.survey is not None else None
        if found is not None:
            emptied(found)
