# SPDX-License-Identifier: BSD-3-Clause
"""Memory for decompressed pickles: it grows without being copied, up to a limit.

Floor 4.
"""

from __future__ import annotations

import mmap
from typing import Final

from safeserial.errors import CorruptArtifactError, LimitExceededError
from safeserial.verifier.opcodes import NAMES

_MAPPED_FROM: Final = 2**20
_HUGE_FROM: Final = 2**25
_LOOK: Final = 2**20


class Memory:
    """Output of a decompressor.

    Pages that were never written cost nothing, and the system moves a mapping by its page tables:
    more than what it holds is never in use.

    Parameters
    ----------
    most : int
        Bytes that it may hold.
    """

    def __init__(self, most: int) -> None:
        self.size = 0
        self._most = most
        self._store: bytearray | mmap.mmap = bytearray()

    def add(self, piece: bytes | memoryview) -> None:
        """Append a piece."""
        end = self.size + len(piece)
        if end > self._most:
            raise LimitExceededError(f"the stream holds more than {self._most} bytes")
        if end > len(self._store):
            self._grow(end)
        self._store[self.size : end] = piece
        self.size = end
        # All that is compressed here are pickles: a bomb of zeros need not be blown up to be known.
        if self.size > _LOOK and self._store[0] not in NAMES:
            raise CorruptArtifactError("what is compressed is no pickle")

    def _grow(self, needed: int) -> None:
        if needed < _MAPPED_FROM:
            self._store.extend(bytes(needed - len(self._store)))  # type: ignore[union-attr]
            return
        room = needed + needed // 4
        if isinstance(self._store, mmap.mmap):
            try:
                self._store.resize(room)
            except (SystemError, OSError, ValueError):  # not on every system
                pass
            else:
                return
        grown = _mapping(room)
        grown[: self.size] = self._store[: self.size]
        self._store = grown

    def view(self) -> memoryview:
        """Return what was added."""
        return memoryview(self._store)[: self.size]


def _mapping(size: int) -> mmap.mmap:
    try:
        if not hasattr(mmap, "MAP_PRIVATE"):
            return mmap.mmap(-1, size)
        # The default would be shared with forked processes.
        mapping = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"cannot reserve {size} bytes") from error
    if hasattr(mmap, "MADV_HUGEPAGE") and size >= _HUGE_FROM:
        mapping.madvise(mmap.MADV_HUGEPAGE)
    return mapping
