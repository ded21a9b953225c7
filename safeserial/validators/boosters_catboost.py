# SPDX-License-Identifier: BSD-3-Clause
"""CatBoost's models: FlatBuffers held to what its evaluator takes on trust.

Floor 5.  CatBoost verifies that the core of a model is a FlatBuffer, and nothing of what the
numbers in it point at; the tables of categories behind the core it does not verify at all.
"""

from __future__ import annotations

import json
import struct
from typing import Final, NoReturn

import numpy as np

from safeserial.errors import InvalidStateError
from safeserial.validators.asking import Array
from safeserial.validators.boosters_catboost_tables import Ctr, base_of, check_tables
from safeserial.validators.boosters_flatbuffers import Buffer, NotReadableError, Table

OWNER: Final = "catboost.core.CatBoost"
_MAX_DEPTH: Final = 16
_PER_BIN: Final = 254  # values that one byte of a binarized feature tells apart
_MANY: Final = 2**24
# Slots of TModelTrees.
_DIMENSION, _SPLITS, _SIZES, _STARTS, _CATS, _FLOATS, _ONE_HOTS, _CTRS = range(8)
_VALUES, _WEIGHTS, _STEPS, _LEAF_IDS, _TEXTS, _ESTIMATED = range(8, 14)
_BIAS, _REPACKED, _EMBEDDINGS = 16, 17, 18


def refuse(what: str) -> NoReturn:
    """Refuse a model.

    Raises
    ------
    InvalidStateError
        Always.
    """
    raise InvalidStateError(
        f"{OWNER}: its model {what}",
        hint="if CatBoost itself wrote this file, report it with the version that did",
    )


def check(data: bytes) -> None:
    """Check a serialized model before CatBoost sees it.

    Parameters
    ----------
    data : bytes
        What CatBoost keeps under ``__model``.

    Raises
    ------
    InvalidStateError
        If CatBoost would not have written it, or it uses text or embedding features.
    """
    try:
        _check(memoryview(data))
    except (NotReadableError, struct.error) as error:
        refuse(f"cannot be read ({error})")


def _check(data: memoryview) -> None:
    if bytes(data[:4]) != b"CBM1" or len(data) < 8:  # noqa: PLR2004 - magic and size
        refuse("is not in the form CBM1")
    (size,) = struct.unpack_from("<I", data, 4)
    core = Buffer(data[8 : 8 + size]).root()
    if size > len(data) - 8 or core.text(0) != "FlabuffersModel_v1":
        refuse("is of an unknown version")
    trees = core.table(1)
    ctrs, bins = _check_features(trees)
    _check_trees(trees, bins)
    parts, rest = core.texts(3), data[8 + size :]
    if parts == ["static_provider_v1"]:
        check_tables(rest, ctrs, refuse)
    elif parts or len(rest):
        refuse("has unknown parts behind its core")
    elif ctrs:
        refuse("has no tables for its categories")
    _check_info(core.tables(2), trees.number(_DIMENSION, "i", 0))


def _check_features(trees: Table) -> tuple[list[Ctr], Array]:
    """Return categorical features that are computed, and what each split is compared by."""
    for slot in (_TEXTS, _ESTIMATED, _EMBEDDINGS):
        if trees.tables(slot):
            refuse("uses text or embedding features, which are not checked here")
    floats = trees.tables(_FLOATS)
    used = _check_positions(floats, trees.tables(_CATS))
    bins = [(feature.array(3, "<f4").size, False) for feature in floats]
    for feature in trees.tables(_ONE_HOTS):
        where = feature.number(0, "i", -1)
        count = feature.array(1, "<i4").size
        if not (0 <= where < len(used) and used[where]):
            refuse("compares a categorical feature that does not exist")
        if len(feature.texts(2)) not in {0, count}:
            refuse("has a malformed categorical feature")
        bins.append((count, True))
    ctrs = []
    for feature in trees.tables(_CTRS):
        described = feature.table(0)
        base = base_of(described.table(0), used, len(floats), refuse)
        ctrs.append(Ctr(base, described.number(1, "i", 0)))
        bins.append((feature.array(1, "<f4").size, False))
    return ctrs, _repacked(bins)


def _check_positions(floats: list[Table], cats: list[Table]) -> list[bool]:
    """Check where features stand, and return which categorical ones are used."""
    for index, feature in enumerate(floats):
        if feature.number(1, "i", -1) != index or not 0 <= feature.number(5, "b", 0) <= 2:  # noqa: PLR2004
            refuse("has a malformed numerical feature")
    if any(feature.number(0, "i", -1) != index for index, feature in enumerate(cats)):
        refuse("has a malformed categorical feature")
    flat = [feature.number(2, "i", -1) for feature in floats]
    flat += [feature.number(1, "i", -1) for feature in cats]
    if len(set(flat)) != len(flat) or (flat and not 0 <= min(flat) <= max(flat) < _MANY):
        refuse("has features out of place")
    return [feature.number(3, "?", True) for feature in cats]  # noqa: FBT003 - the field's default


def _repacked(bins: list[tuple[int, bool]]) -> Array:
    """Return how each split is packed: position, mask and value of a byte, as CatBoost does it."""
    parts, bucket = [], 0
    for count, one_hot in bins:
        value = np.arange(count)
        split = np.zeros(count, [("index", "<u2"), ("mask", "u1"), ("value", "u1")])
        where = bucket + value // _PER_BIN
        bucket += -(-count // _PER_BIN)
        if bucket > 2**16:
            refuse("has too many features")
        split["index"] = where
        value = value % _PER_BIN + 1
        split["mask"], split["value"] = (~value & 255, 255) if one_hot else (0, value)
        parts.append(split)
    return np.concatenate(parts) if parts else np.zeros(0, "<u4")


def _check_trees(trees: Table, bins: Array) -> None:
    dimension = trees.number(_DIMENSION, "i", 0)
    splits, sizes = trees.array(_SPLITS, "<i4"), trees.array(_SIZES, "<i4").astype(np.int64)
    starts, values = trees.array(_STARTS, "<i4"), trees.array(_VALUES, "<f8")
    if not 0 < dimension < _MANY or not len(sizes) or sizes.min() < 0:
        refuse("has no trees or no dimensions")
    if not np.array_equal(starts, sizes.cumsum() - sizes) or sizes.sum() != len(splits):
        refuse("has trees that do not lie one behind another")
    if len(trees.array(_WEIGHTS, "<f8")) not in {0, len(values) // dimension}:
        refuse("has another number of leaf weights than leaves")
    if trees.array(_BIAS, "<f8").size not in {0, dimension}:
        refuse("has a bias of another dimension")
    steps = _steps(trees)
    leaf_ids = trees.array(_LEAF_IDS, "<u4").astype(np.int64)
    if len(steps) or len(leaf_ids):
        _check_nodes(steps, leaf_ids, sizes, len(values), dimension)
        if not len(steps) == len(leaf_ids) == len(splits):
            refuse("has another number of nodes than splits")
    elif sizes.max() > _MAX_DEPTH or dimension * (1 << sizes).sum() != len(values):
        refuse("has another number of leaves than its trees need")
    _check_splits(splits, trees.array(_REPACKED, "<u4"), bins, symmetric=not len(steps))


def _check_splits(splits: Array, repacked: Array, bins: Array, *, symmetric: bool) -> None:
    if len(bins):
        if len(splits) and (splits.min() < 0 or splits.max() >= len(bins)):
            refuse("splits on a feature that does not exist")
        expected = bins[splits].view("<u4")
    else:
        if splits.any() or (len(splits) and symmetric):
            refuse("splits on a feature that does not exist")
        expected = np.zeros(len(splits), "<u4")
    if len(repacked) and not np.array_equal(repacked, expected):
        refuse("has splits that are packed wrongly")


def _steps(trees: Table) -> Array:
    """Return the steps to the left and right children of all nodes."""
    packed = trees.array(_STEPS, "<u4")
    return np.stack([packed & 0xFFFF, packed >> 16], axis=1).astype(np.int64)


def _check_nodes(steps: Array, leaf_ids: Array, sizes: Array, values: int, dimension: int) -> None:
    """Check nodes of trees that are not symmetric: steps lead on, each node is reached once."""
    if not len(steps) == len(leaf_ids) == sizes.sum() or sizes.min() < 1:
        refuse("has another number of nodes than its trees need")
    own = np.arange(len(steps))
    ends = np.repeat(sizes.cumsum(), sizes)
    reached = []
    for side in (0, 1):
        inner = steps[:, side] > 0
        target = own[inner] + steps[inner, side]
        if (target >= ends[inner]).any():
            refuse("has a node that leads out of its tree")
        reached.append(target)
    roots = sizes.cumsum() - sizes
    if not np.array_equal(np.sort(np.concatenate(reached)), np.setdiff1d(own, roots)):
        refuse("has a node that is reached not once")
    held = leaf_ids[(steps == 0).any(axis=1)]
    if len(held) and (held.max() > values - dimension or (held % dimension).any()):
        refuse("has a leaf without values")


def _check_info(entries: list[Table], dimension: int) -> None:
    known: dict[str, str] = {}
    for entry in entries:
        if entry.text(0) in known:
            refuse("says the same thing twice")
        known[entry.text(0)] = entry.text(1)
    for key in ("class_params", "params", "output_options", "training"):
        try:
            found = json.loads(known.get(key) or "{}")
        except (ValueError, RecursionError):
            refuse(f"has malformed {key}")
        if not isinstance(found, dict):
            refuse(f"has malformed {key}")
        if key == "class_params":
            labels = found.get("class_to_label", [])
            names = found.get("class_names", [])
            if not isinstance(labels, list) or not isinstance(names, list):
                refuse("has malformed classes")
            wanted = {0, dimension, 2} if dimension == 1 else {0, dimension}
            if len(labels) not in wanted or len(names) not in {0, len(labels)}:
                refuse("has another number of classes than its trees")
