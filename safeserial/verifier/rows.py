# SPDX-License-Identifier: BSD-3-Clause
"""Rows: like objects beside the stream, judged by running one of them through the machine.

Floor 4.  All objects of some rows have one class and one set of attributes; they differ only in
plain values and arrays that are attributes.  Of an ordinary class no rule looks at these, so what
holds for the first row holds for all.  The opcodes that a pickler would have written for that row
are made here and verified like any others, by the same machine under the same policy.
"""

from __future__ import annotations

import array
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from safeserial.errors import CorruptArtifactError, ForbiddenOperationError
from safeserial.payload import ArrayPart, Column, Rows
from safeserial.policy import Policy
from safeserial.rows import Constant, Drawn, Form
from safeserial.rows import Value as Written
from safeserial.verifier.context import Context
from safeserial.verifier.machine import Machine, Step
from safeserial.verifier.opcodes import CODES
from safeserial.verifier.values import ArrayValue, Instance, Kind, ListValue, Unknown, Value

_OP: Final = {name: bytes([code]) for name, code in CODES.items()}
# Rules of classes for which the values of a state make no difference.
_ORDINARY: Final = frozenset({"", "tree"})
_ROW_BYTES: Final = 200
_ATTRIBUTE_BYTES: Final = 48
_VIEW_BYTES: Final = 96  # of a NumPy array without its data, dimensions and strides
_DIMENSION_BYTES: Final = 16
_SHORT: Final = 255
_LIST_OF: Final = {b"list-s\0\0": "s", b"list-q\0\0": "q", b"list-d\0\0": "d"}
# What stands for the first row's value: no rule of an ordinary class asks which one it is.
_SAMPLE: Final = {"s": _OP["SHORT_BINUNICODE"] + b"\0", "q": _OP["BININT1"] + b"\0"}
_SAMPLES: Final = {**_SAMPLE, "d": _OP["BINFLOAT"] + bytes(8)}


def rows_value(
    rows: Rows,
    objects: Sequence[Column | Rows | ArrayPart],
    values: Sequence[Value],
    context: Context,
    steps: Mapping[int, Step],
) -> Value:
    """Return what the persistent id of rows stands for.

    Parameters
    ----------
    rows : Rows
        Of the payload's index.
    objects : sequence
        All objects of the index.
    values : sequence of Value
        What those before stand for.
    context : Context
        Accounts of the payload.
    steps : mapping of int to Step
        What the opcodes do.

    Returns
    -------
    Value
        A sealed list.

    Raises
    ------
    CorruptArtifactError
        If the columns do not fit the rows.
    ForbiddenOperationError
        If the policy does not permit such an object, or its class is none for rows.
    LimitExceededError
        If there are more than the policy allows.
    """
    forms, attributes = _size(rows.form)
    context.allocate((_ROW_BYTES * forms + _ATTRIBUTE_BYTES * attributes) * rows.count)
    context.count_opcodes(attributes * rows.count)
    exemplar = _Exemplar(objects, values, rows.count, context)
    stream = exemplar.stream(rows.form)
    machine = Machine(stream, context, steps, objects=tuple(exemplar.values), depth=1)
    _, made = machine.run()
    for one in machine.globals:
        if one.kind is not None and not _is_ordinary(one.kind):
            raise ForbiddenOperationError(
                f"objects of {one.dotted} are not written as rows",
                global_name=one.dotted,
                hint="save the model again with this version of safeserial",
            )
    if not isinstance(made, Instance | Unknown):
        raise CorruptArtifactError("rows are objects of a class")
    listed = ListValue(rows.count // (rows.inner or 1))
    listed.easy, listed.sealed = False, True
    return listed


def fits_rows(module: str, qualname: str) -> bool:
    """Say whether objects of a class may be written as rows: it is listed, and ordinary."""
    name = module, qualname
    grant = Policy.default().allowlist.find(name)
    return grant is not None and _is_ordinary(Kind(name, grant))


def _is_ordinary(kind: Kind) -> bool:
    return kind.rule in _ORDINARY and (not kind.guarded or bool(kind.arrays))


def _size(form: Form) -> tuple[int, int]:
    """Return how many objects and attributes a row has."""
    inner = [_size(one) for _, one in form.state if isinstance(one, Form)]
    return 1 + sum(one for one, _ in inner), len(form.state) + sum(more for _, more in inner)


class _Exemplar:
    """Writer of the opcodes of the first row."""

    def __init__(
        self,
        objects: Sequence[Column | Rows | ArrayPart],
        values: Sequence[Value],
        count: int,
        context: Context,
    ) -> None:
        self._objects = objects
        self._count = count
        self._context = context
        # What persistent ids of the exemplar stand for: first those of the payload.
        self.values = list(values)

    def stream(self, form: Form) -> bytes:
        return _OP["PROTO"] + b"\x05" + self._form(form) + _OP["STOP"]

    def _form(self, form: Form) -> bytes:
        named = _text(form.module) + _text(form.qualname) + _OP["STACK_GLOBAL"]
        if form.arguments is None:
            made = _OP["EMPTY_TUPLE"] + _OP["NEWOBJ"]
        else:
            given = b"".join([self._argument(one) for one in form.arguments])
            made = _OP["MARK"] + given + _OP["TUPLE"] + _OP["REDUCE"]
        pairs = [_text(key) + self._value(value) for key, value in form.state]
        state = _OP["EMPTY_DICT"] + _OP["MARK"] + b"".join(pairs) + _OP["SETITEMS"]
        return named + made + state + _OP["BUILD"]

    def _value(self, value: Written) -> bytes:
        if isinstance(value, Form):
            return self._form(value)
        return _constant(value.value) if isinstance(value, Constant) else self._drawn(value)

    def _argument(self, value: Constant | Drawn) -> bytes:
        # Rules look at arguments: they are constants, or arrays that are all of one kind.
        if isinstance(value, Constant):
            return _constant(value.value)
        if value.source == "slices":
            return self._slice(value)
        if value.source != "arrays":
            raise CorruptArtifactError("arguments of rows are constants and arrays")
        numbers = self._numbers(value)
        if len({self._objects[number][:2] for number in set(numbers)}) != 1:  # type: ignore[index]
            raise CorruptArtifactError("arrays that are arguments of rows are not alike")
        return self._reference(numbers[0])

    def _drawn(self, value: Drawn) -> bytes:
        drawn = self._objects[value.number]
        if value.source == "arrays":
            return self._reference(self._numbers(value)[0])
        if value.source == "slices":
            return self._slice(value)
        if value.source == "runs":
            return self._run(value)
        if value.source == "scalars":
            if not isinstance(drawn, ArrayPart) or drawn.shape != (self._count,):
                raise CorruptArtifactError("an array does not have an element for each row")
            return _SAMPLES["q"]
        return _SAMPLES[_LIST_OF[self._column(value.number).kind]]

    def _slice(self, value: Drawn) -> bytes:
        drawn, whole = self._objects[value.number], self.values[value.number]
        if not isinstance(drawn, ArrayPart) or not isinstance(whole, ArrayValue):
            raise CorruptArtifactError("rows draw slices from what is no array")
        if len(drawn.shape) < 2 or drawn.shape[0] != self._count or drawn.order != "C":  # noqa: PLR2004
            raise CorruptArtifactError("an array does not have a slice for each row")
        return self._array(whole, drawn.shape[1:])

    def _run(self, value: Drawn) -> bytes:
        drawn, whole = self._objects[value.number], self.values[value.number]
        if not isinstance(drawn, ArrayPart) or not isinstance(whole, ArrayValue):
            raise CorruptArtifactError("rows draw runs from what is no array")
        lengths = self._integers(value.lengths)
        fits = drawn.shape and drawn.order == "C" and min(lengths) >= 0
        if not fits or sum(lengths) != drawn.shape[0]:
            raise CorruptArtifactError("the runs of rows are not those of their array")
        return self._array(whole, (lengths[0], *drawn.shape[1:]))

    def _array(self, whole: ArrayValue, shape: tuple[int, ...]) -> bytes:
        """Refer to an array that is part of another; each row gets one of its own."""
        self._context.allocate((_VIEW_BYTES + _DIMENSION_BYTES * len(shape)) * self._count)
        one = ArrayValue()
        one.built, one.dtype, one.shape = True, whole.dtype, shape
        self.values.append(one)
        return self._reference(len(self.values) - 1)

    def _column(self, number: int) -> Column:
        drawn = self._objects[number]
        if (
            not isinstance(drawn, Column)
            or drawn.kind not in _LIST_OF
            or drawn.count != self._count
        ):
            raise CorruptArtifactError("a column does not have a value for each row")
        return drawn

    def _numbers(self, value: Drawn) -> array.array[int]:
        numbers = self._integers(value.number)
        objects = self._objects
        if min(numbers) < 0 or max(numbers) >= value.number:
            raise CorruptArtifactError("rows draw from arrays that stand before them")
        if not all(isinstance(objects[number], ArrayPart) for number in set(numbers)):
            raise CorruptArtifactError("rows draw from what is no array")
        return numbers

    def _integers(self, number: int) -> array.array[int]:
        column = self._column(number)
        if _LIST_OF[column.kind] != "q":
            raise CorruptArtifactError("numbers and lengths of rows are integers")
        integers = array.array("q")
        integers.frombytes(column.parts[0])
        if sys.byteorder == "big":
            integers.byteswap()
        return integers

    def _reference(self, number: int) -> bytes:
        return _constant(number) + _OP["BINPERSID"]


def _text(text: str) -> bytes:
    raw = text.encode()
    if len(raw) <= _SHORT:
        return _OP["SHORT_BINUNICODE"] + bytes([len(raw)]) + raw
    return _OP["BINUNICODE"] + struct.pack("<I", len(raw)) + raw


def _constant(value: bool | int | str | None) -> bytes:  # noqa: FBT001 - True is a constant too
    if value is None:
        return _OP["NONE"]
    if isinstance(value, bool):
        return _OP["NEWTRUE"] if value else _OP["NEWFALSE"]
    if isinstance(value, str):
        return _text(value)
    if 0 <= value <= _SHORT:
        return _OP["BININT1"] + bytes([value])
    if -(2**31) <= value < 2**31:
        return _OP["BININT"] + struct.pack("<i", value)
    raw = value.to_bytes(9, "little", signed=True)
    return _OP["LONG1"] + bytes([len(raw)]) + raw
