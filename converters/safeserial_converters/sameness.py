# SPDX-License-Identifier: BSD-3-Clause
"""Whether two models are the same in everything that they hold, and where not.

Floor 7, beside the command line.  Objects are compared by what they would be taken apart into for a
copy; so nothing has to be known of their classes.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

Step = tuple[str, Any, Any]
_BY_VALUE: Final = (
    str,
    int,
    bool,
    bytes,
    bytearray,
    complex,
    slice,
    range,
    set,
    frozenset,
    np.dtype,
)
_BY_IDENTITY: Final = (
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.ModuleType,
    np.ufunc,
)
_SHOWN: Final = 60


def difference(one: Any, other: Any) -> str:
    """Return where two objects differ, ``""`` where they do not.

    Parameters
    ----------
    one, other : object
        For instance a model, and what a file of it was loaded as.

    Returns
    -------
    str
        A path from the object to the first difference, and what is there.
    """
    waiting: list[Step] = [("model", one, other)]
    seen: dict[tuple[int, int], Step] = {}
    while waiting:
        step = waiting.pop()
        where, left, right = step
        if left is right or (id(left), id(right)) in seen:
            continue
        if type(left) is not type(right):
            return f"{where} is a {type(left).__name__} and would be a {type(right).__name__}"
        found = _plain(left, right)
        if found is False:
            return f"{where} is {_short(left)} and would be {_short(right)}"
        if found is None:
            seen[id(left), id(right)] = step  # kept, so that the identities stay their own
            more = list(_parts(where, left, right))
            if any(part is None for part in more):
                return f"{where} holds other things than it would"
            waiting += [part for part in more if part is not None]
    return ""


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - the text of somebody's object
        text = f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _plain(left: Any, right: Any) -> bool | None:
    """Compare what has no parts; None for what has."""
    if isinstance(left, np.ndarray) and type(left) is np.ndarray and left.dtype != object:
        return left.dtype == right.dtype and left.shape == right.shape and _equal(left, right)
    if isinstance(left, float | complex | np.generic):
        return _equal(np.asarray(left), np.asarray(right))
    if isinstance(left, _BY_IDENTITY):
        return False
    return bool(left == right) if type(left) in _BY_VALUE or isinstance(left, np.dtype) else None


def _equal(left: Any, right: Any) -> bool:
    if left.dtype != right.dtype:
        return False
    if left.dtype.kind in "fc":
        # Not a number is the same as itself; zeros have signs.
        signs = np.array_equal(np.signbit(left.real), np.signbit(right.real))
        return bool(signs and np.array_equal(left, right, equal_nan=True))
    if left.dtype.kind == "V":
        names = left.dtype.names or ()
        return all(_equal(left[name], right[name]) for name in names)
    return bool(np.array_equal(left, right, equal_nan=left.dtype.kind in "mM"))


def _parts(where: str, left: Any, right: Any) -> Iterator[Step | None]:  # noqa: C901 - a table of kinds
    """Yield the parts of two objects of one class, None where these do not go together."""
    if isinstance(left, dict):
        if [*map(_key, left)] != [*map(_key, right)]:
            yield None
            return
        for (key, value), other in zip(left.items(), right.values(), strict=True):
            yield f"{where}[{_short(key)}]", value, other
    if isinstance(left, list | tuple):
        yield from _sequence(where, left, right)
    if type(left) in {dict, list, tuple}:
        return
    if isinstance(left, np.ndarray) and left.dtype == object:
        same = right.dtype == object and left.shape == right.shape
        yield (where, left.ravel().tolist(), right.ravel().tolist()) if same else None
    elif _is_sparse(left):
        yield from _matrix(where, left, right)
    elif isinstance(left, functools.partial):
        for name in ("func", "args", "keywords", "__dict__"):
            yield f"{where}.{name}", getattr(left, name), getattr(right, name)
    elif isinstance(left, np.random.RandomState):
        yield where, left.get_state(legacy=False), right.get_state(legacy=False)
    elif isinstance(left, np.random.Generator):
        yield where, left.bit_generator.state, right.bit_generator.state
    else:
        yield from _reduced(where, left, right)


def _key(key: Any) -> tuple[type, Any]:
    return type(key), key


def _sequence(where: str, left: Sequence[Any], right: Sequence[Any]) -> Iterator[Step | None]:
    if len(left) != len(right):
        yield None
        return
    for index, (value, other) in enumerate(zip(left, right, strict=True)):
        yield f"{where}[{index}]", value, other


def _is_sparse(value: Any) -> bool:
    return hasattr(value, "tocoo") and hasattr(value, "nnz")


def _matrix(where: str, left: Any, right: Any) -> Iterator[Step]:
    yield f"{where}.shape", left.shape, right.shape
    yield f"{where}.dtype", left.dtype, right.dtype
    if left.shape == right.shape:
        for name in ("row", "col", "data"):
            yield f"{where}.{name}", getattr(left.tocoo(), name), getattr(right.tocoo(), name)


def _reduced(where: str, left: Any, right: Any) -> Iterator[Step | None]:
    """Yield what the objects would be taken apart into."""
    try:
        one, other = left.__reduce_ex__(4), right.__reduce_ex__(4)
    except Exception:  # noqa: BLE001 - what cannot be copied cannot be compared
        yield None
        return
    if isinstance(one, str) or isinstance(other, str):
        yield where, one, other
        return
    if len(one) != len(other):
        yield None
        return
    for value, again in zip(one, other, strict=True):
        listed = isinstance(value, Iterator)
        named = isinstance(value, dict) and not listed
        yield (
            where,
            list(value) if listed else _attributes(value) if named else value,
            list(again) if isinstance(again, Iterator) else _attributes(again) if named else again,
        )


def _attributes(state: Any) -> Any:
    """Return a state with its attributes in the order of their names."""
    if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
        return state
    return {key: state[key] for key in sorted(state)}
