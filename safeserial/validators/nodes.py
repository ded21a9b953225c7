# SPDX-License-Identifier: BSD-3-Clause
"""Nodes of many trees at once: joined in one array, linked as trees, no deeper than they say.

Floor 5.  A model has hundreds of small trees, and NumPy costs by the call: what is asked of all
nodes together takes a tenth of the time.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from safeserial.validators.asking import Array, refuse

_CHUNK = 1 << 16  # nodes checked at one time: what is made of them stays in the processor's cache
_SHALLOW = 128  # levels walked one by one, of trees that are not deeper


def chunks(counts: Sequence[int]) -> Iterator[slice]:
    """Yield runs of trees of bounded size together, each at least one tree long."""
    start = held = 0
    for index, size in enumerate(counts):
        if held and held + size > _CHUNK:
            yield slice(start, index)
            start, held = index, 0
        held += size
    if held:
        yield slice(start, len(counts))


def join(nodes: Sequence[Array], names: tuple[str, ...]) -> Array:
    """Return fields of structured arrays of one dtype, one array after another."""
    plain, offset, fields = _span(nodes[0].dtype, names)
    return np.concatenate([one.getfield(plain, offset) for one in nodes]).view(fields)


@functools.lru_cache(maxsize=16)
def _span(dtype: np.dtype[Any], names: tuple[str, ...]) -> tuple[Any, int, Any]:
    """Return the part of a structure that holds some fields: as bytes, where, and as fields.

    NumPy copies bytes at once, but structures member by member.
    """
    known: Any = dtype.fields
    found = [known[name][:2] for name in names]
    start = min(offset for _, offset in found)
    size = max(offset + one.itemsize for one, offset in found) - start
    fields = {
        "names": names,
        "formats": [one for one, _ in found],
        "offsets": [offset - start for _, offset in found],
        "itemsize": size,
    }
    return np.dtype((np.void, size)), start, np.dtype(fields)  # type: ignore[call-overload]


@dataclass(frozen=True, slots=True)
class Links:
    """Nodes that were found to form trees.

    Parameters
    ----------
    starts : ndarray of int
        Position of each root.
    is_inner : ndarray of bool
        Which nodes have children.
    inner : ndarray of int
        Positions of these.
    left, right : ndarray of int
        Positions of their children.
    in_order : bool
        Whether each left child stands next to its parent.
    """

    starts: Array
    is_inner: Array
    inner: Array
    left: Array
    right: Array
    in_order: bool


def link(owners: Sequence[Any], counts: Array, is_inner: Array, left: Array, right: Array) -> Links:
    """Check that nodes form trees, each stored with parents before children.

    Parameters
    ----------
    owners : sequence of object
        The trees, whose nodes stand one after another.
    counts : ndarray of int
        Nodes of each tree.
    is_inner : ndarray of bool
        Which nodes have children.
    left, right : ndarray of int
        Children of each node, counted within its tree; of nodes without children anything.

    Returns
    -------
    Links
        The same, counted through all trees.
    """
    ends = counts.cumsum()
    starts = ends - counts
    inner = np.flatnonzero(is_inner)
    here = np.diff(inner.searchsorted(starts), append=len(inner))
    base, end = starts.repeat(here), ends.repeat(here)
    left = left[inner].astype(np.int64, copy=False) + base
    right = right[inner].astype(np.int64, copy=False) + base
    # Most libraries write the left child next to its parent.  Then it is in range if the right is.
    in_order = bool((left == inner + 1).all())
    # Parent before child: no loop.  Before the end of its own tree: no other memory.
    if in_order:
        bad = (right <= inner) | (right >= end)
    else:
        bad = (np.minimum(left, right) <= inner) | (np.maximum(left, right) >= end)
    if bad.any():
        where = int(inner[bad.argmax()])
        tree = int(np.searchsorted(starts, where, side="right")) - 1
        refuse(owners[tree], f"node {where - int(starts[tree])} has a child out of place")
    is_child = np.zeros(len(is_inner), dtype=np.bool_)
    if in_order:
        is_child[1:] = is_inner[:-1]
    else:
        is_child[left] = True
    is_child[right] = True
    # As many links as children, and none without: then each child has one parent.  Two parents for
    # one child would double the work at each level wherever all paths are walked.  No root is a
    # child, since a child stands behind another node of its tree.
    is_child[starts] = True
    if 2 * len(inner) != len(is_inner) - len(starts) or not is_child.all():
        refuse(owners[0], "a node has no parent, or two")
    return Links(starts, is_inner, inner, left, right, in_order)


def are_deeper(links: Links, limits: Array) -> bool:
    """Say whether any tree is deeper than its limit.

    Parameters
    ----------
    links : Links
        The trees.
    limits : ndarray of int
        How deep each may be; 0 is a root without children.
    """
    if int(limits.max()) > _SHALLOW:
        deepest = np.maximum.reduceat(depths(links), links.starts)
        return bool((deepest > limits).any())
    # Level by level, each tree from as far above the common bottom as its limit: then no node with
    # children may be left at the bottom, whichever tree it is of.
    right = np.zeros(len(links.is_inner), dtype=np.int64)
    right[links.inner] = links.right
    left = None
    if not links.in_order:
        left = np.zeros_like(right)
        left[links.inner] = links.left
    level = np.zeros(0, dtype=np.int64)
    steps = np.flatnonzero(np.bincount(limits))[::-1].tolist()
    for limit, lower in zip(steps, [*steps[1:], 0], strict=True):
        level = _with_children(links, np.concatenate([level, links.starts[limits == limit]]))
        for _ in range(limit - lower):
            if not level.size:
                break
            beside = level + 1 if left is None else left[level]
            level = _with_children(links, np.concatenate([beside, right[level]]))
    return bool(level.size)


def _with_children(links: Links, level: Array) -> Array:
    # By numbers: picking by a mask costs five times as much where it is as irregular as here.
    return level[np.flatnonzero(links.is_inner[level])]


def depths(links: Links) -> Array:
    """Return the depth of each node, by doubling the steps to the root."""
    parents = np.empty(len(links.is_inner), dtype=np.int64)
    parents[links.left] = links.inner
    parents[links.right] = links.inner
    parents[links.starts] = links.starts
    depth = np.ones_like(parents)
    depth[links.starts] = 0
    while True:
        further = depth[parents]
        if not further.any():
            return depth
        depth += further
        parents = parents[parents]
