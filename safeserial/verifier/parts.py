# SPDX-License-Identifier: BSD-3-Clause
"""Abstract values of what lies beside a pickle stream: arrays and columns of the payload's index.

Floor 4.  Their lengths have been checked against the index; a stream may refer to them and add
nothing to them.
"""

from __future__ import annotations

from collections.abc import Mapping

from safeserial.dtypes import item_size
from safeserial.payload import COLUMN_KINDS, ArrayPart, Column, Parts, Rows
from safeserial.strictjson import Json
from safeserial.verifier.admitted import DType
from safeserial.verifier.context import Context
from safeserial.verifier.machine import Step
from safeserial.verifier.rows import rows_value
from safeserial.verifier.values import (
    UNKNOWN,
    ArrayValue,
    DictValue,
    DTypeValue,
    ListValue,
    Value,
)


def part_values(parts: Parts, context: Context, steps: Mapping[int, Step]) -> tuple[Value, ...]:
    """Return what each persistent id stands for.

    Parameters
    ----------
    parts : Parts
        Of the payload.
    context : Context
        Its accounts.
    steps : mapping of int to Step
        What the opcodes do.

    Returns
    -------
    tuple of Value
        Arrays that are built already, and sealed containers.

    Raises
    ------
    CorruptArtifactError, ForbiddenOperationError, LimitExceededError
        As :func:`rows_value`.
    """
    dtypes = [_dtype(text) for text in parts.dtypes]
    # Nothing can be done to a built array: those of one dtype and shape are one value.
    alike = [part[:2] if isinstance(part, ArrayPart) else None for part in parts.objects]
    shared: dict[tuple[int, tuple[int, ...]] | None, Value] = {}
    for one in set(alike) - {None}:
        array = shared[one] = ArrayValue()
        array.built, array.dtype, array.shape = True, dtypes[one[0]], one[1]  # type: ignore[index]
    values = [
        _column(part) if isinstance(part, Column) else shared.get(one, UNKNOWN)
        for part, one in zip(parts.objects, alike, strict=True)
    ]
    for number, part in enumerate(parts.objects):
        if isinstance(part, Rows):
            values[number] = rows_value(part, parts.objects, values[:number], context, steps)
    return tuple(values)


def _dtype(text: Json) -> DTypeValue:
    if isinstance(text, dict):
        value = DTypeValue(f"V{item_size(text)}")
        value.known = DType(value.code, "|", item_size(text))
        return value
    plain = str(text)
    value = DTypeValue(plain[1:].partition("[")[0])
    value.known = DType(value.code, plain[0], item_size(text))
    return value


def _column(column: Column) -> Value:
    made: DictValue | ListValue
    if len(COLUMN_KINDS[column.kind]) == 1:
        made = ListValue(column.count)
        made.easy = COLUMN_KINDS[column.kind] != "d"
    else:
        made = DictValue(column.count)
    made.sealed = True
    return made
