# SPDX-License-Identifier: BSD-3-Clause
"""SciPy's sparse matrices: index arrays that stay inside the shape.

Floor 5.  Of SciPy's own checks, its constructors make the cheap ones only, and loading makes none;
`check_format` repairs what it finds in place.  These look at every index and change nothing.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from safeserial.validators.asking import Array, array, ensure, inside, refuse, shaped

_MAX_DIMENSION = 2**63 - 1


def _shape(matrix: Any) -> tuple[int, ...]:
    shape = vars(matrix).get("_shape")
    if not isinstance(shape, tuple) or not shape:
        refuse(matrix, "has no shape")
    if not all(
        isinstance(size, int | np.integer) and 0 <= size <= _MAX_DIMENSION for size in shape
    ):
        refuse(matrix, "has a shape that is not of whole numbers")  # not shown: it may be anything
    return cast("tuple[int, ...]", shape)


def format_of(matrix: Any) -> str:
    """Return the format of a sparse matrix's class, ``""`` of anything else.

    An instance may say something else of itself, and most of SciPy would believe it.
    """
    kind = type(matrix)
    if not kind.__module__.startswith("scipy.sparse."):
        return ""
    form = str(getattr(kind, "_format", "") or kind.format)
    for name in ("_format", "format"):
        ensure(matrix, vars(matrix).get(name, form) == form, f"is no {form} by its {name}")
    return form


def check_compressed(matrix: Any) -> None:
    """Check a CSR, CSC or BSR matrix."""
    shape, state = _shape(matrix), vars(matrix)
    starts = array(matrix, state.get("indptr"), "indptr", kinds="iu", ndim=1)
    indices = array(matrix, state.get("indices"), "indices", kinds="iu", ndim=1)
    form = format_of(matrix)
    blocks = form == "bsr"
    data = array(matrix, state.get("data"), "data", kinds="biufc", ndim=3 if blocks else 1)
    ensure(matrix, starts.dtype == indices.dtype, "its index arrays are of two dtypes")
    rows, columns = (1, shape[0]) if len(shape) == 1 else (shape[0], shape[1])
    if blocks:
        height, width = data.shape[1:]
        ensure(matrix, height > 0 and width > 0, f"has blocks of {height} by {width}")
        ensure(matrix, rows % height == 0 and columns % width == 0, "is not made of whole blocks")
        rows, columns = rows // height, columns // width
    elif form == "csc":
        rows, columns = columns, rows
    ensure(matrix, len(starts) == rows + 1, f"indptr has {len(starts)} entries for {rows} rows")
    ensure(matrix, starts[0] == 0, "indptr does not begin with 0")
    ensure(matrix, starts[-1] <= min(len(indices), len(data)), "indptr points past the data")
    ensure(matrix, (starts[1:] >= starts[:-1]).all(), "indptr decreases")
    inside(matrix, indices, 0, columns, "indices")


def check_coo(matrix: Any) -> None:
    """Check a COO matrix."""
    format_of(matrix)
    shape, state = _shape(matrix), vars(matrix)
    coords = state["coords"] if "coords" in state else (state.get("row"), state.get("col"))
    ensure(matrix, isinstance(coords, tuple) and len(coords) == len(shape), "coords do not fit")
    data = array(matrix, state.get("data"), "data", kinds="biufc", ndim=1)
    for index, size in zip(coords, shape, strict=True):
        one = array(matrix, index, "coords", kinds="iu", ndim=1)
        shaped(matrix, one, data.shape, "coords")
        inside(matrix, one, 0, size, "coords")


def check_dia(matrix: Any) -> None:
    """Check a DIA matrix; its loops cut diagonals at the edges, if each has an offset.

    They add the number of rows to an offset first, in 32 bits where offsets and shape fit in these.
    """
    format_of(matrix)
    shape = _shape(matrix)
    state = vars(matrix)
    data = array(matrix, state.get("data"), "data", kinds="biufc", ndim=2)
    offsets = array(matrix, state.get("offsets"), "offsets", kinds="i", ndim=1)
    shaped(matrix, offsets, (len(data),), "offsets")
    ensure(matrix, len(np.unique(offsets)) == len(offsets), "a diagonal is there twice")
    edge = max(*shape, data.shape[1])
    short = offsets.dtype.itemsize < 8 or edge < 2**31  # noqa: PLR2004 - bytes of a 64-bit number
    room = (2**31 if short else 2**63) - 1 - edge
    inside(matrix, offsets.astype(np.int64), -room, room + 1, "offsets")


def check_dok(matrix: Any) -> None:
    """Check a DOK matrix."""
    format_of(matrix)
    shape = _shape(matrix)
    entries = vars(matrix).get("_dict", matrix)
    ensure(matrix, isinstance(entries, dict), "has no entries")
    keys = list(dict.keys(entries))
    if not keys:
        return
    table = np.array([key if isinstance(key, tuple) else (key,) for key in keys])
    table = array(matrix, table, "its keys", kinds="iu", ndim=2)
    shaped(matrix, table, (None, len(shape)), "its keys")
    for column, size in zip(table.T, shape, strict=True):
        inside(matrix, column, 0, size, "its keys")


def check_lil(matrix: Any) -> None:
    """Check a LIL matrix."""
    format_of(matrix)
    shape, state = _shape(matrix), vars(matrix)
    rows = array(matrix, state.get("rows"), "rows", kinds="O", ndim=1)
    data = array(matrix, state.get("data"), "data", kinds="O", ndim=1)
    shaped(matrix, rows, shape[:1], "rows")
    shaped(matrix, data, shape[:1], "data")
    for columns, values in zip(rows.tolist(), data.tolist(), strict=True):
        _check_row(matrix, columns, values, shape[1])


def _check_row(matrix: Any, columns: Any, values: Any, width: int) -> None:
    ensure(matrix, isinstance(columns, list) and isinstance(values, list), "a row is no list")
    ensure(matrix, len(columns) == len(values), "a row has more columns than values")
    if columns:
        row: Array = array(matrix, np.array(columns), "a row", kinds="iu", ndim=1)
        inside(matrix, row, 0, width, "a row")
        ensure(matrix, (row[1:] > row[:-1]).all(), "a row is out of order")
