# SPDX-License-Identifier: BSD-3-Clause
"""libsvm models: arrays as long as the numbers of classes and support vectors say.

Floor 5.  scikit-learn hands libsvm bare pointers; how far it reads follows from the lengths of
``_n_support`` (classes) and ``support_`` (vectors) alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from safeserial.validators.asking import Array, array, columns_of, ensure, inside, shaped, whole
from safeserial.validators.sparse import check_compressed, format_of

_CLASSIFIERS = frozenset({"c_svc", "nu_svc"})


def check_libsvm(model: Any) -> None:
    """Check an SVC, NuSVC, SVR, NuSVR or OneClassSVM."""
    state = vars(model)
    if "support_" not in state:
        return
    is_sparse = state.get("_sparse")
    ensure(model, isinstance(is_sparse, bool | np.bool_), "_sparse is no boolean")
    support = array(model, state["support_"], "support_", kinds="i", ndim=1)
    counts = array(model, state.get("_n_support"), "_n_support", kinds="i", ndim=1)
    inside(model, counts, 0, 2**31, "_n_support")
    classes = len(counts)
    ensure(model, classes >= 2, f"_n_support has {classes} entries")  # noqa: PLR2004 - a pair
    pairs = 1
    if model._impl in _CLASSIFIERS:  # noqa: SLF001 - attribute of the class, not of the state
        pairs = classes * (classes - 1) // 2
        ensure(model, len(state.get("classes_", ())) == classes, "classes_ and _n_support differ")
        ensure(model, counts.sum() == len(support), "_n_support does not add up")
    else:
        # Two counts that prediction does not read; of no vectors the sparse solver counts one.
        fits = classes == 2 and (counts[0] == len(support) or not len(support))  # noqa: PLR2004
        ensure(model, fits, "_n_support is wrong")
    _check_intercepts(model, state, pairs)
    _check_vectors(model, state, support, sparse=bool(is_sparse))
    _check_coefficients(model, state, (classes - 1, len(support)), sparse=bool(is_sparse))


def _check_intercepts(model: Any, state: Mapping[str, Any], pairs: int) -> None:
    shaped(model, _doubles(model, state, "_intercept_", 1), (pairs,), "_intercept_")
    for name in ("_probA", "_probB"):
        found = _doubles(model, state, name, 1)
        ensure(model, len(found) in {0, pairs}, f"{name} has {len(found)} entries")
    # libsvm looks for the first and then reads both; regression has the first alone.
    if model._impl in _CLASSIFIERS:  # noqa: SLF001 - as above
        ensure(model, len(state["_probA"]) == len(state["_probB"]), "_probB is missing")
    # For sparse vectors it reads them if it is told so: by the second name before scikit-learn 1.9.
    for name in ("_effective_probability", "probability") if state["_sparse"] else ():
        told = state.get(name)
        wanted = not isinstance(told, str) and bool(told)
        ensure(model, not wanted or len(state["_probA"]), f"{name} without _probA")


def _doubles(model: Any, state: Mapping[str, Any], name: str, ndim: int) -> Array:
    found = array(model, state.get(name), name, kinds="f", ndim=ndim)
    ensure(model, found.dtype == np.float64, f"{name} is of dtype {found.dtype}")
    return found


def _check_vectors(model: Any, state: Mapping[str, Any], support: Array, *, sparse: bool) -> None:
    fitted = state.get("shape_fit_")
    ensure(model, isinstance(fitted, tuple) and fitted, "shape_fit_ is no shape")
    inside(model, support, 0, int(state["shape_fit_"][0]), "support_")
    kernel = state.get("kernel")
    if sparse:
        # It would read a place in the kernel's columns out of the vectors; fitting refuses both.
        named = isinstance(kernel, str) and kernel != "precomputed"
        ensure(model, named, "sparse vectors with a kernel of its own")
        vectors = state.get("support_vectors_")
        ensure(model, format_of(vectors) == "csr", "support_vectors_ is not CSR")
        check_compressed(vectors)
        _check_long_indices(model, vectors)
        ensure(model, columns_of(vectors)[0] == len(support), "support_vectors_ has other rows")
        return
    found = _doubles(model, state, "support_vectors_", 2)
    if kernel == "precomputed" or callable(kernel):
        return  # libsvm reads the kernel's columns at `support_`
    shaped(
        model, found, (len(support), whole(model, state, "n_features_in_", 1)), "support_vectors_"
    )


def _check_long_indices(model: Any, matrix: Any) -> None:
    ensure(model, matrix.indices.dtype == np.int32, "its sparse arrays have long indices")


def _check_coefficients(
    model: Any, state: Mapping[str, Any], shape: tuple[int, int], *, sparse: bool
) -> None:
    if not sparse:
        shaped(model, _doubles(model, state, "_dual_coef_", 2), shape, "_dual_coef_")
        return
    matrix = state.get("_dual_coef_")
    ensure(model, format_of(matrix) == "csr", "_dual_coef_ is not CSR")
    check_compressed(matrix)
    ensure(model, columns_of(matrix) == shape, f"_dual_coef_ has shape {columns_of(matrix)}")
    data = getattr(matrix, "data", None)
    # libsvm reads the stored values alone, as if none were left out.
    shaped(
        model, array(model, data, "_dual_coef_", kinds="f"), (shape[0] * shape[1],), "_dual_coef_"
    )
