# SPDX-License-Identifier: BSD-3-Clause
"""SciPy's interpolators and k-d trees: honest ones come back the same, altered ones do not load."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import interpolate
from scipy.spatial import KDTree, cKDTree
from sklearn.neighbors import KNeighborsClassifier

import safeserial as ss

X = np.arange(8.0)
Y = np.sin(X)
POINTS = np.random.default_rng(0).random((40, 2))
BETWEEN = np.linspace(0, 7, 30)
CURVES = {
    "Akima": lambda: interpolate.Akima1DInterpolator(X, Y),
    "BPoly": lambda: interpolate.BPoly(np.ones((2, 7)), X),
    "CubicHermite": lambda: interpolate.CubicHermiteSpline(X, Y, Y),
    "CubicSpline": lambda: interpolate.CubicSpline(X, Y),
    "PPoly": lambda: interpolate.PPoly(np.ones((2, 7)), X),
    "Pchip": lambda: interpolate.PchipInterpolator(X, Y),
    **{
        f"interp1d {kind}": lambda kind=kind: interpolate.interp1d(X, Y, kind=kind)
        for kind in ("linear", "nearest", "previous", "next", "cubic", "zero")
    },
}
SURFACES = {
    "grid": lambda: interpolate.RegularGridInterpolator((X / 7, X / 7), np.outer(Y, Y)),
    "nearest": lambda: interpolate.NearestNDInterpolator(POINTS, POINTS[:, 0]),
}


def loaded(model: Any, folder: Path, protocol: int = 5) -> Any:
    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(model, protocol))
    return ss.load_unsigned(path)


@pytest.mark.parametrize("name", CURVES)
def test_a_curve_comes_back_the_same(name: str, tmp_path: Path) -> None:
    curve = CURVES[name]()
    for protocol in (4, 5):
        again = loaded(curve, tmp_path, protocol)
        assert type(again) is type(curve)
        assert np.array_equal(again(BETWEEN), curve(BETWEEN))


@pytest.mark.parametrize("name", SURFACES)
def test_a_surface_comes_back_the_same(name: str, tmp_path: Path) -> None:
    surface = SURFACES[name]()
    assert np.array_equal(loaded(surface, tmp_path)(POINTS), surface(POINTS))


@pytest.mark.parametrize(
    "tree",
    [KDTree(POINTS), cKDTree(POINTS, leafsize=3), KDTree(POINTS, boxsize=[1.0, 2.0])],
    ids=["KDTree", "cKDTree", "box"],
)
def test_a_tree_is_built_anew(tree: Any, tmp_path: Path) -> None:
    for protocol in (2, 5):
        again = loaded(loaded(tree, tmp_path, protocol), tmp_path)
        assert type(again) is KDTree
        assert again.leafsize == tree.leafsize
        found, wanted = again.query(POINTS + 0.01, k=3), tree.query(POINTS + 0.01, k=3)
        assert np.array_equal(found[0], wanted[0])
        assert np.array_equal(found[1], wanted[1])


def forged(*state: Any) -> bytes:
    """Return the pickle of a k-d tree with a state of our own, or none."""
    built = b"".join(pickle.dumps(one, 3)[2:-1] + b"b" for one in state)
    return b"\x80\x03cscipy.spatial._kdtree\nKDTree\n)\x81" + built + b"."


def opened(data: bytes, folder: Path) -> Any:
    (folder / "forged.pkl").write_bytes(data)
    return ss.load_unsigned(folder / "forged.pkl")


def _altered(**changes: Any) -> tuple[Any, ...]:
    names = "nodes data n m leafsize maxes mins indices boxsize boxes".split()
    state = dict(zip(names, KDTree(POINTS).__getstate__(), strict=True))
    return tuple((state | changes).values())


def test_nodes_of_a_state_are_never_followed(tmp_path: Path) -> None:
    hostile = np.full(36 * 10, 255, dtype=np.uint8)
    again = opened(forged(_altered(nodes=hostile, n=10**9, indices=X)), tmp_path)
    assert np.array_equal(again.query(POINTS)[1], KDTree(POINTS).query(POINTS)[1])


@pytest.mark.parametrize(
    "state",
    [
        (_altered(data=POINTS.astype(object)),),
        (_altered(data=POINTS[0]),),
        (_altered(data=POINTS * np.nan),),
        (_altered(data="x"),),
        (_altered(leafsize=0),),
        (_altered(leafsize="x"),),
        (_altered(boxsize=X),),
        (_altered()[:9],),
        ({"data": POINTS},),
        (),
    ],
    ids=["objects", "row", "nan", "text", "empty", "leaf", "box", "short", "dict", "unbuilt"],
)
def test_a_tree_of_no_data_is_refused(state: tuple[Any, ...], tmp_path: Path) -> None:
    with pytest.raises(ss.errors.PolicyError):
        opened(forged(*state), tmp_path)


def _put(**values: Any) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        for name, value in values.items():
            setattr(model, name, value)

    return change


ALTERED = {
    "interp1d: another function": (CURVES["interp1d linear"], _put(_call=np.linalg.norm)),
    "interp1d: other rows": (CURVES["interp1d linear"], _put(_y=np.ones((3, 1)))),
    "interp1d: no x": (CURVES["interp1d linear"], _put(x="abc")),
    "CubicSpline: too few": (CURVES["CubicSpline"], _put(_c=np.ones((4, 2)))),
    "CubicSpline: unordered": (CURVES["CubicSpline"], _put(_x=X[[0, 5, 1, 3, 4, 2, 6, 7]])),
    "grid: too few values": (SURFACES["grid"], _put(_values=np.ones((2, 2)))),
    "grid: unordered": (SURFACES["grid"], _put(_grid=(X[::-1], X))),
    "grid: nan": (SURFACES["grid"], _put(_grid=(X * np.nan, X))),
    "grid: whole numbers": (SURFACES["grid"], _put(_grid=(X.astype(int), X))),
    "grid: none": (SURFACES["grid"], _put(_grid=())),
    "grid: list": (SURFACES["grid"], _put(_grid=[X, X])),
}


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_interpolator_is_refused(name: str, tmp_path: Path) -> None:
    make, change = ALTERED[name]
    model = make()
    change(model)
    with pytest.raises(ss.errors.InvalidStateError):
        loaded(model, tmp_path)


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree", "ball_tree"])
def test_neighbours_that_count_no_features_refuse_other_rows(
    algorithm: str, tmp_path: Path
) -> None:
    model = KNeighborsClassifier(algorithm=algorithm).fit(POINTS, np.arange(40) % 2)
    del model.n_features_in_
    again = loaded(model, tmp_path)
    assert np.array_equal(again.predict(POINTS), np.asarray(model.predict(POINTS)))
    for width in (1, 3, 50):
        with pytest.raises(ValueError, match="features"):
            again.predict(np.ones((2, width)))
