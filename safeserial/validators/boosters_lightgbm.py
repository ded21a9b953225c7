# SPDX-License-Identifier: BSD-3-Clause
"""LightGBM's model text: read strictly, and held to what its C++ reader takes on trust.

Floor 5.  ``Booster.__setstate__`` hands the text to a parser that pads what is missing with zeros
and ignores what is too much, and to a predictor that follows ``left_child`` and reads
``split_feature`` without looking.  Here each list has the length it must have, nodes form trees,
and features, leaves and sets of categories exist.  All trees are looked at together.  What stands
behind the trees is held to what LightGBM writes there: it is read too, if only for a copy.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import Final

import numpy as np

from safeserial.validators.asking import Array
from safeserial.validators.boosters_lightgbm_trees import (
    INTEGERS,
    NUMBERS,
    Tree,
    check_categories,
    check_children,
    check_features,
    check_linear,
    integers,
    refuse,
)

_MAX_NUMBER: Final = 2**31
# LightGBM ends a line at a carriage return as well, and would see other lines than are seen here.
# A tab may stand in the name of a feature.
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b-\x1f]")
_MAX_LINES: Final = 23  # of a tree with the one that numbers it; LightGBM reads no more
_HEADER: Final = frozenset(
    "version num_class num_tree_per_iteration label_index max_feature_idx objective feature_names"
    " monotone_constraints feature_infos tree_sizes".split()
)
_OBJECTIVE: Final = re.compile(r"[a-z0-9_]+(?: [a-z_]+(?::[-+0-9.einfa,]+)?)*")
# Of each feature: unused, its range, or its categories.  ``dump_model`` takes a colon for granted.
_END: Final = r"-?(?:[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]{1,3})?|inf|nan)"
_INFO: Final = rf"(?:none|\[{_END}:{_END}\]|-?[0-9]{{1,10}}(?::-?[0-9]{{1,10}})*+)"
_INFOS: Final = re.compile(rf"(?:{_INFO} )*+{_INFO}")
# LightGBM 2.1 ends neither trees nor parameters, so that a later version that read its file has the
# categories among the parameters.  There, a line with nothing behind a colon crashes the reader.
_TAIL: Final = re.compile(
    r"(?:end of trees\n)?+"
    r"\nfeature[ _]importances:\n(?:[^\n]+=[0-9]{1,20}\n)*+"
    r"(?:\n?parameters:\n(?:\[[a-z0-9_]{1,64}: [^\n]*\]\n)*+(?:pandas_categorical:[^:\n][^\n]*\n)?+"
    r"\n*+(?:end of parameters\n)?+)?+"
    r"\n*+(?:pandas_categorical:(?P<categories>[^:\n][^\n]*)\n*)?+"
)
_THREADS: Final = re.compile(r"\n\[num_threads: (?!-?[0-9]{1,4}\]\n)")

# Lists of a tree with n leaves: whether they are of n or of n - 1 numbers, and of which kind.
_REQUIRED: Final = ("split_feature", "threshold", "left_child", "right_child", "leaf_value")
_LISTS: Final = {
    "split_feature": (-1, INTEGERS),
    "left_child": (-1, INTEGERS),
    "right_child": (-1, INTEGERS),
    "decision_type": (-1, INTEGERS),
    "threshold": (-1, NUMBERS),
    "split_gain": (-1, NUMBERS),
    "internal_value": (-1, NUMBERS),
    "internal_weight": (-1, NUMBERS),
    "internal_count": (-1, NUMBERS),
    "leaf_value": (0, NUMBERS),
    "leaf_weight": (0, NUMBERS),
    "leaf_count": (0, NUMBERS),
    "leaf_const": (0, NUMBERS),
    "num_features": (0, INTEGERS),
}
_OTHERS: Final = frozenset(
    "num_leaves num_cat is_linear shrinkage cat_boundaries cat_threshold leaf_features"
    " leaf_coeff".split()
)
# What is not read of a tree without categories, and of one without linear leaves.
_OF_CATEGORIES: Final = {b"cat_boundaries": INTEGERS, b"cat_threshold": INTEGERS}
_OF_LINEAR: Final = {
    b"leaf_const": NUMBERS,
    b"num_features": INTEGERS,
    b"leaf_features": INTEGERS,
    b"leaf_coeff": NUMBERS,
}


def check(text: str) -> None:
    """Check a model text before LightGBM sees it.

    Parameters
    ----------
    text : str
        What ``Booster.model_to_string`` returns.

    Raises
    ------
    InvalidStateError
        If LightGBM would not have written it.
    """
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        refuse("is no text")
    if _CONTROL.search(data):
        refuse("holds a control character")
    end = data.find(b"\nTree=")
    if end < 0:
        refuse("has no trees")
    header = _header(data[:end])
    features = _check_header(header)
    sizes = integers(header.get("tree_sizes", "").encode(), "tree_sizes")
    if sizes.min() <= 0 or sizes.sum() > len(data):
        refuse("has trees of impossible size")
    trees, position = [], end + 1
    for index, size in enumerate(sizes.tolist()):
        trees.append(_tree(data[position : position + size], index))
        position += size
    _check_tail(data[position:].decode("utf-8"))
    outputs = _whole(header, "num_tree_per_iteration", int(header["num_class"]))
    if outputs < 1 or len(trees) % outputs or outputs != int(header["num_class"]):
        refuse("has another number of trees than its classes need")
    _check_trees(trees, features)


def _header(data: bytes) -> dict[str, str]:
    first, *lines = data.decode("utf-8").split("\n")
    if first != "tree":
        refuse("does not begin as one")
    header: dict[str, str] = {}
    for line in filter(None, lines):
        key, equals, value = line.partition("=")
        if line == "average_output":
            equals = "="
        elif key not in _HEADER:
            refuse(f"has an unknown line {line[:40]!r}")
        if not equals or key in header or ("=" in value and key != "feature_names"):
            refuse(f"has a malformed line {line[:40]!r}")
        header[key] = value
    return header


def _check_header(header: dict[str, str]) -> int:
    """Return the number of features."""
    features = _whole(header, "max_feature_idx") + 1
    classes = _whole(header, "num_class")
    _whole(header, "label_index")
    if features < 1 or classes < 1:
        refuse("has no features or no classes")
    for key in ("feature_names", "feature_infos"):
        if len(header.get(key, "").split(" ")) != features or "" in header[key].split(" "):
            refuse(f"has another number of features than {key}")
    if not _INFOS.fullmatch(header["feature_infos"]):
        refuse("has malformed feature_infos")
    constraints = header.get("monotone_constraints")
    if constraints and integers(constraints.encode(), "monotone_constraints").size != features:
        refuse("has another number of features than monotone_constraints")
    objective = header.get("objective", "custom")
    if not _OBJECTIVE.fullmatch(objective):
        refuse("has a malformed objective")
    said = [part for part in objective.split(" ") if part.startswith("num_class:")]
    if said and said != [f"num_class:{classes}"]:
        refuse("has another number of classes than its objective")
    if objective.startswith("multiclass") and not said:
        refuse("has an objective without a number of classes")
    return features


def _whole(header: dict[str, str], key: str, default: int | None = None) -> int:
    value = header.get(key)
    if value is None and default is not None:
        return default
    if value is None or not re.fullmatch(r"-?[0-9]{1,9}", value):
        refuse(f"has no integer {key}")
    return int(value)


def _check_tail(tail: str) -> None:
    found = _TAIL.fullmatch(tail)
    if not found:
        refuse("goes on behind its trees in another way than LightGBM's")
    if _THREADS.search(tail):
        refuse("asks for another number of threads than there can be")
    categories = found["categories"]
    if categories is None:
        return
    try:
        columns = json.loads(categories)
    except (ValueError, RecursionError):
        refuse("has malformed pandas_categorical")
    if columns is not None and not (
        isinstance(columns, list) and all(isinstance(one, list) for one in columns)
    ):
        refuse("has malformed pandas_categorical")


def _tree(block: bytes, index: int) -> Tree:
    lines = block.rstrip(b"\n").split(b"\n")
    if lines[0] != b"Tree=%d" % index or len(lines) > _MAX_LINES or not block.endswith(b"\n\n"):
        refuse(f"has something else in the place of tree {index}")
    if b"\t" in block:
        refuse(f"holds a tab in tree {index}")
    pairs = [line.split(b"=") for line in lines[1:]]
    if any(len(pair) != 2 for pair in pairs):  # noqa: PLR2004 - key and value
        refuse(f"has a malformed line in tree {index}")
    tree: Tree = dict(pairs)
    if len(tree) != len(pairs):
        refuse(f"has a line twice in tree {index}")
    return tree


def _check_trees(trees: list[Tree], features: int) -> None:
    known = {key.encode() for key in itertools.chain(_LISTS, _OTHERS)}
    for index, tree in enumerate(trees):
        if not tree.keys() <= known:
            refuse(f"has an unknown line in tree {index}")
    leaves = _scalars(trees, b"num_leaves")
    categorical = _scalars(trees, b"num_cat")
    linear = _scalars(trees, b"is_linear", b"0")
    shrinkage = b" ".join(tree.get(b"shrinkage", b"1") for tree in trees)
    if not NUMBERS.fullmatch(shrinkage) or shrinkage.count(b" ") != len(trees) - 1:
        refuse("has a malformed shrinkage")
    if leaves.min() < 1 or leaves.max() >= _MAX_NUMBER or categorical.min() < 0:
        refuse("has a tree of no leaves")
    if linear.min() < 0 or linear.max() > 1:
        refuse("has a malformed is_linear")
    for tree, sets_there, is_linear in zip(
        trees, categorical.tolist(), linear.tolist(), strict=True
    ):
        _check_unused(tree, {} if sets_there else _OF_CATEGORIES)
        _check_unused(tree, {} if is_linear else _OF_LINEAR)
    lists = {key: _list(trees, key, leaves) for key in _LISTS}
    nodes = leaves - 1
    check_features(lists["split_feature"], features)
    kinds = lists["decision_type"]
    sets = np.zeros(int(nodes.sum()), np.int64) if kinds is None else kinds
    if sets.size and (sets.min() < 0 or sets.max() > 127):  # noqa: PLR2004 - one signed byte
        refuse("has a malformed decision_type")
    check_children(lists["left_child"], lists["right_child"], leaves)
    check_categories(trees, categorical, np.flatnonzero(sets & 1), np.repeat(categorical, nodes))
    check_linear([tree for tree, one in zip(trees, linear.tolist(), strict=True) if one], features)


def _check_unused(tree: Tree, patterns: dict[bytes, re.Pattern[bytes]]) -> None:
    """Check lists that LightGBM does not read in such a tree: numbers at most."""
    for key, pattern in patterns.items():
        text = b" ".join(tree.get(key, b"").split())
        if text and not pattern.fullmatch(text):
            refuse(f"has a {key.decode()} that is no list of numbers")


def _scalars(trees: list[Tree], key: bytes, default: bytes = b"") -> Array:
    values = [tree.get(key, default) for tree in trees]
    found = integers(b" ".join(values), key.decode())
    if len(found) != len(trees) or b" " in b"".join(values):
        refuse(f"has a malformed {key.decode()}")
    return found


def _check_constant(name: str, text: bytes | None, index: int) -> None:
    """Check a list of a tree of one leaf, a constant; versions differ in what they write of it."""
    malformed = text and (name in _REQUIRED or b" " in text or not NUMBERS.fullmatch(text))
    if name == "leaf_value" or malformed:
        refuse(f"has a {name} of another length in tree {index}")


def _list(trees: list[Tree], name: str, leaves: Array) -> Array | None:
    """Return the numbers of one list in all trees, None if no tree with a split has it."""
    fewer, pattern = _LISTS[name]
    key, many, texts = name.encode(), leaves.tolist(), []
    for index, (tree, count) in enumerate(zip(trees, many, strict=True)):
        text = tree.get(key)
        if count == 1 and not (text and name == "leaf_value"):
            _check_constant(name, text, index)
        elif text is None:
            if name in _REQUIRED:
                refuse(f"has no {name} in tree {index}")
        elif text.count(b" ") + 1 != count + fewer:
            refuse(f"has a {name} of another length in tree {index}")
        else:
            texts.append(text)
    if not texts:
        return np.zeros(0, np.int64) if name in _REQUIRED else None
    joined = b" ".join(texts)
    if not pattern.fullmatch(joined):
        refuse(f"has a {name} that is no list of numbers")
    if pattern is NUMBERS:
        return None  # any number will do
    if name == "decision_type" and len(texts) != int((leaves > 1).sum()):
        refuse("has a decision_type in some trees only")
    return np.fromstring(joined, dtype=np.int64, sep=" ")
