# SPDX-License-Identifier: BSD-3-Clause
"""Attacks on what says how much there is to make: degrees, columns, blocks of places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas._libs.sparse import BlockIndex
from sklearn.kernel_approximation import PolynomialCountSketch
from sklearn.preprocessing import PolynomialFeatures

from tests.validators.altering import Attacks, put
from tests.validators.honest import X

ATTACKS = Attacks()
attack = ATTACKS.add


def powers() -> Any:
    return PolynomialFeatures().fit(X)


def sketch() -> Any:
    return PolynomialCountSketch(degree=3, n_components=6, coef0=1).fit(X)


for name, values in {
    "degree": {"_max_degree": 174},
    "degree, of one feature": {"_max_degree": 10**9, "n_features_in_": 1},
    "degree beyond all numbers": {"_max_degree": 10**40},
    "degree negative": {"_max_degree": -1},
    "degree a float": {"_max_degree": 2.0},
    "degrees swapped": {"_min_degree": 3},
    "degree, of each feature once": {"_max_degree": 10**12, "interaction_only": True},
    "features": {"n_features_in_": 2**61},
    "each feature once": {"interaction_only": True},
    "no bias": {"include_bias": False},
    "columns": {"n_output_features_": 22},
    "columns in thousands of digits": {"n_output_features_": 10**5000},
    "columns missing": {"n_output_features_": None},
    "columns in between": {"_n_out_full": 2**40},
}.items():
    attack(f"powers: {name}", powers, lambda m, v=values: put(m, **v))

for name, values in {
    "degree": {"degree": 10**9},
    "columns": {"n_components": 10**9},
    "fewer columns": {"n_components": 2, "_n_features_out": 2},
    "no columns": {"n_components": 0, "_n_features_out": 0},
}.items():
    attack(f"sketch: {name}", sketch, lambda m, v=values: put(m, **v))
attack("sketch: signs cut", sketch, lambda m: put(m, bitHash_=m.bitHash_[:1]))
attack("sketch: column", sketch, lambda m: m.indexHash_.__setitem__((0, 0), 6))


def stored() -> Any:
    return pd.arrays.SparseArray([0, 1, 1, 0, 2], kind="block", fill_value=0)


def blocks(length: int, starts: list[int], lengths: list[int]) -> Any:
    return BlockIndex(length, np.array(starts, "i4"), np.array(lengths, "i4"))


# All of these pass the check that pandas makes in 32 bits.
for case in (
    (10, [5, 7], [2**31 - 3, 1]),
    (10, [5], [2**31 - 3]),
    (10, [-5], [3]),
    (10, [5], [-3]),
    (-5, [], []),
):
    attack(f"blocks: {case}", stored, lambda m, c=case: [blocks(*c)])
attack("blocks: of an array", stored, lambda m: put(m, _sparse_index=blocks(10, [-5], [3])))
attack("blocks: something else", stored, lambda m: put(m, _sparse_index=_Counted()))


class _Counted:
    npoints = 3
