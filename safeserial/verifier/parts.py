# SPDX-License-Identifier: BSD-3-Clause
"""Abstract values of what lies beside a pickle stream: arrays and columns of the payload's index.

Floor 4.  Their lengths have been checked against the index; a stream may refer to them and add
nothing to them.
"""

from __future__ import annotations

from safeserial.dtypes import item_size
from safeserial.payload import COLUMN_KINDS, Column, Parts
from safeserial.strictjson import Json
from safeserial.verifier.admitted import DType
from safeserial.verifier.values import ArrayValue, DictValue, DTypeValue, ListValue, Value


def part_values(parts: Parts) -> tuple[Value, ...]:
    """Return what each persistent id stands for.

    Parameters
    ----------
    parts : Parts
        Of the payload.

    Returns
    -------
    tuple of Value
        Arrays that are built already, and sealed containers.
    """
    dtypes = [_dtype(text) for text in parts.dtypes]
    # Nothing can be done to a built array: those of one dtype and shape are one value.
    shared: dict[tuple[int, tuple[int, ...]], Value] = {}
    values: list[Value] = []
    for part in parts.objects:
        if isinstance(part, Column):
            values.append(_column(part))
            continue
        alike = part.dtype, part.shape
        value = shared.get(alike)
        if value is None:
            array = ArrayValue()
            array.built, array.dtype, array.shape = True, dtypes[part.dtype], part.shape
            value = shared[alike] = array
        values.append(value)
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
