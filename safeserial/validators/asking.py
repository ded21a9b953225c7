# SPDX-License-Identifier: BSD-3-Clause
"""The questions that validators ask: is it an array of this kind, are all indices inside.

Floor 5.  Each answers with a value that is safe to compute with, or refuses.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt

from safeserial.errors import InvalidStateError

Array = npt.NDArray[Any]
LARGEST: Final = 2**62  # no honest count comes near it, and sums of two stay whole numbers of C


def name_of(obj: Any) -> str:
    """Return the dotted name of an object's class."""
    return f"{type(obj).__module__}.{type(obj).__qualname__}"


@functools.lru_cache(maxsize=1024)
def _names(kind: type) -> frozenset[tuple[str, str]]:
    return frozenset((base.__module__, base.__qualname__) for base in kind.__mro__)


def is_a(obj: Any, module: str, *qualnames: str) -> bool:
    """Say whether an object is of a class of this name, or of one derived from it."""
    names = _names(type(obj))  # type: ignore[arg-type]  # mypy: a metaclass might not hash
    for qualname in qualnames:  # noqa: SIM110 - asked of each tree of a forest; any() takes twice as long
        if (module, qualname) in names:
            return True
    return False


def derives(kind: type, module: str, *qualnames: str) -> bool:
    """Say whether a class has one of these names, or derives from one that has."""
    return not _names(kind).isdisjoint((module, qualname) for qualname in qualnames)


def are(objects: Iterable[Any], module: str, *qualnames: str) -> bool:
    """Say whether all objects are of classes of this name, or of ones derived from it."""
    return all(derives(kind, module, *qualnames) for kind in set(map(type, objects)))


def refuse(obj: Any, what: str) -> NoReturn:
    """Refuse an object.

    Raises
    ------
    InvalidStateError
        Always.
    """
    raise InvalidStateError(f"{name_of(obj)}: {what}")


def ensure(obj: Any, condition: Any, what: str) -> None:
    """Refuse an object unless a condition holds."""
    if not condition:
        refuse(obj, what)


def array(obj: Any, value: Any, what: str, *, kinds: str = "iuf", ndim: int | None = None) -> Array:
    """Return `value` as a plain array, if it is one of these kinds and dimensions.

    Parameters
    ----------
    obj : object
        Whose state it is.
    value : object
        What should be an array.
    what : str
        Its name, for the message.
    kinds : str, default="iuf"
        Accepted ``dtype.kind``.
    ndim : int, optional
        Accepted number of dimensions.

    Returns
    -------
    ndarray
        Without the methods of any subclass.
    """
    if not isinstance(value, np.ndarray):
        refuse(obj, f"{what} is no array")
    plain = np.asarray(value)
    if plain.dtype.kind not in kinds:
        refuse(obj, f"{what} is of dtype {plain.dtype}")
    if ndim is not None and plain.ndim != ndim:
        refuse(obj, f"{what} has {plain.ndim} dimensions instead of {ndim}")
    return plain


def inside(obj: Any, values: Array, low: int, high: int, what: str) -> None:
    """Refuse unless ``low <= value < high`` for all values."""
    if values.size and not (values.min() >= low and values.max() < high):
        refuse(obj, f"{what} leaves the range from {low} to {high - 1}")


def shaped(obj: Any, value: Array, shape: tuple[int | None, ...], what: str) -> None:
    """Refuse unless an array has this shape; None stands for any length."""
    fits = len(value.shape) == len(shape) and all(
        want is None or have == want for have, want in zip(value.shape, shape, strict=True)
    )
    if not fits:
        refuse(obj, f"{what} has shape {value.shape} instead of {shape}")


def whole(obj: Any, state: Mapping[str, Any], key: str, low: int, high: int = LARGEST) -> int:
    """Return an attribute that must be an integer with ``low <= value < high``."""
    value = state.get(key)
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        refuse(obj, f"{key} is no integer")
    if not low <= value < high:
        refuse(obj, f"{key} is {value}")
    return int(value)


def columns_of(value: Any) -> tuple[int, ...]:
    """Return the shape of an array or sparse matrix, ``()`` of anything else."""
    shape = getattr(value, "shape", ())
    return shape if isinstance(shape, tuple) else ()
