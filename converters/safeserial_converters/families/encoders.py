# SPDX-License-Identifier: BSD-3-Clause
"""Encoders of categories and labels, and binning.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial_converters import ops
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts
from safeserial_converters.tensors import Tensor

PRE = "sklearn.preprocessing."


def code_of(inputs: Inputs, column: int, categories: Any) -> Tensor:
    """Return the category's number of each row, ``[N]``; one past the last where it is unknown."""
    code = ops.ravel(ops.codes(inputs.column(column), categories))
    return ops.where(code < 0, len(categories), code)


def pick(code: Tensor, table: Any, dtype: str | None = None) -> Tensor:
    """Look up a value a code."""
    return ops.gather(code.graph.constant(np.asarray(table), dtype), code)


def groups_of(model: Any, column: int) -> Any:
    """Return the number of each category after infrequent ones were put together."""
    count = len(model.categories_[column])
    if not getattr(model, "_infrequent_enabled", False):
        return np.arange(count)
    found = model._default_to_infrequent_mappings[column]
    return np.arange(count) if found is None else np.asarray(found)


@converts(PRE + "OneHotEncoder")
def convert_one_hot(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A column a category (or group of infrequent ones); unknown ones give zeros."""
    parts = []
    for i, categories in enumerate(model.categories_):
        places = one_hot_places(model, i)
        code = code_of(inputs, i, categories)
        width = int(model._n_features_outs[i])
        if width:
            parts.append(ops.one_hot(pick(code, places), width))
    if not parts:
        raise graph.refuse(model, "it has no output columns")
    return {"transform": ops.concat(parts)}


def one_hot_places(model: Any, column: int) -> list[int]:
    """Return the output column of each category, and last that of unknown ones; -1 for none."""
    groups = groups_of(model, column)
    dropped = None
    if model.drop_idx_ is not None:
        dropped = model._drop_idx_after_grouping[column]

    def place(group: int) -> int:
        if dropped is None or group < dropped:
            return group
        return -1 if group == dropped else group - 1

    unknown = -1
    rare = getattr(model, "_infrequent_enabled", False) and model._infrequent_indices[column]
    if (
        model.handle_unknown in {"infrequent_if_exist", "warn"}
        and np.size(rare)
        and rare is not None
    ):
        unknown = place(int(groups[np.ravel(rare)[0]])) if rare is not False else -1
    return [*(place(int(group)) for group in groups), unknown]


@converts(PRE + "OrdinalEncoder")
def convert_ordinal(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The number of the category (or group), with values of their own for unknown and missing."""
    dtype = "int64" if np.dtype(model.dtype).kind in "iu" else graph.real
    unknown = np.nan if model.unknown_value is None else model.unknown_value
    if dtype == "int64" and unknown != unknown:
        unknown = -1
    missing = getattr(model, "_missing_indices", {})
    parts = []
    for i, categories in enumerate(model.categories_):
        table = [float(group) for group in groups_of(model, i)]
        if i in missing:  # of which the groups of infrequent ones know nothing
            table = table if len(table) == len(categories) else [*table, 0.0]
            table[missing[i]] = float(model.encoded_missing_value)
        code = code_of(inputs, i, categories)
        parts.append(ops.unsqueeze(pick(code, [*table, float(unknown)], dtype), 1))
    return {"transform": ops.concat(parts)}


@converts(PRE + "TargetEncoder")
def convert_target_encoder(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The mean target of the category, shrunk; that of all for unknown ones."""
    classes = len(model.classes_) if model.target_type_ == "multiclass" else 1
    means = np.atleast_1d(model.target_mean_)
    parts = []
    for number, encoding in enumerate(model.encodings_):
        i, place = divmod(number, classes)
        code = code_of(inputs, i, model.categories_[i])
        parts.append(ops.unsqueeze(pick(code, np.append(encoding, means[place]), graph.real), 1))
    return {"transform": ops.concat(parts)}


@converts(PRE + "LabelEncoder")
def convert_label_encoder(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The number of the class; -1 where it is none."""
    return {"transform": ops.codes(ops.ravel(inputs.tensor), model.classes_)}


@converts(PRE + "LabelBinarizer")
def convert_label_binarizer(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A column a class, or one for two classes."""
    if model.y_type_.startswith("multilabel"):
        hit = inputs.tensor.cast("int64") > 0
    else:
        code = ops.codes(ops.ravel(inputs.tensor), model.classes_)
        hit = ops.one_hot(code, len(model.classes_), "bool")
        if model.y_type_ == "binary" or len(model.classes_) == 1:
            hit = ops.columns(hit, [1]) if len(model.classes_) > 1 else hit & (~hit)
    return {"transform": ops.where(hit, graph.constant(int(model.pos_label)), int(model.neg_label))}


@converts(PRE + "MultiLabelBinarizer")
def convert_multi_label(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """A column a class; rows are padded with what is no class, ``""`` or an unused number."""
    code = ops.codes(inputs.tensor, model.classes_)
    hit = ops.one_hot(code, len(model.classes_), "int64")
    return {"transform": ops.largest(hit, 1)}


@converts(PRE + "KBinsDiscretizer")
def convert_bins(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """The number of the bin, or a column a bin."""
    parts = []
    x = inputs.numeric()
    for i, edges in enumerate(model.bin_edges_):
        inputs.note_thresholds(i, edges[1:-1])
        code = ops.searchsorted(np.asarray(edges, np.float64)[1:-1], ops.column(x, i), "right")
        if model.encode == "ordinal":
            parts.append(ops.unsqueeze(code.cast(graph.real), 1))
        else:
            parts.append(ops.one_hot(code, int(model.n_bins_[i])))
    return {"transform": ops.concat(parts)}
