# SPDX-License-Identifier: BSD-3-Clause
"""GGUF files of llama.cpp: a table of settings and tensors, then numbers.

Floor 7.  Numbers cannot execute; a chat template among the settings is a small program.
"""

from __future__ import annotations

import math
import struct
from typing import Final

from safeserial.errors import CorruptArtifactError, FormatError, LimitExceededError
from safeserial.inspection.assembling import Inspection, assemble, finding, refusal, shown
from safeserial.inspection.content import Content
from safeserial.inspection.report import Finding, Report

MAGIC: Final = b"GGUF"
_SIZES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
_MOST: Final = 5_000_000
_BLOCK: Final = 2**16
_LONGEST: Final = 2**10
_TELLING: Final = (
    "general.architecture",
    "general.name",
    "general.quantized_by",
    "general.license",
)
_VERSIONS: Final = (2, 3)
_ALIGNMENT: Final = 32
# Tensor type: elements of a block, and its bytes.
_BLOCKS: Final = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    9: (32, 36), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 30: (1, 2),
}  # fmt: skip


class _Reader:
    """Numbers and texts one after the other."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self.position = 4
        self._left = _MOST
        self._block, self._first = b"", 0

    def number(self, form: str) -> int:
        size = struct.calcsize(form)
        here = self.position - self._first
        if here < 0 or here + size > len(self._block):
            self._block, self._first = self._content.read(self.position, _BLOCK), self.position
            here = 0
        if here + size > len(self._block):
            raise CorruptArtifactError("the table is cut short")
        self.position += size
        return int(struct.unpack_from(form, self._block, here)[0])

    def text(self) -> str:
        length = self.number("<Q")
        raw = self._content.read(self.position, min(length, _LONGEST))
        self.skip(length)
        return raw.decode("utf-8", "backslashreplace")

    def skip(self, count: int) -> None:
        self.position += count
        if self.position > self._content.size:
            raise CorruptArtifactError("the table is cut short")

    def value(self, kind: int, depth: int = 0) -> str:
        """Step over a value; return it if it is a text."""
        self._left -= 1
        if self._left < 0 or depth > 4:  # noqa: PLR2004
            raise LimitExceededError("the table has more entries than are looked at")
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            inner, count = self.number("<I"), self.number("<Q")
            if inner in _SIZES:
                self.skip(count * _SIZES[inner])
                return ""
            if count > self._content.size:
                raise CorruptArtifactError("an array is longer than the file")
            for _ in range(count):
                self.value(inner, depth + 1)
            return ""
        if kind not in _SIZES:
            raise CorruptArtifactError(f"a value of unknown type {kind}")
        self.skip(_SIZES[kind])
        return ""


def read(content: Content, about: Inspection) -> Report:
    """Report a GGUF file."""
    findings: list[Finding] = []
    details: dict[str, str] = {}
    try:
        _table(_Reader(content), content, findings, details)
    except FormatError as error:
        findings.append(refusal(error))
    return assemble(content, about, "gguf", findings, details=details)


def _table(
    reader: _Reader, content: Content, findings: list[Finding], details: dict[str, str]
) -> None:
    version = reader.number("<I")
    details["version"] = str(version)
    if version not in _VERSIONS:
        raise CorruptArtifactError(f"GGUF version {version} is not known here")
    tensors, settings = reader.number("<Q"), reader.number("<Q")
    details.update(tensors=str(tensors), settings=str(settings))
    if max(tensors, settings) > min(_MOST, content.size):
        raise LimitExceededError("the table has more entries than are looked at")
    for _ in range(settings):
        key = reader.text()
        text = reader.value(reader.number("<I"))
        if key in _TELLING:
            details[key] = shown(text)[1:-1]
        if key.startswith("tokenizer.chat_template"):
            message = f"a chat template, a program in Jinja: {shown(text)}"
            findings.append(finding("SS025", message))
    reach, largest = 0, ""
    for _ in range(tensors):
        name = reader.text()
        dimensions = reader.number("<I")
        if dimensions > 8:  # noqa: PLR2004
            raise CorruptArtifactError(f"the tensor {shown(name)} has {dimensions} dimensions")
        count = math.prod([reader.number("<Q") for _ in range(dimensions)])
        elements, size = _BLOCKS.get(reader.number("<I"), (1, 0))
        end = reader.number("<Q") + count // elements * size
        reach, largest = max((reach, largest), (end, name))
    if reach > content.size - -(-reader.position // _ALIGNMENT) * _ALIGNMENT:
        raise CorruptArtifactError(f"the tensor {shown(largest)} is behind the end of the file")
