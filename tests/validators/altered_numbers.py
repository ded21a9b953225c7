# SPDX-License-Identifier: BSD-3-Clause
"""Attacks on arrays that index arrays: sparse matrices, support vectors, splines, generators."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.interpolate import BSpline, CubicSpline, RegularGridInterpolator
from sklearn import cluster, preprocessing, svm
from sklearn.decomposition import NMF
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from tests.validators.altered_trees import classifier
from tests.validators.altering import FAR, Alter, Attacks, put, setting
from tests.validators.honest import REAL, SPARSE, THREE, X

ATTACKS = Attacks()
attack = ATTACKS.add

# -------------------------------------------------------------------------------- sparse matrices


def csr() -> Any:
    return sp.random(6, 8, 0.5, format="csr", random_state=0)


def form(name: str) -> Callable[[], Any]:
    return lambda: csr().asformat(name)


for name in ("csr", "csc", "bsr"):
    attack(f"{name}: index out of range", form(name), lambda m: put(m, indices=m.indices + FAR))
    attack(
        f"{name}: index one too many",
        form(name),
        lambda m: put(m, indices=setting(0, 8)(m.indices)),
    )
    attack(f"{name}: index negative", form(name), lambda m: put(m, indices=m.indices - FAR))
    attack(
        f"{name}: indptr decreases",
        form(name),
        lambda m: put(m, indptr=setting(1, m.indptr[2] + 1)(m.indptr)),
    )
    attack(
        f"{name}: indptr past the end",
        form(name),
        lambda m: put(m, indptr=setting(-1, FAR)(m.indptr)),
    )
    attack(
        f"{name}: indptr begins late", form(name), lambda m: put(m, indptr=setting(0, 1)(m.indptr))
    )
    attack(f"{name}: indptr short", form(name), lambda m: put(m, indptr=m.indptr[:2]))
    attack(f"{name}: data short", form(name), lambda m: put(m, data=m.data[:1]))
    attack(f"{name}: shape grows", form(name), lambda m: put(m, _shape=(FAR, FAR)))
    attack(f"{name}: shape negative", form(name), lambda m: put(m, _shape=(-1, -1)))
    attack(f"{name}: indices of floats", form(name), lambda m: put(m, indices=m.indices * 1.0))
    attack(f"{name}: data of objects", form(name), lambda m: put(m, data=m.data.astype(object)))
    attack(f"{name}: another format", form(name), lambda m: put(m, _format="coo"))
attack("bsr: empty blocks", form("bsr"), lambda m: put(m, data=np.zeros((len(m.data), 0, 1))))
attack("coo: out of range", form("coo"), lambda m: put(m, coords=(m.coords[0], m.coords[1] + FAR)))
attack("coo: negative", form("coo"), lambda m: put(m, coords=(m.coords[0] - FAR, m.coords[1])))
attack("coo: short", form("coo"), lambda m: put(m, coords=(m.coords[0][:1], m.coords[1])))
attack("dia: offsets short", form("dia"), lambda m: put(m, offsets=m.offsets[:1]))
attack("dia: twice", form("dia"), lambda m: put(m, offsets=m.offsets * 0))


def diagonal() -> Any:
    return sp.dia_array((np.ones((1, 8)), np.array([0], "i4")), shape=(6, 8))


# The number of rows is added to these in 32 bits.
for offset in (2**31 - 1, 2**31 - 6, -(2**31)):
    attack(f"dia: offset {offset}", diagonal, lambda m, o=offset: put(m, offsets=np.int32([o])))
attack("dia: offset of 64 bits", diagonal, lambda m: put(m, offsets=np.array([2**63 - 1])))
attack("dia: offset in a long matrix", diagonal,
       lambda m: put(m, _shape=(2**31 - 1, 8), offsets=np.int32([2**30])))  # fmt: skip
attack("dia: offset in a longer matrix", diagonal,
       lambda m: put(m, _shape=(2**62, 8), offsets=np.array([2**62])))  # fmt: skip
attack("dok: key", form("dok"), lambda m: put(m, _dict={(FAR, 0): 1.0}))
attack(
    "lil: column",
    form("lil"),
    lambda m: put(m, rows=setting(0, [FAR])(m.rows), data=setting(0, [1.0])(m.data)),
)
attack("lil: values short", form("lil"), lambda m: put(m, data=setting(0, [])(m.data)))


# -------------------------------------------------------------------------------- support vectors


def vectors() -> Any:
    return svm.SVC().fit(X, THREE)


def sparse_vectors() -> Any:
    return svm.SVC().fit(SPARSE, THREE)


attack("svm: vectors short", vectors, lambda m: put(m, support_vectors_=m.support_vectors_[:2]))
attack(
    "svm: vectors narrow",
    vectors,
    lambda m: put(m, support_vectors_=m.support_vectors_[:, :1].copy()),
)
attack("svm: counts", vectors, lambda m: put(m, _n_support=m._n_support * 1000))
attack(
    "svm: counts moved",
    vectors,
    lambda m: put(m, _n_support=np.array([FAR, -FAR, len(m.support_)], "i4")),
)
attack(
    "svm: more classes", vectors, lambda m: put(m, _n_support=np.array([*m._n_support, 0], "i4"))
)
attack("svm: coefficients short", vectors, lambda m: put(m, _dual_coef_=m._dual_coef_[:1].copy()))
attack(
    "svm: coefficients narrow", vectors, lambda m: put(m, _dual_coef_=m._dual_coef_[:, :1].copy())
)
attack("svm: intercepts short", vectors, lambda m: put(m, _intercept_=m._intercept_[:1]))
attack("svm: intercepts none", vectors, lambda m: put(m, _intercept_=m._intercept_[:0]))
attack("svm: probabilities short", vectors, lambda m: put(m, _probA=np.ones(1), _probB=np.ones(1)))
attack("svm: probabilities half", vectors, lambda m: put(m, _probA=np.ones(3)))
attack(
    "svm: another kernel",
    lambda: svm.SVC(kernel="precomputed").fit(X @ X.T, THREE),
    lambda m: put(m, kernel="rbf"),
)
attack(
    "svm: support out of range",
    vectors,
    lambda m: put(m, support_=m.support_ + FAR, kernel="precomputed"),
)
attack("svm: another problem", vectors, lambda m: put(m, _impl="epsilon_svr"))
attack(
    "svm: sparse, told of probabilities",
    sparse_vectors,
    lambda m: put(m, _effective_probability=True, probability=True),
)
for named, kernel in {"precomputed": "precomputed", "dot": np.dot}.items():
    attack(
        f"svm: sparse, with kernel {named}",
        sparse_vectors,
        lambda m, kernel=kernel: put(m, kernel=kernel),
    )
attack("svm: sparse flag", vectors, lambda m: put(m, _sparse=True))
attack(
    "svm: sparse indptr",
    sparse_vectors,
    lambda m: setting(1, FAR)(m.support_vectors_.indptr) is None,
)
attack(
    "svm: sparse index",
    sparse_vectors,
    lambda m: put(m.support_vectors_, indices=m.support_vectors_.indices - FAR),
)
attack(
    "svm: sparse coefficients",
    sparse_vectors,
    lambda m: put(m, _dual_coef_=sp.csr_matrix(m._dual_coef_.shape)),
)
attack(
    "svm: regression counts",
    lambda: svm.SVR().fit(X, REAL),
    lambda m: put(m, _n_support=np.array([1, 1], "i4")),
)


# ------------------------------------------------------------------------------------ others


def twister(position: int) -> Alter:
    def alter(model: Any) -> None:
        state = model.get_state(legacy=False)
        state["state"]["pos"] = position
        model.set_state(state)

    return alter


def philox(generator: Any) -> None:
    state = generator.state
    state["buffer_pos"] = -5
    generator.state = state


def spline() -> Any:
    return BSpline(np.arange(9.0), np.arange(5.0), 3)


def means() -> Any:
    return cluster.KMeans(3, n_init=1, random_state=0).fit(X)


attack("twister: far", lambda: np.random.RandomState(0), twister(10**6))
attack("twister: one too many", lambda: np.random.RandomState(0), twister(625))
attack("twister: negative", lambda: np.random.RandomState(0), twister(-1))
attack(
    "twister: in a model",
    lambda: classifier().set_params(random_state=np.random.RandomState(0)),
    lambda m: twister(FAR)(m.random_state),
)
attack("philox: negative", lambda: np.random.Philox(1), philox)
attack("spline: degree", spline, lambda m: put(m, k=500))
attack("spline: degree negative", spline, lambda m: put(m, k=-1))
attack("spline: knots short", spline, lambda m: put(m, _t=m._t[:4]))
attack("spline: coefficients short", spline, lambda m: put(m, _c=m._c[:1]))
attack("spline: knots unsorted", spline, lambda m: put(m, _t=m._t[::-1].copy()))
attack("spline: knot not finite", spline, lambda m: put(m, _t=m._t * np.nan))
attack(
    "splines: one missing",
    lambda: preprocessing.SplineTransformer().fit(X),
    lambda m: m.bsplines_.pop() and None,
)
attack("splines: in two spellings", spline, lambda m: put(m, t=m._t, c=m._c, _t=m._t[:5], k=m.k))
for named, function in {"vander": np.vander, "partial": functools.partial(sorted, key=abs)}.items():
    attack(
        f"splines: arrays by {named}",
        spline,
        lambda m, function=function: put(m, _asarray=function),
    )
    attack(
        f"splines: arrays of a grid by {named}",
        lambda: RegularGridInterpolator((np.arange(4.0),), np.arange(4.0)),
        lambda m, function=function: put(m, _asarray=function),
    )
    attack(
        f"splines: arrays of a curve by {named}",
        lambda: CubicSpline(np.arange(4.0), np.arange(4.0)),
        lambda m, function=function: setattr(m, "_asarray", function),
    )
attack(
    "k-means: narrow", means, lambda m: put(m, cluster_centers_=m.cluster_centers_[:, :1].copy())
)
attack("k-means: none", means, lambda m: put(m, cluster_centers_=m.cluster_centers_[:0]))
attack("k-means: threads", means, lambda m: put(m, _n_threads=-1))
attack(
    "birch: norms",
    lambda: cluster.Birch(n_clusters=None).fit(X),
    lambda m: put(m, _subcluster_norms=m._subcluster_norms[:1]),
)


def bisecting() -> Any:
    return cluster.BisectingKMeans(3, n_init=1, random_state=0).fit(X)


def widened(model: Any) -> None:
    """Leave the tree alone with centres that are wider than the data."""
    del model.cluster_centers_
    model._bisecting_tree.left.center = np.zeros(FAR // 100)


attack("bisecting: loop", bisecting, lambda m: put(m._bisecting_tree, left=m._bisecting_tree))
attack("bisecting: a wide tree alone", bisecting, widened)
attack("bisecting: threads alone", bisecting, lambda m: put(m, _n_threads=2**14))
attack(
    "hierarchy: far",
    lambda: cluster.HDBSCAN(copy=True).fit(X),
    lambda m: setting(0, FAR)(m._single_linkage_tree_["left_node"]) is None,
)


def one_vs_rest() -> Any:
    return OneVsRestClassifier(LogisticRegression()).fit(X, THREE == 1)


def several(model: Any) -> None:
    model.estimators_ = [LogisticRegression().fit(X, THREE)]


def more_rows(model: Any) -> None:
    twice = preprocessing.FunctionTransformer(np.repeat, kw_args={"repeats": 9, "axis": 0})
    model.estimators_ = [make_pipeline(twice, model.estimators_[0])]


attack(
    "one against the rest: two intercepts",
    one_vs_rest,
    lambda m: put(m.estimators_[0], intercept_=(8, 4)),
)
attack("one against the rest: three classes", one_vs_rest, several)
attack("one against the rest: more rows", one_vs_rest, more_rows)
attack(
    "linear: narrow",
    lambda: SGDClassifier().fit(X, THREE),
    lambda m: put(m, coef_=m.coef_[:, :1].copy()),
)
attack(
    "linear: rows",
    lambda: LogisticRegression().fit(X, THREE),
    lambda m: put(m, coef_=m.coef_[:1].copy()),
)
attack(
    "components: narrow",
    lambda: NMF(2).fit(abs(X)),
    lambda m: put(m, components_=m.components_[:, :2]),
)
