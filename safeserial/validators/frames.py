# SPDX-License-Identifier: BSD-3-Clause
"""pandas: blocks that cover the columns once, codes that name categories, masks that fit.

Floor 5.  pandas writes the place of each block into arrays as long as the axis, and takes
categories by their codes, both in compiled code without bounds checks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from safeserial.errors import InvalidStateError
from safeserial.validators.asking import array, ensure, inside, is_a, name_of, shaped


def check_manager(manager: Any) -> Iterable[Any]:
    """Check the blocks of a data frame or series; return its axes and the values of the blocks."""
    axes, blocks = list(manager.axes), list(manager.blocks)
    items = len(axes[0])
    rows = len(axes[-1])
    # Before the places are made an array: a slice may say that they are any number.
    ensure(manager, all(len(one.mgr_locs) <= items for one in blocks), "a block has more columns")
    places = [np.asarray(block.mgr_locs.as_array) for block in blocks]
    one_dimension = len(axes) == 1
    for block, place in zip(blocks, places, strict=True):
        shape = tuple(block.values.shape)
        ensure(manager, shape[-1] == rows, f"a block has {shape[-1]} rows instead of {rows}")
        if len(shape) > 1:
            ensure(manager, shape[0] == len(place), "a block has more columns than places")
        inside(manager, place, 0, items, "a block's place")
    if one_dimension:
        ensure(manager, len(blocks) == 1, f"has {len(blocks)} blocks")
    else:
        taken = np.concatenate([*places, np.zeros(0, dtype=np.int64)]).astype(np.int64)
        once = np.bincount(taken, minlength=items)
        ensure(manager, len(taken) == items and (once == 1).all(), "its blocks do not fit its axis")
    return [*axes, *(block.values for block in blocks)]


def check_categorical(values: Any) -> Iterable[Any]:
    """Check the codes of a categorical; return its categories."""
    codes = array(values, values._ndarray, "codes", kinds="i")  # noqa: SLF001 - `codes` is a view
    _has_dtype(values, values._dtype, "CategoricalDtype")  # noqa: SLF001 - as above
    categories = values.categories
    bases = {
        (base.__module__.partition(".")[0], base.__name__) for base in type(categories).__mro__
    }
    ensure(values, ("pandas", "Index") in bases, "its categories are no index")
    inside(values, codes, -1, len(categories), "codes")
    return (categories,)


def check_dates(values: Any) -> Iterable[Any]:
    """Check that an array of dates, spans or periods holds 64-bit numbers of its kind.

    pandas takes the unit out of a dtype without asking whether it has one.
    """
    numbers = values._ndarray  # noqa: SLF001 - what compiled code reads
    kinds = _DATES.get(type(values).__name__, "M")
    array(values, numbers, "its numbers", kinds=kinds)
    ensure(values, numbers.dtype.itemsize == 8, "its numbers are short")  # noqa: PLR2004
    dtype = values._dtype  # noqa: SLF001 - what an index of it is searched by
    if kinds == "i":
        _has_dtype(values, dtype, "PeriodDtype")
    elif not isinstance(dtype, np.dtype):
        ensure(values, kinds == "M", "spans have no time zone")
        _has_dtype(values, dtype, "DatetimeTZDtype")
        ensure(values, f"<M8[{dtype.unit}]" == numbers.dtype.str, "its dtype is of another unit")
    else:
        ensure(values, dtype == numbers.dtype, f"its dtype is {dtype}")
    return ()


def _has_dtype(values: Any, dtype: Any, name: str) -> None:
    bases = {(base.__module__.partition(".")[0], base.__qualname__) for base in type(dtype).__mro__}
    ensure(values, ("pandas", name) in bases, f"its dtype is a {name_of(dtype)}")


def check_wrapped(values: Any) -> Iterable[Any]:
    """Check an array of strings or a plain one; return the NumPy array inside."""
    texts = type(values).__name__ == "StringArray"
    dtype = values._dtype  # noqa: SLF001 - what pandas chooses its methods by
    if texts:
        _has_dtype(values, dtype, "StringDtype")
    elif not isinstance(dtype, np.dtype):
        _has_dtype(values, dtype, "NumpyEADtype")
    return (array(values, values._ndarray, "its values", kinds="biufcOSUMmV"),)  # noqa: SLF001


def check_arrow_strings(values: Any) -> Iterable[Any]:
    """Let Arrow check the offsets and characters of an array of strings; it holds nothing else."""
    column = vars(values).get("_pa_array")
    ensure(values, is_a(column, "pyarrow.lib", "ChunkedArray"), "has no column of Arrow's")
    try:
        column.validate(full=True)
    except (ValueError, OverflowError) as error:  # pyarrow.ArrowInvalid is a ValueError
        raise InvalidStateError(f"Arrow does not accept its strings: {error}"[:300]) from None
    return ()


def check_masked(values: Any) -> None:
    """Check that the mask of a nullable array is as long as its data."""
    state = vars(values)
    data = array(values, state.get("_data"), "_data", kinds="biuf")
    mask = array(values, state.get("_mask"), "_mask", kinds="b")
    shaped(values, mask, data.shape, "_mask")


def check_sparse_array(values: Any) -> None:
    """Check that a sparse array has a value for each place."""
    state = vars(values)
    stored = array(values, state.get("_sparse_values"), "_sparse_values", kinds="biufcOMm", ndim=1)
    index = state.get("_sparse_index")
    ensure(values, is_a(index, "pandas._libs.sparse", "SparseIndex"), "has no index of places")
    count = index.npoints
    ensure(values, count == len(stored), f"has {len(stored)} values for {count} places")


def check_sparse_blocks(index: Any) -> None:
    """Check that blocks of places follow each other inside the length.

    pandas checks that too when one is built, but in 32 bits, where a block that is long enough ends
    before it begins; and it takes negative beginnings and lengths.
    """
    starts = array(index, index.blocs, "blocs", kinds="i", ndim=1).astype(np.int64)
    lengths = array(index, index.blengths, "blengths", kinds="i", ndim=1).astype(np.int64)
    shaped(index, lengths, starts.shape, "blengths")
    inside(index, lengths, 1, 2**31, "blengths")
    ends = np.append(starts[1:], index.length)  # where each block must have ended
    ensure(index, index.length >= 0 and starts[:1].sum() >= 0, "begins before its first place")
    ensure(index, (starts + lengths <= ends[: len(starts)]).all(), "its blocks leave their places")
    ensure(index, index.nblocks == len(starts), "has other blocks")
    ensure(index, index.npoints == lengths.sum(), "npoints is not the sum of blengths")


def check_sparse_places(index: Any) -> None:
    """Check that places are inside the length, in order."""
    places = array(index, index.indices, "indices", kinds="i", ndim=1)
    ensure(index, index.length >= 0 and index.npoints == len(places), "has other places")
    inside(index, places, 0, index.length, "indices")
    ensure(index, (places[1:] > places[:-1]).all(), "its places are out of order")


def check_interval_array(values: Any) -> None:
    """Check that intervals have as many ends as beginnings."""
    state = vars(values)
    ensure(values, len(state["_left"]) == len(state["_right"]), "its sides differ in length")


def check_multi_index(index: Any) -> None:
    """Check that the codes of a MultiIndex name entries of its levels."""
    state = vars(index)
    levels, codes = state["_levels"], state["_codes"]
    ensure(index, len(levels) == len(codes), "has other levels than codes")
    lengths = set()
    for level, one in zip(levels, codes, strict=True):
        numbers = array(index, one, "codes", kinds="i", ndim=1)
        inside(index, numbers, -1, len(level), "codes")
        lengths.add(len(numbers))
    ensure(index, len(lengths) <= 1, "its codes differ in length")


# The kind of number that an array keeps, by the name of its class.
_DATES: Final = {"DatetimeArray": "M", "TimedeltaArray": "m", "PeriodArray": "i"}

# Methods of a DataFrame, and functions of NumPy, that make one number of many: what an aggregation
# is for.  `DataFrame.agg` calls whatever method has the name that it is given.
_AGGREGATIONS: Final = frozenset(
    "all any amax amin average argmax argmin count cumprod cumsum first idxmax idxmin kurt kurtosis"
    " last mad max mean median min mode nanargmax nanargmin nanmax nanmean nanmedian nanmin nanprod"
    " nanstd nansum nanvar nunique prod product ptp quantile sem size skew std sum var".split()
)


def check_aggregation(model: Any) -> None:
    """Check that what a MathFeatures has pandas call is a function or the name of a reduction."""
    func = vars(model).get("func")
    for one in func if isinstance(func, list | tuple) else [func]:
        known = one in _AGGREGATIONS if isinstance(one, str) else callable(one) or one is None
        ensure(model, known, f"func is {str(one)[:80]!r}, which sums nothing up")
