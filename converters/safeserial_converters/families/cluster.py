# SPDX-License-Identifier: BSD-3-Clause
"""Clusters: the nearest centre, and distances from all.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial_converters import ops
from safeserial_converters.families.kernel_functions import direct_squared, squared_distances
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor

CL = "sklearn.cluster."


def _nearest(x: Tensor, centres: Any) -> Tensor:
    """Return the nearest centre, of equal ones the first; summed as scikit-learn does."""
    return ops.argmin(squared_distances(x, np.asarray(centres, np.float64), shifted=False), 1)


#: Squared norm of the centres to squared distance from them, beyond which distances are noise.
FAR = 5e4


def _distances(model: Any, x: Tensor, centres: Any, *, lonely: bool) -> Tensor:
    """Return the distances from the centres.

    scikit-learn's lose half of their digits where a row lies on a centre, and all of them where the
    centres are far from 0 beside their spread: what is left is noise that no graph can repeat.
    """
    inertia, rows = getattr(model, "inertia_", None), len(getattr(model, "labels_", ()))
    if inertia is not None and rows:
        norm = float((np.asarray(centres, np.float64) ** 2).sum(1).max())
        if norm * rows > FAR * float(inertia):
            reason = "the rows are far from 0 beside their spread, where its distances are noise"
            hint = 'scale them first (StandardScaler), or choose methods=["predict"]'
            raise x.graph.refuse(model, f"transform: {reason}", hint=hint)
    if lonely:
        reason = (
            "a cluster has one row: its distance from its centre is rounding noise in the model"
        )
        raise x.graph.refuse(model, f"transform: {reason}", hint='choose methods=["predict"]')
    return ops.sqrt(direct_squared(x, np.asarray(centres, np.float64)))


def _has_single(model: Any) -> bool:
    return bool(1 in np.bincount(model.labels_))


def _has_lonely_subcluster(model: Any) -> bool:
    """Whether a subcluster of Birch is one point, or the same point more than once."""
    leaf = model.dummy_leaf_.next_leaf_
    while leaf is not None:
        if any(one.n_samples_ == 1 or one.radius < 1e-4 for one in leaf.subclusters_):
            return True
        leaf = leaf.next_leaf_
    return False


@converts(CL + "KMeans", CL + "MiniBatchKMeans")
def convert_kmeans(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The nearest centre; transform gives the distances."""
    x = inputs.numeric()
    return {
        "predict": _nearest(x, model.cluster_centers_),
        "transform": lambda: _distances(
            model, x, model.cluster_centers_, lonely=_has_single(model)
        ),
    }


@converts(CL + "BisectingKMeans")
def convert_bisecting(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The nearer of two centres, from the root of the tree of splits to a leaf."""
    x = inputs.numeric()
    offset = getattr(model, "_X_mean", 0.0)

    def descend(node: Any) -> Tensor:
        if node.left is None:
            return graph.constant(np.array([node.label], np.int64))
        centres = np.vstack((node.left.center, node.right.center)) + offset
        return ops.where(_nearest(x, centres).equal(0), descend(node.left), descend(node.right))

    tree = model._bisecting_tree
    found = descend(tree) if tree.left is not None else ops.full_rows(x, np.int64(tree.label))
    return {
        "predict": found,
        "transform": lambda: _distances(
            model, x, model.cluster_centers_, lonely=_has_single(model)
        ),
    }


@converts(CL + "MeanShift", CL + "AffinityPropagation")
def convert_centres(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The nearest centre; where none came to be, all rows are noise."""
    x = inputs.numeric()
    if not hasattr(model, "cluster_centers_"):
        raise graph.refuse(model, "its affinities are precomputed")
    if len(model.cluster_centers_) == 0:
        return {"predict": ops.full_rows(x, np.int64(-1))}
    return {"predict": _nearest(x, model.cluster_centers_)}


@converts(CL + "Birch")
def convert_birch(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The cluster of the nearest subcluster."""
    x = inputs.numeric()
    centres = model.subcluster_centers_
    labels = graph.constant(np.asarray(model.subcluster_labels_, np.int64))
    return {
        "predict": ops.gather(labels, _nearest(x, centres)),
        "transform": lambda: _distances(model, x, centres, lonely=_has_lonely_subcluster(model)),
    }


@converts(CL + "FeatureAgglomeration")
def convert_agglomeration(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The features of each cluster, pooled."""
    x = inputs.numeric()
    pools = {np.mean: ops.mean, np.max: ops.largest, np.min: ops.smallest, np.sum: ops.total}
    pool = next((op for function, op in pools.items() if model.pooling_func is function), None)
    if pool is None:
        raise graph.refuse(model, f"its pooling_func is {model.pooling_func!r}")
    groups = [np.flatnonzero(model.labels_ == one) for one in np.unique(model.labels_)]
    return {"transform": ops.concat([pool(ops.columns(x, one), 1, keep=True) for one in groups])}
