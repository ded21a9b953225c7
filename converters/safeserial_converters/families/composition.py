# SPDX-License-Identifier: BSD-3-Clause
"""Pipelines, column transformers and feature unions: right when their parts are.

Floor 7, beside the command line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safeserial_converters import ops
from safeserial_converters.graph import Graph
from safeserial_converters.inputs import Inputs
from safeserial_converters.registry import converts, invert, inverts
from safeserial_converters.tensors import Tensor


def is_passthrough(step: Any) -> bool:
    """Whether a step hands its input on."""
    return step is None or (isinstance(step, str) and step == "passthrough")


def transformed(graph: Graph, step: Any, inputs: Inputs, name: str) -> Inputs:
    """Return what a transformer makes of a table, with column names if it gives a DataFrame."""
    if is_passthrough(step):
        return inputs
    found = Inputs.of(graph.convert(step, inputs, step=name)["transform"])
    return Inputs(graph, found.blocks, names_after(step, found), found.origins)


def names_after(step: Any, table: Inputs) -> tuple[str, ...] | None:
    """Return the names of the columns after a step, where a later one may ask for them."""
    from sklearn import get_config

    own = getattr(step, "_sklearn_output_config", {}).get("transform")
    if (own or get_config()["transform_output"]) not in {"pandas", "polars"}:
        return table.names if hasattr(step, "transformers_") else None
    names = tuple(str(one) for one in step.get_feature_names_out())
    return names if len(names) == table.width else None


@converts("sklearn.pipeline.Pipeline", "imblearn.pipeline.Pipeline")
def convert_pipeline(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """One step after another; the methods are those of the last."""
    *first, (name, last) = model.steps
    table = inputs
    for label, step in first:
        if hasattr(step, "fit_resample"):  # imbalanced-learn: samplers work in fit only
            continue
        table = transformed(graph, step, table, label)
    if is_passthrough(last):
        return {"transform": table}
    part = graph.convert(last, table, step=name)
    return {method: lambda method=method: part[method] for method in part.methods}


@inverts("sklearn.pipeline.Pipeline")
def invert_pipeline(model: Any, values: Tensor, graph: Graph) -> Tensor:
    """Undo the steps, the last first."""
    for _, step in reversed(model.steps):
        if not is_passthrough(step):
            values = invert(graph, step, values)
    return values


@converts("sklearn.compose.ColumnTransformer")
def convert_column_transformer(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Each transformer on its columns, side by side."""
    places = model._transformer_to_input_indices
    parts = []
    for name, step, wanted in model.transformers_:
        chosen = columns_here(model, inputs, places[name])
        if (isinstance(step, str) and step == "drop") or not chosen:
            continue
        table = inputs.select(chosen)
        if isinstance(wanted, str | int):  # a single name means a vector
            table = Inputs(graph, [ops.ravel(table.tensor)], table.names, table.origins)
        parts.append(transformed(graph, step, table, name))
    if not parts:
        raise graph.refuse(model, "it drops every column")
    joined = Inputs.beside(graph, parts)
    return {"transform": merged(joined)}


def merged(table: Inputs) -> Inputs:
    """Return a table whose blocks of one dtype are one tensor, so that later steps are simple."""
    if len({block.dtype for block in table.blocks}) == 1:
        return Inputs(table.graph, [table.tensor], table.names, table.origins)
    return table


def columns_here(model: Any, inputs: Inputs, places: Any) -> list[int]:
    """Return which columns of this table those of the fit are: by name where there are names."""
    indices = [int(i) for i in np.atleast_1d(np.asarray(places, dtype=np.int64))]
    fitted = getattr(model, "feature_names_in_", None)
    if inputs.names is None or fitted is None:
        return indices
    here = {name: i for i, name in enumerate(inputs.names)}
    missing = [str(fitted[i]) for i in indices if str(fitted[i]) not in here]
    if missing:
        raise inputs.graph.refuse(model, f"the sample has no column {missing[0]!r}")
    return [here[str(fitted[i])] for i in indices]


@converts("sklearn.pipeline.FeatureUnion")
def convert_feature_union(model: Any, inputs: Inputs, graph: Graph) -> dict[str, Any]:
    """Every transformer on all columns, side by side."""
    weights = model.transformer_weights or {}
    parts = []
    for name, step in model.transformer_list:
        if isinstance(step, str) and step == "drop":
            continue
        table = transformed(graph, step, inputs, name)
        weight = weights.get(name)
        parts.append(table if weight is None else Inputs.of(table.numeric() * float(weight)))
    if not parts:
        raise graph.refuse(model, "it drops every part")
    return {"transform": merged(Inputs.beside(graph, parts))}
