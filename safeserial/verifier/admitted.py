# SPDX-License-Identifier: BSD-3-Clause
"""Admitted: what the opcode verifier lets through, the only thing a codec decodes.

Floor 4.  Codecs take an :class:`Admitted` and nothing else, so that a forgotten verification is a
type error.  Only this package makes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from safeserial.payload import Parts
from safeserial.policy import Name


@dataclass(frozen=True)
class DType:
    """A NumPy dtype that the verifier has recomputed from its stream.

    Parameters
    ----------
    code : str
        As ``numpy.dtype`` takes it, without byte order: ``"f8"``, ``"U12"``, ``"M8"``, ``"O"``.
    byteorder : str
        ``"<"``, ``">"`` or ``"|"``.
    itemsize : int
        Bytes an element.
    fields : tuple of (str, DType, int)
        Name, dtype and offset of each field of a structured dtype, else empty.
    unit : str
        Unit of a datetime or timedelta, as NumPy prints it (``"ns"``, ``"25s"``), else ``""``.
    element : DType, optional
        Of a subarray; its dimensions are `shape`.
    shape : tuple of int
        Dimensions of a subarray.
    """

    code: str
    byteorder: str
    itemsize: int
    fields: tuple[tuple[str, DType, int], ...] = ()
    unit: str = ""
    element: DType | None = None
    shape: tuple[int, ...] = ()


class InlineArray(NamedTuple):
    """An array whose bytes stand inside a joblib stream.

    Parameters
    ----------
    data : memoryview
        Its raw bytes, no copy; for an array of objects the bytes of its own (verified) pickle.
    dtype : DType
        Element type; code ``"O"`` says that `data` is a pickle.
    shape : tuple of int
        Dimensions; their product times the item size is ``len(data)`` (not for objects).
    order : {"C", "F"}
        Memory order.
    """

    data: memoryview
    dtype: DType
    shape: tuple[int, ...]
    order: str


@dataclass(frozen=True)
class Admitted:
    """A payload every global, call and build step of which is permitted.

    Parameters
    ----------
    format : str
        Name of the codec that may decode it.
    stream : memoryview or bytes
        Opcodes, decompressed; in a joblib payload each inline array is replaced by a persistent id.
    names : mapping of (module, qualname) to (module, qualname)
        Every global of the stream as it stands there, and what it resolves to today.
    parts : Parts
        Out-of-band buffers of a pickle payload, and what its persistent ids stand for.
    arrays : tuple of InlineArray
        What persistent ids of a joblib payload stand for.
    outdated : frozenset of (module, qualname)
        Classes whose state is one of an earlier version, and must not be given to today's.
    """

    format: str
    stream: memoryview | bytes = field(repr=False)
    names: Mapping[Name, Name]
    parts: Parts = field(default_factory=Parts)
    arrays: tuple[InlineArray, ...] = field(default=(), repr=False)
    outdated: frozenset[Name] = frozenset()
