# SPDX-License-Identifier: BSD-3-Clause
"""Bounded decompression: one stream, to its end, nothing behind it, never past the policy's limits.

Floor 4.  The output grows piece by piece, so that a bomb is stopped at the limit; a second member,
a cut end or a trailing byte is refused (one such byte makes joblib itself allocate for ever).
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
    UnsupportedVersionError,
)
from safeserial.policy import Limits
from safeserial.verifier.growing import Memory

_PIECE: Final = 2**20
_INPUT: Final = 2**16
_SLACK: Final = 16 * 2**20
_LZMA_MEMORY: Final = 2**28
_WINDOW: Final = 2**27
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_REPEATED, _ZSTD_RESERVED = 1, 3
_MAGICS: Final = (
    (b"\x78", "zlib"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\x5d\x00", "lzma"),
    (b"\xfd7zXZ", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
COMPRESSORS: Final = tuple(name for _, name in _MAGICS)


def detect(data: memoryview) -> str | None:
    """Return the compressor of a joblib file by its first bytes, None where there is none.

    Raises
    ------
    UnsupportedVersionError
        If the file has the format of joblib before 0.10.
    """
    head = bytes(data[:8])
    if head.startswith(b"ZF"):
        raise UnsupportedVersionError(
            "the file has the compressed format of joblib before 0.10",
            hint="load it where it was made, with its own joblib, and save it again",
        )
    return next((name for magic, name in _MAGICS if head.startswith(magic)), None)


def decompress(data: memoryview, compressor: str, limits: Limits) -> memoryview:
    """Return what a compressed stream holds.

    Parameters
    ----------
    data : memoryview
        The whole stream.
    compressor : str
        One of `COMPRESSORS`.
    limits : Limits
        Of the policy: size, and ratio to the compressed size.

    Returns
    -------
    memoryview
        New, writable memory.

    Raises
    ------
    CorruptArtifactError
        If the stream is malformed, cut short, or something follows it.
    LimitExceededError
        If it holds more than the policy allows.
    MissingExtraError
        If the compressor is not installed.
    UnsupportedVersionError
        If it is not known.
    """
    maker = _MAKERS.get(compressor)
    if maker is None:
        raise UnsupportedVersionError(f"unknown compression: {compressor[:40]!r}")
    most = min(limits.decompressed_size, len(data) * limits.decompression_ratio + _SLACK)
    stream, errors = maker()
    out = Memory(most)
    try:
        used = _read_zstd(data, out) if compressor == "zstd" else _pump(stream, data, out)
    except errors as error:
        if isinstance(error, lzma.LZMAError) and "memory" in str(error).lower():
            raise LimitExceededError(f"the {compressor} stream wants too large a window") from None
        raise CorruptArtifactError(f"the {compressor} stream is damaged: {error}"[:200]) from None
    except (MemoryError, OverflowError):
        raise LimitExceededError(f"the {compressor} stream does not fit into memory") from None
    if used != len(data):
        raise CorruptArtifactError(f"something follows the {compressor} stream")
    return out.view()


def _pump(stream: Any, data: memoryview, out: Memory) -> int:
    """Feed a stream until its end; return how much of `data` it took."""
    for start in range(0, len(data), _INPUT):
        piece = stream.decompress(data[start : start + _INPUT], _PIECE)
        while True:
            out.add(piece)
            if stream.eof:
                return min(start + _INPUT, len(data)) - len(stream.unused_data or b"")
            # After a full piece there may be more to come of input already taken.
            if stream.needs_input and len(piece) < _PIECE:
                break
            piece = stream.decompress(b"", _PIECE)
    raise CorruptArtifactError("the compressed stream is cut short")


def _read_zstd(data: memoryview, out: Memory) -> int:
    """Read a zstandard frame in pieces of bounded size; return how long it is."""
    import zstandard

    used = _zstd_length(data)
    unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    piece = memoryview(bytearray(_PIECE))
    with unpacker.stream_reader(data[:used]) as reader:
        while count := reader.readinto(piece):
            out.add(piece[:count])
    return used


def _zstd_length(data: memoryview) -> int:
    """Return where the first zstandard frame ends, by its header and those of its blocks."""
    if bytes(data[:4]) != _ZSTD_MAGIC:
        raise CorruptArtifactError("the zstd stream is damaged: it does not begin as one")
    checksum = 0
    try:
        flags = data[4]
        single, checksum = flags >> 5 & 1, flags >> 2 & 1
        size = (single, 2, 4, 8)[flags >> 6]
        here = 6 - single + (0, 1, 2, 4)[flags & 3] + size
        last = 0
        while not last:
            header = data[here] | data[here + 1] << 8 | data[here + 2] << 16
            last, kind = header & 1, header >> 1 & 3
            here += 3 + (1 if kind == _ZSTD_REPEATED else header >> 3)
            if kind == _ZSTD_RESERVED:
                raise CorruptArtifactError("the zstd stream is damaged: a block of no kind")
    except IndexError:
        here = len(data) + 1
    here += 4 * checksum
    if here > len(data):
        raise CorruptArtifactError("the zstd stream is cut short")
    return here


class _Zlib:
    """The interface of the other decompressors over that of zlib."""

    def __init__(self, window: int) -> None:
        self._stream = zlib.decompressobj(window)

    def decompress(self, data: bytes | memoryview, most: int) -> bytes:
        tail = self._stream.unconsumed_tail
        return self._stream.decompress(bytes(data) + tail if data else tail, most)

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
    """The same over a zstandard decompression object, which takes no limit on its output."""

    eof = False
    needs_input = True

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._waiting = b""

    def decompress(self, data: bytes | memoryview, most: int) -> bytes:
        # A block is at most 128 KiB and takes at least 4 bytes, so 256 bytes make at most 8 MiB.
        self._waiting += bytes(data)
        out: list[bytes] = []
        size = 0
        while self._waiting and size < most and not self._stream.eof:
            step, self._waiting = self._waiting[:256], self._waiting[256:]
            out.append(self._stream.decompress(step))
            size += len(out[-1])
        self.eof = self._stream.eof
        self.needs_input = not self._waiting
        return b"".join(out)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._stream.unused_data) + self._waiting


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
