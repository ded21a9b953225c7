# SPDX-License-Identifier: BSD-3-Clause
"""Compressors of payloads: joblib's six and zstd, by the names and extensions joblib gives them.

Floor 5.  Only compression lives here; decompression is bounded and belongs to the verifier.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from safeserial.errors import MissingExtraError, PolicyError

Compression = str | tuple[str, int] | None


@dataclass(frozen=True)
class Compressor:
    """One way to compress.

    Parameters
    ----------
    extension : str
        Of the compressed member's name.
    default_level : int
        Level when none is asked for.
    compress : callable
        Takes data and level, returns the compressed data.
    """

    extension: str
    default_level: int
    compress: Callable[[memoryview | bytes, int], bytes]


def _lz4(data: memoryview | bytes, level: int) -> bytes:
    try:
        import lz4.frame
    except ImportError:
        raise MissingExtraError("lz4", "lz4 compression") from None
    return bytes(lz4.frame.compress(data, compression_level=level))


def _zstd(data: memoryview | bytes, level: int) -> bytes:
    try:
        import zstandard
    except ImportError:
        raise MissingExtraError("zstd", "zstd compression") from None
    return bytes(zstandard.ZstdCompressor(level=level).compress(data))


COMPRESSORS: Final = {
    "zlib": Compressor(".z", 3, zlib.compress),
    "gzip": Compressor(".gz", 3, lambda data, level: gzip.compress(data, level, mtime=0)),
    "bz2": Compressor(".bz2", 9, bz2.compress),
    "lzma": Compressor(
        ".lzma", 6, lambda data, level: lzma.compress(data, lzma.FORMAT_ALONE, preset=level)
    ),
    "xz": Compressor(
        ".xz", 6, lambda data, level: lzma.compress(data, lzma.FORMAT_XZ, preset=level)
    ),
    "lz4": Compressor(".lz4", 0, _lz4),
    "zstd": Compressor(".zst", 3, _zstd),
}


def choose(compression: Compression) -> tuple[str, int] | None:
    """Check what a caller asks for.

    Parameters
    ----------
    compression : str, (str, int) or None
        Name of a compressor, with or without a level from 0 to 9; None for no compression.

    Returns
    -------
    (str, int) or None
        Name and level.

    Raises
    ------
    PolicyError
        If there is no such compressor or level.
    """
    if compression is None:
        return None
    pair = (compression, None) if isinstance(compression, str) else tuple(compression)
    name, level = pair if len(pair) == 2 else (None, None)  # noqa: PLR2004
    if name not in COMPRESSORS:
        raise PolicyError(
            f"no compressor called {str(name)[:40]!r}", hint=f"one of {', '.join(COMPRESSORS)}"
        )
    if level is None:
        return str(name), COMPRESSORS[str(name)].default_level
    lowest = 1 if name == "bz2" else 0
    if type(level) is not int or not lowest <= level <= 9:  # noqa: PLR2004
        raise PolicyError(f"compression level {level!r} is not from {lowest} to 9"[:120])
    return str(name), level
