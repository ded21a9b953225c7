# SPDX-License-Identifier: BSD-3-Clause
"""Unpack a compressed file for a look, bounded by the policy, into memory or an unnamed file.

Floor 7.  Loading unpacks into memory, because a model has to fit there; looking need not.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any, Final

from safeserial.errors import (
    CorruptArtifactError,
    LimitExceededError,
    MissingExtraError,
    SafeSerialError,
)
from safeserial.inspection.assembling import Inspection
from safeserial.inspection.content import Content, Growing, Part

_INPUT: Final = 2**16
_PIECE: Final = 2**20
_SLACK: Final = 16 * 2**20
_LZMA_MEMORY: Final = 2**28
_WINDOW: Final = 2**27
_ZSTD_STEP: Final = 256


def most_of(compressed: int, about: Inspection) -> int:
    """Return how many bytes so many compressed ones may become."""
    limits = about.policy.limits
    by_ratio = compressed * limits.decompression_ratio + _SLACK
    return min(limits.decompressed_size, by_ratio, about.budget.unpacked)


def unpack(content: Content, compressor: str, about: Inspection) -> tuple[Content, Content]:
    """Decompress one stream.

    Parameters
    ----------
    content : Content
        Begins with it.
    compressor : str
        As the opcode verifier names it.
    about : Inspection
        Its policy bounds the output.

    Returns
    -------
    inside : Content
        What the stream holds.
    rest : Content
        What follows it.

    Raises
    ------
    FormatError
        If it is damaged or holds too much.
    MissingExtraError
        If the compressor is not installed.
    """
    stream, errors = _MAKERS[compressor]()
    out = Growing(about.room, most_of(content.size, about))
    try:
        used = _pump(stream, content, out)
    except errors as error:
        if isinstance(error, SafeSerialError):
            raise
        if isinstance(error, lzma.LZMAError) and "memory" in str(error).lower():
            raise LimitExceededError(f"the {compressor} stream wants too large a window") from None
        raise CorruptArtifactError(f"the {compressor} stream is damaged: {error}"[:200]) from None
    except (MemoryError, OverflowError):
        raise LimitExceededError(f"the {compressor} stream does not fit into memory") from None
    about.budget.unpacked -= out.size
    return out.finish(), Part(content, used, content.size - used)


def _pump(machine: Any, content: Content, out: Growing) -> int:
    """Feed a stream until its end; return how many bytes of the content it took."""
    for start in range(0, content.size, _INPUT):
        taken = content.read(start, _INPUT)
        piece = machine.decompress(taken, _PIECE)
        while True:
            out.append(piece)
            if machine.eof:
                return start + len(taken) - len(machine.unused_data or b"")
            if machine.needs_input and len(piece) < _PIECE:
                break
            piece = machine.decompress(b"", _PIECE)
    raise CorruptArtifactError("the compressed stream is cut short")


class _Zlib:
    """The interface of the other decompressors over that of zlib."""

    def __init__(self, window: int) -> None:
        self._stream = zlib.decompressobj(window)

    def decompress(self, data: bytes, most: int) -> bytes:
        return self._stream.decompress(data or self._stream.unconsumed_tail, most)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail


class _Zstd:
    """The same over a zstandard object, which takes no limit on its output.

    A block is at most 128 KiB and takes at least 4 bytes, so 256 bytes make at most 8 MiB.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._waiting = b""

    def decompress(self, data: bytes, most: int) -> bytes:
        self._waiting += data
        out: list[bytes] = []
        size = 0
        while self._waiting and size < most and not self._stream.eof:
            step, self._waiting = self._waiting[:_ZSTD_STEP], self._waiting[_ZSTD_STEP:]
            out.append(self._stream.decompress(step))
            size += len(out[-1])
        return b"".join(out)

    @property
    def eof(self) -> bool:
        return bool(self._stream.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._stream.unused_data) + self._waiting

    @property
    def needs_input(self) -> bool:
        return not self._waiting


_Made = tuple[Any, tuple[type[Exception], ...]]


def _lz4() -> _Made:
    try:
        import lz4.frame
    except ImportError:
        raise MissingExtraError("lz4", "this file") from None
    return lz4.frame.LZ4FrameDecompressor(), (RuntimeError, ValueError, EOFError)


def _zstd() -> _Made:
    try:
        import zstandard
    except ImportError:
        raise MissingExtraError("zstd", "this file") from None
    stream = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
    return _Zstd(stream), (zstandard.ZstdError,)


def _lzma(form: int) -> _Made:
    return lzma.LZMADecompressor(form, memlimit=_LZMA_MEMORY), (lzma.LZMAError, EOFError)


_MAKERS: Final[dict[str, Callable[[], _Made]]] = {
    "zlib": lambda: (_Zlib(15), (zlib.error,)),
    "gzip": lambda: (_Zlib(31), (zlib.error,)),
    "bz2": lambda: (bz2.BZ2Decompressor(), (OSError, ValueError, EOFError)),
    "lzma": lambda: _lzma(lzma.FORMAT_ALONE),
    "xz": lambda: _lzma(lzma.FORMAT_XZ),
    "lz4": _lz4,
    "zstd": _zstd,
}
