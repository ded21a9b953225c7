# SPDX-License-Identifier: BSD-3-Clause
"""Tell what an unsigned file is from its first bytes; its name counts for nothing.

Floor 6.
"""

from __future__ import annotations

from typing import Final

from safeserial.container import SIGNATURES
from safeserial.errors import NotAnArtifactError
from safeserial.files import FileSource
from safeserial.payload import Payload

_NOT_MODELS: Final = {
    b"PK\x03\x04": "a ZIP archive (a signed artifact, skops, PyTorch or .npz file)",
    b"\x93NUMPY": "a NumPy .npy file",
    b"\x89HDF": "an HDF5 file",
    b"%PDF": "a PDF document",
    b"\x7fELF": "a program",
    b"\x89PNG": "a picture",
    b"<!DO": "a web page (a failed download?)",
    b"<htm": "a web page (a failed download?)",
    b"version https://git-lfs": "a Git LFS pointer (the file itself was not fetched)",
}

# The schema is the last member that skops writes, so the last that the directory names.
_DIRECTORY_END: Final = 256
# Keys of the fields of an ONNX model: version, producer, domain, graph, operators ...
_ONNX_STARTS: Final = b"\x08\x12\x1a\x22\x28\x32\x3a\x42\x72"


def is_artifact(source: FileSource) -> bool:
    """Say whether a file begins as every signed artifact does; its position stays as it was."""
    return source.peek(45)[26:] == b"\x0f\x00\x13\x00" + SIGNATURES.encode("ascii")


def foreign_payload(memory: memoryview) -> Payload | None:
    """Wrap the bytes of a skops or ONNX file, None if they are of another kind.

    Parameters
    ----------
    memory : memoryview
        The whole file, private.
    """
    from safeserial.foreign import FOREIGN  # with it comes the opcode verifier

    start = bytes(memory[:128])
    # skops begins with an array, a text or the schema itself; our artifacts with their signatures.
    if start.startswith(b"PK\x03\x04") and b"signatures.json" not in start[26:64]:
        if b"schema.json" not in bytes(memory[-_DIRECTORY_END:]):
            return None
        name = "skops"
    elif memory and memory[0] in _ONNX_STARTS and _is_onnx(memory):
        name = "onnx"
    else:
        return None
    return Payload(name, {}, {FOREIGN[name]: memory}, signed=False)


def _is_onnx(memory: memoryview) -> bool:
    from safeserial.foreign.onnx_model import looks_like_onnx

    return looks_like_onnx(memory)


def legacy_payload(memory: memoryview) -> Payload:
    """Wrap the bytes of a ``.pkl`` or ``.joblib`` file for the verifier.

    Parameters
    ----------
    memory : memoryview
        The whole file, private.

    Returns
    -------
    Payload
        Of format ``joblib``, which an ordinary pickle also is.

    Raises
    ------
    NotAnArtifactError
        If the file is empty or clearly of another kind.
    """
    start = bytes(memory[:32])
    if not start:
        raise NotAnArtifactError("the file is empty", hint="copy or fetch it again")
    for magic, what in _NOT_MODELS.items():
        if start.startswith(magic):
            raise NotAnArtifactError(
                f"this is {what}, not a pickle or joblib file",
                hint="a signed artifact is opened with load() or `safeserial verify`",
            )
    return Payload("joblib", {}, {"payload/model.joblib": memory}, signed=False)
