# SPDX-License-Identifier: BSD-3-Clause
"""Rows: lists of like objects, written as one form and columns instead of opcodes, and made again.

Floor 5.  The 300 trees of a forest are 24,000 opcodes, each of them to be verified, and the same
for every tree; as rows they are one form and a dozen columns.
"""

from __future__ import annotations

import copyreg
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise, repeat
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from safeserial.payload import MAX_DIMENSIONS, ROWS_KIND, Rows, column_record
from safeserial.rows import (
    MAX_ATTRIBUTES,
    MAX_FORM_BYTES,
    MAX_INNER,
    MAX_LEVELS,
    MAX_ROWS,
    Constant,
    Drawn,
    Form,
    Source,
    Value,
    encode_form,
)
from safeserial.strictjson import MAX_INTEGER
from safeserial.verifier import fits_rows

if TYPE_CHECKING:
    from safeserial.codecs.objects import Objects

MIN_ROWS: Final = 16
_SMALL: Final = 1024
_MAX_JOINED: Final = 64 * 2**20  # bytes that are copied to stand together
_PROTOCOL: Final = 5
_WITH_STATE: Final = 3
_CONSTANTS: Final = frozenset({bool, int, str, type(None)})
_PLAIN: Final = frozenset({int, str, float})
# Kinds of NumPy scalars of a fixed size.
_SCALARS: Final = frozenset("biufc")


class _Unlike(Exception):  # noqa: N818 - not an error: the list is pickled
    """These objects are not rows."""


class _Values(NamedTuple):
    """A column that has been found to fit, and is not yet in the index."""

    source: Source
    values: Sequence[Any]


class _Class(NamedTuple):
    """The objects of one class that stand in all rows at one place."""

    kind: type
    arguments: tuple[Constant | _Values, ...] | None
    state: tuple[tuple[str, Constant | _Values | _Class], ...]


class Found(NamedTuple):
    """A list that can be written as rows.

    Parameters
    ----------
    plan : object
        For :func:`describe`.
    rows, inner : int
        As `count` and `inner` in :class:`safeserial.payload.Rows`.
    owned : set of int
        Identities of all that would no longer be in the stream.
    """

    plan: _Class
    rows: int
    inner: int
    owned: set[int]


def find(container: list[Any], array_type: type | None, *, sliced: bool) -> Found | None:
    """Look whether a list can be written as rows; nothing is written yet.

    Parameters
    ----------
    container : list
        At least `MIN_ROWS` objects, or lists of objects, all of one length.
    array_type : type or None
        ``numpy.ndarray`` where NumPy is there.
    sliced : bool
        Whether small arrays are kept together in one.
    """
    items, inner = container, 0
    owned: set[int] = set()
    if type(items[0]) is list:
        inner = len(items[0])
        if not 0 < inner <= MAX_INNER or {(type(one), len(one)) for one in items} != {
            (list, inner)
        }:
            return None
        owned.update(map(id, items))
        items = [one for each in items for one in each]
    plain = type(items[0]).__module__ == "builtins" or len(items) > MAX_ROWS
    if plain or len(set(map(type, items))) != 1:
        return None
    finder = _Finder(array_type, owned, sliced=sliced)
    try:
        plan = finder.plan(items, 1)
    except _Unlike:
        return None
    whole = (len(container) if inner else 0) + finder.met
    if len(owned) != whole or not owned.isdisjoint(finder.shown):
        return None  # something stands in two places of these rows, and is one object
    return Found(plan, len(items), inner, owned)


class _Finder:
    def __init__(self, array_type: type | None, owned: set[int], *, sliced: bool) -> None:
        self._array_type = array_type
        self._sliced = sliced
        self._owned = owned
        self.met = 0
        # Arrays that are drawn by their numbers, which keep their identity.
        self.shown: set[int] = set()

    def plan(self, items: Sequence[Any], level: int) -> _Class:
        """Return what objects have in common, and what not."""
        kind = type(items[0])
        named = _is_named(kind) and fits_rows(kind.__module__, kind.__qualname__)
        if level > MAX_LEVELS or not named or kind in copyreg.dispatch_table:
            raise _Unlike
        self._owned.update(map(id, items))
        self.met += len(items)
        reduced = [one.__reduce_ex__(_PROTOCOL) for one in items]
        if not all(type(one) is tuple and one[3:] in _NOTHING for one in reduced):
            raise _Unlike
        if min(map(len, reduced)) < _WITH_STATE:
            raise _Unlike
        makers, given, states = zip(*(one[:3] for one in reduced), strict=True)
        if len(set(map(id, makers))) != 1:
            raise _Unlike
        if makers[0] is copyreg.__newobj__:  # type: ignore[attr-defined]
            if any(one != (kind,) for one in given):
                raise _Unlike
            arguments = None
        elif makers[0] is kind:
            arguments = self._arguments(given)
        else:
            raise _Unlike
        return _Class(kind, arguments, self._state(states, level))

    def _arguments(self, given: Sequence[tuple[Any, ...]]) -> tuple[Constant | _Values, ...]:
        if len(set(map(len, given))) != 1 or not given[0]:
            raise _Unlike
        found = [self._column(column, runs=False) for column in zip(*given, strict=True)]
        for one in found:
            if isinstance(one, _Values) and not _alike(one):
                raise _Unlike
        return tuple(found)

    def _state(
        self, states: Sequence[Any], level: int
    ) -> tuple[tuple[str, Constant | _Values | _Class], ...]:
        first = states[0]
        if set(map(type, states)) != {dict} or not 0 < len(first) <= MAX_ATTRIBUTES:
            raise _Unlike
        keys = tuple(first)
        if any(tuple(one) != keys for one in states) or set(map(type, keys)) != {str}:
            raise _Unlike
        if not all(map(_is_text, keys)):
            raise _Unlike
        columns = zip(*(one.values() for one in states), strict=True)
        found: list[tuple[str, Constant | _Values | _Class]] = []
        for key, column in zip(keys, columns, strict=True):
            try:
                found.append((key, self._column(column)))
            except _Unlike:
                if len(set(map(type, column))) != 1:
                    raise
                found.append((key, self.plan(column, level + 1)))
        return tuple(found)

    def _column(self, column: Sequence[Any], *, runs: bool = True) -> Constant | _Values:
        types = set(map(type, column))
        if len(types) != 1:
            raise _Unlike
        kind = types.pop()
        if kind in _CONSTANTS and column.count(column[0]) == len(column):
            value = column[0]
            fits = (
                kind is type(None)
                or (kind is str and _is_text(value))
                or (kind is not str and abs(value) <= MAX_INTEGER)
            )
            if fits:
                return Constant(value)
        if kind in _PLAIN:
            return _Values("values", column)
        if kind is self._array_type:
            source = _source(column, runs=runs) if self._sliced else "arrays"
            if source == "arrays":
                self.shown.update(map(id, column))
            else:
                self._owned.update(map(id, column))
                self.met += len(column)
            return _Values(source, column)
        dtype = getattr(column[0], "dtype", None)
        if dtype is not None and getattr(dtype, "kind", "") in _SCALARS and dtype.type is kind:
            return _Values("scalars", column)
        raise _Unlike


_NOTHING: Final = ((), (None,), (None, None), (None, None, None))


def _alike(column: _Values) -> bool:
    """Say whether arguments are arrays of which a rule of the verifier can tell none apart."""
    if column.source == "arrays":
        return len({(one.dtype, one.shape) for one in column.values}) == 1
    return column.source == "slices"


def _source(column: Sequence[Any], *, runs: bool) -> Source:
    """Say how the arrays of a column are kept: each by itself, or joined in one."""
    first = column[0]
    dtype, shape = first.dtype, first.shape
    joined = (
        0 < len(shape) < MAX_DIMENSIONS
        and not dtype.hasobject
        and sum(one.nbytes for one in column) <= _MAX_JOINED
        and len(set(map(id, column))) == len(column)
        and all(
            one.dtype == dtype
            and one.dtype.isalignedstruct == dtype.isalignedstruct
            and one.ndim == len(shape)
            and one.shape[1:] == shape[1:]
            and one.flags.c_contiguous
            and one.flags.writeable
            and one.dtype.metadata is None
            for one in column
        )
    )
    if not joined:
        return "arrays"
    alike = all(one.shape == shape for one in column)
    if alike and 0 < first.nbytes <= _SMALL and dtype.kind in _SCALARS:
        return "slices"
    return "runs" if runs else "arrays"


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_named(kind: type) -> bool:
    found: Any = sys.modules.get(kind.__module__)
    for part in kind.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is kind


def describe(found: Found, objects: Objects) -> tuple[bytes, bytes] | None:
    """Put the columns of rows into the index.

    Parameters
    ----------
    found : Found
        What :func:`find` returned.
    objects : Objects
        Of the payload that is being written.

    Returns
    -------
    record, form : bytes
        For the index; None where a column is not of the plain kinds after all.
    """
    try:
        form = _write(found.plan, objects)
    except _Unlike:
        return None
    text = encode_form(form, found.inner)
    if len(text) > MAX_FORM_BYTES:
        return None
    return column_record(ROWS_KIND, found.rows), text


def _write(plan: _Class, objects: Objects) -> Form:
    given = plan.arguments
    arguments = None if given is None else tuple([_entry(one, objects) for one in given])
    state: list[tuple[str, Value]] = []
    for key, column in plan.state:
        value = _write(column, objects) if isinstance(column, _Class) else _entry(column, objects)
        state.append((key, value))
    return Form(plan.kind.__module__, plan.kind.__qualname__, arguments, tuple(state))


def _entry(column: Constant | _Values, objects: Objects) -> Constant | Drawn:
    if isinstance(column, Constant):
        return column
    if column.source in ("scalars", "slices"):
        import numpy as np

        # Without the dtype NumPy would choose the byte order of this machine.
        number = objects.array(np.array(column.values, dtype=column.values[0].dtype))
    elif column.source == "runs":
        lengths = objects.column([len(one) for one in column.values])
        number = objects.array(_joined(column.values))
        if lengths is None or number is None:
            raise _Unlike
        return Drawn("runs", number, lengths)
    elif column.source == "arrays":
        numbers = [objects.array(one) for one in column.values]
        if None in numbers:
            raise _Unlike
        number = objects.column(numbers)
    else:
        number = objects.column(list(column.values))
    if number is None:
        raise _Unlike
    return Drawn(column.source, number)


def _joined(arrays: Sequence[Any]) -> Any:
    """Return arrays one after the other: as bytes, since NumPy copies structures by fields."""
    import numpy as np

    first = arrays[0]
    whole = np.empty((sum(map(len, arrays)), *first.shape[1:]), dtype=first.dtype)
    raw = [one.reshape(-1).view("u1") for one in arrays if one.size]
    if raw:
        np.concatenate(raw, out=whole.reshape(-1).view("u1"))
    return whole


def build(
    rows: Rows, made: Callable[[int], Any], find_class: Callable[[str, str], Any]
) -> list[Any]:
    """Make the objects of rows, doing what the unpickler does for each.

    Parameters
    ----------
    rows : Rows
        Admitted.
    made : callable
        Returns the array or list of an object's number.
    find_class : callable
        Returns an admitted class.
    """
    flat = _build(rows.form, rows.count, made, find_class)
    inner = rows.inner
    return [flat[at : at + inner] for at in range(0, len(flat), inner)] if inner else flat


def _build(
    form: Form, count: int, made: Callable[[int], Any], find_class: Callable[[str, str], Any]
) -> list[Any]:
    kind = find_class(form.module, form.qualname)
    if form.arguments is None:
        new = kind.__new__
        objects = [new(kind) for _ in range(count)]
    else:
        given = [_drawn(one, count, made) for one in form.arguments]
        objects = [kind(*row) for row in zip(*given, strict=True)]
    keys = [sys.intern(key) for key, _ in form.state]
    columns = [
        _build(one, count, made, find_class) if isinstance(one, Form) else _drawn(one, count, made)
        for _, one in form.state
    ]
    states = (dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True))
    if hasattr(objects[0], "__setstate__"):
        for one, state in zip(objects, states, strict=True):
            one.__setstate__(state)
    else:
        for one, state in zip(objects, states, strict=True):
            one.__dict__.update(state)
    return objects


def _drawn(value: Constant | Drawn, count: int, made: Callable[[int], Any]) -> Iterable[Any]:
    if isinstance(value, Constant):
        return repeat(value.value, count)
    drawn: Any = made(value.number)
    if value.source == "runs":
        ends = [0, *accumulate(made(value.lengths))]
        return [drawn[start:end] for start, end in pairwise(ends)]
    return map(made, drawn) if value.source == "arrays" else drawn
