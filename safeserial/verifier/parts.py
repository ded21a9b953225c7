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
    alike = [None if isinstance(part, Column) else part[:2] for part in parts.objects]
    shared: dict[tuple[int, tuple[int, ...]] | None, Value] = {}
    for one in set(alike) - {None}:
        array = shared[one] = ArrayValue()
        array.built, array.dtype, array.shape = True, dtypes[one[0]], one[1]  # type: ignore[index]
    return tuple(
        [
            _column(part) if isinstance(part, Column) else shared[one]
            for part, one in zip(parts.objects, alike, strict=True)
        ]
    )


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
