# SPDX-License-Identifier: BSD-3-Clause
"""Objects that are wrong inside, handed to others that use them while the stream is still read.

Each of these ended the process, took gigabytes or never came to an end, before the validators could
look.  Run as a program with a number: opens the cases from that one on, in bounded memory and time.
"""

from __future__ import annotations

import resource
import signal
import sys
import warnings
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse

from tests.attacks.forge import Call, Name, New, dumps

INDEX = Name("pandas", "Index")
NEW_INDEX = Name("pandas.core.indexes.base", "_new_Index")
BACKED = Name("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked")
BLOCKS = Name("pandas._libs.sparse", "BlockIndex")
FLOAT, OBJECT = np.dtype("f8"), np.dtype("O")
MEMORY, SECONDS = 4 * 2**30, 10


def index(data: Any, **more: Any) -> Call:
    return Call(NEW_INDEX, INDEX, {"data": data, **more})


def backed(kind: str, state: Any) -> Call:
    module = "pandas" if kind == "Categorical" else "pandas.arrays"
    checksum = pd.Categorical(["a"]).__reduce__()[1][1]  # type: ignore[index]
    return Call(BACKED, Name(module, kind), checksum, None, states=(state,))


def numbers(*values: int) -> Any:
    return np.array(values, "i4")


TEXTS = np.array(["a", "b"], object)
OUTSIDE = np.array([2**40, 1])


def categorical() -> Call:
    dtype = New(Name("pandas", "CategoricalDtype"), {"categories": index(TEXTS), "ordered": False})
    return backed("Categorical", {"_ndarray": OUTSIDE, "_dtype": dtype})


def many(length: int = 10**9) -> Call:
    bounds = {"start": 0, "stop": length, "step": 1, "name": None}
    return Call(NEW_INDEX, Name("pandas", "RangeIndex"), bounds)


def levels() -> Call:
    parts = {"levels": [many(100_000)], "codes": [np.array([2**30, 1])], "names": [None]}
    return Call(NEW_INDEX, Name("pandas", "MultiIndex"), parts)


def sparse(places: Call, values: Any) -> New:
    dtype = New(Name("pandas", "SparseDtype"), {"_dtype": FLOAT, "_fill_value": 0.0})
    state = {"_sparse_index": places, "_sparse_values": values, "_dtype": dtype}
    return New(Name("pandas.arrays", "SparseArray"), state)


def of_categories(categories: Any) -> Call:
    state = {"_codes": np.zeros(2, "i1"), "_categories": categories, "_ordered": False}
    return backed("Categorical", state)


def polynomial(x: Any) -> New:
    return New(Name("scipy.interpolate._interpolate", "PPoly"), ({"c": np.zeros((2, 2))}, {"x": x}))


def sliced() -> New:
    matrix = vars(scipy.sparse.csc_array(np.eye(3))).copy()
    matrix["indptr"] = numbers(0, 2**30, 2**30 + 50, 2)
    return New(Name("scipy.sparse._csc", "csc_array"), matrix)


def grid() -> New:
    wide = {f"p{one}": list(range(10)) for one in range(9)}
    return New(Name("sklearn.model_selection._search", "ParameterGrid"), {"param_grid": [wide]})


def frame(axis: Any, values: Any, places: Any) -> New:
    form = {"axes": [axis, axis], "blocks": [{"values": values, "mgr_locs": places}]}
    state = ([axis, axis], [values], [axis], {"0.14.1": form})
    return New(Name("pandas.core.internals.managers", "BlockManager"), state)


def nested(make: Callable[[Any], Any]) -> Any:
    value: Any = None
    for _ in range(600):
        value = make(value)
    return value


CASES: dict[str, Callable[[], Any]] = {
    "places that go back": lambda: index(
        sparse(Call(BLOCKS, 2**24, numbers(0, 8000000), numbers(7000000, -6999990)), np.ones(10)),
        dtype=FLOAT,
    ),
    "codes outside, made an index": lambda: index(categorical(), dtype=OBJECT),
    "codes outside, made a polynomial": lambda: polynomial(categorical()),
    "codes outside, made places": lambda: Call(BLOCKS, 10, categorical(), categorical()),
    "levels outside, made an index": lambda: index(levels(), dtype=OBJECT, tupleize_cols=False),
    "levels outside, made a polynomial": lambda: polynomial(levels()),
    "no array, copied": lambda: index(
        backed("DatetimeArray", {"_ndarray": None, "_dtype": np.dtype("M8[ns]"), "_freq": None}),
        copy=True,
    ),
    "categories of a sparse matrix": lambda: of_categories(sliced()),
    "categories without end": lambda: of_categories(grid()),
    "a long range, made numbers": lambda: index(many(), dtype=FLOAT),
    "a long range, made a polynomial": lambda: polynomial(many()),
    "a range of Python's, made a polynomial": lambda: polynomial(range(2**31)),
    "a grid, made a polynomial": lambda: polynomial(grid()),
    "a grid, made the axis of a frame": lambda: frame(grid(), np.zeros((1, 1)), slice(0, 1)),
    "a grid, made the blocks of a frame": lambda: New(
        Name("pandas.core.internals.managers", "BlockManager"),
        ([], [], [], {"0.14.1": {"axes": [index(TEXTS)] * 2, "blocks": grid()}}),
    ),
    "a block far outside of its frame": lambda: frame(
        index(TEXTS), np.zeros((1, 2)), np.array([2**40])
    ),
    "a block much longer than its frame": lambda: frame(
        index(TEXTS), np.zeros((1, 2)), slice(0, 10**9, 1)
    ),
    "a block at a place of no dimensions": lambda: Call(
        Name("pandas.core.internals.managers", "BlockManager"),
        (
            Call(
                Name("pandas._libs.internals", "_unpickle_block"),
                np.zeros((1, 2)),
                True,
                2,
            ),
        ),
        [index(TEXTS), index(TEXTS)],
    ),
    "a grid, made the places of a block": lambda: frame(index(TEXTS), np.zeros((1, 2)), grid()),
    "a grid, made the places of another": lambda: Call(
        Name("pandas._libs.internals", "_unpickle_block"), np.zeros((1, 2)), grid(), 2
    ),
    "a grid, made sparse places": lambda: Call(BLOCKS, 10, grid(), grid()),
    "few values in many places": lambda: index(
        sparse(Call(BLOCKS, 2**31 - 1, numbers(0), numbers(1)), np.ones(1)), dtype=FLOAT
    ),
    "many points of no coordinates": lambda: New(
        Name("scipy.spatial._ckdtree", "cKDTree"),
        (b"", np.zeros((2**24, 0)), 1, 1, 16, None, None, None, None, None),
    ),
    "dates of no unit": lambda: backed("DatetimeArray", (np.dtype("M8[ns]"), np.zeros(3, "i8"))),
    "a long frequency": lambda: Call(Name("pandas", "PeriodDtype"), "1" * 90000),
    "a cache that is no dict": lambda: New(
        Name("pandas.arrays", "IntegerArray"),
        {"_data": np.zeros(2), "_mask": np.zeros(2, bool), "_cache": "dtype"},
    ),
    "deques in deques": lambda: nested(lambda inner: deque([inner])),
    "defaultdicts in defaultdicts": lambda: nested(lambda inner: defaultdict(None, {1: inner})),
}


def main() -> None:
    """Open the cases from a number on, and say of each which error came of it."""
    from safeserial import errors, load_unsigned

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.setrecursionlimit(20_000)
    warnings.simplefilter("ignore")
    path = Path("consumed.pkl")
    for number, (what, make) in enumerate(CASES.items()):
        if number < int(sys.argv[1]):
            continue
        print(f"{number} {what}: ", end="", flush=True)
        path.write_bytes(dumps(make()))
        signal.alarm(SECONDS)
        try:
            load_unsigned(path)
        except errors.SafeSerialError as error:
            print(type(error).__name__, ascii(error)[:200], flush=True)
        else:
            print("loaded", flush=True)


if __name__ == "__main__":
    main()
